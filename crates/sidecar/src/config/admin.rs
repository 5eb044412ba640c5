//! Where a running sidecar takes its operators' word, read from a file that may be faulty everywhere else.

use std::path::Path;

use toml::de::DeTable;

use super::cursor::Section;
use super::reading::{Reading, Source};
use super::{Address, ConfigFaults, Environment, FILE_BYTES, Secret, Snapshot, layered, syntax};

/// The admin listener, as those see it who ask it.
#[derive(Debug)]
pub struct Admin {
    /// `[listen] admin`.
    pub address: Address,
    /// `[listen] admin_token`, where it was asked for.
    pub token: Option<Secret>,
}

impl Admin {
    /// Reads the file at `path` for the listener's address and, where it `needs_token`, its token. What else the file
    /// says, and the files that it names, are not looked at: whoever mends a broken one must reach the sidecar.
    ///
    /// # Errors
    ///
    /// What is wrong with these keys; where the file is no TOML, what the parser found.
    pub fn load(
        path: &Path,
        needs_token: bool,
        environment: &Environment,
    ) -> Result<Self, ConfigFaults> {
        let refused = |faults| ConfigFaults::new(faults, Snapshot::default());
        let full = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let folder = full.parent().unwrap_or(Path::new("")).to_owned();
        let source = Source::open(path, FILE_BYTES).map_err(|fault| refused(vec![fault]))?;
        let (environment, mut faults) = layered(environment, &path.with_file_name(".env"));
        let (table, broken) = DeTable::parse_recoverable(source.text());
        if !broken.is_empty() {
            return Err(refused(syntax(&source, &broken)));
        }
        let reading = Reading::new(&source, folder, &environment, Snapshot::default());
        let mut listen = Section::root(&reading, table.get_ref()).section("listen");
        let address = match listen.get("admin") {
            Some(item) => Address::read(&item),
            None => Some(Address::default_admin()),
        };
        let token = listen.get("admin_token").filter(|_| needs_token);
        let token = token.and_then(|item| Secret::read(&item));
        let found = reading.finish().faults;
        match address {
            Some(address) if found.is_empty() => Ok(Self { address, token }),
            _ => {
                // What is wrong with `.env` may be why.
                faults.extend(found);
                Err(refused(faults))
            }
        }
    }
}
