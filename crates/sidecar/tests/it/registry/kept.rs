//! What was pulled once is kept: pinned, it needs no registry any more.

use std::fs;

use serde_json::json;

use super::{accepts, in_force, kept_as, pinned, push, refuses, setup};
use crate::harness::{DockerRegistry, Folder, Sidecar, TO, plivo, run_to_end};
use crate::reload::{REFUSED_BY_THE_GUEST, digest};

#[tokio::test]
async fn a_pinned_module_decides_and_does_so_after_a_restart_without_the_registry() {
    let (plivo, mut registry) = (plivo().await, DockerRegistry::start());
    let reference = push(&registry, &refuses(), "team/gate:1", &[]).await;
    let setup = setup(&plivo, &registry, &reference);

    let sidecar = Sidecar::start(setup.clone()).await;
    assert_eq!(in_force(&sidecar).await, digest(&refuses()));
    sidecar.send(&json!({"to": TO, "text": "hello"})).await.expect(202);
    sidecar.send(&json!({"to": TO, "text": REFUSED_BY_THE_GUEST})).await.refused(422, "test.asked");

    registry.kill();
    let folder = sidecar.kill().await;
    let again = Sidecar::start_in(folder, setup).await;
    again.send(&json!({"to": TO, "text": REFUSED_BY_THE_GUEST})).await.refused(422, "test.asked");
    again.stop().await;
}

#[tokio::test]
async fn what_was_changed_in_the_cache_is_not_loaded_and_is_pulled_again() {
    let (plivo, mut registry) = (plivo().await, DockerRegistry::start());
    let module = accepts(1);
    let reference = push(&registry, &module, "gate:1", &[]).await;
    let setup = setup(&plivo, &registry, &reference);
    let sidecar = Sidecar::start(setup.clone()).await;
    let folder = sidecar.kill().await;

    // Other bytes that would load, in the place of the module; and a manifest that names them.
    for file in [digest(&module), pinned(&reference).to_owned()] {
        let path = kept_as(&folder, &file);
        let whole = fs::read(&path).expect("it was kept");
        fs::write(&path, accepts(2)).expect("a file");
        registry.kill();
        let refused = run_to_end("run", &folder, &setup.environment).await;
        assert_eq!(refused.status.code(), Some(1), "{}", refused.log.text());
        let wanted =
            format!("policies.gate.module: {reference}: {} does not answer", registry.host());
        assert!(refused.log.text().contains(&wanted), "{}", refused.log.text());

        registry.start_again();
        let again = Sidecar::start_in(folder.clone(), setup.clone()).await;
        assert_eq!(in_force(&again).await, digest(&module));
        assert_eq!(fs::read(&path).expect("kept again"), whole);
        again.kill().await;
    }
}

#[tokio::test]
async fn a_start_keeps_the_cache_to_its_bound_and_lets_alone_what_else_lies_there() {
    let (plivo, registry) = (plivo().await, DockerRegistry::start());
    let reference = push(&registry, &accepts(1), "gate:1", &[]).await;
    let setup =
        setup(&plivo, &registry, &reference).set("registry.cache", ".").set("registry.cache_mb", 1);
    let folder = Folder::new();
    let (old, large) = ("0".repeat(64), vec![0; 2 << 20]);
    let foreign = ["ledger.db", "cosign.key"];
    for name in foreign.into_iter().chain([old.as_str()]) {
        folder.write(name, &large);
    }
    fs::create_dir(folder.path().join("further")).expect("a folder");
    let sidecar = Sidecar::start_in(folder, setup).await;
    assert_eq!(in_force(&sidecar).await, digest(&accepts(1)));
    let folder = sidecar.kill().await;
    assert!(!folder.path().join(&old).exists(), "it is above the bound");
    for name in foreign.into_iter().chain(["further", "sidecar.toml"]) {
        assert!(folder.path().join(name).exists(), "{name} is not of the cache");
    }
}

#[tokio::test]
async fn a_first_start_without_the_registry_says_so_and_ends() {
    let (plivo, mut registry) = (plivo().await, DockerRegistry::start());
    let reference = push(&registry, &accepts(1), "gate:1", &[]).await;
    registry.kill();
    let (folder, setup) = (Folder::new(), setup(&plivo, &registry, &reference));
    folder.write("sidecar.toml", setup.to_toml());
    for command in ["run", "check"] {
        let ended = run_to_end(command, &folder, &setup.environment).await;
        assert_eq!(ended.status.code(), Some(1), "{}", ended.log.text());
        let wanted = format!("{reference}: {} does not answer", registry.host());
        assert!(ended.log.text().contains(&wanted), "{}", ended.log.text());
    }
}

#[tokio::test]
async fn a_cache_that_cannot_be_written_costs_a_warning() {
    let (plivo, registry) = (plivo().await, DockerRegistry::start());
    let reference = push(&registry, &accepts(1), "gate:1", &[]).await;
    let folder = Folder::new();
    // A file where the folder should be, since a privileged user may write anywhere.
    folder.write("taken", "");
    let setup = setup(&plivo, &registry, &reference).set("registry.cache", "taken");
    let sidecar = Sidecar::start_in(folder, setup).await;
    assert!(sidecar.log.text().contains("a module could not be kept"), "{}", sidecar.log.text());
    sidecar.stop().await;
}

#[tokio::test]
async fn the_cache_keeps_to_its_bound_and_never_lets_go_of_what_is_in_force() {
    let (plivo, registry) = (plivo().await, DockerRegistry::start());
    let large = |mark: u8| {
        let mut module = accepts(mark);
        // A custom section of 700,000 bytes: two such modules are more than the bound.
        module.extend([0, 0xe6, 0xdc, 0x2a, 5, b'l', b'a', b'r', b'g', b'e']);
        module.extend(vec![mark; 700_000]);
        module
    };
    let first = push(&registry, &large(1), "gate:1", &[]).await;
    let second = push(&registry, &large(2), "gate:2", &[]).await;
    let configured =
        |reference: &str| setup(&plivo, &registry, reference).set("registry.cache_mb", 1);
    let sidecar = Sidecar::start(configured(&first)).await;
    let kept = |module: &[u8]| kept_as(&sidecar.folder, &digest(module)).exists();
    assert!(kept(&large(1)));

    crate::reload::configure(&sidecar, &configured(&second));
    super::comes_into_force(&sidecar, &large(2)).await;
    // That attempt still had the first in force; the next one has not.
    crate::reload::configure(&sidecar, &configured(&second).set("plivo.attempts", 3));
    let probe = async || (!kept(&large(1))).then_some(());
    crate::harness::eventually("the module that was in force before has gone", probe).await;
    assert!(kept(&large(2)));
    sidecar.stop().await;
}
