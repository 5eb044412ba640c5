//! The handle of one simulator.

use std::io;
use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::server::{self, Panic, Server};
use crate::shared::{Shared, Waiting, World};
use crate::{
    Outage, Queued, Report, ReportError, Reported, Reports, Seen, SimConfig, State, Step, callback,
    schedule,
};

/// Jobs and orders waiting for the accept loop.
const QUEUE: usize = 1_024;

/// A simulated Plivo that runs until it is stopped or dropped.
#[must_use = "a simulator stops when it is dropped"]
pub struct PlivoSim {
    shared: Arc<Shared>,
    address: SocketAddr,
    control: Option<SocketAddr>,
    stop: Option<oneshot::Sender<()>>,
    server: Option<JoinHandle<io::Result<Option<Panic>>>>,
}

/// What was waited for did not come in time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{came} of {wanted} {what} came within {within:?}")]
pub struct WaitError {
    what: &'static str,
    came: usize,
    wanted: usize,
    within: Duration,
}

impl PlivoSim {
    /// Starts a simulator on the current tokio runtime.
    ///
    /// # Panics
    ///
    /// If the address of `config` cannot be bound; see [`PlivoSim::bind`].
    pub async fn start(config: SimConfig) -> Self {
        let listen = config.listen;
        match Self::bind(config).await {
            Ok(sim) => sim,
            Err(err) => panic!("the simulator cannot listen on {listen}: {err}"),
        }
    }

    /// Starts a simulator on the current tokio runtime.
    ///
    /// # Errors
    ///
    /// If the address of `config` cannot be bound.
    pub async fn bind(config: SimConfig) -> io::Result<Self> {
        let listener = server::listen(config.listen)?;
        let address = listener.local_addr()?;
        let (job_sender, jobs) = mpsc::channel(QUEUE);
        let (order_sender, orders) = mpsc::channel(QUEUE);
        let (stop_sender, stop) = oneshot::channel();
        let control = config.control.map(server::listen).transpose()?;
        let control_address = control.as_ref().map(TcpListener::local_addr).transpose()?;
        let shared = Arc::new(Shared::new(config, job_sender, order_sender));
        shared.spawn(schedule::play(Arc::clone(&shared))).await;
        let server = Server { shared: Arc::clone(&shared), listener, control, jobs, orders, stop };
        let server = Some(tokio::spawn(server.run()));
        Ok(Self { shared, address, control: control_address, stop: Some(stop_sender), server })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where its control listener listens, if it has one.
    pub fn control_address(&self) -> Option<SocketAddr> {
        self.control
    }

    /// Such as `http://127.0.0.1:8790`, without a slash at the end.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Adds steps after those that wait already (`PUT /_sim/script` replaces them), each of which serves one later
    /// message POST; those that refuse connections work at once.
    ///
    /// # Panics
    ///
    /// If a step cannot be played, or too many wait; see [`StepError`](crate::StepError).
    pub async fn script(&self, steps: impl IntoIterator<Item = Step>) {
        let steps = steps.into_iter().collect();
        if let Err(err) = self.shared.script(Waiting::Kept, steps).await {
            panic!("the steps cannot be played: {err}");
        }
    }

    /// The messages really queued, oldest first.
    pub fn sends(&self) -> Vec<Queued> {
        self.shared.look(|world| world.messages.iter().cloned().collect())
    }

    /// The requests seen, oldest first, without those under `/_sim`.
    pub fn requests(&self) -> Vec<Seen> {
        self.shared.look(|world| world.requests.all())
    }

    /// The messages queued, as soon as there are `count`.
    ///
    /// # Errors
    ///
    /// If there are fewer after `within`.
    pub async fn wait_for_sends(
        &self,
        count: usize,
        within: Duration,
    ) -> Result<Vec<Queued>, WaitError> {
        self.wait("sends", count, within, |world| world.messages.len()).await?;
        Ok(self.sends())
    }

    /// The requests seen, as soon as there are `count`. A held answer can be released from then on.
    ///
    /// # Errors
    ///
    /// If there are fewer after `within`.
    pub async fn wait_for_requests(
        &self,
        count: usize,
        within: Duration,
    ) -> Result<Vec<Seen>, WaitError> {
        self.wait("requests", count, within, |world| world.requests.len()).await?;
        Ok(self.requests())
    }

    /// Lets every answer go that is held now.
    pub fn release(&self) {
        self.shared.release();
    }

    /// Closes every idle connection, and every other one after its answer.
    pub fn disconnect(&self) {
        self.shared.disconnect();
    }

    /// Refuses connections for `time`, beginning when this returns; idle ones are closed.
    pub async fn refuse_connections(&self, time: Duration) {
        self.shared.refuse(time).await;
    }

    /// Begins an outage in place of any other; returns once the next request would meet it.
    pub async fn fail(&self, outage: Outage) {
        self.shared.fail(outage).await;
    }

    /// Ends any outage; returns once the next request would be served.
    pub async fn restore(&self) {
        self.shared.restore().await;
    }

    /// Keeps messages that were queued less than `delay` ago out of the list. Their details are there at once.
    pub fn set_list_delay(&self, delay: Duration) {
        self.shared.with(|world| world.list_delay = delay);
    }

    /// Sets Plivo's clock so far ahead of this machine's, or behind it: what it says in `Date`, and of messages that are
    /// queued from now on.
    pub fn set_clock(&self, ahead: SignedDuration) {
        self.shared.with(|world| world.messages.ahead = ahead);
    }

    /// Takes other reports into force, for messages that are queued from now on.
    pub fn set_reports(&self, reports: Reports) {
        self.shared.set_reports(reports);
    }

    /// Moves a message to `state` without a report. Whether the message is known.
    pub fn change(&self, message_uuid: &str, state: State, error_code: Option<&str>) -> bool {
        self.shared.with(|world| world.messages.change(message_uuid, state, error_code))
    }

    /// Moves a message to `state` and sends its report now.
    ///
    /// # Errors
    ///
    /// As [`PlivoSim::send_report`].
    pub async fn report(
        &self,
        message_uuid: &str,
        state: State,
        error_code: Option<&str>,
    ) -> Result<Reported, ReportError> {
        let error_code = error_code.map(str::to_owned);
        self.send_report(message_uuid, Report { error_code, ..Report::of(state) }).await
    }

    /// Sends a report now: late, several times, badly signed, as it says.
    ///
    /// # Errors
    ///
    /// If the message is unknown or has no `url`, or callbacks are off.
    pub async fn send_report(
        &self,
        message_uuid: &str,
        report: Report,
    ) -> Result<Reported, ReportError> {
        callback::report(&self.shared, message_uuid, report).await
    }

    /// Forgets messages, requests, media and the script, and takes the settings of the start into force. Refused
    /// connections stay refused: see [`PlivoSim::restore`].
    pub fn clear(&self) {
        self.shared.clear();
    }

    /// Ends every connection and task.
    ///
    /// # Panics
    ///
    /// With the first panic that any of them had.
    pub async fn stop(mut self) {
        if let Some(stop) = self.stop.take() {
            // An error means that the accept loop has ended already; its result says why.
            let _ = stop.send(());
        }
        let Some(server) = self.server.take() else { return };
        match server.await {
            Ok(Ok(None)) => {}
            Ok(Ok(Some(panic))) => resume_unwind(panic),
            Ok(Err(err)) => panic!("the simulator could not go on listening: {err}"),
            Err(err) => {
                if let Ok(panic) = err.try_into_panic() {
                    resume_unwind(panic);
                }
            }
        }
    }

    async fn wait(
        &self,
        what: &'static str,
        wanted: usize,
        within: Duration,
        count: impl Fn(&World) -> usize,
    ) -> Result<(), WaitError> {
        let mut changed = self.shared.changed.subscribe();
        let enough = async {
            while self.shared.look(&count) < wanted {
                // The sender lives as long as this handle.
                let _ = changed.changed().await;
            }
        };
        let waited = timeout(within, enough).await;
        let came = || self.shared.look(&count);
        waited.map_err(|_| WaitError { what, came: came(), wanted, within })
    }
}

impl Drop for PlivoSim {
    fn drop(&mut self) {
        if let Some(server) = &self.server {
            server.abort();
        }
    }
}

#[cfg(test)]
mod tests;
