//! Calls that fail before Plivo can have seen them.

use std::time::Duration;

use plivo_client::{ClientConfig, NotSentKind, Outcome, PlivoClient};

use crate::peers::{closed_port, silent};
use crate::{PATIENCE, SOON, client, not_sent, plivo, send, send_within};

fn may_be_tried_again(outcome: &Outcome) {
    assert!(!outcome.may_have_been_sent(), "{outcome:?}");
    assert_eq!(outcome.may_retry(), Some(Duration::ZERO), "{outcome:?}");
}

#[tokio::test]
async fn a_refused_connection_sends_nothing() {
    let (_closed, address) = closed_port();
    let outcome = send(&client(&format!("http://{address}"))).await;
    assert_eq!(not_sent(&outcome), NotSentKind::Refused);
    may_be_tried_again(&outcome);
}

#[tokio::test]
async fn a_simulator_that_is_down_refuses_until_it_is_back() {
    let (sim, client) = plivo().await;
    sim.refuse_connections(Duration::from_millis(300)).await;
    assert_eq!(not_sent(&send(&client).await), NotSentKind::Refused);
    let back = async { while !matches!(send(&client).await, Outcome::Accepted(_)) {} };
    tokio::time::timeout(PATIENCE, back).await.unwrap();
    assert_eq!(sim.sends().len(), 1);
    sim.stop().await;
}

#[tokio::test]
async fn a_name_without_an_address_sends_nothing() {
    // `.invalid` is reserved to have none (RFC 2606).
    let outcome = send(&client("http://plivo.invalid")).await;
    assert_eq!(not_sent(&outcome), NotSentKind::Dns);
    may_be_tried_again(&outcome);
}

#[tokio::test]
async fn a_connection_that_is_not_made_in_time_sends_nothing() {
    // The kernel takes the connection, but nobody shakes hands for TLS, which is part of connecting.
    let (_listener, address) = silent().await;
    let config = ClientConfig {
        base_url: format!("https://{address}"),
        connect_timeout: SOON,
        call_timeout: PATIENCE,
        ..ClientConfig::default()
    };
    let outcome = send(&PlivoClient::new(config).unwrap()).await;
    assert_eq!(not_sent(&outcome), NotSentKind::ConnectTimeout);
    may_be_tried_again(&outcome);
}

#[tokio::test]
async fn a_call_that_runs_out_of_time_while_connecting_sends_nothing() {
    let (_listener, address) = silent().await;
    let outcome = send_within(&client(&format!("https://{address}")), SOON).await;
    assert_eq!(not_sent(&outcome), NotSentKind::TimedOutBeforeWrite);
    may_be_tried_again(&outcome);
}
