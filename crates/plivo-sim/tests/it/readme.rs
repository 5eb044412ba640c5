//! The README's examples.

use plivo_sim::{Callbacks, PlivoSim, SimConfig};
use serde_json::json;
use tokio::net::TcpListener;

use crate::wire::{call, send};

/// Method, path and body of every line in a block.
fn examples() -> Vec<(&'static str, &'static str, &'static str)> {
    let blocks = include_str!("../../README.md").split("```").skip(1).step_by(2);
    blocks
        .flat_map(str::lines)
        .filter(|line| !line.is_empty())
        .map(|line| {
            let (method, rest) = line.split_once(' ').unwrap_or_else(|| panic!("no path: {line}"));
            let (path, body) = rest.split_once(' ').unwrap_or((rest, ""));
            (method, path, body)
        })
        .collect()
}

#[tokio::test]
async fn every_example_is_taken() {
    let examples = examples();
    assert!(examples.len() > 25, "only {} examples were found", examples.len());
    // Nobody listens there any more, which is an answer to a report too.
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let url = format!("http://{closed}/cb");
    for (method, path, body) in examples {
        let callbacks = Callbacks::Manual;
        let sim = PlivoSim::start(SimConfig { callbacks, ..SimConfig::default() }).await;
        let sms = json!({"src": "14155551212", "dst": "14155550123", "text": "hi", "url": url});
        send(&sim, &sms.to_string()).await;
        let path = path.replace("UUID", &sim.sends()[0].message_uuid);
        let answer = call(&sim, method, &path, body).await;
        assert_eq!(answer.status, 200, "{method} {path} {body}: {}", answer.body);
        sim.stop().await;
    }
}
