//! A candidate comes into force: by itself or by hand, over reloads, and back.

use plivo_sim::PlivoSim;
use serde_json::{Value, json};

use super::load::{Verdicts, under_load};
use super::{
    NEVER_POLLS, REFUSED_BY_THE_GUEST, applied, bytes_of, configure, digest, gate, generation,
    marked, start_in,
};
use crate::harness::{App, Folder, Policy, Setup, Sidecar, TO, TOKEN, eventually, plivo};
use crate::tools::sendgate;

const OPERATOR: &str = "token-of-the-operator";

fn setup(plivo: &PlivoSim, policy: Policy) -> Setup {
    let setup = Setup::new(plivo).set("reload.poll_ms", NEVER_POLLS);
    setup.set("listen.admin_token", OPERATOR).policy(policy)
}

/// A module that accepts everything, and one on trial that refuses as the text says.
async fn start(setup: &Setup) -> Sidecar {
    let folder = Folder::new();
    folder.write("gate.wasm", bytes_of("validation"));
    folder.write("next.wasm", bytes_of("runaway"));
    start_in(folder, setup).await
}

fn tried() -> Policy {
    gate("gate.wasm").set("candidate", "next.wasm").set("candidate_settings", json!({}))
}

async fn says(sidecar: &Sidecar, text: &str, status: u16) {
    sidecar.send(&json!({"to": TO, "text": text})).await.expect(status);
}

/// The first policy as operators see it.
async fn policy(sidecar: &Sidecar) -> Value {
    sidecar.admin("/policies").await.expect(200)["policies"][0].clone()
}

async fn promote(sidecar: &Sidecar) {
    let told = sidecar.operate("/policies/gate/promote", OPERATOR).await.expect(200);
    assert_eq!(told["policy"], "gate", "{told}");
}

async fn is_in_force(sidecar: &Sidecar, name: &str) {
    let shown = policy(sidecar).await;
    assert_eq!(shown["digest"], digest(&bytes_of(name)), "{shown}");
}

#[tokio::test]
async fn a_promotion_survives_a_reload_of_anything_else_and_ends_where_the_files_say_otherwise() {
    let plivo = plivo().await;
    let before = setup(&plivo, tried());
    let sidecar = start(&before).await;
    says(&sidecar, REFUSED_BY_THE_GUEST, 202).await;

    let dry = sidecar.operate("/policies/gate/promote?dry_run=1", OPERATOR).await;
    dry.refused(400, "query.invalid");
    promote(&sidecar).await;

    says(&sidecar, REFUSED_BY_THE_GUEST, 422).await;
    is_in_force(&sidecar, "runaway").await;
    let shown = policy(&sidecar).await;
    assert_eq!(shown["promoted"]["from"], digest(&bytes_of("validation")), "{shown}");
    assert_eq!(shown["candidate"], Value::Null, "{shown}");
    sidecar.operate("/policies/gate/promote", OPERATOR).await.refused(404, "policy.no_candidate");

    configure(&sidecar, &before.clone().set("delivery.ttl_s", 600));
    let third = applied(&sidecar, 2).await;
    says(&sidecar, REFUSED_BY_THE_GUEST, 422).await;
    let kept = sidecar.admin("/policies").await.expect(200)["kept"].clone();
    assert_eq!(kept.as_array().map(Vec::len), Some(1), "only those before the promotion: {kept}");

    // As the log asks for: the files say it too, and nothing else has changed.
    let filed = gate("next.wasm").set("settings", json!({}));
    configure(&sidecar, &setup(&plivo, filed));
    let fourth = applied(&sidecar, third).await;
    is_in_force(&sidecar, "runaway").await;
    assert_eq!(policy(&sidecar).await["promoted"], Value::Null);

    configure(&sidecar, &before);
    let fifth = applied(&sidecar, fourth).await;
    promote(&sidecar).await;
    sidecar.folder.write("gate.wasm", marked("validation", 1));
    applied(&sidecar, fifth + 1).await;
    says(&sidecar, REFUSED_BY_THE_GUEST, 202).await;
    let shown = policy(&sidecar).await;
    assert_eq!(shown["promoted"], Value::Null, "{shown}");
    assert_eq!(shown["candidate"]["standing"], "on_trial", "{shown}");
    let log = sidecar.stop().await.text();
    for line in ["write it as `module` in the configuration", "the files describe the policy anew"]
    {
        assert!(log.contains(line), "no {line:?} in {log}");
    }
}

#[tokio::test]
async fn after_so_many_messages_without_a_difference_the_candidate_comes_into_force_by_itself() {
    let plivo = plivo().await;
    let policy = tried().set("promote_after", 4).set("promote_unless", json!(["verdict"]));
    let sidecar = start(&setup(&plivo, policy)).await;
    for text in ["one", "two", "three", REFUSED_BY_THE_GUEST, "amend other", "four", "five", "six"]
    {
        // A changed text is another verdict, and each difference begins the count anew.
        says(&sidecar, text, 202).await;
    }
    is_in_force(&sidecar, "validation").await;
    assert_eq!(generation(&sidecar).await, 1);

    says(&sidecar, "seven", 202).await;

    let second = async || (generation(&sidecar).await == 2).then_some(());
    eventually("the candidate is in force", second).await;
    is_in_force(&sidecar, "runaway").await;
    says(&sidecar, REFUSED_BY_THE_GUEST, 422).await;
    sidecar.stop().await;
}

#[tokio::test]
async fn a_rollback_takes_a_promotion_back_and_it_does_not_come_again_by_itself() {
    let plivo = plivo().await;
    let before = setup(&plivo, tried().set("promote_after", 1));
    let sidecar = start(&before).await;
    says(&sidecar, "hello", 202).await;
    let second = async || (generation(&sidecar).await == 2).then_some(());
    eventually("the candidate is in force", second).await;

    let told = sidecar.operate("/rollback", OPERATOR).await.expect(200);

    assert_eq!(told["until"], Value::Null, "the files say the same: {told}");
    let shown = sidecar.admin("/policies").await.expect(200);
    assert_eq!(shown["rollback"], Value::Null, "nothing stands against the files: {shown}");
    for text in ["hello", REFUSED_BY_THE_GUEST] {
        says(&sidecar, text, 202).await;
    }
    configure(&sidecar, &before.clone().set("delivery.ttl_s", 600));
    assert_eq!(applied(&sidecar, 3).await, 4);
    says(&sidecar, "hello", 202).await;
    let shown = policy(&sidecar).await;
    assert_eq!(shown["candidate"]["standing"], "rolled_back", "{shown}");
    assert_eq!(shown["candidate"]["compared"], 1, "it is not asked any more: {shown}");
    is_in_force(&sidecar, "validation").await;

    promote(&sidecar).await;
    says(&sidecar, REFUSED_BY_THE_GUEST, 422).await;
    sidecar.stop().await;
}

#[tokio::test]
async fn a_candidate_that_was_rolled_back_is_told_so_until_its_settings_or_its_file_change() {
    let plivo = plivo().await;
    let before = setup(&plivo, tried());
    let sidecar = start(&before).await;
    let standing = async || policy(&sidecar).await["candidate"]["standing"].clone();
    promote(&sidecar).await;
    sidecar.operate("/rollback", OPERATOR).await.expect(200);

    assert_eq!(standing().await, "rolled_back");
    let admin = format!("http://{}", sidecar.admin);
    let words = ["differences", "gate", "--admin", &admin];
    let said = sendgate(sidecar.folder.path(), &words).await;
    let told = "gate: the candidate was rolled back and is tried no more until its file or settings change; 0 messages";
    assert!(said.ended(0).starts_with(told), "{}", said.out);

    configure(&sidecar, &setup(&plivo, tried().set("promote_after", 1)));
    assert_eq!(applied(&sidecar, 3).await, 4);
    says(&sidecar, REFUSED_BY_THE_GUEST, 202).await;
    assert_eq!(standing().await, "rolled_back", "other rules try nothing again");

    let other = json!({"on_text": {"x": "refuse test.asked"}});
    configure(&sidecar, &setup(&plivo, tried().set("candidate_settings", other)));
    assert_eq!(applied(&sidecar, 4).await, 5);
    assert_eq!(standing().await, "on_trial");

    promote(&sidecar).await;
    sidecar.operate("/rollback", OPERATOR).await.expect(200);
    assert_eq!(standing().await, "rolled_back");
    // The same in another file.
    sidecar.folder.write("next.wasm", marked("runaway", 1));
    assert_eq!(applied(&sidecar, 7).await, 8);
    assert_eq!(standing().await, "on_trial");
    sidecar.stop().await;
}

#[tokio::test]
async fn a_candidate_that_was_rolled_back_is_tried_no_more_whatever_was_in_force_between() {
    let plivo = plivo().await;
    let sidecar = start(&setup(&plivo, gate("gate.wasm"))).await;
    let candidate = tried().set("promote_after", 1);
    configure(&sidecar, &setup(&plivo, candidate.clone()));
    assert_eq!(applied(&sidecar, 1).await, 2);
    promote(&sidecar).await;
    for back_to in [2, 1] {
        let path = format!("/rollback?to={back_to}");
        sidecar.operate(&path, OPERATOR).await.expect(200);
    }
    let other = |region: &str| Policy::new("country").settings(json!({"deny": [region]}));
    let is_not_tried = async |generation_now: u64| {
        says(&sidecar, "hi", 202).await;
        assert_eq!(policy(&sidecar).await["candidate"]["standing"], "rolled_back");
        assert_eq!(generation(&sidecar).await, generation_now, "nothing was promoted");
    };

    configure(&sidecar, &setup(&plivo, candidate.clone()).policy(other("FR")));
    assert_eq!(applied(&sidecar, 5).await, 6);
    is_not_tried(6).await;

    let limited = candidate.set("time_ms", 60);
    configure(&sidecar, &setup(&plivo, limited).policy(other("FR")));
    assert_eq!(applied(&sidecar, 6).await, 7);
    is_not_tried(7).await;
    sidecar.stop().await;
}

#[tokio::test]
async fn nor_where_the_rollback_went_past_its_trial() {
    let plivo = plivo().await;
    let sidecar = start(&setup(&plivo, gate("gate.wasm"))).await;
    let candidate = tried().set("promote_after", 1);
    configure(&sidecar, &setup(&plivo, candidate.clone()));
    assert_eq!(applied(&sidecar, 1).await, 2);
    promote(&sidecar).await;
    sidecar.operate("/rollback?to=1", OPERATOR).await.expect(200);

    let other = Policy::new("country").settings(json!({"deny": ["FR"]}));
    configure(&sidecar, &setup(&plivo, candidate).policy(other));
    assert_eq!(applied(&sidecar, 4).await, 5);

    says(&sidecar, "hi", 202).await;
    assert_eq!(policy(&sidecar).await["candidate"]["standing"], "rolled_back");
    assert_eq!(generation(&sidecar).await, 5, "nothing was promoted");
    sidecar.stop().await;
}

#[tokio::test]
async fn while_a_rollback_stands_whose_policies_have_no_candidate_a_promotion_is_told_so() {
    let plivo = plivo().await;
    let sidecar = start(&setup(&plivo, gate("gate.wasm"))).await;
    configure(&sidecar, &setup(&plivo, tried()));
    assert_eq!(applied(&sidecar, 1).await, 2);
    sidecar.operate("/rollback", OPERATOR).await.expect(200);

    let no = sidecar.operate("/policies/gate/promote", OPERATOR).await;
    let said = no.refused(404, "policy.no_candidate")["error"].to_string();
    assert!(said.contains("a rollback from generation 2 is in force"), "{said}");
    assert!(said.contains("`sendgate rollback --to 2`"), "{said}");
    let shown = sidecar.admin("/policies/gate/differences").await;
    assert_eq!(shown.refused(404, "policy.no_candidate")["error"].to_string(), said);

    sidecar.operate("/rollback?to=2", OPERATOR).await.expect(200);
    promote(&sidecar).await;
    sidecar.stop().await;
}

#[tokio::test]
async fn a_rollback_stands_over_a_rotated_secret_whatever_is_promoted_meanwhile() {
    let plivo = plivo().await;
    let rotated = |token: &str| {
        let further = setup(&plivo, tried()).policy(Policy::new("trial"));
        further.app(App::new("demo", TOKEN)).app(App::new("other", token))
    };
    let sidecar = start(&setup(&plivo, tried())).await;
    configure(&sidecar, &rotated("token-of-before"));
    assert_eq!(applied(&sidecar, 1).await, 2);
    sidecar.operate("/rollback", OPERATOR).await.expect(200);
    promote(&sidecar).await;

    configure(&sidecar, &rotated("token-of-after"));
    applied(&sidecar, 4).await;

    let shown = sidecar.admin("/policies").await.expect(200);
    assert_eq!(shown["policies"].as_array().map(Vec::len), Some(1), "{shown}");
    assert_eq!(shown["rollback"]["from"], 2, "{shown}");
    is_in_force(&sidecar, "runaway").await;
    sidecar.stop().await;
}

#[tokio::test]
async fn a_promotion_that_is_rolled_back_after_a_reload_leaves_what_the_files_describe() {
    let plivo = plivo().await;
    let before = setup(&plivo, tried());
    let sidecar = start(&before).await;
    promote(&sidecar).await;
    configure(&sidecar, &before.clone().set("delivery.ttl_s", 600));
    assert_eq!(applied(&sidecar, 2).await, 3);

    sidecar.operate("/rollback", OPERATOR).await.expect(200);

    let shown = sidecar.admin("/policies").await.expect(200);
    assert_eq!(shown["rollback"], Value::Null, "{shown}");
    is_in_force(&sidecar, "validation").await;
    // What the files say next is heeded.
    let filed = gate("next.wasm").set("settings", json!({}));
    configure(&sidecar, &setup(&plivo, filed));
    applied(&sidecar, 4).await;
    is_in_force(&sidecar, "runaway").await;
    sidecar.stop().await;
}

#[tokio::test]
async fn a_restart_begins_with_what_the_files_call_the_module_and_says_so() {
    let plivo = plivo().await;
    let before = setup(&plivo, tried()).durable().set("store.min_free_percent", 0);
    let sidecar = start(&before).await;
    promote(&sidecar).await;
    says(&sidecar, REFUSED_BY_THE_GUEST, 422).await;
    let folder = std::sync::Arc::clone(&sidecar.folder);
    sidecar.stop().await;

    let again = Sidecar::start_in(folder, before).await;

    says(&again, REFUSED_BY_THE_GUEST, 202).await;
    let shown = policy(&again).await;
    assert_eq!(shown["digest"], digest(&bytes_of("validation")), "{shown}");
    assert_eq!(shown["candidate"]["digest"], digest(&bytes_of("runaway")), "{shown}");
    let log = again.stop().await.text();
    let line = "`module` is in force, even if the candidate was before a restart";
    assert!(log.contains(line), "{log}");
}

#[tokio::test]
async fn promotions_and_rollbacks_under_load_fail_no_request() {
    let plivo = plivo().await;
    let sidecar = start(&setup(&plivo, tried())).await;
    let verdicts = Verdicts::from([
        (digest(&bytes_of("validation")), "accept"),
        (digest(&bytes_of("runaway")), "reject"),
    ]);

    under_load(&sidecar, &plivo, &verdicts, async || {
        for _ in 0..10 {
            promote(&sidecar).await;
            is_in_force(&sidecar, "runaway").await;
            sidecar.operate("/rollback", OPERATOR).await.expect(200);
            is_in_force(&sidecar, "validation").await;
        }
    })
    .await;

    assert_eq!(generation(&sidecar).await, 21);
    sidecar.stop().await;
}
