//! `POST /v1/explain`: what every policy would say, why, and when a message could go. Sends nothing, charges nothing,
//! changes nothing.

mod edit;
mod foresee;
mod when;

use std::mem;
use std::time::{Duration, Instant};

use http::{Request, StatusCode};
use message::facts::Facts;
use message::{Change, Fault, MediaUrl, Message};
use policy_host::{Decision, LimitReport, Verdict};
use serde_json::{Value, json};
use tracing::Span;

use super::answer::{Answer, Door, change_json, problem, segments_json, warning_json};
use super::asking::Asking;
use super::order::{At, Order};
use super::refusal::{Plain, Refusal};
use super::submission::Draft;
use super::{Call, Gateway, limits, now, send};
use crate::listen::Received;
use foresee::{Foreseen, Found};
use when::{Runs, Search, Way};

/// Stands for a media URL that is none.
const ANY_URL: &str = "https://media.invalid/";

impl Gateway {
    pub(super) async fn explain(
        &self,
        call: Call,
        request: Request<Received>,
    ) -> Result<Answer, Refusal> {
        let bytes = self.body(request).await?;
        let order = match Door::Native.read(&bytes) {
            Ok(order) => order,
            Err(faults) => return Ok(refused_whole(&faults.into(), json!([]))),
        };
        // Kept, since another text may be tried in it.
        let kind = order.kind.as_ref().map(|kind| kind.value.clone());
        let submission = match send::judge(&call, Door::Native, order.clone()) {
            Ok(submission) => submission,
            Err(faults) => {
                let mendable = faults.more() == 0 && faults.told().iter().all(is_mendable);
                let refusal = faults.into();
                let when = match mendable {
                    true => self.mended(&call, order, &refusal).await,
                    false => json!([]),
                };
                return Ok(refused_whole(&refusal, when));
            }
        };
        let many = submission.many;
        let probes = send::probed(&call, &submission.drafts).await;
        let (mut asking, mut runs) = (Asking::begin(), Runs::new());
        let mut explained = Vec::with_capacity(submission.drafts.len());
        for draft in submission.drafts {
            explained.push(if asking.may_go_on() {
                let unknown_fields = &submission.unknown_fields;
                let found = Found { unknown_fields, probes: &probes };
                let draft = (draft, kind.as_deref());
                self.explain_one(&call, draft, found, (&mut asking, &mut runs)).await
            } else {
                let mut body = refused(&Plain::NotAsked.into(), Value::Null);
                body["to"] = draft.to.given.into();
                body
            });
        }
        let body = match explained.pop() {
            Some(one) if !many => one,
            last => {
                explained.extend(last);
                json!({"messages": explained})
            }
        };
        Ok(Answer::json(StatusCode::OK, &body))
    }

    /// The ways of a request at which nothing is wrong but what [`is_mendable`]: in a list, of the first recipient that has
    /// any.
    async fn mended(&self, call: &Call, mut order: Order, refusal: &Refusal) -> Value {
        // Any text that is none too long, without media.
        let text = mem::replace(&mut order.text.value, "x".to_owned());
        let urls = mem::take(&mut order.media_urls);
        // One that is none has another in its place: none of them is sent, however it goes.
        let url = |at: &At<String>| MediaUrl::parse(&at.value, "").or(MediaUrl::parse(ANY_URL, ""));
        let urls: Vec<MediaUrl> = urls.iter().filter_map(|at| Some(url(at).ok()?.0)).collect();
        let media_fit = !refusal.faults().iter().any(is_of_a_medium);
        let ids = mem::take(&mut order.media_ids).into_iter().map(|at| at.value);
        let ids: Vec<String> = ids.collect();
        let kind = mem::take(&mut order.kind).map(|kind| kind.value);
        let kind = kind.as_deref();
        let Ok(submission) = send::judge(call, Door::Native, order) else { return json!([]) };
        let probes = send::probed(call, &submission.drafts).await;
        let found = Found { unknown_fields: &submission.unknown_fields, probes: &probes };
        let (now, began, mut runs) = (now(), Instant::now(), Runs::new());
        for message in submission.drafts.into_iter().filter_map(|draft| draft.message.ok()) {
            let (text, media_urls, media_ids) = (text.clone(), urls.clone(), ids.clone());
            let message = &Message { text, media_urls, media_ids, ..message };
            let runs = &mut runs;
            let mut search =
                Search { gateway: self, call, found, message, kind, media_fit, now, began, runs };
            match search.ways(refusal).await {
                Some(ways) if ways.is_empty() => {}
                ways => return ways_json(ways.as_deref(), message),
            }
        }
        json!([])
    }

    async fn explain_one(
        &self,
        call: &Call,
        (draft, kind): (Draft, Option<&str>),
        found: Found<'_>,
        (asking, runs): (&mut Asking, &mut Runs),
    ) -> Value {
        let message = match draft.message {
            Ok(message) => message,
            Err(faults) => {
                let mut body = refused(&faults.into(), json!([]));
                body["to"] = draft.to.given.into();
                return body;
            }
        };
        let (now, began) = (now(), Instant::now());
        let foreseen = match self.foresee(call, message.clone(), found, (now, Duration::ZERO)).await
        {
            Ok(foreseen) => foreseen,
            Err(refusal) => {
                let mut body = refused(&refusal, json!([]));
                body["to"] = draft.to.given.into();
                return body;
            }
        };
        asking.heard(foreseen.failed());
        let earlier = match &foreseen.sent {
            Err(Refusal::Rejected { rejection, .. }) => self.stands_for(call, rejection).await,
            _ => None,
        };
        let ways = match &foreseen.sent {
            Ok(sent) => Some(vec![Way::open(now, *sent)]),
            // That one's record says more.
            Err(_) if let Some(earlier) = &earlier => {
                let start = earlier.not_before.unwrap_or(now).max(now);
                Some(vec![Way::open(now, start)])
            }
            Err(refusal) => {
                let message = &message;
                let (gateway, media_fit) = (self, true);
                let mut search =
                    Search { gateway, call, found, message, kind, media_fit, now, began, runs };
                search.ways(refusal).await
            }
        };
        let when = ways_json(ways.as_deref(), &message);
        let Foreseen { message, facts, trail, warning, mut sent } = foreseen;
        if let Err(Refusal::Rejected { rejection, .. }) = &mut sent {
            draft.to.place(&mut rejection.faults);
        }
        // Whoever stands behind the policy that has another message stand for this one is not asked then.
        let refuser = match (&sent, &earlier) {
            (Err(Refusal::Rejected { policy, .. }), Some(_)) => Some(&*policy.name),
            _ => None,
        };
        let is_behind = |name: &str| {
            let place =
                |name: &str| trail.decisions.iter().position(|each| each.policy.as_str() == name);
            refuser.is_some_and(|refuser| place(name) > place(refuser))
        };
        let own = trail.changes.iter().filter(|change| !is_behind(&change.policy));
        let own: Vec<Change> = own.cloned().chain(refuser.map(send::coalesced)).collect();
        let changes = draft.changes.iter().chain(&own);
        let standings = trail.standings.iter().filter(|limit| !is_behind(limit.policy.as_str()));
        let warnings = trail.warnings.iter().chain(&warning).map(warning_json);
        let limit = |standing| {
            let unit = limits::unit(call, standing).unwrap_or("messages");
            limit_json(standing, unit, limits::monitors(call, standing))
        };
        let mut body = json!({
            "verdict": if sent.is_ok() || earlier.is_some() { "accept" } else { "reject" },
            "to": message.to.as_str(),
            "type": message.kind().as_str(),
            "generation": trail.generation.0,
            "facts": facts_json(&facts),
            "policies": trail.decisions.iter().map(decision_json).collect::<Vec<_>>(),
            "limits": standings.map(limit).collect::<Vec<_>>(),
            "warnings": warnings.collect::<Vec<_>>(),
            "transformations": changes.map(change_json).collect::<Vec<_>>(),
            "when": when,
        });
        match (sent, earlier) {
            // As a send is answered then, which sends nothing.
            (Err(_), Some(earlier)) => body["earlier"] = earlier.id.0.to_string().into(),
            (Err(refusal), None) => body["problem"] = problem(&refusal),
            (Ok(_), _) => {}
        }
        body
    }
}

/// Null where looking was given up.
fn ways_json(ways: Option<&[Way]>, message: &Message) -> Value {
    ways.map_or(Value::Null, |ways| ways.iter().map(|way| way.to_json(message)).collect())
}

/// The answer to a request that can never be right as written.
fn refused_whole(refusal: &Refusal, when: Value) -> Answer {
    Span::current().record("sendgate.code", refusal.code());
    Answer::refused_until(refusal, when)
}

/// What no policy was asked about.
fn refused(refusal: &Refusal, when: Value) -> Value {
    json!({"verdict": "reject", "problem": problem(refusal), "policies": [], "when": when})
}

/// Whether a change that is looked for may help.
fn is_mendable(fault: &Fault) -> bool {
    matches!(fault.code.as_str(), "text.too_long" | "media.too_many" | "sender.not_capable")
        || is_of_the_type(fault)
        || is_of_a_medium(fault)
}

/// Whether it is that `type` says otherwise than the media.
fn is_of_the_type(fault: &Fault) -> bool {
    matches!(fault.code.as_str(), "media.type_mismatch" | "media.required")
}

/// Whether it is about one of the media, which no change but to leave them out would mend.
fn is_of_a_medium(fault: &Fault) -> bool {
    let at = |member: &str| fault.pointer.starts_with(member);
    match fault.code.split_once('.') {
        Some(("url", _)) => at("/media_urls/"),
        _ => fault.code == "media.bad_id" && at("/media_ids/"),
    }
}

/// One policy's verdict with its time in microseconds.
pub(super) fn decision_json(decision: &Decision) -> Value {
    let notes = decision.notes.iter().map(|note| json!({"key": note.key, "value": note.value}));
    let mut body = json!({
        "policy": decision.policy.as_str(),
        "version": &*decision.version,
        "digest": decision.digest.to_string(),
        "mode": decision.mode.as_str(),
        "verdict": decision.verdict.as_str(),
        "us": decision.elapsed.as_micros(),
        "notes": notes.collect::<Vec<_>>(),
    });
    match &decision.verdict {
        Verdict::Accepted => {}
        Verdict::Amended(changes) => {
            body["transformations"] = changes.iter().map(change_json).collect()
        }
        Verdict::Rejected(rejection) => {
            body["code"] = rejection.code.clone().into();
            body["detail"] = rejection.detail.clone().into();
        }
        Verdict::Failed { kind, .. } => body["failure"] = (*kind).into(),
    }
    body
}

fn facts_json(facts: &Facts) -> Value {
    json!({
        "valid": facts.number.valid,
        "region": facts.number.region,
        "number_type": facts.number.number_type.as_str(),
        "zones": facts.number.zones,
        "segments": segments_json(&facts.text),
    })
}

/// To the millisecond.
fn seconds(time: Duration) -> f64 {
    // As an integer first: a sum of fractions would show what binary makes of them.
    u32::try_from(time.as_millis()).map_or(time.as_secs_f64().round(), |ms| f64::from(ms) / 1e3)
}

/// One that `monitors` refuses nothing.
fn limit_json(limit: &LimitReport, unit: &str, monitors: bool) -> Value {
    json!({
        "policy": limit.policy.as_str(),
        "limit": limit.limit,
        "quota": limit.quota(),
        "unit": unit,
        "per_s": limit.period().map(seconds),
        "remaining": limit.remaining,
        "reset_s": seconds(limit.reset),
        "delay_s": seconds(limit.delay),
        "mode": if monitors { "monitor" } else { "enforce" },
        "refused": limit.refused && !monitors,
    })
}
