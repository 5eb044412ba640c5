//! `/readyz`: whether sends are taken and can leave, and what waits.

use std::sync::Arc;

use http::StatusCode;
use message::DEFAULT_ACCOUNT;
use policy_host::Policy;
use serde_json::{Map, Value, json};

use super::{Admin, policies};
use crate::delivery::{Reason, State, Upstream};
use crate::service_manager::TAKEN;

impl Admin {
    /// Ready means: nothing of this sidecar's own keeps sends from being taken and from leaving. A refused reload is told,
    /// but takes no traffic away: the last good generation serves. So is a Redis that is away, which another replica
    /// would not have either; keys and policies decide what that means.
    pub(super) fn ready(&self) -> (StatusCode, Value) {
        let causes = self.causes();
        let ready = causes.is_empty();
        // Before the refusal, which is forgotten before what follows it comes into force.
        let generation = self.in_force.load().chain.generation().0;
        let refused = self.reloads.refused();
        let (rollback, _) = self.generations.past_now();
        let upstreams = self.delivery.upstreams();
        let (own, further) = upstreams.split_first().unzip();
        let further = further.into_iter().flatten();
        let accounts: Map<_, _> =
            further.map(|each| (each.account().name.to_string(), account(each))).collect();
        let counted = Arc::clone(&self.backlog).latest(&self.store);
        let waiting = self.delivery.waiting();
        let longest = self.backlog.longest_wait().filter(|_| waiting > 0);
        let body = json!({
            "ready": ready,
            "causes": causes,
            "generation": generation,
            "reload_refused": refused.map(|refused| refused.faults),
            // The policies in force are not those of the files.
            "rollback": rollback.as_ref().map(policies::standing),
            // Policies that failed too often, so that their `on_failure` decides.
            "policies_tripped": self.tripped(),
            "store": self.kept(),
            "plivo": own.map(|own| account(own)),
            // Those beside the one of whoever names none.
            "accounts": accounts,
            // Messages that wait for an account which the configuration does not have any more, by its name.
            "accounts_gone": self.delivery.without_account(),
            // Null where replicas share nothing, or can; policies and their `on_unavailable` decide what it means.
            "shared_trouble": self.delivery.shared_trouble(),
            "waiting": waiting,
            // As of the last count, which is null until there was one.
            "in_doubt": counted.map(|counted| counted.in_doubt),
            "held": counted.map(|counted| counted.held),
            "oldest_waiting_s": longest.map(|wait| wait.as_secs()),
            // Counts since the start.
            "reports": self.reports.shown(),
            "relay": self.relay.shown(),
            // Null where decisions are not written down.
            "decisions": self.decisions.as_ref().map(|log| log.shown()),
        });
        (if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, body)
    }

    /// Whether [`Admin::ready`] would say so.
    pub(crate) fn is_ready(&self) -> bool {
        self.causes().is_empty()
    }

    /// The same in one line, for the service manager.
    pub(crate) fn line(&self) -> String {
        let causes = self.causes();
        // The end is told by itself, and sends are taken in its first part.
        let mut causes = causes.iter().filter(|cause| cause["cause"] != "draining");
        let mut line = match causes.next().and_then(|cause| cause["detail"].as_str()) {
            Some(why) => format!("not ready: {why}"),
            None => TAKEN.to_owned(),
        };
        if let Some(why) = self.delivery.shared_trouble() {
            line += "; what replicas share cannot be used: ";
            line += &why;
        }
        if let Some(refused) = self.reloads.refused() {
            line += "; the last reload was refused: ";
            line += refused.faults.first().map_or("", |first| first);
        }
        line
    }

    fn kept(&self) -> &'static str {
        if self.ephemeral {
            "ephemeral: in memory, nothing survives a restart"
        } else if self.store.lost_its_key() {
            "durable; its key file was gone at the start, and what it was the key of is not known again"
        } else {
            "durable"
        }
    }

    fn tripped(&self) -> Vec<String> {
        let in_force = self.in_force.load();
        let is_tripped = |policy: &&Arc<Policy>| {
            policy.budget().is_some_and(|spent| spent.tripped_for.is_some())
        };
        let tripped = in_force.chain.policies().iter().filter(is_tripped);
        tripped.map(|policy| policy.name().to_string()).collect()
    }

    /// Accounts that nothing is sent with before somebody mends them; none while an app has one that is well, whose
    /// messages are to come in and leave.
    fn latched(&self) -> Vec<Value> {
        let in_force = self.in_force.load();
        let mut causes = Vec::new();
        for upstream in self.delivery.upstreams() {
            let (name, plivo) = (Arc::clone(&upstream.account().name), upstream.standing());
            if !in_force.apps.iter().any(|app| app.account == *name) {
                continue;
            }
            if plivo.state != State::Latched {
                return Vec::new();
            }
            let detail = match plivo.reason {
                Some(Reason::Certificate) => {
                    "Plivo's certificate is not trusted; nothing is sent".to_owned()
                }
                _ => {
                    let section = if *name == *DEFAULT_ACCOUNT {
                        "plivo".to_owned()
                    } else {
                        format!("plivo.accounts.{name}")
                    };
                    format!(
                        "Plivo refused the credentials (401); mend [{section}] auth_id and auth_token, or send SIGHUP once Plivo takes them"
                    )
                }
            };
            let cause = plivo.reason.map_or("plivo", Reason::as_str);
            causes.push(json!({"cause": cause, "account": *name, "detail": detail}));
        }
        causes
    }

    fn causes(&self) -> Vec<Value> {
        let mut causes = Vec::new();
        if self.leaving.is_cancelled() {
            causes.push(json!({"cause": "draining", "detail": "the sidecar is shutting down"}));
        }
        causes.extend(self.latched());
        if let Some((has, most)) = self.memory.exceeded() {
            let [has, most] = [has, most].map(|bytes| bytes >> 20);
            let detail = format!(
                "the sidecar has {has} MiB of memory and may have {most}; give it more, or raise [listen] max_memory_mb"
            );
            causes.push(json!({"cause": "memory", "detail": detail}));
        }
        if let Some(trouble) = self.store.trouble() {
            causes.push(json!({"cause": "store", "detail": trouble.to_string()}));
        }
        causes
    }
}

/// How an account at Plivo is.
fn account(upstream: &Upstream) -> Value {
    let plivo = upstream.standing();
    json!({
        "breaker": plivo.state.as_str(),
        "reason": plivo.reason.map(Reason::as_str),
        "senders_held_back": upstream.troubled_senders().len(),
    })
}
