//! The Redis takes another password while the sidecar runs.

use serde_json::json;

use super::{connected, keyed, replica, text, throttle, trouble};
use crate::harness::{App, Folder, Redis, Sidecar, eventually, plivo};
use crate::readme::block;
use crate::reload::{applied, generation, refusal};

const FIRST: &str = "swordfish-the-first";
const SECOND: &str = "swordfish-the-second";
const NEVER: &str = "swordfish-that-never-was";

fn url(redis: &Redis, password: &str) -> String {
    format!("redis://:{password}@127.0.0.1:{}\n", redis.port)
}

/// How often the log has said so.
fn said(sidecar: &Sidecar, what: &str) -> usize {
    sidecar.log.text().matches(what).count()
}

#[tokio::test]
async fn the_password_of_the_redis_is_rotated_by_its_file_and_what_changes_later_comes_into_force()
{
    let (redis, plivo) = (Redis::start_with(&["--requirepass", FIRST]), plivo().await);
    let folder = Folder::new();
    folder.write("redis-url", url(&redis, FIRST));
    folder.write("token", "first-token");
    let setup = replica(&plivo, "")
        .set("store.shared", json!({"file": "redis-url"}))
        .set("telemetry.log", "info")
        .app(App::new("other", "").set("token", json!({"file": "token"})));
    let sidecar = Sidecar::start_in(folder, setup).await;
    connected(&sidecar).await;
    keyed(&sidecar, "before", &text("before")).await.expect(202);

    redis.ask(&format!("AUTH {FIRST}\nCONFIG SET requirepass {SECOND}"));
    sidecar.folder.write("redis-url", url(&redis, SECOND));
    let second = applied(&sidecar, 1).await;
    let over = "the shared store is used by other credentials";
    eventually("the new ones are used", async || (said(&sidecar, over) == 1).then_some(())).await;

    redis.ask(&format!("AUTH {SECOND}\nCLIENT KILL TYPE normal"));
    // One that had lived for an instant only is made again a little later, and said to be up.
    let made = ["the shared store is up", "to the shared store ended; there is another"];
    let made =
        async || (made.map(|what| said(&sidecar, what)).iter().sum::<usize>() == 2).then_some(());
    eventually("another connection is made", made).await;
    keyed(&sidecar, "after", &text("after")).await.expect(202);
    sidecar.folder.write("token", "second-token");
    applied(&sidecar, second).await;
    let other = sidecar.post("/v1/messages").bearer("second-token").json(&text("hi"));
    other.answer().await.expect(202);

    sidecar.folder.write("redis-url", url(&redis, NEVER));
    let why = eventually("they are refused", async || {
        trouble(&sidecar).await.as_str().map(str::to_owned)
    });
    let why = why.await;
    assert!(why.contains("new user or password") && why.contains("goes on"), "{why}");
    keyed(&sidecar, "meanwhile", &text("meanwhile")).await.expect(202);
    let before = generation(&sidecar).await;
    sidecar.folder.write("redis-url", url(&redis, SECOND));
    applied(&sidecar, before).await;
    connected(&sidecar).await;

    sidecar.folder.write("redis-url", "redis://127.0.0.1:1");
    let faults = refusal(&sidecar, "store.shared").await;
    let [fault] = &faults[..] else { panic!("one fault: {faults:#?}") };
    assert!(fault.contains("store.shared: is fixed until a restart"), "{fault}");
    keyed(&sidecar, "last", &text("last")).await.expect(202);
    sidecar.folder.write("redis-url", "");
    let faults = refusal(&sidecar, "store.shared.file").await;
    assert_eq!(faults.len(), 1, "what cannot be read is no other server: {faults:#?}");
    let log = sidecar.stop().await.text();
    let shown = [FIRST, SECOND, NEVER].iter().any(|password| log.contains(password));
    assert!(!shown, "a password is in the log");
}

/// A user of the Redis, by an ACL's rules.
fn user(redis: &Redis, name: &str, rules: &str) -> String {
    let made = redis.ask(&format!("ACL SETUSER {name} reset on >{name}-word {rules}"));
    assert!(made.starts_with("+OK"), "{made}");
    format!("redis://{name}:{name}-word@127.0.0.1:{}\n", redis.port)
}

#[tokio::test]
async fn a_user_of_the_redis_that_may_not_all_that_is_needed_is_told_and_takes_no_others_place() {
    let (redis, plivo) = (Redis::start(), plivo().await);
    let folder = Folder::new();
    folder.write("redis-url", user(&redis, "written", "~sendgate:* +@all -@scripting"));
    let setup = replica(&plivo, "").set("store.shared", json!({"file": "redis-url"}));
    let sidecar = Sidecar::start_in(folder, setup).await;
    let told = async |part: &str| {
        let found =
            async || trouble(&sidecar).await.as_str().filter(|why| why.contains(part)).map(drop);
        eventually("the reason is told", found).await;
    };
    let up = async |value: &str| {
        sidecar.admin("/metrics").await.text.contains(&format!("sendgate_shared_up {value}\n"))
    };

    told("it answered NOPERM to SCRIPT LOAD").await;
    assert!(up("0").await);

    sidecar.folder.write("redis-url", user(&redis, "whole", "~sendgate:* +@all"));
    connected(&sidecar).await;
    assert!(up("1").await);
    sidecar.folder.write("redis-url", user(&redis, "lesser", "~sendgate:* +@all -@sortedset"));
    told("it answered NOPERM to ZADD").await;
    assert!(up("1").await);
    keyed(&sidecar, "k", &text("by the connection before")).await.expect(202);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_user_of_the_redis_with_the_rights_that_readme_lists_does_for_keys_and_limits() {
    let (redis, plivo) = (Redis::start(), plivo().await);
    let made = redis.ask(block("ACL SETUSER").trim());
    assert_eq!(made.matches("+OK").count(), 4, "three commands and the end: {made}");
    let url = format!("redis://sendgate:PASSWORD@127.0.0.1:{}", redis.port);
    let setup = replica(&plivo, &url).policy(throttle(2, "reject"));
    let sidecar = Sidecar::start(setup).await;
    connected(&sidecar).await;

    keyed(&sidecar, "one", &text("one")).await.expect(202);
    let again = keyed(&sidecar, "one", &text("one")).await;
    again.expect(202);
    sidecar.send(&text("two")).await.expect(202);
    sidecar.send(&text("three")).await.refused(429, "throttle.app");
    assert!(trouble(&sidecar).await.is_null());
    let log = redis.ask("ACL LOG");
    assert!(!log.contains("sendgate"), "something was refused: {log}");
    sidecar.stop().await;
}
