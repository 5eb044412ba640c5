//! Delivery reports that came to another replica than the one that has their message.

use std::sync::LazyLock;

use message::MessageId;
use redis::{Script, Value};

use crate::{Connection, SharedError};

/// Most reports kept, or about as many; and for how long after the latest of them.
const MOST: u32 = 10_000;
const KEPT_MS: u64 = 3 * 24 * 60 * 60 * 1_000;
/// Most that are read at once.
const PAGE: u32 = 256;

static PUT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'message', ARGV[3], 'form', ARGV[4])
         return redis.call('PEXPIRE', KEYS[1], ARGV[2])",
    )
});
static AFTER: LazyLock<Script> = LazyLock::new(|| {
    Script::new("return redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2])")
});

/// Reports that replicas hand on to each other: whoever has the message takes them, and all may read them.
#[derive(Clone, Debug)]
pub struct SharedReports {
    connection: Connection,
}

/// One report that was handed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandedOn {
    /// Where it stands; what comes after it is asked for by this.
    pub place: String,
    /// The message that it is about, and the report as whoever handed it on wrote it; none where it cannot be read.
    pub report: Option<(MessageId, Vec<u8>)>,
}

impl SharedReports {
    /// Reports on `connection`.
    pub fn new(connection: Connection) -> Self {
        Self { connection }
    }

    /// Hands a report on. It is kept for three days after the latest one, and while it is one of the latest 10,000.
    ///
    /// # Errors
    ///
    /// [`SharedError::Unavailable`]: it may be there all the same.
    pub async fn hand_on(&self, message: &MessageId, form: &[u8]) -> Result<(), SharedError> {
        let mut call = PUT.prepare_invoke();
        call.key(self.key()).arg(MOST).arg(KEPT_MS).arg(&*message.0).arg(form);
        Ok(self.connection.call(&call).await?)
    }

    /// Reports that came after `place`, the oldest first, up to 256; from the oldest that is kept where there is none.
    ///
    /// # Errors
    ///
    /// [`SharedError::Unavailable`].
    pub async fn after(&self, place: Option<&str>) -> Result<Vec<HandedOn>, SharedError> {
        let mut call = AFTER.prepare_invoke();
        call.key(self.key())
            .arg(place.map_or("-".to_owned(), |place| format!("({place}")))
            .arg(PAGE);
        let entries: Vec<Value> = self.connection.call(&call).await?;
        Ok(entries.into_iter().filter_map(read).collect())
    }

    fn key(&self) -> String {
        self.connection.key(&["reports"])
    }
}

fn read(entry: Value) -> Option<HandedOn> {
    let (place, fields): (String, Vec<Vec<u8>>) = redis::from_redis_value(entry).ok()?;
    let report = <[Vec<u8>; 4]>::try_from(fields).ok().and_then(|[_, message, _, form]| {
        Some((MessageId(String::from_utf8(message).ok()?.into()), form))
    });
    Some(HandedOn { place, report })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Server;

    #[tokio::test]
    async fn what_one_replica_hands_on_all_read_once_in_its_order() {
        let server = Server::start();
        let reports = SharedReports::new(server.connection().await);
        assert_eq!(reports.after(None).await, Ok(vec![]));
        for (id, form) in [("m1", "Status=sent"), ("m2", "Status=delivered"), ("m1", "\0\u{ff}")] {
            reports.hand_on(&MessageId(id.into()), form.as_bytes()).await.unwrap();
        }
        let all = reports.after(None).await.unwrap();
        let report = |each: &HandedOn| each.report.clone().expect("it can be read");
        let read: Vec<_> = all.iter().map(report).collect();
        let read: Vec<_> = read.iter().map(|(id, form)| (&*id.0, &form[..])).collect();
        assert_eq!(
            read,
            [
                ("m1", &b"Status=sent"[..]),
                ("m2", b"Status=delivered"),
                ("m1", "\0\u{ff}".as_bytes())
            ]
        );
        assert_eq!(reports.after(Some(&all[0].place)).await.unwrap(), all[1..]);
        assert_eq!(reports.after(Some(&all[2].place)).await, Ok(vec![]));
        // What another program put there is passed over, and has its place.
        let _: String = server.ask(&["XADD", "sendgate:reports", "*", "other", "x"]).await;
        let others = reports.after(Some(&all[2].place)).await.unwrap();
        assert!(others.len() == 1 && others[0].report.is_none(), "{others:?}");
        let left: i64 = server.ask(&["PTTL", "sendgate:reports"]).await;
        assert!(left > 0, "they are kept for ever: {left}");
    }
}
