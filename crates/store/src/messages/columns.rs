//! A record as a row.

use std::time::Duration;

use message::{
    E164, Encoding, Gcra, Kind, MediaUrl, MessageId, Note, Pace, Segments, Sender, Timestamp,
};
use rusqlite::types::Type;
use rusqlite::{Connection, Row};
use serde_json::{Value, json};

use super::{Attempt, AttemptOutcome, Decision, Record, ReportFacts, Status};

/// The columns that [`record`] reads, in its order.
pub(super) const COLUMNS: &str = "id, app, door, recipient, recipient_hash, sender_kind, sender, type, text, text_hash, \
     text_bytes, segments, media_urls, media_ids, intent, tags, plivo_log, trackable, traceparent, relay, status, \
     message_uuid, error_code, created, updated, not_before, deadline, decisions, report, looks, next_look, number, \
     idempotency_key, own_id_told, plivo_dlt, paces, account, next_try";

/// Most attempts that are kept of one message: the first and the latest.
const ATTEMPTS: u32 = 16;

/// A row of [`COLUMNS`], without its attempts.
pub(super) fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    let text = |at: usize| row.get::<_, String>(at);
    let status = text(20)?;
    Ok(Record {
        id: MessageId(text(0)?.into()),
        app: text(1)?,
        account: text(36)?,
        door: text(2)?,
        to: row.get::<_, Option<String>>(3)?.and_then(|to| E164::parse(&to, "").ok()),
        to_hash: row.get(4)?,
        sender: sender(&text(5)?, text(6)?).ok_or_else(|| strange(6, "a sender"))?,
        kind: if text(7)? == "mms" { Kind::Mms } else { Kind::Sms },
        text: row.get(8)?,
        text_hash: row.get(9)?,
        text_bytes: usize::try_from(row.get::<_, i64>(10)?).unwrap_or(0),
        segments: segments(&json_at(row, 11)?),
        media_urls: strings(&json_at(row, 12)?).iter().filter_map(|url| media(url)).collect(),
        media_ids: strings(&json_at(row, 13)?),
        intent: text(14)?,
        tags: pairs(&json_at(row, 15)?),
        plivo_log: row.get(16)?,
        trackable: row.get(17)?,
        plivo_dlt: row.get(34)?,
        traceparent: row.get(18)?,
        relay: row.get(19)?,
        idempotency_key: row.get(32)?,
        own_id_told: row.get(33)?,
        status: Status::from_word(&status).ok_or_else(|| strange(20, "a status"))?,
        message_uuid: row.get(21)?,
        error_code: row.get(22)?,
        created: instant(row, 23)?,
        updated: instant(row, 24)?,
        not_before: row.get::<_, Option<i64>>(25)?.map(from_db),
        deadline: instant(row, 26)?,
        paces: paces(&json_at(row, 35)?),
        decisions: decisions(&json_at(row, 27)?),
        report: row
            .get::<_, Option<String>>(28)?
            .map(|_| json_at(row, 28))
            .transpose()?
            .map(|json| report_facts(&json)),
        looks: row.get(29)?,
        next_look: row.get::<_, Option<i64>>(30)?.map(from_db),
        next_try: row.get::<_, Option<i64>>(37)?.map(from_db),
        attempts: Vec::new(),
    })
}

/// The attempts of a message, in order.
pub(super) fn attempts(connection: &Connection, id: &str) -> rusqlite::Result<Vec<Attempt>> {
    let mut query = connection.prepare_cached(
        "SELECT number, started, ended, outcome, http_status, code, account, plivo_time, given_up FROM attempts \
         WHERE message = ? ORDER BY number",
    )?;
    let rows = query.query_map([id], |row| {
        let outcome: Option<String> = row.get(3)?;
        Ok(Attempt {
            number: row.get(0)?,
            started: instant(row, 1)?,
            ended: row.get::<_, Option<i64>>(2)?.map(from_db),
            outcome: outcome.and_then(|word| AttemptOutcome::from_word(&word)),
            http_status: row.get(4)?,
            code: row.get(5)?,
            account: row.get(6)?,
            plivo_time: row.get::<_, Option<i64>>(7)?.map(from_db),
            given_up: row.get::<_, Option<i64>>(8)?.map(from_db),
        })
    })?;
    rows.collect()
}

/// Writes an attempt, or completes it. The first tells how it began and the latest how it stands; an outage makes
/// thousands between, which are dropped, but for those that may have sent it.
pub(super) fn put_attempt(
    connection: &Connection,
    id: &str,
    attempt: &Attempt,
) -> rusqlite::Result<()> {
    let mut put = connection.prepare_cached(
        "INSERT INTO attempts (message, number, started, ended, outcome, http_status, code, account, plivo_time) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT (message, number) DO UPDATE SET ended = excluded.ended, outcome = excluded.outcome, \
         http_status = excluded.http_status, code = excluded.code, \
         plivo_time = coalesce(plivo_time, excluded.plivo_time)",
    )?;
    put.execute((
        id,
        attempt.number,
        to_db(attempt.started),
        attempt.ended.map(to_db),
        attempt.outcome.map(AttemptOutcome::as_str),
        attempt.http_status,
        attempt.code.as_deref(),
        attempt.account.as_deref(),
        attempt.plivo_time.map(to_db),
    ))?;
    if attempt.number > ATTEMPTS {
        let mut cut = connection.prepare_cached(
            "DELETE FROM attempts WHERE message = ? AND number > 1 AND number <= ? AND given_up IS NULL",
        )?;
        cut.execute((id, attempt.number - ATTEMPTS + 1))?;
    }
    Ok(())
}

/// Of a call that may have sent the message, that it is sent on its way again; what is known of the call stays.
pub(super) fn give_up(
    connection: &Connection,
    id: &str,
    number: u32,
    at: Timestamp,
) -> rusqlite::Result<()> {
    let sql = "UPDATE attempts SET given_up = ? WHERE message = ? AND number = ?";
    connection.prepare_cached(sql)?.execute((to_db(at), id, number)).map(drop)
}

pub(super) fn sender(kind: &str, text: String) -> Option<Sender> {
    Some(match kind {
        "number" => Sender::Number(E164::parse(&text, "").ok()?),
        "short-code" => Sender::ShortCode(text),
        "alphanumeric" => Sender::Alphanumeric(text),
        "pool" => Sender::Pool(text),
        _ => return None,
    })
}

pub(super) fn list_json<'a>(items: impl Iterator<Item = &'a str>) -> Option<String> {
    let items: Vec<&str> = items.collect();
    (!items.is_empty()).then(|| json!(items).to_string())
}

pub(super) fn tags_json(tags: &[(String, String)]) -> Option<String> {
    (!tags.is_empty()).then(|| json!(tags).to_string())
}

pub(super) fn paces_json(paces: &[Pace]) -> Option<String> {
    let each = |pace: &Pace| {
        json!({
            "policy": pace.owner,
            "limit": pace.limit,
            "key": pace.key,
            "quota": pace.gcra.quota,
            "per_ms": u64::try_from(pace.gcra.per.as_millis()).unwrap_or(u64::MAX),
            "burst": pace.gcra.burst,
            "cost": pace.cost,
        })
    };
    (!paces.is_empty()).then(|| Value::Array(paces.iter().map(each).collect()).to_string())
}

pub(super) fn segments_json(segments: &Segments) -> String {
    json!({
        "encoding": segments.encoding.as_str(),
        "units": segments.units,
        "count": segments.count,
        "ucs2_offsets": segments.ucs2_offsets,
    })
    .to_string()
}

pub(super) fn decisions_json(decisions: &[Decision]) -> String {
    let each = |decision: &Decision| {
        let notes = decision
            .notes
            .iter()
            .map(|note| json!([note.policy, note.key, note.value, note.shown]));
        json!({
            "policy": decision.policy,
            "version": decision.version,
            "digest": decision.digest,
            "verdict": decision.verdict,
            "enforced": decision.enforced,
            "codes": decision.codes,
            "notes": notes.collect::<Vec<_>>(),
            "us": u64::try_from(decision.took.as_micros()).unwrap_or(u64::MAX),
        })
    };
    Value::Array(decisions.iter().map(each).collect()).to_string()
}

pub(super) fn report_json(facts: &ReportFacts) -> String {
    json!({
        "status": facts.status,
        "units": facts.units,
        "total_rate": facts.total_rate,
        "total_amount": facts.total_amount,
        "mcc": facts.mcc,
        "mnc": facts.mnc,
    })
    .to_string()
}

pub(crate) fn to_db(at: Timestamp) -> i64 {
    i64::try_from(at.0).unwrap_or(i64::MAX)
}

pub(crate) fn from_db(at: i64) -> Timestamp {
    Timestamp(u64::try_from(at).unwrap_or(0))
}

fn instant(row: &Row<'_>, at: usize) -> rusqlite::Result<Timestamp> {
    row.get(at).map(from_db)
}

fn json_at(row: &Row<'_>, at: usize) -> rusqlite::Result<Value> {
    let Some(text) = row.get::<_, Option<String>>(at)? else { return Ok(Value::Null) };
    serde_json::from_str(&text)
        .map_err(|err| rusqlite::Error::FromSqlConversionFailure(at, Type::Text, Box::new(err)))
}

fn strange(at: usize, what: &str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(at, Type::Text, format!("is not {what}").into())
}

fn media(url: &str) -> Option<MediaUrl> {
    MediaUrl::parse(url, "").ok().map(|(url, _)| url)
}

fn strings(json: &Value) -> Vec<String> {
    json.as_array()
        .into_iter()
        .flatten()
        .filter_map(|item| Some(item.as_str()?.to_owned()))
        .collect()
}

fn pairs(json: &Value) -> Vec<(String, String)> {
    let pair = |item: &Value| Some((item[0].as_str()?.to_owned(), item[1].as_str()?.to_owned()));
    json.as_array().into_iter().flatten().filter_map(pair).collect()
}

fn count(json: &Value) -> u32 {
    json.as_u64().and_then(|count| u32::try_from(count).ok()).unwrap_or(0)
}

fn text(json: &Value) -> String {
    json.as_str().unwrap_or_default().to_owned()
}

fn segments(json: &Value) -> Segments {
    Segments {
        encoding: if json["encoding"] == "ucs2" { Encoding::Ucs2 } else { Encoding::Gsm7 },
        units: count(&json["units"]),
        count: count(&json["count"]),
        ucs2_offsets: json["ucs2_offsets"].as_array().into_iter().flatten().map(count).collect(),
    }
}

fn decisions(json: &Value) -> Vec<Decision> {
    let note = |note: &Value| Note {
        policy: text(&note[0]),
        key: text(&note[1]),
        value: text(&note[2]),
        shown: note[3].as_bool().unwrap_or(false),
    };
    let each = |json: &Value| Decision {
        policy: text(&json["policy"]),
        version: text(&json["version"]),
        digest: text(&json["digest"]),
        verdict: text(&json["verdict"]),
        enforced: json["enforced"].as_bool().unwrap_or(true),
        codes: strings(&json["codes"]),
        notes: json["notes"].as_array().into_iter().flatten().map(note).collect(),
        took: Duration::from_micros(json["us"].as_u64().unwrap_or(0)),
    };
    json.as_array().into_iter().flatten().map(each).collect()
}

fn paces(json: &Value) -> Vec<Pace> {
    let each = |json: &Value| Pace {
        owner: text(&json["policy"]),
        limit: text(&json["limit"]),
        key: text(&json["key"]),
        gcra: Gcra {
            quota: count(&json["quota"]),
            per: Duration::from_millis(json["per_ms"].as_u64().unwrap_or(0)),
            burst: count(&json["burst"]),
        },
        cost: count(&json["cost"]),
    };
    json.as_array().into_iter().flatten().map(each).collect()
}

fn report_facts(json: &Value) -> ReportFacts {
    let given = |key: &str| json[key].as_str().map(str::to_owned);
    ReportFacts {
        status: text(&json["status"]),
        units: json["units"].as_u64().and_then(|units| u32::try_from(units).ok()),
        total_rate: given("total_rate"),
        total_amount: given("total_amount"),
        mcc: given("mcc"),
        mnc: given("mnc"),
    }
}
