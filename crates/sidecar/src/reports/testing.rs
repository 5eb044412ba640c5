//! A delivery to a simulated Plivo, with messages that it took, for the tests of this folder.

use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use message::{DEFAULT_ACCOUNT, E164, Message, MessageId, Segments, Sender, Timestamp};
use plivo_client::{AuthId, AuthToken, ClientConfig, Credentials, Log, PlivoClient};
use store::{Change, NewMessage, Record, Status, Store, StoreOptions};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Reports;
use crate::config::{BreakerSettings, Looks, OnUnresolvedTable, Treat503};
use crate::delivery::{Delivery, Most, Parts};
use crate::in_force::{Account, Accounts};

pub(super) const TOKEN: &str = "TOKEN";

pub(super) fn now() -> Timestamp {
    SystemTime::now().into()
}

pub(super) fn credentials(token: &str) -> Credentials {
    Credentials {
        auth_id: AuthId::parse("MAXXXXXXXXXXXXXXXXXX").unwrap(),
        auth_token: AuthToken::parse(token).unwrap(),
    }
}

pub(super) fn account(base_url: &str, token: &str) -> Account {
    let config = ClientConfig { base_url: base_url.to_owned(), ..ClientConfig::default() };
    let second = Duration::from_secs(1);
    Account {
        name: DEFAULT_ACCOUNT.into(),
        client: PlivoClient::new(config).unwrap(),
        credentials: Arc::new(credentials(token)),
        mark: "test".into(),
        attempts: None,
        call_timeout: Duration::from_secs(15),
        log: Log::Everything,
        lifetime: Duration::from_secs(600),
        room: [Most { all: 10, of_one: 10 }; 2],
        chain: Weak::new(),
        max_calls: 10,
        breaker: BreakerSettings::default(),
        retry_percent: 20,
        settle: [second].into(),
        looks: Looks {
            steps: [5, 30].map(Duration::from_secs).into(),
            until: 100 * second,
            percent: 50,
        },
        first_look: 5 * second,
        report_silence: 600 * second,
        on_unresolved: OnUnresolvedTable::default(),
        treat_503: Treat503::Retry,
    }
}

/// One account of this token, and another called `europe` of that one.
pub(super) fn accounts(base_url: &str, token: &str, europe: Option<&str>) -> Accounts {
    let own = account(base_url, token);
    let further = europe.map(|token| Account {
        name: "europe".into(),
        credentials: Arc::new(credentials(token)),
        mark: "europe".into(),
        ..own.clone()
    });
    Accounts { own, further: further.into_iter().collect() }
}

pub(super) fn reports(store: Store, base_url: &str) -> Arc<Reports> {
    let parts = Parts {
        ledger: store.ledger(),
        store: store.clone(),
        ephemeral: true,
        in_flight: TaskTracker::new(),
        stop: CancellationToken::new(),
        callbacks: None,
        shared: None,
        looks: None,
    };
    let delivery = Arc::new(Delivery::new(parts, accounts(base_url, TOKEN, None)));
    Arc::new(Reports { store, delivery })
}

pub(super) fn store() -> Store {
    Store::open(StoreOptions::default(), now()).unwrap()
}

/// Records a message that is `status` now, and that Plivo is to be asked about at `next_look`.
pub(super) async fn message(
    store: &Store,
    id: &str,
    status: Status,
    uuid: Option<&str>,
    next_look: Option<Timestamp>,
) -> Record {
    message_under(DEFAULT_ACCOUNT, store, id, status, uuid, next_look).await
}

/// The same of one that was accepted under another account.
pub(super) async fn message_under(
    account: &str,
    store: &Store,
    id: &str,
    status: Status,
    uuid: Option<&str>,
    next_look: Option<Timestamp>,
) -> Record {
    let message = sms(id);
    let (segments, deadline) = (Segments::of("hello"), now().after(Duration::from_secs(600)));
    let record = Record {
        account: account.into(),
        ..Record::of(&message, segments, "demo", "messages", now(), deadline)
    };
    let new = NewMessage { record, text: "hello".into(), holds: vec![] };
    store.accept(vec![new], None).await.unwrap();
    let uuid = uuid.map(str::to_owned);
    let change = Change { message_uuid: uuid, next_look, ..Change::to(status, now()) };
    store.change(&message.id, change).await.unwrap();
    found(store, id).await
}

pub(super) fn sms(id: &str) -> Message {
    Message::plain(
        MessageId(id.into()),
        E164::parse("+14155550123", "").unwrap(),
        Sender::Number(E164::parse("+14155551212", "").unwrap()),
        "hello",
    )
}

pub(super) async fn found(store: &Store, id: &str) -> Record {
    store.get(None, &MessageId(id.into())).await.unwrap().unwrap()
}

/// The states of the app's events, oldest first.
pub(super) async fn told(store: &Store) -> Vec<&'static str> {
    let events = store.events_after("demo", 0, 100).await.unwrap();
    events.iter().map(|event| event.state.as_str()).collect()
}
