//! How the reasons are told: all at once, each with its place, and without numbers.

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{chain, place, quiet_guest};
use crate::harness::{Policy, Sidecar, plivo};
use crate::reload::{applied, configure, refusal};

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
async fn nobody_sees_a_refusal_beside_the_generation_that_followed_it() {
    let plivo = plivo().await;
    let good = chain(&plivo, quiet_guest());
    let sidecar = Sidecar::start(good.clone()).await;
    let over = CancellationToken::new();
    let changing = async {
        for round in 1..=10 {
            let fault = format!("delivery.of_{round}");
            configure(&sidecar, &good.clone().set(&fault, true));
            refusal(&sidecar, &format!("{fault}: is not a known key")).await;
            configure(&sidecar, &good.clone().set("plivo.call_timeout_ms", 9_000 + round));
            assert_eq!(applied(&sidecar, round).await, round + 1);
        }
        over.cancel();
    };
    let watching = async {
        let mut refusals = 0;
        while !over.is_cancelled() {
            for path in ["/readyz", "/policies"] {
                let told = sidecar.admin(path).await.expect(200);
                let refused = told["reload"]["refused"]["faults"].as_array();
                let Some(faults) = refused.or(told["reload_refused"].as_array()) else { continue };
                let of_this_one = format!("delivery.of_{}: ", told["generation"]);
                assert!(
                    faults[0].as_str().is_some_and(|fault| fault.contains(&of_this_one)),
                    "{told}"
                );
                refusals += 1;
            }
        }
        refusals
    };
    let ((), refusals) = tokio::join!(changing, watching);
    assert!(refusals >= 10, "{refusals}");
    sidecar.stop().await;
}
