//! The policy that README.md has made by `policy new` does what is said of it there.

use serde_json::{Value, json};

use crate::harness::{Folder, Setup, Sidecar, TO, eventually, module, plivo};
use crate::tools::sendgate;

const README: &str = include_str!("../../../../README.md");

/// The indented block of README that holds `part`, without its indentation.
pub(crate) fn block(part: &str) -> String {
    let mut blocks = README.split("\n\n").filter(|block| block.starts_with("    "));
    let block = blocks.find(|block| block.contains(part));
    let block = block.unwrap_or_else(|| panic!("README has no block with {part}"));
    block.lines().map(|line| line.trim_start_matches("    ").to_owned() + "\n").collect()
}

#[tokio::test]
async fn what_is_said_of_a_grant_that_was_taken_away_is_what_is_shown() {
    let toml = include_str!("../../../../sidecar.toml");
    let (before, after) = toml.split_once("name = \"dedup\"").expect("the repository's own policy");
    let taken = after.replacen("grants = [\"state\"]", "grants = []", 1);
    let toml = format!("{before}name = \"dedup\"{taken}");
    let folder = Folder::new();
    let modules = module("dedup");
    let modules = modules.parent().expect("a folder").to_string_lossy();
    folder.write("sidecar.toml", toml.replace("target/policies", &modules));

    let said = sendgate(folder.path(), &["check"]).await;

    let shown = block("reload_refused");
    let shown: Value = serde_json::from_str(&format!("{{{}}}", shown.trim().trim_end_matches(',')))
        .expect("a member of a JSON object");
    let line = shown["reload_refused"][0].as_str().expect("a fault");
    let told = said.err.lines().any(|told| told.ends_with(line));
    assert!(said.code == Some(2) && told, "{line}\nis not in\n{}", said.err);
}

/// README's entry for its policy, with the module where it was built.
fn entry() -> String {
    let (entry, theirs) = (block(r#"name = "words""#), r#""target/policies/words.wasm""#);
    assert!(entry.contains(theirs), "{theirs} is not in\n{entry}");
    // A machine busy with other tests may hold a policy up for longer than it may take by default.
    entry.replace(theirs, &format!("{:?}\ntime_ms = 2000", module("words")))
}

#[tokio::test]
async fn the_policy_that_is_made_there_is_loaded_without_a_restart_and_refuses_as_it_is_shown() {
    let plivo = plivo().await;
    let toml = Setup::new(&plivo).to_toml().replace("policies = []\n", "");
    let development = ("SENDGATE_ENV".to_owned(), "development".to_owned());
    let sidecar = Sidecar::start_with(Folder::new(), &toml, &[development]).await;
    let listed = json!({"to": TO, "text": "you won the lottery"});
    sidecar.send(&listed).await.expect(202);

    sidecar.folder.write("sidecar.toml", format!("{toml}\n{}", entry()));
    let in_force = async || {
        let body = sidecar.admin("/policies").await.expect(200);
        (body["policies"][0]["name"] == "words").then_some(())
    };
    eventually("README's policy is in the chain", in_force).await;

    let mut refused = sidecar.send(&listed).await.refused(422, "words.listed");
    let mut shown: Value = serde_json::from_str(&block(r#""code":"words.listed""#)).unwrap();
    // Each answer has a trace of its own.
    shown["instance"] = refused["instance"].take();
    refused["instance"] = shown["instance"].clone();
    assert_eq!(refused, shown);
    sidecar.send(&json!({"to": TO, "text": "an ordinary text"})).await.expect(202);
    assert_eq!(plivo.sends().len(), 2);
    sidecar.stop().await;
}
