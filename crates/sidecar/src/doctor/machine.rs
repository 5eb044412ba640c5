//! What this machine gives and shows.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::Finding;
use crate::config::{Config, Environment, Listen, Reloadable};
use crate::{files, memory};

/// That there is every secret, the configuration would not have been taken otherwise; who may read their files is told.
pub(super) fn secrets(path: &Path, config: &Config) -> Vec<Finding> {
    let (files, literals) = (config.secret_files(), config.literals());
    let warned = |seen, to_do: &str| {
        Finding::warn("secrets", seen, format!("{to_do}, unless nobody else is there"))
    };
    let mut findings = Vec::new();
    if !literals.is_empty() && is_open(path) {
        let (path, keys) = (path.display(), literals.join(", "));
        let seen =
            format!("every user of this machine may read {path}, with the secrets in it: {keys}");
        findings.push(warned(
            seen,
            "take that away (chmod o-r), or write { env = \"NAME\" } or { file = \"PATH\" } there",
        ));
    }
    findings.extend(files.iter().filter(|path| is_open(path)).map(|path| {
        let seen = format!("every user of this machine may read {}", path.display());
        warned(seen, "take that away (chmod o-r)")
    }));
    if findings.is_empty() {
        let holding = files.len() + usize::from(!literals.is_empty());
        findings.push(Finding::ok(
            "secrets",
            format!("all are there; files that hold some: {holding}"),
        ));
    }
    findings
}

fn is_open(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o004 != 0)
}

pub(super) fn look(
    listen: &Listen,
    settings: &Reloadable,
    environment: &Environment,
) -> Vec<Finding> {
    vec![connections(files::needed(listen, settings)), room(listen), manager(environment)]
}

/// Connections are files, too.
fn connections(needed: usize) -> Finding {
    match files::most() {
        Some(may) if may < needed => Finding::warn(
            "files",
            format!("{may} may be open at once, and connections alone may need {needed}"),
            "raise it (ulimit -n, LimitNOFILE=), or lower [listen] max_connections",
        ),
        _ => Finding::ok("files", format!("as many may be open as are needed, {needed}")),
    }
}

/// Resident memory of a sidecar with a few policies that has nothing to do, and some to spare.
const IDLE: u64 = 96 << 20;

fn room(listen: &Listen) -> Finding {
    let mib = |bytes: u64| bytes >> 20;
    match (listen.max_memory, memory::of_container()) {
        (Some(most), Some(may)) if most > may => Finding::fail(
            "memory",
            format!(
                "the container may have {} MiB, and sends are taken up to {}",
                mib(may),
                mib(most)
            ),
            "lower [listen] max_memory_mb below it: the process is killed before it refuses a send",
        ),
        (_, Some(may)) => Finding::ok("memory", format!("the container may have {} MiB", mib(may))),
        (Some(most), None) if most < IDLE => Finding::warn(
            "memory",
            format!(
                "sends are taken up to {} MiB, and a sidecar that idles takes some 60",
                mib(most)
            ),
            "raise [listen] max_memory_mb: above it every send is refused",
        ),
        (Some(most), None) => {
            Finding::ok("memory", format!("sends are taken up to {} MiB", mib(most)))
        }
        (None, None) => {
            Finding::ok("memory", "neither a container nor [listen] max_memory_mb bounds it")
        }
    }
}

fn manager(environment: &Environment) -> Finding {
    let check = "service manager";
    match environment.get("NOTIFY_SOCKET") {
        None => Finding::skipped(check, "none is told of the sidecar (NOTIFY_SOCKET)"),
        // An abstract socket has no file.
        Some(socket) if socket.starts_with('@') || Path::new(socket).exists() => {
            Finding::ok(check, format!("{socket} is there"))
        }
        Some(socket) => Finding::warn(
            check,
            format!("NOTIFY_SOCKET names {socket}, and there is no such file"),
            "let systemd start the sidecar, with Type=notify-reload (from version 253 on; before, Type=notify)",
        ),
    }
}
