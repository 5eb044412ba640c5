use super::*;
use crate::testing::Server;
use crate::{Connection, SharedOptions, Status};

/// All that a user of the server needs.
const RIGHTS: [&str; 22] = [
    "evalsha",
    "script|load",
    "set",
    "del",
    "time",
    "pexpire",
    "pttl",
    "hget",
    "hset",
    "hmget",
    "hdel",
    "hexists",
    "hincrby",
    "zadd",
    "zcard",
    "zrange",
    "zrangebyscore",
    "zrem",
    "xadd",
    "xlen",
    "xrange",
    "xinfo|stream",
];

/// A server with the user `u` that may do `rights` on the keys, and a URL by which one is that user.
async fn with_user(server: &Server, rights: &[&str]) -> SharedOptions {
    let allow: Vec<String> = rights.iter().map(|right| format!("+{right}")).collect();
    let mut words = vec!["ACL", "SETUSER", "u", "reset", "on", ">p", "~sendgate:*"];
    words.extend(allow.iter().map(String::as_str));
    let () = server.ask(&words).await;
    let url = server.url().replace("//", "//u:p@").parse().expect("an address");
    SharedOptions { url, ..server.options() }
}

/// Waits until it is down for a reason that begins so.
async fn down_for(connection: &Connection, wanted: &str) {
    let lacks = |status: &Status| matches!(status, Status::Down { reason, .. } if reason.starts_with(wanted));
    let down = tokio::time::timeout(Duration::from_secs(60), connection.until(lacks)).await;
    down.unwrap_or_else(|_| panic!("no `{wanted}`: {connection:?}"));
}

#[tokio::test]
async fn a_user_without_any_single_right_is_not_up_and_the_reason_names_the_command() {
    let server = Server::start();
    for (nth, right) in RIGHTS.iter().enumerate() {
        let mut rights = RIGHTS.to_vec();
        rights.remove(nth);
        let connection = Connection::open(with_user(&server, &rights).await).unwrap();
        let command = right.split('|').next().unwrap().to_uppercase();
        down_for(&connection, &format!("it answered NOPERM to {command}")).await;
    }
    let connection = Connection::open(with_user(&server, &RIGHTS).await).unwrap();
    connection.up().await;
    let left: u32 = server.ask(&["EXISTS", "sendgate:alive"]).await;
    assert_eq!(left, 0, "what was tried is gone again");
}

#[tokio::test]
async fn a_user_that_may_write_but_run_no_script_is_not_up_until_it_may() {
    let server = Server::start();
    let options = with_user(&server, &["@all"]).await;
    let () = server.ask(&["ACL", "SETUSER", "u", "-@scripting"]).await;
    let connection = Connection::open(options.clone()).expect("options in bounds");
    down_for(&connection, "it answered NOPERM to SCRIPT LOAD").await;
    let () = server.ask(&["ACL", "SETUSER", "u", "+@scripting"]).await;
    connection.up().await;

    // Taken away while it is in use, it is noticed with the first call that fails.
    let () = server.ask(&["ACL", "SETUSER", "u", "-evalsha"]).await;
    let script = redis::Script::new("return 7");
    assert!(connection.call::<u32>(&script.prepare_invoke()).await.is_err());
    down_for(&connection, "it answered NOPERM to EVALSHA").await;
}

#[tokio::test]
async fn credentials_of_less_rights_are_refused_and_the_connection_goes_on() {
    let server = Server::start();
    let connection = server.connection().await;
    let lesser = with_user(&server, &RIGHTS).await;
    let () = server.ask(&["ACL", "SETUSER", "u", "-zadd", "-xadd"]).await;

    connection.log_in(&lesser.url);

    while connection.refused().is_none() {
        tokio::task::yield_now().await;
    }
    assert_eq!(connection.refused().as_deref(), Some("it answered NOPERM to XADD, ZADD"));
    let script = redis::Script::new("return 7");
    assert_eq!(connection.call(&script.prepare_invoke()).await, Ok(7));
}
