//! What a policy had no time for, and what stays comparable all the same.

use std::time::Duration;

use message::Settlement;
use serde_json::json;

use super::stage::{By, Stage};
use super::traffic::{self, Sent};

const WHY: &str = "a policy ran out of time, or could not be asked";

/// A policy that spins at each `hello`, and is not asked any more after two of them.
fn spinning(rule: &str) -> String {
    format!(
        "[[policies]]\nname = \"sh\"\nmodule = \"MODULES/runaway.wasm\"\ngrants = [\"state\", \"log\"]\n{rule}\n\
         error_budget = {{ failures = 2, window_s = 60 }}\nsettings = {{ on_text = {{ hello = \"spin\" }} }}\n"
    )
}

fn dedup(window_s: u32) -> String {
    format!(
        "[[policies]]\nname = \"dedup\"\nmodule = \"MODULES/dedup.wasm\"\ngrants = [\"state\"]\n\
         settings = {{ mode = \"reject\", window_s = {window_s} }}\n"
    )
}

fn country(deny: &str) -> String {
    format!(
        "[[policies]]\nname = \"country\"\nmodule = \"MODULES/country.wasm\"\nsettings = {{ deny = [{deny}] }}\n"
    )
}

/// These texts to one number of the US, six seconds after each other, all of them sent.
fn messages(texts: &[&str]) -> Vec<Sent> {
    let mut sent = traffic::much();
    sent.truncate(texts.len());
    let mut first = sent[0].candidate.clone();
    first.message.to = message::E164::parse("+14155550123", "/to").unwrap();
    first.message.dedup = message::Dedup::Content;
    first.message.media_urls.clear();
    for (nth, (each, text)) in sent.iter_mut().zip(texts).enumerate() {
        let id = each.candidate.message.id.clone();
        each.candidate = first.clone();
        (each.candidate.message.id, each.candidate.message.text) = (id, (*text).to_owned());
        each.candidate.facts = message::facts::survey(&each.candidate.message, Vec::new()).unwrap();
        each.candidate.now = first.now.after(Duration::from_secs(6 * nth as u64));
        each.settlement = Settlement::Keep;
    }
    sent
}

#[test]
fn a_policy_in_the_shadow_that_had_no_time_keeps_no_decision_from_being_compared() {
    let shadow = spinning("mode = \"shadow\"");
    let stage = Stage::new(&format!("{shadow}{}", country("")), true);
    let log = stage.play(&messages(&["hello"; 8]));
    assert!(log.contains("deadline") && log.contains("tripped"), "{log}");
    for policies in [format!("{shadow}{}", country("\"US\"")), country("\"US\"")] {
        let report = stage.replay(By::Configuration(policies));
        let shown = report.shown();
        assert_eq!((report.compared(), report.changed), (8, 8), "{shown:#}");
        assert_eq!(
            (&shown["changes"][0]["from"], &shown["changes"][0]["to"]),
            (&json!("accept"), &json!("country.denied"))
        );
    }
    assert_eq!(stage.replay(By::OwnConfiguration).alike, 8);
    // Asked for its own word it has none to compare.
    let shown = stage.replay(By::Module("runaway", "sh")).shown();
    assert_eq!((&shown["decided"], &shown["not_compared"][WHY]), (&json!(0), &json!(8)));
    // Heeded, it is asked: what it would have said is what is wanted.
    let report = stage.replay(By::Configuration(format!(
        "{}{}",
        spinning("").replace("spin", "refuse test.asked"),
        country("")
    )));
    assert_eq!(report.changed, 8, "{:#}", report.shown());
}

#[test]
fn what_was_decided_while_a_shadow_had_no_time_counts_for_later_guesses() {
    let stage = Stage::new(&format!("{}{}", spinning("mode = \"shadow\""), dedup(5)), true);
    stage.play(&messages(&["hello", "hello", "words", "hello", "words"]));
    let report = stage.replay(By::Configuration(dedup(30)));
    let shown = report.shown();
    assert_eq!((report.compared(), report.guessed, report.changed), (5, 5, 3), "{shown:#}");
    assert_eq!(shown["changes"][0]["to"], "dup.content", "{shown:#}");
}

#[test]
fn what_is_not_compared_since_a_policy_had_no_time_counts_for_later_guesses() {
    let policies = |window_s| format!("{}{}", spinning("on_failure = \"accept\""), dedup(window_s));
    let stage = Stage::new(&policies(5), true);
    let mut sent = messages(&["hello", "words", "others"]);
    for each in &mut sent {
        each.candidate.message.dedup = message::Dedup::Key("one".to_owned());
    }
    stage.play(&sent);
    let shown = stage.replay(By::Configuration(policies(30))).shown();
    assert_eq!(shown["not_compared"][WHY], 1, "{shown:#}");
    assert_eq!((&shown["decided"], &shown["changed"]), (&json!(2), &json!(2)), "{shown:#}");
    assert_eq!(shown["changes"][0]["to"], "dup.content", "{shown:#}");
}

#[test]
fn a_policy_in_the_shadow_that_had_no_time_or_is_gone_makes_no_change_of_what_a_log_does_not_show()
{
    let guest = "[[policies]]\nname = \"guest\"\nmodule = \"MODULES/runaway.wasm\"\ngrants = [\"state\", \"log\"]\n";
    let stage = Stage::new(&format!("{}{guest}", spinning("mode = \"shadow\"")), false);
    stage.play(&messages(&["hello", "refuse test.asked"]));
    for by in [By::OwnConfiguration, By::Configuration(guest.to_owned())] {
        let report = stage.replay(by);
        assert_eq!((report.alike, report.untold), (1, 1), "{:#}", report.shown());
    }
}

#[test]
fn of_what_is_refused_as_before_the_policy_is_told_that_changes_it_otherwise_on_its_way() {
    let on_hello = |what: &str| {
        let guest = spinning("").replace("\"log\"]", "\"log\", \"amend\"]").replace("spin", what);
        format!("{guest}{}", country("\"US\""))
    };
    let stage = Stage::new(&on_hello("amend another text"), true);
    stage.play(&messages(&["hello"]));

    let report = stage.replay(By::Configuration(on_hello("accept")));

    let shown = report.shown();
    let change = &shown["changes"][0];
    assert_eq!((report.changed, &change["policy"]), (1, &json!("sh")), "{shown:#}");
    assert_ne!(change["from"], change["to"], "{shown:#}");
}
