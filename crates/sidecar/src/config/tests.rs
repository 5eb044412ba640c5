//! The configuration as a whole.

use std::fs;
use std::path::Path;

use super::testing::{APP, Folder, account, assert_faults};
use super::{Config, Environment, SecretSource, Snapshot};

const MODULES: [&str; 4] = ["validation", "country", "dedup", "throttle"];

#[test]
fn three_variables_and_one_app_are_a_configuration() {
    let config = Folder::new().config(APP, &account());
    assert_eq!((config.reloadable.apps.len(), config.reloadable.policies.len()), (1, 0));
    assert_eq!(config.reloadable.poll.as_millis(), 2_000);
    assert_eq!(config.fixed.compile_cache, None);
}

#[test]
fn every_fault_is_found_at_once_and_in_the_order_of_the_file() {
    let toml = "[listen]\nadmin = 8788\nmax_body_bytes = 0\n\n[[apps]]\nname = \"a\"\ntoken = { env = \"GONE\" }\n\n\
                [plivo]\nattempts = -1\n[telemetry]\nprotocol = \"udp\"\n[[policies]]\nname = \"p\"\n\
                module = \"gone.wasm\"\n[polices]\n";
    let found = Folder::new().faults(toml, &account());
    let wanted = [
        "sidecar.toml:2:9: listen.admin: is an integer",
        "sidecar.toml:3:18: listen.max_body_bytes: is 0",
        "sidecar.toml:7:17: apps[0].token.env: the environment has no GONE",
        "sidecar.toml:10:12: plivo.attempts: is -1",
        "sidecar.toml:12:12: telemetry.protocol: is none of",
        "sidecar.toml:15:10: policies.p.module: there is no module",
        "sidecar.toml:16:2: polices: is not a known key; did you mean `policies`?",
    ];
    let same = found.len() == wanted.len()
        && found.iter().zip(wanted).all(|(found, wanted)| found.starts_with(wanted));
    assert!(same, "wanted {wanted:#?}\nfound {found:#?}");
}

#[test]
fn an_unknown_key_is_found_in_every_section() {
    for section in ["listen", "plivo", "delivery", "store", "telemetry", "reload"] {
        let wanted = format!("sidecar.toml:2:1: {section}.zzzzzz: is not a known key; take it out");
        assert_faults(&[(&format!("[{section}]\nzzzzzz = 1"), &[&wanted])]);
    }
    assert_faults(&[
        ("\"odd key\" = 1", &["sidecar.toml:1:1: \"odd key\": is not a known key; take it out"]),
        (
            "[reload]\npoll-ms = 500",
            &["sidecar.toml:2:1: reload.poll-ms: is not a known key; did you mean `poll_ms`?"],
        ),
        (
            "[reload]\npoll_ms = 99",
            &["sidecar.toml:2:11: reload.poll_ms: is 99; give a whole number from 100"],
        ),
    ]);
}

#[test]
fn what_is_no_toml_is_said_by_line_and_never_quoted() {
    let toml = "[listen\nadmin = 1\n[[apps]]\ntoken = \"hush\nname = 'x'\n";
    let found = Folder::new().faults(toml, &account());
    let text = found.join("\n");
    assert!(text.contains("sidecar.toml:1:8: is not TOML:"), "{text}");
    assert!(text.contains("sidecar.toml:4:"), "{text}");
    assert!(!text.contains("hush"), "{text}");
    assert_faults(&[("a = 1\na = 2", &["sidecar.toml:2:1: is not TOML: duplicate key"])]);
}

#[test]
fn a_file_that_cannot_be_read_is_one_fault() {
    let folder = Folder::new();
    let found = Config::load(&folder.path().join("gone.toml"), &account()).unwrap_err();
    assert!(found.to_string().contains("gone.toml:1:1: cannot be read: No such file"), "{found}");
    assert_eq!(found.faults().len(), 1);

    let binary = folder.file("binary.toml", b"# \xc3\xa9\n[listen]\n\xff\xfe");
    let found = Config::load(&binary, &account()).unwrap_err().to_string();
    assert!(found.contains("binary.toml:3:1: is not UTF-8"), "{found}");

    let large = folder.file("large.toml", vec![b'#'; 1024 * 1024 + 1]);
    let found = Config::load(&large, &account()).unwrap_err().to_string();
    assert!(found.contains("it is larger than 1048576 bytes"), "{found}");
}

#[test]
fn nesting_without_end_is_a_fault_and_not_a_crash() {
    let deep = format!("listen = {}", "[".repeat(100_000));
    let found = Folder::new().faults(&deep, &account());
    assert!(found.first().is_some_and(|fault| fault.contains("is not TOML")), "{found:#?}");
}

#[test]
fn columns_count_characters() {
    assert_faults(&[(
        "listen = { \"\u{e9}\u{e9}\" = 1, admin = 2 }",
        &[
            "sidecar.toml:1:12: listen.\"\u{e9}\u{e9}\": is not a known key",
            "sidecar.toml:1:30: listen.admin: is an integer",
        ],
    )]);
}

#[test]
fn dotenv_stands_in_for_the_environment_but_not_in_production() {
    let folder = Folder::new();
    folder.file(".env", "PLIVO_AUTH_ID=MAYYYYYYYYYYYYYYYYYY\nPLIVO_AUTH_TOKEN=from-dotenv\nPLIVO_SENDER_NUMBER=12345\n");
    let process = [("PLIVO_AUTH_ID", "MAXXXXXXXXXXXXXXXXXX")];
    let config = folder.config(APP, &Environment::from_iter(process));
    let plivo = &config.reloadable.plivo;
    assert_eq!(
        (plivo.auth_id.expose(), plivo.auth_token.expose()),
        ("MAXXXXXXXXXXXXXXXXXX", "from-dotenv")
    );
    assert!(config.files().contains(&folder.path().join(".env")), "{:?}", config.files());

    let production = process.into_iter().chain([(Environment::STAGE, "production")]).collect();
    let found = folder.load(APP, &production).unwrap_err();
    assert_eq!(found.faults().len(), 2, "{found}");
    assert!(!found.snapshot().paths().any(|path| path.ends_with(".env")), "{found:?}");
}

#[test]
fn faults_of_dotenv_and_an_unknown_stage_are_reported_with_the_rest() {
    let folder = Folder::new();
    folder.file(".env", "A=1\nhush\n");
    let found = folder.faults("apps = 1", &account().with_dotenv("SENDGATE_ENV=prod").0);
    let wanted = [
        ".env:2:1: is no assignment; write NAME=VALUE",
        "sidecar.toml:1:1: SENDGATE_ENV: must be development, production or unset",
        "sidecar.toml:1:8: apps: is an integer",
    ];
    let same = found.len() == wanted.len()
        && found.iter().zip(wanted).all(|(found, wanted)| found.starts_with(wanted));
    assert!(same, "wanted {wanted:#?}\nfound {found:#?}");
}

#[test]
fn a_changed_secret_is_seen_and_used_by_the_next_load() {
    let folder = Folder::new();
    let file = folder.file("token", "old");
    let toml = "[[apps]]\nname = \"a\"\ntoken = { file = \"token\" }\n";
    let before = folder.config(toml, &account());

    folder.file("token", "new\n");
    let now = Snapshot::read(before.files());
    assert_eq!(now.changed(before.snapshot()), [file.as_path()]);
    let after = folder.config(toml, &account());
    assert!(after.reloadable.apps[0].token.as_ref().unwrap().matches(b"new"));
    assert_ne!(before.reloadable.apps, after.reloadable.apps);
    assert_eq!(now, *after.snapshot());
}

#[test]
fn a_file_that_is_missing_is_among_those_whose_change_may_mend_it() {
    let folder = Folder::new();
    let toml = format!("{APP}[[policies]]\nname = \"p\"\nmodule = \"gone.wasm\"\n");
    let faults = folder.load(&toml, &account()).unwrap_err();
    let module = folder.file("gone.wasm", "");
    let now = Snapshot::read(faults.snapshot().paths());
    assert_eq!(now.changed(faults.snapshot()), [module.as_path()]);
}

/// The repository's own file, in a folder with modules of no content.
fn shown() -> (Folder, String) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sidecar.toml");
    let folder = Folder::new();
    for module in MODULES {
        folder.file(&format!("target/policies/{module}.wasm"), "");
    }
    (folder, fs::read_to_string(file).unwrap())
}

#[test]
fn the_repositorys_file_loads_without_any_variable_and_without_a_warning() {
    let (folder, toml) = shown();
    let config = folder.config(&toml, &Environment::default());
    let names: Vec<&str> =
        config.reloadable.policies.iter().map(|policy| policy.name.as_str()).collect();
    assert_eq!(names, MODULES);
    assert!(config.reloadable.plivo.base_url.is_loopback());
    assert_eq!(config.reloadable.plivo.auth_token.source(), &SecretSource::Literal);
    assert_eq!(config.warnings, []);
}

#[test]
fn every_key_that_the_repositorys_file_shows_in_a_comment_is_one_that_is_read() {
    // A commented key stands as `#key = value`, a remark as `# Word`. Each key is taken in alone, so that choices
    // that exclude each other may be shown side by side.
    let (folder, toml) = shown();
    let lines: Vec<&str> = toml.lines().collect();
    let mut shown = 0;
    for (nth, line) in lines.iter().enumerate() {
        let Some(key) =
            line.strip_prefix('#').filter(|key| key.starts_with(|c: char| c.is_ascii_lowercase()))
        else {
            continue;
        };
        shown += 1;
        let mut taken = lines.clone();
        taken[nth] = key;
        let found = folder.faults(&taken.join("\n"), &Environment::default());
        let unknown: Vec<&String> = found
            .iter()
            .filter(|fault| fault.contains("not a known key") || fault.contains("not TOML"))
            .collect();
        assert!(unknown.is_empty(), "`{key}` on line {}: {unknown:#?}", nth + 1);
    }
    assert!(shown > 20, "only {shown} keys are shown in comments");
}
