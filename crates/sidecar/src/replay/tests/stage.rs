//! Real policies with a log, and the same log decided again.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use message::{Message, Timestamp};
use policy_host::{
    Afterwards, Candidate, Inbound, PolicyChain, PolicyRuntime, Receipt, RuntimeOptions, SecondLook,
};
use store::{MemoryLedger, Secret};
use tokio::runtime::Runtime;

use super::super::log::Log;
use super::super::policies::Asked;
use super::super::report::Report;
use super::super::{Failure, Wanted, replayed};
use super::traffic::{Between, Sent};
use crate::cli;
use crate::config::{Config, Environment};
use crate::decisions::{DecisionLog, SecondLooks};
use crate::in_force::{InForce, Prepared, Rules};
use crate::modules::Modules;
use crate::policies;

const HEAD: &str = r#"
[[apps]]
name = "demo"
token = "demo-token"
[[apps]]
name = "trial"
token = "trial-token"
[plivo]
auth_id = "MAXXXXXXXXXXXXXXXXXX"
auth_token = "0123456789012345678901234567890123456789"
sender = "+14155551212"
base_url = "http://127.0.0.1:1"
[store]
hash_key = "a-key-of-hashes-that-is-long-enough-0123456789"
"#;

/// A folder with a configuration and, once it was played, a log.
pub(super) struct Stage {
    folder: PathBuf,
    config: Config,
    runtime: Runtime,
}

/// What decides again.
pub(super) enum By {
    OwnConfiguration,
    /// This configuration's policies.
    Configuration(String),
    /// The module so called, for the policy so called.
    Module(&'static str, &'static str),
}

impl Stage {
    /// Policies as in `sidecar.toml`, with `MODULES` for where they are built.
    pub(super) fn new(policies: &str, whole: bool) -> Self {
        Self::with_log(policies, whole, "")
    }

    /// The same with more lines under `[decisions]`.
    pub(super) fn with_log(policies: &str, whole: bool, more: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let nth = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder =
            std::env::temp_dir().join(format!("sendgate-replay-{}-{nth}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let form = if whole { "full" } else { "shape" };
        let numbers = if whole { "full" } else { "hash" };
        let log = format!(
            "[decisions]\npath = \"d.jsonl\"\ntext = \"{form}\"\nnumbers = \"{numbers}\"\n{more}"
        );
        let toml = format!("{HEAD}{log}{}", with_modules(policies));
        let path = folder.join("sidecar.toml");
        fs::write(&path, toml).unwrap();
        let config = match Config::load(&path, &environment()) {
            Ok(config) => config,
            Err(faults) => panic!("{faults}"),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        Self { folder, config, runtime }
    }

    /// Has the policies decide on all of `sent`, one after the other, and returns the log.
    pub(super) fn play(&self, sent: &[Sent]) -> String {
        self.play_between(sent, &[])
    }

    /// The same, with something that happens before each.
    pub(super) fn play_between(&self, sent: &[Sent], before: &[Between]) -> String {
        self.played(sent, before, &self.config.fixed.store.options().secret().unwrap())
    }

    /// The same with another key than the configuration's.
    pub(super) fn play_with(&self, sent: &[Sent], key: &Secret) -> String {
        self.played(sent, &[], key)
    }

    fn played(&self, sent: &[Sent], before: &[Between], key: &Secret) -> String {
        self.runtime.block_on(async {
            let mut in_force = self.in_force().await;
            let log = DecisionLog::start(&self.config.fixed.decisions, key, None).unwrap().unwrap();
            for (nth, each) in sent.iter().enumerate() {
                let happens = before.get(nth).copied().unwrap_or(Between::Nothing);
                if let Between::Reload = happens {
                    let rules = in_force.rules().renewed(in_force.chain.generation().next());
                    in_force = Arc::new(in_force.under(rules));
                } else if let Some(last) = nth.checked_sub(1).map(|nth| &sent[nth].candidate) {
                    happen(&in_force.chain, happens, last, each.candidate.now).await;
                }
                let candidate = log.begin(&each.candidate).unwrap();
                let cleared = in_force.chain.clear(each.candidate.clone()).await;
                log.end(candidate, &cleared, &in_force);
                if let Ok(cleared) = cleared {
                    cleared.settle(each.settlement).await.unwrap();
                }
            }
            log.close(Duration::from_secs(60));
            assert_eq!(log.shown()["written"], sent.len(), "{}", log.shown());
        });
        fs::read_to_string(self.log()).unwrap()
    }

    /// Has the policies decide on all of `sent`, and asks those that want it again so much later, with something that
    /// happens in between; returns the log. What is asked about need not have been cleared.
    pub(super) fn play_late(&self, sent: &[Sent], between: &[Between], later: Duration) -> String {
        let key = self.config.fixed.store.options().secret().unwrap();
        self.runtime.block_on(async {
            let in_force = self.in_force().await;
            let log = DecisionLog::start(&self.config.fixed.decisions, &key, None).unwrap();
            let log = Arc::new(log.unwrap());
            let swap = Arc::new(ArcSwap::new(Arc::clone(&in_force)));
            let looks = SecondLooks::new(Arc::clone(&log), &swap);
            for (nth, each) in sent.iter().enumerate() {
                let candidate = log.begin(&each.candidate).unwrap();
                let cleared = in_force.chain.clear(each.candidate.clone()).await;
                log.end(candidate, &cleared, &in_force);
                if let Ok(cleared) = cleared {
                    cleared.settle(each.settlement).await.unwrap();
                }
                let now = each.candidate.now.after(later);
                let happens = between.get(nth).copied().unwrap_or(Between::Nothing);
                happen(&in_force.chain, happens, &each.candidate, now).await;
                let cleared = each.candidate.message.clone();
                let message = Message { not_before: None, ttl_s: None, ..cleared };
                let candidate = Candidate { message, now, ..each.candidate.clone() };
                let (look, decisions) = in_force.chain.ask_late(candidate.clone()).await;
                if !matches!(look, SecondLook::Goes) {
                    looks.end(candidate, (&look, decisions), looks.in_force().unwrap());
                }
            }
            log.close(Duration::from_secs(60));
            assert_eq!(log.shown()["dropped"], 0, "{}", log.shown());
        });
        fs::read_to_string(self.log()).unwrap()
    }

    async fn in_force(&self) -> Arc<InForce> {
        let mut options = RuntimeOptions::new(Arc::new(MemoryLedger::default()));
        (options.record, options.compile_cache) = (true, Some(compiled()));
        let engine = PolicyRuntime::new(options).unwrap();
        let prepared = Prepared::new(self.config.reloadable.clone(), None).unwrap();
        let modules = Modules::read(&self.config.reloadable).await;
        let chain = policies::build(&engine, None, prepared.entries(), &modules).await;
        let chain = chain.unwrap_or_else(|lines| panic!("{}", lines.join("\n")));
        let rules = Rules::new(prepared.entries().to_vec(), &modules, chain);
        Arc::new(prepared.with(rules))
    }

    pub(super) fn log(&self) -> PathBuf {
        self.folder.join("d.jsonl")
    }

    /// The log decided again, every id told.
    pub(super) fn replay(&self, by: By) -> Report {
        self.replayed(by, false).unwrap_or_else(|failure| panic!("{failure}"))
    }

    /// The same, with notes compared.
    pub(super) fn replay_to_the_notes(&self, by: By) -> Report {
        self.replayed(by, true).unwrap_or_else(|failure| panic!("{failure}"))
    }

    pub(super) fn try_replay(&self, by: By) -> Result<Report, Failure> {
        self.replayed(by, false)
    }

    fn replayed(&self, by: By, notes: bool) -> Result<Report, Failure> {
        let wanted = Wanted { all: true, notes, json: true };
        let by = match by {
            By::OwnConfiguration => of_config(&self.folder.join("sidecar.toml")),
            By::Configuration(policies) => {
                let path = self.folder.join("other.toml");
                fs::write(&path, format!("{HEAD}{}", with_modules(&policies))).unwrap();
                of_config(&path)
            }
            By::Module(module, policy) => cli::By {
                candidate: Some(modules().join(format!("{module}.wasm"))),
                policy: Some(policy.to_owned()),
                config: None,
            },
        };
        let logs = [Log::find(self.log()).unwrap()];
        let asked = Asked::read(&by, &environment())?;
        self.runtime.block_on(replayed(&logs, asked, by.policy.as_deref(), wanted))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// Tells the policies of `chain` what happens after the message `last`.
async fn happen(chain: &PolicyChain, what: Between, last: &Candidate, now: Timestamp) {
    let Candidate { message, app, door, .. } = last;
    let about = Afterwards { id: &message.id, app, door, now };
    match what {
        Between::Nothing | Between::Reload => {}
        Between::Receipt(state, error_code) => {
            let (units, total_rate) = (Some(1), "0.00500");
            let (kind, to, sender) = (message.kind(), Some(&message.to), &message.sender);
            let intent = &message.intent;
            let receipt =
                Receipt { kind, to, sender, intent, state, error_code, units, total_rate };
            chain.tell_receipt(about, receipt).await.unwrap();
        }
        Between::Says(text) => {
            let heard = Inbound { sender: &message.to, to: message.sender.as_str(), text };
            chain.tell_inbound(about, heard).await.unwrap();
        }
    }
}

pub(super) fn modules() -> PathBuf {
    let built = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/policies");
    let folder = std::env::var_os("SENDGATE_POLICIES").map_or_else(built, PathBuf::from);
    folder.canonicalize().unwrap_or_else(|err| panic!("{err}: run cargo xtask policies"))
}

/// Where compiled modules are kept from one case to the next.
pub(super) fn compiled() -> PathBuf {
    modules().parent().unwrap().join("tmp/replayed")
}

fn with_modules(policies: &str) -> String {
    let policies = policies.replace("MODULES", &modules().to_string_lossy());
    let slow = policies.replace("[[policies]]", "[[policies]]\ntime_ms = 300");
    format!("[reload]\ncompile_cache = \"{}\"\n{slow}", compiled().display())
}

fn of_config(path: &Path) -> cli::By {
    cli::By { candidate: None, policy: None, config: Some(path.to_owned()) }
}

fn environment() -> Environment {
    Environment::from_iter([("SENDGATE_ENV", "development")])
}
