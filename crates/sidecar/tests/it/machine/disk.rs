//! A disk that is full, broken, read-only, or does not say whether it has what it was given.

use plivo_sim::Step;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::{Value, json};
use tokio::task::{JoinSet, LocalSet};

use super::faults::Errno;
use super::{Faults, sent_once};
use crate::harness::{Answer, PATIENCE, Setup, Sidecar, TO, eventually, plivo, posts, texts};

/// Tells the disk what to do.
type Trouble = fn(&Faults);

/// What it may do, in a word.
const TROUBLES: [(&str, Trouble); 6] = [
    ("ENOSPC", |faults| faults.fail_writes(Errno::NoSpace, false)),
    ("ENOSPC in the middle of a write", |faults| faults.fail_writes(Errno::NoSpace, true)),
    ("EIO", |faults| faults.fail_writes(Errno::Io, false)),
    ("EIO in the middle of a write", |faults| faults.fail_writes(Errno::Io, true)),
    ("EROFS", |faults| faults.fail_writes(Errno::ReadOnly, false)),
    ("fsync", |faults| faults.fail_syncs(Errno::Io)),
];

fn text(text: &str) -> Value {
    json!({"to": TO, "text": text})
}

async fn keyed(sidecar: &Sidecar, key: &str, said: &str) -> Answer {
    sidecar.post("/v1/messages").key(key).json(&text(said)).answer().await
}

/// Whoever asks is turned away, and the reason is told for as long as it stands.
async fn turns_away(sidecar: &Sidecar, faults: &Faults, what: &str) {
    let plain = sidecar.send(&text(&format!("refused: {what}"))).await;
    plain.refused(503, "spool.unavailable");
    assert!(plain.header("retry-after").is_some(), "{what}: {plain}");
    keyed(sidecar, what, &format!("keyed: {what}")).await.refused(503, "spool.unavailable");
    // It is tried again each second, by a sweep that finds nothing to do.
    let before = faults.met();
    let tried = async || {
        let ready = sidecar.ready().await.expect(503);
        assert_eq!(ready["causes"][0]["cause"], "store", "{what}: {ready}");
        (faults.met() >= before + 4).then_some(())
    };
    eventually("the disk is tried again and again", tried).await;
    assert_eq!(sidecar.admin("/livez").await.expect(200)["live"], true, "{what}");
}

#[tokio::test]
async fn while_the_disk_fails_nothing_is_taken_or_sent_and_all_goes_on_once_it_does_not() {
    let (plivo, faults) = (plivo().await, Faults::new());
    let sidecar = Sidecar::start(faults.under(Setup::new(&plivo).durable())).await;
    let mut wanted = Vec::new();
    for (what, trouble) in TROUBLES {
        sidecar.send(&text(&format!("before: {what}"))).await.expect(202);
        wanted.push(format!("before: {what}"));
        trouble(&faults);

        turns_away(&sidecar, &faults, what).await;
        assert_eq!(texts(&plivo), wanted, "{what}: sent without a record of it");

        faults.end();
        sidecar.wait_until_ready().await;
        let again = keyed(&sidecar, what, &format!("keyed: {what}")).await;
        again.expect(202);
        assert_eq!(again.header("idempotent-replayed"), None, "{what}: a refusal bound the key");
        wanted.push(format!("keyed: {what}"));
    }
    let folder = sidecar.kill().await;

    let sidecar = Sidecar::start_in(folder, Setup::new(&plivo).durable()).await;
    let listed = sidecar.get("/v1/messages?limit=100").await.expect(200);
    let listed = listed["messages"].as_array().expect("a list");
    assert!(listed.iter().all(|message| message["status"] == "submitted"), "{listed:#?}");
    assert_eq!(listed.len(), wanted.len(), "{listed:#?}");
    sent_once(&plivo, wanted);
    sidecar.stop().await;
}

#[tokio::test]
async fn what_was_refused_for_the_disk_is_not_sent_by_the_next_process() {
    for (what, trouble) in TROUBLES {
        let (plivo, faults) = (plivo().await, Faults::new());
        let setup = faults.under(Setup::new(&plivo).durable());
        let sidecar = Sidecar::start(setup.clone()).await;
        sidecar.send(&text("before")).await.expect(202);
        trouble(&faults);
        for nth in 0..5 {
            let refused = sidecar.send(&text(&format!("refused {nth}"))).await;
            refused.refused(503, "spool.unavailable");
        }
        let folder = sidecar.kill().await;
        faults.end();

        let sidecar = Sidecar::start_in(folder, setup).await;
        sidecar.send(&text("after")).await.expect(202);

        // What the process found in its database has gone before, or would go beside.
        let listed = sidecar.get("/v1/messages").await.expect(200);
        let listed = listed["messages"].as_array().expect("a list");
        assert_eq!(listed.len(), 2, "{what}: {listed:#?}");
        assert_eq!(texts(&plivo), ["before", "after"], "{what}");
        sidecar.stop().await;
    }
}

#[tokio::test]
async fn what_waits_while_the_disk_fails_is_sent_once_it_does_not_or_by_the_next_process() {
    let (local, mut all) = (LocalSet::new(), JoinSet::new());
    for (what, trouble) in TROUBLES {
        for killed in [false, true] {
            all.spawn_local_on(waits_for_the_disk(what, trouble, killed), &local);
        }
    }
    local.run_until(all.join_all()).await;
}

/// Five messages whose time comes while the disk fails, and which go once it does not; by the next process, where the
/// first is `killed` before.
async fn waits_for_the_disk(what: &str, trouble: Trouble, killed: bool) {
    let (plivo, faults) = (plivo().await, Faults::new());
    let setup = faults.under(Setup::new(&plivo).durable());
    let mut sidecar = Sidecar::start(setup.clone()).await;
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(4);
    let (mut ids, mut wanted) = (Vec::new(), Vec::new());
    for nth in 0..5 {
        let said = format!("waits {nth}");
        let request = json!({"to": TO, "text": said, "not_before": soon.to_string()});
        ids.push(sidecar.queue(&request).await);
        wanted.push(said);
    }
    trouble(&faults);
    let tried = async || {
        let log = sidecar.log.text();
        (log.matches("a call could not be written down").count() >= 3).then_some(())
    };
    eventually(&format!("{what}: the intents cannot be written"), tried).await;
    assert!(posts(&plivo).is_empty(), "{what}: sent without a record of it");

    if killed {
        let folder = sidecar.kill().await;
        faults.end();
        sidecar = Sidecar::start_in(folder, setup).await;
    } else {
        faults.end();
    }

    for id in &ids {
        let record = sidecar.in_status(id, "submitted").await;
        let attempts = record["attempts"].as_array().expect("a list");
        assert_eq!(attempts.len(), 1, "{what}, killed {killed}: {record}");
    }
    sent_once(&plivo, wanted);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_call_whose_outcome_cannot_be_written_is_settled_and_not_made_again() {
    for (what, trouble) in TROUBLES {
        for killed in [false, true] {
            let (plivo, faults) = (plivo().await, Faults::new());
            plivo.script([Step::hold()]).await;
            let setup = Setup::new(&plivo).durable().set("delivery.settle_s", [1]);
            let setup = faults.under(setup.set("plivo.call_timeout_ms", 60_000));
            let sidecar = Sidecar::start(setup.clone()).await;
            let id = sidecar.queue(&text("in a call")).await;
            plivo.wait_for_sends(1, PATIENCE).await.expect(what);
            trouble(&faults);
            let before = faults.met();
            plivo.release();
            let tried = async || (faults.met() > before).then_some(());
            eventually("its outcome cannot be written", tried).await;

            let sidecar = if killed {
                let folder = sidecar.kill().await;
                faults.end();
                Sidecar::start_in(folder, setup).await
            } else {
                faults.end();
                sidecar
            };

            let record = sidecar.in_status(&id, "submitted").await;
            assert_eq!(record["message_uuid"], plivo.sends()[0].message_uuid.as_str(), "{record}");
            assert_eq!(posts(&plivo).len(), 1, "{what}, killed {killed}: it was sent again");
            sidecar.stop().await;
        }
    }
}

#[tokio::test]
async fn a_limit_on_the_size_of_files_is_a_disk_that_is_full() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::new(&plivo).durable()).await;
    sidecar.send(&text("before")).await.expect(202);
    let pid = Pid::from_raw(sidecar.id().try_into().unwrap());
    let may_have = |bytes| {
        let files = Rlimit { current: bytes, maximum: None };
        prlimit(pid, Resource::Fsize, files).expect("a process of ours");
    };
    may_have(Some(0));

    sidecar.send(&text("refused")).await.refused(503, "spool.unavailable");
    let ready = sidecar.ready().await.expect(503);
    assert_eq!(ready["causes"][0]["cause"], "store", "{ready}");

    may_have(None);
    sidecar.wait_until_ready().await;
    sidecar.send(&text("after")).await.expect(202);
    assert_eq!(texts(&plivo), ["before", "after"]);
    sidecar.stop().await;
}
