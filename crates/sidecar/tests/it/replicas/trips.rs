//! How many trips to the Redis a request makes before Plivo is called, or before it is refused.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::mpsc;

use plivo_sim::{PlivoSim, Step};
use serde_json::json;

use super::{connected, id, is_replay, keyed, replica, text, throttle};
use crate::harness::{Answer, App, PATIENCE, Policy, Redis, Request, Sidecar, eventually, plivo};

/// What the server is asked, as it shows it itself.
struct Monitor {
    port: u16,
    shown: mpsc::Receiver<String>,
    calls: usize,
}

impl Monitor {
    fn of(redis: &Redis) -> Self {
        let (shows, shown) = mpsc::channel();
        let lines = BufReader::new(asked(redis.port, "MONITOR")).lines();
        std::thread::spawn(move || {
            lines.map_while(Result::ok).try_for_each(|line| shows.send(line))
        });
        assert_eq!(shown.recv_timeout(PATIENCE).as_deref(), Ok("+OK"));
        Self { port: redis.port, shown, calls: 0 }
    }

    /// Scripts called up to now that a request waits for.
    fn calls(&mut self) -> usize {
        let mark = "all before this";
        drop(asked(self.port, &format!("ECHO \"{mark}\"")));
        loop {
            let line = self.shown.recv_timeout(PATIENCE).expect("it shows the mark");
            if line.contains(mark) {
                return self.calls;
            }
            self.calls += usize::from(is_waited_for(&line));
        }
    }

    fn begin(&mut self) {
        self.calls();
        self.calls = 0;
    }
}

fn asked(port: u16, command: &str) -> TcpStream {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it is up");
    write!(stream, "{command}\r\n").expect("it reads");
    stream
}

/// Whether a line shows the call of a script: but for the looks at what other replicas hand on, and for what is told of
/// holds once their message is accepted, or its way has ended.
fn is_waited_for(line: &str) -> bool {
    let Some((_, call)) = line.split_once("] \"EVALSHA\" \"") else { return false };
    let words: Vec<&str> = call.trim_end_matches('"').split("\" \"").collect();
    let keys: usize = words[1].parse().expect("the number of keys");
    let word = words[2 + keys];
    !["keep", "own"].contains(&word) && !words[2].ends_with(":reports")
}

/// The calls before Plivo answers any of so many `messages`, and the answer to the request; returns once there were
/// `all`, that by which the key keeps it included.
async fn sent(
    monitor: &mut Monitor,
    plivo: &PlivoSim,
    request: Request,
    (messages, all): (usize, usize),
) -> (usize, Answer) {
    monitor.begin();
    let called = plivo.requests().len() + messages;
    plivo.script(vec![Step::hold(); messages]).await;
    let answer = tokio::spawn(request.answer());
    eventually("Plivo is called", async || (plivo.requests().len() == called).then_some(())).await;
    let trips = monitor.calls();
    plivo.release();
    let answer = answer.await.expect("it is answered");
    eventually("the key keeps it", async || (monitor.calls() >= all).then_some(())).await;
    (trips, answer)
}

async fn refused(monitor: &mut Monitor, request: Request) -> (usize, Answer) {
    monitor.begin();
    let answer = request.answer().await;
    (monitor.calls(), answer)
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
    let mut monitor = Monitor::of(&redis);
    let post = |body: &str| one.post("/v1/messages").json(&text(body));

    let (trips, answer) = sent(&mut monitor, &plivo, post("no key"), (1, 1)).await;
    answer.expect(202);
    assert_eq!(trips, 1, "without a key, for dedup and throttle");

    let (trips, answer) = sent(&mut monitor, &plivo, post("key").key("order-17"), (1, 3)).await;
    let message = id(&answer);
    assert_eq!(trips, 2, "with a key");

    let again = two.post("/v1/messages").key("order-17").json(&text("key"));
    let (trips, answer) = refused(&mut monitor, again).await;
    assert_eq!((id(&answer), is_replay(&answer), trips), (message, true, 1), "a replay elsewhere");

    let other = two.post("/v1/messages").key("order-17").json(&text("another"));
    let (trips, answer) = refused(&mut monitor, other).await;
    answer.refused(422, "idem.mismatch");
    assert_eq!(trips, 1, "another request under the key");

    let (trips, answer) = refused(&mut monitor, post("no key")).await;
    answer.refused(409, "dup.content");
    assert_eq!(trips, 1, "refused by the first policy that asks");

    let list = one.post("/v1/messages").key("list-18").json(&list("list"));
    let (trips, answer) = sent(&mut monitor, &plivo, list, (2, 5)).await;
    answer.expect(202);
    assert_eq!(trips, 4, "one for the key of a list, one for each message, and one to confirm");

    let (trips, answer) = sent(&mut monitor, &plivo, post("the last"), (1, 1)).await;
    answer.expect(202);
    assert_eq!(trips, 1, "what was refused was charged nothing: this is the eighth of eight");

    let (trips, answer) = refused(&mut monitor, post("one too many")).await;
    answer.refused(429, "throttle.app");
    assert_eq!(trips, 2, "refused by the second, and the first one's reservation is given back");

    let (trips, answer) = refused(&mut monitor, post("one too many")).await;
    answer.refused(429, "throttle.app");
    assert_eq!(trips, 2, "its reservation does not stand against it");

    let theirs = one.post("/v1/messages").bearer("token-of-the-others").json(&text("no policy"));
    let (trips, answer) = sent(&mut monitor, &plivo, theirs, (1, 0)).await;
    answer.expect(202);
    assert_eq!((trips, monitor.calls()), (0, 0), "of an app whose policies ask nothing");

    for replica in [one, two] {
        replica.stop().await;
    }
}
