//! What the scripts call on a server.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const TRIAL: &str = include_str!("../src/lua/trial.lua");

/// The commands that `text` calls from a script.
fn called(text: &str) -> BTreeSet<String> {
    let calls = ["redis.call('", "redis.pcall('"];
    let after = calls.iter().flat_map(|call| text.split(call).skip(1));
    after.map(|rest| rest[..rest.find('\'').expect("a command's name")].to_owned()).collect()
}

/// All that is written below `folder`, but for tests.
fn sources(folder: &Path, all: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a folder of the crate") {
        let path = entry.expect("an entry").path();
        if path.file_stem().is_some_and(|stem| stem == "tests") {
            continue;
        }
        if path.is_dir() {
            sources(&path, all);
        } else {
            all.push(fs::read_to_string(&path).expect("text"));
        }
    }
}

#[test]
fn every_command_that_a_script_calls_is_tried() {
    let mut all = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut all);
    let used: BTreeSet<String> = all.iter().flat_map(|text| called(text)).collect();
    let tried: BTreeSet<String> = TRIAL
        .split("  { '")
        .skip(1)
        .map(|rest| rest[..rest.find('\'').expect("a command's name")].to_owned())
        .collect();
    let untried: Vec<&String> = used.difference(&tried).collect();
    assert!(used.len() > 15 && untried.is_empty(), "{untried:?} of {used:?}");
}
