//! What it says of the Redis that replicas share.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::thread;

use super::{examined, free_port, told};
use crate::harness::{Folder, Redis, Setup, plivo};

#[tokio::test]
async fn each_trouble_of_the_redis_has_an_advice_of_its_own() {
    let plivo = plivo().await;
    let locked = Redis::start_with(&["--requirepass", "word"]);
    let replica = Redis::start_with(&["--replicaof", "127.0.0.1 1"]);
    let plain = Redis::start();
    let full = Redis::start_with(&["--maxmemory", "1"]);
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let silent = silent.local_addr().map(|at| (at, silent)).expect("its address");
    let (speaks_no_tls, hangs_up) = (answering("no TLS\r\n"), answering(""));

    for (url, seen, to_do) in [
        (format!("redis://{}", free_port()), "refused", "start it"),
        ("redis://no-such-host.invalid".into(), "no-such-host.invalid", "mend the host"),
        (locked.url(), "NOAUTH", "mend the user and the password"),
        (
            locked.url().replace("//", "//:hidden-word@"),
            "refuses the user or the password",
            "mend the user and the password",
        ),
        (replica.url(), "READONLY", "not a replica"),
        (full.url(), "OOM", "maxmemory"),
        (format!("{}/99", plain.url()), "no database of that number", "the number at the end"),
        (format!("rediss://{speaks_no_tls}"), "", "SSL_CERT_FILE"),
        (format!("redis://{hangs_up}"), "", "speaks TLS alone"),
        (format!("redis://{}", silent.0), "", "no firewall"),
    ] {
        let setup = Setup::new(&plivo)
            .durable()
            .set("store.hash_key", "a-key-that-is-long-enough-for-hashes")
            .set("store.shared", url.as_str());
        let ended = examined(&setup, &Folder::new()).await;
        assert_eq!(ended.status.code(), Some(1), "{}", ended.log.text());
        let told = told(&ended, "fail", "redis");
        assert!(
            told.contains(seen) && told.contains(to_do),
            "{url}: {seen}, {to_do} not in\n{told}"
        );
        assert!(!told.contains("hidden-word"), "{told}");
    }
}

#[tokio::test]
async fn what_the_user_of_the_redis_may_not_fails_where_it_is_needed_and_warns_where_it_tells_of_the_server()
 {
    let (plivo, redis) = (plivo().await, Redis::start());
    for (rules, verdict, seen, to_do) in [
        ("+@all -@dangerous", "warn", "may not ask INFO", "+info"),
        ("+@all -@scripting", "fail", "it answered NOPERM to SCRIPT LOAD", "ACL SETUSER"),
        ("+@all -xinfo", "fail", "it answered NOPERM to XINFO", "ACL SETUSER"),
    ] {
        redis.ask(&format!("ACL SETUSER limited reset on >word ~sendgate:* {rules}"));
        let setup = Setup::new(&plivo)
            .durable()
            .set("store.hash_key", "a-key-that-is-long-enough-for-hashes")
            .set("store.shared", format!("redis://limited:word@127.0.0.1:{}", redis.port));
        let ended = examined(&setup, &Folder::new()).await;
        let told = told(&ended, verdict, "redis");
        assert!(told.contains(seen) && told.contains(to_do), "{seen}, {to_do} not in\n{told}");
        let code = if verdict == "fail" { 1 } else { 0 };
        assert_eq!(ended.status.code(), Some(code), "{}", ended.log.text());
    }
}

/// The address of a server that gives this answer to whatever it is asked, and hangs up.
fn answering(answer: &'static str) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("its address").to_string();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            // Whoever asks may have gone already.
            drop(stream.read(&mut [0; 1024]));
            drop(stream.write_all(answer.as_bytes()));
        }
    });
    address
}
