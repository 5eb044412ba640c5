//! A library in front of the C library's (`faults.c`), which the sidecar is started with: the test tells it what fails.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{Folder, Setup};

/// Where the numbers stand in the file that both have; as `faults.c` has it.
const WRITE_ERRNO: u64 = 0;
const SYNC_ERRNO: u64 = 1;
const TORN: u64 = 2;
const AHEAD_S: u64 = 3;
const WRITES: u64 = 4;
const SYNCS: u64 = 5;
const NUMBERS: u64 = 6;
const BYTES: u64 = 8;

/// What the kernel can say, by the numbers of Linux.
#[derive(Clone, Copy, Debug)]
pub(super) enum Errno {
    Io = 5,
    NoSpace = 28,
    ReadOnly = 30,
}

/// What fails, for as long as it is said.
pub(super) struct Faults {
    told: File,
    path: PathBuf,
    library: PathBuf,
    /// The files go with it.
    _folder: Folder,
}

impl Faults {
    /// None yet.
    ///
    /// # Panics
    ///
    /// Without a C compiler, which the build needs as well.
    pub(super) fn new() -> Self {
        let folder = Folder::new();
        let (library, path) = (folder.path().join("faults.so"), folder.path().join("told"));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/machine/faults.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o"]);
        let made = compiler.arg(&library).arg(&source).arg("-ldl").output();
        let made = made.unwrap_or_else(|err| panic!("cc: {err}"));
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let length = usize::try_from(NUMBERS * BYTES).expect("few");
        fs::write(&path, vec![0; length]).expect("a file");
        let told = File::options().read(true).write(true).open(&path).expect("it is there");
        Self { told, path, library, _folder: folder }
    }

    /// The same sidecar, on this machine: what its store has on disk is concerned, and its clock.
    pub(super) fn under(&self, setup: Setup) -> Setup {
        let text = |path: &Path| path.to_str().expect("a path of ours").to_owned();
        let setup = setup.environment("LD_PRELOAD", &text(&self.library));
        let setup = setup.environment("SENDGATE_FAULTS", &text(&self.path));
        setup.environment("SENDGATE_FAULTS_NAME", "sendgate.db")
    }

    /// From now on writes fail; `torn`, where half of each is on disk all the same.
    pub(super) fn fail_writes(&self, why: Errno, torn: bool) {
        self.tell(TORN, torn.into());
        self.tell(WRITE_ERRNO, why as i64);
    }

    /// From now on nobody knows whether what was written is on disk.
    pub(super) fn fail_syncs(&self, why: Errno) {
        self.tell(SYNC_ERRNO, why as i64);
    }

    /// All is well again.
    pub(super) fn end(&self) {
        self.tell(WRITE_ERRNO, 0);
        self.tell(SYNC_ERRNO, 0);
    }

    /// The sidecar's wall clock is so far ahead of ours.
    pub(super) fn set_clock(&self, ahead_s: i64) {
        self.tell(AHEAD_S, ahead_s);
    }

    /// How many calls have failed.
    pub(super) fn met(&self) -> i64 {
        self.told(WRITES) + self.told(SYNCS)
    }

    fn tell(&self, which: u64, number: i64) {
        self.told.write_all_at(&number.to_ne_bytes(), which * BYTES).expect("a number is written");
    }

    fn told(&self, which: u64) -> i64 {
        let mut bytes = [0; 8];
        self.told.read_exact_at(&mut bytes, which * BYTES).expect("a number is read");
        i64::from_ne_bytes(bytes)
    }
}
