//! Memory and the server, asked the same by chance, answer the same.

use std::cell::RefCell;
use std::mem::discriminant;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tokio::runtime::Runtime;

use super::*;

/// One thing that is asked of both.
#[derive(Clone, Debug)]
pub(super) enum Ask {
    Take { which: Vec<(usize, u32, bool)>, peek: bool },
    Settle { which: usize, settlement: Settlement },
    Reserve { key: u8, by: u8, ttl_ms: u64 },
    Holder { key: u8 },
    Put { key: u8, value: u8, ttl_ms: u64, if_absent: bool },
    Increment { key: u8, delta: i64, ttl_ms: u64 },
    Get { key: u8 },
}

/// Limits that meet each other: the same names in other kinds, other quotas under the same name.
fn kinds() -> Vec<(&'static str, LimitKind)> {
    vec![
        ("a", window(5, 1.0)),
        ("a", window(3, 2.0)),
        ("a", gcra(5, 1.0, 3)),
        ("b", gcra(7, 1.0, 2)),
        ("b", gcra(3, 1.0, 4)),
        ("c", calendar(6, Period::Day, "America/Los_Angeles")),
        ("c", calendar(4, Period::Day, "America/Los_Angeles")),
        ("c", calendar(4, Period::Week, "UTC")),
        ("d", window(9, 0.5)),
    ]
}

pub(super) fn ask() -> impl Strategy<Value = Ask> {
    let one = (0..kinds().len(), 0_u32..5, any::<bool>());
    let settlement = prop_oneof![Just(Settlement::Keep), Just(Settlement::GiveBack)];
    let delta = prop_oneof![-9..9_i64, Just(i64::MAX), Just(i64::MIN)];
    let ms = 1_u64..2_000;
    prop_oneof![
        6 => (prop::collection::vec(one, 1..4), prop::bool::weighted(0.2))
            .prop_map(|(which, peek)| Ask::Take { which, peek }),
        3 => (0_usize..8, settlement)
            .prop_map(|(which, settlement)| Ask::Settle { which, settlement }),
        2 => (0_u8..3, 0_u8..3, ms.clone())
            .prop_map(|(key, by, ttl_ms)| Ask::Reserve { key, by, ttl_ms }),
        1 => (0_u8..3).prop_map(|key| Ask::Holder { key }),
        1 => (0_u8..2, any::<u8>(), ms.clone(), any::<bool>())
            .prop_map(|(key, value, ttl_ms, if_absent)| Ask::Put { key, value, ttl_ms, if_absent }),
        2 => (0_u8..2, delta, ms)
            .prop_map(|(key, delta, ttl_ms)| Ask::Increment { key, delta, ttl_ms }),
        1 => (0_u8..2).prop_map(|key| Ask::Get { key }),
    ]
}

/// Time between two things asked: mostly short, at times over a window's end or a midnight.
pub(super) fn pause() -> impl Strategy<Value = u64> {
    let long = 3_600_000_u64..100_000_000;
    prop_oneof![5 => Just(0_u64), 10 => 1_u64..400, 3 => 900_u64..2_100, 1 => long]
}

/// The answer without tokens, which differ; what is held is put into `held`.
pub(super) async fn answer(
    asked: &Asked,
    ask: &Ask,
    held: &mut Vec<Vec<Hold>>,
    now: Timestamp,
) -> String {
    let ms = Duration::from_millis;
    match ask {
        Ask::Take { which, peek } => {
            let charges = charges(which);
            let taken = match peek {
                true => asked.peek("p", &charges, now).await,
                false => asked.take("p", &charges, now).await,
            };
            match taken {
                Ok(Taken::Ok { standings, holds }) => {
                    let answer = format!("{standings:?} with {} holds", holds.len());
                    held.push(holds);
                    answer
                }
                Ok(refused) => format!("{refused:?}"),
                Err(error) => format!("{:?}", discriminant(&error)),
            }
        }
        Ask::Settle { which, settlement } => {
            // The latest are settled most, and some more than once.
            let Some(at) = held.len().checked_sub(which + 1) else { return String::new() };
            format!("{:?}", asked.settle(held[at].clone(), *settlement).await)
        }
        Ask::Reserve { key, by, ttl_ms } => {
            let by = id(&by.to_string());
            match asked.reserve("p", &key.to_string(), ms(*ttl_ms), &by, now).await {
                Ok(Reserved::Yes(hold)) => {
                    held.push(vec![hold]);
                    "reserved".into()
                }
                other => format!("{other:?}"),
            }
        }
        Ask::Holder { key } => format!("{:?}", asked.holder("p", &key.to_string(), now).await),
        Ask::Put { key, value, ttl_ms, if_absent } => {
            let value = if value % 2 == 0 { value.to_string() } else { "word".into() };
            let (key, ttl) = (key.to_string(), ms(*ttl_ms));
            format!("{:?}", asked.put("p", &key, value.into(), ttl, *if_absent, now).await)
        }
        Ask::Increment { key, delta, ttl_ms } => {
            let sum = asked.increment("p", &key.to_string(), *delta, ms(*ttl_ms), now).await;
            format!("{sum:?}")
        }
        Ask::Get { key } => format!("{:?}", asked.get("p", &key.to_string(), now).await),
    }
}

/// Each limit once: else they would be invalid, which is looked at elsewhere.
pub(super) fn charges(which: &[(usize, u32, bool)]) -> Vec<Charge> {
    let mut charges: Vec<Charge> = Vec::new();
    for (index, cost, queue) in which {
        let (name, kind) = kinds().swap_remove(*index);
        let queue = *queue && matches!(kind, LimitKind::Gcra(_));
        if charges.iter().all(|other| other.limit != name) {
            charges.push(Charge { queue, ..charge(name, "k", kind, *cost) });
        }
    }
    charges
}

#[test]
fn whatever_is_asked_the_server_answers_as_memory_does() {
    let (runtime, bench) = (Runtime::new().unwrap(), RefCell::new(Bench::new()));
    let steps = prop::collection::vec((pause(), ask()), 1..60);
    let same = |steps: Vec<(u64, Ask)>| {
        let [memory, server] = runtime.block_on(bench.borrow_mut().both());
        let (mut now, mut held) = (at(0.0).0, (Vec::new(), Vec::new()));
        for (pause, ask) in &steps {
            now += pause;
            let expected = runtime.block_on(answer(&memory, ask, &mut held.0, Timestamp(now)));
            let found = runtime.block_on(answer(&server, ask, &mut held.1, Timestamp(now)));
            prop_assert_eq!(expected, found, "to {:?} at {}", ask, now);
        }
        Ok(())
    };
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) };
    TestRunner::new(config).run(&steps, same).unwrap();
}
