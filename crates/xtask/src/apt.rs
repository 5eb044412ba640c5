//! Debian's packages, for what a machine lacks.

use std::process::Command;

use anyhow::Result;

use crate::process;

/// Whether packages can be installed here without asking anybody.
pub(crate) fn may_install() -> bool {
    is_root() && process::works(Command::new("apt-get").arg("--version"))
}

/// Installs `packages`.
///
/// # Errors
///
/// Where apt cannot.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    println!("installing {} with apt", packages.join(", "));
    // A fresh image has no package lists, and old lists name files that the mirror no longer has.
    process::run(apt().arg("update"))?;
    process::run(apt().args(["install", "--yes", "--no-install-recommends"]).args(packages))
}

fn apt() -> Command {
    let mut command = Command::new("apt-get");
    command.arg("--quiet").env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn is_root() -> bool {
    process::read(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}
