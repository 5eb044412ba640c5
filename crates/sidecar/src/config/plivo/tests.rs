use std::time::Duration;

use crate::config::Environment;
use crate::config::testing::{APP, Folder, account, assert_faults, config_of, warnings_of};

#[test]
fn without_the_section_the_environment_and_the_documented_defaults_hold() {
    let plivo = config_of("").reloadable.plivo;
    assert_eq!(plivo.base_url.as_str(), "https://api.plivo.com");
    assert_eq!(plivo.auth_id.expose(), "MAXXXXXXXXXXXXXXXXXX");
    assert_eq!(plivo.auth_token.expose(), "0123456789012345678901234567890123456789");
    assert_eq!(plivo.sender.as_str(), "+14155551212");
    assert_eq!(
        (plivo.connect_timeout, plivo.call_timeout),
        (Duration::from_secs(3), Duration::from_secs(15))
    );
    assert_eq!((plivo.max_connections, plivo.attempts, plivo.log), (100, None, None));
    assert!(plivo.senders.is_empty(), "{:?}", plivo.senders);
}

#[test]
fn where_a_whole_call_is_short_so_is_the_wait_for_its_connection() {
    let plivo = config_of("[plivo]\ncall_timeout_ms = 2_000").reloadable.plivo;
    assert_eq!(
        (plivo.connect_timeout, plivo.call_timeout),
        (Duration::from_secs(2), Duration::from_secs(2))
    );
}

#[test]
fn what_the_file_says_wins_over_the_environment() {
    let toml = "[plivo]\nbase_url = \"http://[::1]:8790\"\nauth_id = \"SAXXXXXXXXXXXXXXXXXX\"\nauth_token = \"t\"\n\
                sender = \"86bbb125-97bb-4d72-89fd-81d5c515b015\"\nlog = false\n\
                senders = [{ number = \"+14155551212\", mms = false }, { number = \"12345\", sms = true }]";
    let plivo = config_of(toml).reloadable.plivo;
    assert_eq!((plivo.auth_id.expose(), plivo.auth_token.expose()), ("SAXXXXXXXXXXXXXXXXXX", "t"));
    assert_eq!((plivo.sender.kind(), plivo.log), ("pool", Some("false")));
    let able: Vec<(bool, bool)> =
        plivo.senders.iter().map(|sender| (sender.sms, sender.mms)).collect();
    assert_eq!(able, [(true, false), (true, true)]);
}

#[test]
fn a_credential_that_is_nowhere_is_a_fault_that_names_its_variable() {
    let found = Folder::new().faults(APP, &Environment::default());
    let [id, token, sender] = &found[..] else { panic!("three faults: {found:#?}") };
    assert!(
        id.starts_with(
            "sidecar.toml:1:1: plivo.auth_id: the environment has no PLIVO_AUTH_ID; set it (or \
     PLIVO_AUTH_ID_FILE"
        ),
        "{id}"
    );
    assert!(
        token.starts_with(
            "sidecar.toml:1:1: plivo.auth_token: the environment has no PLIVO_AUTH_TOKEN;"
        ),
        "{token}"
    );
    assert!(
        sender.starts_with(
            "sidecar.toml:1:1: plivo.sender: the environment has no PLIVO_SENDER_NUMBER;"
        ),
        "{sender}"
    );
}

#[test]
fn a_bad_value_of_a_variable_is_a_fault_that_names_the_variable_and_not_the_value() {
    let environment = Environment::from_iter([
        ("PLIVO_AUTH_ID", "MA/XX"),
        ("PLIVO_AUTH_TOKEN", "two words"),
        ("PLIVO_SENDER_NUMBER", "2125550100"),
    ]);
    let found = Folder::new().faults(APP, &environment);
    let text = found.join("\n");
    assert_eq!(found.len(), 3, "{text}");
    for name in ["PLIVO_AUTH_ID", "PLIVO_AUTH_TOKEN", "PLIVO_SENDER_NUMBER"] {
        assert!(text.contains(&format!("the variable {name}")), "no {name} in\n{text}");
    }
    for value in ["MA/XX", "two words", "2125550100"] {
        assert!(!text.contains(value), "{value} in\n{text}");
    }
}

#[test]
fn plain_http_to_another_machine_needs_the_operators_word() {
    assert_faults(&[(
        "[plivo]\nbase_url = \"http://plivo.test\"",
        &["sidecar.toml:2:12: plivo.base_url: is plain http to another machine"],
    )]);
    let allowed = warnings_of("[plivo]\nbase_url = \"http://plivo.test\"\nallow_plain_http = true");
    assert!(
        allowed.len() == 1
            && allowed[0].starts_with("sidecar.toml:2:12: plivo.base_url: is plain http"),
        "{allowed:#?}"
    );
}

#[test]
fn faults_of_the_section_are_named_at_their_places() {
    assert_faults(&[
        (
            "[plivo]\nbase_url = \"https://api.plivo.com/v1/\"",
            &["sidecar.toml:2:12: plivo.base_url: ends in /v1, which is added"],
        ),
        (
            "[plivo]\nbase_url = \"https://u:p@h\"",
            &["sidecar.toml:2:12: plivo.base_url: holds a user or password"],
        ),
        ("[plivo]\nattempts = 0", &["sidecar.toml:2:12: plivo.attempts: is 0; give"]),
        ("[plivo]\nmax_connections = 0", &["sidecar.toml:2:19: plivo.max_connections: is 0; give"]),
        (
            "[plivo]\nconnect_timeout_ms = 0",
            &["sidecar.toml:2:22: plivo.connect_timeout_ms: is 0; give"],
        ),
        (
            "[plivo]\nconnect_timeout_ms = 20_000\ncall_timeout_ms = 400_000",
            &["sidecar.toml:3:19: plivo.call_timeout_ms: is 400000; give"],
        ),
        (
            "[plivo]\nconnect_timeout_ms = 20_000",
            &["sidecar.toml:2:22: plivo.connect_timeout_ms: is longer than the whole call"],
        ),
        (
            "[plivo]\nlog = \"content-only\"",
            &[
                "sidecar.toml:2:7: plivo.log: is none of \"true\", \"false\", \"content_only\", \"number_only\"; did \
                 you mean `content_only`?",
            ],
        ),
        ("plivo = 5", &["sidecar.toml:1:9: plivo: is an integer; give a table"]),
        (
            "[plivo]\nsenders = [{ mms = false }]",
            &["sidecar.toml:2:12: plivo.senders[0].number: is missing"],
        ),
        (
            "[plivo]\nsenders = [{ number = \"+1\" }]",
            &["sidecar.toml:2:23: plivo.senders[0].number: is not a sender"],
        ),
        (
            "[plivo]\nsenders = [{ number = \"12345\", sms = false, mms = false }]",
            &["sidecar.toml:2:12: plivo.senders[0]: can carry neither"],
        ),
        (
            "[plivo]\nsenders = [{ number = \"12345\" }, { number = \"12345\" }]",
            &["sidecar.toml:2:45: plivo.senders[1].number: is plivo.senders[0].number too"],
        ),
        (
            "[plivo]\nsenders = [{ number = \"12345\", mmss = true }]",
            &["sidecar.toml:2:32: plivo.senders[0].mmss: is not a known key; did you mean `mms`?"],
        ),
    ]);
}

#[test]
fn credentials_of_an_unusual_shape_are_warnings() {
    let environment = Environment::from_iter([
        ("PLIVO_AUTH_ID", "account"),
        ("PLIVO_AUTH_TOKEN", "short"),
        ("PLIVO_SENDER_NUMBER", "+14155551212"),
    ]);
    let toml = "[[apps]]\nname = \"a\"\ntoken = { env = \"PLIVO_AUTH_ID\" }\n";
    let warnings = Folder::new().warnings(toml, &environment);
    let [id, token] = &warnings[..] else { panic!("two warnings: {warnings:#?}") };
    assert!(
        id.contains("plivo.auth_id: the variable PLIVO_AUTH_ID does not look like an auth id"),
        "{id}"
    );
    assert!(
        token.contains("plivo.auth_token: the variable PLIVO_AUTH_TOKEN does not look like"),
        "{token}"
    );
    assert_eq!(warnings_of(""), Vec::<String>::new(), "the usual shapes pass");
    assert!(account().get("PLIVO_AUTH_TOKEN").is_some_and(|token| token.len() == 40));
}

/// A further account, as much of it as there has to be.
const EUROPE: &str = "[plivo.accounts.europe]\nauth_id = \"MAYYYYYYYYYYYYYYYYYY\"\nauth_token = { env = \"EUROPE\" }\n\
                      sender = \"86bbb125-97bb-4d72-89fd-81d5c515b015\"\n";

fn with_europe() -> Environment {
    let token = ("EUROPE", "the-token-of-europe");
    let own = [
        ("PLIVO_AUTH_ID", "MAXXXXXXXXXXXXXXXXXX"),
        ("PLIVO_AUTH_TOKEN", "the-token-of-everybody"),
        ("PLIVO_SENDER_NUMBER", "+14155551212"),
    ];
    own.into_iter().chain([token]).collect()
}

#[test]
fn a_further_account_has_credentials_and_senders_of_its_own_and_the_rest_of_plivo() {
    let toml = format!(
        "[plivo]\nbase_url = \"http://127.0.0.1:8790\"\nattempts = 3\n{EUROPE}\
         senders = [{{ number = \"12345\", mms = false }}]\n{APP}account = \"europe\"\n"
    );
    let folder = Folder::new();
    let config = folder.config(&toml, &with_europe());
    let (own, europe) = (&config.reloadable.plivo, &config.reloadable.accounts["europe"]);
    assert_eq!(
        (europe.auth_token.expose(), europe.sender.kind(), europe.senders.len()),
        ("the-token-of-europe", "pool", 1)
    );
    assert_eq!((&europe.base_url, europe.attempts), (&own.base_url, Some(3)));
    assert_eq!(config.reloadable.apps[0].account, "europe");
    let told = config.effective.to_string();
    let line = "plivo.accounts.europe.auth_token = (secret, the variable EUROPE)\n";
    assert!(told.contains(line) && !told.contains("the-token"), "{told}");
    let unused = folder.warnings(&toml.replace("account = \"europe\"\n", ""), &with_europe());
    let wanted = "sidecar.toml:4:1: plivo.accounts.europe: is an account that no app sends with";
    assert!(unused.iter().any(|line| line.starts_with(wanted)), "{unused:#?}");
    let warned: Vec<String> = folder.warnings(&toml, &with_europe());
    assert!(
        !warned.iter().any(|line| line.contains("stands in the file") && line.contains("accounts")),
        "an auth id may stand in the file: {warned:#?}"
    );
}

#[test]
fn what_is_wrong_with_a_further_account_is_told_at_its_place() {
    for (toml, wanted) in [
        (
            format!("[plivo.accounts.us]\n{APP}"),
            &[
                "sidecar.toml:1:1: plivo.accounts.us.auth_id: is missing; write auth_id = { env = \"NAME\" }",
                "sidecar.toml:1:1: plivo.accounts.us.auth_token: is missing; write",
                "sidecar.toml:1:1: plivo.accounts.us.sender: is missing; write",
            ][..],
        ),
        (
            format!("{}{APP}", EUROPE.replace('Y', "X")),
            &[
                "sidecar.toml:2:11: plivo.accounts.europe.auth_id: is plivo.auth_id too; give each account",
            ],
        ),
        (
            format!("{EUROPE}max_connections = 9\n{APP}"),
            &[
                "sidecar.toml:5:1: plivo.accounts.europe.max_connections: is not a known key; take it out",
            ],
        ),
        (
            format!("{EUROPE}{APP}account = \"eurpoe\"\n"),
            &[
                "sidecar.toml:8:11: apps[0].account: is no account of this file; [plivo.accounts.NAME] adds one; \
               did you mean `europe`?",
            ],
        ),
        (
            format!("{}{APP}", EUROPE.replace("accounts.europe", "accounts.default")),
            &["sidecar.toml:1:1: plivo.accounts.default: is [plivo] itself, under that name"],
        ),
        (
            format!("{}{APP}", EUROPE.replace("accounts.europe", "accounts.\"a b\"")),
            &["sidecar.toml:1:1: plivo.accounts.\"a b\": has no name for an account; use 1 to 64"],
        ),
        (
            format!("{APP}sender = \"12345\"\nsenders = [\"+14155551212\"]\n"),
            &["sidecar.toml:4:10: apps[0].sender: is not among this app's senders"],
        ),
    ] {
        let found = Folder::new().faults(&toml, &with_europe());
        let same = found.len() == wanted.len()
            && found.iter().zip(wanted).all(|(found, wanted)| found.starts_with(wanted));
        assert!(same, "for\n{toml}\nwanted {wanted:#?}\nfound {found:#?}");
    }
}
