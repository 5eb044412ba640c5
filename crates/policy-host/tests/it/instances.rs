//! Which instances live on.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use policy_host::{Isolation, PolicyChain, PolicyRuntime, RuntimeOptions};
use store::MemoryLedger;

use wasmparser::{Parser, Payload};

use crate::host::{Host, country, dedup, ending, module, policy, runaway, sms};

#[tokio::test]
async fn a_warm_instance_is_used_again() {
    let host = Host::new();
    let chain = host.chain(&[runaway()]).await;
    assert_eq!(chain.policies()[0].idle_instances(), 1, "the first message would wait for one");
    for _ in 0..3 {
        assert_eq!(ending(&chain.clear(sms("hello")).await), "cleared");
        assert_eq!(chain.policies()[0].idle_instances(), 1);
    }
}

#[tokio::test]
async fn an_instance_that_failed_is_never_used_again() {
    let host = Host::new();
    let chain = host.chain(&[runaway()]).await;
    drop(chain.clear(sms("hello")).await.unwrap());
    assert_eq!(ending(&chain.clear(sms("panic")).await), "failed: trap");
    assert_eq!(chain.policies()[0].idle_instances(), 0);
}

#[tokio::test]
async fn a_policy_that_said_that_it_cannot_decide_keeps_its_instance() {
    let host = Host::new();
    let chain = host.chain(&[runaway()]).await;
    assert_eq!(ending(&chain.clear(sms("undecided")).await), "failed: undecided");
    assert_eq!(chain.policies()[0].idle_instances(), 1);
}

#[tokio::test]
async fn an_instance_is_recycled_after_its_last_call() {
    let host = Host::new();
    let mut source = runaway();
    source.limits.max_calls = 2;
    let chain = host.chain(&[source]).await;
    let mut idle = Vec::new();
    for _ in 0..4 {
        drop(chain.clear(sms("hello")).await.unwrap());
        idle.push(chain.policies()[0].idle_instances());
    }
    assert_eq!(idle, [1, 0, 1, 0]);
}

/// How many decisions the instance says to have made, this one included.
async fn decisions(chain: &PolicyChain) -> String {
    let cleared = chain.clear(sms("hello")).await.unwrap();
    let notes = &cleared.decisions()[0].notes;
    notes.iter().find(|note| note.key == "probe.calls").unwrap().value.clone()
}

#[tokio::test]
async fn nothing_of_a_fresh_policy_survives_its_call() {
    let host = Host::new();
    let warm = host.chain(&[policy("probe")]).await;
    assert_eq!([decisions(&warm).await, decisions(&warm).await], ["1", "2"]);

    let mut fresh = policy("probe");
    fresh.isolation = Isolation::Fresh;
    let fresh = host.chain(&[fresh]).await;
    assert_eq!([decisions(&fresh).await, decisions(&fresh).await], ["1", "1"]);
    assert_eq!(fresh.policies()[0].idle_instances(), 0);
}

/// Bytes of memory that instances of `module` begin with.
fn begins_with(module: &[u8]) -> usize {
    let memory = |part| match part {
        Ok(Payload::MemorySection(memories)) => memories.into_iter().next()?.ok(),
        _ => None,
    };
    let memory = Parser::new(0).parse_all(module).find_map(memory).unwrap();
    usize::try_from(memory.initial).unwrap() << 16
}

#[tokio::test]
async fn a_policy_of_the_sdk_fills_what_memory_it_begins_with_before_it_asks_for_more() {
    let chain = Host::new().chain(&[country(), dedup()]).await;
    let cleared = chain.clear(sms("hello")).await.unwrap();
    let used: Vec<usize> = cleared.decisions().iter().map(|decision| decision.memory).collect();
    assert_eq!(used, ["country", "dedup"].map(|name| begins_with(&module(name))));
    assert!(used.iter().all(|bytes| *bytes < 1 << 20), "a stack of 1 MiB: {used:?}");
}

#[tokio::test]
async fn no_more_idle_instances_are_kept_than_the_bound() {
    let host = Host::with(|options| options.idle_per_policy = 1);
    let chain = host.chain(&[dedup()]).await;
    host.ledger.get_stuck();
    // Both are in their guests when the ledger answers.
    let both_asked = async {
        while host.ledger.asked().len() < 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!(chain.policies()[0].idle_instances(), 0);
        host.ledger.get_going();
    };
    let (a, b, ()) = tokio::join!(chain.clear(sms("one")), chain.clear(sms("two")), both_asked);
    assert_eq!((ending(&a), ending(&b)), ("cleared".to_owned(), "cleared".to_owned()));
    assert_eq!(chain.policies()[0].idle_instances(), 1);
}

#[tokio::test]
async fn what_lies_beside_compiled_modules_is_nobodys_to_take_away() {
    // The engine takes out of its folder whatever it does not know.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("beside-compiled");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("sendgate.db"), "somebody's").unwrap();
    let options = RuntimeOptions {
        compile_cache: Some(folder.clone()),
        ..RuntimeOptions::new(Arc::new(MemoryLedger::default()))
    };
    drop(PolicyRuntime::new(options).unwrap());

    let mut names: Vec<_> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["sendgate-compiled", "sendgate.db"]);
}
