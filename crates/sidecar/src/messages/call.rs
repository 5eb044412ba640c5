//! One request to an admin listener.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::Failure;
use super::target::{Place, Target};

/// Longest that the whole takes.
const PATIENCE: Duration = Duration::from_secs(30);
/// Most bytes of an answer; a page of a hundred messages has about a hundredth of it.
const ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// What a connection is made of, of whichever kind.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Asks, and reads the answer's JSON.
///
/// # Errors
///
/// Nobody is there; what is there is no sidecar; the sidecar says no.
pub(super) async fn ask(target: &Target, method: Method, path: &str) -> Result<Value, Failure> {
    let (status, body) = look(target, method, path).await?;
    if status.is_success() {
        return Ok(body);
    }
    let (Some(code), Some(sentence)) = (body["code"].as_str(), body["error"].as_str()) else {
        let detail = format!("it answers {status} without a code");
        return Err(Failure::Strange { place: target.place.to_string(), detail });
    };
    Err(Failure::Refused { status: status.as_u16(), code: code.into(), sentence: sentence.into() })
}

/// Asks, and reads the answer's JSON, whatever its status.
///
/// # Errors
///
/// Nobody is there; what is there is no sidecar.
pub(super) async fn look(
    target: &Target,
    method: Method,
    path: &str,
) -> Result<(StatusCode, Value), Failure> {
    let asked = timeout(PATIENCE, exchange(target, method, path));
    asked.await.unwrap_or_else(|_| Err(Failure::Slow(target.place.to_string(), PATIENCE)))
}

async fn exchange(
    target: &Target,
    method: Method,
    path: &str,
) -> Result<(StatusCode, Value), Failure> {
    let strange = |detail: String| Failure::Strange { place: target.place.to_string(), detail };
    let away = |source| Failure::Away { place: target.place.to_string(), source };
    let stream = connect(&target.place).await.map_err(away)?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|err| strange(err.to_string()))?;
    // It ends with the answer; what goes wrong on it, the sender is told.
    let connection = tokio::spawn(connection);
    let mut request =
        Request::builder().method(method).uri(path).header(header::HOST, &target.host);
    if let Some(authorization) = &target.authorization {
        request = request.header(header::AUTHORIZATION, authorization);
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(|err| strange(err.to_string()))?;
    let answer = sender.send_request(request).await.map_err(|err| strange(err.to_string()))?;
    let read = read(answer).await.map_err(strange);
    connection.abort();
    read
}

async fn connect(place: &Place) -> io::Result<Box<dyn Stream>> {
    Ok(match place {
        Place::Tcp(address) => Box::new(TcpStream::connect(address).await?),
        Place::Unix(path) => Box::new(UnixStream::connect(path).await?),
    })
}

/// The status and the body; where that is no JSON, what is strange about it.
async fn read(answer: Response<Incoming>) -> Result<(StatusCode, Value), String> {
    let status = answer.status();
    let body = Limited::new(answer.into_body(), ANSWER_BYTES).collect().await;
    let bytes = body.map_err(|err| err.to_string())?.to_bytes();
    let body = serde_json::from_slice(&bytes);
    body.map(|body| (status, body)).map_err(|_| format!("it answers {status} without JSON"))
}
