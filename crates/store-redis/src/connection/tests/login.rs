//! Other credentials come while the connection is in use.

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::*;

/// A server that takes the password `before`.
struct Guarded {
    server: Server,
    port: String,
}

impl Guarded {
    fn start() -> Self {
        let server = Server::start_with(&["--requirepass", "before"]);
        let port = server.url().rsplit(':').next().unwrap().to_owned();
        Self { server, port }
    }

    fn url(&self, password: &str) -> ServerUrl {
        self.url_at(password, &self.port)
    }

    fn url_at(&self, password: &str, port: &str) -> ServerUrl {
        format!("redis://:{password}@127.0.0.1:{port}").parse().unwrap()
    }

    async fn connection(&self, url: ServerUrl) -> Connection {
        let connection = Connection::open(SharedOptions { url, ..self.server.options() }).unwrap();
        connection.up().await;
        connection
    }

    /// What it answers to somebody else who comes with `password`.
    async fn ask<T: FromRedisValue>(&self, password: &str, words: &[&str]) -> T {
        let client = redis::Client::open(self.url(password).info().clone()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        redis::cmd(words[0]).arg(&words[1..]).query_async(&mut connection).await.unwrap()
    }

    async fn takes(&self, before: &str, after: &str) {
        let () = self.ask(before, &["CONFIG", "SET", "requirepass", after]).await;
    }

    /// A way to it on which the answers of the first connection wait while the sender says so.
    async fn held_back(&self) -> (String, watch::Sender<bool>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let at = listener.local_addr().unwrap().port().to_string();
        let (holds, held) = watch::channel(false);
        let there = format!("127.0.0.1:{}", self.port);
        tokio::spawn(async move {
            for nth in 0.. {
                let (client, _) = listener.accept().await.unwrap();
                let server = TcpStream::connect(&there).await.unwrap();
                let (mut asks, mut hears) = client.into_split();
                let (mut answers, mut takes) = server.into_split();
                let mut held = held.clone();
                tokio::spawn(async move { tokio::io::copy(&mut asks, &mut takes).await });
                tokio::spawn(async move {
                    let mut bytes = [0; 4_096];
                    loop {
                        let some = answers.read(&mut bytes).await.unwrap_or(0);
                        if nth == 0 {
                            held.wait_for(|held| !held).await.unwrap();
                        }
                        let told = tokio::io::AsyncWriteExt::write_all(&mut hears, &bytes[..some]);
                        if some == 0 || told.await.is_err() {
                            break;
                        }
                    }
                });
            }
        });
        (at, holds)
    }
}

async fn until_refused(connection: &Connection) -> String {
    let mut link = connection.0.link.clone();
    link.wait_for(|_| connection.refused().is_some()).await.unwrap();
    connection.refused().unwrap()
}

#[tokio::test]
async fn calls_go_over_to_other_credentials_and_one_under_way_ends_by_those_before() {
    let guarded = Guarded::start();
    let (port, holds) = guarded.held_back().await;
    let connection = guarded.connection(guarded.url_at("before", &port)).await;
    let script = redis::Script::new("return redis.call('INCR', 'k')");
    // The server has the script by then, so that its one answer is what is held back.
    assert_eq!(connection.call(&script.prepare_invoke()).await, Ok(1));
    holds.send_replace(true);
    let asking = connection.clone();
    let under_way = tokio::spawn(async move { asking.call::<u32>(&script.prepare_invoke()).await });
    while guarded.ask::<u32>("before", &["GET", "k"]).await < 2 {}
    guarded.takes("before", "after").await;
    let mut link = connection.0.link.clone();
    link.mark_unchanged();

    connection.log_in(&guarded.url_at("after", &port));

    link.changed().await.unwrap();
    assert_eq!(asked(&connection).await, Ok(7), "by the other ones, past what is held back");
    assert!(!under_way.is_finished());
    holds.send_replace(false);
    assert_eq!(under_way.await.unwrap(), Ok(2));
    let cut: u32 = guarded.ask("after", &["CLIENT", "KILL", "TYPE", "normal"]).await;
    assert!(cut > 0);
    link.changed().await.unwrap();
    assert_eq!(asked(&connection).await, Ok(7), "the next one is made by them, too");
}

#[tokio::test]
async fn while_other_credentials_are_refused_the_connection_goes_on_for_as_long_as_it_lives() {
    let guarded = Guarded::start();
    let connection = guarded.connection(guarded.url("before")).await;

    connection.log_in(&guarded.url("after"));

    assert_eq!(until_refused(&connection).await, "it refuses the user or the password");
    assert_eq!((connection.status(), asked(&connection).await), (Status::Up, Ok(7)));

    guarded.takes("before", "after").await;
    let mut link = connection.0.link.clone();
    link.wait_for(|_| connection.refused().is_none()).await.unwrap();
    assert_eq!((connection.status(), asked(&connection).await), (Status::Up, Ok(7)));

    connection.log_in(&guarded.url("never"));
    until_refused(&connection).await;
    let () = guarded.ask("after", &["CLIENT", "KILL", "TYPE", "normal"]).await;
    connection.until(is_down).await;
    assert_eq!(connection.refused(), None, "it is the reason why there is none by now");

    connection.log_in(&guarded.url("after"));
    connection.up().await;
    assert_eq!(asked(&connection).await, Ok(7));
}

#[tokio::test]
async fn the_connection_of_the_user_before_ends_with_its_last_call() {
    let guarded = Guarded::start();
    let other = ["ACL", "SETUSER", "other", "on", ">after", "~*", "&*", "+@all"];
    let () = guarded.ask("before", &other).await;
    let (port, holds) = guarded.held_back().await;
    let connection = guarded.connection(guarded.url_at("before", &port)).await;
    let script = redis::Script::new("return redis.call('INCR', 'k')");
    assert_eq!(connection.call(&script.prepare_invoke()).await, Ok(1));
    holds.send_replace(true);
    let asking = connection.clone();
    let under_way = tokio::spawn(async move { asking.call::<u32>(&script.prepare_invoke()).await });
    while guarded.ask::<u32>("before", &["GET", "k"]).await < 2 {}
    let users = async || {
        let clients: String = guarded.ask("before", &["CLIENT", "LIST"]).await;
        let asked = clients.lines().filter(|client| !client.contains("cmd=client|list"));
        let user =
            |client: &str| client.split(" user=").nth(1)?.split(' ').next().map(str::to_owned);
        asked.filter_map(user).collect::<Vec<_>>()
    };
    let mut link = connection.0.link.clone();
    link.mark_unchanged();

    let url = format!("redis://other:after@127.0.0.1:{port}");
    connection.log_in(&url.parse().unwrap());

    link.changed().await.unwrap();
    assert!(users().await.contains(&"default".to_owned()), "a call on it is under way");
    holds.send_replace(false);
    assert_eq!(under_way.await.unwrap(), Ok(2));
    let gone = async { while users().await != ["other"] {} };
    tokio::time::timeout(Duration::from_secs(30), gone).await.expect("it ends");
    assert_eq!(asked(&connection).await, Ok(7));
}

#[tokio::test]
async fn a_call_under_way_ends_by_its_own_connection_however_often_the_credentials_change_meanwhile()
 {
    let guarded = Guarded::start();
    for user in ["second", "third"] {
        let user = ["ACL", "SETUSER", user, "on", ">after", "~*", "&*", "+@all"];
        let () = guarded.ask("before", &user).await;
    }
    let (port, holds) = guarded.held_back().await;
    let connection = guarded.connection(guarded.url_at("before", &port)).await;
    let script = redis::Script::new("return redis.call('INCR', 'k')");
    assert_eq!(connection.call(&script.prepare_invoke()).await, Ok(1));
    holds.send_replace(true);
    let asking = connection.clone();
    let under_way = tokio::spawn(async move { asking.call::<u32>(&script.prepare_invoke()).await });
    while guarded.ask::<u32>("before", &["GET", "k"]).await < 2 {}
    let mut link = connection.0.link.clone();
    for user in ["second", "third"] {
        link.mark_unchanged();
        connection.log_in(&format!("redis://{user}:after@127.0.0.1:{port}").parse().unwrap());
        link.changed().await.unwrap();
    }
    assert_eq!(asked(&connection).await, Ok(7));
    assert!(!under_way.is_finished());
    holds.send_replace(false);
    assert_eq!(under_way.await.unwrap(), Ok(2));
}

#[tokio::test]
async fn the_same_credentials_make_no_other_connection() {
    let guarded = Guarded::start();
    let connection = guarded.connection(guarded.url("before")).await;
    let login = connection.0.login.subscribe();
    connection.log_in(&guarded.url_at("before", "1"));
    assert!(!login.has_changed().unwrap());
    connection.log_in(&guarded.url_at("after", "1"));
    let info = login.borrow().clone();
    assert_eq!(info.addr().to_string(), format!("127.0.0.1:{}", guarded.port));
}
