//! Clients that ask without a pause while the test changes things, and check every answer.

use std::collections::BTreeMap;

use plivo_sim::PlivoSim;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::REFUSED_BY_THE_GUEST;
use crate::harness::{Answer, Sidecar, TO};

/// What a whole generation says of the text [`REFUSED_BY_THE_GUEST`], by its module's digest.
pub(crate) type Verdicts = BTreeMap<String, &'static str>;

/// What the clients did in all.
#[derive(Default)]
struct Tally {
    explained: u64,
    sent: u64,
    refused: u64,
}

/// Runs `change` while four clients explain and send, and checks that each answer was of one whole generation, that no
/// client saw an older one after a newer one, and that Plivo got what was accepted and nothing else.
pub(crate) async fn under_load<T>(
    sidecar: &Sidecar,
    plivo: &PlivoSim,
    verdicts: &Verdicts,
    change: impl AsyncFnOnce() -> T,
) -> T {
    let over = CancellationToken::new();
    let before = plivo.sends().len();
    let changing = async {
        let changed = change().await;
        over.cancel();
        changed
    };
    let client = || ask_until(sidecar, verdicts, &over);
    let (changed, one, two, three, four) =
        tokio::join!(changing, client(), client(), client(), client());
    let all = [one, two, three, four];
    let sent: u64 = all.iter().map(|tally| tally.sent).sum();
    let refused: u64 = all.iter().map(|tally| tally.refused).sum();
    assert!(all.iter().all(|tally| tally.explained > 0), "a client had no turn");
    assert!(sent + refused > 0, "nothing was sent");
    assert_eq!((plivo.sends().len() - before) as u64, sent, "what was accepted and what came");
    changed
}

async fn ask_until(sidecar: &Sidecar, verdicts: &Verdicts, over: &CancellationToken) -> Tally {
    let (mut tally, mut newest) = (Tally::default(), 0);
    let body = json!({"to": TO, "text": REFUSED_BY_THE_GUEST});
    while !over.is_cancelled() {
        let answer = sidecar.post("/v1/explain").json(&body).answer().await;
        newest = explained(&answer, verdicts, newest);
        tally.explained += 1;

        let answer = sidecar.send(&body).await;
        match answer.status {
            202 => {
                assert!(answer.json()["message_uuid"].is_string(), "Plivo's UUID in {answer}");
                tally.sent += 1;
            }
            _ => {
                answer.refused(422, "test.asked");
                tally.refused += 1;
            }
        }
    }
    tally
}

/// The generation that explained it.
fn explained(answer: &Answer, verdicts: &Verdicts, newest: u64) -> u64 {
    let body = answer.expect(200);
    let generation = body["generation"].as_u64().unwrap_or_default();
    assert!(generation >= newest, "generation {newest} was seen before {answer}");
    let all = body["policies"].as_array().into_iter().flatten();
    let heeded: Vec<&Value> = all.filter(|policy| policy["mode"] != "candidate").collect();
    assert_eq!(heeded.len(), 1, "{answer}");
    let digest = heeded[0]["digest"].as_str().unwrap_or_default();
    let wanted = verdicts.get(digest).copied();
    assert_eq!(body["verdict"].as_str(), wanted, "the verdict of {digest} in {answer}");
    let code = if wanted == Some("reject") { json!("test.asked") } else { Value::Null };
    assert_eq!(body["problem"]["code"], code, "{answer}");
    generation
}
