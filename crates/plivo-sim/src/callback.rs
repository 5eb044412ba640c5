//! Delivery reports, and how they are sent.

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
use tokio::time::timeout;
use uuid::Uuid;

use crate::shared::Shared;
use crate::{Callbacks, Posting, Queued, Report, Reports, Signatures, signature};

/// Longest wait for an answer to a report (Plivo support: 8 seconds).
const ANSWER: Duration = Duration::from_secs(8);
/// Waits before the further attempts, in units of `callback_retry` (Plivo: 60, 120 and 240 seconds).
pub(crate) const RETRIES: [u32; 3] = [1, 2, 4];

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
    #[error(
        "callbacks are off; start the simulator with manual or auto callbacks, or PUT /_sim/reports"
    )]
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

/// Moves a message now, unless the report comes late, and sends its report.
pub(crate) async fn report(
    shared: &Arc<Shared>,
    uuid: &str,
    report: Report,
) -> Result<Reported, ReportError> {
    let Report { state, error_code, sequence, posting } = report;
    let reports = shared.reports();
    if reports.callbacks == Callbacks::Off {
        return Err(ReportError::Off);
    }
    let code = error_code.as_deref();
    let moved = shared.with(|world| world.messages.report(uuid, state, code, sequence));
    let message = moved.ok_or(ReportError::UnknownMessage)?;
    if message.url.is_none() {
        return Err(ReportError::NoUrl);
    }
    let reports = Arc::new(Reports { posting, ..(*reports).clone() });
    let answer = post_all(shared, &message, &reports, 0).await;
    Ok(Reported { sequence: message.sequence, answer })
}

/// Sends a report in all its copies, after so many attempts before; one that is not taken is sent again later. Returns
/// the answer to the first.
pub(crate) async fn post_all(
    shared: &Shared,
    message: &Queued,
    reports: &Arc<Reports>,
    attempts: usize,
) -> Result<u16, ReportError> {
    let answer = post(shared, message, &reports.posting).await;
    if !taken(&answer) {
        shared.schedule(|world| {
            let unit = shared.config.callback_retry;
            world.schedule.again(message, Arc::clone(reports), attempts + 1, unit);
        });
    }
    if attempts == 0 {
        for _ in 1..reports.posting.copies {
            // A copy is a copy, whatever the answer.
            let _ = post(shared, message, &reports.posting).await;
        }
    }
    answer
}

fn taken(answer: &Result<u16, ReportError>) -> bool {
    answer.as_ref().is_ok_and(|status| (200..300).contains(status))
}

/// Sends the report once, and returns the status of its answer.
async fn post(shared: &Shared, message: &Queued, posting: &Posting) -> Result<u16, ReportError> {
    let url = message.url.as_deref().ok_or(ReportError::NoUrl)?;
    let uri: Uri = url.parse().map_err(|_| ReportError::Scheme)?;
    let host =
        uri.host().filter(|_| uri.scheme_str() == Some("http")).ok_or(ReportError::Scheme)?;
    let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
    let token = shared.config.token_of(&message.auth_id).unwrap_or_default();
    let request = signed(token, message, posting, &uri, &authority)?;
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

/// The report as a request, with the signatures of account and main account.
fn signed(
    token: &str,
    message: &Queued,
    posting: &Posting,
    uri: &Uri,
    authority: &str,
) -> Result<Request<Full<Bytes>>, ReportError> {
    let url = message.url.as_deref().ok_or(ReportError::NoUrl)?;
    let params = message.report();
    let encoded =
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&params).finish();
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let fresh = || format!("{:020}", Uuid::new_v4().as_u128() % 10_u128.pow(20));
    let nonce = posting.nonce.clone().unwrap_or_else(fresh);
    let token = if posting.signatures == Signatures::Bad { "another token" } else { token };
    let mut request = Request::builder().header(HOST, authority);
    if matches!(posting.signatures, Signatures::Both | Signatures::V2 | Signatures::Bad) {
        let v2 = signature::v2(token, url, &nonce);
        request = request
            .header("x-plivo-signature-v2", &v2)
            .header("x-plivo-signature-ma-v2", &v2)
            .header("x-plivo-signature-v2-nonce", &nonce);
    }
    if matches!(posting.signatures, Signatures::Both | Signatures::V3 | Signatures::Bad) {
        let v3 = signature::v3(token, &message.method, url, &params, &nonce);
        request = request
            .header("x-plivo-signature-v3", &v3)
            .header("x-plivo-signature-ma-v3", &v3)
            .header("x-plivo-signature-v3-nonce", &nonce);
    }
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
