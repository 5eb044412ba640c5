//! The lines of the area url that look at media: a prober whose names and web are the line's, and the compiled policy.

use std::time::Duration;

use media_probe::testing::{PUBLIC, Page, Web};
use message::{MediaUrl, Settlement};
use serde_json::{Value, json};

use super::bench::{Bench, Draft};
use super::codes;
use super::line::{Expect, Line};
use super::sends::same;

/// Longer than any look here takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whether the line is one of these.
pub(super) fn is_meant(line: &Line) -> bool {
    line.input["policy"]["probe"] == true
}

/// Runs the line.
pub(super) async fn judge(line: &Line) -> Result<(), String> {
    let input = &line.input;
    let list = |name: &str| -> Vec<Value> { input[name].as_array().cloned().unwrap_or_default() };
    let urls: Vec<String> =
        list("media_urls").iter().filter_map(|url| url.as_str().map(str::to_owned)).collect();
    let mut heads = list("heads");
    heads.extend(input["head"].is_object().then(|| input["head"].clone()));
    let mut pages: Vec<Page> =
        urls.iter().zip(&heads).map(|(url, head)| medium(url, head)).collect();
    for (nth, to) in list("redirects").iter().enumerate() {
        pages.push(Page::redirect(&urls[nth], to.as_str().expect("a URL")));
    }
    let web = Web::of(pages).await;
    let mut answers: Vec<Vec<_>> = Vec::new();
    for answer in list("dns") {
        let addresses = answer.as_array().expect("addresses").iter();
        answers.push(
            addresses
                .map(|each| each.as_str().expect("a text").parse().expect("an address"))
                .collect(),
        );
    }
    if answers.is_empty() {
        answers.push(vec![PUBLIC]);
    }
    let media: Vec<MediaUrl> =
        urls.iter().map(|url| MediaUrl::parse(url, "").expect("a medium's URL").0).collect();
    let probes = web.prober(answers, PATIENCE).look_at("app", &media).await;

    let bench = Bench::new(&[("media", json!({}))]).await;
    let draft = Draft { media, probes, ..Draft::to(input["to"].as_str().expect("a recipient")) };
    match (line.expect, bench.ask(&draft, 0.0).await) {
        (Expect::Deny, Err(no)) => {
            same("the code", no.code.as_str(), line.code.as_str())?;
            same("its status", codes::status(&no.code), 400)
        }
        (Expect::Deny, Ok(_)) => Err("it was let through".into()),
        (_, Ok(passed)) => {
            passed.settle(Settlement::GiveBack).await;
            Ok(())
        }
        (_, Err(no)) => Err(format!("it was refused: {no:?}")),
    }
}

fn medium(url: &str, head: &Value) -> Page {
    let content_type = head["content-type"].as_str().expect("a type");
    Page::medium(url, content_type, head["content-length"].as_u64().expect("a length"))
}
