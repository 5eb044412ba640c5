//! `sendgate messages` and `sendgate events`, as people type them.

use std::process::Stdio;

use serde_json::{Value, json};
use store::Status;
use tokio::process::Command;
use tokio::time::timeout;

use super::{Left, OPERATOR, closed_port, durable, ephemeral, ids, leave};
use crate::harness::{Folder, PATIENCE, Policy, Setup, Sidecar, TO, eventually, module, plivo};

/// What a command printed, and how it ended.
#[derive(Debug)]
struct Printed {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Printed {
    /// What it printed, where it ended well.
    fn well(self) -> String {
        assert_eq!((self.code, &*self.err), (Some(0), ""), "{self:#?}");
        self.out
    }

    /// The one line that it said instead.
    fn ill(self, code: i32) -> String {
        assert_eq!((self.code, &*self.out), (Some(code), ""), "{self:#?}");
        assert_eq!(self.err.lines().count(), 1, "{self:#?}");
        self.err
    }
}

/// Runs `sendgate` with these words in `folder`, as the operator where `token` is given.
async fn sendgate(folder: &Folder, words: &[&str], token: Option<&str>) -> Printed {
    let child = Command::new(env!("CARGO_BIN_EXE_sendgate"))
        .args(words)
        .current_dir(folder.path())
        .env_clear()
        .env("SENDGATE_ENV", "development")
        .envs(token.map(|token| ("SENDGATE_ADMIN_TOKEN", token)))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let ended = timeout(PATIENCE, child).await.unwrap_or_else(|_| panic!("{words:?} hangs"));
    let ended = ended.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Printed { code: ended.status.code(), out: text(ended.stdout), err: text(ended.stderr) }
}

/// The same, told where `sidecar` is.
async fn of(sidecar: &Sidecar, words: &[&str]) -> Printed {
    let admin = format!("http://{}", sidecar.admin);
    let words = [words, &["--admin", &admin]].concat();
    sendgate(&sidecar.folder, &words, Some(OPERATOR)).await
}

#[tokio::test]
async fn messages_are_listed_shown_released_and_canceled() {
    let (plivo, folder) = (plivo().await, Folder::new());
    let left = [
        Left::new("held-1", Status::Held),
        Left { app: "billing", ..Left::new("held-2", Status::Held) },
        Left::new("doubt", Status::InDoubt),
    ];
    leave(&folder, &left).await;
    let sidecar = Sidecar::start_in(folder, durable(&plivo)).await;

    let table = of(&sidecar, &["messages", "list", "--status", "held"]).await.well();
    let rows: Vec<Vec<&str>> =
        table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["ID", "APP", "STATUS", "TO", "ACCEPTED", "CALLS", "CODE"], "{table}");
    assert_eq!(rows[1][..4], ["held-2", "billing", "held", "+1415•••0123"], "{table}");
    assert_eq!(rows[2][..4], ["held-1", "demo", "held", "+1415•••0123"], "{table}");
    assert_eq!(rows.len(), 3, "{table}");
    let column = |line: &str, word: &str| line.split(word).next().unwrap().chars().count();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(column(lines[0], "STATUS"), column(lines[2], "held "), "aligned:\n{table}");

    let words = ["messages", "list", "--to", TO, "--app", "demo", "--limit", "1", "--json"];
    let json: Value = serde_json::from_str(&of(&sidecar, &words).await.well()).unwrap();
    assert_eq!((ids(&json), &json["next"]), (vec!["doubt"], &json!("doubt")));
    let more = of(&sidecar, &["messages", "list", "--limit", "1"]).await.well();
    assert!(more.ends_with("more: --after doubt\n"), "{more}");
    let none = of(&sidecar, &["messages", "list", "--app", "nobody"]).await.well();
    assert_eq!(none, "no messages\n");

    let shown = of(&sidecar, &["messages", "show", "held-1"]).await.well();
    for line in ["waits for        a person: release it or cancel it", "events\n", "STATE", "held"]
    {
        assert!(shown.contains(line), "no {line:?} in\n{shown}");
    }
    assert!(!shown.contains(&TO[1..]), "{shown}");
    let segments = shown.lines().find(|line| line.starts_with("segments "));
    assert!(segments.is_some_and(|line| line.contains("count 1, encoding gsm7")), "{shown}");
    let full = of(&sidecar, &["messages", "show", "held-1", "--full", "--json"]).await.well();
    let full: Value = serde_json::from_str(&full).unwrap();
    assert_eq!((&full["to"], &full["status"]), (&json!(TO), &json!("held")));

    let released = of(&sidecar, &["messages", "release", "held-1"]).await.well();
    assert_eq!(released, "held-1: released, now waiting\n");
    let sent = sidecar.record("held-1", |record| record["status"] == "submitted").await;
    let plivos = sent["message_uuid"].as_str().unwrap().to_uppercase();
    let found = of(&sidecar, &["messages", "show", &plivos]).await.well();
    assert!(found.contains("held-1"), "by Plivo's id, as its console shows it:\n{found}");
    let canceled = of(&sidecar, &["messages", "cancel", "doubt"]).await.well();
    assert_eq!(canceled, "doubt: canceled\n");
    assert_eq!(plivo.sends().len(), 1);
}

#[tokio::test]
async fn a_rollback_says_which_policies_are_in_force_and_until_when() {
    let plivo = plivo().await;
    let setup = ephemeral(&plivo).policy(Policy::new("country"));
    let sidecar = Sidecar::start(setup.clone()).await;
    let none = of(&sidecar, &["rollback"]).await.ill(1);
    assert!(none.starts_with("there is nothing to return to: "), "{none}");
    let policy = Policy::new("country").settings(json!({"allow": ["FR"]}));
    sidecar.folder.write("sidecar.toml", ephemeral(&plivo).policy(policy).to_toml());
    let second = async || (sidecar.ready().await.json()["generation"] == 2).then_some(());
    eventually("the second generation is in force", second).await;

    let other = of(&sidecar, &["rollback", "--to", "7"]).await.ill(1);
    assert!(other.contains("name one of these generations: 1 (generation.not_kept)"), "{other}");
    let back = of(&sidecar, &["rollback"]).await.well();

    let wanted = "rolled back: generation 3 is in force, with the policies of generation 1 and not of 2\n\
                  they stay until the files describe other policies than those rolled back from, or a restart\n";
    assert_eq!(back, wanted);
    sidecar.send(&json!({"to": TO, "text": "hi"})).await.expect(202);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_promotion_says_whose_candidate_is_in_force_and_until_when() {
    let plivo = plivo().await;
    let candidate = module("country").to_str().unwrap().to_owned();
    let policy = Policy::new("country").set("candidate", candidate);
    let policy = policy.set("candidate_settings", json!({"allow": ["FR"]}));
    let sidecar = Sidecar::start(ephemeral(&plivo).policy(policy)).await;
    let none = of(&sidecar, &["promote", "nobody"]).await.ill(1);
    assert!(none.contains("(policy.not_found)"), "{none}");

    let same = of(&sidecar, &["differences", "country"]).await.well();
    let none_yet = "country: the candidate is on_trial; 0 messages compared, the last 0 alike\nno differences\n";
    assert_eq!(same, none_yet);
    let sent = sidecar.send(&json!({"to": TO, "text": "before"})).await.expect(202);
    let told = of(&sidecar, &["differences", "country"]).await.well();
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(
        lines[0],
        "country: the candidate is on_trial; 1 messages compared, the last 0 alike"
    );
    let cells: Vec<&str> = lines[2].split_whitespace().collect();
    let wanted = [sent["id"].as_str().unwrap(), "demo", "accept", "reject", "country.not_allowed"];
    assert_eq!(cells[1..], wanted, "{told}");

    let done = of(&sidecar, &["promote", "country"]).await.well();

    assert!(done.starts_with("country: its candidate is in force, in generation 2\n"), "{done}");
    assert!(done.contains("write the candidate as `module`"), "{done}");
    let message = json!({"to": TO, "text": "hi"});
    sidecar.send(&message).await.refused(403, "country.not_allowed");
    sidecar.stop().await;
}

#[tokio::test]
async fn what_the_sidecar_refuses_is_one_line_with_its_reason() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(ephemeral(&plivo)).await;
    for (words, code, wanted) in [
        (
            &["messages", "show", "gone"][..],
            1,
            "there is no message with this id (message.not_found)",
        ),
        (&["messages", "release", "gone"][..], 1, "(message.not_found)"),
        (&["messages", "cancel", "../events/revive?app=demo"][..], 1, "(message.not_found)"),
        (&["messages", "list", "--status", "lost"][..], 2, "`status` is none of accepted, waiting"),
        (&["messages", "list", "--limit", "500"][..], 2, "`limit` is not a number from 1 to 100"),
    ] {
        let line = of(&sidecar, words).await.ill(code);
        assert!(line.contains(wanted), "{words:?}: {line}");
    }
    let admin = format!("http://{}", sidecar.admin);
    let words = ["messages", "release", "x", "--admin", &admin];
    let line = sendgate(&sidecar.folder, &words, None).await.ill(1);
    assert!(line.contains("(auth.missing)"), "{line}");
    let line = sendgate(&sidecar.folder, &words, Some("wrong")).await.ill(1);
    assert!(line.contains("(auth.invalid)"), "{line}");
    sidecar.folder.write("token", format!("{OPERATOR}\n"));
    let words = [&words[..], &["--token-file", "token"]].concat();
    let line = sendgate(&sidecar.folder, &words, Some("wrong")).await.ill(1);
    assert!(line.contains("(message.not_found)"), "the file's token is not taken: {line}");
}

#[tokio::test]
async fn events_that_were_given_up_are_listed_and_revived() {
    let (plivo, folder) = (plivo().await, Folder::new());
    let relay = Some("http://127.0.0.1:9/reports");
    let left = [
        Left { relay, ..Left::new("one", Status::Failed) },
        Left { relay, app: "billing", ..Left::new("two", Status::Failed) },
    ];
    leave(&folder, &left).await;
    let sidecar = Sidecar::start_in(folder, durable(&plivo)).await;

    let table = of(&sidecar, &["events", "dead", "--app", "billing"]).await.well();
    let rows: Vec<Vec<&str>> =
        table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows.len(), 2, "{table}");
    assert_eq!(rows[1][1..4], ["billing", "two", "failed"], "{table}");
    assert!(table.contains("connection refused"), "{table}");
    let json = of(&sidecar, &["events", "dead", "--limit", "1", "--json"]).await.well();
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["events"][0]["message"], "two", "{json:#}");

    let revived = of(&sidecar, &["events", "revive", "--app", "billing"]).await.well();
    assert_eq!(revived, "billing: called again with 1 events\n");
    let none = of(&sidecar, &["events", "dead", "--app", "billing"]).await.well();
    assert_eq!(none, "no events were given up\n");
    let others = of(&sidecar, &["events", "dead", "--app", "demo"]).await.well();
    assert!(others.contains("one"), "the other app's are untouched: {others}");
}

#[tokio::test]
async fn a_sidecar_that_is_not_there_is_told_in_one_line() {
    let (folder, (_socket, gone)) = (Folder::new(), closed_port());
    let line = sendgate(&folder, &["messages", "list", "--admin", &gone], None).await.ill(1);
    assert!(line.starts_with("no sidecar answers at 127.0.0.1:"), "{line}");
    let words = ["messages", "list", "--admin", "unix:nothing.sock"];
    let line = sendgate(&folder, &words, None).await.ill(1);
    assert!(line.starts_with("no sidecar answers at unix:nothing.sock: "), "{line}");
    let words = ["messages", "list", "--admin", "https://127.0.0.1:1"];
    let line = sendgate(&folder, &words, None).await.ill(2);
    assert!(line.starts_with("--admin asks for https"), "{line}");
}

#[tokio::test]
async fn what_is_no_sidecar_is_called_so() {
    let (plivo, folder) = (plivo().await, Folder::new());
    let words = ["messages", "list", "--admin", &plivo.base_url()];
    let line = sendgate(&folder, &words, None).await.ill(1);
    assert!(line.contains("is no sidecar's admin listener"), "{line}");
}

#[tokio::test]
async fn the_configuration_tells_where_and_as_whom() {
    let (plivo, folder) = (plivo().await, Folder::new());
    leave(&folder, &[Left::new("held", Status::Held)]).await;
    let open = durable(&plivo).to_toml();
    folder.write("sidecar.toml", open);
    let line = sendgate(&folder, &["messages", "list"], None).await.ill(2);
    assert!(line.starts_with("[listen] admin leaves the port to the system"), "{line}");

    folder.write("sidecar.toml", durable(&plivo).set("listen.admin", "unix:admin.sock").to_toml());
    let _sidecar = Command::new(env!("CARGO_BIN_EXE_sendgate"))
        .arg("run")
        .current_dir(folder.path())
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let listed = async || {
        let printed = sendgate(&folder, &["messages", "list"], None).await;
        (printed.code == Some(0)).then_some(printed.out)
    };
    let table = eventually("the sidecar answers on its socket", listed).await;
    assert!(table.contains("held"), "{table}");
    let canceled = sendgate(&folder, &["messages", "cancel", "held"], None).await.well();
    assert_eq!(canceled, "held: canceled\n");

    // In the moment of breakage: whatever else is wrong with the file, the sidecar is reached.
    let broken = durable(&plivo)
        .set("listen.admin", "unix:admin.sock")
        .set("listen.colour", "red")
        .set("plivo.auth_token", json!({"env": "NOT_SET"}))
        .policy(Policy::new("country").set("module", "deleted.wasm").set("mode", "shade"));
    folder.write("sidecar.toml", broken.to_toml());
    let refused = sendgate(&folder, &["check"], None).await;
    assert_eq!(refused.code, Some(2), "{refused:#?}");
    let line = sendgate(&folder, &["rollback"], None).await.ill(1);
    assert!(line.contains("there is nothing to return to"), "{line}");
    let listed = sendgate(&folder, &["messages", "list"], None).await.well();
    assert!(listed.contains("canceled"), "{listed}");

    // A token that only the service can read is missed for what takes it, and for nothing else.
    let hidden = durable(&plivo).set("listen.admin", "unix:admin.sock");
    let hidden = hidden.set("listen.admin_token", json!({"env": "NOT_SET"}));
    folder.write("sidecar.toml", hidden.to_toml());
    let listed = sendgate(&folder, &["messages", "list"], None).await.well();
    assert!(listed.contains("canceled"), "{listed}");
    for words in [&["messages", "list", "--full"][..], &["rollback"]] {
        let refused = sendgate(&folder, words, None).await;
        assert_eq!(refused.code, Some(2), "{words:?}: {refused:#?}");
        assert!(refused.err.contains("listen.admin_token.env"), "{words:?}: {refused:#?}");
    }
}

#[tokio::test]
async fn a_configuration_that_cannot_be_read_is_told_with_another_way() {
    let folder = Folder::new();
    let printed = sendgate(&folder, &["messages", "list"], None).await;
    assert_eq!(printed.code, Some(2), "{printed:#?}");
    assert!(printed.err.contains("sidecar.toml"), "{printed:#?}");
    assert!(printed.err.contains("--admin http://HOST:PORT"), "{printed:#?}");
    let setup = Setup::with_base_url("http://127.0.0.1:9").set("listen.admin_token", "");
    folder.write("sidecar.toml", setup.to_toml());
    let printed = sendgate(&folder, &["rollback"], None).await;
    assert!(printed.err.contains("listen.admin_token"), "{printed:#?}");

    folder.write("sidecar.toml", "[listen\nadmin = 1\n");
    let printed = sendgate(&folder, &["rollback"], None).await;
    assert_eq!(printed.code, Some(2), "{printed:#?}");
    for part in ["sidecar.toml:1:8: is not TOML", "--admin http://HOST:PORT"] {
        assert!(printed.err.contains(part), "no `{part}` in {printed:#?}");
    }
}
