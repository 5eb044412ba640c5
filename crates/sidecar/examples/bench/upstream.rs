//! The plainest server that answers a send as Plivo does: 202 and a fresh UUID, whatever was asked; all of them are
//! delivered by the time that somebody looks. It keeps books of what came.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::connection::Connection;
use crate::serve::Answer;
use crate::{Result, sample};

const BOOKS: &str = "/books";

/// Stands for Plivo. `plivo-sim` keeps what it was sent and judges it, which costs more than what is measured here.
#[derive(Default)]
pub(crate) struct Upstream {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// Since they were last asked for.
    books: Books,
    /// The numbers of all messages so far.
    numbers: HashSet<u64>,
}

/// Messages that came.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Books {
    sends: u64,
    /// How many of them had come before.
    again: u64,
}

/// Checks that since the last such question each of the `accepted` messages has come to `upstream`, and none twice.
///
/// # Errors
///
/// Where one is lost or doubled.
pub(crate) async fn balance(upstream: SocketAddr, accepted: usize) -> Result<()> {
    let mut connection = Connection::open(upstream).await?;
    let books: Books = serde_json::from_slice(connection.read(BOOKS).await?.body)?;
    if books.sends == accepted as u64 && books.again == 0 {
        return Ok(());
    }
    let Books { sends, again } = books;
    Err(format!("of {accepted} messages that were accepted {sends} came, {again} of them again")
        .into())
}

impl Upstream {
    fn take(&self) -> Books {
        std::mem::take(&mut self.kept().books)
    }

    fn note(&self, message: &[u8]) {
        let number = sample::number(message);
        let mut kept = self.kept();
        kept.books.sends += 1;
        if let Some(number) = number
            && !kept.numbers.insert(number)
        {
            kept.books.again += 1;
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Nothing under this lock can panic half way.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Answer for Upstream {
    async fn answer(&self, request: Request<Incoming>) -> Result<(StatusCode, Bytes)> {
        if request.method() == Method::GET && request.uri().path() == BOOKS {
            return Ok((StatusCode::OK, serde_json::to_vec(&self.take())?.into()));
        }
        if request.method() == Method::GET {
            return Ok((StatusCode::OK, delivered(request.uri().path())));
        }
        self.note(&request.into_body().collect().await?.to_bytes());
        let (api_id, uuid) = (Uuid::new_v4(), Uuid::new_v4());
        let body = format!(
            r#"{{"api_id":"{api_id}","message":"message(s) queued","message_uuid":["{uuid}"]}}"#
        );
        Ok((StatusCode::ACCEPTED, Bytes::from(body)))
    }
}

/// What became of the message that the last part of `path` names, for a sidecar that hears of no delivery report.
fn delivered(path: &str) -> Bytes {
    let uuid = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    Bytes::from(format!(
        r#"{{"api_id":"{}","message_uuid":"{uuid}","message_state":"delivered","units":1}}"#,
        Uuid::new_v4()
    ))
}

#[cfg(test)]
mod tests {
    use super::Upstream;
    use crate::sample::SENDS;

    #[test]
    fn a_message_that_comes_a_second_time_is_in_the_books_as_such() {
        let upstream = Upstream::default();
        for number in [7, 8, 7, 77] {
            upstream.note(&(SENDS.body)(number));
        }
        upstream.note(b"another");
        let first = upstream.take();
        upstream.note(&(SENDS.body)(8));
        let second = upstream.take();

        assert_eq!((first.sends, first.again, second.sends, second.again), (5, 1, 1, 1));
    }
}
