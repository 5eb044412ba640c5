//! Who finds no place is told so, and when to come again, instead of being left to wait.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy, sink};
use tokio::sync::Semaphore;
use tokio::time::timeout;

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

const BODY: &str = r#"{"type":"urn:sendgate:problem:spool.full","title":"Nothing is accepted just now","status":503,"code":"spool.full","detail":"as many connections are busy as may be open ([listen] max_connections); nothing was accepted","retry_after_s":1}"#;

static ROOM: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(AT_ONCE)));

/// Answers 503 without a look at what is asked, and closes.
pub(super) fn turn_away(mut stream: Box<dyn Stream>) {
    let Ok(room) = Arc::clone(&ROOM).try_acquire_owned() else { return };
    tokio::spawn(async move {
        let head = "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nretry-after: 1\r\n\
                    connection: close\r\ncontent-length: ";
        let answer = format!("{head}{}\r\n\r\n{BODY}", BODY.len());
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
