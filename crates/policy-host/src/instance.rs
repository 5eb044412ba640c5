//! One instance of a policy in its store.

use std::sync::Arc;

use thiserror::Error;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;
use wasmtime::component::{ComponentType, Instance as RawInstance, InstancePre, Lower};
use wasmtime::{Store, UpdateDeadline};

use crate::bindings::{Guest, GuestIndices, types};
use crate::contract::{Hooks, Shape};
use crate::convert::Lowered;
use crate::error::Problem;
use crate::failure::classify;
use crate::runtime::{Shared, VISITS_A_CORE};
use crate::visit::{Asking, Spent, Visit};
use crate::{Digest, Grants, PolicyFailure, PolicyName, VisitLimits};

/// Most bytes that a guest hands over in one call or answer.
const HANDOVER_BYTES: usize = 1 << 20;

/// Everything that instances of one policy are made of.
pub(crate) struct Prepared {
    pub(crate) name: PolicyName,
    pub(crate) digest: Digest,
    /// As JSON.
    pub(crate) settings: Box<str>,
    pub(crate) grants: Grants,
    pub(crate) limits: VisitLimits,
    /// What the module imports and exports.
    pub(crate) shape: Arc<Shape>,
    /// One permit a visit of this policy.
    pub(crate) visits: Semaphore,
    pub(crate) shared: Arc<Shared>,
    pub(crate) pre: InstancePre<Visit>,
    pub(crate) indices: GuestIndices,
}

/// The right to visit a policy once.
pub(crate) struct Permit<'a> {
    _own: SemaphorePermit<'a>,
    _shared: SemaphorePermit<'a>,
}

/// A live instance. Whoever visits it owns it: only a clean return brings it back among the idle ones.
pub(crate) struct Instance {
    store: Store<Visit>,
    raw: RawInstance,
    guest: Guest,
    visits: u32,
}

/// Why an instance could not be made ready.
#[derive(Debug, Error)]
pub(crate) enum Unready {
    #[error("the instance failed")]
    Failed(#[source] PolicyFailure),
    #[error("the settings do not fit")]
    Unfit(Vec<Problem>),
}

/// The contract's `receipt`.
#[derive(Clone, Debug, ComponentType, Lower)]
#[component(record)]
pub(crate) struct WitReceipt<'a> {
    pub(crate) id: &'a str,
    pub(crate) kind: types::Kind,
    pub(crate) to: &'a str,
    pub(crate) sender: types::SenderParam<'a>,
    pub(crate) region: &'a str,
    pub(crate) intent: &'a str,
    pub(crate) state: &'a str,
    #[component(name = "error-code")]
    pub(crate) error_code: &'a str,
    pub(crate) units: Option<u32>,
    #[component(name = "total-rate")]
    pub(crate) total_rate: &'a str,
}

/// The contract's `inbound-message`.
#[derive(Clone, Debug, ComponentType, Lower)]
#[component(record)]
pub(crate) struct WitInbound<'a> {
    pub(crate) id: &'a str,
    pub(crate) sender: &'a str,
    pub(crate) to: &'a str,
    pub(crate) text: &'a str,
}

/// What a policy may be told besides being asked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Report<'a> {
    Outcome { outcome: &'a str },
    Delivery { state: &'a str, error_code: &'a str },
    Receipt(&'a WitReceipt<'a>),
    Inbound(&'a WitInbound<'a>),
}

impl Prepared {
    /// The right to visit; a visit that finds none waits as long as those before it may take, who share the cores.
    pub(crate) async fn permit(&self) -> Result<Permit<'_>, PolicyFailure> {
        if let (Ok(own), Ok(shared)) = (self.visits.try_acquire(), self.shared.visits.try_acquire())
        {
            return Ok(Permit { _own: own, _shared: shared });
        }
        let both = async {
            // The policy's own first: those who wait for a policy that spins hold nothing that others wait for.
            let own = self.visits.acquire().await.ok()?;
            let shared = self.shared.visits.acquire().await.ok()?;
            Some(Permit { _own: own, _shared: shared })
        };
        let patience = self.limits.time.saturating_mul(VISITS_A_CORE) + self.shared.state_wait;
        match timeout(patience, both).await {
            Ok(Some(permit)) => Ok(permit),
            Ok(None) | Err(_) => Err(PolicyFailure::NoInstance),
        }
    }

    /// A new instance that knows nothing yet.
    pub(crate) async fn instance(&self) -> Result<Instance, PolicyFailure> {
        let shared = &self.shared;
        let (ledger, counters) = (Arc::clone(&shared.ledger), Arc::clone(&shared.counters));
        let (name, limits, grants) = (self.name.clone(), self.limits, self.grants);
        let times = (shared.tick, shared.state_wait);
        let visit = Visit::new(name, limits, grants, times, ledger, counters, shared.heard.clone());
        let mut store = Store::new(&shared.engine, visit);
        store.limiter(|visit| &mut visit.meter);
        store.set_hostcall_fuel(HANDOVER_BYTES);
        store.epoch_deadline_callback(|mut store| {
            Ok(match store.data_mut().tick() {
                true => UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())),
                false => UpdateDeadline::Interrupt,
            })
        });
        store.set_epoch_deadline(1);
        let made = match self.pre.instantiate_async(&mut store).await {
            Ok(raw) => self.indices.load(&mut store, &raw).map(|guest| (raw, guest)),
            Err(error) => Err(error),
        };
        match made {
            Ok((raw, guest)) => Ok(Instance { store, raw, guest, visits: 0 }),
            Err(error) => {
                store.data_mut().end_lines();
                Err(classify(error, store.data()))
            }
        }
    }

    /// A new instance that took its settings.
    pub(crate) async fn configured(&self) -> Result<Instance, Unready> {
        let mut instance = self.instance().await.map_err(Unready::Failed)?;
        instance.configure(&self.settings).await?;
        Ok(instance)
    }
}

impl Instance {
    pub(crate) async fn describe(&mut self) -> Result<types::Manifest, PolicyFailure> {
        self.begin(None);
        let described = self.guest.sendgate_policy_guest().call_describe(&mut self.store).await;
        self.end(described).0
    }

    pub(crate) async fn configure(&mut self, settings: &str) -> Result<(), Unready> {
        self.begin(None);
        let guest = self.guest.sendgate_policy_guest();
        let configured = guest.call_configure(&mut self.store, settings).await;
        let fitted = self.end(configured).0.map_err(Unready::Failed)?;
        fitted.map_err(|problems| {
            let problem = |p: types::Problem| Problem { pointer: p.pointer, detail: p.detail };
            Unready::Unfit(problems.into_iter().map(problem).collect())
        })
    }

    pub(crate) async fn check(
        &mut self,
        lowered: &Lowered<'_>,
        context: types::Context<'_>,
        asking: Asking,
    ) -> (Result<Result<types::Decision, types::PolicyError>, PolicyFailure>, Spent) {
        self.begin(Some(asking));
        let guest = self.guest.sendgate_policy_guest();
        let (message, facts) = (lowered.message(), lowered.facts());
        let checked = guest.call_check(&mut self.store, message, facts, context).await;
        self.end(checked)
    }

    /// Tells of `report`, where the policy wants to know.
    pub(crate) async fn tell(
        &mut self,
        hooks: &Hooks,
        report: Report<'_>,
        context: types::Context<'_>,
        asking: Asking,
    ) -> (Result<Result<Vec<types::Note>, types::PolicyError>, PolicyFailure>, Spent) {
        let id = asking.by.clone();
        self.begin(Some(asking));
        let told = self.call_hook(hooks, report, &id.0, context).await;
        self.end(told)
    }

    /// Whether it may be visited again.
    pub(crate) fn is_reusable(&self, max_calls: u32) -> bool {
        self.visits < max_calls && self.store.data().meter.refused().is_none()
    }

    async fn call_hook(
        &mut self,
        hooks: &Hooks,
        report: Report<'_>,
        id: &str,
        context: types::Context<'_>,
    ) -> wasmtime::Result<Result<Vec<types::Note>, types::PolicyError>> {
        type OnOutcome<'a> = (&'a str, &'a str, types::Context<'a>);
        type OnDelivery<'a> = (&'a str, &'a str, &'a str, types::Context<'a>);
        type OnReceipt<'a> = (&'a WitReceipt<'a>, types::Context<'a>);
        type OnInbound<'a> = (&'a WitInbound<'a>, types::Context<'a>);
        type Taken = (Result<(), types::PolicyError>,);
        type Made = (Result<Vec<types::Note>, types::PolicyError>,);
        let store = &mut self.store;
        match report {
            Report::Outcome { outcome } => {
                let Some(at) = &hooks.on_outcome else { return Ok(Ok(Vec::new())) };
                let hook = self.raw.get_typed_func::<OnOutcome<'_>, ()>(&mut *store, at)?;
                hook.call_async(store, (id, outcome, context)).await?;
            }
            Report::Delivery { state, error_code } => {
                let Some(at) = &hooks.on_delivery_report else { return Ok(Ok(Vec::new())) };
                let hook = self.raw.get_typed_func::<OnDelivery<'_>, ()>(&mut *store, at)?;
                hook.call_async(store, (id, state, error_code, context)).await?;
            }
            Report::Receipt(receipt) => {
                let Some(at) = &hooks.on_receipt else { return Ok(Ok(Vec::new())) };
                let hook = self.raw.get_typed_func::<OnReceipt<'_>, Taken>(&mut *store, at)?;
                let taken = hook.call_async(store, (receipt, context)).await?.0;
                return Ok(taken.map(|()| Vec::new()));
            }
            Report::Inbound(message) => {
                let Some(at) = &hooks.on_inbound else { return Ok(Ok(Vec::new())) };
                let hook = self.raw.get_typed_func::<OnInbound<'_>, Made>(&mut *store, at)?;
                return Ok(hook.call_async(store, (message, context)).await?.0);
            }
        }
        Ok(Ok(Vec::new()))
    }

    fn begin(&mut self, asking: Option<Asking>) {
        self.visits = self.visits.saturating_add(u32::from(asking.is_some()));
        self.store.data_mut().begin(asking);
        self.store.set_epoch_deadline(1);
    }

    fn end<T>(&mut self, returned: wasmtime::Result<T>) -> (Result<T, PolicyFailure>, Spent) {
        // The last of what it printed may say why it failed.
        self.store.data_mut().end_lines();
        let returned = returned.map_err(|error| classify(error, self.store.data()));
        (returned, self.store.data_mut().end())
    }
}
