//! The scripts that decide on the server.

use std::sync::LazyLock;

use redis::Script;

/// A script out of the files of `lua/`, one after the other.
macro_rules! script {
    ($($name:literal),+) => {
        LazyLock::new(|| Script::new(concat!($(include_str!(concat!("../lua/", $name, ".lua"))),+)))
    };
}

pub(super) static GET: LazyLock<Script> = script!("clock", "entry", "get");
pub(super) static PUT: LazyLock<Script> = script!("clock", "entry", "put");
pub(super) static INCREMENT: LazyLock<Script> = script!("clock", "entry", "increment");
pub(super) static RESERVE: LazyLock<Script> = script!("clock", "entry", "reserve");
pub(super) static HOLDER: LazyLock<Script> = script!("clock", "entry", "holder");
pub(super) static TAKE: LazyLock<Script> =
    script!("clock", "open", "window", "gcra", "calendar", "take");
/// Every question of a decision, and the claim of a key, in one.
pub(super) static AHEAD: LazyLock<Script> = LazyLock::new(|| {
    macro_rules! part {
        ($name:literal) => {
            include_str!(concat!("../lua/", $name, ".lua"))
        };
    }
    // A script as a function: its parameters stand before the keys and arguments of the whole.
    macro_rules! functions {
        ($($name:literal),+) => {
            concat!($("local function ", $name, "(KEYS, ARGV)\n", part!($name), "end\n"),+)
        };
    }
    let shared = [
        part!("clock"),
        part!("entry"),
        part!("open"),
        part!("window"),
        part!("gcra"),
        part!("calendar"),
    ];
    let functions = functions!("claim", "get", "reserve", "take");
    Script::new(&[&shared.concat(), functions, part!("ahead")].concat())
});
pub(super) static SETTLE: LazyLock<Script> = script!("settle");
