use message::{Ledger as _, MessageId, StateQuestion};
use store::Secret;
use tokio::task::JoinSet;

use super::*;
use crate::testing::Server;
use crate::{SharedOptions, Status};

const LEASE: Duration = Duration::from_secs(10);
const KEEP: Duration = Duration::from_secs(3_600);

fn print(secret: &Secret, text: &str) -> Fingerprint {
    Fingerprint::over(secret, &[("to", vec!["+1".into()]), ("text", vec![text.into()])])
}

fn answer(status: u16, message: &str) -> StoredAnswer {
    StoredAnswer {
        status,
        headers: vec![("location".into(), "/v1/messages/1".into())],
        body: vec![b'{', 0, 255, b'}'],
        message: (!message.is_empty()).then(|| MessageId(message.into())),
    }
}

/// Two replicas with the same secret.
struct Two {
    server: Server,
    here: SharedKeys,
    there: SharedKeys,
    print: Fingerprint,
    other: Fingerprint,
}

impl Two {
    async fn start() -> Self {
        let (server, secret) = (Server::start(), Secret::from_words(b"of both replicas"));
        let here = SharedKeys::new(server.connection().await);
        let there = SharedKeys::new(server.connection().await);
        let (print, other) = (print(&secret, "hello"), print(&secret, "hullo"));
        Self { server, here, there, print, other }
    }

    async fn claimed_here(&self, lease: Duration) -> Lease {
        new(self.here.claim("billing", "k1", &self.print, lease).await)
    }

    async fn claim_there(&self) -> SharedClaim {
        self.there.claim("billing", "k1", &self.print, LEASE).await.unwrap()
    }

    /// Waits until what was leased has ended.
    async fn ended(&self) {
        let looking =
            async { while !self.server.ask::<Vec<String>>(&["KEYS", "*:k:*"]).await.is_empty() {} };
        tokio::time::timeout(Duration::from_secs(60), looking).await.expect("a lease ends");
    }
}

fn new(claimed: Result<SharedClaim, SharedError>) -> Lease {
    match claimed {
        Ok(SharedClaim::New(lease)) => lease,
        other => panic!("not new: {other:?}"),
    }
}

fn replayed(claimed: SharedClaim) -> StoredAnswer {
    match claimed {
        SharedClaim::Replay(answer) => answer,
        other => panic!("not answered: {other:?}"),
    }
}

#[tokio::test]
async fn a_key_is_new_then_in_flight_then_answered_by_whatever_replica() {
    let two = Two::start().await;
    let mut lease = two.claimed_here(LEASE).await;
    let SharedClaim::InFlight { left } = two.claim_there().await else { panic!("in flight") };
    assert!(left > Duration::ZERO && left <= LEASE, "{left:?}");
    assert_eq!(two.here.bind(&mut lease, &answer(202, "m1"), KEEP).await, Ok(Bound::Mine));
    assert_eq!(replayed(two.claim_there().await), answer(202, "m1"));
    assert_eq!(two.here.bind(&mut lease, &answer(200, "m1"), KEEP).await, Ok(Bound::Mine));
    assert_eq!(replayed(two.claim_there().await), answer(200, "m1"), "the later answer");
    new(two.there.claim("billing", "k2", &two.print, LEASE).await);
    new(two.there.claim("shop", "k1", &two.print, LEASE).await);
}

#[tokio::test]
async fn another_request_under_the_key_is_told_which_fields_differ_and_whether_that_is_settled() {
    let two = Two::start().await;
    let claim = async || two.there.claim("billing", "k1", &two.other, LEASE).await.unwrap();
    let lease = two.claimed_here(LEASE).await;
    let SharedClaim::Unlike { left, fields } = claim().await else { panic!("in flight") };
    assert!(left > Duration::ZERO && left <= LEASE, "{left:?}");
    assert_eq!(fields, ["text"]);
    two.here.release(lease).await.unwrap();
    two.there.release(new(Ok(claim().await))).await.unwrap();

    let mut lease = two.claimed_here(LEASE).await;
    two.here.bind(&mut lease, &answer(202, "m1"), KEEP).await.unwrap();
    let SharedClaim::Mismatch { fields } = claim().await else { panic!("answered") };
    assert_eq!(fields, ["text"]);
}

#[tokio::test]
async fn a_released_key_is_as_if_never_used_and_a_bound_one_stays() {
    let two = Two::start().await;
    let lease = two.claimed_here(LEASE).await;
    two.here.release(lease).await.unwrap();
    let mut theirs = new(Ok(two.claim_there().await));
    let foreign = two.here.lease("billing", "k1", &two.print, LEASE).unwrap();
    two.here.release(foreign).await.unwrap();
    let again = two.claim_there().await;
    assert!(matches!(again, SharedClaim::InFlight { .. }), "theirs is not ours to release");
    two.there.bind(&mut theirs, &answer(202, ""), KEEP).await.unwrap();
    two.there.release(theirs).await.unwrap();
    assert_eq!(replayed(two.claim_there().await), answer(202, ""));
}

#[tokio::test]
async fn a_key_under_which_nothing_was_sent_is_freed_by_its_lease_or_its_message_and_by_no_other() {
    let two = Two::start().await;
    let mut lease = two.claimed_here(LEASE).await;
    let foreign = two.there.lease("billing", "k1", &two.print, LEASE).unwrap();
    let (ours, others) = (MessageId("m1".into()), MessageId("m2".into()));
    two.there.give_up(&foreign).await.unwrap();
    two.there.free("billing", "k1", &ours).await.unwrap();
    assert!(matches!(two.claim_there().await, SharedClaim::InFlight { .. }), "not bound yet");
    two.here.bind(&mut lease, &answer(202, "m1"), KEEP).await.unwrap();
    two.there.give_up(&foreign).await.unwrap();
    two.there.free("billing", "k1", &others).await.unwrap();
    assert_eq!(replayed(two.claim_there().await), answer(202, "m1"));

    two.here.give_up(&lease).await.unwrap();
    let mut theirs = new(Ok(two.claim_there().await));
    two.here.give_up(&lease).await.unwrap();
    two.there.bind(&mut theirs, &answer(202, "m2"), KEEP).await.unwrap();
    two.here.free("billing", "k1", &others).await.unwrap();
    new(Ok(two.claim_there().await));
}

#[tokio::test]
async fn a_key_that_another_program_wrote_over_is_free_of_its_message_and_holds_up_no_other() {
    let two = Two::start().await;
    let mut lease = two.claimed_here(LEASE).await;
    two.here.bind(&mut lease, &answer(202, "m1"), KEEP).await.unwrap();
    let keys: Vec<String> = two.server.ask(&["KEYS", "*:k:*"]).await;
    let () = two.server.ask(&["SET", &keys[0], "foreign"]).await;
    assert_eq!(two.here.free("billing", "k1", &MessageId("m1".into())).await, Ok(()));
    let left: String = two.server.ask(&["GET", &keys[0]]).await;
    assert_eq!(left, "foreign");
}

#[tokio::test]
async fn a_lease_that_is_dropped_is_given_up_in_the_background() {
    let two = Two::start().await;
    drop(two.claimed_here(LEASE).await);
    two.ended().await;

    let () = two.server.ask(&["CLIENT", "PAUSE", "500", "WRITE"]).await;
    {
        let mut claiming = Box::pin(two.here.claim("billing", "k1", &two.print, LEASE));
        // It is on its way before it is dropped.
        for _ in 0..100 {
            tokio::select! {
                biased;
                claimed = &mut claiming => panic!("the server is paused, yet {claimed:?}"),
                () = tokio::task::yield_now() => {}
            }
        }
    }
    let claimed = async { while !matches!(two.claim_there().await, SharedClaim::New(_)) {} };
    let in_time = tokio::time::timeout(LEASE / 2, claimed).await;
    in_time.expect("a claim that nobody heard of does not last as long as its lease");
}

#[tokio::test]
async fn a_lease_that_the_server_did_not_hear_being_given_up_is_given_up_once_it_answers_again() {
    let two = Two::start().await;
    let quick = |options: &mut SharedOptions| options.timeout = Duration::from_millis(50);
    let connection = two.server.connection_with(quick).await;
    let here = SharedKeys::new(connection.clone());
    // So long that it does not end by itself meanwhile.
    let lease = new(here.claim("billing", "k1", &two.print, KEEP).await);
    let () = two.server.ask(&["CLIENT", "PAUSE", "60000", "WRITE"]).await;
    drop(lease);
    connection.until(|status| *status != Status::Up).await;

    let () = two.server.ask(&["CLIENT", "UNPAUSE"]).await;

    two.ended().await;
}

#[tokio::test]
async fn a_lease_ends_by_itself_and_is_prolonged_by_renewing() {
    let two = Two::start().await;
    let mut lease = two.claimed_here(Duration::from_millis(20)).await;
    two.ended().await;
    assert_eq!(two.here.renew(&lease, LEASE).await, Ok(Bound::Mine), "nobody claimed it since");
    let SharedClaim::InFlight { left } = two.claim_there().await else { panic!("in flight") };
    assert!(left > Duration::from_millis(20), "{left:?}");

    assert_eq!(two.here.renew(&lease, Duration::from_millis(20)).await, Ok(Bound::Mine));
    two.ended().await;
    let mut theirs = new(Ok(two.claim_there().await));
    assert_eq!(two.here.renew(&lease, LEASE).await, Ok(Bound::Others));
    assert_eq!(two.here.bind(&mut lease, &answer(202, "m1"), KEEP).await, Ok(Bound::Others));
    assert_eq!(two.there.bind(&mut theirs, &answer(202, "m2"), KEEP).await, Ok(Bound::Mine));
    assert_eq!(two.here.renew(&lease, LEASE).await, Ok(Bound::Others));
    assert_eq!(two.there.renew(&theirs, LEASE).await, Ok(Bound::Mine));
    let kept: u64 = {
        let keys: Vec<String> = two.server.ask(&["KEYS", "*:k:*"]).await;
        two.server.ask(&["PTTL", &keys[0]]).await
    };
    assert!(kept > LEASE.as_millis() as u64, "renewing does not shorten an answer: {kept} ms");
}

#[tokio::test]
async fn of_many_claims_at_once_one_is_new() {
    let two = Two::start().await;
    let mut claiming = JoinSet::new();
    for n in 0..50 {
        let keys = if n % 2 == 0 { &two.here } else { &two.there };
        let (keys, print) = (keys.clone(), two.print.clone());
        claiming.spawn(async move { keys.claim("billing", "k1", &print, LEASE).await.unwrap() });
    }
    let claims = claiming.join_all().await;
    let new = claims.iter().filter(|claim| matches!(claim, SharedClaim::New(_))).count();
    let waits = claims.iter().filter(|claim| matches!(claim, SharedClaim::InFlight { .. })).count();
    assert_eq!((new, waits), (1, 49));
}

#[tokio::test]
async fn keys_times_and_answers_out_of_bounds_are_invalid() {
    let two = Two::start().await;
    let claim = async |key: &str, lease| two.here.claim("a", key, &two.print, lease).await;
    new(claim(&"k".repeat(255), LEASE).await);
    for refused in [
        claim("", LEASE).await,
        claim(&"k".repeat(256), LEASE).await,
        claim("k", Duration::ZERO).await,
        claim("k", Duration::from_secs(367 * 86_400)).await,
    ] {
        assert!(matches!(refused, Err(SharedError::Invalid(_))), "{refused:?}");
    }
    let mut lease = new(claim("big", LEASE).await);
    let headers = answer(202, "").headers;
    let most = (16 << 20) - serde_json::json!(headers).to_string().len();
    let sized = |bytes| StoredAnswer { body: vec![b'x'; bytes], ..answer(202, "") };
    let refused = two.here.bind(&mut lease, &sized(most + 1), KEEP).await;
    assert!(matches!(refused, Err(SharedError::Invalid(_))), "{refused:?}");
    assert_eq!(two.here.bind(&mut lease, &sized(most), KEEP).await, Ok(Bound::Mine));
    assert_eq!(replayed(claim("big", LEASE).await.unwrap()), sized(most));
}

#[tokio::test]
async fn without_the_server_every_call_says_so_and_no_key_is_shown() {
    let mut two = Two::start().await;
    let mut lease = two.claimed_here(LEASE).await;
    assert!(!format!("{lease:?}").contains("k1"), "{lease:?}");
    two.server.kill();
    let errors = [
        two.here.claim("billing", "k1", &two.print, LEASE).await.map(|_| ()),
        two.here.renew(&lease, LEASE).await.map(|_| ()),
        two.here.bind(&mut lease, &answer(202, "m1"), KEEP).await.map(|_| ()),
        two.here.release(lease).await,
        two.here.free("billing", "k1", &MessageId("m1".into())).await,
    ];
    for error in errors {
        let Err(SharedError::Unavailable(why)) = error else { panic!("{error:?}") };
        assert!(!why.contains("k1") && !why.contains("billing"), "{why}");
    }
}

#[tokio::test]
async fn what_is_asked_with_a_claim_is_asked_only_where_the_key_is_new() {
    let two = Two::start().await;
    let now = Timestamp(1_780_000_000_000);
    let (key, ttl) = ("text".to_owned(), KEEP);
    let asked = StateQuestion::Reserve { key, ttl };
    let foreseen = vec![Foreseen { owner: "dedup".into(), asked }];
    let claim = async |print: &Fingerprint, by: &str| {
        let (about, asked) = (MessageId(by.into()), foreseen.clone());
        let keys = ("billing", "k1");
        two.there.claim_and_foretell(keys, print, LEASE, asked, (&about, now)).await.unwrap()
    };
    let ledger = RedisLedger::new(two.server.connection().await);
    let holder = async || ledger.holder("dedup", "text", now).await.unwrap().map(|held| held.by);

    let mut held = two.claimed_here(LEASE).await;
    let (claimed, told) = claim(&two.print, "m1").await;
    assert!(matches!(claimed, SharedClaim::InFlight { .. }), "{claimed:?}");
    assert_eq!((told.len(), holder().await), (0, None));
    two.here.bind(&mut held, &answer(202, "m0"), KEEP).await.unwrap();
    let (claimed, told) = claim(&two.print, "m2").await;
    assert!(matches!(claimed, SharedClaim::Replay(_)), "{claimed:?}");
    assert_eq!((told.len(), holder().await), (0, None));
    let (claimed, told) = claim(&two.other, "m3").await;
    assert!(matches!(claimed, SharedClaim::Mismatch { .. }), "{claimed:?}");
    assert_eq!((told.len(), holder().await), (0, None));

    two.here.give_up(&held).await.unwrap();
    let (claimed, told) = claim(&two.print, "m4").await;
    assert!(matches!(claimed, SharedClaim::New(_)), "{claimed:?}");
    assert_eq!(holder().await, Some(MessageId("m4".into())));
    assert_eq!((told.len(), told[0].holds.len()), (1, 1), "{told:?}");
}
