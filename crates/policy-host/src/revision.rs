//! One revision of a policy: a module with its settings, grants and limits, and its idle instances.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::answer::Speaker;
use crate::bindings::types;
use crate::budget::Failures;
use crate::complaints::Complaints;
use crate::convert::Lowered;
use crate::instance::{Instance, Permit, Prepared, Report, Unready};
use crate::visit::{Asking, Spent};
use crate::{Digest, Generation, Isolation, Manifest, PolicyFailure, PolicySource};

/// A loaded revision. Whatever else the operator changes about a policy, the revision and its instances live on.
pub(crate) struct Revision {
    pub(crate) prepared: Prepared,
    pub(crate) manifest: Manifest,
    pub(crate) isolation: Isolation,
    /// The generation that it was loaded for.
    pub(crate) since: Generation,
    idle: Mutex<Vec<Instance>>,
    /// No longer in force: what comes back is dropped.
    retired: AtomicBool,
    /// Whether the latest visit that counts failed.
    failing: AtomicBool,
    /// What it has spent of its error budget, in force.
    pub(crate) failures: Failures,
    complaints: Complaints,
}

/// How a visit went.
#[derive(Debug)]
pub(crate) struct Visited<T> {
    pub(crate) returned: Result<T, PolicyFailure>,
    /// Absent where there was no instance to visit.
    pub(crate) spent: Option<Spent>,
    pub(crate) elapsed: Duration,
}

impl<T> Visited<T> {
    /// No visit at all, since the error budget is spent.
    pub(crate) fn spared() -> Self {
        Self { returned: Err(PolicyFailure::Tripped), spent: None, elapsed: Duration::ZERO }
    }
}

impl Revision {
    /// A revision whose `first` instance, which took the settings, waits for a message; none has taken any where absent.
    pub(crate) fn new(
        prepared: Prepared,
        manifest: Manifest,
        isolation: Isolation,
        since: Generation,
        first: Option<Instance>,
    ) -> Self {
        let revision = Self {
            prepared,
            manifest,
            isolation,
            since,
            idle: Mutex::default(),
            retired: AtomicBool::new(false),
            failing: AtomicBool::new(false),
            failures: Failures::default(),
            complaints: Complaints::default(),
        };
        // An instance of a large runtime takes its time, which the first message should not.
        if let Some(first) = first {
            revision.leave(first, true);
        }
        revision
    }

    /// Whether `source`, whose module has `digest` and whose settings are `settings`, would be loaded as this again.
    pub(crate) fn is_what(&self, source: &PolicySource, digest: Digest, settings: &str) -> bool {
        let own = &self.prepared;
        own.name == source.name
            && own.digest == digest
            && &*own.settings == settings
            && own.grants == source.grants
            && own.limits == source.limits
            && self.isolation == source.isolation
    }

    /// Whether both were loaded of the same.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        let made_of = |revision: &Self| {
            let Prepared { name, digest, grants, limits, .. } = &revision.prepared;
            (name.clone(), *digest, *grants, *limits, revision.isolation)
        };
        made_of(self) == made_of(other) && self.prepared.settings == other.prepared.settings
    }

    /// Whether both are of the same module and settings, whatever they may use.
    pub(crate) fn does_what(&self, other: &Self) -> bool {
        self.prepared.digest == other.prepared.digest
            && self.prepared.settings == other.prepared.settings
    }

    /// It, as one who answers about the handset with this number.
    pub(crate) fn speaker<'a>(&'a self, handset: &'a str) -> Speaker<'a> {
        let masked = !self.prepared.shared.verbatim;
        Speaker { policy: &self.prepared.name, handset, masked }
    }

    /// Whether it could not decide when it was last asked.
    pub(crate) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    /// Remembers how it was to ask it in earnest.
    pub(crate) fn set_failing(&self, failing: bool) {
        self.failing.store(failing, Ordering::Relaxed);
    }

    /// Says in the log why it failed, and `what` follows, where nobody else says so. A flood of such lines is cut short.
    pub(crate) fn complain(&self, failure: &PolicyFailure, what: &str) {
        if let Some(unsaid) = self.complaints.admit(Instant::now()) {
            tracing::warn!(
                policy.name = %self.prepared.name,
                error.type = failure.as_str(),
                failure = %failure,
                unsaid,
                "{what}"
            );
        }
    }

    /// Asks about one message.
    pub(crate) async fn check(
        &self,
        lowered: &Lowered<'_>,
        context: types::Context<'_>,
        asking: Asking,
    ) -> Visited<Result<types::Decision, types::PolicyError>> {
        let started = Instant::now();
        match self.enter().await {
            Ok((mut instance, _permit)) => {
                let (returned, spent) = instance.check(lowered, context, asking).await;
                self.leave(instance, returned.is_ok());
                Visited { returned, spent: Some(spent), elapsed: started.elapsed() }
            }
            Err(failure) => {
                Visited { returned: Err(failure), spent: None, elapsed: started.elapsed() }
            }
        }
    }

    /// Tells of what came after a decision, or without one; what it makes of that are notes.
    pub(crate) async fn tell(
        &self,
        report: Report<'_>,
        context: types::Context<'_>,
        asking: Asking,
    ) -> Visited<Result<Vec<types::Note>, types::PolicyError>> {
        let started = Instant::now();
        match self.enter().await {
            Ok((mut instance, _permit)) => {
                let hooks = &self.prepared.shape.hooks;
                let (returned, spent) = instance.tell(hooks, report, context, asking).await;
                self.leave(instance, returned.is_ok());
                Visited { returned, spent: Some(spent), elapsed: started.elapsed() }
            }
            Err(failure) => {
                Visited { returned: Err(failure), spent: None, elapsed: started.elapsed() }
            }
        }
    }

    /// Whether it wants to be told of `report`.
    pub(crate) fn wants(&self, report: Report<'_>) -> bool {
        let hooks = &self.prepared.shape.hooks;
        match report {
            Report::Outcome { .. } => hooks.on_outcome.is_some(),
            Report::Delivery { .. } => hooks.on_delivery_report.is_some(),
            Report::Receipt(_) => hooks.on_receipt.is_some(),
            Report::Inbound(_) => hooks.on_inbound.is_some(),
        }
    }

    /// How many instances wait for a visit.
    pub(crate) fn idle_instances(&self) -> usize {
        self.idle().len()
    }

    /// In force, for the first time or again: instances are kept, and what it failed at before is forgotten.
    pub(crate) fn bring_back(&self) {
        self.failures.forget();
        self.retired.store(false, Ordering::Release);
    }

    /// Drops the idle instances, and those in use as soon as they come back.
    pub(crate) fn retire(&self) {
        let mut idle = self.idle();
        self.retired.store(true, Ordering::Release);
        let dropped = std::mem::take(&mut *idle);
        drop(idle);
        self.prepared.shared.idle.fetch_sub(dropped.len(), Ordering::Relaxed);
    }

    /// An instance that took its settings, idle or new, and the right to visit it.
    async fn enter(&self) -> Result<(Instance, Permit<'_>), PolicyFailure> {
        let permit = self.prepared.permit().await?;
        let idle = self.idle().pop();
        if let Some(instance) = idle {
            self.prepared.shared.idle.fetch_sub(1, Ordering::Relaxed);
            return Ok((instance, permit));
        }
        match self.prepared.configured().await {
            Ok(instance) => Ok((instance, permit)),
            Err(Unready::Failed(failure)) => Err(failure),
            Err(Unready::Unfit(_)) => Err(PolicyFailure::BadAnswer(
                "`configure` refused settings that it took when the policy was loaded".to_owned(),
            )),
        }
    }

    /// Takes an instance back among the idle ones after a clean return, within every bound; else drops it.
    fn leave(&self, instance: Instance, clean: bool) {
        let (prepared, shared) = (&self.prepared, &self.prepared.shared);
        let reusable = clean
            && self.isolation == Isolation::Warm
            && instance.is_reusable(prepared.limits.max_calls);
        if !reusable {
            return;
        }
        let mut idle = self.idle();
        if self.retired.load(Ordering::Acquire) || idle.len() >= shared.idle_per_policy {
            return;
        }
        if shared.idle.fetch_add(1, Ordering::Relaxed) >= shared.idle_most {
            shared.idle.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        idle.push(instance);
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Instance>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Revision {
    fn drop(&mut self) {
        self.retire();
    }
}

impl fmt::Debug for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revision")
            .field("name", &self.prepared.name)
            .field("digest", &self.prepared.digest)
            .finish_non_exhaustive()
    }
}
