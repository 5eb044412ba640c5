//! Running other programs, with errors that say which one failed.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

/// Runs `command` with its output shown, without standard input.
///
/// # Errors
///
/// Where it cannot be started, or ends with anything but success.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("could not start `{}`", shown(command)))?;
    ensure!(status.success(), "`{}` failed ({status})", shown(command));
    Ok(())
}

/// Like [`run`], and returns those of its lines of standard error that are `wanted`.
///
/// # Errors
///
/// As [`run`].
pub(crate) fn run_keeping(
    command: &mut Command,
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<String>> {
    let mut running = command
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("could not start `{}`", shown(command)))?;
    let mut kept = Vec::new();
    for line in BufReader::new(running.stderr.take().context("it was piped")?).split(b'\n') {
        let line = line.context("its output cannot be read")?;
        let line = String::from_utf8_lossy(&line);
        eprintln!("{line}");
        if wanted(&line) {
            kept.push(line.trim().to_owned());
        }
    }
    let status = running.wait().context("it cannot be waited for")?;
    ensure!(status.success(), "`{}` failed ({status})", shown(command));
    Ok(kept)
}

/// Runs `command` and returns what it wrote to standard output.
///
/// # Errors
///
/// Where it cannot be started, ends with anything but success, or writes something that is not UTF-8.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("could not start `{}`", shown(command)))?;
    ensure!(output.status.success(), "`{}` failed ({})", shown(command), output.status);
    String::from_utf8(output.stdout)
        .with_context(|| format!("`{}` wrote something that is not UTF-8", shown(command)))
}

/// Whether `command` starts and ends well; its output is not shown.
pub(crate) fn works(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The first executable called `name` in `directories`.
pub(crate) fn find(name: &str, directories: &[&Path]) -> Option<PathBuf> {
    directories.iter().map(|directory| directory.join(name)).find(|path| path.is_file())
}

/// The command line, without its environment.
fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
