//! Asking Plivo what became of a message.

use std::time::SystemTime;

use message::Timestamp;
use plivo_client::{LookupError, MessageFilter, NotSentKind, Outcome};
use plivo_sim::{Outage, Step};
use serde_json::json;
use tokio::io::AsyncWriteExt;

use crate::peers::{closed_port, request, silent};
use crate::{PATIENCE, client, credentials, credentials_with, plivo, send, sms};

#[tokio::test]
async fn a_message_is_found_by_its_id() {
    let (sim, client) = plivo().await;
    let outcome = send(&client).await;
    let Outcome::Accepted(receipt) = outcome else { panic!("{outcome:?}") };

    let found =
        client.get_message(&credentials(), &receipt.message_uuid, PATIENCE).await.unwrap().unwrap();

    assert_eq!(
        (found.message_uuid.as_str(), found.message_state.as_str()),
        (receipt.message_uuid.as_str(), "queued")
    );
    assert_eq!((found.to_number.as_str(), found.units), ("14155550123", Some(1)));
    assert!(!format!("{found:?}").contains("5550123"), "{found:?}");
    for unknown in ["nobody", "../../Account", "a/b?c=d", ""] {
        let found = client.get_message(&credentials(), unknown, PATIENCE).await;
        assert!(!matches!(found, Ok(Some(_))), "{unknown}: {found:?}");
    }
    sim.stop().await;
}

#[tokio::test]
async fn messages_are_listed_by_what_is_known_of_them() {
    let (sim, client) = plivo().await;
    let before = Timestamp::from(SystemTime::now());
    for _ in 0..21 {
        assert!(matches!(send(&client).await, Outcome::Accepted(_)));
    }
    let to = sms().to;
    let filter = MessageFilter {
        to: Some(&to),
        from: Some("+14155551212"),
        since: Some(before),
        ..Default::default()
    };

    let page = client.list_messages(&credentials(), filter, PATIENCE).await.unwrap();
    let rest = client
        .list_messages(&credentials(), MessageFilter { offset: 20, ..filter }, PATIENCE)
        .await
        .unwrap();

    assert_eq!((page.len(), rest.len()), (20, 1));
    assert_eq!(rest[0].message_uuid, sim.sends()[0].message_uuid, "newest first");
    let later = Timestamp(before.0 + 60_000);
    let filter = MessageFilter { since: Some(later), ..filter };
    assert_eq!(client.list_messages(&credentials(), filter, PATIENCE).await.unwrap(), []);
    let filter = MessageFilter { pool: Some("86bbb125"), ..Default::default() };
    assert_eq!(client.list_messages(&credentials(), filter, PATIENCE).await.unwrap(), []);
    sim.stop().await;
}

#[tokio::test]
async fn an_answer_that_repeats_what_was_said_or_drives_a_terminal_cannot_be_read() {
    let (sim, client) = plivo().await;
    let to = sms().to;
    let filter = MessageFilter { to: Some(&to), ..Default::default() };
    for (uuid, state) in [
        ("TOKEN", "queued"),
        ("MAXXXXXXXXXXXXXXXXXX", "queued"),
        ("x \u{1b}[31m", "queued"),
        ("u1", "TOKEN"),
        ("u1", "MAXXXXXXXXXXXXXXXXXX"),
        ("u1", "sent\r\n"),
    ] {
        let found = json!({"message_uuid": uuid, "message_state": state, "error_code": "000"});
        let list = json!({"meta": {"total_count": 1}, "objects": [found]});
        sim.fail(Outage::Step(Box::new(Step::status(200).with_body(list)))).await;
        let listed = client.list_messages(&credentials(), filter, PATIENCE).await;
        assert!(matches!(listed, Err(LookupError::Unreadable)), "{uuid:?}, {state:?}: {listed:?}");
        sim.fail(Outage::Step(Box::new(Step::status(200).with_body(found)))).await;
        let asked = client.get_message(&credentials(), "u1", PATIENCE).await;
        assert!(matches!(asked, Err(LookupError::Unreadable)), "{uuid:?}, {state:?}: {asked:?}");
    }
    sim.stop().await;
}

#[tokio::test]
async fn a_member_of_another_shape_hides_neither_its_message_nor_those_beside_it() {
    let (sim, client) = plivo().await;
    let odd = json!({
        "message_uuid": "u1", "message_state": null, "message_type": [], "to_number": 14155550123_u64,
        "from_number": {}, "units": "2", "error_code": 200, "powerpack_id": null, "message_time": 5,
    });
    let plain = json!({"message_uuid": "u2", "message_state": "sent", "units": null});
    let list = json!({"meta": null, "objects": [odd, plain]});
    sim.fail(Outage::Step(Box::new(Step::status(200).with_body(list)))).await;

    let listed = client.list_messages(&credentials(), MessageFilter::default(), PATIENCE).await;

    let listed = listed.expect("a list");
    let [first, second] = &listed[..] else { panic!("{listed:?}") };
    assert_eq!((first.message_uuid.as_str(), first.message_state.as_str()), ("u1", ""));
    assert_eq!((first.to_number.as_str(), first.from_number.as_str()), ("14155550123", ""));
    assert_eq!((first.units, first.error_code.as_deref()), (Some(2), Some("200")));
    assert_eq!((second.message_uuid.as_str(), second.units), ("u2", None));
    // Without an id it is nothing that could be followed, and leaving it out would hide that it is there.
    let list = json!({"objects": [{"message_uuid": null}, {"message_uuid": "u2"}]});
    sim.fail(Outage::Step(Box::new(Step::status(200).with_body(list)))).await;
    let listed = client.list_messages(&credentials(), MessageFilter::default(), PATIENCE).await;
    assert!(matches!(listed, Err(LookupError::Unreadable)), "{listed:?}");
    sim.stop().await;
}

#[tokio::test]
async fn a_probe_on_a_kept_connection_that_just_ends_is_made_again_on_another() {
    let (listener, address) = silent().await;
    let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
    let serving = tokio::spawn(async move {
        let (mut kept, _) = listener.accept().await.unwrap();
        request(&mut kept).await;
        kept.write_all(answer.as_bytes()).await.unwrap();
        request(&mut kept).await;
        drop(kept);
        let (mut other, _) = listener.accept().await.unwrap();
        request(&mut other).await;
        other.write_all(answer.as_bytes()).await.unwrap();
    });
    let client = client(&format!("http://{address}"));

    client.probe(&credentials(), PATIENCE).await.unwrap();
    client.probe(&credentials(), PATIENCE).await.unwrap();

    serving.await.unwrap();
}

#[tokio::test]
async fn a_probe_changes_nothing_and_says_what_is_wrong() {
    let (sim, good) = plivo().await;
    good.probe(&credentials(), PATIENCE).await.unwrap();
    for (number, is_ours) in [("+14155551212", true), ("+14155551404", false)] {
        let number = message::E164::parse(number, "").unwrap();
        let has = good.has_number(&credentials(), &number, PATIENCE).await.unwrap();
        assert_eq!(has, is_ours, "{number:?}");
    }
    let wrong = good.probe(&credentials_with("old"), PATIENCE).await;
    assert!(matches!(wrong, Err(LookupError::Status { status: 401, .. })), "{wrong:?}");
    assert!(sim.requests().iter().all(|seen| seen.method == "GET"));
    let (_closed, address) = closed_port();
    let gone = client(&format!("http://{address}")).probe(&credentials(), PATIENCE).await;
    let Err(err @ LookupError::Unreachable { kind: NotSentKind::Refused, .. }) = gone else {
        panic!("{gone:?}")
    };
    assert!(!format!("{err} {err:?}").contains("MAXXX"), "{err:?}");
    sim.stop().await;
}
