mod failing;

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;
use store::{Status, StoreOptions};

use super::*;
use crate::relay::subscriber::PlivoToken;
use crate::relay::testing::{App, NOW, accept, become_, store};
use crate::relay::{Form, WebhookKey, event};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A worker at work, until the test ends.
struct Work {
    store: Store,
    stop: CancellationToken,
    tally: Arc<RelayTally>,
    generation: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<()>,
}

impl Work {
    /// Calls the apps at these origins.
    fn start(allow: &[&App]) -> Self {
        let (store, stop) = (store(), CancellationToken::new());
        let generation = Arc::new(AtomicU64::new(1));
        let allow: Vec<_> =
            allow.iter().map(|app| url::Url::parse(&app.url("/")).unwrap().origin()).collect();
        let current = Arc::clone(&generation);
        let subscribers = move |app: &str| {
            (app == "demo").then(|| Subscriber {
                otherwise: None,
                allow: allow.clone(),
                keys: vec![WebhookKey::read(SECRET).unwrap()],
                token: Some(PlivoToken("TOKEN".into())),
                generation: current.load(Ordering::SeqCst),
            })
        };
        let source = Source::of(&store);
        let relay = Relay::new(store.clone(), source, Arc::new(subscribers)).unwrap();
        let tally = relay.tally();
        let task = tokio::spawn(relay.run(stop.clone()));
        Self { store, stop, tally, generation, task }
    }

    async fn message(&self, id: &str, relay: String) {
        accept(&self.store, id, Some(relay)).await;
    }

    /// The letters given up, as soon as there are so many.
    async fn dead(&self, count: usize) -> Vec<Event> {
        let within = Duration::from_secs(60);
        let found = tokio::time::timeout(within, async {
            loop {
                let dead = self.store.dead_letters(None, 100).await.unwrap();
                if dead.len() >= count {
                    return dead;
                }
                sleep(Duration::from_millis(10)).await;
            }
        });
        found.await.unwrap_or_else(|_| panic!("not {count} dead letters within {within:?}"))
    }

    /// Ends when nothing is due, at any time.
    async fn settled(&self) {
        let within = Duration::from_secs(60);
        let done = tokio::time::timeout(within, async {
            while !self.store.due_relays(Timestamp(u64::MAX), 1).await.unwrap().is_empty() {
                sleep(Duration::from_millis(10)).await;
            }
        });
        done.await.unwrap_or_else(|_| panic!("events are still due after {within:?}"));
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.expect("a worker that did not panic");
    }
}

fn json(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap()
}

#[tokio::test]
async fn an_app_is_told_in_order_with_a_signature_that_holds() {
    let mut app = App::start().await;
    let work = Work::start(&[&app]);
    work.message("m1", app.url("/reports?tenant=7")).await;
    become_(&work.store, "m1", Status::Submitted, now()).await;
    become_(&work.store, "m1", Status::Sent, now()).await;
    become_(&work.store, "m1", Status::Delivered, now()).await;

    for status in ["submitted", "sent", "delivered"] {
        let told = app.next().await;
        let event = json(&told.body);
        assert_eq!(event["data"]["status"], status);
        assert_eq!((told.method.as_str(), told.path.as_str()), ("POST", "/reports?tenant=7"));
        let header = |name: &str| told.headers[name].to_str().unwrap();
        assert_eq!(header("content-type"), "application/cloudevents+json; charset=utf-8");
        assert_eq!(header("webhook-id"), event["id"].as_str().unwrap());
        let seconds = header("webhook-timestamp").parse().unwrap();
        let keys = [WebhookKey::read(SECRET).unwrap()];
        let [_, _, (_, signature)] =
            super::super::webhook::headers(&keys, header("webhook-id"), seconds, &told.body);
        assert_eq!(header("webhook-signature"), signature);
    }
    work.settled().await;
    assert_eq!(work.tally.shown()["taken"], 3);
    work.stop().await;
}

#[tokio::test]
async fn a_failure_is_tried_again_with_the_same_id_before_what_comes_after() {
    let mut app = App::start().await;
    app.script(&[(500, None), (302, None)]);
    let work = Work::start(&[&app]);
    work.message("m1", app.url("/")).await;
    become_(&work.store, "m1", Status::Submitted, now()).await;
    become_(&work.store, "m1", Status::Delivered, now()).await;

    let mut seen = Vec::new();
    for _ in 0..4 {
        let event = json(&app.next().await.body);
        seen.push((event["id"].clone(), event["data"]["status"].clone()));
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[1], seen[2]);
    let states: Vec<&Value> = seen.iter().map(|(_, state)| state).collect();
    assert_eq!(states, ["submitted", "submitted", "submitted", "delivered"]);
    work.settled().await;
    assert_eq!(work.tally.shown()["failed"], 2);
    work.stop().await;
}

#[tokio::test]
async fn a_redirect_is_a_failure_and_never_followed() {
    let mut app = App::start().await;
    app.script(&[(301, None), (302, None), (307, None), (308, None)]);
    let work = Work::start(&[&app]);
    work.message("m1", app.url("/reports")).await;
    become_(&work.store, "m1", Status::Submitted, now()).await;

    for _ in 0..5 {
        assert_eq!(app.next().await.path, "/reports");
    }
    work.settled().await;
    let shown = work.tally.shown();
    assert_eq!((&shown["failed"], &shown["taken"]), (&4.into(), &1.into()), "{shown}");
    work.stop().await;
}

#[tokio::test]
async fn what_an_app_took_while_others_were_before_it_is_not_told_again() {
    let mut app = App::answering(0).await;
    // As many as it takes to fill the worker, of which each takes four calls at once.
    let mut slow = Vec::new();
    for _ in 0..AT_ONCE / 4 {
        slow.push(App::answering(0).await);
    }
    let work = Work::start(&slow.iter().chain([&app]).collect::<Vec<_>>());
    work.message("m1", app.url("/")).await;
    become_(&work.store, "m1", Status::Submitted, now()).await;
    assert_eq!(json(&app.next().await.body)["subject"], "m1");

    // These came up earlier, and leave no room for a call more: the page in which they were found ends with the first.
    for nth in 1..AT_ONCE {
        let id = format!("s{nth}");
        work.message(&id, slow[nth % slow.len()].url("/")).await;
        become_(&work.store, &id, Status::Submitted, NOW).await;
    }
    for nth in 1..AT_ONCE {
        let of = nth % slow.len();
        slow[of].next().await;
    }
    work.message("m2", app.url("/")).await;
    become_(&work.store, "m2", Status::Submitted, now()).await;
    app.answer(10);
    assert_eq!(json(&app.next().await.body)["subject"], "m2", "the first was told again");
    for each in &slow {
        each.answer(10);
    }
    work.settled().await;
    assert_eq!(work.tally.shown()["taken"], AT_ONCE + 1);
    work.stop().await;
}

#[tokio::test]
async fn a_dead_app_holds_up_no_other() {
    let (dead, mut alive) = (App::start().await, App::start().await);
    let work = Work::start(&[&dead, &alive]);
    // Nobody listens there; the origin is allowed all the same.
    let gone = dead.url("/");
    drop(dead.told);
    for nth in 0..40 {
        let id = format!("d{nth}");
        work.message(&id, gone.clone()).await;
        become_(&work.store, &id, Status::Submitted, now()).await;
    }
    work.message("m1", alive.url("/")).await;
    become_(&work.store, "m1", Status::Submitted, now()).await;
    assert_eq!(json(&alive.next().await.body)["subject"], "m1");
    work.stop().await;
}

#[tokio::test]
async fn a_target_that_is_gone_is_called_again_with_a_new_configuration_only() {
    let mut app = App::start().await;
    app.script(&[(410, None)]);
    let work = Work::start(&[&app]);
    for id in ["m1", "m2"] {
        work.message(id, app.url("/x")).await;
    }
    become_(&work.store, "m1", Status::Submitted, now()).await;
    app.next().await;
    let dead = work.dead(1).await;
    assert!(dead[0].fault.as_deref().unwrap().contains("410"), "{dead:?}");

    become_(&work.store, "m2", Status::Submitted, now()).await;
    assert_eq!(work.dead(2).await.len(), 2);
    assert!(app.told.is_empty(), "it was called again");

    work.generation.store(2, Ordering::SeqCst);
    assert_eq!(work.store.revive_dead_letters("demo", now()).await.unwrap(), 2);
    for _ in 0..2 {
        app.next().await;
    }
    work.settled().await;
    work.stop().await;
}

#[tokio::test]
async fn where_the_app_may_not_be_called_it_is_not() {
    let (mut app, mut other) = (App::start().await, App::start().await);
    let work = Work::start(&[&app]);
    work.message("m1", other.url("/")).await;
    work.message("m2", app.url("/")).await;
    become_(&work.store, "m1", Status::Submitted, now()).await;
    become_(&work.store, "m2", Status::Submitted, now()).await;
    app.next().await;
    let dead = work.dead(1).await;
    assert!(dead[0].fault.as_deref().unwrap().starts_with("relay.not_allowed"), "{dead:?}");
    assert!(other.told.try_recv().is_err());
    work.stop().await;
}

#[tokio::test]
async fn an_app_of_plivos_door_gets_plivos_own_report() {
    let mut app = App::start().await;
    let work = Work::start(&[&app]);
    let url = app.url("/dlr?tenant=7");
    for (id, form) in [("m1", Form::PlivoPost), ("m2", Form::PlivoGet)] {
        work.message(id, Target::new(form, &url).unwrap().to_record()).await;
        become_(&work.store, id, Status::InDoubt, now()).await;
        become_(&work.store, id, Status::Submitted, now()).await;
        let told = app.next().await;
        assert_eq!(told.method, if form == Form::PlivoGet { "GET" } else { "POST" });
        let query = told.path.split_once('?').unwrap().1;
        let read = |text: &[u8]| url::form_urlencoded::parse(text).into_owned().collect::<Vec<_>>();
        let (params, called) = match form {
            Form::PlivoGet => (read(query.as_bytes()), app.url(&told.path)),
            _ => (read(&told.body), url.clone()),
        };
        assert!(params.contains(&("Status".into(), "queued".into())), "{params:?}");
        assert!(params.contains(&("MessageUUID".into(), id.into())), "{params:?}");
        let header = |name: &str| told.headers.get(name).and_then(|value| value.to_str().ok());
        let callback = plivo_client::signature::Callback {
            method: told.method.as_str(),
            url: &called,
            params: if form == Form::PlivoGet { &[] } else { &params },
            v3: header("x-plivo-signature-v3"),
            ma_v3: header("x-plivo-signature-ma-v3"),
            v3_nonce: header("x-plivo-signature-v3-nonce"),
            v2: header("x-plivo-signature-v2"),
            ma_v2: header("x-plivo-signature-ma-v2"),
            v2_nonce: header("x-plivo-signature-v2-nonce"),
        };
        let tokens = [plivo_client::AuthToken::parse("TOKEN").unwrap()];
        let verified = plivo_client::signature::verify(&tokens, &callback, false);
        assert_eq!(verified, Ok(plivo_client::signature::Signed::V3), "{id}");
    }
    work.settled().await;
    work.stop().await;
}

#[tokio::test]
async fn what_was_not_told_is_told_by_the_next_worker() {
    let mut app = App::start().await;
    let work = Work::start(&[&app]);
    let store = work.store.clone();
    work.stop().await;
    accept(&store, "m1", Some(app.url("/"))).await;
    become_(&store, "m1", Status::Submitted, now()).await;
    let due = store.due_relays(now(), 10).await.unwrap();
    let (stop, task) = next_worker(&store, &app);
    assert_eq!(json(&app.next().await.body)["id"], event::id(&due[0]));
    stop.cancel();
    task.await.unwrap();
}

#[tokio::test]
async fn an_app_is_told_of_messages_that_made_room_meanwhile() {
    let mut app = App::start().await;
    let options = StoreOptions { most_messages: 1, ..StoreOptions::default() };
    let store = Store::open(options, now()).unwrap();
    for id in ["m1", "m2", "m3"] {
        accept(&store, id, Some(app.url("/"))).await;
        become_(&store, id, Status::Failed, now()).await;
    }
    let (stop, task) = next_worker(&store, &app);
    let mut told = Vec::new();
    for _ in 0..3 {
        let event = json(&app.next().await.body);
        assert_eq!(event["data"]["to"], "+14155550123", "{event}");
        told.push(event["subject"].as_str().unwrap().to_owned());
    }
    told.sort();
    assert_eq!(told, ["m1", "m2", "m3"]);
    stop.cancel();
    task.await.unwrap();
}

/// A worker for what is in `store`, until it is stopped.
fn next_worker(store: &Store, app: &App) -> (CancellationToken, tokio::task::JoinHandle<()>) {
    let (stop, _tally, task) = counted_worker(store, app);
    (stop, task)
}

/// The same, with its counts.
fn counted_worker(
    store: &Store,
    app: &App,
) -> (CancellationToken, Arc<RelayTally>, tokio::task::JoinHandle<()>) {
    let origin = url::Url::parse(&app.url("/")).unwrap().origin();
    let keys = vec![WebhookKey::read("words").unwrap()];
    let subscriber = Subscriber { allow: vec![origin], keys, ..Subscriber::default() };
    let subscribers = Arc::new(move |_: &str| Some(subscriber.clone()));
    let next = Relay::new(store.clone(), Source::of(store), subscribers).unwrap();
    let (stop, tally) = (CancellationToken::new(), next.tally());
    (stop.clone(), tally, tokio::spawn(next.run(stop)))
}
