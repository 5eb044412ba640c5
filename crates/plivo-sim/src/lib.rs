//! A scriptable Plivo for tests, demos and development.
//!
//! It speaks Plivo's messaging API over HTTP/1.1: sends (single and bulk), details and lists of messages, media, the
//! error forms, and delivery reports with real signatures. It can be told to misbehave ([`Step`]): to fail, hang,
//! reset, close or cut an answer short, with the message queued or not, and to hold an answer until it is released.
//!
//! Used in a test as [`PlivoSim`], by hand as the program `plivo-sim`; both answer the control routes below.
//!
//! # Control routes
//!
//! | Route | Does |
//! |---|---|
//! | `PUT /_sim/script` | scripts a step, or an array of steps, in place of those that wait (`[]`: none); each serves one later message POST |
//! | `PUT /_sim/outage` | every request meets a step until told otherwise, or, on the control listener, is refused: `{"refuse":true}` |
//! | `DELETE /_sim/outage` | ends it |
//! | `PUT /_sim/release` | lets every held answer go |
//! | `PUT /_sim/disconnect` | closes every idle connection, and every other one after its answer |
//! | `GET /_sim/sends` | the messages really queued, oldest first, as JSON |
//! | `GET /_sim/sends/count?by=text,dst[&least=2]` | how many of them are alike in text, dst, src, url, type or state |
//! | `GET /_sim/requests` | the requests seen, oldest first, as JSON; `Authorization` is shown as a verdict only |
//! | `PUT /_sim/list_delay` | `{"ms":5000}`: messages appear in the list so much later |
//! | `PUT /_sim/reports` | when and how reports are sent by themselves, for messages from now on |
//! | `PUT /_sim/state?id=UUID&status=sent[&error_code=200]` | moves a message, and tells nobody |
//! | `POST /_sim/callback?id=UUID&status=delivered[&…]` | moves a message and sends its report now: late, twice, badly signed |
//! | `DELETE /_sim` | sets everything back to the start |
//!
//! The README shows them all at work.
//!
//! What Plivo has not published is a guess, and is called one where it is made.

mod answer;
mod callback;
mod config;
mod connection;
mod control;
mod list;
mod media;
mod messages;
mod outage;
mod queued;
mod rate;
mod reply;
mod report;
mod route;
mod schedule;
mod seen;
mod send;
mod server;
mod shared;
pub mod signature;
mod sim;
mod step;
mod text;

pub use callback::{ReportError, Reported};
pub use config::{Callbacks, SimConfig, TextLength};
pub use outage::Outage;
pub use queued::{Queued, State};
pub use report::{Posting, Report, Reports, Signatures};
pub use seen::{Authorization, Seen};
pub use sim::{PlivoSim, WaitError};
pub use step::{Step, StepError};
