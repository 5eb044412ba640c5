//! The area fraud: pumping and budgets, by the compiled policies in the order in which they are used.

use message::Settlement;
use serde_json::{Value, json};

use super::Report;
use super::bench::{Bench, Draft, Passed, Refused};
use super::line::{Expect, Line, lines_of};
use super::sends::same;

/// A number of each region that the lines name.
const NUMBERS: [(&str, &str); 6] = [
    ("US", "+14155550123"),
    ("CA", "+16045550123"),
    ("LK", "+94711234567"),
    ("BD", "+8801712345678"),
    ("NG", "+2348031234567"),
    ("TN", "+21620123456"),
];

#[tokio::test]
async fn fraud() {
    let mut report = Report::default();
    for line in lines_of("fraud") {
        let input = &line.input;
        let verdict = if input["sequence"].is_array() {
            sequence(input).await
        } else if input["distinct_regions_1h"].is_array() {
            regions(input).await
        } else if input["sent_24h"].is_number() {
            conversions(input).await
        } else if input["spend_today"].is_number() {
            spending(input).await
        } else {
            safe_list(input).await
        };
        report.add(&line, judge(&line, verdict).await);
    }
    report.conclude("fraud");
}

/// What `rules` say in force, behind the countries; the reference profile is at home in the US and Canada.
async fn bench(rules: &[(&str, Value)]) -> Bench {
    let mut settings = json!({"mode": "enforce", "fanout": {"home": ["US", "CA"]}});
    for (rule, value) in rules {
        settings[rule] = value.clone();
    }
    Bench::new(&[("country", json!({})), ("pumping", settings)]).await
}

fn otp(to: &str) -> Draft {
    Draft { app: "otp", intent: "otp", ..Draft::to(to) }
}

/// Numbers one after the other, evenly over a time; the last one's verdict.
async fn sequence(input: &Value) -> Result<Passed, Refused> {
    let bench = bench(&[]).await;
    let numbers = input["sequence"].as_array().expect("numbers");
    let apart = input["within_s"].as_f64().expect("seconds") / numbers.len() as f64;
    let mut at = 0.0;
    for number in &numbers[..numbers.len() - 1] {
        let passed = bench.ask(&otp(number.as_str().expect("a number")), at).await?;
        passed.settle(Settlement::Keep).await;
        at += apart;
    }
    bench.ask(&otp(numbers.last().and_then(Value::as_str).expect("a number")), at).await
}

/// One message to each region within an hour; the last one's verdict.
async fn regions(input: &Value) -> Result<Passed, Refused> {
    let most = &input["policy"]["max_new_regions_1h"];
    let bench = bench(&[("fanout", json!({"quota": most, "per_s": 3_600}))]).await;
    let regions = input["distinct_regions_1h"].as_array().expect("regions");
    let mut last = None;
    for (nth, region) in regions.iter().enumerate() {
        let found = NUMBERS.iter().find(|(known, _)| region == known);
        let (_, number) = found.unwrap_or_else(|| panic!("no number of {region} is known here"));
        if let Some(Ok(passed)) = last.take() {
            Passed::settle(passed, Settlement::Keep).await;
        }
        last = Some(bench.ask(&otp(number), nth as f64 * 500.0).await);
    }
    last.expect("a region")
}

/// Messages over a day, the first of which were converted; one more.
async fn conversions(input: &Value) -> Result<Passed, Refused> {
    let bench =
        bench(&[("conversion", json!({"told": true})), ("cold_start", json!({"quota": 0}))]).await;
    let number = NUMBERS.iter().find(|(known, _)| input["region"] == *known);
    let draft = otp(number.expect("a known region").1);
    let count = |name: &str| input[name].as_u64().expect("a count");
    let apart = 86_400.0 / count("sent_24h") as f64;
    let mut at = 0.0;
    for nth in 0..count("sent_24h") {
        let passed = bench.ask(&draft, at).await?;
        let message = passed.0.message().clone();
        passed.settle(Settlement::Keep).await;
        if nth < count("converted_24h") {
            bench.converted(&message, "otp", at + 30.0).await;
        }
        at += apart;
    }
    bench.ask(&draft, at).await
}

/// A day's budget of which so much is spent, and one message more.
async fn spending(input: &Value) -> Result<Passed, Refused> {
    let budget = |price: &Value| {
        let day = json!({"name": "day", "usd": input["policy"]["max_spend_day"]});
        vec![("budget", json!({"budgets": [day], "default_price": price}))]
    };
    let mut bench = Bench::new(&budget(&input["spend_today"])).await;
    bench.history(&Draft::default(), 0.0, 1).await;
    bench.reload(&budget(&input["price"])).await;
    bench.ask(&Draft::default(), 1.0).await
}

/// A number that is safe-listed, whose block is closed where the line says so.
async fn safe_list(input: &Value) -> Result<Passed, Refused> {
    let bench = bench(&[("safe", input["safe_list"].clone())]).await;
    let to = input["to"].as_str().expect("a recipient");
    if let Some(block) = input["blocked_block"].as_str() {
        assert!(to.starts_with(block), "{to} is not of {block}");
        let neighbour = |nth: u32| otp(&format!("{}{nth:03}", &to[..to.len() - 3]));
        for nth in 0..4 {
            let passed = bench.ask(&neighbour(nth), 0.0).await?;
            passed.settle(Settlement::Keep).await;
        }
        for (nth, code) in [(4, "fraud.prefix_velocity"), (500, "fraud.closed")] {
            let no = bench.ask(&neighbour(nth), 0.0).await;
            assert_eq!(
                no.err().map(|no| no.code).as_deref(),
                Some(code),
                "the block is to be closed"
            );
        }
    }
    bench.ask(&otp(to), 1.0).await
}

async fn judge(line: &Line, verdict: Result<Passed, Refused>) -> Result<(), String> {
    match (line.expect, verdict) {
        (Expect::Deny, Err(no)) => same("the code", no.code.as_str(), line.code.as_str()),
        (Expect::Deny, Ok(_)) => Err("it was let through".into()),
        (_, Ok(passed)) => {
            passed.settle(Settlement::Keep).await;
            Ok(())
        }
        (_, Err(no)) => Err(format!("it was refused: {no:?}")),
    }
}
