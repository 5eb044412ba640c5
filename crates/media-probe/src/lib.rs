//! Looks at media URLs as Plivo's fetcher will, without being led to private places.
//!
//! A name is looked up here and nowhere else. If any of its addresses is private nothing is connected to; else only
//! those that were looked at are. It is looked up once before and once for each connection, so that a name which
//! answers otherwise the second time is caught. Proxies are ignored, and redirects are followed by hand, each hop
//! judged like the first.

mod answer;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod names;
mod prober;
mod shares;
#[cfg(feature = "testing")]
pub mod testing;

pub use names::{Names, NamesFuture, SystemNames};
pub use prober::{Prober, ProberError, ProberOptions};
