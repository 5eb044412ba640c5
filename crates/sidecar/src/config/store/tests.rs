//! The rules of `[store]`.

use std::time::Duration;

use ::store::{Durability, Keep, MinFree, Place, StoreOptions};

use super::{Shared, Store};
use crate::config::testing::{Folder, account, assert_faults, config_of, warnings_of};

const HASH_KEY: &str = "hash_key = { env = \"PLIVO_AUTH_TOKEN\" }";

fn store(toml: &str) -> Store {
    config_of(toml).fixed.store
}

fn shared(keys: &str) -> Shared {
    store(&format!("[store]\n{HASH_KEY}\nshared = \"redis://127.0.0.1:6379\"\n{keys}"))
        .shared
        .unwrap()
}

#[test]
fn in_memory_fewer_messages_are_kept_than_on_disk_unless_the_configuration_says_how_many() {
    for (toml, on_disk, in_memory) in [("", 1_000_000, 20_000), ("max_messages = 7", 7, 7)] {
        let mut kept = store(&format!("[store]\npath = \"a.db\"\n{toml}"));
        assert_eq!(kept.options().most_messages, on_disk);
        kept.in_memory();
        assert_eq!(kept.options().place, Place::Memory);
        assert_eq!(kept.options().most_messages, in_memory);
    }
}

#[test]
fn without_the_section_the_store_is_in_memory_and_has_the_stores_own_defaults() {
    for toml in ["", "[store]\nephemeral = true"] {
        let options = store(toml).options();
        let StoreOptions {
            place,
            durability,
            text,
            numbers,
            hash_key,
            retention,
            most_messages: _,
            key_retention,
            most_keys,
            min_free,
        } = StoreOptions::default();
        assert_eq!((&options.place, &place), (&Place::Memory, &Place::Memory), "for {toml:?}");
        assert_eq!((options.durability, options.text), (durability, text));
        assert_eq!((options.numbers, options.min_free), (numbers, min_free));
        assert_eq!((options.retention, options.key_retention), (retention, key_retention));
        // What is kept in memory must not grow until no send is taken any more.
        assert_eq!((options.most_messages, options.most_keys), (20_000, most_keys));
        assert!(options.hash_key.is_none() && hash_key.is_none());
        assert_eq!(store(toml).shared, None);
        assert_eq!(warnings_of(toml), Vec::<String>::new(), "for {toml:?}");
    }
}

#[test]
fn every_key_reaches_what_the_store_is_opened_with() {
    let folder = Folder::new();
    let toml = format!(
        "[store]\npath = \"sendgate.db\"\ndurability = \"process\"\ntext = \"hash\"\nnumbers = \"none\"\n{HASH_KEY}\n\
         retention_days = 7\nmax_messages = 11\nkey_retention_h = 168\nmax_keys = 12\nmin_free_percent = 5\n\
         min_free_mb = 3\n{}",
        crate::config::testing::APP
    );
    let options = folder.config(&toml, &account()).fixed.store.options();
    assert_eq!(options.place, Place::File(folder.path().join("sendgate.db")));
    assert_eq!(
        (options.durability, options.text, options.numbers),
        (Durability::Process, Keep::Hash, Keep::None)
    );
    let words = account().get("PLIVO_AUTH_TOKEN").unwrap().as_bytes().to_vec();
    assert!(options.hash_key == Some(::store::Secret::from_words(&words)));
    let week = Duration::from_secs(7 * 24 * 60 * 60);
    assert_eq!((options.retention, options.key_retention), (week, week));
    assert_eq!((options.most_messages, options.most_keys), (11, 12));
    assert_eq!(options.min_free, MinFree { percent: 5, bytes: 3 * 1024 * 1024 });
}

#[test]
fn ephemeral_on_the_command_line_puts_any_store_in_memory() {
    let config = config_of("[store]\npath = \"sendgate.db\"\ndurability = \"power\"");
    assert_eq!(config.ephemeral().fixed.store.path, None);
    assert_eq!(warnings_of("[store]\npath = \"sendgate.db\""), Vec::<String>::new());
}

#[test]
fn settings_that_contradict_or_cannot_be_used_are_faults() {
    assert_faults(&[
        (
            "[store]\npath = \"a\"\nephemeral = true",
            &["sidecar.toml:2:8: store.path: contradicts ephemeral = true"],
        ),
        ("[store]\nephemeral = false", &["sidecar.toml:2:13: store.ephemeral: needs a file then"]),
        ("[store]\npath = \"\"", &["sidecar.toml:2:8: store.path: is empty"]),
        ("[store]\npath = \".\"", &["sidecar.toml:2:8: store.path: is a folder; name a file"]),
        ("[store]\npath = \"x/y/a.db\"", &["sidecar.toml:2:8: store.path: there is no folder"]),
        (
            "[store]\ndurability = \"disk\"",
            &["sidecar.toml:2:14: store.durability: is none of \"power\", \"process\""],
        ),
        (
            "[store]\ntext = \"hashed\"",
            &[
                "sidecar.toml:2:8: store.text: is none of \"none\", \"hash\", \"full\"; did you mean `hash`?",
            ],
        ),
        ("[store]\nretention_days = 0", &["sidecar.toml:2:18: store.retention_days: is 0; give"]),
        (
            "[store]\nkey_retention_h = 169",
            &[
                "sidecar.toml:2:19: store.key_retention_h: is 169; give a whole number from 1 to 168",
            ],
        ),
        (
            "[store]\nretention_days = 1\nkey_retention_h = 25",
            &["sidecar.toml:3:19: store.key_retention_h: is longer than messages are kept"],
        ),
        ("[store]\nmax_messages = 0", &["sidecar.toml:2:16: store.max_messages: is 0; give"]),
        ("[store]\nmax_keys = 0", &["sidecar.toml:2:12: store.max_keys: is 0; give"]),
        (
            "[store]\nmin_free_percent = 91",
            &["sidecar.toml:2:20: store.min_free_percent: is 91; give"],
        ),
        ("[store]\nmin_free_mb = -1", &["sidecar.toml:2:15: store.min_free_mb: is -1; give"]),
    ]);
}

#[test]
fn a_durability_of_memory_and_a_short_key_are_warnings() {
    let warnings = warnings_of("[store]\ndurability = \"power\"\nhash_key = \"short\"");
    let [durability, short, literal] = &warnings[..] else { panic!("three: {warnings:#?}") };
    assert!(
        durability.starts_with("sidecar.toml:2:14: store.durability: is of no use"),
        "{durability}"
    );
    assert!(
        literal.starts_with("sidecar.toml:3:12: store.hash_key: stands in the file itself"),
        "{literal}"
    );
    assert!(short.starts_with("sidecar.toml:3:12: store.hash_key: is short for a key"), "{short}");
}

#[test]
fn what_replicas_share_has_its_documented_defaults() {
    let Shared { server, prefix, timeout, keys } = shared("");
    assert_eq!(server, "redis://127.0.0.1:6379/0");
    assert_eq!((prefix.as_str(), timeout.as_millis(), keys), ("sendgate:", 250, true));

    let own = shared("shared_prefix = \"staging/\"\nshared_timeout_ms = 50\nshared_keys = false");
    assert_eq!((own.prefix.as_str(), own.timeout.as_millis(), own.keys), ("staging/", 50, false));
}

#[test]
fn a_shared_store_needs_a_key_of_hashes_and_a_url_that_is_never_shown() {
    let with_key = |toml: &str| format!("[store]\n{HASH_KEY}\n{toml}");
    let long = with_key(&format!("shared_prefix = \"{}\"\nshared = \"redis://h\"", "x".repeat(65)));
    assert_faults(&[
        (
            "[store]\nshared = \"redis://127.0.0.1\"",
            &["sidecar.toml:2:10: store.shared: needs `hash_key`, one and the same"],
        ),
        (
            "[store]\nshared_keys = true\nshared_prefix = \"a\"",
            &[
                "sidecar.toml:2:15: store.shared_keys: needs `shared`",
                "sidecar.toml:3:17: store.shared_prefix: needs `shared`",
            ],
        ),
        (
            &with_key("shared = \"http://127.0.0.1\""),
            &["sidecar.toml:3:10: store.shared: is not the URL of a Redis"],
        ),
        (
            &with_key("shared = \"redis://h/a\""),
            &["sidecar.toml:3:10: store.shared: has a path that is not the number"],
        ),
        (
            &with_key("shared = \"redis://h?x=1\""),
            &["sidecar.toml:3:10: store.shared: has a query"],
        ),
        (
            &with_key("shared = \"redis://h\"\nshared_timeout_ms = 0"),
            &["sidecar.toml:4:21: store.shared_timeout_ms: is 0; give"],
        ),
        (
            &with_key("shared = \"redis://h\"\nshared_prefix = \"{a}\""),
            &["sidecar.toml:4:17: store.shared_prefix: is not a prefix; use 1 to 64"],
        ),
        (&long, &["sidecar.toml:3:17: store.shared_prefix: is not a prefix"]),
    ]);
    let toml = format!("[store]\nshared = \"redis://:hush@h/x\"\n{}", crate::config::testing::APP);
    let found = Folder::new().faults(&toml, &account());
    assert!(found.len() == 2 && !found.join("\n").contains("hush"), "{found:#?}");
}

#[test]
fn a_password_in_the_file_and_an_open_network_are_warnings() {
    let warned = |url: &str| warnings_of(&format!("[store]\n{HASH_KEY}\nshared = \"{url}\""));
    for url in ["redis://127.0.0.1", "redis://[::1]:1/3", "rediss://cache.example"] {
        assert_eq!(warned(url), Vec::<String>::new(), "for {url}");
    }
    let both = warned("redis://:hush@cache.example");
    let [password, open] = &both[..] else { panic!("two warnings: {both:#?}") };
    assert!(
        password.starts_with("sidecar.toml:3:10: store.shared: holds a password"),
        "{password}"
    );
    assert!(open.starts_with("sidecar.toml:3:10: store.shared: is not encrypted"), "{open}");
    assert!(!both.join("\n").contains("hush"), "{both:#?}");
}
