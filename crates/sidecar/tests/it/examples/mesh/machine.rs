//! One machine: Docker Compose, and systemd.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{apps_send, at_home, plivo, schemas, standard_policies, started, write_secrets};
use crate::examples::install::{path, source};
use crate::examples::program::Program;
use crate::harness::Folder;

/// The names of the files in `folder` that `toml` names.
fn named<'a>(toml: &'a str, folder: &str) -> BTreeSet<&'a str> {
    let folder = format!("\"{folder}/");
    let names = toml.split(folder.as_str()).skip(1).filter_map(|rest| rest.split('"').next());
    names.collect()
}

#[tokio::test]
async fn beside_a_container_of_compose_apps_send_unchanged() {
    let file = path("examples/compose/compose.yaml").display().to_string();
    let compose = schemas().await.args(&["compose", &file]).run().await;
    let compose: Value = serde_json::from_str(&compose).expect("JSON");
    let toml = source("examples/compose/config/sidecar.toml");
    let given = compose["services"]["sendgate"]["secrets"].as_array().expect("secrets");
    let given: BTreeSet<&str> = given.iter().filter_map(Value::as_str).collect();
    assert_eq!(given, named(&toml, "/run/secrets"), "what is mounted is what is read");

    let (plivo, folder) = (plivo().await, Folder::new());
    let (secrets, spool) = (folder.path().join("secrets"), folder.path().join("spool"));
    fs::create_dir(&spool).expect("a folder");
    write_secrets(&secrets, given, "");
    let policies = standard_policies();
    let places = [
        ("/run/secrets", secrets.as_path()),
        ("/var/lib/sendgate", spool.as_path()),
        ("/usr/share/sendgate/policies", policies.as_path()),
    ];
    let sidecar = started(folder, &at_home(&toml, &plivo, "127.0.0.1:8788", &places)).await;
    apps_send(&sidecar, &plivo).await;

    let health = compose["services"]["sendgate"]["healthcheck"]["test"].as_array();
    let mut words = health.expect("a test").iter().filter_map(Value::as_str);
    assert_eq!((words.next(), words.next()), (Some("CMD"), Some("/sendgate")));
    let program = Program::at(Path::new(env!("CARGO_BIN_EXE_sendgate")), "the sidecar");
    let asked = program.args(&words.collect::<Vec<_>>());
    asked.args(&["--admin", &format!("http://{}", sidecar.admin)]).run().await;
    sidecar.stop().await;
}

#[tokio::test]
async fn as_a_service_of_systemd_apps_send_unchanged() {
    let toml = source("examples/systemd/sidecar.toml");
    let (plivo, folder) = (plivo().await, Folder::new());
    let (secrets, spool) = (folder.path().join("secrets"), folder.path().join("spool"));
    fs::create_dir(&spool).expect("a folder");
    write_secrets(&secrets, named(&toml, "/etc/sendgate/secrets"), "");
    let policies = standard_policies();
    let places = [
        ("/etc/sendgate/secrets", secrets.as_path()),
        ("/var/lib/sendgate", spool.as_path()),
        ("/usr/share/sendgate/policies", policies.as_path()),
    ];
    let sidecar = started(folder, &at_home(&toml, &plivo, "127.0.0.1:8788", &places)).await;
    apps_send(&sidecar, &plivo).await;
    sidecar.stop().await;
}

#[tokio::test]
async fn the_units_are_as_systemd_wants_them_and_give_little_away() {
    let folder = Folder::new();
    for name in ["sendgate.service", "sendgate.socket"] {
        // systemd looks whether the program is there.
        let unit = source(&format!("examples/systemd/{name}"));
        let program = format!("ExecStart={}", env!("CARGO_BIN_EXE_sendgate"));
        folder.write(name, unit.replace("ExecStart=/usr/bin/sendgate", &program));
    }
    let unit = |name: &str| folder.path().join(name).display().to_string();
    let analyze = || Program::new("systemd-analyze", "systemd").env("SYSTEMD_LOG_LEVEL", "err");
    let units = [unit("sendgate.service"), unit("sendgate.socket")];
    let said = analyze().args(&["verify", &units[0], &units[1]]).run().await;
    assert_eq!(said, "");
    // Of a hundred; a unit without any of this has 96.
    let security = analyze().args(&["security", "--offline=yes", "--threshold=15"]);
    security.arg(&units[0]).run().await;
}
