//! The area throttle: limits at chosen instants, by the compiled policies.

use std::time::Duration;

use message::{Settlement, Timestamp};
use serde_json::{Value, json};

use super::bench::{Bench, Draft, Passed, Refused};
use super::line::{Expect, Line, lines_of};
use super::sends::{ensure, same};
use super::{Report, fairness, reports, restarts};

#[tokio::test]
async fn throttles() {
    let mut report = Report::default();
    for line in lines_of("throttle") {
        let result = match line.id.as_str() {
            "throttle-011" => one_refusal_charges_nothing(&line).await,
            "throttle-015" => restarts::full_limit(&line).await,
            "throttle-023" => reports::polls_wait(&line).await,
            "throttle-025" => fairness::behind_a_queue(&line).await,
            "throttle-014" => policies_refuse_before_limits_charge(&line).await,
            "throttle-021" | "throttle-022" => calendar(&line).await,
            _ => windows(&line).await,
        };
        report.add(&line, result);
    }
    report.conclude("throttle");
}

/// Limits with a history, and one message more.
async fn windows(line: &Line) -> Result<(), String> {
    let input = &line.input;
    let mut bench = Bench::new(&throttle(&input["limits"])).await;
    let to = if input["region"] == "LK" {
        "+94711234567"
    } else {
        input["to"].as_str().unwrap_or("+14155550123")
    };
    let draft = Draft { text: text(input["segments"].as_u64()), ..Draft::to(to) };
    for second in seconds(&input["history_t"]) {
        bench.history(&draft, second, 1).await;
    }
    for second in seconds(&input["history_other_recipient_t"]) {
        bench.history(&Draft::to("+14155550123"), second, 1).await;
    }
    for used in input["used"].as_object().into_iter().flatten() {
        bench.history(&draft, 0.0, count(used.1)).await;
    }
    if let Some(quota) = input["config"].get("q") {
        let mut limits = input["limits"].clone();
        limits[0]["q"] = quota.clone();
        bench.reload(&throttle(&limits)).await;
    }
    let verdict = bench.ask(&draft, input["t"].as_f64().expect("an instant")).await;
    judge(line, verdict).await
}

/// Of two limits one refuses; the other must not have been charged.
async fn one_refusal_charges_nothing(line: &Line) -> Result<(), String> {
    let (limits, used) = (&line.input["limits"], &line.input["used"]);
    let only_b = throttle(&json!([limits[1]]));
    let mut bench = Bench::new(&only_b).await;
    let (a, b) = (count(&used["a"]), count(&used["b"]));
    bench.history(&Draft::default(), 0.0, b - a).await;
    bench.reload(&throttle(limits)).await;
    bench.history(&Draft::default(), 0.0, a).await;

    let second = line.input["t"].as_f64().expect("an instant");
    judge(line, bench.ask(&Draft::default(), second).await).await?;

    bench.reload(&only_b).await;
    let next = bench
        .ask(&Draft::default(), second)
        .await
        .map_err(|no| format!("b alone refused: {no:?}"))?;
    let standing = next.limit("b");
    let before = standing.quota() - standing.remaining.expect("what is left") - 1;
    next.settle(Settlement::GiveBack).await;
    same(
        "the usage of b",
        Some(u64::from(before)),
        line.out.as_ref().and_then(|out| out["used_after"]["b"].as_u64()),
    )
}

/// A full limit, and a message that another policy refuses: its code is that policy's, and nothing is charged.
async fn policies_refuse_before_limits_charge(line: &Line) -> Result<(), String> {
    let mut chain = vec![("country", json!({"allow": ["US"]}))];
    chain.extend(throttle(&line.input["limits"]));
    let bench = Bench::new(&chain).await;
    let history = seconds(&line.input["history_t"]);
    bench.history(&Draft::default(), 0.0, history.len()).await;

    let second = line.input["t"].as_f64().expect("an instant");
    judge(line, bench.ask(&Draft::to("+33612345678"), second).await).await?;

    // When the history has left the window, nothing may be left in it.
    let next = bench
        .ask(&Draft::default(), 60.0)
        .await
        .map_err(|no| format!("the window is not empty: {no:?}"))?;
    let standing = next.limit("app");
    let used = standing.quota() - standing.remaining.expect("what is left");
    next.settle(Settlement::Keep).await;
    same("the usage after the window", used, 1)
}

/// A day's quota, used up an hour before the instant asked about.
async fn calendar(line: &Line) -> Result<(), String> {
    let limit = &line.input["limits"][0];
    let limits = json!([{
        "name": limit["name"], "scope": "sender", "kind": "calendar",
        "quota": limit["q"], "period": limit["period"], "zone": limit["tz"],
    }]);
    let at: jiff::Timestamp =
        line.input["at"].as_str().and_then(|at| at.parse().ok()).expect("an instant");
    let now = Timestamp(u64::try_from(at.as_millisecond()).expect("after 1970"));
    let bench = Bench::new(&[("throttle", json!({"limits": limits}))]).await;
    let earlier = now.before(Duration::from_secs(3_600));
    for _ in 0..count(&line.input["used"]) {
        let passed = bench
            .ask_at(&Draft::default(), earlier)
            .await
            .map_err(|no| format!("history: {no:?}"))?;
        passed.settle(Settlement::Keep).await;
    }
    judge(line, bench.ask_at(&Draft::default(), now).await).await
}

async fn judge(line: &Line, verdict: Result<Passed, Refused>) -> Result<(), String> {
    let out = line.out.as_ref();
    match (line.expect, verdict) {
        (Expect::Deny, Err(no)) => {
            same("the code", no.code.as_str(), line.code.as_str())?;
            match out.and_then(|out| out["retry_after"].as_u64()) {
                Some(seconds) => {
                    same("the wait", no.retry_after, Some(Duration::from_secs(seconds)))
                }
                None => Ok(()),
            }
        }
        (Expect::Deny, Ok(_)) => Err("it was let through".into()),
        (_, Err(no)) => Err(format!("it was refused: {no:?}")),
        (Expect::Allow, Ok(passed)) => {
            let noted = passed.0.warnings().iter().any(|note| note.key == line.code);
            let changed = !passed.0.changes().is_empty();
            passed.settle(Settlement::Keep).await;
            ensure(!changed, || "it was changed".into())?;
            ensure(noted || line.code == "ok", || format!("no warning says {}", line.code))
        }
        (Expect::Transform, Ok(passed)) => {
            let said = passed.0.changes().iter().any(|change| change.code == line.code);
            let later = passed.0.paces().next().is_some();
            passed.settle(Settlement::Keep).await;
            ensure(said, || format!("no change says {}", line.code))?;
            let queued = out.is_some_and(|out| out["state"] == "queued");
            ensure(queued && later, || "it keeps no pace".into())
        }
    }
}

/// The corpus's limits as the policy's settings. A limit's name says its scope, but for those of throttle-011.
pub(super) fn throttle(limits: &Value) -> Vec<(&'static str, Value)> {
    let limits = limits.as_array().into_iter().flatten().map(|limit| {
        let name = limit["name"].as_str().expect("a name");
        let scope = if ["a", "b"].contains(&name) { "app" } else { name };
        let mut setting = json!({"name": name, "scope": scope, "kind": limit["kind"], "quota": limit["q"], "per_s": limit["w_s"]});
        for key in ["burst", "on_limit", "cost", "mode"].into_iter().filter(|key| limit[key] != Value::Null) {
            setting[key] = limit[key].clone();
        }
        setting
    });
    vec![("throttle", json!({"limits": limits.collect::<Vec<_>>()}))]
}

/// A text of so many segments.
fn text(segments: Option<u64>) -> String {
    match segments {
        Some(count @ 2..) => "a".repeat(usize::try_from(count).unwrap() * 153),
        _ => "code 1234".to_owned(),
    }
}

fn seconds(list: &Value) -> Vec<f64> {
    list.as_array().into_iter().flatten().filter_map(Value::as_f64).collect()
}

fn count(value: &Value) -> usize {
    value.as_u64().and_then(|count| usize::try_from(count).ok()).expect("a count")
}
