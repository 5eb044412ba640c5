use super::SecretSource;
use crate::config::Environment;
use crate::config::testing::{Folder, account};

fn with_token(token: &str) -> String {
    format!("[[apps]]\nname = \"a\"\ntoken = {token}\n")
}

fn environment<const N: usize>(more: [(&str, &str); N]) -> Environment {
    let names = ["PLIVO_AUTH_ID", "PLIVO_AUTH_TOKEN", "PLIVO_SENDER_NUMBER"];
    let account = account();
    let all = names.map(|name| (name, account.get(name).unwrap())).into_iter().chain(more);
    all.collect()
}

#[test]
fn a_secret_comes_from_the_file_itself_a_variable_or_another_file() {
    let folder = Folder::new();
    let file = folder.file("secrets/token", "from-file\r\n");
    let environment = environment([("TOKEN", "from-env"), ("OTHER_FILE", "secrets/token")]);
    for (written, value, source) in [
        ("\"literal\"", "literal", SecretSource::Literal),
        ("{ env = \"TOKEN\" }", "from-env", SecretSource::Environment("TOKEN".into())),
        ("{ env = \"OTHER\" }", "from-file", SecretSource::File(file.clone())),
        ("{ file = \"secrets/token\" }", "from-file", SecretSource::File(file.clone())),
    ] {
        let config = folder.config(&with_token(written), &environment);
        let token = config.reloadable.apps[0].token.as_ref().unwrap();
        assert_eq!((token.expose(), token.source()), (value, &source), "for {written}");
        let watched = config.files().contains(&file);
        assert_eq!(watched, matches!(source, SecretSource::File(_)), "for {written}");
    }
}

#[test]
fn a_secret_that_cannot_be_had_is_a_fault_at_its_place() {
    let folder = Folder::new();
    folder.file("empty", "\n");
    folder.file("binary", [0xff, 0x00]);
    folder.file("large.txt", "x".repeat(4_097));
    let environment = environment([
        ("BOTH", "a"),
        ("BOTH_FILE", "b"),
        ("EMPTY", ""),
        ("SPACED", "a b"),
        ("MISSED_FILE", "nowhere"),
    ]);
    for (written, wanted) in [
        ("\"\"", "3:9: apps[0].token: is empty"),
        ("\"a b\"", "3:9: apps[0].token: holds a space"),
        (
            "{ env = \"GONE\" }",
            "3:17: apps[0].token.env: the environment has no GONE; set it (or GONE_FILE to a path)",
        ),
        ("{ env = \"\" }", "3:17: apps[0].token.env: is no variable's name"),
        ("{ env = \"A=B\" }", "3:17: apps[0].token.env: is no variable's name"),
        (
            "{ env = \"BOTH\" }",
            "3:17: apps[0].token.env: BOTH and BOTH_FILE are both set; unset one",
        ),
        ("{ env = \"EMPTY\" }", "3:17: apps[0].token.env: the variable EMPTY is empty"),
        ("{ env = \"SPACED\" }", "3:17: apps[0].token.env: the variable SPACED holds a space"),
        (
            "{ env = \"MISSED\" }",
            "3:17: apps[0].token.env: the variable MISSED_FILE: cannot read the file it names: No such file",
        ),
        ("{ env = 5 }", "3:17: apps[0].token.env: is an integer"),
        ("{ file = \"./gone\" }", "3:18: apps[0].token.file: cannot read ./gone: No such file"),
        ("{ file = \"empty\" }", "3:18: apps[0].token.file: the file empty is empty"),
        ("{ file = \"binary\" }", "3:18: apps[0].token.file: the file binary holds a space"),
        (
            "{ file = \"large.txt\" }",
            "3:18: apps[0].token.file: cannot read large.txt: it is larger than 4096 bytes",
        ),
        (
            "{ file = \"/dev/zero\" }",
            "3:18: apps[0].token.file: cannot read /dev/zero: it is not a regular file",
        ),
        ("{}", "3:9: apps[0].token: must have either `env` or `file`"),
        ("{ env = \"A\", file = \"b\" }", "3:9: apps[0].token: must have either"),
        ("{ file = \"empty\", kind = 1 }", "3:18: apps[0].token.file: the file empty is empty"),
        (
            "[\"a\"]",
            "3:9: apps[0].token: is a list; give \"literal\", { env = \"NAME\" } or { file = \"PATH\" }",
        ),
    ] {
        let found = folder.faults(&with_token(written), &environment);
        let fits = !found.is_empty() && found[0].starts_with(&format!("sidecar.toml:{wanted}"));
        assert!(fits, "for {written}: wanted {wanted}, found {found:#?}");
    }
}

#[test]
fn a_secret_matches_itself_and_nothing_else() {
    let config = Folder::new().config(&with_token("\"a-token\""), &account());
    let token = config.reloadable.apps[0].token.as_ref().unwrap();
    assert!(token.matches(b"a-token"));
    for other in ["", "a-toke", "a-token ", "A-TOKEN", "a-token\0"] {
        assert!(!token.matches(other.as_bytes()), "matches {other:?}");
    }
}

#[test]
fn neither_a_secret_nor_what_holds_one_shows_it() {
    let config = Folder::new().config(&with_token("\"hush-hush\""), &account());
    let token = config.reloadable.apps[0].token.as_ref().unwrap();
    let text = format!("{token} {token:?} {config:?}");
    assert!(!text.contains("hush-hush") && !text.contains("0123456789"), "{text}");
    assert!(!text.contains("+14155551212"), "{text}");
}

#[test]
fn a_sender_may_stand_where_a_secret_may_and_is_none() {
    let folder = Folder::new();
    folder.file("sender", "+14155551212");
    let toml = format!("[plivo]\nsender = {{ file = \"sender\" }}\n{}", with_token("\"t\""));
    let config = folder.config(&toml, &account());
    let told = config.effective.to_string();
    let wanted = "plivo.sender = \"+14155551212\"  # the file ";
    assert!(told.contains(wanted), "{told}");
    assert!(config.secret_files().is_empty());
    // What is none may be a secret in the wrong place.
    folder.file("sender", "0123456789012345678901234567890123456789");
    let found = folder.faults(&toml, &account());
    assert!(found.len() == 1 && !found[0].contains("0123"), "{found:#?}");
}

#[test]
fn a_secret_written_where_a_name_belongs_is_not_shown() {
    for written in ["{ env = \"ZDk4hush\" }", "{ file = \"ZDk4hush\" }"] {
        let found = Folder::new().faults(&with_token(written), &account());
        assert!(found.len() == 1 && !found[0].contains("hush"), "{found:#?}");
    }
}

#[test]
fn every_file_that_holds_a_secret_is_known_whichever_key_has_it_read() {
    let folder = Folder::new();
    let relay = folder.file("relay", "a-secret-of-the-relays-that-is-long");
    let admin = folder.file("admin", "admin-token");
    let dotenv = folder.file(".env", "DEMO=demo-token\nOWN=of-dotenv\n");
    let environment = environment([("OWN", "of-the-process")]);
    let toml = "[listen]\nadmin_token = { file = \"admin\" }\n\
                [[apps]]\nname = \"a\"\ntoken = { env = \"OWN\" }\nrelay_url = \"https://a.example\"\n\
                relay_secret = [{ file = \"relay\" }]\n";
    let known = |toml: &str| -> Vec<_> {
        folder.config(toml, &environment).secret_files().iter().cloned().collect()
    };
    assert_eq!(known(toml), [admin.clone(), relay.clone()], "a variable of the process is no file");
    let demo = toml.replace("OWN", "DEMO");
    assert_eq!(known(&demo), [dotenv.clone(), admin.clone(), relay.clone()]);
    if cfg!(feature = "oci") {
        let password = folder.file("registry", "password");
        let registry = "[registry]\ncredentials.\"a.example\" = { user = \"u\", password = { file = \"registry\" } }\n";
        assert_eq!(known(&format!("{registry}{demo}")), [dotenv, admin, password, relay]);
    }
}
