//! What the tests of the configuration share: a folder of files, and a file that is right.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::{Config, ConfigFaults, Environment};

/// The least that a configuration needs besides [`account`].
pub(super) const APP: &str = "[[apps]]\nname = \"demo\"\ntoken = \"demo-token\"\n";

/// The account, as the environment gives it.
pub(super) fn account() -> Environment {
    Environment::from_iter([
        ("PLIVO_AUTH_ID", "MAXXXXXXXXXXXXXXXXXX"),
        ("PLIVO_AUTH_TOKEN", "0123456789012345678901234567890123456789"),
        ("PLIVO_SENDER_NUMBER", "+14155551212"),
    ])
}

/// A folder of its own, gone with the value.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let nth = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("sendgate-{}-{nth}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    pub(super) fn load(
        &self,
        toml: &str,
        environment: &Environment,
    ) -> Result<Config, ConfigFaults> {
        Config::load(&self.file("sidecar.toml", toml), environment)
    }

    /// The configuration, which must be right.
    pub(super) fn config(&self, toml: &str, environment: &Environment) -> Config {
        match self.load(toml, environment) {
            Ok(config) => config,
            Err(faults) => panic!("this should load:\n{toml}\n{faults}"),
        }
    }

    /// The faults, each a line, with the folder taken out; none where it loads.
    pub(super) fn faults(&self, toml: &str, environment: &Environment) -> Vec<String> {
        let text = self.load(toml, environment).err().map(|faults| faults.to_string());
        text.unwrap_or_default().lines().map(|line| self.plain(line)).collect()
    }

    /// The warnings, each a line, with the folder taken out, but for that of a file without policies.
    pub(super) fn warnings(&self, toml: &str, environment: &Environment) -> Vec<String> {
        let config = self.config(toml, environment);
        let warnings = config.warnings.iter().filter(|warning| warning.key != "policies");
        warnings.map(|warning| self.plain(&warning.to_string())).collect()
    }

    fn plain(&self, line: &str) -> String {
        line.replace(&format!("{}/", self.0.display()), "")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder left behind in the system's place for such things harms no test.
        drop(fs::remove_dir_all(&self.0));
    }
}

/// The configuration of `toml`, an app and the account.
pub(super) fn config_of(toml: &str) -> Config {
    Folder::new().config(&format!("{toml}\n{APP}"), &account())
}

/// The warnings of `toml`, an app and the account.
pub(super) fn warnings_of(toml: &str) -> Vec<String> {
    let without_app: Vec<String> = Folder::new().warnings(&format!("{toml}\n{APP}"), &account());
    without_app.into_iter().filter(|line| !line.contains("apps[0].token")).collect()
}

/// Fails unless each text, with an app and the account, has just the faults that stand with it.
///
/// A wanted fault is the beginning of a line.
#[track_caller]
pub(super) fn assert_faults(cases: &[(&str, &[&str])]) {
    for (toml, wanted) in cases {
        let found = Folder::new().faults(&format!("{toml}\n{APP}"), &account());
        let same = found.len() == wanted.len()
            && found.iter().zip(*wanted).all(|(found, wanted)| found.starts_with(wanted));
        assert!(same, "for\n{toml}\nwanted {wanted:#?}\nfound {found:#?}");
    }
}
