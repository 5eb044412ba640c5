//! `GET /v1/limits`: what bounds a message of an app.

use std::time::Duration;

use http::StatusCode;
use message::limits as provider;
use policy_host::{LimitReport, Mode};
use serde_json::{Map, Value, json};

use super::Call;
use super::answer::Answer;
use super::order::HORIZON_S;
use super::submission::RECIPIENTS;
use crate::config::PolicyEntry;
use crate::in_force::usual;

/// Members of a limit, as `throttle` and `budget` name them, that an app may see. Nothing else of the settings is shown:
/// they hold salts, numbers, other apps' names, and whatever a policy of one's own keeps there.
const SHOWN: [&str; 17] = [
    "name",
    "scope",
    "kind",
    "quota",
    "per_s",
    "burst",
    "period",
    "zone",
    "cost",
    "on_limit",
    "segments",
    "usd",
    "per",
    "mode",
    "intents",
    "exempt_intents",
    "regions",
];
/// Each of these is a bound.
const BOUNDS: [&str; 3] = ["quota", "segments", "usd"];
/// The settings that list limits.
const LISTS: [&str; 2] = ["limits", "budgets"];

/// Each with its source and the date it was read. What only looks on (a policy in the shadow) bounds nothing.
pub(super) fn told(call: &Call, key_retention: Duration) -> Answer {
    let plivo = |value: Value, what: &str| json!({"value": value, "source": what, "as_of": provider::AS_OF});
    let app = &call.app.name;
    let asked = call.in_force.entries.iter().filter(|entry| {
        entry.mode == Mode::Enforce
            && entry.apps.as_ref().is_none_or(|apps| apps.iter().any(|each| **each == **app))
    });
    let policies: Vec<Value> = asked.map(|entry| of_policy(call, entry)).collect();
    let body = json!({
        "provider": {
            "number_digits": plivo(provider::NUMBER_DIGITS.into(), "Plivo, Messages API: dst"),
            "gsm7_units": plivo(provider::GSM7_UNITS.into(), "Plivo, Messages API: text"),
            "ucs2_units": plivo(provider::UCS2_UNITS.into(), "Plivo, Messages API: text"),
            "mms_units": plivo(provider::MMS_UNITS.into(), "Plivo, MMS FAQ"),
            "media": plivo(provider::MEDIA.into(), "Plivo, MMS FAQ"),
            "media_bytes": plivo(provider::MEDIA_BYTES.into(), "Plivo, MMS FAQ"),
            "mms_countries": plivo(json!(["US", "CA"]), "Plivo, MMS FAQ"),
            "expiry_s": plivo(
                json!([provider::EXPIRY_S.start(), provider::EXPIRY_S.end()]),
                "Plivo, Messages API: message_expiry",
            ),
        },
        "sendgate": {
            "recipients": RECIPIENTS,
            "ttl_s": HORIZON_S,
            "idempotency_key_s": key_retention.as_secs(),
            "wait_s": call.in_force.delivery.wait.as_secs_f64(),
        },
        "policies": policies,
    });
    Answer::json(StatusCode::OK, &body)
}

/// A limit that bounds a message, as an app is told of it.
#[derive(Clone, Debug)]
pub(crate) struct Bound {
    pub(crate) report: LimitReport,
    /// What its quota counts, where that is not messages.
    pub(crate) unit: Option<&'static str>,
}

/// Those of `standings` that bound a message; a limit that only monitors (`mode = "monitor"`, by itself or as all of
/// its policy) would have a client wait for nothing.
pub(super) fn bounding(call: &Call, standings: &[LimitReport]) -> Vec<Bound> {
    let bounding = standings.iter().filter(|report| !monitors(call, report));
    bounding.map(|report| Bound { report: report.clone(), unit: unit(call, report) }).collect()
}

/// Those of them that refused it.
pub(super) fn refusing(call: &Call, standings: &[LimitReport]) -> Vec<Bound> {
    let mut refusing = bounding(call, standings);
    refusing.retain(|one| one.report.refused);
    refusing
}

/// Those of them that queue it; as refusing it the ones whose turn is furthest.
pub(super) fn queueing(bounding: Vec<Bound>) -> Vec<Bound> {
    let mut queueing = bounding;
    queueing.retain(|one| one.report.pace.is_some());
    let furthest = queueing.iter().map(|one| one.report.delay).max();
    for one in &mut queueing {
        one.report.refused = Some(one.report.delay) == furthest;
    }
    queueing
}

/// Whether the limit is one that only monitors.
pub(super) fn monitors(call: &Call, report: &LimitReport) -> bool {
    call.in_force.monitoring.iter().any(|name| *name == report.policy.as_str())
        || written(call, report, |limit| limit["mode"] == "monitor")
}

/// What the limit counts, where that is not messages.
pub(super) fn unit(call: &Call, report: &LimitReport) -> Option<&'static str> {
    let segments = |limit: &Value| limit["cost"] == "segments" || limit.get("segments").is_some();
    if written(call, report, segments) {
        return Some("segments");
    }
    written(call, report, |limit| limit.get("usd").is_some()).then_some("0.00001 USD")
}

/// Whether the limit is written in its policy's settings so that `is` holds.
fn written(call: &Call, report: &LimitReport, is: impl Fn(&Value) -> bool) -> bool {
    let entries = &call.in_force.entries;
    let entry = entries.iter().find(|entry| entry.name == report.policy.as_str());
    entry.is_some_and(|entry| {
        let lists = LISTS.iter().filter_map(|list| entry.settings().get(*list)?.as_array());
        lists.flatten().any(|limit| limit["name"] == *report.limit && is(limit))
    })
}

fn of_policy(call: &Call, entry: &PolicyEntry) -> Value {
    let settings = entry.settings();
    let chain = &call.in_force.chain;
    let lists = LISTS
        .iter()
        .filter_map(|list| settings.get(*list).cloned().or_else(|| usual(chain, entry, list)));
    let limits: Vec<Value> = lists.flat_map(|list| shown(&list, &call.app.name)).collect();
    json!({"policy": entry.name, "limits": limits})
}

/// Those of `limits` that are for `app`.
fn shown(limits: &Value, app: &str) -> Vec<Value> {
    let limits = limits.as_array().into_iter().flatten().filter_map(Value::as_object);
    let bounds = |limit: &&Map<String, Value>| {
        let names = |key: &str| limit.get(key)?.as_array().map(|apps| apps.contains(&json!(app)));
        BOUNDS.iter().any(|bound| limit.contains_key(*bound))
            && names("apps").unwrap_or(true)
            && !names("exempt_apps").unwrap_or(false)
    };
    let words =
        |value: &Value| value.as_array().is_some_and(|list| list.iter().all(Value::is_string));
    let tell = |limit: &Map<String, Value>| {
        let members = SHOWN.iter().filter_map(|name| {
            let is_plain = |value: &&Value| value.is_string() || value.is_number() || words(value);
            Some(((*name).to_owned(), limit.get(*name).filter(is_plain)?.clone()))
        });
        Value::Object(members.collect())
    };
    limits.filter(bounds).map(tell).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::shown;

    #[test]
    fn of_a_policys_settings_only_its_limits_are_shown() {
        let limits = json!([
            {"name": "app", "quota": 10, "per_s": 60, "exempt": ["+14155550123"], "salt": "x"},
            {"name": "us", "quota": 1, "mode": "monitor", "regions": ["US"], "apps": ["billing", "shop"]},
            {"name": "month", "usd": 40.5, "per": "month"},
            {"x": 1},
            "salt",
        ]);
        let told = json!([
            {"name": "app", "quota": 10, "per_s": 60},
            {"name": "us", "quota": 1, "mode": "monitor", "regions": ["US"]},
            {"name": "month", "usd": 40.5, "per": "month"},
        ]);
        assert_eq!(json!(shown(&limits, "billing")), told);
    }

    #[test]
    fn a_limit_of_other_apps_is_not_shown() {
        let limits = json!([
            {"name": "theirs", "quota": 1, "apps": ["shop"]},
            {"name": "not ours", "quota": 1, "exempt_apps": ["billing"]},
        ]);
        assert_eq!(json!(shown(&limits, "billing")), json!([]));
    }
}
