//! Who may depend on what: DESIGN's table, "must not know".

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::process;
use crate::workspace::{Member, Workspace, cargo};

/// What must not be found anywhere below a crate, and why.
const FORBIDDEN_BELOW: &[(&str, &[&str], &str)] = &[
    (
        "message",
        &["tokio", "hyper", "wasmtime", "serde_json"],
        "the vocabulary does no I/O and builds for wasm32",
    ),
    ("policy-sdk", &["tokio", "hyper", "wasmtime"], "a policy carries no host code"),
    ("policy-host", &["hyper", "reqwest", "notify"], "policies know nothing of HTTP and files"),
    ("plivo-client", &["wasmtime", "notify"], "the client knows nothing of policies"),
    ("media-probe", &["wasmtime", "notify"], "a look knows nothing of policies"),
    ("registry", &["wasmtime", "notify"], "registries hold bytes, and know nothing of policies"),
    ("store", &["hyper", "reqwest", "wasmtime"], "what is kept knows nothing of HTTP and policies"),
    (
        "store-redis",
        &["hyper", "reqwest", "wasmtime"],
        "what is shared knows nothing of HTTP and policies",
    ),
    ("telemetry", &["wasmtime", "notify"], "telemetry knows nothing else here"),
    ("plivo-sim", &["wasmtime", "reqwest"], "the simulator stands for somebody else's program"),
];

/// What a crate must not name itself, although it may lie below what it uses.
const FORBIDDEN_DIRECTLY: &[(&str, &[&str], &str)] = &[
    ("policy-host", &["http", "toml", "clap"], "policies reach it as bytes, settings as JSON"),
    ("plivo-client", &["toml", "clap"], "the client is handed its settings"),
    ("registry", &["toml", "clap"], "the client is handed its settings"),
    ("store", &["toml", "clap"], "the store is handed its settings"),
    ("sidecar", &["wit-bindgen", "wit-component"], "the program sees no generated types"),
];

/// Families of packages that one crate alone may name; others may in their tests.
const RESERVED: &[(&str, &str)] = &[
    ("wasmtime", "policy-host"),
    ("opentelemetry", "telemetry"),
    ("tracing-opentelemetry", "telemetry"),
    ("rusqlite", "store"),
    ("redis", "store-redis"),
    ("oci-client", "registry"),
];

/// The crates of this workspace that each crate may use; a crate that is not listed is a policy.
const ARROWS: &[(&str, &[&str])] = &[
    ("message", &[]),
    ("policy-wit", &[]),
    ("policy-cases", &["message"]),
    ("policy-sdk", &["message", "policy-cases", "policy-wit"]),
    ("policy-host", &["message", "policy-wit"]),
    ("store", &["message"]),
    ("store-redis", &["message", "store"]),
    ("plivo-client", &["message"]),
    ("media-probe", &["message"]),
    ("registry", &[]),
    ("plivo-sim", &[]),
    ("telemetry", &[]),
    ("benches", &["message", "policy-host", "sidecar", "store"]),
    (
        "fuzz",
        &[
            "media-probe",
            "message",
            "plivo-client",
            "policy-cases",
            "policy-host",
            "registry",
            "sidecar",
            "store",
            "store-redis",
        ],
    ),
    (
        "sidecar",
        &[
            "media-probe",
            "message",
            "plivo-client",
            "policy-cases",
            "policy-host",
            "policy-wit",
            "registry",
            "store",
            "store-redis",
            "telemetry",
        ],
    ),
    ("xtask", &[]),
];
const POLICY_ARROWS: &[&str] = &["message", "policy-sdk"];

/// The resolved graph of normal dependencies: package id to name and package ids.
struct Graph(BTreeMap<String, (String, Vec<String>)>);

/// Every dependency that is against a rule.
///
/// # Errors
///
/// Where cargo cannot resolve the workspace.
pub(super) fn faults(workspace: &Workspace) -> Result<Vec<String>> {
    let mut faults: Vec<String> =
        workspace.members.iter().flat_map(|member| direct_faults(member, workspace)).collect();
    let graph = Graph::read(workspace)?;
    for (below, names, why) in FORBIDDEN_BELOW {
        let reached = graph.below(below);
        let found = names.iter().filter(|name| reached.contains(**name));
        faults.extend(found.map(|name| format!("`{below}` depends on `{name}`: {why}")));
    }
    Ok(faults)
}

fn direct_faults(member: &Member, workspace: &Workspace) -> Vec<String> {
    let mut faults = Vec::new();
    let allowed = ARROWS.iter().find(|(name, _)| *name == member.name).map(|(_, to)| *to);
    let allowed = allowed.unwrap_or(POLICY_ARROWS);
    // A crate may name itself to turn its own features on for its tests.
    for dependency in member.dependencies.iter().filter(|dependency| !dependency.dev) {
        let name = dependency.name.as_str();
        for (family, owner) in RESERVED {
            if in_family(name, family) && member.name != *owner {
                faults.push(format!("`{}` names `{name}`: only `{owner}` may", member.name));
            }
        }
        for (from, names, why) in FORBIDDEN_DIRECTLY {
            if member.name == *from && names.contains(&name) {
                faults.push(format!("`{from}` names `{name}`: {why}"));
            }
        }
        let ours = workspace.members.iter().any(|other| other.name == name);
        if ours && !allowed.contains(&name) {
            faults.push(format!(
                "`{}` uses `{name}`, against the architecture's arrows",
                member.name
            ));
        }
    }
    faults
}

fn in_family(name: &str, family: &str) -> bool {
    name.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_']))
}

impl Graph {
    fn read(workspace: &Workspace) -> Result<Self> {
        // Without the filter cargo would fetch the packages of every other platform too.
        let host = process::read(Command::new("rustc").args(["--print", "host-tuple"]))?;
        let words = ["metadata", "--format-version", "1", "--filter-platform", host.trim()];
        let text = process::read(cargo().current_dir(&workspace.root).args(words))?;
        let metadata: Value = serde_json::from_str(&text).context("cargo metadata is not JSON")?;
        Self::from_metadata(&metadata).context("cargo metadata lacks what every version of it has")
    }

    fn from_metadata(metadata: &Value) -> Option<Self> {
        let mut names = BTreeMap::new();
        for package in metadata["packages"].as_array()? {
            names.insert(package["id"].as_str()?, package["name"].as_str()?);
        }
        let mut graph = BTreeMap::new();
        for node in metadata["resolve"]["nodes"].as_array()? {
            let id = node["id"].as_str()?;
            let mut edges = Vec::new();
            for edge in node["deps"].as_array()? {
                let kinds = edge["dep_kinds"].as_array()?;
                if kinds.iter().any(|kind| kind["kind"].is_null()) {
                    edges.push(edge["pkg"].as_str()?.to_owned());
                }
            }
            graph.insert(id.to_owned(), ((*names.get(id)?).to_owned(), edges));
        }
        Some(Self(graph))
    }

    /// The names of all packages that `root` reaches, itself not among them.
    fn below(&self, root: &str) -> BTreeSet<&str> {
        // A workspace member's name may be a registry package's too; a member's id is a path.
        let is_root = |id: &str, name: &str| name == root && id.starts_with("path+");
        let mut open: Vec<&str> = Vec::new();
        for (id, (name, edges)) in &self.0 {
            if is_root(id, name) {
                open.extend(edges.iter().map(String::as_str));
            }
        }
        let (mut seen, mut names) = (BTreeSet::new(), BTreeSet::new());
        while let Some(id) = open.pop() {
            if let Some((name, edges)) = self.0.get(id)
                && seen.insert(id)
            {
                names.insert(name.as_str());
                open.extend(edges.iter().map(String::as_str));
            }
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Graph, direct_faults, in_family};
    use crate::workspace::{Dependency, Member, Workspace};

    fn member(name: &str, dependencies: &[(&str, bool)]) -> Member {
        let dependencies = dependencies
            .iter()
            .map(|(name, dev)| Dependency { name: (*name).to_owned(), dev: *dev })
            .collect();
        Member { name: name.to_owned(), folder: format!("crates/{name}"), dependencies }
    }

    fn faults_of(member: Member) -> Vec<String> {
        let others = ["message", "policy-sdk", "policy-host", "store", "telemetry", "sidecar"];
        let members = others.iter().map(|name| self::member(name, &[])).collect();
        direct_faults(&member, &Workspace { root: "/".into(), target: "/".into(), members })
    }

    #[test]
    fn only_one_crate_may_name_the_engine_and_only_one_the_exporter() {
        assert_eq!(faults_of(member("policy-host", &[("wasmtime", false)])), Vec::<String>::new());
        assert_eq!(faults_of(member("sidecar", &[("wasmtime-wasi", false)])).len(), 1);
        assert_eq!(faults_of(member("sidecar", &[("opentelemetry_sdk", false)])).len(), 1);
        assert_eq!(
            faults_of(member("sidecar", &[("opentelemetry-proto", true)])),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_policy_may_use_the_sdk_and_nothing_of_the_host() {
        assert_eq!(faults_of(member("country", &[("policy-sdk", false)])), Vec::<String>::new());
        assert_eq!(faults_of(member("country", &[("store", false)])).len(), 1);
    }

    #[test]
    fn a_family_is_told_by_its_first_word() {
        assert!(
            in_family("wasmtime", "wasmtime") && in_family("opentelemetry_sdk", "opentelemetry")
        );
        assert!(!in_family("wasmtimer", "wasmtime"));
    }

    #[test]
    fn what_lies_below_is_found_through_others_but_not_through_test_dependencies() {
        let node = |id: &str, deps: serde_json::Value| json!({ "id": id, "deps": deps });
        let edge =
            |id: &str, kind: Option<&str>| json!({ "pkg": id, "dep_kinds": [{ "kind": kind }] });
        let metadata = json!({
            "packages": [
                { "id": "path+a", "name": "a" }, { "id": "b", "name": "b" },
                { "id": "c", "name": "c" }, { "id": "d", "name": "d" },
            ],
            "resolve": { "nodes": [
                node("path+a", json!([edge("b", None), edge("d", Some("dev"))])),
                node("b", json!([edge("c", None)])),
                node("c", json!([edge("b", None)])),
                node("d", json!([])),
            ]},
        });
        let graph = Graph::from_metadata(&metadata).expect("a graph");
        assert_eq!(graph.below("a").into_iter().collect::<Vec<_>>(), ["b", "c"]);
    }
}
