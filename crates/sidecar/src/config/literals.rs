//! Secrets that stand in the configuration file itself.

use url::Url;

use super::hidden::secrets;
use super::reading::Findings;
use super::{PolicyEntry, Reloadable};

/// Keys that take a secret and may stand in the file all the same; `store.shared` looks for a password itself.
const SHOWN: [&str; 2] = ["plivo.auth_id", "store.shared"];

/// The keys under which there are some, in policies' settings too.
pub(super) fn keys(found: &Findings, reloadable: &Reloadable) -> Vec<String> {
    let login = reloadable.shared_url.as_ref().and_then(|url| Url::parse(url.expose()).ok());
    let has_password = login.is_some_and(|url| url.password().is_some());
    let is_secret = |key: &str| !is_shown(key) || (key == "store.shared" && has_password);
    let keys = found.literals.iter().map(|spot| &spot.key).filter(|key| is_secret(key));
    keys.cloned().chain(reloadable.policies.iter().flat_map(of_policy)).collect()
}

fn of_policy(policy: &PolicyEntry) -> Vec<String> {
    let key = |of: &str| format!("policies.{}.{of}", policy.name);
    let mut keys = secrets(&key("settings"), policy.settings());
    // Where it has none of its own, its settings are the policy's.
    if policy.candidate_settings() != policy.settings() {
        keys.extend(secrets(&key("candidate_settings"), policy.candidate_settings()));
    }
    keys
}

/// Whether a secret may stand under this key in the file itself.
pub(super) fn is_shown(key: &str) -> bool {
    let of_account = key.strip_prefix("plivo.accounts.");
    SHOWN.contains(&key) || of_account.is_some_and(|key| key.ends_with(".auth_id"))
}

#[cfg(test)]
mod tests {
    use crate::config::testing::{Folder, account};

    #[test]
    fn a_secret_of_a_file_or_variable_and_what_may_be_seen_are_not_named() {
        let folder = Folder::new();
        folder.file("m.wasm", b"\0asm");
        folder.file("token", "secret-in-a-file");
        let toml = |shared: &str| {
            format!(
                "[listen]\nadmin_token = \"literal\"\n[[apps]]\nname = \"a\"\ntoken = {{ file = \"token\" }}\n\
                 [plivo]\naccounts.eu = {{ auth_id = \"MAEU\", auth_token = \"literal\", sender = \"+447400123456\" }}\n\
                 [store]\nhash_key = {{ file = \"token\" }}\nshared = \"{shared}\"\n\
                 [[policies]]\nname = \"p\"\nmodule = \"m.wasm\"\nsettings = {{ salt = \"s\", n = 7 }}\n"
            )
        };
        let mut named =
            vec!["listen.admin_token", "plivo.accounts.eu.auth_token", "policies.p.settings.salt"];
        let mut found = folder.config(&toml("redis://127.0.0.1:1"), &account()).literals().to_vec();
        found.sort();
        assert_eq!(found, named);
        named.push("store.shared");
        let mut found =
            folder.config(&toml("redis://:p@127.0.0.1:1"), &account()).literals().to_vec();
        found.sort();
        assert_eq!(found, named);
    }
}
