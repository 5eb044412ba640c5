use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

use message::{DEFAULT_ACCOUNT, Segments};
use plivo_client::{LookupError, Outcome, Outgoing};
use plivo_sim::{Callbacks, PlivoSim, SimConfig, State as SimState};
use store::{NewMessage, Status, Store};

use super::look::postponed;
use super::*;
use crate::reports::testing::{accounts, credentials, found, message, reports, sms, store, told};

/// A poller, and a Plivo that has taken one message.
struct Asking {
    poller: Poller,
    sim: PlivoSim,
    store: Store,
}

impl Asking {
    async fn new() -> Self {
        let config = SimConfig { callbacks: Callbacks::Manual, ..SimConfig::default() };
        let (sim, store) = (PlivoSim::start(config).await, store());
        let poller = poller(&store, &sim.base_url());
        Self { poller, sim, store }
    }

    /// Has Plivo take a message, which is due to be asked about; returns Plivo's id of it.
    async fn submitted(&self, id: &str) -> String {
        let (message_, account) = (sms(id), self.poller.reports.delivery.account());
        let callback_url = Some("http://127.0.0.1:9/");
        let outgoing = Outgoing { callback_url, ..Outgoing::new(&message_) };
        let sent = account.client.send(&account.credentials, outgoing, account.call_timeout).await;
        let Outcome::Accepted(receipt) = sent else { panic!("{sent:?}") };
        let uuid = receipt.message_uuid;
        message(&self.store, id, Status::Submitted, Some(&uuid), Some(now())).await;
        uuid
    }

    /// One round, to the end of its last question.
    async fn round(&mut self) -> Duration {
        round(&mut self.poller).await
    }

    /// Has the account in force be one with this token.
    fn use_token(&self, token: &str) {
        self.poller.reports.delivery.use_accounts(accounts(&self.sim.base_url(), token, None));
    }

    async fn move_to(&self, uuid: &str, state: SimState, code: Option<&str>) {
        // Nobody listens for the report; that is why we ask.
        drop(self.sim.report(uuid, state, code).await);
    }
}

fn poller(store: &Store, base_url: &str) -> Poller {
    Poller::new(reports(store.clone(), base_url), Arc::default(), DEFAULT_ACCOUNT.into())
}

async fn round(poller: &mut Poller) -> Duration {
    let upstream = poller.reports.delivery.upstream(&poller.account).unwrap();
    let pause = poller.round(&upstream).await;
    while let Some(ended) = poller.asking.join_next().await {
        poller.end(ended.ok()).await;
    }
    pause
}

#[tokio::test]
async fn a_message_without_reports_is_followed_by_asking() {
    let mut asking = Asking::new().await;
    let uuid = asking.submitted("m1").await;
    asking.move_to(&uuid, SimState::Sent, None).await;

    assert_eq!(asking.round().await, IDLE);

    let record = found(&asking.store, "m1").await;
    assert_eq!((record.status, record.looks), (Status::Sent, 1));
    let wait = record.next_look.unwrap().since(now());
    assert!(wait > Duration::from_secs(20) && wait <= Duration::from_secs(30), "{wait:?}");
    assert_eq!(told(&asking.store).await, ["submitted", "sent"]);
    asking.sim.stop().await;
}

#[tokio::test]
async fn an_ending_is_kept_with_its_code_and_asked_about_no_more() {
    let mut asking = Asking::new().await;
    let uuid = asking.submitted("m1").await;
    asking.move_to(&uuid, SimState::Undelivered, Some("80")).await;

    asking.round().await;

    let record = found(&asking.store, "m1").await;
    assert_eq!((record.status, record.next_look), (Status::Undelivered, None));
    assert_eq!(record.error_code.as_deref(), Some("80"));
    assert_eq!(record.report.unwrap().units, Some(1));
    asking.sim.stop().await;
}

#[tokio::test]
async fn asking_ends_when_it_has_lasted_long_enough() {
    let mut asking = Asking::new().await;
    asking.submitted("m1").await;
    let id = found(&asking.store, "m1").await.id;
    // With looks after 5 s and then every 30 s until 100 s there are four.
    for looks in 1..=4 {
        asking.store.looked(&id, Some(now())).await.unwrap();
        let made = found(&asking.store, "m1").await.looks;
        assert_eq!(made, looks);
    }
    asking.round().await;
    let record = found(&asking.store, "m1").await;
    assert_eq!((record.status, record.looks, record.next_look), (Status::Submitted, 5, None));
    asking.sim.stop().await;
}

#[tokio::test]
async fn a_message_that_plivo_does_not_know_is_asked_about_again() {
    let mut asking = Asking::new().await;
    message(&asking.store, "m1", Status::Submitted, Some("no-such-uuid"), Some(now())).await;
    asking.round().await;
    let record = found(&asking.store, "m1").await;
    assert_eq!((record.status, record.looks), (Status::Submitted, 1));
    assert!(record.next_look.is_some());
    asking.sim.stop().await;
}

#[tokio::test]
async fn while_plivo_cannot_be_asked_no_look_is_used_up() {
    let mut asking = Asking::new().await;
    for id in ["m1", "m2", "m3"] {
        asking.submitted(id).await;
    }
    let other = accounts(&asking.sim.base_url(), "WRONG", None);
    assert_ne!(*other.own.credentials, credentials("TOKEN"));
    asking.poller.reports.delivery.use_accounts(other);
    let pauses = [asking.round().await, asking.round().await, asking.round().await];
    assert_eq!(pauses.map(|pause| pause.as_secs()), [1, 2, 4]);
    for id in ["m1", "m2", "m3"] {
        let record = found(&asking.store, id).await;
        let wait = record.next_look.unwrap().since(now());
        assert_eq!(record.looks, 0, "{id}");
        assert!(
            wait > Duration::from_secs(20) && wait <= Duration::from_secs(30),
            "{id}: {wait:?}"
        );
    }
    asking.use_token("TOKEN");
    let due = Change { next_look: Some(now()), ..Change::at(now()) };
    asking.store.change(&found(&asking.store, "m1").await.id, due).await.unwrap();
    assert_eq!(asking.round().await, IDLE);
    assert_eq!((asking.poller.failures, found(&asking.store, "m1").await.looks), (0, 1));
    asking.sim.stop().await;
}

#[tokio::test]
async fn one_message_that_cannot_be_asked_about_holds_up_no_other() {
    let mut asking = Asking::new().await;
    asking.submitted("m1").await;
    asking.use_token("WRONG");
    asking.round().await;
    asking.use_token("TOKEN");
    let uuid = asking.submitted("m2").await;
    asking.move_to(&uuid, SimState::Sent, None).await;

    asking.round().await;

    let looks = [found(&asking.store, "m1").await.looks, found(&asking.store, "m2").await.looks];
    assert_eq!(looks, [0, 1], "m1 was due for longer, and was put behind m2");
    assert_eq!(found(&asking.store, "m2").await.status, Status::Sent);
    asking.sim.stop().await;
}

#[tokio::test]
async fn a_message_that_can_never_be_asked_about_is_given_up_in_the_end() {
    let mut asking = Asking::new().await;
    asking.use_token("WRONG");
    let until = asking.poller.reports.delivery.account().looks.until;
    // The one could have been sent half as long ago as questions last, the other longer ago than that.
    for (id, ago) in [("asked", until / 2), ("given up", until + Duration::from_secs(1))] {
        let (message, then) = (sms(id), now().before(ago));
        let segments = Segments::of("hello");
        let record = Record::of(&message, segments, "demo", "messages", then, then);
        let new = NewMessage { record, text: "hello".into(), holds: vec![] };
        asking.store.accept(vec![new], None).await.unwrap();
        let (message_uuid, next_look) = (Some(format!("uuid of {id}")), Some(now()));
        let sent = Change { message_uuid, next_look, ..Change::to(Status::Submitted, then) };
        asking.store.change(&message.id, sent).await.unwrap();
    }
    for _ in 0..2 {
        asking.round().await;
    }
    let asked = found(&asking.store, "asked").await;
    assert!(asked.next_look.is_some_and(|next| next > now()), "{:?}", asked.next_look);
    let given_up = found(&asking.store, "given up").await;
    assert_eq!((given_up.status, given_up.next_look), (Status::Submitted, None));
    asking.sim.stop().await;
}

#[tokio::test]
async fn once_plivo_answers_many_are_asked_about_at_once() {
    let (store, listener) = (store(), TcpListener::bind("127.0.0.1:0").unwrap());
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    let mut poller = self::poller(&store, &base_url);
    let all: Vec<String> = (0..=AT_ONCE).map(|n| format!("m{n}")).collect();
    for id in &all {
        message(&store, id, Status::Submitted, Some(id), Some(now())).await;
    }
    let plivo = thread::spawn(move || {
        let asked = || {
            let (mut stream, _) = listener.accept().unwrap();
            assert!(stream.read(&mut [0; 4_096]).unwrap() > 0);
            stream
        };
        let answer = |mut stream: std::net::TcpStream| {
            let head = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            stream.write_all(head.as_bytes()).unwrap();
        };
        answer(asked());
        // None of these is answered before all of them are there.
        let others: Vec<_> = (0..AT_ONCE).map(|_| asked()).collect();
        others.into_iter().for_each(answer);
    });

    assert_eq!(round(&mut poller).await, IDLE);

    plivo.join().unwrap();
    for id in &all {
        assert_eq!(found(&store, id).await.looks, 1, "{id}");
    }
    assert!(poller.busy.is_empty());
}

#[test]
fn questions_have_their_share_of_what_plivo_allows_and_only_what_sends_leave() {
    let in_five_seconds =
        |percent, calls| Duration::from_secs(5).as_micros() / apart(percent, calls).as_micros();
    for (percent, calls, questions) in [
        (50, 0, 150),
        (50, 150, 150),
        (50, 200, 100),
        (100, 0, 300),
        (1, 0, 3),
        (50, 299, 1),
        (50, 1_000, 1),
    ] {
        assert_eq!(in_five_seconds(percent, calls), questions, "{percent} %, {calls} calls");
    }
}

#[test]
fn looks_are_as_far_apart_as_the_steps_until_their_end() {
    let steps = [5, 30, 120, 600, 3_600].map(Duration::from_secs);
    let looks = Looks { steps: steps.into(), until: Duration::from_secs(86_400), percent: 50 };
    let start = Timestamp(1_780_000_000_000);
    let (mut at, mut made) = (start.after(steps[0]), 1);
    let mut waits = Vec::new();
    while let Some(next) = next_look(&looks, made, at) {
        waits.push(next.since(at).as_secs());
        (at, made) = (next, made + 1);
    }
    assert_eq!(waits[..5], [30, 120, 600, 3_600, 3_600]);
    let lasted = at.since(start);
    assert!(lasted <= looks.until && lasted + steps[4] > looks.until, "{lasted:?}");
}

#[test]
fn only_what_is_wrong_with_plivo_itself_holds_up_the_others() {
    let status = |status, retry_after| LookupError::Status { status, retry_after };
    let second = Duration::from_secs(1);
    assert_eq!(postponed(&status(429, Some(second))), Some(second));
    for code in [401, 403, 500, 502, 503, 504] {
        assert_eq!(postponed(&status(code, None)), Some(Duration::ZERO), "{code}");
    }
    for err in [status(400, None), status(302, None), LookupError::Unreadable] {
        assert_eq!(postponed(&err), None, "{err}");
    }
}
