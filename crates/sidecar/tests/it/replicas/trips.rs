//! How many trips to the Redis a request makes before Plivo is called, or before it is refused.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};

use plivo_sim::{PlivoSim, Step};
use serde_json::json;

use super::{connected, id, is_replay, keyed, replica, text, throttle};
use crate::harness::{Answer, App, Policy, Redis, Request, Sidecar, eventually, plivo};

/// What the server says to one command.
fn said(redis: &Redis, command: &str) -> String {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, redis.port)).expect("it is up");
    write!(stream, "{command}\r\nQUIT\r\n").expect("it reads");
    let mut said = String::new();
    stream.read_to_string(&mut said).expect("it answers, and closes");
    said
}

/// How many scripts were called since the last count from nothing.
fn calls(redis: &Redis) -> u64 {
    let stats = said(redis, "INFO commandstats");
    let calls = stats.lines().filter_map(|line| line.strip_prefix("cmdstat_eval"));
    let calls = calls.filter_map(|line| line.split_once("calls=")?.1.split(',').next());
    calls.map(|calls| calls.parse::<u64>().expect("a number")).sum()
}

fn from_nothing(redis: &Redis) {
    said(redis, "CONFIG RESETSTAT");
}

/// The calls before Plivo answers any of so many `messages`, and the answer to the request; returns once there were
/// `all`, settling and keeping included.
async fn sent(
    redis: &Redis,
    plivo: &PlivoSim,
    request: Request,
    (messages, all): (usize, u64),
) -> (u64, Answer) {
    from_nothing(redis);
    let called = plivo.requests().len() + messages;
    plivo.script(vec![Step::hold(); messages]).await;
    let answer = tokio::spawn(request.answer());
    eventually("Plivo is called", async || (plivo.requests().len() == called).then_some(())).await;
    let trips = calls(redis);
    plivo.release();
    let answer = answer.await.expect("it is answered");
    eventually("all is settled", async || (calls(redis) >= all).then_some(())).await;
    (trips, answer)
}

async fn refused(redis: &Redis, request: Request) -> (u64, Answer) {
    from_nothing(redis);
    let answer = request.answer().await;
    (calls(redis), answer)
}

#[tokio::test]
async fn a_request_makes_one_trip_and_one_more_to_confirm_its_key() {
    let (redis, plivo) = (Redis::start(), plivo().await);
    let own = |policy: Policy| policy.set("apps", json!(["demo"]));
    let dedup = Policy::new("dedup").settings(json!({ "window_s": 3600 }));
    let setup = replica(&plivo, &redis.url())
        .app(App::new("others", "token-of-the-others"))
        .policy(own(dedup))
        .policy(own(throttle(8, "reject")));
    let start = async || {
        let sidecar = Sidecar::start(setup.clone()).await;
        connected(&sidecar).await;
        sidecar
    };
    // The server is told each script when it is first called.
    let first = start().await;
    keyed(&first, "first", &text("first")).await.expect(202);
    let list = |text: &str| json!({"to": ["+14155550198", "+14155550199"], "text": text});
    keyed(&first, "list", &list("first")).await.expect(202);
    first.stop().await;
    let (one, two) = (start().await, start().await);
    let post = |body: &str| one.post("/v1/messages").json(&text(body));

    let (trips, answer) = sent(&redis, &plivo, post("no key"), (1, 2)).await;
    answer.expect(202);
    assert_eq!(trips, 1, "without a key, for dedup and throttle");

    let (trips, answer) = sent(&redis, &plivo, post("key").key("order-17"), (1, 4)).await;
    let message = id(&answer);
    assert_eq!(trips, 2, "with a key");

    let again = two.post("/v1/messages").key("order-17").json(&text("key"));
    let (trips, answer) = refused(&redis, again).await;
    assert_eq!((id(&answer), is_replay(&answer), trips), (message, true, 1), "a replay elsewhere");

    let other = two.post("/v1/messages").key("order-17").json(&text("another"));
    let (trips, answer) = refused(&redis, other).await;
    answer.refused(422, "idem.mismatch");
    assert_eq!(trips, 1, "another request under the key");

    let (trips, answer) = refused(&redis, post("no key")).await;
    answer.refused(409, "dup.content");
    assert_eq!(trips, 1, "refused by the first policy that asks");

    let list = one.post("/v1/messages").key("list-18").json(&list("list"));
    let (trips, answer) = sent(&redis, &plivo, list, (2, 7)).await;
    answer.expect(202);
    assert_eq!(trips, 4, "one for the key of a list, one for each message, and one to confirm");

    let (trips, answer) = sent(&redis, &plivo, post("the last"), (1, 2)).await;
    answer.expect(202);
    assert_eq!(trips, 1, "what was refused was charged nothing: this is the eighth of eight");

    let (trips, answer) = refused(&redis, post("one too many")).await;
    answer.refused(429, "throttle.app");
    assert_eq!(trips, 2, "refused by the second, and the first one's reservation is given back");

    let (trips, answer) = refused(&redis, post("one too many")).await;
    answer.refused(429, "throttle.app");
    assert_eq!(trips, 2, "its reservation does not stand against it");

    let theirs = one.post("/v1/messages").bearer("token-of-the-others").json(&text("no policy"));
    let (trips, answer) = sent(&redis, &plivo, theirs, (1, 0)).await;
    answer.expect(202);
    assert_eq!((trips, calls(&redis)), (0, 0), "of an app whose policies ask nothing");

    for replica in [one, two] {
        replica.stop().await;
    }
}
