//! What holds until a restart.

use std::io;
use std::path::PathBuf;

use rustix::fs::Access;

use super::cursor::Item;
use super::{Callbacks, Decisions, Listen, Shared, Store, Telemetry};

/// Settings that hold until a restart: a reload that changes one is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fixed {
    /// `[listen]`.
    pub listen: Listen,
    /// `[store]`, without what logs in to the server that replicas share.
    pub store: Store,
    /// `[telemetry]`.
    pub telemetry: Telemetry,
    /// `[decisions]`.
    pub decisions: Decisions,
    /// `[reload] compile_cache`: where compiled modules are kept, if anywhere.
    pub compile_cache: Option<PathBuf>,
}

impl Fixed {
    /// The keys in which `other` differs, such as `listen.apps`.
    pub fn differences(&self, other: &Self) -> Vec<&'static str> {
        // Taken apart by name, so that a new field cannot be forgotten here.
        let Self { listen, store, telemetry, decisions, compile_cache } = self;
        let Listen {
            apps,
            socket_mode,
            admin,
            callbacks,
            hosts,
            max_body_bytes,
            max_header_bytes,
            header_timeout,
            idle_timeout,
            body_timeout,
            max_connections,
            max_memory,
            linger,
            drain,
        } = listen;
        let Telemetry { otlp, protocol, log, log_format } = telemetry;
        let url = |callbacks: &Option<Callbacks>| callbacks.as_ref().map(|c| c.url.clone());
        let v2 = |callbacks: &Option<Callbacks>| callbacks.as_ref().map(|c| c.v2_alone);
        let theirs = &other.listen;
        let listen_same = [
            ("listen.apps", *apps == theirs.apps),
            ("listen.socket_mode", *socket_mode == theirs.socket_mode),
            ("listen.admin", *admin == theirs.admin),
            ("listen.callbacks_url", url(callbacks) == url(&theirs.callbacks)),
            ("listen.callbacks_v2", v2(callbacks) == v2(&theirs.callbacks)),
            ("listen.callbacks", *callbacks == theirs.callbacks),
            ("listen.hosts", *hosts == theirs.hosts),
            ("listen.max_body_bytes", *max_body_bytes == theirs.max_body_bytes),
            ("listen.max_header_bytes", *max_header_bytes == theirs.max_header_bytes),
            ("listen.header_timeout_ms", *header_timeout == theirs.header_timeout),
            ("listen.idle_timeout_ms", *idle_timeout == theirs.idle_timeout),
            ("listen.body_timeout_ms", *body_timeout == theirs.body_timeout),
            ("listen.max_connections", *max_connections == theirs.max_connections),
            ("listen.max_memory_mb", *max_memory == theirs.max_memory),
            ("listen.linger_s", *linger == theirs.linger),
            ("listen.drain_s", *drain == theirs.drain),
        ];
        let theirs = &other.telemetry;
        let rest_same = [
            ("telemetry.otlp", *otlp == theirs.otlp),
            ("telemetry.protocol", *protocol == theirs.protocol),
            ("telemetry.log", *log == theirs.log),
            ("telemetry.log_format", *log_format == theirs.log_format),
            ("reload.compile_cache", *compile_cache == other.compile_cache),
        ];
        let store_same = store_same(store, &other.store);
        let decisions_same = decisions_same(decisions, &other.decisions);
        let listen_same = listen_same.into_iter();
        let same = listen_same.chain(store_same).chain(decisions_same).chain(rest_same);
        let mut keys: Vec<_> = same.filter(|(_, same)| !same).map(|(key, _)| key).collect();
        // The section as a whole, of which a part is named already.
        if keys.iter().any(|key| key.starts_with("listen.callbacks_")) {
            keys.retain(|key| *key != "listen.callbacks");
        }
        keys
    }
}

/// Each key of `[decisions]`, and whether both have the same there.
fn decisions_same(ours: &Decisions, theirs: &Decisions) -> [(&'static str, bool); 8] {
    let Decisions {
        path,
        otlp,
        otlp_at: _,
        max_bytes,
        keep,
        queue,
        sample,
        whole_text,
        whole_numbers,
    } = ours;
    [
        ("decisions.path", *path == theirs.path),
        ("decisions.otlp", *otlp == theirs.otlp),
        ("decisions.max_bytes", *max_bytes == theirs.max_bytes),
        ("decisions.keep", *keep == theirs.keep),
        ("decisions.queue", *queue == theirs.queue),
        ("decisions.sample", *sample == theirs.sample),
        ("decisions.text", *whole_text == theirs.whole_text),
        ("decisions.numbers", *whole_numbers == theirs.whole_numbers),
    ]
}

/// Each key of `[store]`, and whether both have the same there.
fn store_same(ours: &Store, theirs: &Store) -> [(&'static str, bool); 15] {
    let Store {
        path,
        durability,
        text,
        numbers,
        hash_key,
        retention,
        max_messages,
        key_retention,
        max_keys,
        min_free,
        shared,
    } = ours;
    let [server, prefix, timeout, keys] = match (shared, &theirs.shared) {
        (Some(ours), Some(theirs)) => shared_same(ours, theirs),
        // Where only one of them shares anything, `shared` is what differs.
        _ => [shared.is_some() == theirs.shared.is_some(), true, true, true],
    };
    [
        ("store.path", *path == theirs.path),
        ("store.durability", *durability == theirs.durability),
        ("store.text", *text == theirs.text),
        ("store.numbers", *numbers == theirs.numbers),
        ("store.hash_key", *hash_key == theirs.hash_key),
        ("store.retention_days", *retention == theirs.retention),
        // In memory it is another number by itself.
        (
            "store.max_messages",
            path.is_some() != theirs.path.is_some() || *max_messages == theirs.max_messages,
        ),
        ("store.key_retention_h", *key_retention == theirs.key_retention),
        ("store.max_keys", *max_keys == theirs.max_keys),
        ("store.min_free_percent", min_free.percent == theirs.min_free.percent),
        ("store.min_free_mb", min_free.bytes == theirs.min_free.bytes),
        ("store.shared", server),
        ("store.shared_prefix", prefix),
        ("store.shared_timeout_ms", timeout),
        ("store.shared_keys", keys),
    ]
}

/// Whether both have the same server, prefix, time and word on keys.
fn shared_same(ours: &Shared, theirs: &Shared) -> [bool; 4] {
    let Shared { server, prefix, timeout, keys } = ours;
    [
        *server == theirs.server,
        *prefix == theirs.prefix,
        *timeout == theirs.timeout,
        *keys == theirs.keys,
    ]
}

/// A folder of which this user may make or fill what is not there yet.
pub(super) fn cache(item: &Item<'_>) -> Option<PathBuf> {
    let text = item.text()?;
    if text.is_empty() {
        item.fault("is empty; name a folder, or leave the key out");
        return None;
    }
    let path = item.reading.path(text);
    let there = path.ancestors().find(|folder| folder.exists()).unwrap_or(&path);
    let access = Access::WRITE_OK | Access::EXEC_OK;
    let usable = match there.is_dir() {
        true => rustix::fs::access(there, access).map_err(|err| io::Error::from(err).to_string()),
        false => Err("it is no folder".to_owned()),
    };
    match usable {
        Ok(()) => Some(path),
        Err(why) => {
            item.fault(format!(
                "cannot be used: {}: {why}; name a folder that this user may write, or leave the key out",
                there.display()
            ));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::testing::{assert_faults, config_of};

    #[test]
    fn a_fixed_setting_that_differs_is_named() {
        let before = config_of("").fixed;
        assert_eq!(before.differences(&config_of("[plivo]\nattempts = 9").fixed), [""; 0]);
        let callbacks = "[listen]\ncallbacks = \"127.0.0.1:1\"\ncallbacks_url = \"https://a.b\"";
        for (toml, key) in [
            ("[listen]\napps = \"127.0.0.1:1\"", "listen.apps"),
            ("[listen]\nadmin = \"127.0.0.1:1\"", "listen.admin"),
            (callbacks, "listen.callbacks_url"),
            ("[listen]\nhosts = \"a\"", "listen.hosts"),
            ("[listen]\nmax_body_bytes = 1", "listen.max_body_bytes"),
            ("[listen]\nmax_header_bytes = 9000", "listen.max_header_bytes"),
            ("[listen]\nheader_timeout_ms = 1", "listen.header_timeout_ms"),
            ("[listen]\nidle_timeout_ms = 1", "listen.idle_timeout_ms"),
            ("[listen]\nbody_timeout_ms = 1", "listen.body_timeout_ms"),
            ("[listen]\nmax_connections = 1", "listen.max_connections"),
            ("[listen]\ndrain_s = 1", "listen.drain_s"),
            ("[store]\npath = \"a\"", "store.path"),
            ("[store]\ndurability = \"process\"", "store.durability"),
            ("[store]\ntext = \"full\"", "store.text"),
            ("[store]\nnumbers = \"none\"", "store.numbers"),
            ("[store]\nhash_key = \"k\"", "store.hash_key"),
            ("[store]\nretention_days = 1", "store.retention_days"),
            ("[store]\nmax_messages = 1", "store.max_messages"),
            ("[store]\nkey_retention_h = 1", "store.key_retention_h"),
            ("[store]\nmax_keys = 1", "store.max_keys"),
            ("[store]\nmin_free_percent = 1", "store.min_free_percent"),
            ("[store]\nmin_free_mb = 1", "store.min_free_mb"),
            ("[decisions]\npath = \"d\"", "decisions.path"),
            ("[decisions]\notlp = true", "decisions.otlp"),
            ("[decisions]\nmax_bytes = 99999", "decisions.max_bytes"),
            ("[decisions]\nkeep = 1", "decisions.keep"),
            ("[decisions]\nqueue = 1", "decisions.queue"),
            ("[decisions]\nsample = 2", "decisions.sample"),
            ("[decisions]\ntext = \"full\"", "decisions.text"),
            ("[decisions]\nnumbers = \"full\"", "decisions.numbers"),
            ("[telemetry]\notlp = \"http://a\"", "telemetry.otlp"),
            ("[telemetry]\nprotocol = \"grpc\"", "telemetry.protocol"),
            ("[telemetry]\nlog = \"warn\"", "telemetry.log"),
            ("[telemetry]\nlog_format = \"text\"", "telemetry.log_format"),
            ("[reload]\ncompile_cache = \"c\"", "reload.compile_cache"),
        ] {
            assert_eq!(before.differences(&config_of(toml).fixed)[0], key, "for {toml}");
        }
        let several =
            "[listen]\ndrain_s = 1\n[telemetry]\nlog = \"warn\"\n[store]\ntext = \"full\"";
        let keys = ["listen.drain_s", "store.text", "telemetry.log"];
        assert_eq!(before.differences(&config_of(several).fixed), keys);
        let shared = "[store]\nhash_key = \"k\"\nshared = \"redis://127.0.0.1:1\"";
        let to = |url: &str| format!("[store]\nhash_key = \"k\"\nshared = \"{url}\"");
        for (toml, changed, key) in [
            (callbacks, callbacks.replace(":1", ":2"), "listen.callbacks"),
            (callbacks, format!("{callbacks}\ncallbacks_v2 = true"), "listen.callbacks_v2"),
            (shared, "[store]\nhash_key = \"k\"".into(), "store.shared"),
            (shared, to("redis://127.0.0.1:2"), "store.shared"),
            (shared, to("redis://127.0.0.2:1"), "store.shared"),
            (shared, to("rediss://127.0.0.1:1"), "store.shared"),
            (shared, to("redis://127.0.0.1:1/7"), "store.shared"),
            (shared, format!("{shared}\nshared_prefix = \"p\""), "store.shared_prefix"),
            (shared, format!("{shared}\nshared_timeout_ms = 1"), "store.shared_timeout_ms"),
            (shared, format!("{shared}\nshared_keys = false"), "store.shared_keys"),
        ] {
            let (before, after) = (config_of(toml).fixed, config_of(&changed).fixed);
            assert_eq!(before.differences(&after), [key], "for {changed}");
        }
        for other in ["redis://:b@127.0.0.1:1/0", "redis://a:c@127.0.0.1:1"] {
            let (before, after) = (config_of(shared), config_of(&to(other)));
            assert_eq!(before.fixed.differences(&after.fixed), [""; 0], "for {other}");
            assert_ne!(before.reloadable.shared_url, after.reloadable.shared_url);
        }
    }

    #[test]
    fn a_cache_that_cannot_be_made_is_told_at_its_key() {
        assert_faults(&[
            (
                "[reload]\ncompile_cache = \"sidecar.toml/x\"",
                &["sidecar.toml:2:17: reload.compile_cache: cannot be used: "],
            ),
            (
                "[reload]\ncompile_cache = \"\"",
                &["sidecar.toml:2:17: reload.compile_cache: is empty; "],
            ),
        ]);
        let cache = config_of("[reload]\ncompile_cache = \"a/b\"").fixed.compile_cache;
        assert!(cache.is_some_and(|cache| cache.ends_with("a/b") && !cache.exists()));
    }
}
