//! Tags that move, and registries that are away while something changes.

use serde_json::json;
use tokio::net::TcpListener;

use super::{accepts, comes_into_force, in_force, kept_as, other, push, refuses, setup};
use crate::harness::{DockerRegistry, Folder, Sidecar, TO, plivo, run_to_end};
use crate::reload::{NEVER_POLLS, REFUSED_BY_THE_GUEST, applied, configure, digest, gate, refusal};
use crate::tools::{sendgate, with_cases};

#[tokio::test]
async fn a_tag_is_followed_and_is_what_it_was_last_while_the_registry_is_away() {
    let (plivo, mut registry) = (plivo().await, DockerRegistry::start());
    push(&registry, &accepts(1), "gate:stable", &[]).await;
    let tag = registry.reference("gate:stable");
    let setup = setup(&plivo, &registry, &tag)
        .set("registry.refresh_s", 1)
        .set("reload.poll_ms", NEVER_POLLS);
    let sidecar = Sidecar::start(setup.clone()).await;
    assert_eq!(in_force(&sidecar).await, digest(&accepts(1)));
    assert!(
        sidecar.log.text().contains("policies.gate.module: has no digest"),
        "{}",
        sidecar.log.text()
    );

    push(&registry, &accepts(2), "gate:stable", &[]).await;
    comes_into_force(&sidecar, &accepts(2)).await;

    registry.kill();
    let told = |events: &[serde_json::Value]| {
        events
            .iter()
            .any(|event| event.to_string().contains("a tag could not be looked up"))
            .then_some(())
    };
    sidecar.log.wait_for("the registry is missed", told).await.expect("it runs");
    sidecar.send(&json!({"to": TO, "text": "hello"})).await.expect(202);
    let folder = sidecar.kill().await;
    let again = Sidecar::start_in(folder, setup).await;
    assert_eq!(in_force(&again).await, digest(&accepts(2)));
    assert!(again.log.text().contains("what it led to last is taken"), "{}", again.log.text());
    again.stop().await;
}

#[tokio::test]
async fn a_tag_that_moves_to_a_module_that_does_not_load_leaves_the_last_good_one() {
    let (plivo, registry) = (plivo().await, DockerRegistry::start());
    push(&registry, &accepts(1), "gate:stable", &[]).await;
    let setup =
        setup(&plivo, &registry, &registry.reference("gate:stable")).set("registry.refresh_s", 1);
    let sidecar = Sidecar::start(setup).await;
    // Nobody but a sidecar holds it to its cases before it is in force.
    let case = "[[case]]\nname = \"nothing passes\"\nexpect = { verdict = \"reject\" }\n";
    push(&registry, &with_cases(refuses(), case), "gate:stable", &[]).await;
    refusal(&sidecar, "nothing passes").await;
    assert_eq!(in_force(&sidecar).await, digest(&accepts(1)));
    push(&registry, &accepts(3), "gate:stable", &[]).await;
    comes_into_force(&sidecar, &accepts(3)).await;
    sidecar.stop().await;
}

#[tokio::test]
async fn a_start_without_the_registry_takes_what_a_tag_led_to_before_what_was_refused() {
    let (plivo, mut registry) = (plivo().await, DockerRegistry::start());
    // A custom section of 700,000 bytes: both modules are more than the cache may hold.
    let large = |module: Vec<u8>| {
        let section = [0, 0xe6, 0xdc, 0x2a, 5, b'l', b'a', b'r', b'g', b'e'];
        [&module[..], &section, &[0; 700_000]].concat()
    };
    let (good, tag) = (large(accepts(1)), registry.reference("gate:stable"));
    push(&registry, &good, "gate:stable", &[]).await;
    let setup = setup(&plivo, &registry, &tag)
        .set("registry.cache_mb", 1)
        .set("reload.poll_ms", NEVER_POLLS);
    let sidecar = Sidecar::start(setup.clone().set("registry.refresh_s", 1)).await;
    let case = "[[case]]\nname = \"nothing passes\"\nexpect = { verdict = \"reject\" }\n";
    let bad = large(with_cases(refuses(), case));
    push(&registry, &bad, "gate:stable", &[]).await;
    refusal(&sidecar, "nothing passes").await;
    assert_eq!(in_force(&sidecar).await, digest(&good));
    let folder = sidecar.kill().await;
    let kept = |module: &[u8]| kept_as(&folder, &digest(module)).exists();
    assert!(kept(&good), "what was refused has pushed out what is in force");

    // Those that refuse it as well remember it no more than that.
    for command in ["run", "check"] {
        let refused = run_to_end(command, &folder, &setup.environment).await;
        assert_eq!(refused.status.code(), Some(2), "{}", refused.log.text());
    }
    let pulled = ["policy", "inspect", &tag, "--plain-http"];
    sendgate(folder.path(), &pulled).await.ended(0);

    registry.kill();
    let again = Sidecar::start_in(folder, setup).await;
    assert_eq!(in_force(&again).await, digest(&good));
    assert!(again.log.text().contains("what it led to last is taken"), "{}", again.log.text());
    again.stop().await;
}

#[tokio::test]
async fn check_tells_what_a_tag_is_now_and_refuses_it_where_a_digest_is_required() {
    let (plivo, mut registry) = (plivo().await, DockerRegistry::start());
    let pinned = push(&registry, &accepts(1), "gate:1", &[]).await;
    let (folder, setup) = (Folder::new(), setup(&plivo, &registry, &registry.reference("gate:1")));
    folder.write("sidecar.toml", setup.to_toml());
    let checked = run_to_end("check", &folder, &setup.environment).await;
    let said = checked.log.text();
    assert_eq!(checked.status.code(), Some(0), "{said}");
    assert!(said.contains("policies.gate.module: has no digest: whoever may push"), "{said}");
    assert!(said.contains(&format!("pinned as it is now: {pinned}")), "{said}");

    registry.kill();
    let checked = run_to_end("check", &folder, &setup.environment).await;
    let said = checked.log.text();
    assert_eq!(checked.status.code(), Some(0), "{said}");
    assert!(said.contains("nobody knows what its tag leads to now"), "{said}");
    assert!(said.contains(&format!("pinned as it was last: {pinned}")), "{said}");

    let strict = setup.set("registry.require_digest", true);
    folder.write("sidecar.toml", strict.to_toml());
    let refused = run_to_end("check", &folder, &strict.environment).await;
    let said = refused.log.text();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(
        said.contains("policies.gate.module: has no digest, which require_digest wants"),
        "{said}"
    );
}

#[tokio::test]
async fn what_a_registry_cannot_give_is_asked_for_again_until_it_comes_into_force() {
    let (plivo, mut registry) = (plivo().await, DockerRegistry::start());
    let first = push(&registry, &accepts(1), "gate:1", &[]).await;
    let second = push(&registry, &refuses(), "gate:2", &[]).await;
    let configured =
        |reference: &str| setup(&plivo, &registry, reference).set("reload.poll_ms", NEVER_POLLS);
    let (first, second) = (configured(&first), configured(&second));
    let (third, fourth) = (registry.reference("gate:4"), registry.host());
    let sidecar = Sidecar::start(first.clone()).await;

    // Away: the last good one serves, and nobody has to touch a file when it is back.
    registry.kill();
    configure(&sidecar, &second);
    refusal(&sidecar, &format!("{fourth} does not answer")).await;
    sidecar.send(&json!({"to": TO, "text": REFUSED_BY_THE_GUEST})).await.expect(202);
    registry.start_again();
    applied(&sidecar, 1).await;
    assert_eq!(in_force(&sidecar).await, digest(&refuses()));

    // Not pushed yet.
    configure(&sidecar, &setup(&plivo, &registry, &third).set("reload.poll_ms", NEVER_POLLS));
    refusal(&sidecar, "has no such module; push it").await;
    push(&registry, &accepts(4), "gate:4", &[]).await;
    comes_into_force(&sidecar, &accepts(4)).await;
    sidecar.stop().await;
}

#[tokio::test]
async fn a_candidate_may_be_in_a_registry_and_stays_promoted_over_a_reload() {
    let (plivo, registry) = (plivo().await, DockerRegistry::start());
    let reference = push(&registry, &refuses(), "gate:next", &[]).await;
    let folder = Folder::new();
    folder.write("gate.wasm", accepts(1));
    let token = "an-operators-token-0123456789";
    let configured = |attempts: u32| {
        let policy = gate("gate.wasm")
            .set("candidate", reference.as_str())
            .set("candidate_settings", json!({}));
        let setup = other(&plivo, &registry, policy).set("listen.admin_token", token);
        setup.set("plivo.attempts", attempts)
    };
    let sidecar = Sidecar::start_in(folder, configured(3)).await;
    sidecar.operate("/policies/gate/promote", token).await.expect(200);
    assert_eq!(in_force(&sidecar).await, digest(&refuses()));
    let before = crate::reload::generation(&sidecar).await;
    configure(&sidecar, &configured(4));
    applied(&sidecar, before).await;
    assert_eq!(in_force(&sidecar).await, digest(&refuses()));
    sidecar.stop().await;
}

#[tokio::test]
async fn a_registry_that_never_answers_holds_up_neither_a_message_nor_the_end() {
    let (plivo, registry) = (plivo().await, DockerRegistry::start());
    let reference = push(&registry, &accepts(1), "gate:1", &[]).await;
    let sidecar = Sidecar::start(setup(&plivo, &registry, &reference)).await;

    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let host = silent.local_addr().expect("a bound address").to_string();
    let elsewhere = format!("oci://{host}/gate@sha256:{}", digest(b"nothing"));
    let changed = setup(&plivo, &registry, &elsewhere).set("registry.plain_http", json!([host]));
    configure(&sidecar, &changed.set("registry.timeout_s", 600));
    let asked = silent.accept().await.expect("it is asked");

    sidecar.send(&json!({"to": TO, "text": "hello"})).await.expect(202);
    let log = sidecar.stop().await;
    assert!(log.text().contains("drained; nothing was left"), "{}", log.text());
    drop(asked);
}
