//! `/metrics`: what happened is counted, by names that dashboards rely on.

use std::collections::BTreeMap;

use plivo_sim::{Outage, Step};
use serde_json::json;

use crate::harness::{
    App, Connection, Policy, Redis, Setup, Sidecar, TO, TOKEN, eventually, plivo,
};

/// Every series with its value.
async fn read(sidecar: &Sidecar) -> BTreeMap<String, f64> {
    let answer = sidecar.admin("/metrics").await;
    assert_eq!(answer.status, 200, "{answer}");
    let lines = answer.text.lines().filter(|line| !line.starts_with('#'));
    let series = lines.map(|line| line.rsplit_once(' ').expect("a series and its value"));
    series.map(|(name, value)| (name.to_owned(), value.parse().expect("a number"))).collect()
}

/// Waits until the series has this value.
async fn counts(sidecar: &Sidecar, series: &str, value: f64) {
    let probe = async || {
        let all = read(sidecar).await;
        (all.get(series) == Some(&value)).then_some(())
    };
    let found = tokio::time::timeout(crate::harness::PATIENCE / 2, eventually(series, probe)).await;
    if found.is_err() {
        let name = series.split('{').next().unwrap_or_default();
        let all = read(sidecar).await;
        let near: Vec<_> = all.iter().filter(|(known, _)| known.starts_with(name)).collect();
        panic!("{series} is not {value}; there are {near:#?}");
    }
}

#[tokio::test]
async fn requests_verdicts_and_calls_are_counted_by_app_code_and_outcome() {
    let plivo = plivo().await;
    plivo.script([Step::default(), Step::status(400)]).await;
    let quota = json!({"limits": [{"name": "app", "scope": "app", "quota": 2, "per_s": 3_600}]});
    let setup = Setup::standard(&plivo)
        .durable()
        .set("decisions.path", "decisions.jsonl")
        .app(App::new("demo", TOKEN))
        .policy(Policy::new("throttle").settings(quota));
    let sidecar = Sidecar::start(setup).await;
    let text = |text: &str| json!({"to": TO, "text": text});
    sidecar.send(&text("one")).await.expect(202);
    sidecar.send(&text("two")).await.refused(422, "upstream.rejected");
    sidecar
        .send(&json!({"to": "+989121234567", "text": "no"}))
        .await
        .refused(403, "country.hard_denied");
    sidecar.send(&json!({"to": "x", "text": "no"})).await.refused(400, "phone.not_e164");
    // What is only explained is counted as a request, and as no verdict.
    sidecar.post("/v1/explain").json(&text("explained")).answer().await.expect(200);

    let request = |status: u16, code: &str| {
        let code = if code.is_empty() { String::new() } else { format!("code=\"{code}\",") };
        format!(
            "sendgate_requests_total{{app=\"demo\",{code}http_route=\"/v1/messages\",status=\"{status}\"}}"
        )
    };
    for (status, code) in [
        (202, ""),
        (422, "upstream.rejected"),
        (403, "country.hard_denied"),
        (400, "phone.not_e164"),
    ] {
        counts(&sidecar, &request(status, code), 1.0).await;
    }
    let verdict = |policy: &str, rest: &str| {
        format!(
            "sendgate_policy_decisions_total{{{rest}policy_mode=\"enforce\",policy_name=\"{policy}\",verdict="
        )
    };
    counts(&sidecar, &format!("{}\"accept\"}}", verdict("validation", "")), 3.0).await;
    let denied = format!("{}\"reject\"}}", verdict("country", "code=\"country.hard_denied\","));
    counts(&sidecar, &denied, 1.0).await;
    counts(&sidecar, "sendgate_plivo_calls_total{outcome=\"accepted\"}", 1.0).await;
    // With every label that OpenTelemetry's conventions for HTTP ask for.
    let served = "http_server_request_duration_seconds_count{http_request_method=\"POST\",\
                  http_response_status_code=\"202\",http_route=\"/v1/messages\",url_scheme=\"http\"}";
    counts(&sidecar, served, 1.0).await;
    let port = plivo.address().port();
    let called = format!(
        "http_client_request_duration_seconds_count{{http_request_method=\"POST\",\
         http_response_status_code=\"202\",server_address=\"127.0.0.1\",server_port=\"{port}\"}}"
    );
    counts(&sidecar, &called, 1.0).await;
    let all = read(&sidecar).await;
    for series in [
        "sendgate_policy_duration_seconds_count{policy_mode=\"enforce\",policy_name=\"throttle\"}",
        "sendgate_policy_guest_duration_seconds_sum{policy_mode=\"enforce\",policy_name=\"country\"}",
        "sendgate_policy_memory_bytes_count{policy_mode=\"enforce\",policy_name=\"country\"}",
        "sendgate_policy_host_calls_sum{policy_mode=\"enforce\",policy_name=\"throttle\"}",
        "sendgate_store_commit_duration_seconds_count",
        "sendgate_store_batch_sum",
        "sendgate_generation",
        "sendgate_ready",
        "sendgate_decisions_total{outcome=\"dropped\"}",
        "sendgate_queue_messages{lane=\"otp\"}",
        "sendgate_queue_age_seconds{lane=\"other\"}",
        "sendgate_plivo_breaker{state=\"closed\"}",
        "sendgate_telemetry_spans_dropped_total",
        "sendgate_connections{listener=\"apps\"}",
        "sendgate_relay_calls_total{outcome=\"taken\"}",
    ] {
        assert!(all.contains_key(series), "{series} is not in {:#?}", all.keys());
    }
    assert_eq!(all["sendgate_plivo_breaker{state=\"closed\"}"], 1.0);
    assert_eq!(all["sendgate_plivo_breaker{state=\"open\"}"], 0.0);
    // The one that asks.
    assert!(all["sendgate_connections{listener=\"admin\"}"] >= 1.0, "{all:#?}");
    assert!(all.keys().all(|series| !series.contains("4155550123")), "a number is in {all:#?}");
    sidecar.stop().await;
}

#[tokio::test]
async fn reloads_are_counted_by_outcome_and_failures_of_policies_by_kind() {
    let plivo = plivo().await;
    let setup = Setup::new(&plivo).policy(
        Policy::new("runaway").set("grants", json!(["state", "log"])).set("on_failure", "accept"),
    );
    let sidecar = Sidecar::start(setup.clone()).await;
    sidecar.send(&json!({"to": TO, "text": "undecided"})).await.expect(202);
    counts(
        &sidecar,
        "sendgate_policy_decisions_total{error_type=\"undecided\",policy_mode=\"enforce\",policy_name=\"runaway\",verdict=\"failure\"}",
        1.0,
    )
    .await;

    // Each begins with 0, or nobody would see the first.
    let before = read(&sidecar).await;
    for outcome in ["applied", "refused"] {
        assert_eq!(before[&format!("sendgate_reloads_total{{outcome=\"{outcome}\"}}")], 0.0);
    }
    sidecar.folder.write("sidecar.toml", setup.clone().set("delivery.wait_ms", 9_000).to_toml());
    counts(&sidecar, "sendgate_reloads_total{outcome=\"applied\"}", 1.0).await;
    counts(&sidecar, "sendgate_generation", 2.0).await;
    sidecar.folder.write("sidecar.toml", setup.set("delivery.wait_ms", "soon").to_toml());
    counts(&sidecar, "sendgate_reloads_total{outcome=\"refused\"}", 1.0).await;
    sidecar.stop().await;
}

#[tokio::test]
async fn the_build_of_each_policy_is_told_with_the_generation_that_it_came_with() {
    let plivo = plivo().await;
    let throttle = |quota: u32| {
        let limits = json!([{"name": "app", "scope": "app", "quota": quota, "per_s": 3_600}]);
        Policy::new("throttle").settings(json!({"limits": limits}))
    };
    let setup = |quota| Setup::new(&plivo).policy(Policy::new("country")).policy(throttle(quota));
    let sidecar = Sidecar::start(setup(2)).await;
    let policies = sidecar.admin("/policies").await.expect(200);
    let series = |nth: usize| {
        let policy = &policies["policies"][nth];
        let word = |key: &str| policy[key].as_str().expect("a word").to_owned();
        format!(
            "sendgate_policy_generation{{policy_digest=\"{}\",policy_mode=\"enforce\",policy_name=\"{}\",policy_version=\"{}\"}}",
            &word("digest")[..12],
            word("name"),
            word("version")
        )
    };
    counts(&sidecar, &series(0), 1.0).await;
    counts(&sidecar, &series(1), 1.0).await;

    sidecar.folder.write("sidecar.toml", setup(3).to_toml());

    counts(&sidecar, &series(1), 2.0).await;
    counts(&sidecar, &series(0), 1.0).await;
    sidecar.stop().await;
}

#[tokio::test]
async fn what_plivo_turned_away_waits_in_its_lane_and_its_wait_goes_on_over_its_tries() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::new(&plivo)).await;
    let shed = Step::status(429).with_header("retry-after", "1");
    plivo.fail(Outage::Step(Box::new(shed))).await;
    let code = json!({"to": TO, "text": "code 1234", "intent": "otp"});
    sidecar.queue(&code).await;

    let waits = async || {
        let all = read(&sidecar).await;
        let of = |name: &str| all[&format!("{name}{{lane=\"otp\"}}")];
        let age = of("sendgate_queue_age_seconds");
        (of("sendgate_queue_messages") == 1.0 && age > 2.5).then_some(())
    };
    eventually("a code has waited for longer than one wait is", waits).await;

    plivo.restore().await;
    counts(&sidecar, "sendgate_queue_messages{lane=\"otp\"}", 0.0).await;
    sidecar.stop().await;
}

#[tokio::test]
async fn whether_replicas_have_what_they_share_is_told_where_they_share_anything() {
    let (plivo, mut redis) = (plivo().await, Redis::start());
    let setup = Setup::new(&plivo);
    let alone = Sidecar::start(setup.clone()).await;
    assert!(read(&alone).await.keys().all(|series| !series.starts_with("sendgate_shared")));
    alone.stop().await;

    let setup = setup
        .durable()
        .set("store.hash_key", "a-key-that-is-long-enough-for-hashes")
        .set("store.shared", redis.url());
    let sidecar = Sidecar::start(setup).await;
    counts(&sidecar, "sendgate_shared_up", 1.0).await;
    redis.kill();
    counts(&sidecar, "sendgate_shared_up", 0.0).await;
    redis.start_again();
    counts(&sidecar, "sendgate_shared_up", 1.0).await;
    sidecar.stop().await;
}

#[tokio::test]
async fn several_lines_of_accept_are_one_list() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::new(&plivo)).await;
    let asked = sidecar.ask_admin("GET", "/metrics").header("accept", "text/html");
    let answer = asked.header_again("accept", "application/openmetrics-text").answer().await;
    assert!(answer.text.ends_with("# EOF\n"), "{}", answer.text);
}

#[tokio::test]
async fn scrapers_that_ask_and_never_read_hold_up_neither_sends_nor_other_scrapers() {
    let plivo = plivo().await;
    let setup = Setup::new(&plivo).policy(Policy::new("country"));
    let sidecar = Sidecar::start(setup).await;
    let mut silent = Vec::new();
    for _ in 0..8 {
        let mut scraper = Connection::open(sidecar.admin).await;
        // More answers than both ends' systems take in.
        scraper.send("GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(1_000)).await;
        silent.push(scraper);
    }

    for nth in 0..20 {
        sidecar.send(&json!({"to": TO, "text": format!("message {nth}")})).await.expect(202);
    }
    counts(&sidecar, "sendgate_plivo_calls_total{outcome=\"accepted\"}", 20.0).await;
    assert!(read(&sidecar).await["sendgate_connections{listener=\"admin\"}"] > 8.0);
    drop(silent);
    sidecar.stop().await;
}
