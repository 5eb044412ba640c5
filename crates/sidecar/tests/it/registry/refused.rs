//! What is refused of a registry, and by it; each says what to do.

use plivo_sim::PlivoSim;
use serde_json::{Value, json};

use super::{accepts, in_force, other, pinned, push, setup};
use crate::harness::{
    DockerRegistry, Folder, PASSWORD, Setup, Sidecar, USER, client, plivo, run_to_end,
};
use crate::reload::{digest, gate};
use crate::tools::sendgate;

/// What `sendgate check` says of this configuration, which it must refuse.
async fn refused(setup: &Setup, code: i32) -> String {
    let folder = Folder::new();
    folder.write("sidecar.toml", setup.to_toml());
    let ended = run_to_end("check", &folder, &setup.environment).await;
    assert_eq!(ended.status.code(), Some(code), "{}", ended.log.text());
    ended.log.text()
}

/// The manifest at `tag` of the repository `gate`, with `change` made to it, pushed to `to`.
async fn push_changed(
    registry: &DockerRegistry,
    tag: &str,
    to: &str,
    change: impl FnOnce(String) -> String,
) {
    const TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
    let url = |tag: &str| format!("http://{}/v2/gate/manifests/{tag}", registry.host());
    let got = client().get(url(tag)).header("accept", TYPE).send().await.expect("an answer");
    let manifest = change(got.text().await.expect("a manifest"));
    let put = client()
        .put(url(to))
        .header("content-type", TYPE)
        .body(manifest)
        .send()
        .await
        .expect("an answer");
    assert_eq!(put.status(), 201, "{}", put.text().await.unwrap_or_default());
}

#[tokio::test]
async fn what_is_not_what_its_digest_says_is_refused() {
    let (plivo, registry) = (plivo().await, DockerRegistry::start());
    let reference = push(&registry, &accepts(1), "gate:1", &[]).await;
    let setup = |reference: &str| setup(&plivo, &registry, reference);

    let nowhere = reference.replace(pinned(&reference), &format!("sha256:{}", digest(b"nothing")));
    let said = refused(&setup(&nowhere), 1).await;
    assert!(
        said.contains(&format!(
            "policies.gate.module: {nowhere}: {} has no such module",
            registry.host()
        )),
        "{said}"
    );

    let module = format!("sha256:{}", digest(&accepts(1)));
    registry.tamper_with(&module);
    let said = refused(&setup(&reference), 1).await;
    assert!(said.contains("what came is not what its digest says"), "{said}");
    registry.tamper_with(&module);

    // This registry notices by itself that a manifest is not what it was.
    registry.tamper_with(pinned(&reference));
    let said = refused(&setup(&reference), 1).await;
    assert!(said.contains("refuses: status 500"), "{said}");
}

#[tokio::test]
async fn a_module_that_is_too_large_or_none_is_refused_and_one_in_an_older_form_is_taken() {
    let (plivo, registry) = (plivo().await, DockerRegistry::start());
    let mut large = accepts(1);
    // A custom section of 1,400,000 bytes.
    large.extend([0, 0xc6, 0xb9, 0x55, 5, b'l', b'a', b'r', b'g', b'e']);
    large.extend(vec![0; 1_400_000]);
    let reference = push(&registry, &large, "gate:large", &[]).await;
    let limited = setup(&plivo, &registry, &reference).set("registry.max_module_mb", 1);
    let said = refused(&limited, 1).await;
    assert!(
        said.contains("is larger than the 1048576 bytes that [registry] max_module_mb allows"),
        "{said}"
    );
    // The manifest may say that it is less: what comes is counted.
    push_changed(&registry, "large", "lies", |manifest| {
        manifest.replace(&format!("\"size\":{}", large.len()), "\"size\":5")
    })
    .await;
    let lies = registry.reference("gate:lies");
    let said = refused(&setup(&plivo, &registry, &lies).set("registry.max_module_mb", 1), 1).await;
    assert!(said.contains("is larger than the 1048576 bytes"), "{said}");

    push(&registry, &accepts(1), "gate:1", &[]).await;
    push_changed(&registry, "1", "image", |manifest| {
        manifest.replace("application/wasm", "application/vnd.oci.image.layer.v1.tar")
    })
    .await;
    let said = refused(&setup(&plivo, &registry, &registry.reference("gate:image")), 1).await;
    assert!(said.contains("one layer of the type application/wasm is wanted"), "{said}");

    push_changed(&registry, "1", "older", |manifest| {
        manifest.replace("application/wasm", "application/vnd.wasm.content.layer.v1+wasm")
    })
    .await;
    let older = setup(&plivo, &registry, &registry.reference("gate:older"));
    let sidecar = Sidecar::start(older).await;
    assert_eq!(in_force(&sidecar).await, digest(&accepts(1)));
    sidecar.stop().await;
}

#[tokio::test]
async fn a_malformed_reference_is_told_by_its_place() {
    let (plivo, registry) = (plivo().await, DockerRegistry::start());
    for (reference, wanted) in [
        ("oci://gate:1", "names no registry; write oci://REGISTRY/NAME:TAG"),
        ("oci://127.0.0.1:5000/gate", "has neither a tag nor a digest"),
        ("oci://127.0.0.1:5000/gate:1@sha256:12", "has a digest that is not sha256: and 64"),
        ("oci://127.0.0.1:5000/Gate:1", "is no reference"),
    ] {
        let setup = setup(&plivo, &registry, reference);
        let toml = setup.to_toml();
        let line = toml.lines().position(|line| line.contains(reference)).expect("its line") + 1;
        let said = refused(&setup, 2).await;
        let wanted = format!("sidecar.toml:{line}:12: policies.gate.module: {wanted}");
        assert!(said.contains(&wanted), "{wanted}\n{said}");
    }
}

#[tokio::test]
async fn a_file_that_is_at_fault_elsewhere_hides_nothing_of_modules_in_registries() {
    let (plivo, mut registry) = (plivo().await, DockerRegistry::start());
    push(&registry, &accepts(1), "gate:1", &[]).await;
    let tag = registry.reference("gate:1");
    let missing = gate(&registry.reference("gate:9")).set("name", "further");
    let setup = setup(&plivo, &registry, &tag).policy(missing).set("store.colour", "red");
    let said = refused(&setup, 2).await;
    let tags = ["gate", "further"].map(|name| format!("policies.{name}.module: has no digest"));
    let host = registry.host();
    let missing = format!(
        "policies.further.module: {}: {host} has no such module",
        registry.reference("gate:9")
    );
    for wanted in ["store.colour: ", &tags[0], &tags[1], &missing] {
        assert!(said.contains(wanted), "no `{wanted}` in {said}");
    }
    assert!(!said.contains(&format!("policies.gate.module: {tag}")), "{said}");

    // Neither settings that the module refuses.
    let settings = json!({"unknown_fields": "burn"});
    let told = other(&plivo, &registry, gate(&tag).settings(settings));
    let said = refused(&told.set("store.colour", "red"), 2).await;
    assert!(said.contains("policies.gate.settings.unknown_fields: "), "{said}");

    // Whom to trust is not known.
    let said = refused(&setup.clone().set("registry.keys", json!(["gone.pub"])), 2).await;
    let over =
        "is in a registry, and was passed over like all that are, since [registry] is at fault";
    assert!(said.contains("gone.pub cannot be read"), "{said}");
    assert_eq!(said.matches(over).count(), 1, "{said}");
    assert!(!said.contains("no such module"), "{said}");

    registry.kill();
    let said = refused(&setup, 2).await;
    assert!(
        said.contains(&format!("policies.gate.module: {tag}: {host} does not answer")),
        "{said}"
    );
}

#[tokio::test]
async fn a_proxy_that_is_down_is_told_beside_the_registry_behind_it() {
    let (plivo, registry) = (plivo().await, DockerRegistry::start());
    push(&registry, &accepts(1), "gate:1", &[]).await;
    let tag = registry.reference("gate:1");
    let mut setup = setup(&plivo, &registry, &tag);
    setup.environment.push(("HTTP_PROXY".into(), "http://someone:secret@127.0.0.1:1".into()));

    let said = refused(&setup, 1).await;

    let wanted =
        format!("{tag}: {} does not answer: through the proxy 127.0.0.1:1: ", registry.host());
    assert!(said.contains(&wanted) && !said.contains("secret"), "{wanted}\n{said}");
    setup.environment.push(("NO_PROXY".into(), "127.0.0.1".into()));
    let folder = Folder::new();
    folder.write("sidecar.toml", setup.to_toml());
    let ended = run_to_end("check", &folder, &setup.environment).await;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.log.text());
}

fn private(plivo: &PlivoSim, registry: &DockerRegistry, reference: &str, password: Value) -> Setup {
    let credentials = json!({ registry.host(): { "user": USER, "password": password } });
    setup(plivo, registry, reference).set("registry.credentials", credentials)
}

#[tokio::test]
async fn a_private_registry_gives_and_takes_modules_by_password_alone() {
    let (plivo, registry) = (plivo().await, DockerRegistry::start_private());
    let folder = Folder::new();
    folder.write("gate.wasm", accepts(1));
    folder.write("password", format!("{PASSWORD}\n"));
    let to = registry.reference("gate:1");
    let command = ["policy", "push", "gate.wasm", &to, "--plain-http"];
    let denied = sendgate(folder.path(), &command).await;
    denied.ended(1);
    assert!(denied.err.contains("refuses access"), "{}", denied.err);
    let nameless = sendgate(folder.path(), &[&command[..], &["--user", USER]].concat()).await;
    nameless.ended(2);
    assert!(nameless.err.contains("--user needs a password"), "{}", nameless.err);
    let access = ["--user", USER, "--password-file", "password"];
    let pushed = sendgate(folder.path(), &[&command[..], &access].concat()).await;
    let reference = pushed.ended(0).trim().to_owned();

    let said = refused(&setup(&plivo, &registry, &reference), 1).await;
    assert!(
        said.contains(
            "refuses access; give a user and a password that may, under [registry] credentials"
        ),
        "{said}"
    );
    let said = refused(&private(&plivo, &registry, &reference, json!("another")), 1).await;
    assert!(said.contains("refuses access"), "{said}");

    // The right one comes while it runs: by a file of secrets, as everything that is watched.
    let file = Folder::new();
    file.write("registry", PASSWORD);
    let password = json!({ "file": file.path().join("registry") });
    let sidecar = Sidecar::start(private(&plivo, &registry, &reference, password)).await;
    assert_eq!(in_force(&sidecar).await, digest(&accepts(1)));
    assert!(!sidecar.stop().await.text().contains(PASSWORD), "the password is in the log");
}

#[tokio::test]
async fn the_tools_take_references_and_a_module_that_is_no_policy_is_not_pushed() {
    let registry = DockerRegistry::start();
    let folder = Folder::new();
    let reference = push(&registry, &accepts(1), "gate:1", &[]).await;
    let inspected =
        sendgate(folder.path(), &["policy", "inspect", "--plain-http", &reference]).await;
    assert!(inspected.ended(0).contains(&format!("module = \"{reference}\"")), "{}", inspected.out);
    let by_tag = registry.reference("gate:1");
    let inspected = sendgate(folder.path(), &["policy", "inspect", "--plain-http", &by_tag]).await;
    assert!(inspected.ended(0).contains(&format!("module = \"{reference}\"")), "{}", inspected.out);
    let tested = sendgate(
        folder.path(),
        &["policy", "test", "--plain-http", &reference, "--time-ms", "2000"],
    )
    .await;
    assert!(tested.ended(0).contains("cases of oci://"), "{}", tested.out);

    folder.write("broken.wasm", &accepts(1)[..1_000]);
    let broken =
        sendgate(folder.path(), &["policy", "push", "broken.wasm", &by_tag, "--plain-http"]).await;
    broken.ended(2);
    assert!(broken.err.starts_with("broken.wasm: "), "{}", broken.err);
    let encrypted = sendgate(folder.path(), &["policy", "inspect", &by_tag]).await;
    encrypted.ended(1);
    assert!(encrypted.err.contains("it speaks no TLS"), "{}", encrypted.err);
    folder.write("gate.wasm", accepts(1));
    let digested =
        sendgate(folder.path(), &["policy", "push", "gate.wasm", &reference, "--plain-http"]).await;
    digested.ended(2);
    assert!(
        digested.err.contains("write oci://REGISTRY/NAME:TAG, without a digest"),
        "{}",
        digested.err
    );
}
