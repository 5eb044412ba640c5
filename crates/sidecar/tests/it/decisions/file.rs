//! The file of the log where it cannot be written as it should be.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, symlink};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{records, send_some, setup, shown};
use crate::harness::{Folder, Sidecar, TO, eventually, plivo};

#[tokio::test]
async fn a_log_that_cannot_be_written_is_told_and_harms_no_message() {
    let plivo = plivo().await;
    let folder = Folder::new();
    symlink("missing/d.jsonl", folder.path().join("d.jsonl")).unwrap();
    let sidecar = Sidecar::start_in(folder, setup(&plivo, &["US"])).await;
    let body = json!({"to": TO, "text": "hello"});
    sidecar.send(&body).await.expect(202);
    let probe = async || Some(shown(&sidecar).await).filter(|shown| shown["failed"] == 1);
    let said = eventually("the loss is told", probe).await;
    let trouble = said["trouble"].as_str().unwrap();
    assert!(trouble.contains("d.jsonl: No such file or directory"), "{said}");

    // Mended, it goes on by itself.
    fs::create_dir(sidecar.folder.path().join("missing")).unwrap();
    let mut nth = 0;
    let probe = async || {
        nth += 1;
        sidecar.send(&json!({"to": TO, "text": format!("hello {nth}")})).await.expect(202);
        Some(shown(&sidecar).await).filter(|shown| shown["written"].as_u64() > Some(0))
    };
    let said = eventually("the log is written again", probe).await;
    assert_eq!(said["trouble"], Value::Null, "{said}");
    let folder = sidecar.folder.clone();
    let log = sidecar.stop().await;
    for line in ["the decision log cannot be written", "the decision log is written again"] {
        assert!(log.text().contains(line), "no `{line}` in the log");
    }
    assert!(!records(folder.path()).is_empty());
}

/// How many records the file at `path` has, behind the line that tells the policies.
fn records_of(path: &Path) -> usize {
    let text = fs::read_to_string(path).unwrap();
    let (head, records) = text.split_once('\n').unwrap();
    assert!(head.starts_with(r#"{"generation":"#), "{head}");
    records.lines().filter(|line| line.starts_with(r#"{"decision":"#)).count()
}

#[tokio::test]
async fn a_log_that_was_moved_removed_or_emptied_is_begun_anew_and_nothing_counts_that_no_file_has()
{
    let plivo = plivo().await;
    let folder = Folder::new();
    let logs = folder.path().join("logs");
    fs::create_dir(&logs).unwrap();
    let setup = setup(&plivo, &["US"]).set("decisions.path", "logs/d.jsonl");
    let sidecar = Sidecar::start_in(folder, setup).await;
    let (log, moved) = (logs.join("d.jsonl"), logs.join("moved"));
    let send = async |text: &str| {
        sidecar.send(&json!({"to": TO, "text": text})).await.expect(202);
    };
    let counted = async |member: &str, count: u64| {
        let probe = async || Some(shown(&sidecar).await).filter(|shown| shown[member] == count);
        eventually(&format!("{count} are {member}"), probe).await
    };
    send("one").await;
    counted("written", 1).await;

    fs::rename(&log, &moved).unwrap();
    send("two").await;
    counted("written", 2).await;
    assert_eq!((records_of(&moved), records_of(&log)), (1, 1));

    fs::remove_file(&log).unwrap();
    send("three").await;
    counted("written", 3).await;
    assert_eq!(records_of(&log), 1);

    fs::write(&log, "").unwrap();
    send("again").await;
    counted("written", 4).await;
    assert_eq!(records_of(&log), 1);

    fs::remove_dir_all(&logs).unwrap();
    send("four").await;
    let said = counted("failed", 1).await;
    let trouble = said["trouble"].as_str().unwrap();
    assert!(trouble.contains("d.jsonl: No such file or directory"), "{said}");
    assert_eq!(said["written"], 4, "{said}");

    fs::create_dir(&logs).unwrap();
    let mut nth = 0;
    let probe = async || {
        nth += 1;
        send(&format!("five {nth}")).await;
        Some(shown(&sidecar).await).filter(|shown| shown["written"].as_u64() > Some(4))
    };
    let said = eventually("the log is written again", probe).await;
    assert_eq!(said["trouble"], Value::Null, "{said}");
    assert!(records_of(&log) > 0);
    sidecar.stop().await;
}

#[tokio::test]
async fn what_a_full_disk_throws_away_counts_as_failed_and_is_told_once() {
    let plivo = plivo().await;
    let setup = setup(&plivo, &["US"]).set("decisions.path", "/dev/full");
    let sidecar = Sidecar::start_in(Folder::new(), setup).await;
    let (mut sent, mut down_since) = (0, None);
    // Twice as long as the file is left alone: it is tried again.
    let probe = async || {
        sent += 1;
        sidecar.send(&json!({"to": TO, "text": format!("hello {sent}")})).await.expect(202);
        if shown(&sidecar).await["failed"].as_u64() > Some(0) {
            down_since.get_or_insert_with(Instant::now);
        }
        down_since.filter(|since| since.elapsed() > Duration::from_secs(2))
    };
    eventually("the file is tried again", probe).await;
    let probe = async || Some(shown(&sidecar).await).filter(|shown| shown["failed"] == sent);
    let said = eventually("each record is told as failed", probe).await;
    assert_eq!(said["written"], 0, "{said}");
    assert!(said["trouble"].as_str().unwrap().contains("No space left"), "{said}");
    let log = sidecar.stop().await;
    assert_eq!(log.text().matches("the decision log cannot be written").count(), 1);
    assert_eq!(log.text().matches("the decision log is written again").count(), 0);
}

#[tokio::test]
async fn a_link_is_followed_and_the_files_before_are_beside_what_it_leads_to() {
    let (plivo, folder) = (plivo().await, Folder::new());
    let volume = folder.path().join("volume");
    fs::create_dir(&volume).unwrap();
    symlink("volume/real.jsonl", folder.path().join("d.jsonl")).unwrap();
    let few = setup(&plivo, &["US", "FR"]).set("decisions.keep", 2);
    let sidecar = Sidecar::start_in(folder, few).await;

    send_some(&sidecar, 0, 400).await;

    let folder = sidecar.folder.clone();
    sidecar.stop().await;
    let names = |of: &Path| -> Vec<String> {
        let entries = fs::read_dir(of).expect("a folder").flatten();
        let mut names: Vec<_> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&volume), ["real.jsonl", "real.jsonl.1"]);
    assert!(folder.path().join("d.jsonl").is_symlink(), "{:?}", names(folder.path()));
    assert!(!folder.path().join("d.jsonl.1").exists(), "{:?}", names(folder.path()));
}

#[tokio::test]
async fn a_pipe_is_never_full_and_stays_where_it_is() {
    let (plivo, folder) = (plivo().await, Folder::new());
    let pipe = folder.path().join("d.jsonl");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let opened = pipe.clone();
    let reader = thread::spawn(move || fs::read(opened).expect("what is written"));
    let sidecar = Sidecar::start_in(folder, setup(&plivo, &["US", "FR"])).await;

    send_some(&sidecar, 0, 200).await;

    let _folder = sidecar.folder.clone();
    sidecar.stop().await;
    let read = reader.join().expect("the reader");
    assert!(read.len() > 2 * 65_536, "{} bytes are not more than a file takes", read.len());
    assert!(fs::metadata(&pipe).expect("it is there").file_type().is_fifo());
}

#[tokio::test]
async fn more_decisions_than_are_written_are_dropped_and_counted_and_harm_no_message() {
    let plivo = plivo().await;
    let folder = Folder::new();
    // A pipe that nobody reads takes 64 KiB, and then keeps whoever writes.
    let made = Command::new("mkfifo").arg(folder.path().join("d.jsonl")).status().unwrap();
    assert!(made.success());
    let quick = setup(&plivo, &["US", "FR"]).set("decisions.queue", 4);
    let sidecar = Sidecar::start_in(folder, quick).await;
    let mut sent = 0;
    let probe = async || {
        sent += send_some(&sidecar, sent, 16).await;
        Some(shown(&sidecar).await).filter(|shown| shown["dropped"].as_u64() > Some(0))
    };
    let said = eventually("records are dropped", probe).await;
    assert_eq!(said["trouble"], Value::Null, "{said}");
    // It ends all the same.
    sidecar.stop().await;
}
