//! How many files the process may have open. Connections are files too, and with none left nothing more is accepted, sent
//! or answered, not even whether the process is well.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::{Listen, Reloadable};

/// Files that are open besides connections: the store's, logs, watches, telemetry's.
const OTHERS: usize = 64;

/// How many this user lets it have open, once it asks for them; none where any number.
pub(crate) fn most() -> Option<usize> {
    counted(getrlimit(Resource::Nofile).maximum)
}

/// How many there may be in all, as the configuration has it.
pub(crate) fn needed(listen: &Listen, settings: &Reloadable) -> usize {
    listeners(listen) * listen.max_connections + calls(settings) + OTHERS
}

/// Has as many files allowed as this user may have, and as many connections as fit into that.
pub(crate) fn fit(listen: &Listen, settings: &Reloadable) -> Listen {
    let (mut listen, needed) = (listen.clone(), needed(listen, settings));
    let limit = getrlimit(Resource::Nofile);
    if counted(limit.current).is_none_or(|most| most >= needed) {
        return listen;
    }
    // Some systems have less than they say.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    let most = counted(getrlimit(Resource::Nofile).current);
    if let Some(most) = most.filter(|most| *most < needed) {
        listen.max_connections = connections(most, listeners(&listen), calls(settings));
        tracing::warn!(
            files = most,
            needed,
            max_connections = listen.max_connections,
            "fewer files may be open than connections may need, so fewer are taken; raise it (ulimit -n, LimitNOFILE=)"
        );
    }
    listen
}

fn counted(most: Option<u64>) -> Option<usize> {
    most.map(|most| most.try_into().unwrap_or(usize::MAX))
}

/// Of each listener, where `most` files may be open: what is left by the rest, and half of it at least.
fn connections(most: usize, listeners: usize, calls: usize) -> usize {
    let room = most.saturating_sub(OTHERS);
    (room.saturating_sub(calls).max(room / 2) / listeners).max(1)
}

fn listeners(listen: &Listen) -> usize {
    2 + usize::from(listen.callbacks.is_some())
}

fn calls(settings: &Reloadable) -> usize {
    settings.plivo.max_connections * (1 + settings.accounts.len())
}

#[cfg(test)]
mod tests {
    use super::connections;

    #[test]
    fn connections_have_what_calls_and_the_rest_leave_and_half_at_least() {
        for (most, listeners, calls, wanted) in [
            (1_024, 2, 100, 430),
            (1_024, 3, 100, 286),
            (160, 2, 100, 24),
            (160, 2, 10_000, 24),
            (20, 2, 100, 1),
        ] {
            assert_eq!(connections(most, listeners, calls), wanted, "{most}, {listeners}, {calls}");
        }
    }
}
