//! The scripts that decide on the server.

use std::sync::LazyLock;

use redis::Script;

macro_rules! script {
    ($name:literal) => {
        LazyLock::new(|| Script::new(include_str!(concat!("../lua/", $name, ".lua"))))
    };
}

/// Part of a larger script, too, in which only the first line may be a shebang.
pub(super) static CLAIM: LazyLock<Script> =
    LazyLock::new(|| Script::new(concat!("#!lua\n", include_str!("../lua/claim.lua"))));
pub(super) static RENEW: LazyLock<Script> = script!("renew");
pub(super) static BIND: LazyLock<Script> = script!("bind");
pub(super) static FREE: LazyLock<Script> = script!("free");
pub(super) static RELEASE: LazyLock<Script> = script!("release");
