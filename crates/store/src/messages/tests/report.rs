//! What Plivo says became of a message.

use message::{DEFAULT_ACCOUNT, Settlement};

use crate::fixtures::{NOW, accept, bring, id, in_memory, later, open, record};
use crate::{Change, Report, ReportFacts, Reported, Settle, Status, Store, StoreError};

fn report(status: Status, sequence: u32) -> Report {
    let facts =
        ReportFacts { status: status.as_str().into(), units: Some(2), ..ReportFacts::default() };
    Report {
        status: Some(status),
        facts,
        sequence,
        error_code: None,
        message_uuid: Some("u1".into()),
    }
}

async fn tell(store: &Store, report: Report) -> Reported {
    store.report(&id("m1"), report, later(5)).await.unwrap()
}

async fn told(store: &Store) -> Vec<(Status, u32, Option<String>)> {
    let events = store.events_after("billing", 0, 100).await.unwrap();
    events.into_iter().map(|event| (event.state, event.sequence, event.code)).collect()
}

#[tokio::test]
async fn reports_in_any_order_move_a_message_forward_only_with_an_event_for_each_step() {
    let store = open(&in_memory());
    accept(&store, &["m1"]).await;
    bring(&store, "m1", Status::Submitted).await;
    let steps = [
        (Status::Delivered, 3, Status::Delivered),
        (Status::Sent, 2, Status::Delivered),
        (Status::Undelivered, 4, Status::Delivered),
    ];
    for (says, sequence, after) in steps {
        assert_eq!(tell(&store, report(says, sequence)).await.after, after, "{says:?}");
    }
    assert_eq!(told(&store).await, [(Status::Submitted, 0, None), (Status::Delivered, 3, None)]);
    let kept = record(&store, "m1").await;
    assert_eq!(kept.report.map(|facts| facts.status).as_deref(), Some("delivered"));
}

#[tokio::test]
async fn a_report_that_comes_twice_is_known_by_message_status_and_sequence() {
    let store = open(&in_memory());
    accept(&store, &["m1"]).await;
    let first = tell(&store, report(Status::Sent, 1)).await;
    assert_eq!((first.before, first.after, first.again), (Status::Accepted, Status::Sent, false));
    let second = tell(&store, report(Status::Sent, 1)).await;
    assert_eq!((second.before, second.after, second.again), (Status::Sent, Status::Sent, true));
    assert!(!tell(&store, report(Status::Sent, 2)).await.again);
    assert_eq!(told(&store).await.len(), 1);
}

#[tokio::test]
async fn plivo_is_asked_about_a_message_that_a_report_took_out_of_the_hands_of_a_process_that_ended()
 {
    let store = open(&in_memory());
    accept(&store, &["m1"]).await;
    bring(&store, "m1", Status::Sending).await;
    tell(&store, report(Status::Submitted, 1)).await;
    let due = store.due_looks(DEFAULT_ACCOUNT, later(5), 10).await.unwrap();
    assert_eq!(due.iter().map(|record| &*record.id.0).collect::<Vec<_>>(), ["m1"]);

    // Where the call ends here after all, that says when.
    let ended = Change { next_look: Some(later(90)), ..Change::to(Status::Submitted, later(6)) };
    store.change(&id("m1"), ended).await.unwrap();
    assert_eq!(store.due_looks(DEFAULT_ACCOUNT, later(89), 10).await.unwrap().len(), 0);
    tell(&store, report(Status::Sent, 2)).await;
    assert_eq!(store.due_looks(DEFAULT_ACCOUNT, later(90), 10).await.unwrap().len(), 1);
    tell(&store, report(Status::Delivered, 3)).await;
    assert_eq!(store.due_looks(DEFAULT_ACCOUNT, later(90), 10).await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_report_may_come_before_the_answer_that_it_is_about() {
    for (says, after) in [(Status::Sent, Status::Sent), (Status::Delivered, Status::Delivered)] {
        let store = open(&in_memory());
        accept(&store, &["m1"]).await;
        bring(&store, "m1", Status::Sending).await;
        tell(&store, report(says, 1)).await;
        let answer = Change {
            message_uuid: Some("u1".into()),
            next_look: Some(later(60)),
            ..Change::to(Status::Submitted, later(6))
        };
        assert_eq!(store.change(&id("m1"), answer).await, Ok(after));
        let kept = record(&store, "m1").await;
        assert_eq!((kept.status, kept.message_uuid.as_deref()), (after, Some("u1")));
        assert_eq!(kept.next_look, (!after.is_final()).then_some(later(60)), "{says:?}");
        assert_eq!(told(&store).await, [(says, 1, None)]);
    }
}

#[tokio::test]
async fn the_code_of_the_report_that_ended_it_stands() {
    let store = open(&in_memory());
    accept(&store, &["m1"]).await;
    let wait = Change { error_code: Some("breaker".into()), ..Change::to(Status::RetryWait, NOW) };
    store.change(&id("m1"), wait).await.unwrap();
    let failed = Report { error_code: Some("30".into()), ..report(Status::Undelivered, 2) };
    tell(&store, failed).await;
    let later = Report { error_code: Some("40".into()), ..report(Status::Failed, 3) };
    tell(&store, later).await;
    let kept = record(&store, "m1").await;
    assert_eq!((kept.status, kept.error_code.as_deref()), (Status::Undelivered, Some("30")));
    assert_eq!(told(&store).await, [(Status::Undelivered, 2, Some("30".into()))]);
}

#[tokio::test]
async fn a_state_that_is_none_of_ours_is_written_down_and_moves_nothing() {
    let store = open(&in_memory());
    accept(&store, &["m1"]).await;
    bring(&store, "m1", Status::Submitted).await;
    let facts = ReportFacts { status: "read".into(), ..ReportFacts::default() };
    let read = Report { status: None, facts, ..report(Status::Sent, 9) };
    let said = tell(&store, read).await;
    assert_eq!(
        (said.before, said.after, said.again),
        (Status::Submitted, Status::Submitted, false)
    );
    let kept = record(&store, "m1").await;
    assert_eq!(kept.report.map(|facts| facts.status).as_deref(), Some("read"));
    assert_eq!(told(&store).await.len(), 1);
}

#[tokio::test]
async fn a_report_on_no_message_of_ours_is_not_found() {
    let store = open(&in_memory());
    let unknown = store.report(&id("m9"), report(Status::Sent, 1), NOW).await;
    assert_eq!(unknown, Err(StoreError::NotFound));
}

#[tokio::test]
async fn the_reports_kept_of_one_message_are_bounded() {
    let store = open(&in_memory());
    accept(&store, &["m1"]).await;
    for sequence in 0..100 {
        let said =
            store.report(&id("m1"), report(Status::Sent, sequence), later(sequence.into())).await;
        assert!(!said.unwrap().again, "{sequence}");
    }
    let count = |connection: &rusqlite::Connection| {
        let sql = "SELECT count(*), min(sequence) FROM reports";
        Ok(connection
            .query_row(sql, [], |row| Ok((row.get::<_, u32>(0)?, row.get::<_, u32>(1)?)))?)
    };
    assert_eq!(store.database.read(count).await, Ok((32, 68)), "the latest");
    assert_eq!(told(&store).await.len(), 1);
}

#[tokio::test]
async fn proof_that_comes_after_we_gave_a_message_up_is_believed_told_and_takes_its_key_back() {
    for (end, code) in [
        (Status::Expired, "send.expired"),
        (Status::Failed, "send.unresolved"),
        (Status::Canceled, "send.canceled_in_doubt"),
        // An earlier call may have sent it.
        (Status::Failed, "upstream.rejected"),
        (Status::Failed, "upstream.unavailable"),
        (Status::Canceled, "send.canceled"),
        // A policy that was asked again ended it.
        (Status::Failed, "optout.suppressed"),
        (Status::Failed, "policy.refused"),
    ] {
        let store = open(&in_memory());
        accept(&store, &["m1"]).await;
        let given_up = Change { error_code: Some(code.into()), ..Change::to(end, later(1)) };
        store.change(&id("m1"), given_up).await.unwrap();
        let told_of = tell(&store, report(Status::Delivered, 1)).await;
        let after = Status::Delivered;
        assert_eq!((told_of.before, told_of.after), (end, after), "{code}");
        // What Plivo said first stands.
        tell(&store, report(Status::Undelivered, 2)).await;
        assert_eq!(record(&store, "m1").await.status, after, "{code}");
        let states: Vec<Status> = told(&store).await.into_iter().map(|(state, ..)| state).collect();
        assert_eq!(states.last(), Some(&after), "{code}: {states:?}");
    }
}

#[tokio::test]
async fn proof_in_the_word_that_we_came_to_ourselves_is_proof_too_and_says_why() {
    for code in [Some("30"), None] {
        let store = open(&in_memory());
        accept(&store, &["m1"]).await;
        let given_up = Change {
            error_code: Some("send.unresolved".into()),
            ..Change::to(Status::Failed, NOW)
        };
        store.change(&id("m1"), given_up).await.unwrap();
        let failed = Report { error_code: code.map(str::to_owned), ..report(Status::Failed, 2) };
        assert_eq!(store.would_move(&id("m1"), &failed).await, Ok(true));

        let said = tell(&store, failed).await;

        assert_eq!((said.before, said.after, said.moved), (Status::Failed, Status::Failed, true));
        let kept = record(&store, "m1").await;
        assert_eq!((kept.status, kept.error_code.as_deref()), (Status::Failed, code));
        let events = told(&store).await;
        assert_eq!(events.last(), Some(&(Status::Failed, 2, code.map(str::to_owned))));
        // Plivo's first word stands.
        let said = tell(&store, report(Status::Delivered, 3)).await;
        assert_eq!((said.after, said.moved), (Status::Failed, false), "{code:?}");
    }
}

#[tokio::test]
async fn where_a_report_has_failed_a_message_our_own_failing_gives_nothing_back() {
    let store = open(&in_memory());
    accept(&store, &["m1"]).await;
    bring(&store, "m1", Status::InDoubt).await;
    let failed = Report { error_code: Some("30".into()), ..report(Status::Failed, 2) };
    tell(&store, failed).await;
    let ours = Change {
        error_code: Some("upstream.rejected".into()),
        settle: Settle::As(Settlement::GiveBack),
        ..Change::to(Status::Failed, later(6))
    };
    assert_eq!(store.change(&id("m1"), ours).await, Ok(Status::Failed));
    assert_eq!(record(&store, "m1").await.error_code.as_deref(), Some("30"));
    let unsent = |connection: &rusqlite::Connection| {
        Ok(connection.query_row("SELECT unsent FROM messages", [], |row| row.get::<_, bool>(0))?)
    };
    assert_eq!(store.database.read(unsent).await, Ok(false), "its key would be free");
}

#[tokio::test]
async fn the_id_of_an_answer_that_comes_after_a_report_named_another_is_kept_beside_it() {
    let store = open(&in_memory());
    accept(&store, &["m1", "m2"]).await;
    tell(&store, report(Status::Sent, 1)).await;
    let answered =
        Change { message_uuid: Some("u2".into()), ..Change::to(Status::Submitted, later(6)) };
    store.change(&id("m1"), answered).await.unwrap();
    for uuid in ["u1", "u2"] {
        assert_eq!(store.owner_of(uuid).await.unwrap(), Some(id("m1")), "{uuid}");
        assert_eq!(store.adopt(&id("m2"), uuid, later(7)).await, Err(StoreError::Exists), "{uuid}");
    }
}

#[tokio::test]
async fn a_second_id_that_a_report_names_is_the_messages_too_and_no_other_message_takes_it() {
    let store = open(&in_memory());
    accept(&store, &["m1", "m2", "m3"]).await;
    let taken = |uuid: &str| Change {
        message_uuid: Some(uuid.into()),
        ..Change::to(Status::Submitted, later(1))
    };
    store.change(&id("m1"), taken("u1")).await.unwrap();
    store.change(&id("m3"), taken("u3")).await.unwrap();
    tell(&store, report(Status::Sent, 1)).await;
    for (uuid, owner) in [("u2", "m1"), ("u3", "m3")] {
        // Of two that went out, the second's report says and counts as the first's did.
        let second = Report { message_uuid: Some(uuid.into()), ..report(Status::Sent, 1) };
        assert!(tell(&store, second).await.again, "{uuid}");
        assert_eq!(store.owner_of(uuid).await.unwrap(), Some(id(owner)), "{uuid}");
    }
    let adopted = store.adopt(&id("m2"), "u2", later(6)).await;
    assert_eq!(adopted, Err(StoreError::Exists));
    assert_eq!(record(&store, "m1").await.message_uuid.as_deref(), Some("u1"));
}

#[tokio::test]
async fn what_a_report_has_proved_is_not_given_up_any_more_and_keeps_its_key_and_holds() {
    for (end, code) in [
        (Status::Failed, "upstream.unavailable"),
        (Status::Failed, "send.unresolved"),
        (Status::Expired, "send.expired"),
        (Status::Canceled, "send.canceled"),
    ] {
        let store = open(&in_memory());
        accept(&store, &["m1"]).await;
        tell(&store, report(Status::Sent, 1)).await;
        let given_up = Change {
            error_code: Some(code.into()),
            settle: Settle::As(Settlement::GiveBack),
            ..Change::to(end, later(6))
        };
        assert_eq!(store.change(&id("m1"), given_up).await, Ok(Status::Sent), "{code}");
        let kept = record(&store, "m1").await;
        assert_eq!((kept.status, kept.error_code), (Status::Sent, None), "{code}");
        let delivered = tell(&store, report(Status::Delivered, 2)).await;
        assert_eq!((delivered.before, delivered.after), (Status::Sent, Status::Delivered));
    }
}
