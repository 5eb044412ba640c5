//! `sendgate policy inspect`.

use serde_json::{Value, json};

use super::{bytes_of, sendgate, with_cases};
use crate::harness::{Folder, SENDER, module};

/// Every policy of this repository that is for use.
const POLICIES: [&str; 11] = [
    "validation",
    "country",
    "trial",
    "media",
    "quiet-hours",
    "consent",
    "pumping",
    "dedup",
    "throttle",
    "budget",
    "office-hours",
];

async fn inspected(folder: &Folder, file: &str) -> Value {
    sendgate(folder.path(), &["policy", "inspect", file, "--json"]).await.json(0)
}

#[tokio::test]
async fn the_lines_that_it_says_load_each_policy_of_this_repository() {
    for name in POLICIES {
        let folder = Folder::new();
        let shown = inspected(&folder, &module(name).to_string_lossy()).await;
        let is_late = ["consent", "quiet-hours"].contains(&name);
        assert_eq!(shown["asked_again"], is_late, "{name}");

        let block = shown["configuration"].as_str().expect("lines");
        folder.write(
            "sidecar.toml",
            format!(
                "[[apps]]\nname = \"demo\"\ntoken = \"a-token-of-its-own\"\n[plivo]\nsender = \"{SENDER}\"\n\
                 auth_id = \"MAXXXXXXXXXXXXXXXXXX\"\nauth_token = \"TOKEN\"\n{block}\n"
            ),
        );
        let checked = sendgate(folder.path(), &["check"]).await;
        let line = format!("policy {name}: {name} ");
        assert!(checked.ended(0).contains(&line), "{block}\n{}", checked.out);
        assert!(
            checked.out.contains(shown["digest"].as_str().expect("a digest")),
            "{}",
            checked.out
        );
    }
}

#[tokio::test]
async fn every_setting_that_may_be_left_out_tells_what_it_is_then() {
    let folder = Folder::new();
    for name in POLICIES {
        let shown = inspected(&folder, &module(name).to_string_lossy()).await;
        let mut silent = Vec::new();
        without_default(&shown["settings_schema"], "", &mut silent);
        assert!(silent.is_empty(), "{name}: {silent:?}");
    }
}

/// The properties anywhere in `schema` that are neither required, nor may be null, nor have a default.
fn without_default(schema: &Value, at: &str, found: &mut Vec<String>) {
    let required = schema["required"].as_array().map_or(&[][..], Vec::as_slice);
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let may_be_null = property.get("anyOf").unwrap_or(&property["type"]).to_string();
        let is_told = property.get("default").is_some() || may_be_null.contains("null");
        if !is_told && !required.iter().any(|each| each == name) {
            found.push(format!("{at}/{name}"));
        }
    }
    let within: Vec<(String, &Value)> = match schema {
        Value::Object(members) => {
            members.iter().map(|(key, value)| (format!("{at}/{key}"), value)).collect()
        }
        Value::Array(values) => values.iter().map(|value| (at.to_owned(), value)).collect(),
        _ => Vec::new(),
    };
    within.into_iter().for_each(|(at, value)| without_default(value, &at, found));
}

#[tokio::test]
async fn grants_follow_from_imports_and_from_what_the_cases_expect() {
    let folder = Folder::new();
    for (name, grants) in [
        ("validation", json!(["amend"])),
        ("country", json!(["amend"])),
        ("dedup", json!(["state"])),
        ("throttle", json!(["state", "amend"])),
        ("trial", json!([])),
        ("quiet-hours", json!(["zones", "amend"])),
    ] {
        let shown = inspected(&folder, &module(name).to_string_lossy()).await;
        assert_eq!(shown["grants"], grants, "{name}");
    }
    let redirecting = "[[case]]\nname = \"a\"\nexpect = { verdict = \"amend\", message = { to = \"+14155550199\" } }";
    folder.write("guest.wasm", with_cases(bytes_of("runaway"), redirecting));
    let shown = inspected(&folder, "guest.wasm").await;
    assert_eq!(shown["grants"], json!(["state", "log", "amend", "amend-recipient"]));
}

#[tokio::test]
async fn people_are_told_what_a_module_is_and_what_it_may_be_told() {
    let folder = Folder::new();
    folder.write("throttle.wasm", bytes_of("throttle"));
    let said = sendgate(folder.path(), &["policy", "inspect", "throttle.wasm"]).await;
    let shown = inspected(&folder, "throttle.wasm").await;

    let out = said.ended(0);
    for part in [
        "throttle 0.1.0: ",
        "\n  contract  sendgate:policy/guest@0.1.0\n",
        "\n  imports   sendgate:policy/state@0.1.0\n",
        "\n  settings  limits (array of object): [{ name = \"app\", per_s = 60, quota = 10, scope = \"app\" }]\n",
        "\n            limits[].name (string): required\n",
        "\n            limits[].kind (\"window\", \"gcra\", \"calendar\"): \"window\"\n",
        "\n            limits[].exempt_apps (array of string): []\n",
        "salt (string): \"\"\n",
        "\n[[policies]]\nname = \"throttle\"\nmodule = \"throttle.wasm\"\ngrants = [\"state\", \"amend\"]\n",
        &format!("\n  digest    {}\n", shown["digest"].as_str().expect("a digest")),
        &format!("\n  file      throttle.wasm, {} bytes\n", bytes_of("throttle").len()),
    ] {
        assert!(out.contains(part), "{part:?} is not in\n{out}");
    }
    assert_eq!(shown["is_told"], json!([]));
    let told = inspected(&folder, &module("consent").to_string_lossy()).await;
    assert_eq!(told["is_told"], json!(["receipts", "inbound"]));
}

#[tokio::test]
async fn what_is_no_policy_is_named_for_what_it_is() {
    let folder = Folder::new();
    folder.write("page.wasm", "<html>");
    let page = sendgate(folder.path(), &["policy", "inspect", "page.wasm"]).await;
    page.ended(2);
    assert!(page.err.starts_with("page.wasm: the module is a web page; "), "{}", page.err);
    let gone = sendgate(folder.path(), &["policy", "inspect", "gone.wasm"]).await;
    gone.ended(2);
    assert!(gone.err.starts_with("gone.wasm cannot be read: "), "{}", gone.err);
}

#[tokio::test]
async fn a_module_neither_forges_lines_nor_drives_the_terminal_of_whoever_looks_at_it() {
    const OWN: &str = "A guest that spins, hoards, panics or overflows on request";
    let forged =
        format!("{:<width$}", "ok\n  imports   nothing\n\u{1b}[8m\u{202e}", width = OWN.len() - 2);
    let mut module = bytes_of("runaway");
    let at = module.windows(OWN.len()).position(|part| part == OWN.as_bytes()).expect("a summary");
    module[at..at + OWN.len()].copy_from_slice(forged.as_bytes());
    let cases =
        "[[case]]\nname = \"a\\u001b[31mX\\nall hold\"\nexpect = { verdict = \"reject\" }\n";
    let folder = Folder::new();
    folder.write("forged.wasm", with_cases(module, cases));

    for (words, code, wanted) in [
        (&["inspect", "forged.wasm"][..], 0, r"ok\n  imports   nothing\n\u{1b}[8m\u{202e}"),
        (&["inspect", "forged.wasm", "--json"], 0, r"ok\n  imports   nothing\n\u001b[8m\u202e"),
        (&["test", "forged.wasm"], 1, r"DIFFERS  a\u{1b}[31mX\nall hold"),
    ] {
        let said = sendgate(folder.path(), &[&["policy"], words].concat()).await;
        let out = said.ended(code);
        assert!(out.contains(wanted), "{wanted} is not in {out}");
        let obeyed = |c: char| c != '\n' && c.is_control() || c == '\u{202e}';
        assert!(!out.contains(obeyed), "{out:?}");
        assert!(!out.lines().any(|line| line == "  imports   nothing"), "{out}");
    }
}
