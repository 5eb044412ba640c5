//! What a policy may import, each by its grant.

mod charges;
mod state;
mod wasi;

use std::time::Duration;

use message::facts::Probed;
use message::{E164, Timestamp, facts};
use wasmtime::Engine;
use wasmtime::component::{Component, HasSelf, Linker};

pub(crate) use wasi::Ambient;

use crate::bindings::{log, media, metrics, telecom, types, zones};
use crate::convert::number_facts;
use crate::redact::without;
use crate::visit::{Asking, Visit};
use crate::{Grant, Grants};

/// Most zones in one look, and how far it goes; the contract's numbers.
const ZONES: usize = 64;
const LONGEST_LOOK: Duration = Duration::from_secs(400 * 86_400);

/// A linker that offers what `grants` allow, and of WASI what `component` asks for, linked to nothing.
pub(crate) fn linker(
    engine: &Engine,
    component: &Component,
    grants: Grants,
) -> wasmtime::Result<Linker<Visit>> {
    type Own = HasSelf<Visit>;
    let mut linker = Linker::new(engine);
    types::add_to_linker::<_, Own>(&mut linker, |visit| visit)?;
    if grants.contains(Grant::State) {
        crate::bindings::state::add_to_linker::<_, Own>(&mut linker, |visit| visit)?;
    }
    if grants.contains(Grant::Log) {
        log::add_to_linker::<_, Own>(&mut linker, |visit| visit)?;
    }
    if grants.contains(Grant::Metrics) {
        metrics::add_to_linker::<_, Own>(&mut linker, |visit| visit)?;
    }
    if grants.contains(Grant::Telecom) {
        telecom::add_to_linker::<_, Own>(&mut linker, |visit| visit)?;
    }
    if grants.contains(Grant::Media) {
        media::add_to_linker::<_, Own>(&mut linker, |visit| visit)?;
    }
    if grants.contains(Grant::Zones) {
        zones::add_to_linker::<_, Own>(&mut linker, |visit| visit)?;
    }
    wasi::add_to_linker(engine, &mut linker, component)?;
    Ok(linker)
}

impl types::Host for Visit {}

impl log::Host for Visit {
    fn log(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        self.say(level, &message);
        Ok(())
    }
}

impl Visit {
    /// Writes a line to the host's log, as far as the allowance goes.
    fn say(&mut self, level: log::Level, message: &str) {
        if self.take_log(message.len()) {
            let handset = self.asking.as_ref().map_or("", |asking| &asking.handset);
            let line = message::without_number(message, handset);
            let (word, warns) = match level {
                log::Level::Debug => ("debug", false),
                log::Level::Info => ("info", false),
                log::Level::Warn => ("warn", true),
                log::Level::Error => ("error", true),
            };
            if warns {
                self.warned(&line);
            }
            if let Some(heard) = &self.heard {
                heard.push(word, &line);
            }
            let guesses = self.asking.as_ref().is_some_and(Asking::guesses);
            if guesses || !self.grants.contains(Grant::Log) {
                return;
            }
            let text = self.asking.as_ref().map_or("", |asking| &asking.text);
            let (policy, line) = (&self.policy, without(text, &line));
            match level {
                log::Level::Debug => tracing::debug!(policy.name = %policy, "{line}"),
                log::Level::Info => tracing::info!(policy.name = %policy, "{line}"),
                log::Level::Warn => tracing::warn!(policy.name = %policy, "{line}"),
                log::Level::Error => tracing::error!(policy.name = %policy, "{line}"),
            }
        }
    }
}

impl metrics::Host for Visit {
    fn add(&mut self, name: String, value: u64) -> wasmtime::Result<()> {
        let counts = self
            .asking
            .as_ref()
            .is_some_and(|asking| !asking.dry_run && asking.heeded && !asking.guesses());
        if counts && !self.counters.add(&self.policy, &name, value) {
            tracing::debug!(policy.name = %self.policy, "a counter was dropped: its name is not one, has a phone number in it, or is one too many");
        }
        Ok(())
    }
}

impl telecom::Host for Visit {
    fn classify(&mut self, number: String) -> wasmtime::Result<Option<types::NumberFactsResult>> {
        self.count_call()?;
        let number = E164::parse(&number, "").ok();
        Ok(number.map(|number| number_facts(facts::number(&number))))
    }
}

impl zones::Host for Visit {
    fn offsets(
        &mut self,
        names: Vec<String>,
        from_ms: u64,
        until_ms: u64,
    ) -> wasmtime::Result<Vec<Vec<zones::Offset>>> {
        self.count_call()?;
        let (from, until) = (Timestamp(from_ms), Timestamp(until_ms));
        let until = until.min(from.after(LONGEST_LOOK));
        let of = |name: &String| {
            let offsets = facts::offsets(name, from, until).into_iter();
            offsets.map(|(since, seconds)| zones::Offset { since_ms: since.0, seconds }).collect()
        };
        Ok(names.iter().take(ZONES).map(of).collect())
    }
}

impl media::Host for Visit {
    fn probes(&mut self) -> wasmtime::Result<Vec<Option<media::Probe>>> {
        self.count_call()?;
        let known = self.asking.as_ref().map(|asking| asking.probes.as_slice()).unwrap_or_default();
        Ok(known.iter().map(|probe| probe.as_ref().map(probed)).collect())
    }
}

fn probed(probe: &Probed) -> media::Probe {
    let (status, content_type, bytes) = match probe {
        Probed::Found { content_type, bytes } => (0, content_type.clone(), *bytes),
        Probed::Refused(status) => (*status, String::new(), None),
        _ => (0, String::new(), None),
    };
    media::Probe { outcome: probe.as_str().to_owned(), status, content_type, bytes }
}
