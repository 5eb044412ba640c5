//! Configurations that are wrong, cut off, or half written.

use std::fs;
use std::io::Write as _;

use serde_json::{Value, json};

use super::{chain, is_told, place, quiet_guest};
use crate::harness::{App, Policy, Setup, Sidecar, plivo};
use crate::reload::{NEVER_POLLS, POLLS_OFTEN, applied, configure, generation, refusal};

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
