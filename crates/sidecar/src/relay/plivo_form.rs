//! Reports in Plivo's own form, signed as Plivo signs, for apps that came through Plivo's door.
//!
//! Source: Plivo's "Message Status Callbacks" and "signature validation". The validators of Plivo's SDKs differ in what
//! they make of a port in the URL (plivo-api.md 4.4), so V3 is given twice, with the port and without; V2 takes one
//! signature only, with the port, which is right for all but Ruby's.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp as Instant;
use message::{E164, Timestamp};
use sha2::Sha256;
use store::{Event, Record, Status};
use url::form_urlencoded;
use uuid::Uuid;

use super::subscriber::PlivoToken;
use crate::reports::codes;

/// Plivo's word for where an event says that a message is; none for states that Plivo does not have.
pub(super) fn word(status: Status) -> Option<&'static str> {
    match status {
        Status::Submitted => Some("queued"),
        Status::Sent => Some("sent"),
        Status::Delivered => Some("delivered"),
        Status::Undelivered => Some("undelivered"),
        Status::Failed | Status::Expired | Status::Canceled => Some("failed"),
        _ => None,
    }
}

/// The parameters of the report; none where Plivo would send none.
pub(super) fn params(event: &Event, record: &Record) -> Option<Vec<(String, String)>> {
    let word = word(event.state)?;
    // Plivo counts a message's reports; ours are at most one for each rank.
    let sequence = match word {
        "queued" => "1",
        "sent" => "2",
        _ => "3",
    };
    // The id that the app knows it by.
    let known = record.message_uuid.as_deref().filter(|_| !record.own_id_told);
    let uuid = known.unwrap_or(&record.id.0);
    let report = record.report.as_ref();
    let said = |value: Option<&String>| value.cloned().unwrap_or_default();
    let units = report.and_then(|report| report.units).unwrap_or(record.segments.count);
    let reported = if sequence == "3" { time(event.at) } else { String::new() };
    let code = event.code.as_deref().map_or("", codes::as_plivo);
    let sender = record.sender.as_str().trim_start_matches('+');
    let params = [
        ("MessageUUID", uuid.to_owned()),
        ("ParentMessageUUID", uuid.to_owned()),
        ("PartInfo", "1 of 1".to_owned()),
        ("From", sender.to_owned()),
        ("To", record.to.as_ref().map(E164::digits).unwrap_or_default().to_owned()),
        ("Type", record.kind.as_str().to_owned()),
        ("Status", word.to_owned()),
        ("Sequence", sequence.to_owned()),
        ("Units", units.to_string()),
        ("TotalRate", said(report.and_then(|report| report.total_rate.as_ref()))),
        ("TotalAmount", said(report.and_then(|report| report.total_amount.as_ref()))),
        ("MCC", said(report.and_then(|report| report.mcc.as_ref()))),
        ("MNC", said(report.and_then(|report| report.mnc.as_ref()))),
        ("ErrorCode", code.to_owned()),
        ("MessageTime", time(record.created)),
        ("QueuedTime", time(record.created)),
        ("DeliveryReportTime", reported),
    ];
    Some(params.map(|(name, value)| (name.to_owned(), value)).to_vec())
}

/// `application/x-www-form-urlencoded`.
pub(super) fn encode(params: &[(String, String)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish()
}

/// Plivo's headers on a call of `url` with `params`, which stand in the query of a GET and in the body of a POST.
pub(super) fn headers(
    token: &PlivoToken,
    get: bool,
    url: &str,
    params: &[(String, String)],
) -> Vec<(&'static str, String)> {
    // Twenty digits, as Plivo's are.
    signed(token, get, url, params, &format!("{:020}", Uuid::new_v4().as_u128() % 10_u128.pow(20)))
}

fn signed(
    token: &PlivoToken,
    get: bool,
    url: &str,
    params: &[(String, String)],
    nonce: &str,
) -> Vec<(&'static str, String)> {
    let v3_of = |url: &str| sign(token, &v3_text(get, url, params, nonce));
    let mut v3 = v3_of(url);
    if let Some(portless) = without_port(url) {
        // Without a space: some validators do not trim.
        v3 = format!("{v3},{}", v3_of(&portless));
    }
    let v2 = sign(token, &format!("{}{nonce}", base(url)));
    vec![
        ("x-plivo-signature-v2", v2.clone()),
        ("x-plivo-signature-ma-v2", v2),
        ("x-plivo-signature-v2-nonce", nonce.to_owned()),
        ("x-plivo-signature-v3", v3.clone()),
        ("x-plivo-signature-ma-v3", v3),
        ("x-plivo-signature-v3-nonce", nonce.to_owned()),
    ]
}

/// What V3 covers: the URL, its query, the parameters and the nonce.
fn v3_text(get: bool, url: &str, params: &[(String, String)], nonce: &str) -> String {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let query = query.split('#').next().unwrap_or_default();
    let mut query: Vec<(String, String)> =
        form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let mut body = params.to_vec();
    if get {
        query.append(&mut body);
    }
    query.sort();
    body.sort();
    let pairs: Vec<String> = query.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let begun = if query.is_empty() && body.is_empty() { "" } else { "?" };
    let between = if query.is_empty() || body.is_empty() { "" } else { "." };
    let rest: String = body.iter().flat_map(|(key, value)| [key.as_str(), value]).collect();
    format!("{}{begun}{}{between}{rest}.{nonce}", base(url), pairs.join("&"))
}

/// The URL up to its query, as it was written.
fn base(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

/// The URL without its port; none where it has none.
fn without_port(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let colon = authority.rfind(':').filter(|at| *at > authority.rfind(']').unwrap_or(0))?;
    Some(format!("{scheme}://{}{path}", &authority[..colon]))
}

fn sign(token: &PlivoToken, text: &str) -> String {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(token.0.as_bytes()).expect("HMAC takes any key length");
    mac.update(text.as_bytes());
    BASE64_STANDARD.encode(mac.finalize().into_bytes())
}

/// Plivo's form of an instant in reports, in UTC.
fn time(at: Timestamp) -> String {
    let instant = i64::try_from(at.0).ok().and_then(|ms| Instant::from_millisecond(ms).ok());
    instant.map_or(String::new(), |at| at.strftime("%Y-%m-%d %H:%M:%S%.6f").to_string())
}

#[cfg(test)]
mod tests {
    use plivo_client::AuthToken;
    use plivo_client::signature::{Callback, Signed, verify};
    use serde_json::Value;

    use super::*;
    use crate::relay::testing::{event, record};

    fn token(text: &str) -> PlivoToken {
        PlivoToken(text.into())
    }

    fn header<'a>(headers: &'a [(&str, String)], name: &str) -> &'a str {
        &headers.iter().find(|(each, _)| *each == name).unwrap().1
    }

    #[test]
    fn every_published_vector_is_met() {
        let vectors: Value =
            serde_json::from_str(include_str!("../../../plivo-sim/vectors/signatures.json"))
                .unwrap();
        for vector in vectors.as_array().unwrap() {
            let word = |name: &str| vector[name].as_str().unwrap();
            let mut params = Vec::new();
            for (key, value) in vector["params"].as_object().into_iter().flatten() {
                let values = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
                let each = |value: &Value| (key.clone(), value.as_str().unwrap().to_owned());
                params.extend(values.iter().map(each));
            }
            let get = vector["method"] == "GET";
            let signed = signed(&token(word("token")), get, word("url"), &params, word("nonce"));
            let name =
                if vector["v"] == 2 { "x-plivo-signature-v2" } else { "x-plivo-signature-v3" };
            let first = header(&signed, name).split(',').next();
            assert_eq!(first, Some(word("sig")), "{}", word("id"));
        }
    }

    #[test]
    fn those_who_drop_the_port_and_those_who_keep_it_both_find_their_signature() {
        let params = vec![("Status".to_owned(), "sent".to_owned())];
        for (written, portless) in [
            ("http://127.0.0.1:9000/dlr?t=7", "http://127.0.0.1/dlr?t=7"),
            ("http://[::1]:9000/dlr", "http://[::1]/dlr"),
            ("http://localhost:9000", "http://localhost"),
            ("http://[::1]/dlr", "http://[::1]/dlr"),
        ] {
            let headers = headers(&token("TOKEN"), false, written, &params);
            for url in [written, portless] {
                let callback = Callback {
                    method: "POST",
                    url,
                    params: &params,
                    v3: Some(header(&headers, "x-plivo-signature-v3")),
                    ma_v3: None,
                    v3_nonce: Some(header(&headers, "x-plivo-signature-v3-nonce")),
                    v2: None,
                    ma_v2: None,
                    v2_nonce: None,
                };
                let tokens = [AuthToken::parse("TOKEN").unwrap()];
                assert_eq!(verify(&tokens, &callback, false), Ok(Signed::V3), "{url}");
            }
            let list = header(&headers, "x-plivo-signature-v3").split(',').count();
            assert_eq!(list, if written == portless { 1 } else { 2 }, "{written}");
            assert!(!header(&headers, "x-plivo-signature-v2").contains(','));
        }
    }

    #[test]
    fn a_report_has_plivos_names_and_words() {
        let mut record = record("m1");
        record.message_uuid = Some("u1".into());
        let mut told = event(1, "m1", Status::Expired);
        told.code = Some("send.expired".into());
        let params = params(&told, &record).unwrap();
        let get =
            |name: &str| params.iter().find(|(key, _)| key == name).map(|(_, value)| &**value);
        for (name, value) in [
            ("MessageUUID", "u1"),
            ("ParentMessageUUID", "u1"),
            ("From", "14155551212"),
            ("To", "14155550123"),
            ("Status", "failed"),
            ("Sequence", "3"),
            ("ErrorCode", "420"),
            ("DeliveryReportTime", "2026-05-28 20:26:40.000000"),
        ] {
            assert_eq!(get(name), Some(value), "{name}");
        }
    }

    #[test]
    fn of_states_that_plivo_does_not_have_there_is_no_report() {
        for status in [Status::InDoubt, Status::Held, Status::Waiting] {
            assert_eq!(params(&event(1, "m1", status), &record("m1")), None, "{status:?}");
        }
    }

    #[test]
    fn before_plivo_has_spoken_our_own_id_stands_for_its_uuid() {
        let params = params(&event(1, "m1", Status::Failed), &record("m1")).unwrap();
        assert_eq!(params[0], ("MessageUUID".to_owned(), "m1".to_owned()));
    }
}
