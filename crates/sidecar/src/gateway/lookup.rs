//! What an app may look up: its messages, its policies, its limits.

use std::time::Duration;

use http::StatusCode;
use message::{MessageId, limits as provider};
use serde_json::{Value, json};
use store::{Filter, Record, Status, StoreError};
use url::form_urlencoded;

use super::answer::{Answer, api_id};
use super::refusal::{Plain, Refusal};
use super::submission::{HORIZON_S, RECIPIENTS};
use super::{Call, Gateway, shown};
use crate::policies;

/// Most records of one page.
const PAGE: usize = 100;
/// Most records of one page on Plivo's door (Plivo's own bound).
const PLIVO_PAGE: usize = 20;

impl Gateway {
    /// `GET /v1/messages/{id}`
    pub(super) async fn message(&self, call: &Call, id: &str) -> Result<Answer, Refusal> {
        let record = self.own(call, id).await?;
        Ok(Answer::json(StatusCode::OK, &shown::native(&record)))
    }

    /// `GET /v1/messages?status=&to=&after=&limit=`, newest first.
    pub(super) async fn list(&self, call: &Call, query: &str) -> Result<Answer, Refusal> {
        let mut filter = Filter { limit: PAGE, ..Filter::default() };
        let mut faults = Vec::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "status" => match Status::from_word(&value) {
                    Some(status) => filter.status = Some(status),
                    None => faults.push(fault("/status", "is no status of a message")),
                },
                "to" => match message::E164::parse(&value, "/to") {
                    Ok(to) => filter.to = Some(to),
                    Err(fault) => faults.push(fault),
                },
                "after" => filter.after = Some(MessageId((*value).into())),
                "limit" => match value.parse() {
                    Ok(limit @ 1..=PAGE) => filter.limit = limit,
                    _ => faults.push(fault("/limit", "is not a number between 1 and 100")),
                },
                _ => faults
                    .push(fault(&format!("/{name}"), "is no filter; use status, to, after, limit")),
            }
        }
        if !faults.is_empty() {
            return Err(Refusal::Malformed(faults));
        }
        let page = self.messages.list(&call.app.name, &filter).await.map_err(|err| match err {
            StoreError::NotFound => {
                Refusal::Malformed(vec![fault("/after", "is no message of this app")])
            }
            _ => Refusal::internal(),
        })?;
        let messages: Vec<Value> = page.records.iter().map(shown::native).collect();
        let next = page.next.map(|id| id.to_string());
        Ok(Answer::json(StatusCode::OK, &json!({"messages": messages, "next": next})))
    }

    /// `GET /v1/Account/{auth_id}/Message/{uuid}/`, by Plivo's UUID or by our id.
    pub(super) async fn plivo_message(
        &self,
        call: &Call,
        account: &str,
        id: &str,
    ) -> Result<Answer, Refusal> {
        let record = self.own(call, id).await?;
        let mut body = shown::plivo(&record, account);
        body["api_id"] = api_id().into();
        Ok(Answer::json(StatusCode::OK, &body))
    }

    /// `GET /v1/Account/{auth_id}/Message/`: the newest twenty, as Plivo pages them.
    pub(super) async fn plivo_list(
        &self,
        call: &Call,
        account: &str,
        query: &str,
    ) -> Result<Answer, Refusal> {
        let limit = form_urlencoded::parse(query.as_bytes())
            .find(|(name, _)| name == "limit")
            .and_then(|(_, value)| value.parse().ok())
            .map_or(PLIVO_PAGE, |limit: usize| limit.clamp(1, PLIVO_PAGE));
        let filter = Filter { limit, ..Filter::default() };
        let page =
            self.messages.list(&call.app.name, &filter).await.map_err(|_| Plain::Internal)?;
        let objects: Vec<Value> =
            page.records.iter().map(|record| shown::plivo(record, account)).collect();
        let meta = json!({
            "limit": limit, "offset": 0, "next": null, "previous": null, "total_count": objects.len(),
        });
        Ok(Answer::json(
            StatusCode::OK,
            &json!({"api_id": api_id(), "meta": meta, "objects": objects}),
        ))
    }

    /// A message of this app, by our id or by Plivo's.
    async fn own(&self, call: &Call, id: &str) -> Result<Record, Refusal> {
        let by_id = self
            .messages
            .get(&call.app.name, &MessageId(id.into()))
            .await
            .map_err(|_| Plain::Internal)?;
        let found = match by_id {
            Some(record) => Some(record),
            None => {
                self.messages.find_by_uuid(&call.app.name, id).await.map_err(|_| Plain::Internal)?
            }
        };
        found.ok_or_else(|| Plain::NoSuchMessage.into())
    }
}

/// `GET /v1/policies`: the chain as this app meets it.
pub(super) fn policies(call: &Call) -> Answer {
    let chain = &call.in_force.chain;
    let listed: Vec<Value> =
        chain.policies_for(&call.app.name).map(|policy| policies::describe(policy)).collect();
    let body =
        json!({"app": call.app.name, "generation": chain.generation().0, "policies": listed});
    Answer::json(StatusCode::OK, &body)
}

/// `GET /v1/limits`: what bounds a message, each with its source and the date it was read.
pub(super) fn limits(call: &Call, key_retention: Duration) -> Answer {
    let plivo = |value: Value, what: &str| json!({"value": value, "source": what, "as_of": provider::AS_OF});
    let app = &call.app.name;
    let asked = call
        .in_force
        .entries
        .iter()
        .filter(|entry| entry.apps.as_ref().is_none_or(|apps| apps.contains(app)));
    let policies: Vec<Value> = asked
        .map(|entry| json!({"policy": entry.name, "limits": shown_limits(entry.settings())}))
        .collect();
    let body = json!({
        "provider": {
            "number_digits": plivo(provider::NUMBER_DIGITS.into(), "Plivo, Messages API: dst"),
            "gsm7_units": plivo(provider::GSM7_UNITS.into(), "Plivo, Messages API: text"),
            "ucs2_units": plivo(provider::UCS2_UNITS.into(), "Plivo, Messages API: text"),
            "mms_units": plivo(provider::MMS_UNITS.into(), "Plivo, MMS FAQ"),
            "media": plivo(provider::MEDIA.into(), "Plivo, MMS FAQ"),
            "media_bytes": plivo(provider::MEDIA_BYTES.into(), "Plivo, MMS FAQ"),
            "mms_countries": plivo(json!(["US", "CA"]), "Plivo, MMS FAQ"),
            "expiry_s": plivo(json!([provider::EXPIRY_S.start(), provider::EXPIRY_S.end()]), "Plivo, Messages API: message_expiry"),
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

fn fault(pointer: &str, detail: &str) -> message::Fault {
    message::Fault::new(pointer, "body.bad_filter", detail)
}

/// The limits among a policy's settings, by the members that `throttle` gives a limit. Nothing else of the settings is
/// shown: they hold salts, numbers, and whatever a policy of one's own keeps there.
fn shown_limits(settings: &Value) -> Vec<Value> {
    const SHOWN: [&str; 10] =
        ["name", "scope", "kind", "quota", "per_s", "burst", "period", "zone", "cost", "on_limit"];
    let limits = settings.get("limits").and_then(Value::as_array).into_iter().flatten();
    let shown = |limit: &Value| {
        let members = SHOWN.iter().filter_map(|name| {
            let value = limit.get(name).filter(|value| value.is_string() || value.is_number())?;
            Some(((*name).to_owned(), value.clone()))
        });
        Value::Object(members.collect())
    };
    limits.filter(|limit| limit.get("quota").is_some()).map(shown).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::shown_limits;

    #[test]
    fn of_a_policys_settings_only_its_limits_are_shown() {
        let settings = json!({
            "salt": "secret", "verified": ["+14155550123"],
            "limits": [{"name": "app", "quota": 10, "per_s": 60, "exempt": ["+14155550123"], "salt": "x"}, {"x": 1}],
        });
        let shown = json!(shown_limits(&settings));
        assert_eq!(shown, json!([{"name": "app", "quota": 10, "per_s": 60}]));
    }
}
