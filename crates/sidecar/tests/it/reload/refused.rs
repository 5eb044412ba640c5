//! What cannot be brought into force leaves the generation before it in force, and says why until it is mended.

use std::fs;
use std::io::Write as _;

use plivo_sim::PlivoSim;
use serde_json::{Value, json};

use super::{
    NEVER_POLLS, POLLS_OFTEN, REFUSED_BY_THE_GUEST, applied, bytes_of, configure, gate, generation,
    marked, refusal, start_in,
};
use crate::harness::{App, Folder, Policy, Setup, Sidecar, TO, plivo};

/// The line and column, both from 1, at which `text` stands in `toml`.
fn place(toml: &str, text: &str) -> String {
    let offset = toml.find(text).unwrap_or_else(|| panic!("no {text} in\n{toml}"));
    let before = &toml[..offset];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    format!("sidecar.toml:{}:{}", before.matches('\n').count() + 1, offset - line_start + 1)
}

/// Checks that the refusal of `wanted` is told everywhere, and that generation `before` still decides.
async fn is_told(sidecar: &Sidecar, before: u64, wanted: &str) {
    let faults = refusal(sidecar, wanted).await;
    let listed = sidecar.admin("/policies").await.expect(200);
    assert_eq!(listed["reload"]["refused"]["faults"], json!(faults), "{listed}");
    assert!(listed["reload"]["refused"]["times"].as_u64() >= Some(1), "{listed}");
    assert_eq!((&listed["generation"], generation(sidecar).await), (&json!(before), before));
    let logged = |events: &[Value]| {
        let said = |event: &&Value| {
            event["level"] == "ERROR"
                && event["fields"]["generation"] == before
                && event["fields"]["fault"].as_str().is_some_and(|fault| fault.contains(wanted))
        };
        events.iter().find(said).cloned()
    };
    let logged = sidecar.log.wait_for(&format!("`{wanted}` in the log"), logged).await;
    assert!(logged.is_some(), "the sidecar ended");
    sidecar.send(&json!({"to": TO, "text": REFUSED_BY_THE_GUEST})).await.expect(202);
}

/// The gate, which needs nothing, and a guest that imports `state` and `log`.
fn chain(plivo: &PlivoSim, guest: Policy) -> Setup {
    let gate = Policy::new("validation").set("name", "gate");
    Setup::new(plivo).set("reload.poll_ms", NEVER_POLLS).policy(gate).policy(guest)
}

fn quiet_guest() -> Policy {
    Policy::new("runaway").set("grants", json!(["state", "log"])).set("apps", json!(["demo"]))
}

#[tokio::test]
async fn a_broken_module_is_refused_with_its_reason_and_the_mended_one_taken() {
    let (plivo, folder) = (plivo().await, Folder::new());
    let good = bytes_of("validation");
    folder.write("gate.wasm", &good);
    let setup = Setup::new(&plivo).set("reload.poll_ms", NEVER_POLLS).policy(gate("gate.wasm"));
    let at = format!("{}: policies.gate.module: ", place(&setup.to_toml(), "\"gate.wasm\""));
    let sidecar = start_in(folder, &setup).await;
    let mut damaged = good.clone();
    // In the types that it carries, which are read before anything is compiled.
    let name = b"component-type";
    let types = good.windows(name.len()).position(|window| window == name).expect("its types");
    damaged[types + 128..][..64].fill(0xff);
    let mut before = 1;

    for (nth, (broken, wanted)) in [
        (b"#!/bin/sh\necho no module\n".to_vec(), "the module is a text"),
        (Vec::new(), "the module is empty"),
        (good[..good.len() / 2].to_vec(), "the module ends in the middle"),
        (b"\0asm\x01\0\0\0".to_vec(), "the core module carries no component type"),
        (of_version(&good, "9.9.9"), "the module is built for `sendgate:policy"),
        (damaged, "the core module cannot be made a component"),
    ]
    .into_iter()
    .enumerate()
    {
        sidecar.folder.write("gate.wasm", broken);
        is_told(&sidecar, before, &format!("{at}{wanted}")).await;

        let mended = marked("validation", u8::try_from(nth).expect("a few"));
        sidecar.folder.write("gate.wasm", mended);
        before = applied(&sidecar, before).await;
    }
    sidecar.stop().await;
}

#[tokio::test]
async fn what_keeps_a_file_from_being_read_is_told_as_it_is_by_now() {
    let (plivo, folder) = (plivo().await, Folder::new());
    folder.write("gate.wasm", bytes_of("validation"));
    let setup = Setup::new(&plivo).set("reload.poll_ms", POLLS_OFTEN).policy(gate("gate.wasm"));
    let sidecar = start_in(folder, &setup).await;
    let gate = sidecar.folder.path().join("gate.wasm");

    fs::remove_file(&gate).unwrap();
    is_told(&sidecar, 1, "there is no module at").await;
    fs::create_dir(&gate).unwrap();
    is_told(&sidecar, 1, "is a folder; name the module's file in it").await;
    fs::remove_dir(&gate).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(&gate).unwrap();
    is_told(&sidecar, 1, "is not a regular file; name the module's file").await;
    fs::remove_file(&gate).unwrap();
    std::os::unix::fs::symlink("gate.wasm", &gate).unwrap();
    is_told(&sidecar, 1, "cannot be looked at: Too many levels of symbolic links").await;
    sidecar.stop().await;
}

#[tokio::test]
async fn a_module_that_is_written_in_place_is_taken_when_it_is_whole() {
    let (plivo, folder) = (plivo().await, Folder::new());
    folder.write("gate.wasm", bytes_of("validation"));
    let setup = Setup::new(&plivo).set("reload.poll_ms", NEVER_POLLS).policy(gate("gate.wasm"));
    let sidecar = start_in(folder, &setup).await;
    let guest = bytes_of("runaway");
    let path = sidecar.folder.path().join("gate.wasm");

    let mut file = fs::File::create(&path).expect("the module's file");
    file.write_all(&guest[..guest.len() / 2]).expect("a half");
    drop(file);
    is_told(&sidecar, 1, "policies.gate.module: the module ends in the middle of a section").await;
    let mut file = fs::File::options().append(true).open(&path).expect("the module's file");
    file.write_all(&guest[guest.len() / 2..]).expect("the other half");
    drop(file);
    applied(&sidecar, 1).await;

    let message = json!({"to": TO, "text": REFUSED_BY_THE_GUEST});
    sidecar.send(&message).await.refused(422, "test.asked");

    fs::remove_file(&path).expect("the module's file");
    let gone = "policies.gate.module: there is no module at ";
    assert_eq!(refusal(&sidecar, gone).await.len(), 1);
    sidecar.send(&message).await.refused(422, "test.asked");
    sidecar.stop().await;
}

#[tokio::test]
async fn a_configuration_that_cannot_come_into_force_is_refused_line_by_line() {
    let plivo = plivo().await;
    let good = chain(&plivo, quiet_guest().set("apps", json!(["other"])));
    let good = good.app(App::new("other", "token-of-other"));
    let sidecar = Sidecar::start(good.clone()).await;
    let guest = |settings: Value| {
        let guest = quiet_guest().set("apps", json!(["other"])).settings(settings);
        chain(&plivo, guest).app(App::new("other", "token-of-other")).to_toml()
    };
    let toml = good.to_toml();
    let named = good.clone().set("store.ephemeral", false).set("store.path", "x.db");
    let admin = toml.replace(r#""admin" = "127.0.0.1:0""#, r#""admin" = "127.0.0.1:1""#);
    let cases = [
        (format!("{toml}\n[deliver\n"), "[deliver", "is not TOML"),
        (format!("{toml}\n[deliverie]\n"), "[deliverie]", "did you mean `delivery`?"),
        (guest(json!({"spin": true})), "\"spin\"", "settings.spin: there is no such setting"),
        (guest(json!({"problem": "as asked"})), "\"as asked\"", "settings.problem: as asked"),
        (guest(json!({"panic_on_configure": true})), "\"panic_on", "it failed in `configure`"),
        (
            toml.replace(r#"["state", "log"]"#, r#"["log"]"#),
            "[\"log\"]",
            "add \"state\" to `grants`",
        ),
        (admin, "\"127.0.0.1:1\"", "listen.admin: is fixed until a restart"),
        (good.clone().set("store.ephemeral", false).to_toml(), "false", "store.ephemeral: "),
        // In memory by the file and not by the flag: a database that is named would not be used.
        (named.to_toml(), "\"x.db\"", "store.path: is fixed until a restart"),
    ];
    for (broken, at, wanted) in cases {
        assert_ne!(broken, toml, "the case of `{wanted}` changes nothing");
        sidecar.folder.write("sidecar.toml", &broken);

        is_told(&sidecar, 1, wanted).await;

        let faults = refusal(&sidecar, wanted).await;
        let place = place(&broken, at);
        let line = place.trim_end_matches(|c: char| c.is_ascii_digit());
        assert!(faults.len() == 1 && faults[0].starts_with(line), "{line} in {faults:#?}");
    }

    configure(&sidecar, &good);
    assert_eq!(applied(&sidecar, 1).await, 2);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_file_that_ends_before_its_policies_does_not_open_the_gate_unless_that_is_meant() {
    let plivo = plivo().await;
    let setup = chain(&plivo, quiet_guest());
    let sidecar = Sidecar::start(setup.clone()).await;
    let toml = setup.to_toml();
    let cut = &toml[..toml.find("[[policies]]").unwrap()];
    sidecar.folder.write("sidecar.toml", cut);

    refusal(&sidecar, "policies: are not named any more").await;
    assert_eq!(generation(&sidecar).await, 1);

    sidecar.folder.write("sidecar.toml", format!("policies = []\n{cut}"));
    assert_eq!(applied(&sidecar, 1).await, 2);
    let listed = sidecar.admin("/policies").await.expect(200);
    assert_eq!(listed["policies"], json!([]), "{listed}");
    // What never came into force is not warned of.
    let log = sidecar.stop().await.text();
    assert!(log.contains("are not named any more") && !log.contains("names none"), "{log}");
    assert!(log.contains("a policy is not in force any more"), "{log}");
}

#[tokio::test]
async fn half_of_a_file_that_is_being_written_in_place_takes_no_policy_away() {
    let plivo = plivo().await;
    let setup = chain(&plivo, quiet_guest()).set("reload.poll_ms", POLLS_OFTEN);
    let sidecar = Sidecar::start(setup.clone()).await;
    let whole = setup.set("reload.poll_ms", POLLS_OFTEN + 1).to_toml();
    let (half, rest) = whole.split_at(whole.rfind("[[policies]]").unwrap());
    let path = sidecar.folder.path().join("sidecar.toml");

    // By a program that closes it in between.
    fs::write(&path, half).unwrap();
    let seen = |events: &[Value]| {
        let told = |event: &Value| event["message"].as_str().map(str::to_owned);
        events.iter().filter_map(told).find(|told| told.contains("not named any more"))
    };
    assert!(sidecar.log.wait_for("the half was read", seen).await.is_some(), "it ended");
    let mut file = fs::File::options().append(true).open(&path).unwrap();
    file.write_all(rest.as_bytes()).unwrap();
    drop(file);

    applied(&sidecar, 1).await;
    let listed = sidecar.admin("/policies").await.expect(200);
    assert_eq!(listed["policies"].as_array().map(Vec::len), Some(2), "{listed}");
    assert_eq!(listed["reload"]["applied"], 1, "{listed}");
    let log = sidecar.stop().await.text();
    assert!(!log.contains("not in force any more"), "{log}");
}

#[tokio::test]
async fn a_module_that_is_larger_than_any_is_refused_before_it_is_read() {
    let plivo = plivo().await;
    let folder = Folder::new();
    let module = folder.write("guest.wasm", bytes_of("runaway"));
    let setup = chain(&plivo, quiet_guest().set("module", "guest.wasm"));
    let sidecar = start_in(folder, &setup).await;
    let large = fs::File::options().write(true).open(&module).unwrap();
    large.set_len(8 << 30).unwrap();
    drop(large);

    refusal(&sidecar, "guest.wasm cannot be read: it is larger than 67108864 bytes").await;
    assert_eq!(generation(&sidecar).await, 1);
    sidecar.stop().await;
}

#[tokio::test]
async fn every_fault_is_told_at_once_and_each_with_its_place() {
    let plivo = plivo().await;
    let good = chain(&plivo, quiet_guest());
    let sidecar = Sidecar::start(good).await;
    let settings = json!({"allow": "US", "typo": 1});
    let country = Policy::new("country").settings(settings);
    let no_grants = quiet_guest().set("grants", json!([]));
    let broken = chain(&plivo, no_grants).policy(country);

    configure(&sidecar, &broken);
    let faults = refusal(&sidecar, "policies.runaway").await;

    for (text, wanted) in [
        (r#""US""#, "policies.country.settings.allow: "),
        ("1 }", "policies.country.settings.typo: there is no such setting"),
    ] {
        let at = format!("{}: {wanted}", place(&broken.to_toml(), text));
        assert!(faults.iter().any(|fault| fault.starts_with(&at)), "{at} in {faults:#?}");
    }
    assert_eq!(faults.len(), 3, "{faults:#?}");
    sidecar.stop().await;
}

#[tokio::test]
async fn a_number_that_a_reload_is_refused_for_is_masked_wherever_that_is_told() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(chain(&plivo, quiet_guest())).await;
    let country = Policy::new("country").settings(json!({"+14155550188": 3}));
    let broken = chain(&plivo, quiet_guest()).policy(country).to_toml();
    let broken = broken.replace("[plivo]\n", "[plivo]\n\"+14155550123\" = 1\n");
    assert!(broken.contains("+14155550123"), "{broken}");
    sidecar.folder.write("sidecar.toml", broken);

    refusal(&sidecar, "+1415•••0123").await;
    for path in ["/policies", "/readyz", "/dashboard/state"] {
        let told = sidecar.admin(path).await.text;
        for (whole, masked) in [("4155550123", "+1415•••0123"), ("4155550188", "+1415•••0188")]
        {
            assert!(told.contains(masked) && !told.contains(whole), "{path}: {told}");
        }
    }
    let log = sidecar.stop().await.text();
    assert!(log.contains("+1415•••0188") && !log.contains("4155550188"), "{log}");
}

#[tokio::test]
async fn a_wrong_key_hides_nothing_that_is_wrong_with_policies() {
    let plivo = plivo().await;
    let good = chain(&plivo, quiet_guest());
    let sidecar = Sidecar::start(good.clone()).await;
    let country = Policy::new("country").settings(json!({"allow": "US"}));
    let wrong = good.clone().policy(country);

    for (key, value, wanted) in [
        ("delivery.colour", json!("red"), "delivery.colour: is not a known key"),
        ("listen.admin", json!("127.0.0.1:1"), "listen.admin: is fixed until a restart"),
    ] {
        configure(&sidecar, &wrong.clone().set(key, value));
        let faults = refusal(&sidecar, wanted).await;

        let settings = "policies.country.settings.allow: ";
        assert!(faults.iter().any(|fault| fault.contains(settings)), "{settings} in {faults:#?}");
        assert_eq!(faults.len(), 2, "{faults:#?}");
    }

    configure(&sidecar, &good);
    assert_eq!(applied(&sidecar, 1).await, 2, "what was refused took no number of a generation");
    sidecar.stop().await;
}

#[tokio::test]
async fn every_key_that_holds_until_a_restart_is_told_beside_all_else_that_is_wrong() {
    let plivo = plivo().await;
    let good = chain(&plivo, quiet_guest());
    let sidecar = Sidecar::start(good.clone()).await;
    let changed = good.set("listen.drain_s", 9).set("telemetry.log", "warn");
    let fixed = ["listen.drain_s: is fixed until", "telemetry.log: is fixed until"];
    for (setup, wanted) in [
        (changed.clone(), &fixed[..]),
        (
            changed.set("delivery.colour", "red"),
            &[fixed[0], fixed[1], "colour: is not a known key"],
        ),
    ] {
        configure(&sidecar, &setup);
        let faults = refusal(&sidecar, wanted[wanted.len() - 1]).await;
        let told =
            |wanted: &&str| faults.iter().filter(|fault| fault.contains(wanted)).count() == 1;
        assert!(faults.len() == wanted.len() && wanted.iter().all(told), "{faults:#?}");
    }
    sidecar.stop().await;
}

#[tokio::test]
async fn a_policy_that_redirects_is_refused_after_one_that_keeps_account_of_handsets() {
    let plivo = plivo().await;
    let redirect = |apps: Value| {
        let grants = json!(["amend", "amend-recipient"]);
        Policy::new("validation").set("name", "redirect").set("grants", grants).set("apps", apps)
    };
    let setup = |policies: [Policy; 2]| {
        let setup = Setup::new(&plivo).set("reload.poll_ms", NEVER_POLLS);
        policies.into_iter().fold(setup.app(App::new("other", "token-of-other")), Setup::policy)
    };
    let of_demo = Policy::new("dedup").set("apps", json!(["demo"]));
    let before = setup([redirect(Value::Null), of_demo.clone()]);
    let sidecar = Sidecar::start(before).await;

    let after = setup([of_demo.clone(), redirect(Value::Null)]);
    configure(&sidecar, &after);
    let wanted =
        "policies.redirect.grants: has \"amend-recipient\" and stands after policies.dedup, ";
    let faults = refusal(&sidecar, wanted).await;

    let toml = after.to_toml();
    let entry = toml.rfind("\"grants\" = ").map(|at| toml[..at].matches('\n').count() + 1);
    let at = format!("sidecar.toml:{}:", entry.expect("the second policy"));
    assert!(faults.len() == 1 && faults[0].starts_with(&at), "{at} in {faults:#?}");
    assert!(faults[0].ends_with("put redirect before it"), "{faults:#?}");

    configure(&sidecar, &setup([of_demo, redirect(json!(["other"]))]));
    assert_eq!(applied(&sidecar, 1).await, 2, "no message passes both");
    sidecar.stop().await;
}

/// The module as if it were built against another version of the contract.
pub(crate) fn of_version(module: &[u8], version: &str) -> Vec<u8> {
    let (own, other) = (b"sendgate:policy/", version.as_bytes());
    let mut bytes = module.to_vec();
    let names: Vec<usize> =
        (0..bytes.len() - own.len()).filter(|at| bytes[*at..].starts_with(own)).collect();
    for at in names {
        let Some(sign) = bytes[at..].iter().position(|byte| *byte == b'@') else { continue };
        bytes[at + sign + 1..][..other.len()].copy_from_slice(other);
    }
    bytes
}
