//! Delivery reports: when they are due, and how they are sent.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{Method, Request, Uri};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use crate::shared::Shared;
use crate::{Callbacks, Queued, State, signature};

/// Longest wait for an answer to a report (Plivo support: 8 seconds).
const ANSWER: Duration = Duration::from_secs(8);
/// Waits before the further attempts, in units of `callback_retry` (Plivo: 60, 120 and 240 seconds).
const RETRIES: [u32; 3] = [1, 2, 4];

/// A report that was sent.
#[derive(Debug)]
pub struct Reported {
    /// Its `Sequence`, counted from 1 for each message.
    pub sequence: u32,
    /// The status of the answer to the first attempt. Unless it is a 2xx, three more follow in the background.
    pub answer: Result<u16, ReportError>,
}

/// Why a report did not reach its receiver, or had none.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// There is no such message.
    #[error("no message has this id; `/_sim/sends` lists them")]
    UnknownMessage,
    /// The configuration says `off`.
    #[error("callbacks are off; start the simulator with manual or auto callbacks")]
    Off,
    /// The send had no `url`.
    #[error("the message was sent without a `url`")]
    NoUrl,
    /// The simulator speaks plain HTTP only.
    #[error("the message's `url` is not an http URL; the simulator has no TLS")]
    Scheme,
    /// No connection.
    #[error("could not connect to the message's `url`")]
    Connect(#[source] std::io::Error),
    /// The exchange broke off.
    #[error("the exchange with the message's `url` broke off")]
    Exchange(#[source] hyper::Error),
    /// No answer.
    #[error("no answer from the message's `url` within {0:?}")]
    Timeout(Duration),
}

/// Sees to it that freshly queued messages move, if the configuration says so.
pub(crate) async fn follow(shared: &Arc<Shared>, uuids: &[String]) {
    let Callbacks::Auto { sent_after, delivered_after } = shared.config.callbacks else { return };
    for uuid in uuids {
        let (followed, uuid) = (Arc::clone(shared), uuid.clone());
        shared
            .spawn(async move {
                let moved =
                    |state| followed.with(|world| world.messages.report(&uuid, state, None));
                let queued = moved(State::Queued);
                // States follow each other; a report does not wait for the answer to the one before.
                tokio::join!(deliver(&followed, queued), async {
                    sleep(sent_after).await;
                    let sent = moved(State::Sent);
                    tokio::join!(deliver(&followed, sent), async {
                        sleep(delivered_after).await;
                        deliver(&followed, moved(State::Delivered)).await;
                    });
                });
            })
            .await;
    }
}

/// Moves a message now, and sends its report.
pub(crate) async fn report(
    shared: &Arc<Shared>,
    uuid: &str,
    state: State,
    code: Option<&str>,
) -> Result<Reported, ReportError> {
    if shared.config.callbacks == Callbacks::Off {
        return Err(ReportError::Off);
    }
    let moved = shared.with(|world| world.messages.report(uuid, state, code));
    let message = moved.ok_or(ReportError::UnknownMessage)?;
    if message.url.is_none() {
        return Err(ReportError::NoUrl);
    }
    let answer = post(shared, &message).await;
    let sequence = message.sequence;
    if !taken(&answer) {
        let later = Arc::clone(shared);
        shared.spawn(async move { retry(&later, &message).await }).await;
    }
    Ok(Reported { sequence, answer })
}

/// Sends a report until it is taken, or often enough. There is none where the message was forgotten, or has no `url`.
async fn deliver(shared: &Shared, moved: Option<Queued>) {
    let Some(message) = moved.filter(|message| message.url.is_some()) else { return };
    if !taken(&post(shared, &message).await) {
        retry(shared, &message).await;
    }
}

async fn retry(shared: &Shared, message: &Queued) {
    for units in RETRIES {
        sleep(shared.config.callback_retry * units).await;
        if taken(&post(shared, message).await) {
            return;
        }
    }
}

fn taken(answer: &Result<u16, ReportError>) -> bool {
    answer.as_ref().is_ok_and(|status| (200..300).contains(status))
}

/// Sends the report once, and returns the status of its answer.
async fn post(shared: &Shared, message: &Queued) -> Result<u16, ReportError> {
    let url = message.url.as_deref().ok_or(ReportError::NoUrl)?;
    let uri: Uri = url.parse().map_err(|_| ReportError::Scheme)?;
    let host =
        uri.host().filter(|_| uri.scheme_str() == Some("http")).ok_or(ReportError::Scheme)?;
    let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
    let request = signed(&shared.config.auth_token, message, url, &uri, &authority)?;
    let exchange = async {
        let _turn = shared.callbacks.acquire().await;
        let address = (host.trim_matches(['[', ']']), uri.port_u16().unwrap_or(80));
        let stream = TcpStream::connect(address).await.map_err(ReportError::Connect)?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(ReportError::Exchange)?;
        let mut answered = pin!(sender.send_request(request));
        let answer = tokio::select! {
            answer = &mut answered => answer,
            // However it ended, the request knows.
            _ = connection => answered.await,
        };
        answer.map(|answer| answer.status().as_u16()).map_err(ReportError::Exchange)
    };
    timeout(ANSWER, exchange).await.unwrap_or(Err(ReportError::Timeout(ANSWER)))
}

/// The report as a request, with the signatures of account and main account, V2 and V3.
fn signed(
    token: &str,
    message: &Queued,
    url: &str,
    uri: &Uri,
    authority: &str,
) -> Result<Request<Full<Bytes>>, ReportError> {
    let params = message.report();
    let encoded =
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&params).finish();
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let nonce = format!("{:020}", Uuid::new_v4().as_u128() % 10_u128.pow(20));
    let v2 = signature::v2(token, url, &nonce);
    let v3 = signature::v3(token, &message.method, url, &params, &nonce);
    let request = Request::builder()
        .header(HOST, authority)
        .header("x-plivo-signature-v2", &v2)
        .header("x-plivo-signature-ma-v2", &v2)
        .header("x-plivo-signature-v2-nonce", &nonce)
        .header("x-plivo-signature-v3", &v3)
        .header("x-plivo-signature-ma-v3", &v3)
        .header("x-plivo-signature-v3-nonce", &nonce);
    let request = if message.method == "GET" {
        let joint = if target.contains('?') { '&' } else { '?' };
        request.method(Method::GET).uri(format!("{target}{joint}{encoded}")).body(Full::default())
    } else {
        request
            .method(Method::POST)
            .uri(target)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::from(encoded))
    };
    request.map_err(|_| ReportError::Scheme)
}
