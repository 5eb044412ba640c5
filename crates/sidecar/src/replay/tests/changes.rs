//! What another module, or other settings, would change, and that it is just what they say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use policy_host::{
    Candidate, Grants, Module, NotClearedKind, PolicyName, PolicyRuntime, RuntimeOptions,
    VisitLimits,
};
use proptest::prelude::*;
use proptest::test_runner::Config;
use serde_json::{Value, json};
use store::MemoryLedger;

use super::stage::{By, Stage, compiled, modules};
use super::traffic::{self, Sent, traffic};

const COUNTRIES: &str = r#"
[[policies]]
name = "country"
module = "MODULES/country.wasm"
settings = { allow = ["US", "GB"] }
[[policies]]
name = "guest"
module = "MODULES/runaway.wasm"
grants = ["state", "log", "amend"]
[[policies]]
name = "dedup"
module = "MODULES/dedup.wasm"
grants = ["state"]
settings = { window_s = 30, mode = "reject" }
"#;

/// The code by which a module alone refuses each message, under `settings`; nothing where it does not.
async fn refusals(name: &str, settings: &Value, sent: &[Sent]) -> Vec<Option<String>> {
    let mut options = RuntimeOptions::new(Arc::new(MemoryLedger::default()));
    options.compile_cache = Some(compiled());
    let engine = PolicyRuntime::new(options).unwrap();
    let bytes = std::fs::read(modules().join(format!("{name}.wasm"))).unwrap();
    let limits = VisitLimits { time: std::time::Duration::from_secs(1), ..VisitLimits::default() };
    let module: Module = engine.module(PolicyName::new(name), bytes.into(), limits).await.unwrap();
    let ledger = Arc::new(MemoryLedger::default());
    let chain = module.rehearse(settings, Grants::default(), ledger, Arc::default()).await.unwrap();
    let mut found = Vec::new();
    for each in sent {
        let candidate: Candidate = each.candidate.clone();
        found.push(match chain.clear(candidate).await {
            Ok(cleared) => {
                cleared.settle(each.settlement).await.unwrap();
                None
            }
            Err(not) => match not.kind {
                NotClearedKind::Rejected(rejection) => Some(rejection.code),
                NotClearedKind::Failed(failure) => panic!("{name} failed: {failure}"),
            },
        });
    }
    found
}

fn ids(shown: &Value) -> BTreeSet<String> {
    let changes = shown["changes"].as_array().unwrap().iter();
    let ids = changes.flat_map(|change| change["ids"].as_array().unwrap().clone());
    ids.map(|id| id.as_str().unwrap().to_owned()).collect()
}

fn block_on<T>(what: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(what)
}

proptest! {
    #![proptest_config(Config { cases: 6, failure_persistence: None, ..Config::default() })]

    #[test]
    fn other_settings_change_just_the_messages_that_they_judge_otherwise(
        sent in traffic(40),
        whole in any::<bool>(),
    ) {
        let stage = Stage::new(COUNTRIES, whole);
        stage.play(&sent);
        let other = COUNTRIES.replace(r#"allow = ["US", "GB"]"#, r#"allow = ["US", "CA"]"#);
        let report = stage.replay(By::Configuration(other));

        let (then, now) = block_on(async {
            let then = refusals("country", &json!({"allow": ["US", "GB"]}), &sent).await;
            (then, refusals("country", &json!({"allow": ["US", "CA"]}), &sent).await)
        });
        let differ = sent.iter().zip(then.iter().zip(&now)).filter(|(_, (then, now))| then != now);
        let differ = differ.map(|(each, _)| each.candidate.message.id.to_string());
        // Where the guest reads a text, a shape says something else to it.
        let found = ids(&report.shown());
        let wanted: BTreeSet<String> = differ.collect();
        if whole {
            prop_assert_eq!(found, wanted, "{}", report.shown());
        } else {
            prop_assert!(found.is_superset(&wanted), "{found:?} of {wanted:?}");
        }
    }
}

#[test]
fn another_module_changes_just_what_it_says_itself_by_code_app_and_country() {
    let sent: Vec<Sent> =
        traffic::much().into_iter().filter(|each| each.reads() != "spin").collect();
    // The guest stands first, so that it and the module that is to replace it see what came.
    let guest = "[[policies]]\nname = \"guest\"\nmodule = \"MODULES/runaway.wasm\"\ngrants = [\"state\", \"log\"]\n";
    let stage = Stage::new(guest, true);
    let log = stage.play(&sent);
    let report = stage.replay(By::Module("validation", "guest"));

    let now = block_on(refusals("validation", &json!({}), &sent));
    let mut wanted: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for ((line, now), each) in log.lines().skip(1).zip(&now).zip(&sent) {
        let record: Value = serde_json::from_str(line).unwrap();
        let visit = &record["decision"]["visits"][0];
        let code = visit["codes"][0].as_str().unwrap_or_default();
        let then = match visit["verdict"].as_str().unwrap() {
            "reject" => code.to_owned(),
            "failure" => format!("failure {code}"),
            other => other.to_owned(),
        };
        let now = now.clone().unwrap_or_else(|| "accept".to_owned());
        if then != now {
            let id = each.candidate.message.id.to_string();
            wanted.entry((then, now)).or_default().insert(id);
        }
    }
    let shown = report.shown();
    let mut found = BTreeMap::new();
    for change in shown["changes"].as_array().unwrap() {
        assert_eq!(change["policy"], "guest");
        let word = |member: &str| change[member].as_str().unwrap().to_owned();
        let alone = json!({"changes": [change]});
        for by in ["apps", "countries"] {
            let counted = change[by].as_object().unwrap().values();
            assert_eq!(counted.filter_map(Value::as_u64).sum::<u64>(), change["decisions"], "{by}");
        }
        found.insert((word("from"), word("to")), ids(&alone));
    }
    assert!(found.len() > 3, "{shown:#}");
    assert_eq!(found, wanted);
}

#[test]
fn what_the_log_does_not_tell_is_guessed_in_its_order_and_by_its_clock() {
    let dedup = |salt: &str, window: u32| {
        format!(
            "[[policies]]\nname = \"dedup\"\nmodule = \"MODULES/dedup.wasm\"\ngrants = [\"state\"]\n\
             settings = {{ mode = \"reject\", window_s = {window}, salt = \"{salt}\" }}\n"
        )
    };
    let stage = Stage::new(&dedup("one", 30), true);
    let mut sent = traffic::much();
    // All the same message, every twenty seconds: with thirty seconds of window every other one is refused.
    let first = sent[0].candidate.clone();
    for (nth, each) in sent.iter_mut().enumerate() {
        let (id, now) = (each.candidate.message.id.clone(), first.now.0 + 20_000 * nth as u64);
        each.candidate = first.clone();
        (each.candidate.message.id, each.candidate.now.0) = (id, now);
        each.settlement = message::Settlement::Keep;
    }
    let all = sent.len() as u64;
    stage.play(&sent);

    let salted = stage.replay(By::Configuration(dedup("another", 30)));
    assert_eq!((salted.guessed, salted.changed), (all, 0), "{}", salted.shown());
    let short = stage.replay(By::Configuration(dedup("one", 10)));
    assert_eq!((short.guessed, short.changed), (all, all / 2), "{}", short.shown());
    let again = stage.replay(By::Configuration(dedup("one", 10)));
    assert_eq!(short.shown(), again.shown(), "the same log and policies, another report");
}

#[test]
fn a_log_whose_hashes_have_another_key_says_so() {
    let trial = "[[policies]]\nname = \"trial\"\nmodule = \"MODULES/trial.wasm\"\n\
                 settings = { verified = [\"+14155550123\"] }\n";
    let stage = Stage::new(trial, false);
    let sent = traffic::much();
    stage.play_with(&sent, &store::Secret::from_words(b"another"));
    let report = stage.replay(By::OwnConfiguration);
    let shown = report.shown();
    assert_eq!(report.changed, 0, "the verified number is another one here: {shown}");
    assert!(report.untold > 0, "{shown}");
    assert!(shown["remarks"][0].as_str().unwrap().contains("has not the key"), "{shown}");
}

#[test]
fn a_module_is_asked_again_about_what_later_policies_made_of_a_message() {
    let words = "[[policies]]\nname = \"first\"\nmodule = \"MODULES/words.wasm\"\n\
                 grants = [\"log\"]\nsettings = { words = [\"lottery\"] }\n";
    let guest = "[[policies]]\nname = \"guest\"\nmodule = \"MODULES/runaway.wasm\"\n\
                 grants = [\"state\", \"log\", \"amend\"]\n";
    let stage = Stage::new(&format!("{words}{guest}"), true);
    let mut sent = traffic::much();
    sent.truncate(1);
    sent[0].candidate.message.text = "amend hello".to_owned();
    let log = stage.play(&sent);
    let same = stage.replay(By::Module("words", "first"));
    assert_eq!((same.decisions, same.changed), (1, 0), "{}", same.shown());

    // As if the guest had written what the module refuses.
    std::fs::write(stage.log(), log.replace(r#""text":"hello""#, r#""text":"lottery""#)).unwrap();
    let shown = stage.replay(By::Module("words", "first")).shown();
    let change = &shown["changes"][0];
    assert_eq!(
        (&change["from"], &change["to"]),
        (&json!("accept"), &json!("words.listed")),
        "{shown}"
    );

    let shown = stage.replay(By::Module("runaway", "guest")).shown();
    assert_eq!(shown["changes"][0]["to"], "amend test.amend, with another message", "{shown}");
}

#[test]
fn what_a_module_imports_and_the_policy_was_not_granted_is_told() {
    let country = "[[policies]]\nname = \"first\"\nmodule = \"MODULES/country.wasm\"\n";
    let stage = Stage::new(country, true);
    stage.play(&traffic::much()[..3]);
    let shown = stage.replay(By::Module("runaway", "first")).shown();
    let remark = shown["remarks"][0].as_str().unwrap();
    assert!(remark.ends_with("is not granted, and has it here: state, log"), "{remark}");
}

#[test]
fn where_the_module_fits_only_some_of_the_settings_the_others_are_not_compared() {
    let countries = "[[policies]]\nname = \"words\"\nmodule = \"MODULES/country.wasm\"\n\
                     settings = { allow = [\"US\"] }\n";
    let repeats = "[[policies]]\nname = \"words\"\nmodule = \"MODULES/dedup.wasm\"\n\
                   grants = [\"state\"]\nsettings = { window_s = 30 }\n";
    let sent = &traffic::much()[..20];
    let (fitting, unfit) = (Stage::new(countries, true), Stage::new(repeats, true));
    let (fits, does_not) = (fitting.play(sent), unfit.play(sent));
    for (logs, line) in [(format!("{fits}{does_not}"), 22), (format!("{does_not}{fits}"), 1)] {
        std::fs::write(fitting.log(), &logs).unwrap();
        let report = fitting.replay(By::Module("country", "words"));
        let shown = report.shown();
        assert_eq!((report.decisions, report.alike, report.changed), (40, 20, 0), "{shown:#}");
        let why = "the policy's settings or limits then do not fit the module";
        assert_eq!(shown["not_compared"], json!({ why: 20 }), "{shown:#}");
        let [remark] = &report.remarks[..] else { panic!("{shown:#}") };
        assert!(remark.contains(&format!("d.jsonl:{line}: ")), "{remark}");
        assert!(remark.contains("cannot stand for policy `words`: "), "{remark}");
        assert!(remark.contains("/window_s"), "{remark}");
    }
    let refused = unfit.try_replay(By::Module("country", "words")).unwrap_err().to_string();
    assert!(refused.contains("d.jsonl:1: ") && refused.contains("cannot stand for"), "{refused}");
}
