//! Who may read what holds secrets.

use serde_json::json;

use super::{examined, permit, told};
use crate::harness::{App, Folder, Policy, Setup, plivo, run_to_end};

#[tokio::test]
async fn each_file_of_secrets_that_everybody_may_read_is_named() {
    let (plivo, folder) = (plivo().await, Folder::new());
    let has_registries = cfg!(feature = "oci");
    let credentials = json!({"a.example": {"user": "u", "password": {"file": "password"}}});
    let app = App::new("relayed", "")
        .set("token", json!({"env": "DOTENV_TOKEN"}))
        .set("relay_url", "https://a.example/events")
        .set("relay_secret", json!([{"file": "relay"}, {"file": "closed"}]));
    let mut setup = Setup::new(&plivo).app(app);
    if has_registries {
        setup = setup.set("registry.credentials", credentials);
    }
    for (name, mode) in [("password", 0o644), ("relay", 0o604), ("closed", 0o640), (".env", 0o644)]
    {
        let secret =
            if name == ".env" { "DOTENV_TOKEN=hidden-of-dotenv" } else { "hidden-in-a-file" };
        folder.write(name, format!("{secret}-{name}\n"));
        permit(&folder, name, mode);
    }

    let ended = examined(&setup, &folder).await;

    let text = ended.log.text();
    let warned: Vec<String> = ended.log.lines();
    let warned: Vec<&str> = warned
        .iter()
        .filter_map(|line| {
            line.strip_prefix("warn     secrets          every user of this machine may read ")
        })
        .filter_map(|path| path.rsplit('/').next())
        .collect();
    let open = [".env", "password", "relay"].into_iter();
    let open: Vec<&str> = open.filter(|name| has_registries || *name != "password").collect();
    assert_eq!(warned, open, "{text}");
    assert!(!text.contains("hidden-"), "{text}");
}

#[tokio::test]
async fn a_configuration_that_everybody_may_read_is_named_with_the_keys_of_the_secrets_in_it() {
    let (plivo, folder) = (plivo().await, Folder::new());
    let elsewhere = App::new("other", "").set("token", json!({"env": "OTHER_TOKEN"}));
    let settings = json!({"window_s": 30, "salt": "hidden-salt"});
    let setup = Setup::new(&plivo)
        .app(elsewhere)
        .environment("OTHER_TOKEN", "hidden-token")
        .set("store.hash_key", "hidden-key-that-is-long-enough-for-hashes")
        .policy(Policy::new("dedup").settings(settings));
    folder.write("sidecar.toml", setup.to_toml());

    permit(&folder, "sidecar.toml", 0o604);
    let ended = run_to_end("doctor", &folder, &setup.environment).await;
    let warned = told(&ended, "warn", "secrets");
    let keys = "sidecar.toml, with the secrets in it: plivo.auth_token, apps[0].token, store.hash_key, \
                policies.dedup.settings.salt\n";
    assert!(warned.contains(keys) && warned.contains("chmod o-r"), "{warned}");
    assert!(!ended.log.text().contains("hidden-"), "{}", ended.log.text());

    let ended = examined(&setup, &folder).await;
    assert!(told(&ended, "ok", "secrets").contains("files that hold some: 1"));
}
