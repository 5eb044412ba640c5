//! The callback listener: from a request to the answer that Plivo needs, which is a status and nothing else.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Body;
use message::E164;
use plivo_client::AuthToken;
use plivo_client::signature::{self, Callback, Signed};
use store_redis::SharedReports;
use tokio::time::{Instant, timeout};
use tracing::{Instrument as _, Span};

use super::form::{self, Form};
use super::nonces::{self, Nonces};
use super::tally::Came;
use super::{AuthTokens, CallbackPlace, Reports, Tally, elsewhere, now, spans};
use crate::delivery::Upstream;
use crate::listen::{Requests, TurnedAway};

/// Longest time for an answer; Plivo gives up after 8 s (support: "callback retries").
const ANSWER: Duration = Duration::from_secs(7);
/// Longest time for a body.
const BODY: Duration = Duration::from_secs(5);

/// Takes Plivo's reports.
pub(crate) struct ReportListener {
    place: CallbackPlace,
    reports: Arc<Reports>,
    tokens: Arc<AuthTokens>,
    /// Take a report that carries a V2 signature alone, which does not cover its body.
    accept_v2: bool,
    tally: Arc<Tally>,
    nonces: Nonces,
    /// Whatever is none of Plivo's, or cannot be taken, by kind: anybody may come by the thousand.
    not_taken: [TurnedAway; Came::KINDS],
    /// Where reports go whose message another replica has.
    shared: Option<SharedReports>,
}

/// Why a report is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    NoSuchPath,
    Method,
    TooLarge,
    Unreadable,
    Forged,
    Unwritten,
}

impl ReportListener {
    pub(crate) fn new(
        place: CallbackPlace,
        reports: Arc<Reports>,
        tokens: Arc<AuthTokens>,
        tally: Arc<Tally>,
        accept_v2: bool,
        shared: Option<SharedReports>,
    ) -> Self {
        let (nonces, not_taken) = (Nonces::default(), Default::default());
        Self { place, reports, tokens, accept_v2, tally, nonces, not_taken, shared }
    }

    /// Answers one request, always in less time than Plivo waits.
    pub(crate) async fn answer<B>(&self, request: Request<B>) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let span = spans::report();
        let requests = request.extensions().get::<Requests>().cloned();
        let taking = self.take(request).instrument(span.clone());
        let taken = timeout(ANSWER, taking).await.unwrap_or(Err(Refused::Unwritten));
        let came = taken.unwrap_or_else(Refused::came);
        if let (Ok(_), Some(requests)) = (taken, requests) {
            requests.are_known();
        }
        self.tally.add(came);
        span.record("sendgate.report", came.as_str());
        let response = respond(taken);
        span.record("http.response.status_code", response.status().as_u16());
        if taken.is_err() {
            span.record("error.type", came.as_str());
            if let Some(count) = self.not_taken[came as usize].one_more() {
                let _entered = span.enter();
                tracing::warn!(
                    report = came.as_str(),
                    count,
                    "a report was not taken; the latest of so many"
                );
            }
        }
        if response.status().is_server_error() {
            span.record("otel.status_code", "ERROR");
        }
        response
    }

    async fn take<B>(&self, request: Request<B>) -> Result<Came, Refused>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let (parts, body) = request.into_parts();
        if let Some(token) = self.place.read_inbound(parts.uri.path()) {
            return self.hear(&parts, body, self.place.is_inbound(token)).await;
        }
        let called = self.place.read(parts.uri.path()).ok_or(Refused::NoSuchPath)?;
        let form = form_of(&parts, body, self.place.is_ours(&called)).await?;
        let store = &self.reports.store;
        let found = store.get(None, &called.message).await.map_err(|_| Refused::Unwritten)?;
        let account = found.as_ref().map(|record| record.account.as_str());
        let nonce = self.verify(account, &parts.headers, &self.place.signed_url(&called), &form)?;
        if self.nonces.has(nonce, Instant::now()) {
            return Ok(Came::Replayed);
        }
        let report = form.report().map_err(|_| Refused::Unreadable)?;
        spans::says(&Span::current(), &report, &form.besides());

        let Some(record) = found else {
            let came = match &self.shared {
                Some(shared) => {
                    let handed_on =
                        elsewhere::hand_on(shared, &called.message, &form, store.keeps_numbers())
                            .await;
                    handed_on.map_err(|_| Refused::Unwritten)?;
                    Came::HandedOn
                }
                // Older than what is kept. Plivo would only send it again.
                None => Came::Forgotten,
            };
            self.nonces.put(nonce, Instant::now());
            return Ok(came);
        };
        spans::belongs_to(&Span::current(), &record);
        if record.to.as_ref().map(E164::digits).is_some_and(|digits| !form.is_to(digits)) {
            tracing::warn!(message.id = %record.id, "a report names another recipient than its message has");
        }
        let taken = self.reports.take(&record, form.to(), report, now()).await;
        let reported = taken.map_err(|err| {
            tracing::error!(message.id = %record.id, error = %err, "a report could not be taken; Plivo brings it again");
            Refused::Unwritten
        })?;
        self.nonces.put(nonce, Instant::now());
        Ok(if reported.again { Came::Again } else { Came::Taken })
    }

    /// Takes a message from a handset: 2xx comes once every policy that wants to hear has taken it.
    async fn hear<B>(&self, parts: &Parts, body: B, is_ours: bool) -> Result<Came, Refused>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let form = form_of(parts, body, is_ours).await?;
        let nonce = self.verify(None, &parts.headers, &self.place.inbound_url(), &form)?;
        if self.nonces.has(nonce, Instant::now()) {
            return Ok(Came::Replayed);
        }
        let inbound = form.inbound().map_err(|_| Refused::Unreadable)?;
        Span::current().record("sendgate.message.id", &*inbound.id.0);
        let chain = self.reports.delivery.account().chain.upgrade().ok_or(Refused::Unwritten)?;
        let told = inbound.tell(&chain, &self.reports.store, "", "callback").await;
        // Plivo brings it again.
        told.map_err(|_| Refused::Unwritten)?;
        self.nonces.put(nonce, Instant::now());
        Ok(Came::Heard)
    }

    /// The tokens in force, or a moment ago, of an account; those of all where none is named.
    fn tokens_of(&self, account: Option<&str>) -> Vec<AuthToken> {
        let (delivery, now) = (&self.reports.delivery, Instant::now());
        let of = |name: &str, upstream: Option<&Upstream>| {
            let account = upstream.map(Upstream::account);
            let token = account.as_ref().map(|account| &account.credentials.auth_token);
            self.tokens.with(name, token, now)
        };
        match account {
            Some(name) => of(name, delivery.upstream(name).as_deref()),
            None => {
                let all = delivery.upstreams();
                all.iter().flat_map(|each| of(&each.account().name, Some(each))).collect()
            }
        }
    }

    /// Checks the signature, and returns the nonce under it: one of the message's account, of any where nobody knows
    /// the message, or where there is none.
    fn verify<'h>(
        &self,
        account: Option<&str>,
        headers: &'h HeaderMap,
        url: &str,
        form: &Form,
    ) -> Result<&'h str, Refused> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let (v2_nonce, v3_nonce) =
            (header("x-plivo-signature-v2-nonce"), header("x-plivo-signature-v3-nonce"));
        let callback = Callback {
            method: "POST",
            url,
            params: form.params(),
            v3: header("x-plivo-signature-v3"),
            ma_v3: header("x-plivo-signature-ma-v3"),
            v3_nonce,
            v2: header("x-plivo-signature-v2"),
            ma_v2: header("x-plivo-signature-ma-v2"),
            v2_nonce,
        };
        let tokens = self.tokens_of(account);
        let signed = signature::verify(&tokens, &callback, self.accept_v2).map_err(|err| {
            tracing::warn!(code = "dlr.bad_signature", "{err}");
            Refused::Forged
        })?;
        let nonce = match signed {
            Signed::V3 => v3_nonce,
            Signed::V2 => v2_nonce,
        };
        nonce.filter(|nonce| nonce.len() <= nonces::MOST_BYTES).ok_or(Refused::Forged)
    }
}

impl Refused {
    fn status(self) -> StatusCode {
        match self {
            Self::NoSuchPath => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unreadable => StatusCode::BAD_REQUEST,
            Self::Forged => StatusCode::FORBIDDEN,
            Self::Unwritten => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The stable code; it tells nothing of any message.
    fn code(self) -> &'static str {
        match self {
            Self::NoSuchPath => "http.not_found",
            Self::Method => "http.method_not_allowed",
            Self::TooLarge => "body.too_large",
            Self::Unreadable => "dlr.unreadable",
            Self::Forged => "dlr.bad_signature",
            Self::Unwritten => "spool.unavailable",
        }
    }

    fn came(self) -> Came {
        match self {
            Self::NoSuchPath | Self::Method => Came::Astray,
            Self::TooLarge | Self::Unreadable => Came::Unreadable,
            Self::Forged => Came::Forged,
            Self::Unwritten => Came::Unwritten,
        }
    }
}

/// The form in a body; who does not know the token has not a byte of it read.
async fn form_of<B>(parts: &Parts, body: B, is_ours: bool) -> Result<Form, Refused>
where
    B: Body<Data = Bytes> + Unpin,
{
    if parts.method != Method::POST {
        return Err(Refused::Method);
    }
    if body.size_hint().lower() > form::MOST_BYTES as u64 {
        return Err(Refused::TooLarge);
    }
    if !is_ours {
        return Err(Refused::Forged);
    }
    let bytes = timeout(BODY, read(body)).await.unwrap_or(Err(Refused::Unreadable))?;
    Form::read(&bytes).map_err(|_| Refused::Unreadable)
}

/// The body, at most as long as a report may be.
async fn read<B: Body<Data = Bytes> + Unpin>(mut body: B) -> Result<BytesMut, Refused> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Refused::Unreadable)?.into_data() else { continue };
        if bytes.len() + data.remaining() > form::MOST_BYTES {
            return Err(Refused::TooLarge);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

/// The answer to every report while nothing can be written down; Plivo sends it again.
pub(crate) fn closed() -> Response<Full<Bytes>> {
    respond(Err(Refused::Unwritten))
}

fn respond(taken: Result<Came, Refused>) -> Response<Full<Bytes>> {
    let (status, body) = match taken {
        Ok(_) => (StatusCode::OK, Bytes::new()),
        Err(refused) => {
            let body = format!("{{\"code\":\"{}\"}}\n", refused.code());
            (refused.status(), Bytes::from(body))
        }
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    match taken {
        Ok(_) => {}
        Err(refused) => {
            let json = HeaderValue::from_static("application/json");
            headers.insert(header::CONTENT_TYPE, json);
            if refused == Refused::Method {
                headers.insert(header::ALLOW, HeaderValue::from_static("POST"));
            }
        }
    }
    response
}

#[cfg(test)]
mod tests;
