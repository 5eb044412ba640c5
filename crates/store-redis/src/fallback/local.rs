//! What a replica may decide alone.

use std::collections::BTreeSet;

use message::Charge;
use serde_json::Value;

/// The limits and reservations whose `on_unavailable` is `"local"`, by the policy that they are of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalLimits {
    limits: BTreeSet<(String, String)>,
    reservations: BTreeSet<String>,
}

impl LocalLimits {
    /// Adds what the settings of the policy `owner` say: `limits[].on_unavailable` for the limit of that `name`, and
    /// `on_unavailable` beside them for the policy's reservations. Anything but `"local"` is not.
    pub fn add(&mut self, owner: &str, settings: &Value) {
        let is_local = |of: &Value| of["on_unavailable"] == "local";
        if is_local(settings) {
            self.reservations.insert(owner.to_owned());
        }
        let limits = settings["limits"].as_array().into_iter().flatten();
        let names =
            limits.filter(|limit| is_local(limit)).filter_map(|limit| limit["name"].as_str());
        self.limits.extend(names.map(|name| (owner.to_owned(), name.to_owned())));
    }

    pub(super) fn charges(&self, owner: &str, charges: &[Charge]) -> bool {
        let listed = |charge: &Charge| self.limits.contains(&(owner.into(), charge.limit.clone()));
        charges.iter().all(listed)
    }

    pub(super) fn reserves(&self, owner: &str) -> bool {
        self.reservations.contains(owner)
    }
}

#[cfg(test)]
mod tests {
    use message::{LimitKind, Window};
    use serde_json::json;

    use super::*;

    fn charge(limit: &str) -> Charge {
        let kind = LimitKind::Window(Window { quota: 1, per: std::time::Duration::from_secs(1) });
        Charge { limit: limit.into(), key: "k".into(), kind, cost: 1, queue: false }
    }

    #[test]
    fn only_what_says_local_is_local() {
        let mut may = LocalLimits::default();
        may.add(
            "throttle",
            &json!({ "limits": [
                { "name": "app", "on_unavailable": "local" },
                { "name": "country", "on_unavailable": "reject" },
                { "name": "pair" },
                { "on_unavailable": "local" },
                "on_unavailable",
            ]}),
        );
        may.add("dedup", &json!({ "window_s": 30, "on_unavailable": "local" }));
        may.add("others", &json!(null));
        may.add("others", &json!({ "limits": "on_unavailable", "on_unavailable": "reject" }));

        let charges = |owner: &str, limits: &[&str]| {
            let charges: Vec<Charge> = limits.iter().map(|limit| charge(limit)).collect();
            may.charges(owner, &charges)
        };
        assert!(charges("throttle", &["app"]));
        assert!(!charges("throttle", &["app", "country"]), "one that may not be refuses all");
        assert!(!charges("throttle", &["pair"]) && !charges("others", &["app"]));
        assert!(may.reserves("dedup") && !may.reserves("throttle") && !may.reserves("others"));
    }
}
