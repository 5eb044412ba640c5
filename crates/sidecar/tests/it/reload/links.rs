//! Files behind links: Kubernetes' volumes, and chains of links of which the system gives no notice.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::json;

use super::load::{Verdicts, under_load};
use super::{
    NEVER_POLLS, POLLS_OFTEN, REFUSED_BY_THE_GUEST, applied, bytes_of, configure, digest, gate,
    generation, refusal, start_in,
};
use crate::harness::{Folder, Setup, Sidecar, TO, plivo};

/// Files by name.
type Files<'a> = [(&'a str, &'a [u8])];

/// Puts `files` into the folder `version` of a volume, as the kubelet does before it swaps.
fn write_version(volume: &Path, version: &str, files: &Files<'_>) {
    let folder = volume.join(version);
    fs::create_dir(&folder).expect("a folder");
    for (name, content) in files {
        fs::write(folder.join(name), content).expect("a file");
    }
}

/// Makes `link` lead to `target`, in one step.
fn point(link: &Path, target: impl AsRef<Path>) {
    let draft = link.with_file_name("..draft");
    symlink(target, &draft).and_then(|()| fs::rename(&draft, link)).expect("a link");
}

/// A volume as Kubernetes mounts a ConfigMap or a Secret: `NAME -> ..data/NAME`, `..data -> VERSION`.
fn mount(volume: &Path, version: &str, files: &Files<'_>) {
    write_version(volume, version, files);
    point(&volume.join("..data"), version);
    for (name, _) in files {
        point(&volume.join(name), Path::new("..data").join(name));
    }
}

/// Starts a sidecar whose configuration is a link into the volume, as all its files are.
async fn start_mounted(folder: Folder, setup: &Setup) -> Sidecar {
    let sidecar = start_in(folder, setup).await;
    point(&sidecar.folder.path().join("sidecar.toml"), "..data/sidecar.toml");
    sidecar
}

#[tokio::test]
async fn a_volume_swapped_as_kubernetes_does_it_brings_module_and_configuration_into_force() {
    let (plivo, folder) = (plivo().await, Folder::new());
    let (open, shut) = (bytes_of("validation"), bytes_of("runaway"));
    let setup = Setup::new(&plivo).set("reload.poll_ms", NEVER_POLLS).policy(gate("gate.wasm"));
    let toml = setup.to_toml();
    mount(folder.path(), "..2026_1", &[("sidecar.toml", toml.as_bytes()), ("gate.wasm", &open)]);
    let sidecar = start_mounted(folder, &setup).await;
    let volume = sidecar.folder.path();
    let verdicts = Verdicts::from([(digest(&open), "accept"), (digest(&shut), "reject")]);
    let listed = async || sidecar.get("/v1/policies").await.expect(200)["policies"][0].clone();

    under_load(&sidecar, &plivo, &verdicts, async || {
        // The module alone.
        write_version(
            volume,
            "..2026_2",
            &[("sidecar.toml", toml.as_bytes()), ("gate.wasm", &shut)],
        );
        point(&volume.join("..data"), "..2026_2");
        fs::remove_dir_all(volume.join("..2026_1")).expect("the version before");
        let second = applied(&sidecar, 1).await;
        assert_eq!(listed().await["digest"], digest(&shut));

        // Both, one of them for the second time.
        let toml = setup.clone().set("delivery.ttl_s", 600).to_toml();
        write_version(
            volume,
            "..2026_3",
            &[("sidecar.toml", toml.as_bytes()), ("gate.wasm", &open)],
        );
        point(&volume.join("..data"), "..2026_3");
        fs::remove_dir_all(volume.join("..2026_2")).expect("the version before");
        assert_eq!(applied(&sidecar, second).await, second + 1, "both at once");
        assert_eq!(listed().await["digest"], digest(&open));
    })
    .await;

    sidecar.stop().await;
}

#[tokio::test]
async fn while_the_link_leads_nowhere_the_generation_before_serves() {
    let (plivo, folder) = (plivo().await, Folder::new());
    let (open, shut) = (bytes_of("validation"), bytes_of("runaway"));
    let setup = Setup::new(&plivo).set("reload.poll_ms", NEVER_POLLS).policy(gate("gate.wasm"));
    let toml = setup.to_toml();
    let files = |module| [("sidecar.toml", toml.as_bytes()), ("gate.wasm", module)];
    mount(folder.path(), "..2026_1", &files(&open));
    let sidecar = start_mounted(folder, &setup).await;
    let volume = sidecar.folder.path();
    let message = json!({"to": TO, "text": REFUSED_BY_THE_GUEST});

    for (version, module, status) in [("..2026_2", &shut, 422), ("..2026_3", &open, 202)] {
        let before = generation(&sidecar).await;
        let decides = sidecar.send(&message).await.status;
        fs::remove_file(volume.join("..data")).expect("a link");
        let faults = refusal(&sidecar, "sidecar.toml:1:1: cannot be read").await;
        assert_eq!(faults.len(), 1, "{faults:#?}");
        assert_eq!(sidecar.send(&message).await.status, decides, "the generation before serves");
        assert_eq!(generation(&sidecar).await, before);

        write_version(volume, version, &files(module));
        point(&volume.join("..data"), version);
        applied(&sidecar, before).await;
        assert_eq!(sidecar.send(&message).await.status, status);
    }
    sidecar.stop().await;
}

#[tokio::test]
async fn a_link_in_the_middle_of_a_chain_is_seen_by_looking() {
    let (plivo, folder) = (plivo().await, Folder::new());
    let (open, shut) = (bytes_of("validation"), bytes_of("runaway"));
    write_version(folder.path(), "one", &[("gate.wasm", &open)]);
    write_version(folder.path(), "two", &[("gate.wasm", &shut)]);
    for hop in ["near", "far"] {
        fs::create_dir(folder.path().join(hop)).expect("a folder");
    }
    // The system gives notice of what happens in `near` and in `one`, and nothing happens there.
    point(&folder.path().join("near/gate.wasm"), "../far/gate.wasm");
    point(&folder.path().join("far/gate.wasm"), "../one/gate.wasm");
    let setup = |poll_ms: u64| {
        Setup::new(&plivo).set("reload.poll_ms", poll_ms).policy(gate("near/gate.wasm"))
    };
    let sidecar = start_in(folder, &setup(NEVER_POLLS)).await;

    // How often it looks is a setting like others.
    configure(&sidecar, &setup(POLLS_OFTEN));
    let second = applied(&sidecar, 1).await;
    point(&sidecar.folder.path().join("far/gate.wasm"), "../two/gate.wasm");
    applied(&sidecar, second).await;

    let message = json!({"to": TO, "text": REFUSED_BY_THE_GUEST});
    sidecar.send(&message).await.refused(422, "test.asked");
    sidecar.stop().await;
}
