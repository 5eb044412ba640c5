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
pub(super) static SETTLE: LazyLock<Script> = script!("settle");
