//! `[decisions]`: the log of what policies decide. Fixed until a restart.

use std::fs::File;
use std::io::Read as _;
use std::iter;
use std::path::{Path, PathBuf};

use super::cursor::{Item, Section};
use super::faults::{Finding, Location};
use super::reading::{Reading, Spot};

/// How modules and databases begin.
const OTHERS: [&[u8]; 2] = [b"\0asm", b"SQLite format 3\0"];

/// Where decisions are written down, and how much of the messages. Default: nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decisions {
    /// The file, whose folder was there when the configuration was read.
    pub path: Option<PathBuf>,
    /// Whether they also go to the collector, as OTLP logs.
    pub otlp: bool,
    /// Where that stands, if it does.
    pub otlp_at: Option<Location>,
    /// Most bytes of a file before a new one begins. Default 64 MiB.
    pub max_bytes: u64,
    /// Most files, the one that is written among them. Default 5.
    pub keep: u32,
    /// Most records that wait to be written; what is more is lost and counted. Default 1,024.
    pub queue: usize,
    /// One message in so many is recorded. Default 1: all of them.
    pub sample: u64,
    /// Whether texts, media and labels are written as they are. Default: only their shape.
    pub whole_text: bool,
    /// Whether numbers are written as they are. Default: only country, prefix and kind.
    pub whole_numbers: bool,
}

impl Decisions {
    /// Where the file's path stands comes back too, for [`Decisions::keep_apart`]; the database is at `store`.
    pub(super) fn read(mut section: Section<'_>, store: Option<&Path>) -> (Self, Option<Spot>) {
        let path = section.get("path");
        section.or_default("otlp", false);
        let otlp = section.get("otlp");
        let spot = path.as_ref().map(|item| item.spot.clone());
        let decisions = Self {
            path: path.and_then(|item| file(&item, store)),
            otlp: otlp.as_ref().and_then(Item::flag).unwrap_or(false),
            otlp_at: otlp.map(|item| item.reading.locate(item.spot.offset)),
            max_bytes: section.number("max_bytes", 64 << 20, (1 << 16)..=(1 << 31)).into(),
            keep: section.number("keep", 5, 1..=1_000),
            queue: section.size("queue", 1_024, 1..=1_000_000),
            sample: section.number("sample", 1, 1..=1_000_000).into(),
            whole_text: section.word("text", &[("shape", false), ("full", true)]),
            whole_numbers: section.word("numbers", &[("hash", false), ("full", true)]),
        };
        section.finish();
        (decisions, spot)
    }

    /// Refuses a file that would be written over one which the configuration reads, as it is or once it is put aside;
    /// ask once everything else is read.
    pub(super) fn keep_apart(&self, reading: &Reading<'_>, spot: &Spot) {
        let Some(path) = &self.path else { return };
        let mut names = iter::once(path.clone())
            .chain((1..self.keep).map(|nth| beside(path, &format!(".{nth}"))));
        if let Some(own) = names.find(|name| reading.reads(name)) {
            let detail = format!(
                "decisions would be written over {}, which the configuration reads; name a file of their own",
                own.display()
            );
            reading.fault(spot, detail);
        }
    }

    /// That they are to go to a collector, and telemetry has none for them; tells the place.
    pub fn without_collector(&self) -> Option<Finding> {
        let location = self.otlp_at.clone().filter(|_| self.otlp)?;
        let detail = "has no collector to send to, so that nothing is sent; set [telemetry] otlp, or the variables \
                      OTEL_* of logs";
        Some(Finding { location, key: "decisions.otlp".into(), detail: detail.into() })
    }

    /// Whether decisions are recorded at all.
    pub fn are_kept(&self) -> bool {
        self.path.is_some() || self.otlp
    }
}

fn file(item: &Item<'_>, store: Option<&Path>) -> Option<PathBuf> {
    let text = item.text()?;
    let path = item.reading.path(text);
    let folder = path.parent().unwrap_or(&path);
    if text.is_empty() {
        item.fault(r#"is empty; write path = "decisions.jsonl", or leave the key out"#);
    } else if path.is_dir() || text.ends_with('/') {
        item.fault("is a folder; name a file in it, such as decisions.jsonl");
    } else if !folder.is_dir() {
        item.fault(format!("there is no folder {}; make it", folder.display()));
    } else if store.is_some_and(|store| is_of_store(&path, store)) {
        item.fault("is the file of [store] path, or one that is kept beside it; name another one");
    } else if is_something_else(&path) {
        item.fault(
            "is a module or a database, which decisions would damage; name a file of their own",
        );
    } else {
        return Some(path);
    }
    None
}

/// Whether it is the database, or one of the files beside it.
fn is_of_store(path: &Path, store: &Path) -> bool {
    let suffixes = ["", "-wal", "-shm", "-journal", ".lock", ".key"];
    suffixes.iter().any(|suffix| beside(store, suffix) == path)
}

/// The file of that name with something at its end.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Whether there is a module or a database. A log that begins with what some tool has left there is one all the same.
fn is_something_else(path: &Path) -> bool {
    let mut head = Vec::new();
    // A pipe has no beginning, and would be waited for.
    let read = path.is_file().then(|| File::open(path)?.take(16).read_to_end(&mut head));
    matches!(read, Some(Ok(_))) && OTHERS.iter().any(|other| head.starts_with(other))
}

#[cfg(test)]
mod tests {
    use crate::config::testing::{Folder, account, assert_faults, config_of};

    #[test]
    fn without_the_section_nothing_is_recorded_and_what_is_shows_no_number_and_no_text() {
        let decisions = config_of("").fixed.decisions;
        assert!(!decisions.are_kept());
        assert!(!decisions.whole_text && !decisions.whole_numbers);
        assert_eq!((decisions.keep, decisions.queue, decisions.sample), (5, 1_024, 1));
    }

    #[test]
    fn a_log_goes_into_no_file_that_is_something_else() {
        let folder = Folder::new();
        let read = |name: &str, content: &str| {
            let file = folder.file(name, content);
            format!("[decisions]\npath = \"{}\"\n", file.display())
        };
        let (log, empty) = (read("d.jsonl", "{\"v\":1}\n{\"v\""), read("e.jsonl", "\0\0{"));
        for good in [&log, &empty] {
            assert!(config_of(good).fixed.decisions.path.is_some(), "{good}");
        }
        let module = read("m.wasm", "\0asm\r\0\u{1}\0");
        let store = "[decisions]\npath = \"a.db\"\n[store]\npath = \"a.db\"\n";
        assert_faults(&[
            (&module, &["sidecar.toml:2:8: decisions.path: is a module or a database"]),
            (
                store,
                &[
                    "sidecar.toml:2:8: decisions.path: is the file of [store] path, or one that is kept",
                ],
            ),
            (
                "[decisions]\npath = \"a.db.key\"\n[store]\npath = \"a.db\"\n",
                &[
                    "sidecar.toml:2:8: decisions.path: is the file of [store] path, or one that is kept",
                ],
            ),
        ]);
    }

    #[test]
    fn a_log_is_no_file_that_the_configuration_reads_and_comes_to_be_none() {
        let folder = Folder::new();
        folder.file("token", "of-a-file");
        folder.file("d.jsonl.2", "of-a-module-say");
        let app = |name: &str, file: &str| {
            format!("[[apps]]\nname = \"{name}\"\ntoken = {{ file = \"{file}\" }}\n")
        };
        for (path, keep, refused) in [
            ("sidecar.toml", 1, true),
            ("./token", 1, true),
            ("token.jsonl", 9, false),
            ("d.jsonl", 3, true),
            ("d.jsonl", 2, false),
        ] {
            let decisions = format!("[decisions]\npath = \"{path}\"\nkeep = {keep}\n");
            let toml = [decisions, app("a", "token"), app("b", "d.jsonl.2")].concat();
            let faults = folder.faults(&toml, &account());
            let wanted = "sidecar.toml:2:8: decisions.path: decisions would be written over ";
            let found = faults.iter().any(|fault| fault.starts_with(wanted));
            assert_eq!(
                (found, faults.len()),
                (refused, usize::from(refused)),
                "{path}: {faults:?}"
            );
        }
    }

    #[test]
    fn a_log_is_a_file_in_a_folder_that_is_there() {
        let toml = "[decisions]\npath = \"d.jsonl\"\nmax_bytes = 65536\nkeep = 1\nqueue = 1\nsample = 7\n\
                    text = \"full\"\nnumbers = \"full\"\notlp = true";
        let decisions = config_of(toml).fixed.decisions;
        assert!(decisions.path.is_some_and(|path| path.is_absolute() && path.ends_with("d.jsonl")));
        assert!(decisions.otlp && decisions.whole_text && decisions.whole_numbers);
        assert_eq!((decisions.max_bytes, decisions.keep, decisions.sample), (65_536, 1, 7));
        assert_faults(&[
            ("[decisions]\npath = \"\"", &["sidecar.toml:2:8: decisions.path: is empty; write"]),
            ("[decisions]\npath = \".\"", &["sidecar.toml:2:8: decisions.path: is a folder; "]),
            (
                "[decisions]\npath = \"none/d.jsonl\"",
                &["sidecar.toml:2:8: decisions.path: there is no folder "],
            ),
            (
                "[decisions]\nmax_bytes = 1\nkeep = 0\nqueue = 0\nsample = 0\ntext = \"none\"\nnumbers = \"none\"",
                &[
                    "sidecar.toml:2:13: decisions.max_bytes: is 1; give a whole number from 65536 to ",
                    "sidecar.toml:3:8: decisions.keep: is 0; give",
                    "sidecar.toml:4:9: decisions.queue: is 0; give",
                    "sidecar.toml:5:10: decisions.sample: is 0; give",
                    "sidecar.toml:6:8: decisions.text: is none of \"shape\", \"full\"",
                    "sidecar.toml:7:11: decisions.numbers: is none of \"hash\", \"full\"",
                ],
            ),
        ]);
    }
}
