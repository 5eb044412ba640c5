//! What the doors say of themselves is OpenAPI 3.1, and true: requests that are made of it, right and wrong ones, are
//! answered as it says.

use std::path::Path;

use serde_json::{Value, json};

use crate::examples::install::{self, installed};
use crate::examples::program::Program;
use crate::harness::{Policy, Setup, Sidecar, TO, TOKEN, eventually, plivo};

const OPERATOR: &str = "token-of-the-operator";
/// Schemas of requests, which may have members of other names; and one that another goes on from.
const OPEN: [&str; 3] = ["Message", "PlivoMessage", "Brief"];

/// The example's folder, with what it needs from Python's package index.
async fn tools() -> std::path::PathBuf {
    let files = ["requirements.txt", "schemathesis.toml"];
    installed("examples/openapi", &files, install::python).await
}

fn python_of(folder: &Path) -> Program {
    Program::at(&folder.join(".venv/bin/python"), "Python's venv module").within(folder)
}

/// Has no answer tell anything that the document leaves out.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            let is_object = members.get("properties").is_some_and(Value::is_object);
            if is_object && !members.contains_key("$ref") {
                members.entry("additionalProperties").or_insert(false.into());
            }
            members.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

/// The document, as strict of answers as can be.
fn closed(mut document: Value) -> Value {
    let schemas = document["components"]["schemas"].as_object_mut().expect("schemas");
    schemas
        .iter_mut()
        .filter(|(name, _)| !OPEN.contains(&name.as_str()))
        .for_each(|(_, of)| close(of));
    for item in document["paths"].as_object_mut().expect("paths").values_mut() {
        let operations = item.as_object_mut().expect("operations").values_mut();
        operations.filter_map(|of| of.get_mut("responses")).for_each(close);
    }
    document
}

#[tokio::test]
async fn requests_made_of_both_documents_are_answered_as_these_say() {
    let tools = tools().await;
    let plivo = plivo().await;
    let setup =
        Setup::standard(&plivo).policy(Policy::new("consent")).set("listen.admin_token", OPERATOR);
    let sidecar = Sidecar::start(setup).await;
    // Whoever waits for an event finds one.
    sidecar.send(&json!({"to": TO, "text": "hi"})).await.expect(202);
    let events = async || {
        let events = sidecar.get("/v1/events").await.expect(200);
        (!events["events"].as_array()?.is_empty()).then_some(())
    };
    eventually("there is an event", events).await;

    for (name, address, token, most) in
        [("apps", sidecar.apps, TOKEN, "4"), ("admin", sidecar.admin, OPERATOR, "3")]
    {
        let client = crate::harness::client();
        let url = format!("http://{address}");
        let answer = client.get(format!("{url}/openapi.json")).send().await.expect("an answer");
        let document: Value = answer.json().await.expect("JSON");
        let file = sidecar.folder.path().join(format!("{name}.json"));
        sidecar.folder.write(&format!("{name}.json"), document.to_string());
        python_of(&tools)
            .args(&["-m", "openapi_spec_validator"])
            .arg(&file.display().to_string())
            .run()
            .await;

        sidecar.folder.write(&format!("{name}.json"), closed(document).to_string());
        // By its module: the script beside it names the folder in which it was installed.
        let schemathesis = python_of(&tools).args(&["-m", "schemathesis.cli"]);
        let settings = tools.join("schemathesis.toml").display().to_string();
        let run =
            schemathesis.within(sidecar.folder.path()).args(&["--config-file", &settings, "run"]);
        let run = run.arg(&file.display().to_string()).args(&["--url", &url, "--checks", "all"]);
        let run = run.args(&["-H", &format!("Authorization: Bearer {token}"), "-n", most]);
        // What Plivo calls is on another listener, and none that is not signed by it is let in. A stream has no end to
        // wait for: tests of the dashboard read it.
        let elsewhere = "^/(callbacks|dashboard/events$)";
        let said = run.args(&["--exclude-path-regex", elsewhere, "--no-color"]).run().await;
        assert!(said.contains("generated, "), "{said}");
    }
    sidecar.stop().await;
}
