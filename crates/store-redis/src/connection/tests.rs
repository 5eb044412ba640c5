use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use super::*;
use crate::testing::Server;

mod login;

fn is_down(status: &Status) -> bool {
    matches!(status, Status::Down { .. })
}

fn reason_of(connection: &Connection) -> String {
    match connection.status() {
        Status::Down { reason, .. } => reason,
        Status::Up => panic!("the server is up"),
    }
}

/// A call that changes nothing.
async fn asked(connection: &Connection) -> Result<u32, Fault> {
    connection.call(&redis::Script::new("return 7").prepare_invoke()).await
}

/// Opens and waits until the reason is another than the first.
async fn refused(options: SharedOptions) -> (Connection, String) {
    let connection = Connection::open(options).unwrap();
    let first = reason_of(&connection);
    let other =
        |status: &Status| !matches!(status, Status::Down { reason, .. } if *reason == first);
    connection.until(other).await;
    let reason = reason_of(&connection);
    (connection, reason)
}

#[tokio::test]
async fn a_server_that_is_killed_and_started_again_is_found_again() {
    let mut server = Server::start();
    let connection = server.connection().await;
    for _ in 0..2 {
        assert_eq!(asked(&connection).await, Ok(7));
        server.kill();
        let lost = asked(&connection).await;
        assert!(matches!(lost, Err(Fault::Failed(_) | Fault::Away(_))), "{lost:?}");
        connection.until(is_down).await;
        assert!(matches!(asked(&connection).await, Err(Fault::Away(_))), "at once, from now on");
        server.start_again();
        connection.up().await;
    }
    assert_eq!(asked(&connection).await, Ok(7));
}

#[tokio::test]
async fn an_idle_connection_finds_out_by_itself() {
    let mut server = Server::start();
    let connection = server.connection().await;
    server.kill();
    connection.until(is_down).await;
    let Status::Down { since, .. } = connection.status() else { panic!("it is down") };
    connection
        .until(|status| matches!(status, Status::Down { reason, .. } if reason.contains("refused")))
        .await;
    let Status::Down { since: later, .. } = connection.status() else { panic!("it is down") };
    assert_eq!(since, later, "one outage, whatever its reasons");
}

#[tokio::test]
async fn what_is_asked_while_a_connection_that_was_cut_is_made_again_waits_for_it() {
    let server = Server::start();
    let connection = server.connection().await;
    for _ in 0..3 {
        let mut link = connection.0.link.clone();
        link.mark_unchanged();
        let cut: u32 = server.ask(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
        assert_eq!(cut, 1);
        link.changed().await.unwrap();
        assert_eq!(asked(&connection).await, Ok(7));
        assert_eq!(connection.status(), Status::Up);
    }
}

#[tokio::test]
async fn a_connection_opens_whether_the_server_is_there_or_not() {
    let mut server = Server::start();
    server.kill();
    let (connection, reason) = refused(server.options()).await;
    assert!(reason.contains("refused"), "{reason}");
    let away = asked(&connection).await.unwrap_err();
    assert_eq!(away, Fault::Away(reason_of(&connection)));
    server.start_again();
    connection.up().await;
    assert_eq!((connection.status(), asked(&connection).await), (Status::Up, Ok(7)));
}

#[tokio::test]
async fn a_wrong_or_missing_password_is_a_reason_without_the_password() {
    let server = Server::start_with(&["--requirepass", "s3cret"]);
    let options = |user: &str| {
        let url = server.url().replace("//", &format!("//{user}"));
        SharedOptions { url: url.parse().unwrap(), ..server.options() }
    };
    for (user, why) in
        [(":wr0ng@", "it refuses the user or the password"), ("", "it answered NOAUTH")]
    {
        let (connection, reason) = refused(options(user)).await;
        assert_eq!(reason, why);
        assert!(!format!("{connection:?}").contains("wr0ng"));
    }
    let connection = Connection::open(options(":s3cret@")).unwrap();
    connection.up().await;
    assert_eq!(asked(&connection).await, Ok(7));
}

#[tokio::test]
async fn a_replica_takes_no_writes_and_is_not_up() {
    let server = Server::start();
    let connection = server.connection().await;
    let () = server.ask(&["REPLICAOF", "127.0.0.1", "1"]).await;
    connection.until(is_down).await;
    assert_eq!(reason_of(&connection), "it answered READONLY");
    let () = server.ask(&["REPLICAOF", "NO", "ONE"]).await;
    connection.up().await;
}

#[tokio::test]
async fn a_connection_that_is_given_up_is_reset_so_that_nothing_arrives_late() {
    let silent = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("redis://{}", silent.local_addr().unwrap());
    let connect_timeout = Duration::from_millis(50);
    let options = SharedOptions { connect_timeout, ..SharedOptions::new(url.parse().unwrap()) };
    let _connection = Connection::open(options).unwrap();

    let (mut given_up, _) = silent.accept().await.unwrap();

    let ended = given_up.read_to_end(&mut Vec::new()).await.unwrap_err();
    assert_eq!(ended.kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_host_that_takes_connections_and_says_nothing_meets_the_timeout() {
    let silent = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("redis://{}", silent.local_addr().unwrap());
    let connect_timeout = Duration::from_millis(50);
    let options = SharedOptions { connect_timeout, ..SharedOptions::new(url.parse().unwrap()) };
    let (_, reason) = refused(options).await;
    assert_eq!(reason, "no answer within 50ms");
}

#[tokio::test]
async fn tls_is_spoken_where_the_address_says_so() {
    let peer = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("rediss://{}", peer.local_addr().unwrap());
    let options = SharedOptions::new(url.parse().unwrap());
    let connection = Connection::open(options).unwrap();
    let (mut stream, _) = peer.accept().await.unwrap();
    let mut first = [0; 3];
    tokio::io::AsyncReadExt::read_exact(&mut stream, &mut first).await.unwrap();
    // A handshake record of TLS 1.x (RFC 8446, 5.1), and nothing in the clear.
    assert_eq!(first[..2], [22, 3]);
    drop(connection);
}

#[tokio::test]
async fn the_connection_closes_with_its_last_clone() {
    let server = Server::start();
    let connection = server.connection().await;
    let clone = connection.clone();
    drop(connection);
    assert_eq!(asked(&clone).await, Ok(7));
    drop(clone);
    let closed = async {
        loop {
            let clients: String = server.ask(&["CLIENT", "LIST"]).await;
            if clients.lines().count() == 1 {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), closed).await.expect("only the asker is left");
}
