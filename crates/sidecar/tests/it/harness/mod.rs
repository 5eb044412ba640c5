//! A real sidecar process, a simulated Plivo behind it, and a client in front.

mod answer;
mod eventually;
mod folder;
mod log;
mod raw;
mod redis;
#[cfg(feature = "oci")]
mod registry;
mod request;
mod setup;
mod sidecar;
mod toml;

use plivo_sim::{PlivoSim, Seen, SimConfig};

pub(crate) use self::answer::Answer;
pub(crate) use self::eventually::{PATIENCE, eventually};
pub(crate) use self::folder::Folder;
pub(crate) use self::log::Log;
pub(crate) use self::raw::{Connection, exchange};
pub(crate) use self::redis::Redis;
#[cfg(feature = "oci")]
pub(crate) use self::registry::{DockerRegistry, PASSWORD, USER};
pub(crate) use self::request::Request;
pub(crate) use self::setup::{App, Policy, Setup, module};
pub(crate) use self::sidecar::{Ended, Sidecar, client, run_to_end, run_to_end_by};

/// The recipient of most tests: a number that can be a handset (NANP's 555-01XX are for fiction).
pub(crate) const TO: &str = "+14155550123";
/// The configured sender.
pub(crate) const SENDER: &str = "+14155551212";
/// The token of the app that a [`Setup`] begins with.
pub(crate) const TOKEN: &str = "token-of-the-app-demo";

/// A Plivo with defaults.
pub(crate) async fn plivo() -> PlivoSim {
    PlivoSim::start(SimConfig::default()).await
}

/// The texts of the messages really queued, oldest first.
pub(crate) fn texts(plivo: &PlivoSim) -> Vec<String> {
    plivo.sends().into_iter().map(|send| send.text).collect()
}

/// The sends among the requests seen, whatever came of them; lookups and probes are GETs.
pub(crate) fn posts(plivo: &PlivoSim) -> Vec<Seen> {
    plivo.requests().into_iter().filter(|request| request.method == "POST").collect()
}
