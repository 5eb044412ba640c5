use super::PhoneForm;
use crate::config::testing::{Folder, account, assert_faults, config_of};
use crate::config::{Environment, SecretSource};

/// The faults of a file that holds nothing but `apps`.
fn faults(apps: &str) -> Vec<String> {
    Folder::new().faults(apps, &account())
}

#[test]
fn an_app_has_its_documented_defaults() {
    let config = config_of("");
    let app = &config.reloadable.apps[0];
    assert_eq!((app.name.as_str(), app.phone), ("demo", PhoneForm::Strict));
    assert_eq!(app.token.as_ref().unwrap().source(), &SecretSource::Literal);
    assert!(!app.open_on_loopback && !app.require_idempotency_key, "{app:?}");
    assert_eq!((&app.senders, &app.default_intent, app.uids.len()), (&None, &None, 0));
    assert_eq!(
        (app.relay.as_ref(), app.account.as_str(), app.sender.as_ref()),
        (None, "default", None)
    );
}

#[test]
fn every_key_of_an_app_is_read() {
    let toml = "[listen]\napps = \"unix:s\"\n[[apps]]\nname = \"MADEMOXXXXXXXXXXXXXX\"\nopen_on_loopback = true\n\
                senders = [\"+14155551212\", \"12345\", \"Acme\", \"86bbb125-97bb-4d72-89fd-81d5c515b015\"]\n\
                sender = \"12345\"\nphone = \"lenient\"\ndefault_intent = \"otp\"\nrequire_idempotency_key = true\nuid = [0, 1000]\n";
    let config = Folder::new().config(toml, &account());
    let app = &config.reloadable.apps[0];
    let kinds: Vec<&str> = app.senders.iter().flatten().map(|sender| sender.kind()).collect();
    assert_eq!(kinds, ["number", "short-code", "alphanumeric", "pool"]);
    assert_eq!(app.sender.as_ref().map(|sender| sender.kind()), Some("short-code"));
    assert_eq!((app.phone, app.uids.as_slice()), (PhoneForm::Lenient, &[0, 1000][..]));
    assert_eq!(app.default_intent.as_deref(), Some("otp"));
    assert!(app.open_on_loopback && app.require_idempotency_key && app.token.is_none(), "{app:?}");
}

#[test]
fn a_file_without_apps_is_refused() {
    let want = |found: Vec<String>, start: &str| {
        assert!(
            found.len() == 1 && found[0].starts_with(start),
            "wanted {start}, found {found:#?}"
        );
    };
    want(faults(""), "sidecar.toml:1:1: apps: is missing; write at least one [[apps]]");
    want(faults("apps = []"), "sidecar.toml:1:8: apps: is empty; write at least one [[apps]]");
    want(
        faults("[apps]\nname = \"a\""),
        "sidecar.toml:1:1: apps: is a table; give a list of tables, each under [[apps]]",
    );
    want(faults("apps = [1]"), "sidecar.toml:1:9: apps[0]: is an integer; give a table");
}

#[test]
fn each_fault_of_an_app_is_named_at_its_place() {
    assert_faults(&[
        ("[[apps]]\ntoken = \"t\"", &["sidecar.toml:1:1: apps[0].name: is missing; write name ="]),
        (
            "[[apps]]\nname = \"a:b\"\ntoken = \"t\"",
            &["sidecar.toml:2:8: apps[0].name: is not a name"],
        ),
        (
            "[[apps]]\nname = \"a\"",
            &["sidecar.toml:1:1: apps[0].token: is missing, so nobody could be this app"],
        ),
        (
            "[[apps]]\nname = \"a\"\ntoken = 5",
            &["sidecar.toml:3:9: apps[0].token: is an integer; give \"literal\""],
        ),
        ("[[apps]]\nname = \"a\"\nuid = -1", &["sidecar.toml:3:7: apps[0].uid: is -1; give"]),
        (
            "[[apps]]\nname = \"a\"\ntoken = \"t\"\nsenders = []",
            &["sidecar.toml:4:11: apps[0].senders: is empty; leave"],
        ),
        (
            "[[apps]]\nname = \"a\"\ntoken = \"t\"\nphone = \"loose\"",
            &["sidecar.toml:4:9: apps[0].phone: is none of \"strict\", \"lenient\""],
        ),
        (
            "[[apps]]\nname = \"a\"\ntoken = \"t\"\ndefault_intent = \"\"",
            &["sidecar.toml:4:18: apps[0].default_intent: is not an intent"],
        ),
        (
            "[[apps]]\nname = \"a\"\ntoken = \"t\"\ndefault_intent = \"otp.login\"",
            &["sidecar.toml:4:18: apps[0].default_intent: is not an intent"],
        ),
        (
            "[[apps]]\nname = \"a\"\ntoken = \"t\"\nrequire_idempotency_key = \"yes\"",
            &[
                "sidecar.toml:4:27: apps[0].require_idempotency_key: is a string; give true or false",
            ],
        ),
        (
            "[[apps]]\nname = \"a\"\ntokn = \"t\"",
            &[
                "sidecar.toml:1:1: apps[0].token: is missing",
                "sidecar.toml:3:1: apps[0].tokn: is not a known key; did you mean `token`?",
            ],
        ),
    ]);
}

#[test]
fn what_two_apps_may_not_share_is_a_fault_in_the_second() {
    assert_faults(&[
        (
            "[[apps]]\nname = \"demo\"\ntoken = \"t\"",
            &["sidecar.toml:5:8: apps[1].name: is apps[0].name too"],
        ),
        (
            "[[apps]]\nname = \"a\"\ntoken = \"demo-token\"",
            &["sidecar.toml:6:9: apps[1].token: is apps[0].token too"],
        ),
        (
            "listen.admin_token = \"demo-token\"",
            &["sidecar.toml:4:9: apps[0].token: is listen.admin_token too; give each app"],
        ),
        (
            "[[apps]]\nname = \"a\"\ntoken = \"0123456789012345678901234567890123456789\"",
            &["sidecar.toml:3:9: apps[0].token: is plivo.auth_token too; give each app"],
        ),
        (
            "[[apps]]\nname = \"a\"\nuid = 7\n[[apps]]\nname = \"b\"\nuid = [8, 7]",
            &["sidecar.toml:6:11: apps[1].uid[1]: is apps[0].uid too"],
        ),
        (
            "[[apps]]\nname = \"a\"\nopen_on_loopback = true\n[[apps]]\nname = \"b\"\nopen_on_loopback = true",
            &["sidecar.toml:6:20: apps[1].open_on_loopback: is apps[0].open_on_loopback too"],
        ),
    ]);
}

#[test]
fn a_sender_that_is_wrong_is_not_shown() {
    let found = faults("[[apps]]\nname = \"a\"\ntoken = \"t\"\nsenders = [\"+1 415 555 1212\"]");
    assert!(
        found.len() == 1
            && found[0].starts_with("sidecar.toml:4:12: apps[0].senders[0]: is not a sender"),
        "{found:#?}"
    );
    assert!(!found[0].contains("415"), "{found:#?}");
}

#[test]
fn an_open_app_and_a_useless_user_id_are_warnings() {
    let toml = "[[apps]]\nname = \"a\"\nopen_on_loopback = true\nuid = 7\n";
    let warnings = Folder::new().warnings(toml, &account());
    let [open, uid] = &warnings[..] else { panic!("two warnings: {warnings:#?}") };
    assert!(
        open.starts_with("sidecar.toml:3:20: apps[0].open_on_loopback: anybody on this machine"),
        "{open}"
    );
    assert!(uid.starts_with("sidecar.toml:4:7: apps[0].uid: is of no use"), "{uid}");
}

#[test]
fn another_user_who_may_not_reach_the_socket_is_a_warning_once() {
    let toml = |more: &str| {
        format!(
            "[listen]\napps = \"unix:a.sock\"\n{more}[[apps]]\nname = \"a\"\nuid = [4294967294, 4294967293]\n"
        )
    };
    let warnings = Folder::new().warnings(&toml(""), &account());
    let [only] = &warnings[..] else { panic!("one warning: {warnings:#?}") };
    assert!(only.contains("apps[0].uid[0]") && only.contains("listen.socket_mode"), "{only}");
    let told = toml("socket_mode = \"0660\"\n");
    assert_eq!(Folder::new().warnings(&told, &account()), Vec::<String>::new());
}

#[test]
fn a_token_in_the_file_is_a_warning_unless_plivo_is_a_simulator_here() {
    let toml = "[[apps]]\nname = \"a\"\ntoken = \"t\"\n";
    let warnings = Folder::new().warnings(toml, &account());
    assert!(
        warnings.len() == 1
            && warnings[0].starts_with("sidecar.toml:3:9: apps[0].token: stands in the file"),
        "{warnings:#?}"
    );

    let simulated = format!("plivo.base_url = \"http://127.0.0.1:8790\"\n{toml}");
    assert_eq!(Folder::new().warnings(&simulated, &account()), Vec::<String>::new());

    let production: Environment = [
        ("PLIVO_AUTH_ID", "MAXXXXXXXXXXXXXXXXXX"),
        ("PLIVO_AUTH_TOKEN", "t0"),
        ("PLIVO_SENDER_NUMBER", "+14155551212"),
        (Environment::STAGE, "production"),
    ]
    .into_iter()
    .collect();
    assert_eq!(Folder::new().warnings(&simulated, &production).len(), 1);
}
