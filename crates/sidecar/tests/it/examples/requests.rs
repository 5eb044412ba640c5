//! The files of requests: each is answered with the status in its comment, and every door is among them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::install::source;
use super::{plivo, started};
use crate::harness::{PATIENCE, Sidecar, client};

/// One request of a file, with what stands in braces still in it.
#[derive(Debug, Default)]
struct Asked {
    name: Option<String>,
    status: u16,
    line: String,
    headers: Vec<(String, String)>,
    body: String,
}

/// A file's variables and its requests, in the form of VS Code's REST Client.
fn read(text: &str) -> (BTreeMap<String, String>, Vec<Asked>) {
    let mut parts = text.split("\n###");
    let variables = parts.next().unwrap_or_default().lines().filter_map(|line| {
        let (name, value) = line.strip_prefix('@')?.split_once(" = ")?;
        Some((name.to_owned(), value.to_owned()))
    });
    (variables.collect(), parts.map(request).collect())
}

fn request(part: &str) -> Asked {
    // What follows the marks is a title.
    let (head, body) = part.split_once("\n\n").unwrap_or((part, ""));
    let mut asked = Asked { body: body.trim().to_owned(), ..Asked::default() };
    for line in head.lines().skip(1) {
        match (line.strip_prefix("# "), line.split_once(": ")) {
            (Some(comment), _) => match comment.strip_prefix("@name ") {
                Some(name) => asked.name = Some(name.to_owned()),
                None => {
                    asked.status = comment.parse().unwrap_or_else(|_| panic!("no status: {part}"))
                }
            },
            (None, _) if asked.line.is_empty() => line.clone_into(&mut asked.line),
            (None, Some((name, value))) => asked.headers.push((name.to_owned(), value.to_owned())),
            (None, None) => panic!("`{line}` is no header in {part}"),
        }
    }
    asked
}

/// The text with each `{{…}}` filled in: a variable, or a member of an earlier answer.
fn filled(
    text: &str,
    variables: &BTreeMap<String, String>,
    answers: &BTreeMap<String, Value>,
) -> String {
    let mut filled = String::new();
    for (nth, part) in text.split("{{").enumerate() {
        let Some((name, rest)) = part.split_once("}}").filter(|_| nth > 0) else {
            filled.push_str(part);
            continue;
        };
        let value = match name.split_once(".response.body.$.") {
            Some((request, path)) => {
                let pointer = format!("/{}", path.replace(['.', '['], "/").replace(']', ""));
                answers.get(request).and_then(|answer| answer.pointer(&pointer)?.as_str())
            }
            None => variables.get(name).map(String::as_str),
        };
        filled.push_str(value.unwrap_or_else(|| panic!("`{name}` is nothing known")));
        filled.push_str(rest);
    }
    filled
}

/// Asks all of a file, and returns each `METHOD PATH` that was asked.
async fn run(file: &str, own_url: &str) -> Vec<String> {
    let (mut variables, requests) = read(&source(&format!("examples/http/{file}")));
    variables.insert("url".into(), own_url.to_owned());
    let (mut answers, mut paths) = (BTreeMap::new(), Vec::new());
    for asked in requests {
        let fill = |text: &str| filled(text, &variables, &answers);
        let line = fill(&asked.line);
        let (method, url) = line.split_once(' ').expect("METHOD URL");
        let mut request = client().request(method.parse().expect("a method"), url);
        for (name, value) in &asked.headers {
            request = request.header(name, fill(value));
        }
        let answer = request.body(fill(&asked.body)).send().await.expect("an answer");
        let (status, text) = (answer.status().as_u16(), answer.text().await.expect("a body"));
        assert_eq!(status, asked.status, "{file}: {line}\n{text}");
        let path = url.trim_start_matches(own_url).split('?').next().unwrap_or_default();
        paths.push(format!("{method} {path}"));
        if let Some(name) = asked.name {
            answers.insert(name, serde_json::from_str(&text).expect("JSON"));
        }
    }
    paths
}

/// Those of the document's doors at this address that nobody asked.
async fn missed(url: &str, asked: &[String]) -> BTreeSet<String> {
    let answer = client().get(format!("{url}/openapi.json")).send().await.expect("an answer");
    let document: Value = answer.json().await.expect("JSON");
    let mut doors = BTreeSet::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        let methods = item.as_object().expect("operations").keys();
        // What has servers of its own is not at this address.
        for method in methods
            .filter(|name| ["get", "post"].contains(&name.as_str()) && item["servers"].is_null())
            // A stream has no end to wait for.
            .filter(|name| {
                item[*name]["responses"]["200"]["content"]["text/event-stream"].is_null()
            })
        {
            doors.insert(format!("{} {path}", method.to_uppercase()));
        }
    }
    let is_at = |door: &str, asked: &str| {
        let (door, asked): (Vec<_>, Vec<_>) =
            (door.split('/').collect(), asked.split('/').collect());
        let fits = |(door, asked): (&&str, &&str)| door == asked || door.starts_with('{');
        door.len() == asked.len() && door.iter().zip(&asked).all(fits)
    };
    doors.into_iter().filter(|door| !asked.iter().any(|asked| is_at(door, asked))).collect()
}

#[tokio::test]
async fn every_door_is_asked_by_the_files_of_requests_and_answers_as_they_say() {
    let plivo = plivo().await;
    let toml = source("sidecar.toml");
    let (theirs, ours) =
        ("#admin_token = { env = \"SENDGATE_ADMIN_TOKEN\" }", "admin_token = \"operator\"");
    assert!(toml.contains(theirs), "{theirs}");
    let sidecar: Sidecar = started(&toml.replace(theirs, ours), &plivo).await;
    let (apps, admin) = (format!("http://{}", sidecar.apps), format!("http://{}", sidecar.admin));

    let mut asked = run("messages.http", &apps).await;
    asked.extend(run("plivo.http", &apps).await);
    assert_eq!(missed(&apps, &asked).await, BTreeSet::new(), "of the apps' doors");
    assert_eq!(
        missed(&admin, &run("admin.http", &admin).await).await,
        BTreeSet::new(),
        "of admin's"
    );
    plivo.wait_for_sends(6, PATIENCE).await.expect("what the files send");
    sidecar.stop().await;
}
