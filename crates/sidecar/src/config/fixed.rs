//! What holds until a restart.

use std::path::PathBuf;

use super::{Callbacks, Listen, Store, Telemetry};

/// Settings that hold until a restart: a reload that changes one is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fixed {
    /// `[listen]`.
    pub listen: Listen,
    /// `[store]`.
    pub store: Store,
    /// `[telemetry]`.
    pub telemetry: Telemetry,
    /// `[reload] compile_cache`: where compiled modules are kept, if anywhere.
    pub compile_cache: Option<PathBuf>,
}

impl Fixed {
    /// The first key in which `other` differs, such as `listen.apps`.
    pub fn difference(&self, other: &Self) -> Option<&'static str> {
        // Taken apart by name, so that a new field cannot be forgotten here.
        let Self { listen, store: Store { path }, telemetry, compile_cache } = self;
        let Listen {
            apps,
            admin,
            callbacks,
            hosts,
            max_body_bytes,
            max_header_bytes,
            header_timeout,
            idle_timeout,
            body_timeout,
            max_connections,
            drain,
        } = listen;
        let Telemetry { otlp, protocol, log, log_format } = telemetry;
        let url = |callbacks: &Option<Callbacks>| callbacks.as_ref().map(|c| c.url.clone());
        let (theirs, telemetry) = (&other.listen, &other.telemetry);
        let same = [
            ("listen.apps", *apps == theirs.apps),
            ("listen.admin", *admin == theirs.admin),
            ("listen.callbacks_url", url(callbacks) == url(&theirs.callbacks)),
            ("listen.callbacks", *callbacks == theirs.callbacks),
            ("listen.hosts", *hosts == theirs.hosts),
            ("listen.max_body_bytes", *max_body_bytes == theirs.max_body_bytes),
            ("listen.max_header_bytes", *max_header_bytes == theirs.max_header_bytes),
            ("listen.header_timeout_ms", *header_timeout == theirs.header_timeout),
            ("listen.idle_timeout_ms", *idle_timeout == theirs.idle_timeout),
            ("listen.body_timeout_ms", *body_timeout == theirs.body_timeout),
            ("listen.max_connections", *max_connections == theirs.max_connections),
            ("listen.drain_s", *drain == theirs.drain),
            ("store.path", *path == other.store.path),
            ("telemetry.otlp", *otlp == telemetry.otlp),
            ("telemetry.protocol", *protocol == telemetry.protocol),
            ("telemetry.log", *log == telemetry.log),
            ("telemetry.log_format", *log_format == telemetry.log_format),
            ("reload.compile_cache", *compile_cache == other.compile_cache),
        ];
        same.into_iter().find(|(_, same)| !same).map(|(key, _)| key)
    }
}

#[cfg(test)]
mod tests {
    use crate::config::testing::config_of;

    #[test]
    fn a_fixed_setting_that_differs_is_named() {
        let before = config_of("").fixed;
        assert_eq!(before.difference(&config_of("[plivo]\nattempts = 9").fixed), None);
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
            ("[telemetry]\notlp = \"http://a\"", "telemetry.otlp"),
            ("[telemetry]\nprotocol = \"grpc\"", "telemetry.protocol"),
            ("[telemetry]\nlog = \"warn\"", "telemetry.log"),
            ("[telemetry]\nlog_format = \"text\"", "telemetry.log_format"),
            ("[reload]\ncompile_cache = \"c\"", "reload.compile_cache"),
        ] {
            assert_eq!(before.difference(&config_of(toml).fixed), Some(key), "for {toml}");
        }
        let moved = config_of(&callbacks.replace(":1", ":2")).fixed;
        assert_eq!(config_of(callbacks).fixed.difference(&moved), Some("listen.callbacks"));
    }
}
