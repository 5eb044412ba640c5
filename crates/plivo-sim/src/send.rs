//! The body of a send, read and checked as Plivo does.
//!
//! Texts of errors are Plivo's where a real answer is known ("… is not a valid phone number.", the 737 rule, invalid
//! JSON), follow its pattern "`<name>` parameter is missing" where that fits, and are guesses elsewhere.

use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::{TextLength, text};

/// Most unique recipients of one request (Plivo, "Bulk Messaging").
const MOST_RECIPIENTS: usize = 1_000;
/// Most media, URLs and ids together (Plivo, MMS FAQ).
const MOST_MEDIA: usize = 10;
/// Seconds (Plivo, "Messages"); 10,800 is the default, and taken too.
const EXPIRY: std::ops::RangeInclusive<u64> = 5..=10_800;
/// Area codes of +1 outside the US and Canada, as far as MMS does not go there.
const OTHER_NANP: [&str; 27] = [
    "242", "246", "264", "268", "284", "340", "345", "441", "473", "649", "658", "664", "670",
    "671", "684", "721", "758", "767", "784", "787", "809", "829", "849", "868", "869", "876",
    "939",
];

/// A send that Plivo would queue.
#[derive(Clone)]
pub(crate) struct Send {
    pub(crate) src: String,
    pub(crate) powerpack_uuid: String,
    /// Digits only, unique, in the order given.
    pub(crate) recipients: Vec<String>,
    /// What stood in `dst` and is no number; answered in `invalid_number`.
    pub(crate) invalid: Vec<String>,
    pub(crate) text: String,
    pub(crate) kind: String,
    pub(crate) media_urls: Vec<String>,
    pub(crate) media_ids: Vec<String>,
    pub(crate) url: Option<String>,
    pub(crate) method: String,
    pub(crate) message_expiry: Option<u32>,
    pub(crate) log: String,
    pub(crate) trackable: bool,
    pub(crate) dlt_entity_id: Option<String>,
    pub(crate) dlt_template_id: Option<String>,
    pub(crate) dlt_template_category: Option<String>,
}

/// The members of a body. Null and the empty string are as good as absent, which Plivo's SDKs rely on.
struct Members(Map<String, Value>);

impl Send {
    /// Reads a body; the error is Plivo's `error` of a 400.
    pub(crate) fn read(body: &[u8], count: TextLength) -> Result<Self, String> {
        let Ok(Value::Object(members)) = serde_json::from_slice(body) else {
            return Err("invalid json data sent in raw POST".to_owned());
        };
        let members = Members(members);
        let (src, powerpack_uuid) = members.sender()?;
        let (recipients, invalid) = recipients(&members.text("dst")?.ok_or_else(missing("dst"))?)?;
        let kind = members.kind()?;
        let (media_urls, media_ids) = members.media()?;
        let text = members.text("text")?.unwrap_or_default();
        let has_template = ["template", "interactive", "location"]
            .iter()
            .any(|name| members.given(name).is_some());
        if text.is_empty() && media_urls.is_empty() && media_ids.is_empty() && !has_template {
            return Err(missing("text")());
        }
        text::check(&text, &kind, count)?;
        if kind == "mms" && !recipients.iter().all(|number| takes_mms(number)) {
            return Err("MMS is not supported to the destination country".to_owned());
        }
        if let [recipient] = recipients.as_slice()
            && *recipient == src
        {
            return Err("dst is identical to src".to_owned());
        }
        Ok(Self {
            src,
            powerpack_uuid,
            recipients,
            invalid,
            text,
            kind,
            media_urls,
            media_ids,
            url: members.url()?,
            method: members.method()?,
            message_expiry: members.expiry()?,
            log: members.log()?,
            trackable: members.flag("trackable")?,
            dlt_entity_id: members.text("dlt_entity_id")?,
            dlt_template_id: members.text("dlt_template_id")?,
            dlt_template_category: members.dlt_template_category()?,
        })
    }
}

impl Members {
    fn given(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null() && value.as_str() != Some(""))
    }

    fn text(&self, name: &str) -> Result<Option<String>, String> {
        match self.given(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(invalid(name)),
        }
    }

    fn sender(&self) -> Result<(String, String), String> {
        let pool = self.text("powerpack_uuid")?;
        let Some(src) = self.text("src")? else {
            return Ok((String::new(), pool.ok_or_else(missing("src"))?));
        };
        if pool.is_some() {
            return Err("src and powerpack_uuid cannot be used together".to_owned());
        }
        let src: String = src.chars().filter(char::is_ascii_alphanumeric).collect();
        let most = if src.bytes().all(|b| b.is_ascii_digit()) { 14 } else { 11 };
        if src.is_empty() || src.len() > most {
            Err(invalid("src"))
        } else {
            Ok((src, String::new()))
        }
    }

    /// Any case is taken, since Plivo's Java SDK may send `MMS`.
    fn kind(&self) -> Result<String, String> {
        let kind = self.text("type")?.unwrap_or_else(|| "sms".to_owned()).to_ascii_lowercase();
        match kind.as_str() {
            "sms" | "mms" | "whatsapp" => Ok(kind),
            _ => Err(invalid("type")),
        }
    }

    fn media(&self) -> Result<(Vec<String>, Vec<String>), String> {
        let (urls, ids) = (self.strings("media_urls")?, self.strings("media_ids")?);
        if !urls.iter().all(|url| is_web(url)) {
            return Err(invalid("media_urls"));
        }
        if urls.len() + ids.len() > MOST_MEDIA {
            return Err(format!("media_urls and media_ids exceed {MOST_MEDIA} attachments"));
        }
        Ok((urls, ids))
    }

    fn strings(&self, name: &str) -> Result<Vec<String>, String> {
        let Some(value) = self.given(name) else { return Ok(Vec::new()) };
        let entries = value.as_array().ok_or_else(|| invalid(name))?;
        let entry = |entry: &Value| entry.as_str().map(str::to_owned).ok_or_else(|| invalid(name));
        entries.iter().map(entry).collect()
    }

    fn url(&self) -> Result<Option<String>, String> {
        let url = self.text("url")?;
        if url.as_deref().is_some_and(|url| !is_web(url)) { Err(invalid("url")) } else { Ok(url) }
    }

    fn method(&self) -> Result<String, String> {
        match self.text("method")?.unwrap_or_else(|| "POST".to_owned()) {
            method if method == "GET" || method == "POST" => Ok(method),
            _ => Err(invalid("method")),
        }
    }

    fn expiry(&self) -> Result<Option<u32>, String> {
        let Some(value) = self.given("message_expiry") else { return Ok(None) };
        let seconds = value.as_u64().or_else(|| value.as_str()?.parse().ok());
        let seconds = seconds.filter(|seconds| EXPIRY.contains(seconds));
        match seconds.and_then(|seconds| u32::try_from(seconds).ok()) {
            Some(seconds) => Ok(Some(seconds)),
            None => Err(invalid("message_expiry")),
        }
    }

    /// A boolean in older SDKs, a word in newer ones.
    fn log(&self) -> Result<String, String> {
        match self.given("log") {
            None => Ok("true".to_owned()),
            Some(Value::Bool(log)) => Ok(log.to_string()),
            Some(Value::String(log))
                if ["true", "false", "content_only", "number_only"].contains(&log.as_str()) =>
            {
                Ok(log.clone())
            }
            Some(_) => Err(invalid("log")),
        }
    }

    fn dlt_template_category(&self) -> Result<Option<String>, String> {
        let name = "dlt_template_category";
        let known = ["transactional", "promotional", "service_implicit", "service_explicit"];
        let category = self.text(name)?;
        let fits = category.as_deref().is_none_or(|category| known.contains(&category));
        if fits { Ok(category) } else { Err(invalid(name)) }
    }

    fn flag(&self, name: &str) -> Result<bool, String> {
        match self.given(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(Value::String(flag)) if flag == "true" || flag == "false" => Ok(flag == "true"),
            Some(_) => Err(invalid(name)),
        }
    }
}

/// Splits `dst` at `<`, drops what Plivo drops, and duplicates.
fn recipients(dst: &str) -> Result<(Vec<String>, Vec<String>), String> {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    let mut known = HashSet::new();
    for part in dst.split('<') {
        let number: String = part.chars().filter(|c| !"/-.+() ".contains(*c)).collect();
        if !known.insert(number.clone()) {
            continue;
        }
        if is_number(&number) { good.push(number) } else { bad.push(number) }
    }
    if known.len() > MOST_RECIPIENTS {
        return Err(format!("dst parameter exceeds {MOST_RECIPIENTS} numbers"));
    }
    match (good.is_empty(), bad.first()) {
        (true, Some(first)) => Err(format!("'{first}' is not a valid phone number.")),
        _ => Ok((good, bad)),
    }
}

/// A guess at Plivo's test: 7 to 14 digits of E.164, and for +1 ten more whose area code may exist.
fn is_number(number: &str) -> bool {
    let bytes = number.as_bytes();
    let shape = (7..=14).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_digit);
    match bytes {
        _ if !shape => false,
        [b'0', ..] => false,
        [b'1', area, ..] => bytes.len() == 11 && *area >= b'2',
        _ => true,
    }
}

fn takes_mms(number: &str) -> bool {
    number
        .strip_prefix('1')
        .is_some_and(|rest| !OTHER_NANP.iter().any(|area| rest.starts_with(area)))
}

fn is_web(url: &str) -> bool {
    url::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

fn missing(name: &str) -> impl Fn() -> String {
    move || format!("{name} parameter is missing")
}

fn invalid(name: &str) -> String {
    format!("{name} parameter is invalid")
}

#[cfg(test)]
mod tests;
