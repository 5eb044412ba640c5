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
/// How many there ever were, how many are kept, and those after a place.
static AFTER: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local kept, added = redis.call('XLEN', KEYS[1]), 0
         if kept > 0 then
           local said = redis.call('XINFO', 'STREAM', KEYS[1])
           for i = 1, #said, 2 do
             if said[i] == 'entries-added' then added = said[i + 1] end
           end
         end
         return { added, kept, redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2]) }",
    )
});

/// Reports that replicas hand on to each other: whoever has the message takes them, and all may read them.
#[derive(Clone, Debug)]
pub struct SharedReports {
    connection: Connection,
}

/// Where a report stands; what comes after it is asked for by this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    id: String,
    /// How many came up to here, or more: the server may have begun to count anew.
    pub(crate) nth: u64,
}

/// What came after a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// So many, of whichever replica's messages, came after the place and are kept no more.
    pub lost: u64,
    /// Those that are kept, the oldest first; of many the first.
    pub reports: Vec<HandedOn>,
}

/// One report that was handed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandedOn {
    /// Where it stands.
    pub place: Place,
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

    /// Reports that came after `place`, up to 256; from the oldest that is kept where there is none.
    ///
    /// # Errors
    ///
    /// [`SharedError::Unavailable`].
    pub async fn after(&self, place: Option<&Place>) -> Result<Page, SharedError> {
        let mut call = AFTER.prepare_invoke();
        call.key(self.key())
            .arg(place.map_or("-".to_owned(), |place| format!("({}", place.id)))
            .arg(PAGE);
        Ok(page(place, self.connection.call(&call).await?))
    }

    fn key(&self) -> String {
        self.connection.key(&["reports"])
    }
}

/// What came after `place`, of an answer: how many there ever were, how many are kept, and those that were asked for.
pub(crate) fn page(place: Option<&Place>, (added, kept, entries): (u64, u64, Vec<Value>)) -> Page {
    let gone = added.saturating_sub(kept);
    let (before, lost) = match place {
        None => (gone, 0),
        Some(place) if place.nth <= added => (place.nth.max(gone), gone.saturating_sub(place.nth)),
        // A server that came back with less. That none of these is lost is certain if they are its latest.
        Some(_) => (added.saturating_sub(entries.len() as u64), 0),
    };
    // Counts are the server's word, and may be anything.
    let mut nth = before;
    let reports = entries.into_iter().filter_map(|entry| {
        nth = nth.saturating_add(1);
        read(nth, entry)
    });
    Page { lost, reports: reports.collect() }
}

impl Place {
    /// Goes past so many that are lost.
    pub fn pass(&mut self, lost: u64) {
        self.nth = self.nth.saturating_add(lost);
    }
}

fn read(nth: u64, entry: Value) -> Option<HandedOn> {
    let (id, fields): (String, Vec<Vec<u8>>) = redis::from_redis_value(entry).ok()?;
    let report = <[Vec<u8>; 4]>::try_from(fields).ok().and_then(|[_, message, _, form]| {
        Some((MessageId(String::from_utf8(message).ok()?.into()), form))
    });
    Some(HandedOn { place: Place { id, nth }, report })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Server;

    async fn hand_on(reports: &SharedReports, count: usize) {
        for _ in 0..count {
            reports.hand_on(&MessageId("m1".into()), b"Status=sent").await.unwrap();
        }
    }

    #[tokio::test]
    async fn what_one_replica_hands_on_all_read_once_in_its_order() {
        let server = Server::start();
        let reports = SharedReports::new(server.connection().await);
        assert_eq!(reports.after(None).await, Ok(Page { lost: 0, reports: vec![] }));
        for (id, form) in [("m1", "Status=sent"), ("m2", "Status=delivered"), ("m1", "\0\u{ff}")] {
            reports.hand_on(&MessageId(id.into()), form.as_bytes()).await.unwrap();
        }
        let all = reports.after(None).await.unwrap().reports;
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
        let after = async |nth: usize| reports.after(Some(&all[nth].place)).await.unwrap().reports;
        assert_eq!(after(0).await, all[1..]);
        assert_eq!(after(2).await, []);
        // What another program put there is passed over, and has its place.
        let _: String = server.ask(&["XADD", "sendgate:reports", "*", "other", "x"]).await;
        let others = after(2).await;
        assert!(others.len() == 1 && others[0].report.is_none(), "{others:?}");
        let left: i64 = server.ask(&["PTTL", "sendgate:reports"]).await;
        assert!(left > 0, "they are kept for ever: {left}");
    }

    #[tokio::test]
    async fn a_reader_hears_once_how_many_it_missed() {
        let server = Server::start();
        let reports = SharedReports::new(server.connection().await);
        let keep = async |most: &str| -> u64 {
            server.ask(&["XTRIM", "sendgate:reports", "MAXLEN", most]).await
        };
        hand_on(&reports, 3).await;
        assert_eq!(keep("2").await, 1);
        let first = reports.after(None).await.unwrap();
        assert_eq!((first.lost, first.reports.len()), (0, 2), "nobody knows what it had read");
        let mut place = first.reports[1].place.clone();
        assert_eq!(keep("1").await, 1);
        assert_eq!(reports.after(Some(&place)).await.unwrap().lost, 0, "read before it went");

        hand_on(&reports, 4).await;
        assert_eq!(keep("1").await, 4);
        let missed = reports.after(Some(&place)).await.unwrap();
        assert_eq!((missed.lost, missed.reports.len()), (3, 1));
        place.pass(missed.lost);
        let again = reports.after(Some(&place)).await.unwrap();
        assert_eq!(
            (again.lost, &again.reports),
            (0, &missed.reports),
            "those left are still there"
        );
        place = again.reports[0].place.clone();

        hand_on(&reports, 2).await;
        assert_eq!(keep("1").await, 2);
        assert_eq!(reports.after(Some(&place)).await.unwrap().lost, 1, "where it is now");
    }

    #[tokio::test]
    async fn a_server_that_came_back_with_less_is_not_said_to_have_lost_what_it_never_had() {
        let mut server = Server::start();
        let connection = server.connection().await;
        let reports = SharedReports::new(connection.clone());
        hand_on(&reports, 5).await;
        let mut place = reports.after(None).await.unwrap().reports[4].place.clone();
        server.kill();
        connection.until(|status| *status != crate::Status::Up).await;
        server.start_again();
        connection.up().await;
        for _ in 0..4 {
            hand_on(&reports, 2).await;
            let page = reports.after(Some(&place)).await.unwrap();
            assert_eq!((page.lost, page.reports.len()), (0, 2), "after {place:?}");
            place = page.reports[1].place.clone();
        }
        // It is counted right again.
        hand_on(&reports, 3).await;
        let _: u64 = server.ask(&["XTRIM", "sendgate:reports", "MAXLEN", "1"]).await;
        assert_eq!(reports.after(Some(&place)).await.unwrap().lost, 2);
    }
}
