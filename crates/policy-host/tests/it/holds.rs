//! What a request reserved and charged ends with it.

use std::sync::Arc;

use message::Settlement;

use crate::host::{Host, country, dedup, ending, runaway, sms, sms_to};

#[tokio::test]
async fn what_was_sent_is_kept_and_a_repeat_is_refused() {
    let host = Host::new();
    let chain = host.chain(&[dedup()]).await;
    let first = sms("hello");
    let id = first.message.id.clone();

    let cleared = chain.clear(first).await.unwrap();
    assert_eq!(cleared.holds().len(), 1);
    cleared.settle(Settlement::Keep).await.unwrap();

    let again = chain.clear(sms("hello")).await;
    assert_eq!(ending(&again), "dup.content");
    let policy_host::NotClearedKind::Rejected(rejection) = again.unwrap_err().kind else {
        panic!("not a rejection")
    };
    assert_eq!(rejection.earlier, Some(id));
}

#[tokio::test]
async fn what_was_not_sent_is_given_back() {
    let host = Host::new();
    let chain = host.chain(&[dedup()]).await;
    let cleared = chain.clear(sms("hello")).await.unwrap();
    cleared.settle(Settlement::GiveBack).await.unwrap();
    assert_eq!(ending(&chain.clear(sms("hello")).await), "cleared");
}

#[tokio::test]
async fn a_later_policys_refusal_gives_back_what_an_earlier_one_took() {
    let host = Host::new();
    let chain = host.chain(&[dedup(), country()]).await;
    let abroad = "+447911123456";
    assert_eq!(ending(&chain.clear(sms_to(abroad, "hello")).await), "country.not_allowed");
    assert_eq!(host.ledger.settled(), [(1, Settlement::GiveBack)]);
    assert_eq!(ending(&chain.clear(sms_to(abroad, "hello")).await), "country.not_allowed");
}

#[tokio::test]
async fn a_later_policys_failure_gives_back_what_an_earlier_one_took() {
    let host = Host::new();
    let chain = host.chain(&[dedup(), runaway()]).await;
    assert_eq!(ending(&chain.clear(sms("panic")).await), "failed: trap");
    assert_eq!(host.ledger.settled(), [(1, Settlement::GiveBack)]);
}

#[tokio::test]
async fn a_cleared_message_that_is_dropped_unsettled_holds_nothing() {
    let host = Host::new();
    let chain = host.chain(&[dedup()]).await;
    drop(chain.clear(sms("hello")).await.unwrap());
    assert_eq!(host.ledger.settled(), [(1, Settlement::GiveBack)]);
    assert_eq!(ending(&chain.clear(sms("hello")).await), "cleared");
}

#[tokio::test]
async fn what_is_entrusted_to_a_record_is_left_to_it() {
    let host = Host::new();
    let chain = host.chain(&[dedup()]).await;
    let (message, _facts, trail, holds) = chain.clear(sms("hello")).await.unwrap().entrust();
    assert_eq!((message.text.as_str(), trail.decisions.len(), holds.len()), ("hello", 1, 1));
    assert_eq!(host.ledger.settled(), []);
    assert_eq!(ending(&chain.clear(sms("hello")).await), "dup.content");
}

#[tokio::test]
async fn a_caller_that_goes_away_in_the_middle_leaves_nothing_held() {
    let host = Host::new();
    // The spinning guest has ten seconds; the caller goes away long before.
    let chain = Arc::new(host.chain(&[dedup(), runaway()]).await);
    let clearing = {
        let chain = Arc::clone(&chain);
        tokio::spawn(async move { ending(&chain.clear(sms("spin")).await) })
    };
    while host.ledger.asked() != ["reserve"] {
        tokio::task::yield_now().await;
    }
    clearing.abort();
    assert!(clearing.await.unwrap_err().is_cancelled());
    assert_eq!(host.ledger.settled(), [(1, Settlement::GiveBack)]);
}
