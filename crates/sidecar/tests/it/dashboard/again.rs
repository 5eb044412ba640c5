//! Somebody who watches comes back.

use serde_json::{Value, json};

use super::{WATCH, Watcher, setup};
use crate::harness::{Sidecar, TO, plivo};

/// A watcher that says what it had last.
async fn back(sidecar: &Sidecar, had: &Value) -> Watcher {
    let last = &had["decisions"].as_array().unwrap().last().unwrap()["number"];
    let id = format!("last-event-id: {}-{last}\r\n\r\n", had["process"].as_str().unwrap());
    Watcher::asking(sidecar, &WATCH.replace("\r\n\r\n", &format!("\r\n{id}"))).await
}

fn numbers(told: &Value) -> Vec<u64> {
    let decisions = told["decisions"].as_array().unwrap().iter();
    decisions.map(|each| each["number"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn who_comes_back_gets_what_it_has_not_and_after_a_restart_all_that_there_is() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(setup(&plivo)).await;
    let send = async |sidecar: &Sidecar, from: u64, to: u64| {
        for nth in from..=to {
            sidecar.send(&json!({"to": TO, "text": format!("n{nth}")})).await.expect(202);
        }
    };
    send(&sidecar, 1, 2).await;
    let had = Watcher::of(&sidecar).await.next("decisions").await;
    assert_eq!(numbers(&had), [1, 2]);
    send(&sidecar, 3, 4).await;

    let rest = back(&sidecar, &had).await.next("decisions").await;
    assert_eq!((numbers(&rest), &rest["dropped"]), (vec![3, 4], &json!(0)));

    let folder = sidecar.kill().await;
    let sidecar = Sidecar::start_in(folder, setup(&plivo)).await;
    send(&sidecar, 5, 7).await;
    let all = back(&sidecar, &had).await.next("decisions").await;
    assert_eq!((numbers(&all), &all["dropped"]), (vec![1, 2, 3], &json!(0)));
    sidecar.stop().await;
}
