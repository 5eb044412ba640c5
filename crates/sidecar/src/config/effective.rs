//! What is in force, key by key.

use std::fmt;

use toml::de::DeValue;

use super::SecretSource;
use super::hidden::without_query;

/// Every key that was written or has a default, in the order in which they were read, as faults name them. Of a secret
/// only where it comes from. `Debug` shows no value: a sender is no secret, and a number all the same.
#[derive(Clone, Default)]
pub struct Effective(Vec<Entry>);

#[derive(Clone)]
struct Entry {
    key: String,
    value: String,
    is_default: bool,
}

impl Effective {
    /// A value as it is written; tables and lists are told by what is in them.
    pub(super) fn written(&mut self, key: &str, value: &DeValue<'_>) {
        let value = match value {
            // A query may hold what the place wants to be told in secret.
            DeValue::String(text) => format!("{:?}", without_query(text)),
            DeValue::Integer(number) => number.as_str().to_owned(),
            DeValue::Float(number) => number.as_str().to_owned(),
            DeValue::Boolean(flag) => flag.to_string(),
            DeValue::Datetime(instant) => instant.to_string(),
            DeValue::Array(list) if list.is_empty() => "[]".to_owned(),
            DeValue::Array(_) | DeValue::Table(_) => return,
        };
        self.put(key, value, false);
    }

    /// What stands where nothing is written.
    pub(super) fn default(&mut self, key: &str, value: impl fmt::Display) {
        self.put(key, value.to_string(), true);
    }

    /// A secret, by its source, in the place of all that was told of it.
    pub(super) fn secret(&mut self, key: &str, source: impl fmt::Display) {
        self.put_whole(key, format!("(secret, {source})"));
    }

    /// What might be written like a secret and is none, with its source where that is not this file.
    pub(super) fn sourced(&mut self, key: &str, value: &str, source: &SecretSource) {
        let told = match source {
            SecretSource::Literal => format!("{value:?}"),
            elsewhere => format!("{value:?}  # {elsewhere}"),
        };
        self.put_whole(key, told);
    }

    /// In the place of what was told of the key and of those below it.
    fn put_whole(&mut self, key: &str, value: String) {
        let below = |other: &str| other.strip_prefix(key).is_some_and(|rest| rest.starts_with('.'));
        self.0.retain(|entry| entry.key != key && !below(&entry.key));
        self.put(key, value, false);
    }

    /// Anything else that a key says.
    pub(super) fn told(&mut self, key: &str, value: impl fmt::Display) {
        self.put(key, value.to_string(), false);
    }

    fn put(&mut self, key: &str, value: String, is_default: bool) {
        // Read twice, it is told once.
        self.0.retain(|entry| entry.key != key);
        self.0.push(Entry { key: key.to_owned(), value, is_default });
    }
}

impl fmt::Debug for Effective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Effective({} keys)", self.0.len())
    }
}

impl fmt::Display for Effective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Entry { key, value, is_default } in &self.0 {
            writeln!(f, "{key} = {value}{}", if *is_default { "  # default" } else { "" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use toml::de::DeValue;

    use super::Effective;
    use crate::config::Environment;
    use crate::config::testing::Folder;

    #[test]
    fn every_key_is_told_with_its_default_and_of_a_secret_only_its_source() {
        let folder = Folder::new();
        folder.file("m.wasm", b"\0asm");
        folder.file("token", "secret-in-a-file");
        let toml = "[listen]\nadmin_token = \"secret-literal\"\ndrain_s = 7\n[[apps]]\nname = \"a\"\n\
                    token = { file = \"token\" }\nrelay_url = \"https://a.example/r?token=secret-query\"\n\
                    relay_secret = [\"whsec_c2VjcmV0LWxpdGVyYWwtaW4tYS1saXN0\"]\n[plivo]\nsender = \"+14155551212\"\n\
                    accounts.eu = { auth_id = \"secret-id\", auth_token = \"secret-token\", sender = { env = \"SENDER\" } }\n\
                    [store]\nhash_key = { env = \"KEY\" }\nshared = \"redis://:secret-word@cache:7000\"\n\
                    [[policies]]\nname = \"p\"\nmodule = \"m.wasm\"\nsettings = { salt = \"secret-salt\", n = 7 }\n";
        let environment = [
            ("PLIVO_AUTH_ID", "MAXXXXXXXXXXXXXXXXXX"),
            ("PLIVO_AUTH_TOKEN", "secret-in-a-variable"),
            ("KEY", "secret-key-of-hashes-long-enough"),
            ("SENDER", "+447400123456"),
        ];
        let environment = Environment::from_iter(environment);
        let told = folder.config(toml, &environment).effective.to_string();
        for line in [
            "listen.drain_s = 7\n",
            "listen.linger_s = 5  # default\n",
            "listen.apps = \"127.0.0.1:8787\"  # default\n",
            "listen.admin_token = (secret, the literal)\n",
            "apps[0].name = \"a\"\n",
            "apps[0].relay_secret[0] = (secret, the literal)\n",
            "plivo.auth_token = (secret, the variable PLIVO_AUTH_TOKEN)\n",
            "plivo.attempts = \"auto\"  # default\n",
            "plivo.sender = \"+14155551212\"\n",
            "plivo.accounts.eu.sender = \"+447400123456\"  # the variable SENDER\n",
            "plivo.accounts.eu.auth_id = (secret, the literal)\n",
            "delivery.on_unresolved = \"fail\"  # default\n",
            "store.ephemeral = true  # default\n",
            "store.hash_key = (secret, the variable KEY)\n",
            "apps[0].relay_url = \"https://a.example/r?(hidden)\"\n",
            "policies[0].settings = {\"n\":7,\"salt\":\"(secret)\"}\n",
        ] {
            assert!(told.contains(line), "{line} is not in\n{told}");
        }
        assert!(!told.contains("secret-") && !told.contains("c2VjcmV0"), "{told}");
    }

    #[test]
    fn a_store_with_a_path_is_not_told_to_be_in_memory() {
        let toml = "[store]\npath = \"sendgate.db\"";
        let told = crate::config::testing::config_of(toml).effective.to_string();
        assert!(told.contains("store.path") && !told.contains("store.ephemeral"), "{told}");
    }

    #[test]
    fn no_query_of_an_address_is_told_however_its_scheme_is_written() {
        for address in ["HTTPS://a.example/r?token=secret", " hTtp:a.example?secret"] {
            let mut effective: Effective = Default::default();
            effective.written("relay_url", &DeValue::String(address.into()));
            let told = effective.to_string();
            assert!(told.ends_with("?(hidden)\"\n") && !told.contains("secret"), "{told}");
        }
        let mut effective: Effective = Default::default();
        effective.written("apps", &DeValue::String("unix:run/apps.sock".into()));
        assert_eq!(effective.to_string(), "apps = \"unix:run/apps.sock\"\n");
    }
}
