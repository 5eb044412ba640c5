//! The areas phone, country, url and text: requests through a running sidecar, one for every configuration they need.

use std::collections::BTreeMap;

use plivo_sim::{PlivoSim, Queued};
use serde_json::{Map, Value, json};

use super::line::{Expect, Line, lines_of};
use super::{Report, codes, probe};
use crate::harness::{Answer, App, Policy, Setup, Sidecar, TOKEN, plivo};

/// Members of an input that are no members of the request.
const NOT_SENT: [&str; 3] = ["policy", "trial", "route"];

#[tokio::test]
async fn phone_numbers() {
    run("phone").await;
}

#[tokio::test]
async fn countries() {
    run("country").await;
}

#[tokio::test]
async fn media_urls() {
    run("url").await;
}

#[tokio::test]
async fn texts() {
    run("text").await;
}

async fn run(area: &str) {
    let mut configurations: BTreeMap<String, Vec<Line>> = BTreeMap::new();
    let mut report = Report::default();
    for line in lines_of(area) {
        if probe::is_meant(&line) {
            report.add(&line, probe::judge(&line).await);
            continue;
        }
        let deviation = json!([line.input["policy"], line.input["trial"]]).to_string();
        configurations.entry(deviation).or_default().push(line);
    }
    for lines in configurations.into_values() {
        let plivo = plivo().await;
        let sidecar = Sidecar::start(setup(&plivo, &lines[0].input)).await;
        for line in &lines {
            plivo.clear();
            let answer = ask(&sidecar, &line.input).await;
            report.add(line, judge(line, &answer, &plivo.sends()));
        }
        sidecar.stop().await;
    }
    report.conclude(area);
}

/// The reference profile, with what `input` deviates in. The rate limit and the content window are off, so that lines
/// do not disturb each other.
fn setup(plivo: &PlivoSim, input: &Value) -> Setup {
    let (mut app, mut validation, mut country) = (App::new("demo", TOKEN), json!({}), json!({}));
    for (name, value) in input["policy"].as_object().unwrap_or(&Map::new()) {
        match name.as_str() {
            "phone" => app = app.set("phone", value.clone()),
            "unknown_fields" | "smart_encoding" => validation[name] = value.clone(),
            "mms_fallback" => country[name] = value.clone(),
            "country" => {
                let listed = value["default"] == "deny";
                country["allow"] = if listed { value["allow"].clone() } else { json!(["*"]) };
                country["deny"] = value["deny"].as_array().cloned().unwrap_or_default().into();
            }
            other => panic!("no configuration is known for the deviation {other}"),
        }
    }
    let mut setup = Setup::new(plivo).app(app);
    if input["trial"].is_object() {
        setup = setup.policy(Policy::new("trial").settings(input["trial"].clone()));
    }
    setup
        .policy(Policy::new("validation").settings(validation))
        .policy(Policy::new("country").settings(country))
}

async fn ask(sidecar: &Sidecar, input: &Value) -> Answer {
    if let Some(size) = input["raw_bytes"].as_u64() {
        let mut body = r#"{"to":"+14155550123","text":"hi"}"#.to_owned();
        body.push_str(&" ".repeat(usize::try_from(size).unwrap() - body.len()));
        return sidecar.post("/v1/messages").body(body).answer().await;
    }
    if let Some(raw) = input["raw"].as_str() {
        return sidecar.post("/v1/messages").body(raw).answer().await;
    }
    let mut members = input.as_object().expect("an object").clone();
    members.retain(|name, _| !NOT_SENT.contains(&name.as_str()));
    let content_type = members.remove("content_type");
    let content_type = content_type.as_ref().and_then(Value::as_str).unwrap_or("application/json");
    let route = input["route"].as_str().unwrap_or("/v1/messages");
    let body = if route == "/mms/send" { seed_form(&members) } else { members.into() };
    sidecar.post(route).header("content-type", content_type).json(&body).answer().await
}

fn seed_form(members: &Map<String, Value>) -> Value {
    json!({"recipient": members["to"], "message": members["text"], "mediaUrls": members["media_urls"]})
}

fn judge(line: &Line, answer: &Answer, sends: &[Queued]) -> Result<(), String> {
    match line.expect {
        Expect::Deny => denied(line, answer, sends),
        Expect::Allow | Expect::Transform => sent(line, answer, sends),
    }
    .map_err(|why| format!("{why}\n    in {answer}"))
}

fn denied(line: &Line, answer: &Answer, sends: &[Queued]) -> Result<(), String> {
    ensure(sends.is_empty(), || "Plivo received it".into())?;
    same("the status", answer.status, codes::status(&line.code))?;
    let codes = answer.codes();
    ensure(codes.contains(&line.code), || format!("the codes are {codes:?}"))
}

fn sent(line: &Line, answer: &Answer, sends: &[Queued]) -> Result<(), String> {
    same("the status", answer.status, 202)?;
    let [send] = sends else { return Err(format!("Plivo received {} messages", sends.len())) };
    let body = answer.json();
    same("the UUID", body["message_uuid"].as_str(), Some(send.message_uuid.as_str()))?;
    let coded = |list: &str| body[list].as_array().cloned().unwrap_or_default();
    let transformations = coded("transformations");
    if line.expect == Expect::Allow {
        ensure(transformations.is_empty(), || "it was transformed".into())?;
        as_asked(&line.input, send)?;
    } else {
        let mut notes = transformations.into_iter().chain(coded("warnings"));
        ensure(notes.any(|note| note["code"] == line.code.as_str()), || {
            "nothing says that it was transformed".into()
        })?;
    }
    if let Some(out) = &line.out {
        came_out(out, &body, send)?;
    }
    let changed_text = line.out.as_ref().is_some_and(|out| out["text"].is_string());
    match line.claim() {
        Some(claim) if !changed_text => {
            let segments = &body["segments"];
            same("the encoding", segments["encoding"].as_str(), Some(claim.encoding.as_str()))?;
            same("the units", segments["units"].as_u64(), Some(claim.units))?;
            same("the segments", segments["count"].as_u64(), Some(claim.segments))
        }
        _ => Ok(()),
    }
}

/// An allowed message leaves exactly as it came.
fn as_asked(input: &Value, send: &Queued) -> Result<(), String> {
    let text = |name: &str| input[name].as_str().unwrap_or_default();
    let list = |name: &str| -> Vec<&str> {
        input[name].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    };
    same("the recipient", send.dst.as_str(), text("to").trim_start_matches('+'))?;
    same("the text", send.text.as_str(), text("text"))?;
    same("the media", send.media_urls.iter().map(String::as_str).collect(), list("media_urls"))?;
    let kind = if list("media_urls").is_empty() { "sms" } else { "mms" };
    same("the type", send.kind.as_str(), kind)?;
    let left = send.message_expiry.map(u64::from);
    match input["ttl_s"].as_u64() {
        // What is left of it, at most the whole of it.
        Some(ttl) => ensure(left.is_some_and(|left| (ttl - 60..=ttl).contains(&left)), || {
            format!("the expiry is {left:?}")
        }),
        None => same("the expiry", left, None),
    }
}

fn came_out(out: &Value, answer: &Value, send: &Queued) -> Result<(), String> {
    for (name, wanted) in out.as_object().expect("an object") {
        let found = match name.as_str() {
            "to" => format!("+{}", send.dst).into(),
            "text" => send.text.as_str().into(),
            "type" => send.kind.as_str().into(),
            "media_urls" => send.media_urls.clone().into(),
            "message_expiry" => send.message_expiry.into(),
            "dropped" => dropped(answer),
            other => return Err(format!("nothing is known to compare `{other}` with")),
        };
        same(name, &found, wanted)?;
    }
    Ok(())
}

/// The names in the warning about dropped fields.
fn dropped(answer: &Value) -> Value {
    let mut warnings = answer["warnings"].as_array().into_iter().flatten();
    let warning = warnings.find(|warning| warning["code"] == "body.unknown_field_dropped");
    let said = warning.and_then(|warning| warning["detail"].as_str()).unwrap_or_default();
    let names = said.split([' ', ',']).filter_map(|word| word.strip_prefix('/'));
    names.map(Value::from).collect()
}

pub(super) fn same<T: PartialEq + std::fmt::Debug>(
    what: &str,
    found: T,
    wanted: T,
) -> Result<(), String> {
    ensure(found == wanted, || format!("{what} is {found:?}, not {wanted:?}"))
}

pub(super) fn ensure(holds: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why()) }
}
