//! A compiler with a standard library for `wasm32-unknown-unknown`, wherever this machine has one.
//!
//! In this order: the toolchain in use; the same after `rustup target add`; Debian's rustc with its library sources,
//! installed by apt where that is possible. Debian's is a full toolchain beside rustup's and builds the standard
//! library itself.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::workspace::cargo;
use crate::{apt, process};

/// The target that policies are built for: WebAssembly without any system interface.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

const DEBIAN_PACKAGES: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];
const DEBIAN_BIN: &str = "/usr/bin";

/// How to compile for wasm32 here.
pub(crate) enum WasmToolchain {
    /// The cargo that runs this xtask; its toolchain has the target.
    Own,
    /// A distribution's cargo and rustc, which build the standard library from its sources.
    Distribution {
        /// The folder that holds its `cargo` and `rustc`.
        bin: PathBuf,
        /// The linker for wasm32.
        linker: PathBuf,
    },
}

impl WasmToolchain {
    /// Finds a toolchain, or installs the missing part.
    ///
    /// # Errors
    ///
    /// Where there is none and none can be installed: says the one command that would help.
    pub(crate) fn find() -> Result<Self> {
        if own_has_target() {
            return Ok(Self::Own);
        }
        if rustup_may_install() {
            println!("installing the {TARGET} standard library with rustup");
            if process::run(Command::new("rustup").args(["target", "add", TARGET])).is_ok()
                && own_has_target()
            {
                return Ok(Self::Own);
            }
        }
        if let Some(found) = Self::distribution() {
            return Ok(found);
        }
        if apt::may_install() {
            install_debian_packages()?;
            if let Some(found) = Self::distribution() {
                return Ok(found);
            }
        }
        bail!("no Rust standard library for {TARGET} on this machine; {}", advice())
    }

    /// `cargo build` for wasm32, to be given its packages and target folder.
    pub(crate) fn cargo_build(&self) -> Command {
        let mut command = match self {
            Self::Own => cargo(),
            Self::Distribution { bin, linker } => distribution_cargo(bin, linker),
        };
        // A module's bytes follow from its sources, not from flags meant for this machine's own code.
        command.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
        command.args(["build", "--target", TARGET]);
        if let Self::Distribution { .. } = self {
            command.args(["-Z", "build-std=std,panic_abort"]);
        }
        command
    }

    fn distribution() -> Option<Self> {
        let bin = Path::new(DEBIAN_BIN);
        process::find("cargo", &[bin])?;
        let rustc = process::find("rustc", &[bin])?;
        let sysroot = process::read(Command::new(rustc).args(["--print", "sysroot"])).ok()?;
        let sources = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/std");
        let linker = own_linker().or_else(distribution_linker)?;
        sources.is_dir().then(|| Self::Distribution { bin: bin.to_owned(), linker })
    }
}

fn distribution_cargo(bin: &Path, linker: &Path) -> Command {
    let mut command = Command::new(bin.join("cargo"));
    // What rustup and the outer cargo left behind would lead this cargo back to their own compiler and libraries.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        let inherited = name.starts_with("RUSTUP_") || name.starts_with("CARGO_PKG_");
        if inherited || ["CARGO", "RUSTC", "RUSTDOC", "LD_LIBRARY_PATH"].contains(&name.as_ref()) {
            command.env_remove(name.as_ref());
        }
    }
    command
        .env("PATH", format!("{DEBIAN_BIN}:/bin"))
        // `-Z build-std` is the only way to a standard library that the distribution does not ship built.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
    command
}

/// Whether the toolchain in use has the target's `core` library.
fn own_has_target() -> bool {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let printed =
        process::read(Command::new(rustc).args(["--print", "target-libdir", "--target", TARGET]));
    let Ok(folder) = printed else { return false };
    let Ok(mut entries) = Path::new(folder.trim()).read_dir() else { return false };
    entries.any(|entry| {
        entry.is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with("libcore-"))
    })
}

/// rustup's documented switch against installing what was not asked for.
fn rustup_may_install() -> bool {
    std::env::var_os("RUSTUP_AUTO_INSTALL").is_none_or(|value| value != "0")
        && process::works(Command::new("rustup").arg("--version"))
}

/// The linker that comes with the toolchain in use.
fn own_linker() -> Option<PathBuf> {
    let printed = process::read(Command::new("rustc").args(["--print", "target-libdir"])).ok()?;
    let linker = Path::new(printed.trim()).parent()?.join("bin/rust-lld");
    linker.is_file().then_some(linker)
}

/// The newest `wasm-ld` of the distribution.
fn distribution_linker() -> Option<PathBuf> {
    let version = |path: &PathBuf| {
        let name = path.file_name()?.to_str()?.strip_prefix("wasm-ld")?;
        name.trim_start_matches('-').parse::<u32>().ok().or(name.is_empty().then_some(0))
    };
    let entries = Path::new(DEBIAN_BIN).read_dir().ok()?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths.filter(|path| version(path).is_some()).max_by_key(version)
}

fn install_debian_packages() -> Result<()> {
    let mut packages = DEBIAN_PACKAGES.to_vec();
    if own_linker().or_else(distribution_linker).is_none() {
        packages.push("lld");
    }
    apt::install(&packages)
}

fn advice() -> String {
    if process::works(Command::new("rustup").arg("--version")) {
        format!("run `rustup target add {TARGET}`")
    } else {
        format!("run `sudo apt-get install {} lld`", DEBIAN_PACKAGES.join(" "))
    }
}
