//! A program of the machine, run to its end.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

/// Longest that a program may run; installing takes most.
const LONGEST: Duration = Duration::from_secs(600);

/// A program that must end well.
#[must_use = "it is started by `run`"]
pub(crate) struct Program {
    program: OsString,
    /// What to install where it is missing.
    from: &'static str,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    folder: Option<PathBuf>,
}

impl Program {
    /// A program on the path.
    pub(crate) fn new(name: &str, from: &'static str) -> Self {
        Self::at(Path::new(name), from)
    }

    /// A program by its file.
    pub(crate) fn at(file: &Path, from: &'static str) -> Self {
        let program = file.as_os_str().to_owned();
        Self { program, from, arguments: Vec::new(), environment: Vec::new(), folder: None }
    }

    pub(crate) fn arg(self, argument: &str) -> Self {
        self.args(&[argument])
    }

    pub(crate) fn args(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn within(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_owned());
        self
    }

    /// Runs it and returns what it wrote to its standard output.
    ///
    /// # Panics
    ///
    /// With a word on what to install where it is missing, and with all that it wrote where it fails.
    pub(crate) async fn run(self) -> String {
        let shown = format!("{} {}", self.program.display(), self.arguments.join(" "));
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .envs(self.environment)
            // A proxy for the machine's way out is none for the sidecar.
            .envs(["NO_PROXY", "no_proxy"].map(|name| (name, "127.0.0.1,localhost")))
            .stdin(Stdio::null())
            .kill_on_drop(true);
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        let Ok(ended) = timeout(LONGEST, command.output()).await else {
            panic!("`{shown}` did not end within {LONGEST:?}");
        };
        let output =
            ended.unwrap_or_else(|err| panic!("{}", unstarted(&self.program, self.from, &err)));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "`{shown}`: {}\n{out}\n{err}", output.status);
        out
    }
}

fn unstarted(program: &OsStr, from: &str, err: &io::Error) -> String {
    if err.kind() == io::ErrorKind::NotFound {
        format!(
            "`{}` is not on this machine, and this example needs it: install {from}",
            program.display()
        )
    } else {
        format!("`{}` could not be started: {err}", program.display())
    }
}
