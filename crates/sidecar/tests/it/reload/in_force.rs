//! What changes is live without a restart and without one request that fails.

use serde_json::json;

use super::load::{Verdicts, under_load};
use super::{
    NEVER_POLLS, REFUSED_BY_THE_GUEST, applied, bytes_of, configure, digest, gate, generation,
    marked, rewrite, start_in,
};
use crate::harness::{App, Folder, Policy, Setup, Sidecar, TO, TOKEN, plivo};

#[tokio::test]
async fn a_changed_module_decides_the_next_request() {
    let plivo = plivo().await;
    let folder = Folder::new();
    folder.write("gate.wasm", bytes_of("validation"));
    let setup = Setup::new(&plivo).set("reload.poll_ms", NEVER_POLLS).policy(gate("gate.wasm"));
    let sidecar = start_in(folder, &setup).await;
    let message = json!({"to": TO, "text": REFUSED_BY_THE_GUEST});
    sidecar.send(&message).await.expect(202);

    sidecar.folder.write("gate.wasm", bytes_of("runaway"));
    applied(&sidecar, 1).await;

    sidecar.send(&message).await.refused(422, "test.asked");
    let listed = sidecar.get("/v1/policies").await.expect(200);
    assert_eq!(listed["policies"][0]["digest"], digest(&bytes_of("runaway")), "{listed}");
    sidecar.stop().await;
}

#[tokio::test]
async fn a_changed_setting_decides_the_next_request() {
    let plivo = plivo().await;
    let with = |country: serde_json::Value| {
        let policy = Policy::new("country").settings(country);
        Setup::new(&plivo).set("reload.poll_ms", NEVER_POLLS).policy(policy)
    };
    let sidecar = Sidecar::start(with(json!({"allow": ["US"]}))).await;
    let to_france = json!({"to": "+33612345678", "text": "salut"});
    sidecar.send(&to_france).await.refused(403, "country.not_allowed");

    configure(&sidecar, &with(json!({"allow": ["US", "FR"]})));
    applied(&sidecar, 1).await;

    sidecar.send(&to_france).await.expect(202);
    sidecar.stop().await;
}

#[tokio::test]
async fn policies_come_and_go_and_change_their_order() {
    let plivo = plivo().await;
    let chain = |names: &[&str]| {
        let setup = Setup::new(&plivo).set("reload.poll_ms", NEVER_POLLS);
        names.iter().fold(setup, |setup, name| setup.policy(Policy::new(name)))
    };
    let sidecar = Sidecar::start(chain(&[])).await;
    let mut before = 1;
    for names in [&["country"][..], &["validation", "country"], &["country", "validation"], &[]] {
        configure(&sidecar, &chain(names));
        before = applied(&sidecar, before).await;

        let listed = sidecar.get("/v1/policies").await.expect(200);
        let listed = listed["policies"].as_array().expect("a list");
        let listed: Vec<&str> = listed.iter().filter_map(|one| one["name"].as_str()).collect();
        assert_eq!(listed, names);
        sidecar.send(&json!({"to": TO, "text": "hi"})).await.expect(202);
    }
    sidecar.stop().await;
}

#[tokio::test]
async fn a_changed_token_an_added_and_a_removed_app_count_from_the_next_request() {
    let plivo = plivo().await;
    let setup = |apps: &[(&str, &str)]| {
        let setup = Setup::new(&plivo).set("reload.poll_ms", NEVER_POLLS);
        apps.iter().fold(setup, |setup, (name, token)| setup.app(App::new(name, token)))
    };
    let sidecar = Sidecar::start(setup(&[("demo", TOKEN), ("leaver", "token-of-leaver")])).await;
    let status = async |token: &str| {
        let asked = sidecar.request("GET", "/v1/policies").bearer(token);
        asked.answer().await.status
    };
    assert_eq!((status(TOKEN).await, status("token-of-leaver").await), (200, 200));

    configure(&sidecar, &setup(&[("demo", "another-token"), ("joiner", "token-of-joiner")]));
    applied(&sidecar, 1).await;

    assert_eq!((status(TOKEN).await, status("another-token").await), (401, 200));
    assert_eq!((status("token-of-leaver").await, status("token-of-joiner").await), (401, 200));
    sidecar.stop().await;
}

#[tokio::test]
async fn files_written_again_as_they_were_reload_nothing() {
    let plivo = plivo().await;
    let folder = Folder::new();
    folder.write("gate.wasm", bytes_of("validation"));
    let setup = Setup::new(&plivo).set("reload.poll_ms", NEVER_POLLS).policy(gate("gate.wasm"));
    let sidecar = start_in(folder, &setup).await;

    for _ in 0..3 {
        rewrite(&sidecar, "gate.wasm");
        rewrite(&sidecar, "sidecar.toml");
    }
    // A change after them is the next generation: they made none.
    sidecar.folder.write("gate.wasm", marked("validation", 1));

    assert_eq!(applied(&sidecar, 1).await, 2);
    assert_eq!(generation(&sidecar).await, 2);
    let listed = sidecar.admin("/policies").await.expect(200);
    assert_eq!(listed["reload"]["applied"], 1, "{listed}");
    sidecar.stop().await;
}

#[tokio::test]
async fn thirty_reloads_under_load_fail_no_request() {
    let plivo = plivo().await;
    let folder = Folder::new();
    folder.write("gate.wasm", bytes_of("validation"));
    let setup = |attempts: u32| {
        let setup = Setup::new(&plivo).set("reload.poll_ms", NEVER_POLLS);
        setup.set("plivo.attempts", attempts).policy(gate("gate.wasm"))
    };
    let sidecar = start_in(folder, &setup(3)).await;
    let modules = [
        bytes_of("runaway"),
        marked("validation", 1),
        marked("runaway", 2),
        bytes_of("validation"),
    ];
    let verdicts: Verdicts = modules
        .iter()
        .zip(["reject", "accept"].into_iter().cycle())
        .map(|(bytes, verdict)| (digest(bytes), verdict))
        .collect();

    under_load(&sidecar, &plivo, &verdicts, async || {
        let mut generation = 1;
        for round in 0..15 {
            sidecar.folder.write("gate.wasm", &modules[round % modules.len()]);
            generation = applied(&sidecar, generation).await;
            configure(&sidecar, &setup(if round % 2 == 0 { 2 } else { 3 }));
            generation = applied(&sidecar, generation).await;
        }
    })
    .await;

    let listed = sidecar.admin("/policies").await.expect(200);
    assert_eq!(listed["reload"]["applied"], 30, "{listed}");
    sidecar.stop().await;
}
