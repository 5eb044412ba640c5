//! The engine all policies run on: one per process.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;
use std::{fmt, io, thread};

use message::Ledger;
use thiserror::Error;
use tokio::sync::{Notify, Semaphore};
use wasmtime::{
    Cache, CacheConfig, Config, Enabled, Engine, InstanceAllocationStrategy,
    PoolingAllocationConfig,
};

use crate::Counter;
use crate::counters::Counters;
use crate::heard::Heard;
use crate::memory::TABLE_ELEMENTS;

/// Bytes of each linear memory that stay resident between instances. Source: the measurements behind this design, where
/// it made fresh instances three times as fast, but only with the kernel's `PAGEMAP_SCAN` (Linux 6.7).
const KEEP_RESIDENT: usize = 1 << 20;
/// Bytes of each table that stay resident.
const TABLE_KEEP_RESIDENT: usize = 64 << 10;
/// Bytes of a fiber's stack: half for the guest, half for the host functions it calls.
const FIBER_STACK: usize = 1 << 20;
/// Most core instances of one component: its own, those of the adapters around its imports, and where a language's runtime
/// is linked of many libraries, theirs. Python makes some 16.
const CORE_PER_COMPONENT: u32 = 64;
/// Visits of one policy at once on a core.
pub(crate) const VISITS_A_CORE: u32 = 8;
/// Most tables of one component. Each takes address space, but no memory before it is used.
const TABLES_PER_COMPONENT: u32 = 8;

/// What a [`PolicyRuntime`] is made with.
#[derive(Clone, Debug)]
pub struct RuntimeOptions {
    /// What policies remember in.
    pub ledger: Arc<dyn Ledger>,
    /// Where compiled modules are kept between starts, as an absolute path; nowhere where absent.
    pub compile_cache: Option<PathBuf>,
    /// The unit in which running time is measured, and after which a running guest yields. Default 5 ms.
    pub tick: Duration,
    /// Most instances alive at once, of all policies. Half of them may be visited at once, half may be idle. Each takes
    /// 4 GiB of address space, but no memory before it is used. Default 512.
    pub instances: u32,
    /// Most bytes of one linear memory; no policy's limit may be above it. Default 512 MiB.
    pub memory: usize,
    /// Most idle instances a policy. Default twice the cores.
    pub idle_per_policy: usize,
    /// Most visits of one policy at once, so that one that spins leaves the others room. Default eight times the cores.
    pub visits_per_policy: usize,
    /// Most time that one visit may wait for the ledger, beside the policy's own time. A ledger that gives up by itself
    /// should do so before: the policy hears of it then, and is not cut off. Default 1 s.
    pub state_wait: Duration,
    /// Whether decisions say what they rest on, for a record of them; see [`Basis`](crate::Basis). Default: they do not.
    pub record: bool,
}

/// Loads policies and builds chains of them. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct PolicyRuntime {
    pub(crate) shared: Arc<Shared>,
}

/// Why there is no runtime.
#[derive(Debug, Error)]
pub enum RuntimeError {
    /// The compile cache cannot be used.
    #[error("the cache of compiled policies cannot be used: {0}")]
    Cache(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The engine cannot be set up, most often for want of address space.
    #[error(
        "the WebAssembly engine cannot be set up; lower the number of instances where address space is limited"
    )]
    Engine(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The thread that measures time cannot be started.
    #[error("the thread that measures the policies' time cannot be started")]
    Ticker(#[source] io::Error),
}

/// What every policy of one runtime shares.
pub(crate) struct Shared {
    pub(crate) engine: Engine,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) tick: Duration,
    pub(crate) memory: usize,
    /// One permit a visit.
    pub(crate) visits: Arc<Semaphore>,
    pub(crate) idle: Arc<AtomicUsize>,
    pub(crate) idle_most: usize,
    pub(crate) idle_per_policy: usize,
    pub(crate) visits_per_policy: usize,
    pub(crate) state_wait: Duration,
    pub(crate) record: bool,
    /// Where what guests write goes too, in rehearsal.
    pub(crate) heard: Option<Arc<Heard>>,
    /// Whether numbers in what policies say are left as they are: in a rehearsal, where no number is anybody's.
    pub(crate) verbatim: bool,
    /// Told when a candidate has earned that it comes into force.
    pub(crate) passed: Notify,
}

impl RuntimeOptions {
    /// The defaults, with `ledger` for memory and no cache.
    pub fn new(ledger: Arc<dyn Ledger>) -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self {
            ledger,
            compile_cache: None,
            tick: Duration::from_millis(5),
            instances: 512,
            memory: 512 << 20,
            idle_per_policy: 2 * cores,
            visits_per_policy: VISITS_A_CORE as usize * cores,
            state_wait: Duration::from_secs(1),
            record: false,
        }
    }
}

impl PolicyRuntime {
    /// Sets the engine up, and one thread that measures time until the last policy is gone.
    ///
    /// # Errors
    ///
    /// Where the cache's directory, the address space or the thread is not to be had.
    pub fn new(options: RuntimeOptions) -> Result<Self, RuntimeError> {
        let engine = engine(&options)?;
        spawn_ticker(&engine, options.tick).map_err(RuntimeError::Ticker)?;
        let half = (options.instances as usize / 2).max(1);
        let shared = Shared {
            engine,
            ledger: options.ledger,
            counters: Arc::default(),
            tick: options.tick,
            memory: options.memory,
            visits: Arc::new(Semaphore::new(half)),
            idle: Arc::new(AtomicUsize::new(0)),
            idle_most: half,
            idle_per_policy: options.idle_per_policy,
            visits_per_policy: options.visits_per_policy.max(1),
            state_wait: options.state_wait,
            record: options.record,
            heard: None,
            verbatim: false,
            passed: Notify::new(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Waits until a candidate has passed its trial; [`Policy::is_passed`](crate::Policy::is_passed) tells whose.
    pub async fn candidate_passed(&self) {
        self.shared.passed.notified().await;
    }

    /// What the policies have counted through the import `metrics`, by policy and name.
    pub fn counters(&self) -> Vec<Counter> {
        self.shared.counters.read()
    }
}

impl fmt::Debug for PolicyRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shared = &self.shared;
        f.debug_struct("PolicyRuntime")
            .field("tick", &shared.tick)
            .field("idle", &shared.idle)
            .finish_non_exhaustive()
    }
}

/// The folder of its own in that for the cache: the engine takes out of it whatever it does not know.
const CACHE_FOLDER: &str = "sendgate-compiled";

fn engine(options: &RuntimeOptions) -> Result<Engine, RuntimeError> {
    let cache = match &options.compile_cache {
        Some(directory) => {
            let mut config = CacheConfig::new();
            config.with_directory(directory.join(CACHE_FOLDER));
            Some(Cache::new(config).map_err(|error| RuntimeError::Cache(error.into()))?)
        }
        None => None,
    };
    let config = |pool| {
        let mut config = Config::new();
        config
            .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
            .cache(cache.clone())
            .epoch_interruption(true)
            .concurrency_support(false)
            .async_stack_size(FIBER_STACK)
            .max_wasm_stack(FIBER_STACK / 2)
            // A decision is a function of what is recorded, on every machine.
            .cranelift_nan_canonicalization(true)
            .relaxed_simd_deterministic(true);
        config
    };
    // Without the kernel's scan, keeping pages costs more than giving them back.
    let scanned = Engine::new(&config(scanned_pool(options)));
    let engine = scanned.or_else(|_no_scan| Engine::new(&config(pool(options))));
    engine.map_err(|error| RuntimeError::Engine(error.into()))
}

fn pool(options: &RuntimeOptions) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    let each = |most: u32| options.instances.saturating_mul(most);
    pool.total_component_instances(options.instances)
        .total_memories(options.instances)
        .total_stacks(options.instances)
        .total_core_instances(each(CORE_PER_COMPONENT))
        .max_core_instances_per_component(CORE_PER_COMPONENT)
        .total_tables(each(TABLES_PER_COMPONENT))
        .max_tables_per_component(TABLES_PER_COMPONENT)
        .table_elements(TABLE_ELEMENTS)
        .max_memory_size(options.memory);
    pool
}

fn scanned_pool(options: &RuntimeOptions) -> PoolingAllocationConfig {
    let mut pool = pool(options);
    pool.linear_memory_keep_resident(KEEP_RESIDENT)
        .table_keep_resident(TABLE_KEEP_RESIDENT)
        .pagemap_scan(Enabled::Yes);
    pool
}

/// Advances the engine's epoch every `period`, until the engine is gone.
fn spawn_ticker(engine: &Engine, period: Duration) -> io::Result<()> {
    let engine = engine.weak();
    let ticking = move || {
        loop {
            thread::sleep(period);
            let Some(engine) = engine.upgrade() else { return };
            engine.increment_epoch();
        }
    };
    thread::Builder::new().name("policy-ticker".to_owned()).spawn(ticking)?;
    Ok(())
}
