//! One key over all replicas.

use plivo_sim::Step;
use serde_json::json;
use tokio::task::JoinSet;

use super::gate::Gate;
use super::{connected, id, is_replay, keyed, queued, replica, settled, text, three};
use crate::harness::{PATIENCE, Redis, Sidecar, eventually, plivo};

#[tokio::test]
async fn fifty_equal_requests_at_once_under_one_key_are_one_send_and_one_answer_everywhere() {
    let (redis, plivo) = (Redis::start(), plivo().await);
    let replicas = three(&replica(&plivo, &redis.url())).await;

    let mut asked = JoinSet::new();
    for nth in 0..50 {
        let request = replicas[nth % 3].post("/v1/messages").key("order-17");
        asked.spawn(request.json(&text("the same")).answer());
    }
    let answers = asked.join_all().await;

    let (told, waits): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 202);
    for answer in waits {
        answer.refused(409, "idem.in_progress");
    }
    let first: Vec<_> = told.iter().filter(|answer| !is_replay(answer)).collect();
    assert_eq!(first.len(), 1, "one answer that is no replay");
    for answer in &told {
        assert_eq!(id(answer), id(first[0]));
    }
    for replica in &replicas {
        let again = settled(replica, "order-17", &text("the same")).await;
        assert_eq!((id(&again), is_replay(&again)), (id(first[0]), true));
    }
    assert_eq!(plivo.sends().len(), 1);
    for replica in replicas {
        replica.stop().await;
    }
}

#[tokio::test]
async fn another_request_under_the_key_is_refused_at_every_replica_and_the_fields_are_named() {
    let (redis, plivo) = (Redis::start(), plivo().await);
    let replicas = three(&replica(&plivo, &redis.url())).await;
    keyed(&replicas[0], "order-17", &text("the first")).await.expect(202);

    let other = json!({"to": "+14155550199", "text": "the password is swordfish"});
    for replica in &replicas {
        let answer = keyed(replica, "order-17", &other).await;
        let errors = answer.refused(422, "idem.mismatch")["errors"].clone();
        let pointers: Vec<_> =
            errors.as_array().unwrap().iter().map(|error| &error["pointer"]).collect();
        assert_eq!(pointers, ["/to", "/text"]);
        let shown = ["swordfish", "4155550199"].iter().any(|value| answer.text.contains(value));
        assert!(!shown, "{answer}");
    }
    assert_eq!(plivo.sends().len(), 1);
    for replica in replicas {
        replica.stop().await;
    }
}

#[tokio::test]
async fn what_an_sdk_posts_twice_without_telling_is_one_send_though_two_replicas_get_it() {
    let (redis, plivo) = (Redis::start(), plivo().await);
    let [one, two, three] = three(&replica(&plivo, &redis.url())).await;
    let ask = async |replica: &Sidecar| {
        let body = json!({"src": "14155551212", "dst": "14155550123", "text": "hi"});
        replica.post("/v1/Account/demo/Message/").json(&body).answer().await
    };

    let (first, again) = tokio::join!(ask(&one), ask(&two));

    for answer in [&first, &again] {
        assert_eq!(
            answer.expect(202)["message_uuid"].as_array().map(Vec::len),
            Some(1),
            "{answer}"
        );
    }
    let replays = [&first, &again].into_iter().filter(|answer| is_replay(answer)).count();
    assert_eq!(replays, 1, "{first}\n{again}");
    assert_eq!(plivo.sends().len(), 1);
    for replica in [one, two, three] {
        replica.stop().await;
    }
}

#[tokio::test]
async fn what_plivo_refused_for_good_is_replayed_at_every_replica() {
    let (redis, plivo) = (Redis::start(), plivo().await);
    plivo.script([Step::status(400)]).await;
    let [one, two, three] = three(&replica(&plivo, &redis.url())).await;
    let first = keyed(&one, "order-17", &text("hi")).await;
    first.refused(422, "upstream.rejected");

    for other in [&two, &three] {
        // The answer as it was when the message was accepted may be told until the later one has arrived.
        let again = eventually("the refusal is told elsewhere", async || {
            Some(keyed(other, "order-17", &text("hi")).await).filter(|answer| answer.status != 202)
        })
        .await;
        assert_eq!((again.text.as_str(), is_replay(&again)), (first.text.as_str(), true));
    }
    assert_eq!(plivo.requests().len(), 1);
    for replica in [one, two, three] {
        replica.stop().await;
    }
}

#[tokio::test]
async fn a_key_under_which_plivo_took_nothing_for_now_is_free_at_every_replica() {
    let (redis, plivo) = (Redis::start(), plivo().await);
    plivo.script([Step::status(503), Step::status(503)]).await;
    let [one, two, three] = three(&replica(&plivo, &redis.url()).set("plivo.attempts", 1)).await;

    // The key is let go before the refusal is told, but nobody waits for that longer than two seconds: on a busy machine
    // another replica may be told the answer of its acceptance a while longer.
    let afresh = async |replica: &Sidecar| {
        eventually("the key is free at another replica", async || {
            let answer = settled(replica, "order-17", &text("hi")).await;
            Some(answer).filter(|answer| !is_replay(answer))
        })
        .await
    };
    keyed(&one, "order-17", &text("hi")).await.refused(503, "upstream.unavailable");
    afresh(&two).await.refused(503, "upstream.unavailable");
    let sent = afresh(&three).await;

    for replica in [&one, &two] {
        let again = keyed(replica, "order-17", &text("hi")).await;
        assert_eq!((id(&again), is_replay(&again)), (id(&sent), true));
    }
    assert_eq!(plivo.sends().len(), 1);
    for replica in [one, two, three] {
        replica.stop().await;
    }
}

#[tokio::test]
async fn a_key_whose_message_came_to_nothing_after_its_answer_is_free_at_once_where_that_was() {
    let (redis, plivo) = (Redis::start(), plivo().await);
    plivo.script([Step::status(400)]).await;
    let one = Sidecar::start(replica(&plivo, &redis.url())).await;
    connected(&one).await;
    let told = queued(&one, "order-17", &text("hi")).await;
    one.in_status(&id(&told), "failed").await;

    let sent = keyed(&one, "order-17", &text("hi")).await;

    assert!(!is_replay(&sent), "the failed message is told again: {sent}");
    plivo.script([Step::status(400)]).await;
    let told = queued(&one, "order-18", &text("hi")).await;
    one.in_status(&id(&told), "failed").await;
    // It is free for any request.
    keyed(&one, "order-18", &text("another")).await.expect(202);
    assert_eq!(plivo.sends().len(), 2);
    one.stop().await;
}

#[tokio::test]
async fn so_is_one_whose_message_came_to_nothing_after_its_answer_and_a_restart() {
    let (redis, plivo) = (Redis::start(), plivo().await);
    plivo.script([Step { status: Some(503), ..Step::hold().not_queued() }]).await;
    let gate = Gate::before(redis.port).await;
    let setup = |url: &str| replica(&plivo, url).set("plivo.attempts", 1);
    let first = setup(&gate.url()).set("store.shared_timeout_ms", 1_000);
    let one = Sidecar::start(first.clone()).await;
    let two = Sidecar::start(setup(&redis.url())).await;
    connected(&one).await;
    connected(&two).await;
    let told = queued(&one, "order-17", &text("hi")).await;
    plivo.wait_for_requests(1, PATIENCE).await.unwrap();
    gate.close();
    plivo.release();
    one.in_status(&id(&told), "failed").await;
    let elsewhere = keyed(&two, "order-17", &text("hi")).await;
    assert_eq!((id(&elsewhere), is_replay(&elsewhere)), (id(&told), true), "nobody could be told");

    let folder = one.kill().await;
    gate.open();
    let one = Sidecar::start_in(folder, first).await;

    let sent = eventually("the key is free elsewhere", async || {
        Some(keyed(&two, "order-17", &text("hi")).await).filter(|answer| !is_replay(answer))
    })
    .await;
    let again = settled(&one, "order-17", &text("hi")).await;
    assert_eq!((id(&again), is_replay(&again)), (id(&sent), true));
    assert_ne!(id(&sent), id(&told));
    assert_eq!(plivo.sends().len(), 1);
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn such_a_key_is_let_go_later_where_the_redis_is_away_at_that_moment() {
    let (redis, plivo) = (Redis::start(), plivo().await);
    plivo.script([Step { status: Some(503), ..Step::hold().not_queued() }]).await;
    let gate = Gate::before(redis.port).await;
    let setup = |url: &str| replica(&plivo, url).set("plivo.attempts", 1);
    let one = Sidecar::start(setup(&gate.url()).set("store.shared_timeout_ms", 1_000)).await;
    let two = Sidecar::start(setup(&redis.url())).await;
    connected(&one).await;
    connected(&two).await;
    let request = one.post("/v1/messages").key("order-17").json(&text("hi"));
    let first = tokio::spawn(request.answer());
    plivo.wait_for_requests(1, PATIENCE).await.unwrap();

    gate.close();
    plivo.release();
    first.await.unwrap().refused(503, "upstream.unavailable");
    keyed(&one, "order-17", &text("hi")).await.refused(409, "idem.in_progress");
    gate.open();

    let sent = eventually("the key is free elsewhere", async || {
        Some(keyed(&two, "order-17", &text("hi")).await).filter(|answer| !is_replay(answer))
    })
    .await;
    let again = settled(&one, "order-17", &text("hi")).await;
    assert_eq!((id(&again), is_replay(&again)), (id(&sent), true));
    assert_eq!(plivo.sends().len(), 1);
    one.stop().await;
    two.stop().await;
}
