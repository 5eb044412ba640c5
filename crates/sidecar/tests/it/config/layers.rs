//! What is wrong on one layer of the configuration (its keys, a module, its imports, its settings) hides no other.

use serde_json::json;

use super::ended;
use crate::harness::{Folder, Policy, Setup, plivo};

/// Each line that `check` and `run` end with has just one of the beginnings `wanted`, after file and place.
async fn told(setup: &Setup, wanted: &[&str]) {
    for command in ["check", "run"] {
        let (code, lines) = ended(command, &setup.to_toml(), &[]).await;
        assert_eq!(code, Some(2), "{command}: {lines:#?}");
        for part in wanted {
            let starts = |line: &&String| {
                line.split_once(": ").is_some_and(|(place, said)| {
                    place.starts_with("sidecar.toml:") && said.starts_with(part)
                })
            };
            let times = lines.iter().filter(starts).count();
            assert_eq!(times, 1, "{command}: {part} in\n{}", lines.join("\n"));
        }
        assert_eq!(lines.len(), wanted.len(), "{command}: {lines:#?}");
    }
}

#[tokio::test]
async fn a_wrong_key_hides_nothing_that_is_wrong_with_policies() {
    let plivo = plivo().await;
    let redirect = Policy::new("validation").set("name", "redirect");
    let setup = Setup::new(&plivo)
        .set("delivery.colour", "red")
        .policy(Policy::new("country").settings(json!({"allow": "US"})))
        .policy(Policy::new("throttle").set("grants", json!([])))
        .policy(Policy::new("dedup").set("mode", "enfroce"))
        .policy(Policy::new("dedup").set("name", "again"))
        .policy(redirect.set("grants", json!(["amend", "amend-recipient"])));

    let order =
        "policies.redirect.grants: has \"amend-recipient\" and stands after policies.again, ";
    told(
        &setup,
        &[
            "delivery.colour: is not a known key",
            "policies.dedup.mode: is none of ",
            "policies.country.settings.allow: ",
            "policies.throttle.grants: the module imports ",
            order,
        ],
    )
    .await;
}

#[tokio::test]
async fn whatever_is_wrong_with_a_policy_its_module_and_settings_are_looked_at() {
    let (plivo, folder) = (plivo().await, Folder::new());
    let text = folder.write("text.wasm", "this is no module");
    let text = text.to_str().expect("a path in UTF-8");
    let country = |allow: &str| Policy::new("country").settings(json!({"allow": allow}));
    let dedup = |name: &str| {
        Policy::new("dedup").set("name", name).settings(json!({"windows": 5, "mode": "drop"}))
    };
    let setup = Setup::new(&plivo)
        .policy(country("US"))
        .policy(dedup("ungranted").set("grants", json!([])))
        .policy(dedup("slow").set("time_ms", 0))
        .policy(dedup("misspelt").set("grants", json!(["stat"])))
        .policy(
            Policy::new("country")
                .set("name", "text")
                .set("module", text)
                .set("apps", json!(["dmeo"])),
        )
        .policy(country("GB"))
        .policy(Policy::new("trial").set("name", "odd name").settings(json!({"verify": []})));

    let wanted = [
        "policies.slow.time_ms: is 0",
        "policies.misspelt.grants[0]: is none of ",
        "policies.text.apps[0]: is no app of this file",
        "policies[5].name: is policies.country.name too",
        "policies[6].name: is not a name",
        "policies.country.settings.allow: ",
        "policies.ungranted.grants: the module imports `sendgate:policy/state@",
        "policies.ungranted.settings.windows: there is no such setting",
        "policies.ungranted.settings.mode: ",
        "policies.slow.settings.windows: there is no such setting",
        "policies.slow.settings.mode: ",
        "policies.misspelt.settings.windows: there is no such setting",
        "policies.misspelt.settings.mode: ",
        "policies.text.module: the module is a text",
        "policies[5].settings.allow: ",
        "policies[6].settings.verify: there is no such setting",
    ];
    told(&setup, &wanted).await;
}

#[tokio::test]
async fn a_setting_that_json_cannot_hold_is_told_once_and_hides_no_other() {
    let plivo = plivo().await;
    let setup = Setup::new(&plivo)
        .policy(Policy::new("dedup").settings(json!({"window_s": "WINDOW", "windows": 5})))
        .policy(Policy::new("country").set("settings", "none").set("memory_mb", 0));
    let toml = setup.to_toml().replace("\"WINDOW\"", "inf");

    let (code, lines) = ended("check", &toml, &[]).await;

    assert_eq!(code, Some(2), "{lines:#?}");
    let said: Vec<&str> =
        lines.iter().filter_map(|line| line.split_once(": ")).map(|(_, said)| said).collect();
    let wanted = [
        "policies.dedup.settings.window_s: is no number that JSON can hold",
        "policies.country.memory_mb: is 0",
        "policies.country.settings: is a string; give a table",
        "policies.dedup.settings.windows: there is no such setting",
    ];
    let same = said.len() == wanted.len()
        && said.iter().zip(wanted).all(|(said, wanted)| said.starts_with(wanted));
    assert!(same, "wanted {wanted:#?}\nfound {lines:#?}");
}
