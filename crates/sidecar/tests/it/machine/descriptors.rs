//! As many files as the process may open, and then one more.

use plivo_sim::Step;
use serde_json::json;
use tokio::process::Command;

use super::sent_once;
use crate::harness::{Connection, Folder, Setup, Sidecar, TO, eventually, plivo};

/// What a process may open here; far less than `[listen] max_connections` would take.
const FILES: usize = 160;

/// A sidecar that may have so many files open at most.
async fn with_few_files(setup: &Setup) -> Sidecar {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", &format!("ulimit -n {FILES}; exec \"$0\" \"$@\"")]);
    Sidecar::start_by(shell, Folder::new(), setup).await
}

/// Processor time that the process has used, in ticks.
fn ticks(sidecar: &Sidecar) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", sidecar.id())).expect("it runs");
    let fields: Vec<&str> = stat.rsplit_once(") ").expect("a state").1.split(' ').collect();
    fields[11..13].iter().map(|ticks| ticks.parse::<u64>().expect("ticks")).sum()
}

#[tokio::test]
async fn more_idle_connections_than_files_keep_nobody_out_and_nothing_from_being_sent() {
    let plivo = plivo().await;
    let sidecar = with_few_files(&Setup::standard(&plivo).durable()).await;
    let mut wanted = Vec::new();
    let mut idle = Vec::new();
    for round in 0..3 {
        for nth in 0..2 * FILES {
            let mut connection = Connection::open(sidecar.apps).await;
            // Every other is a stranger that was answered, and may be idle for two minutes.
            if nth % 2 == 0 {
                connection.send("GET /v1/policies HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").await;
            }
            idle.push(connection);
        }
        for to in ["+14155550170", "+14155550171", "+14155550172"] {
            let text = format!("round {round} to {to}");
            sidecar.send(&json!({"to": to, "text": text})).await.expect(202);
            wanted.push(text);
        }
        assert_eq!(sidecar.ready().await.status, 200);
        assert_eq!(sidecar.admin("/livez").await.expect(200)["live"], true);
    }
    let log = sidecar.log.text();
    let refused = log.matches("a connection could not be accepted").count();
    assert!(refused < 20, "the log has {refused} lines of that:\n{log}");
    drop(idle);

    sidecar.send(&json!({"to": TO, "text": "after"})).await.expect(202);
    wanted.push("after".into());
    sent_once(&plivo, wanted);
    sidecar.stop().await;
}

#[tokio::test]
async fn out_of_files_it_waits_without_spinning_and_what_was_accepted_still_goes() {
    let plivo = plivo().await;
    // Each call that is held has a file of its own, here and there.
    plivo.script(vec![Step::hold(); 2 * FILES]).await;
    let setup = Setup::standard(&plivo).durable().set("plivo.max_connections", 10_000);
    let sidecar = with_few_files(&setup).await;
    let (mut ids, mut wanted) = (Vec::new(), Vec::new());
    for nth in 0..2 * FILES {
        let text = format!("n{nth}");
        let body = json!({"to": format!("+1415555{nth:04}"), "text": text});
        ids.push(sidecar.queue(&body).await);
        wanted.push(text);
    }
    let calls = async || (plivo.sends().len() >= FILES / 2).then_some(());
    eventually("there are as many calls as there may be", calls).await;
    let (before, begun) = (ticks(&sidecar), std::time::Instant::now());
    let while_out = async || (begun.elapsed().as_secs() >= 3).then_some(());
    eventually("it has been out of files for a while", while_out).await;
    let spent = ticks(&sidecar) - before;
    // A hundred ticks a second; it may be trying again, and not without a pause.
    assert!(spent < 150, "{spent} ticks in three seconds");

    let mut tried_again = 0;
    for id in &ids {
        let done = async || {
            plivo.release();
            let record = sidecar.get(&format!("/v1/messages/{id}")).await.expect(200);
            (record["status"] == "submitted").then_some(record)
        };
        let record = eventually("each is submitted", done).await;
        // Neither was it refused there, nor were there any too slow.
        tried_again += usize::from(record["attempts"][0]["code"] == "connect");
    }
    assert!(tried_again > 0, "there were files enough");
    sent_once(&plivo, wanted);
    sidecar.stop().await;
}
