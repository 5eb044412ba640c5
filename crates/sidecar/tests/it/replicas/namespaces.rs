//! Replicas on three machines, as far as the network is concerned: each in a namespace of its own, as in a mesh.

mod apart;
mod mesh;

use std::cell::Cell;

use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::{cut_off, id, is_replay, keyed, settled, text, throttle};
use crate::harness::{Answer, Folder, PATIENCE, Setup, Sidecar, eventually, module, texts};
use apart::apart;
use mesh::Mesh;

/// Orders that apps send, a third to each replica.
const ORDERS: usize = 96;
/// So many of them are asked for at once; a multiple of three.
const AT_ONCE: usize = 24;
/// So many of them have been sent when something happens to a replica.
const UNDER_WAY: usize = 30;
/// What all replicas may send together: more than the orders.
const QUOTA: usize = 120;

#[test]
fn three_replicas_in_three_networks_keep_one_limit_and_send_once_under_one_key() {
    apart(async || {
        let mesh = Mesh::start().await;
        let setup = mesh.setup().policy(throttle(10, "reject"));
        let replicas = mesh.replicas(&setup).await;
        let elsewhere = TcpStream::connect("127.0.0.1:8787").await;
        assert!(elsewhere.is_err(), "they listen there, in other networks than this");

        let mut asked = JoinSet::new();
        for nth in 0..50 {
            let request = replicas[nth % 3].post("/v1/messages").key("order-17");
            asked.spawn(request.json(&text("the same")).answer());
        }
        let answers = asked.join_all().await;
        let first = settled(&replicas[0], "order-17", &text("the same")).await;
        for answer in &answers {
            match answer.status {
                202 => assert_eq!(id(answer), id(&first)),
                _ => drop(answer.refused(409, "idem.in_progress")),
            }
        }
        assert_eq!(mesh.plivo.sends().len(), 1);

        let mut asked = JoinSet::new();
        for nth in 0..60 {
            let request = replicas[nth % 3].post("/v1/messages");
            asked.spawn(request.json(&text(&format!("text {nth}"))).answer());
        }
        let (sent, refused): (Vec<_>, Vec<_>) =
            asked.join_all().await.into_iter().partition(|answer| answer.status == 202);
        assert_eq!(sent.len(), 9, "the tenth was sent under the key");
        for answer in refused {
            answer.refused(429, "throttle.app");
        }
        assert_eq!(mesh.plivo.sends().len(), 10);
        stop(replicas).await;
    });
}

#[test]
fn a_replica_whose_way_to_the_redis_is_cut_refuses_keys_and_what_the_others_send_is_sent_once() {
    apart(async || {
        let mesh = Mesh::start().await;
        let setup =
            mesh.setup().policy(throttle(QUOTA as u64, "reject")).set("delivery.wait_ms", 1_000);
        // The one that is cut off notices it by that nothing is answered.
        let first = setup.clone().set("store.shared_timeout_ms", 1_000);
        let (one, two, three) = tokio::join!(
            mesh.replica(0, Folder::new(), &first),
            mesh.replica(1, Folder::new(), &setup),
            mesh.replica(2, Folder::new(), &setup),
        );
        let replicas = [one, two, three];
        let asked = orders(&replicas);
        mesh.plivo.wait_for_sends(UNDER_WAY, PATIENCE).await.unwrap();

        mesh.cut(0);

        cut_off(&replicas[0]).await;
        let refused = keyed(&replicas[0], "cut off", &text("cut off")).await;
        refused.refused(503, "idem.unavailable");
        assert!(refused.header("retry-after").is_some(), "{refused}");
        replicas[0].send(&text("cut off")).await.refused(503, "policy.module_failed");
        for replica in &replicas[1..] {
            let key = format!("meanwhile at {}", replica.folder.path().display());
            keyed(replica, &key, &text(&key)).await.expect(202);
        }
        let mut again = Vec::new();
        for (nth, answer) in asked.join_all().await.into_iter().flatten() {
            let answer = answer.expect("an answer");
            match answer.status {
                503 if nth % 3 == 0 => again.push(nth),
                _ => drop(answer.expect(202)),
            }
        }

        mesh.nothing_is_on_its_way(0).await;

        let elsewhere = async {
            for nth in &again {
                settled(&replicas[1], &key_of(*nth), &order(*nth)).await.expect(202);
            }
        };
        let mended = async {
            mesh.mend(0);
            super::connected(&replicas[0]).await;
        };
        tokio::join!(elsewhere, mended);

        keyed(&replicas[0], "cut off", &text("cut off")).await.expect(202);
        each_is_sent_once(&mesh).await;
        // Charges of which the replica heard nothing are given back, so that the limit is used up and no more.
        let mut nth = 0;
        eventually("the limit is used up", async || {
            nth += 1;
            replicas[2].send(&text(&format!("and {nth}"))).await;
            (mesh.plivo.sends().len() == QUOTA).then_some(())
        })
        .await;
        for replica in &replicas {
            replica.send(&text("one too many")).await.refused(429, "throttle.app");
        }
        assert_eq!(mesh.plivo.sends().len(), QUOTA);
        stop(replicas).await;
    });
}

#[test]
fn what_a_killed_replica_was_asked_for_is_sent_once_by_whoever_is_asked_next() {
    apart(async || {
        let mesh = Mesh::start().await;
        let setup = mesh.setup().policy(throttle(QUOTA as u64, "reject"));
        let setup = setup.set("delivery.wait_ms", 1_000).set("delivery.settle_s", json!([1]));
        let [one, two, three] = mesh.replicas(&setup).await;
        let replicas = [one, two, three];
        let asked = orders(&replicas);
        mesh.plivo.wait_for_sends(UNDER_WAY, PATIENCE).await.unwrap();

        let [one, two, three] = replicas;
        let folder = one.kill().await;

        for (nth, answer) in asked.join_all().await.into_iter().flatten() {
            match answer {
                Ok(answer) => drop(answer.expect(202)),
                Err(err) => assert_eq!(nth % 3, 0, "no answer of one that is alive: {err}"),
            }
            // Under its lease the key is in flight for a while longer.
            settled([&two, &three][nth % 2], &key_of(nth), &order(nth)).await.expect(202);
        }

        // What the others know to be its own it sends itself, and what they have sent it lets go.
        let one = mesh.replica(0, folder, &setup).await;
        each_is_sent_once(&mesh).await;
        for nth in 0..ORDERS {
            assert!(is_replay(&settled(&three, &key_of(nth), &order(nth)).await));
        }
        let replicas = [one, two, three];
        until_refused(&replicas).await;
        let sent = mesh.plivo.sends().len();
        assert!(sent <= QUOTA, "{sent} sent, of {QUOTA} at most");
        each_is_sent_once(&mesh).await;
        stop(replicas).await;
    });
}

#[test]
fn a_new_module_and_new_settings_come_replica_by_replica_and_no_request_fails_for_it() {
    apart(async || {
        let mesh = Mesh::start().await;
        let setup = |quota, module: &str| -> Setup {
            mesh.setup().policy(throttle(quota, "reject").set("module", module))
        };
        let (old, new) = (setup(40, "old.wasm"), setup(60, "new.wasm"));
        let bytes = std::fs::read(module("throttle")).unwrap();
        let start = async |nth| {
            let folder = Folder::new();
            folder.write("old.wasm", &bytes);
            mesh.replica(nth, folder, &old).await
        };
        let (one, two, three) = tokio::join!(start(0), start(1), start(2));
        let replicas = [one, two, three];
        let (answered, rolled) = (Cell::new(0), Cell::new(false));
        let client = async |replica: &Sidecar, name: &str| {
            while !rolled.get() {
                let key = format!("{name}, order {}", answered.get());
                let answer = keyed(replica, &key, &text(&key)).await;
                if answer.status != 202 {
                    answer.refused(429, "throttle.app");
                }
                answered.set(answered.get() + 1);
            }
        };
        let goes_on = async || {
            let so_far = answered.get();
            let more = async || (answered.get() >= so_far + 12).then_some(());
            eventually("apps are answered", more).await;
        };

        let roll = async {
            for replica in &replicas {
                goes_on().await;
                replica.folder.write("new.wasm", rebuilt(&bytes));
                replica.folder.write("sidecar.toml", new.to_toml());
                let reloaded =
                    async || (replica.ready().await.expect(200)["generation"] == 2).then_some(());
                eventually("the new policies are in force", reloaded).await;
            }
            goes_on().await;
            rolled.set(true);
        };
        tokio::join!(
            roll,
            client(&replicas[0], "app 0"),
            client(&replicas[1], "app 1"),
            client(&replicas[2], "app 2"),
        );

        until_refused(&replicas).await;
        assert_eq!(mesh.plivo.sends().len(), 60);
        stop(replicas).await;
    });
}

/// All orders, each to its own replica; each answer with its order's number.
fn orders(replicas: &[Sidecar; 3]) -> JoinSet<Vec<(usize, Result<Answer, reqwest::Error>)>> {
    let one = |nth: usize| {
        let request = replicas[nth % 3].post("/v1/messages").key(&key_of(nth)).json(&order(nth));
        (nth, request)
    };
    let mut apps = JoinSet::new();
    for app in 0..AT_ONCE {
        let requests: Vec<_> = (app..ORDERS).step_by(AT_ONCE).map(one).collect();
        apps.spawn(async move {
            let mut answers = Vec::new();
            for (nth, request) in requests {
                answers.push((nth, request.outcome().await));
            }
            answers
        });
    }
    apps
}

fn key_of(nth: usize) -> String {
    format!("order {nth}")
}

/// Each to its own number, so that Plivo's list tells of each.
fn order(nth: usize) -> Value {
    json!({"to": format!("+1415555{:04}", 200 + nth), "text": key_of(nth)})
}

/// Waits until all orders have been sent; none was twice.
async fn each_is_sent_once(mesh: &Mesh) {
    let sent = eventually("all orders are sent", async || {
        let mut sent = texts(&mesh.plivo);
        sent.retain(|text| text.starts_with("order "));
        (sent.len() >= ORDERS).then_some(sent)
    })
    .await;
    for nth in 0..ORDERS {
        let times = sent.iter().filter(|text| **text == key_of(nth)).count();
        assert_eq!(times, 1, "sends of {}: {sent:?}", key_of(nth));
    }
}

/// Sends until the limit is used up at each of them.
async fn until_refused(replicas: &[Sidecar; 3]) {
    for replica in replicas {
        let mut nth = 0;
        eventually("the limit is used up", async || {
            nth += 1;
            let answer = replica.send(&text(&format!("and {nth}"))).await;
            (answer.status != 202).then(|| answer.refused(429, "throttle.app"))
        })
        .await;
    }
}

/// The same module as another build has it: with a section that says nothing.
fn rebuilt(module: &[u8]) -> Vec<u8> {
    [module, b"\0\x06\x05built"].concat()
}

async fn stop(replicas: [Sidecar; 3]) {
    for replica in replicas {
        replica.stop().await;
    }
}
