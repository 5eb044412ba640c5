//! Back to the policies before: at once, until other ones are deployed.

use serde_json::{Value, json};

use super::load::{Verdicts, under_load};
use super::{
    NEVER_POLLS, POLLS_OFTEN, REFUSED_BY_THE_GUEST, applied, bytes_of, configure, digest, gate,
    marked, refusal, rewrite, start_in,
};
use crate::harness::{Answer, App, Folder, Policy, Setup, Sidecar, TO, TOKEN, eventually, plivo};

const OPERATOR: &str = "token-of-the-operator";

fn setup(plivo: &plivo_sim::PlivoSim) -> Setup {
    Setup::new(plivo).set("reload.poll_ms", NEVER_POLLS).set("listen.admin_token", OPERATOR)
}

/// A sidecar whose policy `gate` accepts, and then one that refuses.
async fn with_a_bad_second(setup: &Setup) -> Sidecar {
    let folder = Folder::new();
    folder.write("gate.wasm", bytes_of("validation"));
    let sidecar = start_in(folder, setup).await;
    sidecar.folder.write("gate.wasm", bytes_of("runaway"));
    assert_eq!(applied(&sidecar, 1).await, 2);
    refused(&sidecar).await;
    sidecar
}

async fn roll_back(sidecar: &Sidecar, query: &str) -> Answer {
    sidecar.operate(&format!("/rollback{query}"), OPERATOR).await
}

async fn refused(sidecar: &Sidecar) {
    let message = json!({"to": TO, "text": REFUSED_BY_THE_GUEST});
    sidecar.send(&message).await.refused(422, "test.asked");
}

async fn accepted(sidecar: &Sidecar) {
    sidecar.send(&json!({"to": TO, "text": REFUSED_BY_THE_GUEST})).await.expect(202);
}

/// The generations that can be returned to, the latest first, and whether a rollback has left them.
async fn kept(sidecar: &Sidecar) -> Vec<(u64, bool)> {
    let shown = sidecar.admin("/policies").await.expect(200);
    let each = |kept: &Value| {
        (kept["generation"].as_u64().unwrap(), kept["rolled_back"].as_bool().unwrap())
    };
    shown["kept"].as_array().unwrap().iter().map(each).collect()
}

#[tokio::test]
async fn a_rollback_brings_the_policies_before_back_and_the_same_files_do_not_undo_it() {
    let plivo = plivo().await;
    let setup = setup(&plivo).set("reload.poll_ms", POLLS_OFTEN).policy(gate("gate.wasm"));
    let sidecar = with_a_bad_second(&setup).await;

    let told = roll_back(&sidecar, "").await.expect(200);

    assert_eq!(
        (&told["generation"], &told["from"], &told["to"]),
        (&json!(3), &json!(2), &json!(1))
    );
    accepted(&sidecar).await;
    let shown = sidecar.admin("/policies").await.expect(200);
    assert_eq!(shown["policies"][0]["digest"], digest(&bytes_of("validation")), "{shown}");
    let ready = sidecar.ready().await.expect(200);
    for shown in [shown, ready] {
        assert_eq!(shown["generation"], 3, "{shown}");
        assert_eq!(shown["rollback"]["from"], 2, "{shown}");
        assert_eq!(shown["rollback"]["to"], 1, "{shown}");
    }
    assert_eq!(kept(&sidecar).await, [(2, true)]);

    // Neither the same bytes, nor a change of anything else, nor a file that cannot be used.
    rewrite(&sidecar, "gate.wasm");
    configure(&sidecar, &setup.clone().set("delivery.ttl_s", 600));
    assert_eq!(applied(&sidecar, 3).await, 4);
    accepted(&sidecar).await;
    configure(&sidecar, &setup.clone().set("delivery.colour", "red"));
    refusal(&sidecar, "delivery.colour").await;
    accepted(&sidecar).await;
    configure(&sidecar, &setup);
    assert_eq!(applied(&sidecar, 4).await, 5);
    accepted(&sidecar).await;
    let shown = sidecar.admin("/policies").await.expect(200);
    assert_eq!(shown["rollback"]["from"], 2, "the rollback stands: {shown}");

    // A changed module does.
    sidecar.folder.write("gate.wasm", marked("runaway", 1));
    assert_eq!(applied(&sidecar, 5).await, 6);
    refused(&sidecar).await;
    let shown = sidecar.admin("/policies").await.expect(200);
    assert_eq!(shown["rollback"], Value::Null, "{shown}");
    assert_eq!(kept(&sidecar).await, [(5, false), (2, true)]);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_rollback_can_be_taken_back_and_goes_on_to_those_before() {
    let plivo = plivo().await;
    let setup = setup(&plivo).policy(gate("gate.wasm"));
    let sidecar = with_a_bad_second(&setup).await;
    sidecar.folder.write("gate.wasm", marked("validation", 3));
    assert_eq!(applied(&sidecar, 2).await, 3);

    for (query, [generation, from, to]) in [("", [4, 3, 2]), ("", [5, 4, 1])] {
        let told = roll_back(&sidecar, query).await.expect(200);
        assert_eq!([&told["generation"], &told["from"], &told["to"]], [generation, from, to]);
    }
    accepted(&sidecar).await;
    let none = roll_back(&sidecar, "").await.refused(409, "generation.not_kept");
    assert_eq!(none["kept"], json!([3, 4]), "{none}");

    // The policies of generation 2 are the fourth generation's.
    roll_back(&sidecar, "?to=4").await.expect(200);
    refused(&sidecar).await;
    let back = roll_back(&sidecar, "?to=3").await.expect(200);
    assert_eq!(back["until"], Value::Null, "the files say the same again: {back}");
    accepted(&sidecar).await;
    let shown = sidecar.admin("/policies").await.expect(200);
    assert_eq!(shown["policies"][0]["digest"], digest(&marked("validation", 3)), "{shown}");
    assert_eq!(shown["rollback"], Value::Null, "{shown}");
    sidecar.stop().await;
}

#[tokio::test]
async fn only_so_many_sets_of_policies_are_kept_and_a_reload_of_anything_else_is_none() {
    let plivo = plivo().await;
    let folder = Folder::new();
    folder.write("gate.wasm", bytes_of("validation"));
    let setup = setup(&plivo).policy(gate("gate.wasm"));
    let sidecar = start_in(folder, &setup).await;
    assert_eq!(kept(&sidecar).await, []);
    roll_back(&sidecar, "").await.refused(409, "generation.not_kept");
    configure(&sidecar, &setup.clone().set("delivery.ttl_s", 600));
    let mut generation = applied(&sidecar, 1).await;
    assert_eq!(kept(&sidecar).await, [], "there were no other policies");

    for mark in 1..=7 {
        sidecar.folder.write("gate.wasm", marked("validation", mark));
        generation = applied(&sidecar, generation).await;
    }

    assert_eq!(generation, 9);
    let wanted: Vec<_> = (4..=8).rev().map(|generation| (generation, false)).collect();
    assert_eq!(kept(&sidecar).await, wanted);
    roll_back(&sidecar, "?to=3").await.refused(409, "generation.not_kept");
    roll_back(&sidecar, "?to=5").await.expect(200);
    let shown = sidecar.admin("/policies").await.expect(200);
    assert_eq!(shown["policies"][0]["digest"], digest(&marked("validation", 3)), "{shown}");
    sidecar.stop().await;
}

#[tokio::test]
async fn a_rollback_brings_no_withdrawn_token_back() {
    let plivo = plivo().await;
    let first = setup(&plivo).policy(gate("gate.wasm"));
    let leaver = App::new("leaver", "token-of-leaver");
    let sidecar = with_a_bad_second(&first.clone().app(leaver)).await;
    configure(&sidecar, &first.clone().app(App::new("demo", "another-token")));
    applied(&sidecar, 2).await;

    roll_back(&sidecar, "").await.expect(200);

    for (token, status) in [(TOKEN, 401), ("token-of-leaver", 401), ("another-token", 202)] {
        let message = json!({"to": TO, "text": REFUSED_BY_THE_GUEST});
        let answer = sidecar.post("/v1/messages").bearer(token).json(&message).answer().await;
        assert_eq!(answer.status, status, "{token}: {answer}");
    }
    sidecar.stop().await;
}

#[tokio::test]
async fn rollbacks_and_reloads_at_once_under_load_fail_no_request() {
    let plivo = plivo().await;
    let setup = setup(&plivo).policy(gate("gate.wasm"));
    let sidecar = with_a_bad_second(&setup).await;
    let good: Vec<Vec<u8>> = (0..8).map(|mark| marked("validation", mark)).collect();
    let bad: Vec<Vec<u8>> = (0..8).map(|mark| marked("runaway", mark)).collect();
    let known = [(bytes_of("validation"), "accept"), (bytes_of("runaway"), "reject")];
    let marked = good.iter().map(|bytes| (bytes.clone(), "accept"));
    let marked = marked.chain(bad.iter().map(|bytes| (bytes.clone(), "reject")));
    let verdicts: Verdicts =
        marked.chain(known).map(|(bytes, verdict)| (digest(&bytes), verdict)).collect();

    under_load(&sidecar, &plivo, &verdicts, async || {
        for (good, bad) in good.iter().zip(&bad) {
            // Both change what is in force, whichever comes first.
            sidecar.folder.write("gate.wasm", bad);
            roll_back(&sidecar, "").await;
            sidecar.folder.write("gate.wasm", good);
            let in_force = async || {
                let shown = sidecar.admin("/policies").await.expect(200);
                (shown["policies"][0]["digest"] == digest(good)).then_some(())
            };
            eventually("the module that was written last is in force", in_force).await;
        }
    })
    .await;

    sidecar.stop().await;
}

#[tokio::test]
async fn a_rollback_keeps_what_policies_remember() {
    let plivo = plivo().await;
    let with = |window_s: u32| {
        let dedup = Policy::new("dedup").settings(json!({"window_s": window_s}));
        setup(&plivo).policy(dedup)
    };
    let sidecar = Sidecar::start(with(3_600)).await;
    sidecar.send(&json!({"to": TO, "text": "hi"})).await.expect(202);
    configure(&sidecar, &with(1_800));
    applied(&sidecar, 1).await;

    roll_back(&sidecar, "").await.expect(200);

    sidecar.send(&json!({"to": TO, "text": "hi"})).await.refused(409, "dup.content");
    sidecar.stop().await;
}
