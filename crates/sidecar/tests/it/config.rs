//! A configuration that is wrong is told whole, with places, before any port opens.

mod layers;
mod settings;

use serde_json::json;

use crate::harness::{Ended, Folder, Policy, Setup, Sidecar, TO, module, plivo, run_to_end};

/// Runs `command` over `toml` and returns the lines it ended with.
async fn ended(
    command: &str,
    toml: &str,
    environment: &[(&str, &str)],
) -> (Option<i32>, Vec<String>) {
    let folder = Folder::new();
    folder.write("sidecar.toml", toml);
    let environment: Vec<(String, String)> =
        environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let Ended { status, log } = run_to_end(command, &folder, &environment).await;
    assert!(!log.text().contains("listening"), "a port was opened:\n{}", log.text());
    assert!(!log.text().contains("panicked"), "{}", log.text());
    let path = folder.path().display().to_string();
    let lines = log.lines().into_iter().map(|line| line.replace(&path, "FOLDER"));
    (status.code(), lines.collect())
}

const FAULTY: &str = r#"
[listen]
apps = "127.0.0.1"
admin = "127.0.0.1:0"
colour = "red"

[[apps]]
name = "billing"
token = { env = "NO_SUCH_VARIABLE" }

[[apps]]
name = "billing"
token = "a-token-of-its-own"
senders = ["nobody@"]

[plivo]
base_url = "ftp://plivo.test"
auth_id = "MAXXXXXXXXXXXXXXXXXX"
auth_token = "swordfish-token"
sender = "+14155551212"
attempts = 0

[[policies]]
name = "country"
module = "no/such/country.wasm"
mode = "enfroce"
"#;

#[tokio::test]
async fn every_fault_is_told_with_file_line_column_and_key_and_check_says_the_same() {
    let (code, lines) = ended("run", FAULTY, &[]).await;
    let (checked, same) = ended("check", FAULTY, &[]).await;

    assert_eq!((code, checked), (Some(2), Some(2)));
    assert_eq!(same, lines, "`check` says what `run` says");
    for start in [
        "sidecar.toml:3:8: listen.apps: ",
        "sidecar.toml:5:1: listen.colour: is not a known key",
        "sidecar.toml:9:17: apps[0].token.env: ",
        "sidecar.toml:12:8: apps[1].name: ",
        "sidecar.toml:14:12: apps[1].senders[0]: ",
        "sidecar.toml:17:12: plivo.base_url: ",
        "sidecar.toml:21:12: plivo.attempts: ",
        "sidecar.toml:25:10: policies.country.module: ",
        "sidecar.toml:26:8: policies.country.mode: ",
    ] {
        let told = lines.iter().filter(|line| line.starts_with(start)).count();
        assert_eq!(told, 1, "{start} in\n{}", lines.join("\n"));
    }
    assert!(lines.iter().any(|line| line.contains("NO_SUCH_VARIABLE")), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("did you mean `enforce`?")), "{lines:#?}");
    assert!(!lines.join("\n").contains("swordfish"), "{lines:#?}");
}

#[tokio::test]
async fn a_file_that_is_missing_or_no_toml_is_told_in_one_line() {
    let folder = Folder::new();
    let missing = run_to_end("run", &folder, &[]).await;
    let (code, lines) = ended("run", "[listen\napps = 1\n", &[]).await;

    assert_eq!((missing.status.code(), code), (Some(2), Some(2)));
    assert!(missing.log.text().contains("sidecar.toml"), "{}", missing.log.text());
    assert!(lines[0].starts_with("sidecar.toml:1:"), "{lines:#?}");
}

#[tokio::test]
async fn settings_that_a_policy_does_not_take_are_told_at_their_places_in_the_file() {
    let plivo = plivo().await;
    let setup = Setup::new(&plivo)
        .policy(Policy::new("country").settings(json!({"allow": ["US", "usa"]})))
        .policy(Policy::new("dedup").settings(json!({"windows": 5})));
    let toml = setup.to_toml();
    let line_of =
        |part: &str| toml.lines().position(|line| line.contains(part)).expect("there") + 1;

    for command in ["run", "check"] {
        let (code, lines) = ended(command, &toml, &[]).await;

        assert_eq!(code, Some(2), "{lines:#?}");
        let country = format!("sidecar.toml:{}:", line_of("\"usa\""));
        let told = |place: &str, key: &str| {
            lines.iter().any(|line| line.contains(place) && line.contains(key))
        };
        assert!(told(&country, "policies.country.settings.allow[1]: "), "{country} in {lines:#?}");
        let dedup = format!("sidecar.toml:{}:", line_of("\"windows\""));
        assert!(told(&dedup, "policies.dedup.settings"), "{dedup} in {lines:#?}");
    }
}

#[tokio::test]
async fn a_module_that_is_none_and_a_grant_that_is_missing_are_told() {
    let folder = Folder::new();
    let text = folder.write("text.wasm", "this is no module");
    let plivo = plivo().await;
    let setup = Setup::new(&plivo)
        .policy(Policy::new("country").set("name", "text").set("module", text.to_str().unwrap()))
        .policy(Policy::new("dedup").set("grants", json!([])));

    let (code, lines) = ended("run", &setup.to_toml(), &[]).await;

    let told = |key: &str| {
        lines.iter().any(|line| line.starts_with("sidecar.toml:") && line.contains(key))
    };
    assert_eq!(code, Some(2), "{lines:#?}");
    assert!(told("policies.text.module: "), "{lines:#?}");
    assert!(told("policies.dedup.grants: ") && lines.join("\n").contains("state"), "{lines:#?}");
}

#[tokio::test]
async fn a_good_file_is_in_order_and_check_opens_no_port() {
    let plivo = plivo().await;

    let (code, lines) =
        ended("check", &Setup::standard(&plivo).to_toml(), &[("SENDGATE_ENV", "development")])
            .await;

    assert_eq!(code, Some(0), "{lines:#?}");
    assert!(lines.iter().any(|line| line.starts_with("policy validation: ")), "{lines:#?}");
    assert!(lines.last().is_some_and(|line| line.contains("is in order")), "{lines:#?}");
    assert_eq!(plivo.requests().len(), 0);
}

#[tokio::test]
async fn the_three_variables_of_plivo_are_enough_from_the_environment_or_from_dot_env() {
    let plivo = plivo().await;
    let country = module("country");
    let toml = format!(
        "[listen]\napps = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n[[apps]]\nname = \"demo\"\ntoken = {{ env = \
         \"TOKEN_OF_DEMO\" }}\n\
         [plivo]\nbase_url = \"{}\"\n[store]\nephemeral = true\n[[policies]]\nname = \"country\"\nmodule = \"{}\"\n",
        plivo.base_url(),
        country.display()
    );
    let variables = [
        ("PLIVO_AUTH_ID", "MAXXXXXXXXXXXXXXXXXX"),
        ("PLIVO_AUTH_TOKEN", "TOKEN"),
        ("PLIVO_SENDER_NUMBER", "+14155551212"),
        ("TOKEN_OF_DEMO", crate::harness::TOKEN),
    ];
    let (code, lines) = ended("run", &toml, &variables[..1]).await;
    assert_eq!(code, Some(2), "{lines:#?}");
    for name in ["PLIVO_AUTH_TOKEN", "PLIVO_SENDER_NUMBER", "TOKEN_OF_DEMO"] {
        assert_eq!(
            lines.iter().filter(|line| line.contains(name)).count(),
            1,
            "{name} in {lines:#?}"
        );
    }

    let folder = Folder::new();
    let lines: String = variables.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    folder.write(".env", lines);
    let sidecar = Sidecar::start_with(folder, &toml, &[]).await;
    sidecar.send(&json!({"to": TO, "text": "hi"})).await.expect(202);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_variable_of_the_process_wins_over_dot_env() {
    let plivo = plivo().await;
    let folder = Folder::new();
    folder.write(".env", "TOKEN_OF_PLIVO=WRONG\n");
    let setup = Setup::standard(&plivo)
        .set("plivo.auth_token", json!({"env": "TOKEN_OF_PLIVO"}))
        .environment("TOKEN_OF_PLIVO", "TOKEN");

    let sidecar = Sidecar::start_in(folder, setup).await;

    let body = sidecar.send(&json!({"to": TO, "text": "hi"})).await.expect(202);
    assert_eq!(body["status"], "submitted", "{body}");
    sidecar.stop().await;
}

#[tokio::test]
async fn an_address_that_is_taken_is_named_and_the_exit_code_is_1() {
    let plivo = plivo().await;
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap().to_string();

    let setup = Setup::standard(&plivo).set("listen.apps", address.as_str());
    let (code, lines) = ended("run", &setup.to_toml(), &[]).await;

    assert_eq!(code, Some(1), "{lines:#?}");
    assert!(
        lines.iter().any(|line| line.contains(&address) && line.contains("could not be bound")),
        "{lines:#?}"
    );
}

#[tokio::test]
async fn check_prints_what_the_configuration_comes_to_without_its_secrets() {
    let plivo = plivo().await;
    let folder = Folder::new();
    let setup = Setup::standard(&plivo).set("plivo.auth_token", "swordfish-token");
    folder.write("sidecar.toml", setup.to_toml());

    let checked = std::process::Command::new(env!("CARGO_BIN_EXE_sendgate"))
        .args(["check", "--print", "--config", "sidecar.toml"])
        .current_dir(folder.path())
        .env("SENDGATE_ENV", "development")
        .output()
        .unwrap();

    let told = String::from_utf8(checked.stdout).unwrap();
    assert!(checked.status.success(), "{told}");
    for line in [
        "plivo.auth_token = (secret, the literal)\n",
        "delivery.settle_s = [20, 60, 180]  # default\n",
        "policies[1].name = \"country\"\n",
        "sidecar.toml is in order: 1 app, 2 policies\n",
    ] {
        assert!(told.contains(line), "{line} is not in\n{told}");
    }
    assert!(!told.contains("swordfish") && !told.contains(crate::harness::TOKEN), "{told}");
}

#[tokio::test]
async fn check_prints_where_telemetry_goes_by_the_variables() {
    let plivo = plivo().await;
    let folder = Folder::new();
    let setup = Setup::standard(&plivo)
        .set("telemetry.otlp", "http://file.example:4318")
        .set("decisions.otlp", true);
    folder.write("sidecar.toml", setup.to_toml());
    let printed = |variables: &[(&str, &str)]| {
        let mut check = std::process::Command::new(env!("CARGO_BIN_EXE_sendgate"));
        check.args(["check", "--print", "--config", "sidecar.toml"]).current_dir(folder.path());
        let checked = check.env("SENDGATE_ENV", "development").envs(variables.iter().copied());
        String::from_utf8(checked.output().unwrap().stdout).unwrap()
    };

    let told = printed(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://common.example:4318"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://metrics.example/m?key=swordfish"),
        ("OTEL_TRACES_EXPORTER", "none"),
    ]);

    for line in [
        "OTEL_TRACES_EXPORTER is set",
        "\ntraces go nowhere\n",
        "\nmetrics go to http://common.example:4318/v1/metrics\n",
        "\nlog records go to http://common.example:4318/v1/logs\n",
        "warning: OTEL_EXPORTER_OTLP_METRICS_ENDPOINT is passed over: it has a query",
    ] {
        assert!(told.contains(line), "{line} is not in\n{told}");
    }
    assert!(!told.contains("swordfish"), "{told}");
    assert!(!printed(&[]).contains(" go to "), "the file says it");
}

#[tokio::test]
async fn check_warns_of_a_decision_log_that_has_no_collector_to_go_to() {
    let plivo = plivo().await;
    let folder = Folder::new();
    let warned = |toml: String, variables: &[(&str, &str)]| {
        folder.write("sidecar.toml", toml);
        let mut check = std::process::Command::new(env!("CARGO_BIN_EXE_sendgate"));
        check.args(["check", "--config", "sidecar.toml"]).current_dir(folder.path());
        let checked = check.env("SENDGATE_ENV", "development").envs(variables.iter().copied());
        let told = String::from_utf8(checked.output().unwrap().stdout).unwrap();
        told.lines().find(|line| line.contains("decisions.otlp")).map(str::to_owned)
    };
    let alone = Setup::standard(&plivo).set("decisions.otlp", true).to_toml();
    let mut lines = alone.lines().zip(1..);
    let (line, number) = lines.find(|(line, _)| line.contains("otlp")).unwrap();
    let column = line.find("true").unwrap() + 1;

    let told = warned(alone.clone(), &[]).expect("a warning");
    let place =
        format!("warning: sidecar.toml:{number}:{column}: decisions.otlp: has no collector");
    assert!(told.starts_with(&place), "{told}, not {place}");

    let variable = ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://a.example:4318/v1/logs");
    assert_eq!(warned(alone, &[variable]), None);
    let collector = Setup::standard(&plivo)
        .set("decisions.otlp", true)
        .set("telemetry.otlp", "http://file.example:4318");
    assert_eq!(warned(collector.to_toml(), &[]), None);
    assert_eq!(warned(Setup::standard(&plivo).set("decisions.otlp", false).to_toml(), &[]), None);
}
