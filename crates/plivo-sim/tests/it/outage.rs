//! Outages that last until they are ended, and what can be told meanwhile.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};

use plivo_sim::{Outage, PlivoSim, SimConfig, Step};
use tokio::net::TcpStream;

use crate::wire::{Answer, Ending, MESSAGES, SMS, call, exchange, send};

async fn with_control() -> PlivoSim {
    let control = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    PlivoSim::start(SimConfig { control, ..SimConfig::default() }).await
}

async fn control(sim: &PlivoSim, method: &str, path: &str, body: &str) -> Answer {
    exchange(sim.control_address().unwrap(), method, path, "", body.as_bytes()).await
}

#[tokio::test]
async fn an_outage_meets_every_request_until_it_is_ended() {
    let sim = PlivoSim::start(SimConfig::default()).await;
    sim.script([Step::status(400)]).await;
    assert_eq!(call(&sim, "PUT", "/_sim/outage", r#"{"status":503}"#).await.status, 200);
    let account = "/v1/Account/MAXXXXXXXXXXXXXXXXXX/";
    for (method, path, body) in
        [("POST", MESSAGES, SMS), ("GET", MESSAGES, ""), ("GET", account, ""), ("GET", "/", "")]
    {
        assert_eq!(call(&sim, method, path, body).await.status, 503, "{method} {path}");
    }
    assert_eq!(send(&sim, SMS).await.status, 503);
    assert!(sim.sends().is_empty());

    assert_eq!(call(&sim, "DELETE", "/_sim/outage", "").await.status, 200);

    let statuses = [send(&sim, SMS).await.status, send(&sim, SMS).await.status];
    assert_eq!(statuses, [400, 202], "an outage spends no step of the script");
    assert_eq!(call(&sim, "GET", account, "").await.status, 200);
    sim.stop().await;
}

#[tokio::test]
async fn an_outage_can_take_messages_and_lose_the_answers() {
    let sim = PlivoSim::start(SimConfig::default()).await;
    sim.fail(Outage::Step(Box::new(Step::reset().queued()))).await;
    for wanted in 1..=3 {
        assert_eq!(send(&sim, SMS).await.ending, Ending::Reset);
        assert_eq!(sim.sends().len(), wanted);
    }
    let stranger = exchange(sim.address(), "POST", MESSAGES, "", SMS.as_bytes()).await;
    assert_eq!((stranger.ending, sim.sends().len()), (Ending::Reset, 3));
    let list = call(&sim, "GET", MESSAGES, "").await;
    assert_eq!((list.ending, list.head.as_str()), (Ending::Reset, ""));
    sim.restore().await;
    assert_eq!(call(&sim, "GET", MESSAGES, "").await.json()["meta"]["total_count"], 3);
    sim.stop().await;
}

#[tokio::test]
async fn connections_are_refused_until_the_control_listener_is_told_otherwise() {
    let sim = with_control().await;
    assert_eq!(control(&sim, "PUT", "/_sim/outage", r#"{"refuse":true}"#).await.status, 200);
    for _ in 0..3 {
        let err = TcpStream::connect(sim.address()).await.unwrap_err();
        assert_eq!(err.kind(), ErrorKind::ConnectionRefused);
    }
    assert_eq!(control(&sim, "GET", "/_sim/sends", "").await.body, "[]");

    assert_eq!(control(&sim, "DELETE", "/_sim/outage", "").await.status, 200);

    assert_eq!(send(&sim, SMS).await.status, 202);
    sim.stop().await;
}

#[tokio::test]
async fn a_refusal_is_not_asked_for_where_nobody_could_end_it() {
    let sim = PlivoSim::start(SimConfig::default()).await;
    let answer = call(&sim, "PUT", "/_sim/outage", r#"{"refuse":true}"#).await;
    assert_eq!(answer.status, 409);
    assert!(answer.error().contains("--control"), "{}", answer.error());
    assert_eq!(send(&sim, SMS).await.status, 202);
    let answer = call(&sim, "PUT", "/_sim/outage", r#"{"stat":503}"#).await;
    assert_eq!(answer.status, 400);
    sim.stop().await;
}

#[tokio::test]
async fn setting_back_ends_an_outage_too() {
    let sim = with_control().await;
    for outage in [Outage::Refuse, Outage::Step(Box::new(Step::status(500)))] {
        sim.fail(outage).await;
        assert_eq!(control(&sim, "DELETE", "/_sim", "").await.status, 200);
        assert_eq!(send(&sim, SMS).await.status, 202);
    }
    sim.stop().await;
}

#[tokio::test]
async fn the_control_listener_takes_no_sends() {
    let sim = with_control().await;
    let address = sim.control_address().unwrap();
    let answer = exchange(address, "POST", MESSAGES, "", SMS.as_bytes()).await;
    assert_eq!((answer.status, sim.requests().len()), (404, 0));
    sim.stop().await;
}
