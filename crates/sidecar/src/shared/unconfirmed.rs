//! Messages that are ours, while it is not known whether another replica answers for their key.

use std::sync::Arc;
use std::time::Duration;

use message::Timestamp;
use store::{KeptAnswer, Store, StoreError};
use store_redis::{Bound, SharedClaim, SharedError, SharedKeys};

use super::{KeyLease, Shared};

/// A key that replicas share, of messages that are recorded here and not sent: nothing is sent before it is known that
/// no other replica answers for it.
#[derive(Clone, Debug)]
pub(crate) struct Unconfirmed {
    keys: SharedKeys,
    /// The request's own, where it was made by this process: it may hold the key still.
    lease: Option<Arc<KeyLease>>,
    app: String,
    key: String,
    kept: KeptAnswer,
}

/// Who answers for a key among replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// These messages, from now on.
    Ours,
    /// Others, which are sent.
    Others,
    /// A request that is in flight, or one that was when its replica died: it may come to nothing.
    Undecided,
}

impl Unconfirmed {
    /// Of a request in flight, whose messages `kept` answers for.
    pub(crate) fn of_request(lease: Arc<KeyLease>, app: &str, key: &str, kept: KeptAnswer) -> Self {
        let (app, key) = (app.to_owned(), key.to_owned());
        Self { keys: lease.keys().clone(), lease: Some(lease), app, key, kept }
    }

    /// The key that a message of an earlier process came under, where there is one, keys are shared, and it is not
    /// written down that replicas have agreed to it.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub(crate) async fn left_behind(
        shared: Option<&Shared>,
        store: &Store,
        app: &str,
        key: Option<&str>,
        now: Timestamp,
    ) -> Result<Option<Self>, StoreError> {
        let (Some(keys), Some(key)) = (shared.and_then(Shared::keys), key) else { return Ok(None) };
        let kept = store.kept_under(app, key, now).await?;
        let Some(kept) = kept.filter(|kept| !kept.confirmed) else { return Ok(None) };
        let (keys, app, key) = (keys.clone(), app.to_owned(), key.to_owned());
        Ok(Some(Self { keys, lease: None, app, key, kept }))
    }

    /// A key that is in force again here, though replicas know it as free.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub(crate) async fn again(
        shared: &Shared,
        store: &Store,
        app: &str,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<Self>, StoreError> {
        let (Some(keys), Some(kept)) = (shared.keys(), store.kept_under(app, key, now).await?)
        else {
            return Ok(None);
        };
        let (keys, app, key) = (keys.clone(), app.to_owned(), key.to_owned());
        Ok(Some(Self { keys, lease: None, app, key, kept }))
    }

    /// Who answers for the key; binds it where nobody does.
    ///
    /// # Errors
    ///
    /// The server is away: nobody knows.
    pub(crate) async fn whose(&self, now: Timestamp) -> Result<Whose, SharedError> {
        let Self { keys, lease, app, key, kept: KeptAnswer { fingerprint, answer, ends, .. } } =
            self;
        let keep = ends.since(now).max(Duration::from_millis(1));
        if let Some(lease) = lease
            && lease.bind(answer, keep).await?
        {
            return Ok(Whose::Ours);
        }
        Ok(match keys.claim(app, key, fingerprint, KeyLease::time()).await? {
            SharedClaim::New(mut lease) => match keys.bind(&mut lease, answer, keep).await? {
                Bound::Mine => Whose::Ours,
                Bound::Others => Whose::Undecided,
            },
            // Bound before, by an answer to a call that was never heard.
            SharedClaim::Replay(there) if there.message == answer.message => Whose::Ours,
            SharedClaim::Replay(_) => Whose::Others,
            SharedClaim::Mismatch { .. } => Whose::Others,
            // While that one is only in flight it may still be refused, and ours would be canceled for nothing.
            SharedClaim::Unlike { .. } | SharedClaim::InFlight { .. } => Whose::Undecided,
        })
    }

    /// Writes down that these messages answer for the key. Lost, it is only asked for again after a restart.
    pub(crate) fn is_ours(&self, store: &Store) {
        drop(store.confirmed(&self.app, &self.key, self.kept.answer.message.as_ref()));
    }

    /// Lets the key go here, since others answer for it: the next request that brings it asks them.
    ///
    /// # Errors
    ///
    /// The store cannot be written.
    pub(crate) async fn let_go(&self, store: &Store) -> Result<(), StoreError> {
        store.unbind(&self.app, &self.key, self.kept.answer.message.as_ref()).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::net::{Ipv4Addr, TcpListener};
    use std::process::{Child, Command, Stdio};
    use std::thread;

    use message::MessageId;
    use store::{Fingerprint, Secret, StoredAnswer};
    use store_redis::{Connection, SharedOptions};

    use super::*;

    const NOW: Timestamp = Timestamp(1_780_000_000_000);
    const HOUR: Duration = Duration::from_secs(3_600);

    /// A server in memory alone, killed when dropped.
    struct Server(Child, u16);

    impl Server {
        fn start() -> Self {
            (0..20).find_map(|_| Self::tried()).expect("one of twenty free ports stays free")
        }

        /// None where another program took the port meanwhile.
        fn tried() -> Option<Self> {
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let port = free.local_addr().unwrap().port();
            drop(free);
            let spawned = |program: &&str| {
                Command::new(program)
                    .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", ""])
                    .stdin(Stdio::null())
                    .stdout(Stdio::piped())
                    .spawn()
                    .ok()
            };
            let process = ["redis-server", "valkey-server"].iter().find_map(spawned);
            let mut process = process.expect("a Redis or Valkey server is installed");
            let output = process.stdout.take().unwrap();
            let server = Self(process, port);
            let mut lines = BufReader::new(output).lines().map_while(Result::ok);
            lines.find(|line| line.contains("Ready to accept connections"))?;
            // What else it says must not fill the pipe.
            thread::spawn(move || lines.for_each(drop));
            Some(server)
        }

        async fn keys(&self) -> SharedKeys {
            let url = format!("redis://127.0.0.1:{}", self.1).parse().unwrap();
            let options =
                SharedOptions { timeout: Duration::from_secs(20), ..SharedOptions::new(url) };
            let connection = Connection::open(options).unwrap();
            connection.up().await;
            SharedKeys::new(connection)
        }
    }

    impl Drop for Server {
        fn drop(&mut self) {
            drop(self.0.kill());
            drop(self.0.wait());
        }
    }

    fn print(text: &str) -> Fingerprint {
        let secret = Secret::from_words(b"of both replicas");
        Fingerprint::over(&secret, &[("text", vec![text.into()])])
    }

    fn answer(message: &str) -> StoredAnswer {
        let message = Some(MessageId(message.into()));
        StoredAnswer { status: 202, headers: vec![], body: vec![], message }
    }

    #[tokio::test]
    async fn another_request_has_the_key_once_it_is_answered_and_not_while_it_may_be_refused() {
        let server = Server::start();
        let (here, there) = (server.keys().await, server.keys().await);
        for (n, text) in ["theirs", "ours"].into_iter().enumerate() {
            let (app, key) = ("billing".to_owned(), format!("k{n}"));
            let theirs = async || match there
                .claim("billing", &format!("k{n}"), &print(text), HOUR)
                .await
                .unwrap()
            {
                SharedClaim::New(lease) => lease,
                other => panic!("{text}: the key is not free: {other:?}"),
            };
            let (fingerprint, ends) = (print("ours"), NOW.after(HOUR));
            let kept = KeptAnswer { fingerprint, answer: answer("m1"), ends, confirmed: false };
            let ours = Unconfirmed { keys: here.clone(), lease: None, app, key, kept };

            let refused = theirs().await;
            assert_eq!(ours.whose(NOW).await, Ok(Whose::Undecided), "{text}: in flight");
            there.release(refused).await.unwrap();
            let mut answered = theirs().await;
            there.bind(&mut answered, &answer("m2"), HOUR).await.unwrap();
            assert_eq!(ours.whose(NOW).await, Ok(Whose::Others), "{text}: answered");
        }
    }

    #[tokio::test]
    async fn after_another_request_was_refused_the_key_is_ours() {
        let server = Server::start();
        let (here, there) = (server.keys().await, server.keys().await);
        let (fingerprint, ends) = (print("ours"), NOW.after(HOUR));
        let kept = KeptAnswer { fingerprint, answer: answer("m1"), ends, confirmed: false };
        let (app, key) = ("billing".to_owned(), "k1".to_owned());
        let ours = Unconfirmed { keys: here, lease: None, app, key, kept };
        let claimed = there.claim("billing", "k1", &print("theirs"), HOUR).await.unwrap();
        let SharedClaim::New(theirs) = claimed else { panic!("{claimed:?}") };
        assert_eq!(ours.whose(NOW).await, Ok(Whose::Undecided));
        there.release(theirs).await.unwrap();
        assert_eq!(
            [ours.whose(NOW).await, ours.whose(NOW).await],
            [Ok(Whose::Ours), Ok(Whose::Ours)]
        );
    }
}
