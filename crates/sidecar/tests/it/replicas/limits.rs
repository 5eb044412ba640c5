//! One limit over all replicas.

use serde_json::json;
use tokio::task::JoinSet;

use super::{replica, text, three, throttle};
use crate::harness::{Policy, Redis, eventually, plivo};

#[tokio::test]
async fn a_limit_of_ten_lets_ten_through_over_three_replicas_however_many_ask_at_once() {
    let (redis, plivo) = (Redis::start(), plivo().await);
    let setup = replica(&plivo, &redis.url()).policy(throttle(10, "reject"));
    let replicas = three(&setup).await;

    let mut asked = JoinSet::new();
    for nth in 0..60 {
        let replica = &replicas[nth % 3];
        asked.spawn(replica.post("/v1/messages").json(&text(&format!("text {nth}"))).answer());
    }
    let mut answers = asked.join_all().await;

    answers.sort_by_key(|answer| answer.status);
    let (sent, refused) = answers.split_at(10);
    for answer in sent {
        answer.expect(202);
    }
    for answer in refused {
        answer.refused(429, "throttle.app");
    }
    assert_eq!(plivo.sends().len(), 10);
    for replica in replicas {
        replica.stop().await;
    }
}

#[tokio::test]
async fn a_limit_that_a_reload_changes_keeps_what_all_replicas_have_used() {
    let (redis, plivo) = (Redis::start(), plivo().await);
    let setup = |quota| replica(&plivo, &redis.url()).policy(throttle(quota, "reject"));
    let [one, two, three] = three(&setup(4)).await;
    for (nth, replica) in [&one, &two, &three, &one].into_iter().enumerate() {
        replica.send(&text(&format!("text {nth}"))).await.expect(202);
    }
    two.send(&text("one too many")).await.refused(429, "throttle.app");

    two.folder.write("sidecar.toml", setup(6).to_toml());
    let reloaded = async || (two.ready().await.expect(200)["generation"] == 2).then_some(());
    eventually("the new limit is in force", reloaded).await;

    for nth in 4..6 {
        two.send(&text(&format!("text {nth}"))).await.expect(202);
    }
    for replica in [&one, &two, &three] {
        replica.send(&text("one too many")).await.refused(429, "throttle.app");
    }
    assert_eq!(plivo.sends().len(), 6);
    for replica in [one, two, three] {
        replica.stop().await;
    }
}

#[tokio::test]
async fn fifty_equal_texts_at_once_without_a_key_are_one_send_and_the_others_repeats() {
    let (redis, plivo) = (Redis::start(), plivo().await);
    let dedup = Policy::new("dedup").settings(json!({ "window_s": 3600 }));
    let replicas = three(&replica(&plivo, &redis.url()).policy(dedup)).await;

    let mut asked = JoinSet::new();
    for nth in 0..50 {
        asked.spawn(replicas[nth % 3].post("/v1/messages").json(&text("the same")).answer());
    }
    let mut answers = asked.join_all().await;

    answers.sort_by_key(|answer| answer.status);
    let id = answers[0].expect(202)["id"].clone();
    for answer in &answers[1..] {
        let earlier = &answer.refused(409, "dup.content")["earlier"];
        assert_eq!(*earlier, id, "{answer}");
    }
    assert_eq!(plivo.sends().len(), 1);
    for replica in replicas {
        replica.stop().await;
    }
}
