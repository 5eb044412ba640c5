//! The parts of a request, each alone. Messages are made before the clock runs, and no two are alike.

use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use message::facts::{self, Facts};
use message::{E164, MediaUrl, Message, MessageId, Segments, Sender, Settlement, Timestamp};
use policy_host::{
    Candidate, Cleared, Grant, Isolation, PolicyChain, PolicyName, PolicyRuntime, PolicySource,
    RuntimeOptions,
};
use sidecar::fuzzing;
use store::{Durability, MemoryLedger, MinFree, NewMessage, Place, Record, Store, StoreOptions};
use tokio::runtime::{Builder, Runtime};

const NOW: Timestamp = Timestamp(1_780_000_000_000);

/// Of the repository's `sidecar.toml`: name, grants, settings, with a limit and a window that nothing here reaches.
const CHAIN: [(&str, &[&str], &str); 4] = [
    ("validation", &[], r#"{"unknown_fields": "strip"}"#),
    ("country", &[], r#"{"allow": ["*"], "mms": ["US", "CA"], "mms_fallback": "deny"}"#),
    ("dedup", &["state"], r#"{"window_s": 4, "mode": "reject"}"#),
    (
        "throttle",
        &["state"],
        r#"{"limits": [{"name": "app", "scope": "app", "kind": "window", "quota": 900000, "per_s": 10}]}"#,
    ),
];

fn message(nth: u64) -> Message {
    let to = format!("+1415{}{:04}", 200 + nth / 10_000 % 800, nth % 10_000);
    Message::plain(
        MessageId(format!("{nth:032}").into()),
        E164::parse(&to, "/to").expect("a number"),
        Sender::parse("+16135550123", "/from").expect("a number"),
        format!("Your order {nth:010} has left our store; it arrives tomorrow. Reply STOP to end."),
    )
}

fn surveyed(message: &Message) -> Facts {
    facts::survey(message, Vec::new()).expect("it has facts")
}

fn candidate(nth: u64) -> Candidate {
    let message = message(nth);
    let (facts, now) = (surveyed(&message), NOW.after(Duration::from_millis(nth)));
    let account = message::DEFAULT_ACCOUNT.into();
    Candidate { message, facts, app: "bench".into(), account, door: "messages", now }
}

/// A request's reading, with the facts of its message; and the answer to one that is ours.
fn gateway(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("gateway");
    let native =
        br#"{"to":"+14155550123","text":"Your order has left our store. Reply STOP to end."}"#;
    let list = {
        let to: Vec<String> = (0..100).map(|nth| format!("\"+141555{nth:05}\"")).collect();
        format!("{{\"to\":[{}],\"text\":\"hi\"}}", to.join(","))
    };
    let plivo =
        br#"{"src":"16135550123","dst":"14155550123","text":"Your order has left our store."}"#;
    group.bench_function("decode/native", |bencher| {
        bencher.iter(|| fuzzing::native(black_box(native)))
    });
    group.bench_function("decode/native, 100 recipients", |bencher| {
        bencher.iter(|| fuzzing::native(black_box(list.as_bytes())));
    });
    group.bench_function("decode/plivo", |bencher| {
        bencher.iter(|| fuzzing::plivo(black_box(plivo)))
    });
    for (name, door) in [("native", fuzzing::Form::Native), ("plivo", fuzzing::Form::Plivo)] {
        let answer = fuzzing::Answered::new(door);
        group.bench_function(format!("encode/{name}"), |bencher| {
            bencher.iter(|| black_box(answer.encode()));
        });
    }
}

/// What is found out about a message before any policy is asked.
fn facts_of(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("facts");
    facts::warm_up();
    let sms = message(1);
    group.bench_function("survey", |bencher| bencher.iter(|| surveyed(black_box(&sms))));
    group.bench_function("number", |bencher| bencher.iter(|| facts::number(black_box(&sms.to))));
    let (gsm, ucs) = ("a".repeat(1_600), "ж".repeat(1_600));
    for (name, text) in [("1,600 of GSM-7", &gsm), ("1,600 of UCS-2", &ucs)] {
        group.bench_function(format!("segments/{name}"), |bencher| {
            bencher.iter(|| Segments::of(black_box(text)));
        });
    }
    group.bench_function("media URL", |bencher| {
        bencher.iter(|| {
            MediaUrl::parse(black_box("https://cdn.example.com/a/b.jpg?c=d"), "/media_urls/0")
        });
    });
}

/// One decision of the four policies, with instances that are kept and with fresh ones.
fn chain(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("chain");
    let runtime = runtime();
    for (name, isolation) in [("warm", Isolation::Warm), ("fresh", Isolation::Fresh)] {
        let chain = runtime.block_on(built(isolation));
        let mut nth = 0;
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|count| {
                let mut spent = Duration::ZERO;
                for _ in 0..count {
                    nth += 1;
                    let candidate = candidate(nth);
                    let began = Instant::now();
                    let cleared = runtime.block_on(chain.clear(candidate));
                    spent += began.elapsed();
                    let cleared: Cleared = cleared.unwrap_or_else(|_| panic!("{nth} was refused"));
                    runtime.block_on(cleared.settle(Settlement::Keep)).expect("it is kept");
                }
                spent
            });
        });
    }
}

async fn built(isolation: Isolation) -> PolicyChain {
    let options = RuntimeOptions::new(Arc::new(MemoryLedger::default()));
    let runtime = PolicyRuntime::new(options).expect("an engine");
    let source = |(name, grants, settings): (&str, &[&str], &str)| {
        let path = modules().join(format!("{name}.wasm"));
        let module = fs::read(&path)
            .unwrap_or_else(|err| panic!("{}: {err}; run `cargo xtask policies`", path.display()));
        let mut source = PolicySource::new(PolicyName::new(name), module);
        source.settings = settings.parse().expect("JSON");
        source.grants = grants.iter().filter_map(|grant| Grant::from_word(grant)).collect();
        source.isolation = isolation;
        source
    };
    let sources: Vec<PolicySource> = CHAIN.into_iter().map(source).collect();
    let built = runtime.build(None, &sources).await;
    built.unwrap_or_else(|errors| panic!("the policies do not load: {errors:?}"))
}

/// Where `cargo xtask policies` puts the modules.
fn modules() -> PathBuf {
    let given = std::env::var_os("SENDGATE_POLICIES").map(PathBuf::from);
    given.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/policies"))
}

/// One message made ours, alone and 64 at once; what a commit survives is the process, or the machine.
fn store(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("store");
    group.sample_size(20);
    let (runtime, folder) = (runtime(), tempfile::tempdir().expect("a folder"));
    let file = |name: &str| Place::File(folder.path().join(name));
    for (name, place, durability) in [
        ("memory", Place::Memory, Durability::Process),
        ("process", file("process.db"), Durability::Process),
        ("power", file("power.db"), Durability::Power),
    ] {
        let options =
            StoreOptions { place, durability, min_free: MinFree::NONE, ..StoreOptions::default() };
        let store = Store::open(options, NOW).expect("a store");
        let mut nth = 0;
        let mut batch = |count: u64| {
            let new = |nth: u64| {
                let message = message(nth);
                let segments = Segments::of(&message.text);
                let record = Record::of(&message, segments, "bench", "messages", NOW, NOW);
                NewMessage { record, text: message.text, holds: Vec::new() }
            };
            let batch: Vec<NewMessage> = (nth..nth + count).map(new).collect();
            nth += count;
            batch
        };
        for count in [1, 64] {
            group.bench_function(format!("accept/{name}/{count}"), |bencher| {
                bencher.iter_batched(
                    || batch(count),
                    |new| {
                        // Each in a call of its own, as of requests that come at once.
                        let commits: Vec<_> =
                            new.into_iter().map(|new| store.accept(vec![new], None)).collect();
                        runtime.block_on(async {
                            for commit in commits {
                                commit.await.expect("it is ours");
                            }
                        });
                    },
                    BatchSize::PerIteration,
                );
            });
        }
    }
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

criterion_group!(parts, gateway, facts_of, chain, store);
criterion_main!(parts);
