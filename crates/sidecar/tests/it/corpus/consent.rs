//! The area consent: opt-outs by the compiled policy; its lines about quiet hours are in `quiet.rs`.

use message::Settlement;
use serde_json::{Value, json};

use super::bench::{Bench, Draft};
use super::line::{Expect, Line, lines_of};
use super::sends::{ensure, same};
use super::{Report, quiet};
use crate::harness::SENDER;

#[tokio::test]
async fn consent() {
    let mut report = Report::default();
    for line in lines_of("consent") {
        let input = &line.input;
        let result = if input["at"].is_string() {
            quiet::judge(&line).await
        } else if input["inbound"].is_string() {
            heard(&line).await
        } else {
            suppressed(&line).await
        };
        report.add(&line, result);
    }
    report.conclude("consent");
}

/// What a handset says, and whether it is sent to afterwards. An opt-in comes after an opt-out, or it would clear
/// nothing.
async fn heard(line: &Line) -> Result<(), String> {
    let word = |name: &str| line.input[name].as_str().expect("a text");
    let (handset, sender) = (word("from"), word("to"));
    let bench = Bench::new(&[("consent", json!({}))]).await;
    if line.code == "optout.cleared" {
        bench.hear(handset, sender, "STOP", 0.0).await;
    }

    let codes = bench.hear(handset, sender, word("inbound"), 10.0).await;

    let out = line.out.as_ref().ok_or("the line says nothing of what comes out")?;
    let draft = Draft { sender: sender.to_owned(), ..Draft::to(handset) };
    let refused = match bench.ask(&draft, 20.0).await {
        Ok(passed) => {
            passed.settle(Settlement::GiveBack).await;
            None
        }
        Err(no) => Some(no.code),
    };
    same("what is made of it", codes, vec![line.code.clone()])?;
    same("whether it is suppressed", json!(refused.is_some()), out["suppressed"].clone())?;
    ensure(out["flag"] != true || line.code == "optout.review", || "it is not flagged".into())?;
    ensure(refused.is_none_or(|code| code == "optout.suppressed"), || "another code".into())
}

/// A send to somebody who may have opted out, or its confirmation.
async fn suppressed(line: &Line) -> Result<(), String> {
    let input = &line.input;
    let texts = |list: &Value| -> Vec<String> {
        list.as_array()
            .into_iter()
            .flatten()
            .filter_map(|text| text.as_str().map(str::to_owned))
            .collect()
    };
    let settings = match texts(&input["campaign"]) {
        senders if senders.is_empty() => json!({}),
        senders => json!({"campaigns": {"one": senders}}),
    };
    let bench = Bench::new(&[("consent", settings)]).await;
    let to = input["to"].as_str().expect("a recipient");
    let draft =
        Draft { sender: input["from"].as_str().unwrap_or(SENDER).to_owned(), ..Draft::to(to) };
    for pair in input["suppressed"].as_array().into_iter().flatten() {
        let pair = texts(pair);
        bench.hear(&pair[1], &pair[0], "STOP", 0.0).await;
    }
    let (draft, second) = match input["confirm_after_stop_s"].as_f64() {
        None => (draft, 10.0),
        Some(second) => {
            bench.hear(to, &draft.sender, "STOP", 0.0).await;
            let confirmation = Draft { intent: "optout_confirmation", ..draft };
            let earlier = input["confirms_sent"].as_u64().unwrap_or(0);
            for _ in 0..earlier {
                let passed = bench.ask(&confirmation, 1.0).await.map_err(|no| format!("{no:?}"))?;
                passed.settle(Settlement::Keep).await;
            }
            (confirmation, second)
        }
    };
    match (line.expect, bench.ask(&draft, second).await) {
        (Expect::Deny, Err(no)) => same("the code", no.code.as_str(), line.code.as_str()),
        (Expect::Deny, Ok(_)) => Err("it was let through".into()),
        (_, Ok(passed)) => {
            passed.settle(Settlement::Keep).await;
            Ok(())
        }
        (_, Err(no)) => Err(format!("it was refused: {no:?}")),
    }
}
