//! What it means that a call had no answer.

use std::error::Error;
use std::io;

use crate::handed::Handed;
use crate::outcome::{InDoubt, InDoubtKind, NotSent, NotSentKind, Outcome};

/// Classes a call without an answer, by whether the body was handed over.
pub(crate) fn outcome(err: reqwest::Error, handed: &Handed) -> Outcome {
    // The URL holds the account's id, and no other error does.
    let err = err.without_url();
    if !handed.get() {
        return Outcome::NotSent(NotSent { kind: not_sent(&err), source: Some(err) });
    }
    let kind = if err.is_timeout() { InDoubtKind::Timeout } else { InDoubtKind::ConnectionLost };
    Outcome::InDoubt(InDoubt { kind, source: Some(err) })
}

/// Where a call failed whose body was not handed over.
pub(crate) fn not_sent(err: &reqwest::Error) -> NotSentKind {
    if !err.is_connect() {
        return match err.is_timeout() {
            true => NotSentKind::TimedOutBeforeWrite,
            false => NotSentKind::ClosedBeforeWrite,
        };
    }
    if err.is_dns() {
        return NotSentKind::Dns;
    }
    if err.is_timeout() {
        return NotSentKind::ConnectTimeout;
    }
    let mut cause = err.source();
    while let Some(err) = cause {
        if let Some(kind) = of_cause(err) {
            return kind;
        }
        cause = err.source();
    }
    NotSentKind::Connect
}

fn of_cause(cause: &(dyn Error + 'static)) -> Option<NotSentKind> {
    if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
        return Some(match tls {
            rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => {
                NotSentKind::Certificate
            }
            _ => NotSentKind::Tls,
        });
    }
    let io = cause.downcast_ref::<io::Error>()?;
    match io.kind() {
        io::ErrorKind::ConnectionRefused => Some(NotSentKind::Refused),
        // TCP's own handshake has no such end, so it is that of TLS.
        io::ErrorKind::UnexpectedEof => Some(NotSentKind::Tls),
        // `source` leaves out what an I/O error wraps, which here is TLS's, and may be wrapped twice.
        _ => of_cause(io.get_ref()?),
    }
}
