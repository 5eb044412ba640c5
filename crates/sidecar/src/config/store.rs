//! `[store]`: where messages are kept. Fixed until a restart.

use std::path::PathBuf;

use super::cursor::Section;

/// Where messages, keys and what policies remember are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// The database's file, where one is asked for. This build keeps everything in memory all the same, and warns.
    pub path: Option<PathBuf>,
}

impl Store {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let path_item = section.get("path");
        let ephemeral = section.get("ephemeral").and_then(|item| Some((item.flag()?, item)));
        let shared = section.get("shared");
        section.finish();
        let path = path_item.as_ref().and_then(|item| match item.text()? {
            "" => {
                item.fault(r#"is empty; write path = "sendgate.db", or ephemeral = true"#);
                None
            }
            text => Some(item.reading.path(text)),
        });
        match (&path_item, &ephemeral) {
            (Some(path), Some((true, _))) => {
                path.fault("contradicts ephemeral = true; keep one of them")
            }
            (None, Some((false, item))) => {
                item.fault(r#"needs a file then; write path = "sendgate.db""#)
            }
            (Some(path), _) => {
                let detail =
                    "is not used: this build keeps the store in memory, and a restart forgets it";
                path.reading.warn(&path.spot, detail);
            }
            (None, _) => {}
        }
        if let Some(shared) = shared {
            shared.fault("is not in this build: it has no shared store; take the key out");
        }
        Self { path }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::testing::{assert_faults, config_of, warnings_of};

    #[test]
    fn a_path_is_taken_with_a_warning_that_memory_is_used() {
        let config = config_of("[store]\npath = \"sendgate.db\"");
        assert!(config.fixed.store.path.as_ref().is_some_and(|path| path.ends_with("sendgate.db")));
        let warnings = warnings_of("[store]\npath = \"sendgate.db\"");
        assert!(
            warnings.len() == 1
                && warnings[0].starts_with("sidecar.toml:2:8: store.path: is not used"),
            "{warnings:#?}"
        );

        let ephemeral = config.ephemeral();
        assert_eq!(ephemeral.fixed.store.path, None);
        assert!(
            !ephemeral.warnings.iter().any(|warning| warning.key == "store.path"),
            "{ephemeral:?}"
        );
    }

    #[test]
    fn without_a_path_the_store_is_in_memory() {
        for toml in ["", "[store]\nephemeral = true"] {
            assert_eq!(config_of(toml).fixed.store.path, None, "for {toml:?}");
            assert_eq!(warnings_of(toml), Vec::<String>::new(), "for {toml:?}");
        }
    }

    #[test]
    fn contradictions_and_what_this_build_lacks_are_faults() {
        assert_faults(&[
            (
                "[store]\npath = \"a\"\nephemeral = true",
                &["sidecar.toml:2:8: store.path: contradicts ephemeral = true"],
            ),
            (
                "[store]\nephemeral = false",
                &["sidecar.toml:2:13: store.ephemeral: needs a file then"],
            ),
            ("[store]\npath = \"\"", &["sidecar.toml:2:8: store.path: is empty"]),
            (
                "[store]\nshared = \"redis://:hush@h\"",
                &[
                    "sidecar.toml:2:10: store.shared: is not in this build: it has no shared store; take the key out",
                ],
            ),
        ]);
    }
}
