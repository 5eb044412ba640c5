//! Signatures: by a key that is trusted, or the module does not load, wherever it comes from.

use std::fs;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{CACHE, accepts, in_force, kept_as, pinned, push, setup};
use crate::harness::{DockerRegistry, Folder, Setup, Sidecar, client, plivo, run_to_end};
use crate::reload::digest;

/// A folder with the key pairs `a` and `b`.
fn keys() -> Folder {
    let folder = Folder::new();
    for name in ["a", "b"] {
        let (key, public) = (format!("{name}.key"), format!("{name}.pub"));
        let made =
            ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", &key];
        for words in [&made[..], &["pkey", "-in", &key, "-pubout", "-out", &public]] {
            openssl(&folder, words);
        }
    }
    folder
}

fn openssl(folder: &Folder, words: &[&str]) -> String {
    let ran = Command::new("openssl")
        .args(words)
        .current_dir(folder.path())
        .output()
        .expect("openssl is here");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(ran.status.success(), "openssl {words:?}: {}", text(&ran.stderr));
    text(&ran.stdout)
}

fn path(keys: &Folder, name: &str) -> String {
    keys.path().join(name).to_string_lossy().into_owned()
}

/// What `sendgate run` says where it does not start.
async fn refused(folder: &Folder, setup: &Setup) -> String {
    folder.write("sidecar.toml", setup.to_toml());
    let ended = run_to_end("run", folder, &setup.environment).await;
    assert_eq!(ended.status.code(), Some(1), "{}", ended.log.text());
    ended.log.text()
}

/// Where the registry keeps the manifest of the signatures of what has this digest.
fn signatures(registry: &DockerRegistry, reference: &str) -> String {
    let tag = pinned(reference).replace(':', "-");
    format!("http://{}/v2/gate/manifests/{tag}.sig", registry.host())
}

const TYPE: &str = "application/vnd.oci.image.manifest.v1+json";

async fn get(url: &str) -> String {
    let got = client().get(url).header("accept", TYPE).send().await.expect("an answer");
    assert_eq!(got.status(), 200, "{url}");
    got.text().await.expect("text")
}

#[tokio::test]
async fn a_module_loads_by_a_signature_of_a_trusted_key_and_by_no_other() {
    let (plivo, registry, keys) = (plivo().await, DockerRegistry::start(), keys());
    let trusting = |reference: &str, key: &str| {
        setup(&plivo, &registry, reference).set("registry.keys", json!([path(&keys, key)]))
    };
    let unsigned = push(&registry, &accepts(1), "gate:unsigned", &[]).await;
    let said = refused(&Folder::new(), &trusting(&unsigned, "a.pub")).await;
    assert!(
        said.contains(&format!("{unsigned}: is not signed; sign {}", pinned(&unsigned))),
        "{said}"
    );

    let by_b = push(&registry, &accepts(2), "gate:2", &["--sign-key", &path(&keys, "b.key")]).await;
    let said = refused(&Folder::new(), &trusting(&by_b, "a.pub")).await;
    assert!(said.contains("is signed by none of [registry] keys"), "{said}");

    // One signature more, and it is trusted, as it was by the first.
    let by_both =
        push(&registry, &accepts(2), "gate:2", &["--sign-key", &path(&keys, "a.key")]).await;
    assert_eq!(by_both, by_b, "the same module has the same digest");
    for key in ["a.pub", "b.pub"] {
        let sidecar = Sidecar::start(trusting(&by_both, key)).await;
        assert_eq!(in_force(&sidecar).await, digest(&accepts(2)));
        sidecar.stop().await;
    }

    // The signatures of one module say nothing of another.
    let stolen = get(&signatures(&registry, &by_both)).await;
    let put =
        client().put(signatures(&registry, &unsigned)).header("content-type", TYPE).body(stolen);
    assert_eq!(put.send().await.expect("an answer").status(), 201);
    let said = refused(&Folder::new(), &trusting(&unsigned, "a.pub")).await;
    assert!(said.contains("is signed by none of [registry] keys"), "{said}");
}

#[tokio::test]
async fn a_signed_module_is_not_taken_under_another_name() {
    let (plivo, registry, keys) = (plivo().await, DockerRegistry::start(), keys());
    let signed = ["--sign-key", &path(&keys, "a.key")];
    let gate = push(&registry, &accepts(1), "gate:1", &signed).await;
    // The same bytes elsewhere, with the signatures of the first.
    let other = push(&registry, &accepts(1), "team/other:1", &signed).await;
    assert_eq!(pinned(&gate), pinned(&other), "the same module has the same digest");
    let (from, to) = (signatures(&registry, &gate), signatures(&registry, &other));
    let to = to.replace("/v2/gate/", "/v2/team/other/");
    let stolen: Value = serde_json::from_str(&get(&from).await).expect("JSON");
    for blob in [&stolen["config"], &stolen["layers"][0]] {
        let blob = blob["digest"].as_str().expect("a digest");
        let mounts = format!("http://{}/v2/team/other/blobs/uploads/", registry.host());
        let mount = client().post(format!("{mounts}?mount={blob}&from=gate"));
        assert_eq!(mount.send().await.expect("an answer").status(), 201, "{blob}");
    }
    let put = client().put(to).header("content-type", TYPE).body(stolen.to_string());
    assert_eq!(put.send().await.expect("an answer").status(), 201);
    for reference in [registry.reference("team/other:1"), other] {
        let trusting = setup(&plivo, &registry, &reference)
            .set("registry.keys", json!([path(&keys, "a.pub")]));
        let said = refused(&Folder::new(), &trusting).await;
        let wanted = format!("is signed as {}/gate, not as team/other", registry.host());
        assert!(said.contains(&wanted), "{said}");
    }
}

#[tokio::test]
async fn a_tag_that_must_be_signed_is_warned_about_as_what_it_leaves_open() {
    let (plivo, registry, keys) = (plivo().await, DockerRegistry::start(), keys());
    push(&registry, &accepts(1), "gate:1", &["--sign-key", &path(&keys, "a.key")]).await;
    let setup = setup(&plivo, &registry, &registry.reference("gate:1"))
        .set("registry.keys", json!([path(&keys, "a.pub")]));
    let folder = Folder::new();
    folder.write("sidecar.toml", setup.to_toml());
    let checked = run_to_end("check", &folder, &setup.environment).await;
    let said = checked.log.text();
    assert_eq!(checked.status.code(), Some(0), "{said}");
    let wanted =
        "decides which of the modules runs here that [registry] keys signed under this name";
    assert!(said.contains(wanted), "{said}");
    assert!(!said.contains("decides what runs here"), "{said}");
}

#[tokio::test]
async fn a_signature_is_what_openssl_takes_it_for() {
    let (registry, keys) = (DockerRegistry::start(), keys());
    let reference =
        push(&registry, &accepts(1), "gate:1", &["--sign-key", &path(&keys, "a.key")]).await;
    let manifest: Value =
        serde_json::from_str(&get(&signatures(&registry, &reference)).await).expect("JSON");
    let layer = &manifest["layers"][0];
    assert_eq!(
        layer["mediaType"], "application/vnd.dev.cosign.simplesigning.v1+json",
        "{manifest}"
    );
    let signature =
        layer["annotations"]["dev.cosignproject.cosign/signature"].as_str().expect("a signature");
    let payload = layer["digest"].as_str().expect("a digest");
    let payload = get(&format!("http://{}/v2/gate/blobs/{payload}", registry.host())).await;
    let signed: Value = serde_json::from_str(&payload).expect("JSON");
    assert_eq!(
        signed["critical"]["image"]["docker-manifest-digest"],
        pinned(&reference),
        "{payload}"
    );
    let name = format!("{}/gate", registry.host());
    assert_eq!(signed["critical"]["identity"]["docker-reference"], name, "{payload}");
    assert_eq!(signed["critical"]["type"], "cosign container image signature", "{payload}");
    keys.write("payload", payload);
    keys.write("signature", STANDARD.decode(signature).expect("base64"));
    let said = openssl(
        &keys,
        &["dgst", "-sha256", "-verify", "a.pub", "-signature", "signature", "payload"],
    );
    assert_eq!(said, "Verified OK\n");
}

#[tokio::test]
async fn what_is_kept_is_held_to_the_keys_again_at_every_start() {
    let (plivo, mut registry, keys) = (plivo().await, DockerRegistry::start(), keys());
    let reference =
        push(&registry, &accepts(1), "gate:1", &["--sign-key", &path(&keys, "a.key")]).await;
    let trusting = |key: &str| {
        setup(&plivo, &registry, &reference).set("registry.keys", json!([path(&keys, key)]))
    };
    let (by_a, by_b) = (trusting("a.pub"), trusting("b.pub"));
    let sidecar = Sidecar::start(by_a.clone()).await;
    let folder = sidecar.kill().await;
    registry.kill();
    let again = Sidecar::start_in(folder, by_a.clone()).await;
    assert_eq!(in_force(&again).await, digest(&accepts(1)));
    let folder = again.kill().await;

    // Another key is trusted by now.
    let said = refused(&folder, &by_b).await;
    assert!(said.contains("does not answer"), "{said}");
    // The module is there, and what vouched for it is not.
    let module = kept_as(&folder, &digest(&accepts(1)));
    for file in fs::read_dir(folder.path().join(CACHE)).expect("the cache") {
        let file = file.expect("a file").path();
        if file != module && file != kept_as(&folder, pinned(&reference)) {
            fs::remove_file(file).expect("a file");
        }
    }
    let said = refused(&folder, &by_a).await;
    assert!(said.contains("does not answer"), "{said}");
    assert!(module.exists());
    // Without keys the same is enough.
    let sidecar = Sidecar::start_in(folder, by_a.unset("registry.keys")).await;
    sidecar.stop().await;
}
