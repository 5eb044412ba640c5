//! The example of watching sidecars: its Prometheus is a real one, which scrapes a running sidecar.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::install::source;
use super::{plivo, started};
use crate::harness::{Folder, Redis, Sidecar, TO, client, eventually};

const FILES: [&str; 4] = ["prometheus.yml", "alerts.yml", "alerts.test.yml", "dashboard.json"];

/// A Prometheus with the example's configuration, killed when dropped.
struct Prometheus {
    process: Child,
    address: String,
    folder: Folder,
}

impl Prometheus {
    /// One that scrapes `sidecar` every second.
    fn watching(sidecar: &Sidecar) -> Self {
        let folder = Folder::new();
        for name in FILES {
            let text = source(&format!("examples/observability/{name}"));
            let text = text.replace("127.0.0.1:8788", &sidecar.admin.to_string());
            folder.write(name, text.replace("_interval: 15s", "_interval: 1s"));
        }
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = free.local_addr().expect("its address").to_string();
        drop(free);
        let process = Command::new("prometheus")
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"])
            .arg(format!("--web.listen-address={address}"))
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|err| panic!("prometheus: {err}; run `apt-get install prometheus`"));
        Self { process, address, folder }
    }

    /// The `data` of an answer of its HTTP API; none while it has none.
    async fn ask(&self, path: &str, query: &[(&str, &str)]) -> Option<Value> {
        let url = format!("http://{}/api/v1/{path}", self.address);
        let answer = client().get(url).query(query).send().await.ok()?;
        let body: Value = answer.json().await.ok()?;
        assert_eq!(body["status"], "success", "{path} {query:?}: {body}");
        Some(body["data"].clone())
    }

    /// Runs `promtool` in its folder.
    fn promtool(&self, arguments: &[&str]) {
        let told =
            Command::new("promtool").args(arguments).current_dir(self.folder.path()).output();
        let told = told.unwrap_or_else(|err| panic!("promtool: {err}"));
        let said = [told.stdout, told.stderr].concat();
        assert!(told.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&said));
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// As the app that `sidecar.toml` has.
async fn send(sidecar: &Sidecar) {
    let request = sidecar.post("/v1/messages").bearer("demo-token");
    request.json(&json!({"to": TO, "text": "hi"})).answer().await.expect(202);
}

/// The metrics that a file of the example names.
fn named(file: &str) -> BTreeSet<String> {
    let text = source(&format!("examples/observability/{file}"));
    let words = text.split(|c: char| !c.is_ascii_lowercase() && c != '_');
    let metrics = ["sendgate_", "http_server_", "http_client_"];
    let named = words.filter(|word| metrics.iter().any(|metric| word.starts_with(metric)));
    named.map(str::to_owned).collect()
}

#[tokio::test]
async fn prometheus_finds_every_metric_that_the_alerts_and_the_dashboard_name() {
    let plivo = plivo().await;
    let redis = Redis::start();
    let shared = format!(
        "[store]\nhash_key = \"a-key-that-is-long-enough-for-hashes\"\nshared = {:?}\n",
        redis.url()
    );
    let toml = source("sidecar.toml").replacen("[store]\n", &shared, 1);
    let toml = toml.replacen("#path = \"decisions.jsonl\"", "path = \"decisions.jsonl\"", 1);
    let sidecar = started(&toml, &plivo).await;
    let prometheus = Prometheus::watching(&sidecar);
    send(&sidecar).await;
    let running = std::fs::read_to_string(sidecar.folder.path().join("sidecar.toml")).unwrap();
    sidecar.folder.write("sidecar.toml", format!("{running}\n[nonsense]\n"));

    for arguments in [&["check", "config", "prometheus.yml"][..], &["check", "rules", "alerts.yml"]]
    {
        prometheus.promtool(arguments);
    }
    let mut wanted = named("alerts.yml");
    wanted.extend(named("dashboard.json"));
    assert!(wanted.len() > 12, "{wanted:?}");
    for name in &wanted {
        let found = async || {
            let data = prometheus.ask("label/__name__/values", &[]).await?;
            let known: BTreeSet<String> = serde_json::from_value(data).ok()?;
            // Of a histogram there are the series of its parts.
            known.iter().any(|known| known.starts_with(name)).then_some(())
        };
        eventually(&format!("{name} is scraped"), found).await;
    }

    let up = prometheus.ask("query", &[("query", "up{job=\"sendgate\"}")]).await.unwrap();
    assert_eq!(up["result"][0]["value"][1], "1", "{up}");
    let alerts = source("examples/observability/alerts.yml").matches("- alert: ").count();
    let rules = async || {
        let data = prometheus.ask("rules", &[]).await?;
        let rules = data["groups"][0]["rules"].as_array()?.clone();
        (rules.len() == alerts && rules.iter().all(|rule| rule["health"] == "ok")).then_some(())
    };
    eventually("every rule has been evaluated", rules).await;
    let dashboard: Value =
        serde_json::from_str(&source("examples/observability/dashboard.json")).unwrap();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            let query = target["expr"].as_str().unwrap();
            let query = query.replace("$instance", ".*").replace("$__rate_interval", "1m");
            prometheus.ask("query", &[("query", &query)]).await.expect("an answer");
        }
    }
    sidecar.stop().await;
}

#[tokio::test]
async fn the_alerts_fire_when_they_should_and_the_text_is_as_prometheus_wants_it() {
    let plivo = plivo().await;
    let sidecar = started(&source("sidecar.toml"), &plivo).await;
    send(&sidecar).await;
    let prometheus = Prometheus::watching(&sidecar);
    prometheus.promtool(&["test", "rules", "alerts.test.yml"]);
    let cases = source("examples/observability/alerts.test.yml");
    for alert in source("examples/observability/alerts.yml").lines() {
        let Some((_, name)) = alert.split_once("- alert: ") else { continue };
        assert!(cases.contains(&format!("alertname: {name}\n")), "{name} has no case");
    }

    let text = sidecar.admin("/metrics").await.text;
    prometheus.folder.write("metrics.txt", &text);
    let linted = Command::new("sh")
        .args(["-c", "promtool check metrics < metrics.txt"])
        .current_dir(prometheus.folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&linted.stderr);
    assert!(linted.status.success() && said.is_empty(), "{said}\n{text}");
    sidecar.stop().await;
}
