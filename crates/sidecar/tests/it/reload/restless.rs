//! Files that change faster than they can be read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{fs, thread};

use serde_json::json;

use super::{POLLS_OFTEN, applied, configure, refusal};
use crate::harness::{Policy, Setup, Sidecar, TO, plivo};

#[tokio::test]
async fn files_that_do_not_stand_still_are_told_and_what_is_there_in_the_end_is_taken() {
    let plivo = plivo().await;
    let with = |countries: &[&str]| {
        let policy = Policy::new("country").settings(json!({"allow": countries}));
        Setup::new(&plivo).set("reload.poll_ms", POLLS_OFTEN).policy(policy)
    };
    let sidecar = Sidecar::start(with(&["US"])).await;
    let [path, draft] = ["sidecar.toml", "next.toml"].map(|name| sidecar.folder.path().join(name));
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let restless = [with(&["US", "DE"]).to_toml(), with(&["US", "GB"]).to_toml()];
    let writer = thread::spawn(move || {
        for text in restless.iter().cycle().take_while(|_| !stopped.load(Ordering::Relaxed)) {
            fs::write(&draft, text).and_then(|()| fs::rename(&draft, &path)).unwrap();
        }
    });
    let faults = refusal(&sidecar, "changed each of 5 times that it was read").await;
    stop.store(true, Ordering::Relaxed);
    writer.join().unwrap();
    assert_eq!(faults.len(), 1, "{faults:?}");
    sidecar.send(&json!({"to": TO, "text": "hi"})).await.expect(202);

    configure(&sidecar, &with(&["FR"]));
    applied(&sidecar, 1).await;
    let to_france = json!({"to": "+33612345678", "text": "salut"});
    sidecar.send(&to_france).await.expect(202);
    sidecar.send(&json!({"to": TO, "text": "hi"})).await.refused(403, "country.not_allowed");
    sidecar.stop().await;
}
