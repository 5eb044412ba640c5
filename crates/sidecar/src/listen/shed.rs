//! Who finds no place is told so, and when to come again, instead of being left to wait.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy, sink};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use super::Stream;

/// How long a connection waits for a place.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);
/// The same while the one before found none: they wait one after the other.
pub(super) const WHILE_FULL: Duration = Duration::from_millis(20);
/// How long its peer may take to read the answer, and most bytes of its request that are read meanwhile: a connection
/// that is closed with bytes unread may take its answer back.
const TIME: Duration = Duration::from_secs(1);
const BYTES: u64 = 128 * 1024;
/// Most peers that are told at once; more are let go without a word.
const AT_ONCE: usize = 64;
/// They come by the thousand: the log is told of them no more often.
pub(super) const TOLD_EVERY: Duration = Duration::from_secs(10);

const BODY: &str = r#"{"type":"https://iana.org/assignments/http-problem-types#temporary-reduced-capacity","title":"Nothing is accepted just now","status":503,"code":"spool.full","detail":"as many connections are busy as may be open ([listen] max_connections); nothing was accepted","retry_after_s":1}"#;

static ROOM: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(AT_ONCE)));

/// Those who found no place, or were turned away for another reason.
#[derive(Debug, Default)]
pub(crate) struct TurnedAway {
    count: AtomicU64,
    /// When the log was told last, and how many there were then.
    told: Mutex<Option<(Instant, u64)>>,
}

impl TurnedAway {
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Counts one more; how many the log is to be told of now, if it is to be told.
    pub(crate) fn one_more(&self) -> Option<u64> {
        let count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match *told {
            Some((at, _)) if at.elapsed() < TOLD_EVERY => return None,
            Some((_, before)) => before,
            None => 0,
        };
        *told = Some((Instant::now(), count));
        Some(count.saturating_sub(before))
    }
}

/// Answers 503 without a look at what is asked, and closes. It has a `Link` where the listener `explains` problems.
pub(super) fn turn_away(mut stream: Box<dyn Stream>, explains: bool) {
    let Ok(room) = Arc::clone(&ROOM).try_acquire_owned() else { return };
    tokio::spawn(async move {
        let head = "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nretry-after: 1\r\n\
                    connection: close\r\ncontent-length: ";
        let link = if explains { "\r\nlink: </problems/spool.full>; rel=\"help\"" } else { "" };
        let answer = format!("{head}{}{link}\r\n\r\n{BODY}", BODY.len());
        let told = async {
            stream.write_all(answer.as_bytes()).await?;
            stream.shutdown().await?;
            let mut rest = stream.take(BYTES);
            copy(&mut rest, &mut sink()).await
        };
        // Whoever does not read it is told nothing.
        drop(timeout(TIME, told).await);
        drop(room);
    });
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::{TOLD_EVERY, TurnedAway};

    #[tokio::test(start_paused = true)]
    async fn each_is_counted_and_the_log_is_told_of_them_once_in_a_while() {
        let turned_away = TurnedAway::default();
        assert_eq!(turned_away.one_more(), Some(1));
        for _ in 0..3 {
            assert_eq!(turned_away.one_more(), None);
        }
        advance(TOLD_EVERY).await;
        assert_eq!(turned_away.one_more(), Some(4), "with those that it was not told of");
        assert_eq!((turned_away.one_more(), turned_away.count()), (None, 6));
    }
}
