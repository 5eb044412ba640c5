//! `sendgate policy push`: a module into a registry, and the reference that loads it.

use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use policy_host::VisitLimits;
use registry::{About, Options, Reference, Registry, SigningKey};

use super::source::Named;
use super::{Failure, rehearsal};
use crate::cli::Access;
use crate::config::Environment;
use crate::terminal;

/// The variable that holds the password of `--user`.
const PASSWORD: &str = "SENDGATE_REGISTRY_PASSWORD";
/// Longest that pulling or pushing one module may take.
const PATIENCE: Duration = Duration::from_secs(600);

/// Pushes the module in the file `path` to `reference`, and prints the reference with its digest;
/// warns of cases of its own that differ.
pub(super) fn push(
    path: &Path,
    reference: &Reference,
    key: Option<&Path>,
    registry: &Registry,
) -> Result<(), Failure> {
    let key = key.map(signing_key).transpose()?;
    let named = Named::file(path)?;
    let digest = named.with(VisitLimits::default(), async |module| {
        for line in rehearsal::own(&module).await {
            let told = format_args!("warning: {}: {line}; no sidecar loads it so", path.display());
            terminal::line(&mut io::stderr(), told)?;
        }
        let manifest = module.manifest();
        // Interfaces of one package have one version.
        let exported = |name: &str| module.contract().replacen("guest", name, 1);
        let about = About {
            name: manifest.name.to_string(),
            version: manifest.version.to_string(),
            summary: manifest.summary.to_string(),
            imports: module.imports().to_vec(),
            exports: std::iter::once("guest").chain(module.hooks()).map(exported).collect(),
        };
        let pushed = registry.push(reference, named.bytes.to_vec(), &about, key.as_ref()).await;
        pushed.map_err(|err| Failure::Registry(reference.to_string(), err))
    })?;
    writeln!(io::stdout(), "{}", reference.at(digest))?;
    Ok(())
}

/// Whom to ask for `reference`, as the command line says.
pub(super) fn registry(
    reference: &Reference,
    access: &Access,
    environment: &Environment,
) -> Result<Registry, Failure> {
    let refused = |err| Failure::Registry(reference.to_string(), err);
    let host = reference.host().to_owned();
    let credentials = match &access.user {
        Some(user) => Some((host.clone(), (user.clone(), password(access, environment)?))),
        None => None,
    };
    let options = Options {
        plain_http: access.plain_http.then_some(host).into_iter().collect(),
        credentials: credentials.into_iter().collect(),
        timeout: PATIENCE,
        most_bytes: policy_host::MODULE_BYTES,
        keys: Vec::new(),
        cache: None,
    };
    Registry::new(options).map_err(refused)
}

fn password(access: &Access, environment: &Environment) -> Result<String, Failure> {
    let password = match &access.password_file {
        Some(path) => {
            std::fs::read_to_string(path).map_err(|err| Failure::Unread(path.clone(), err))?
        }
        None => environment.get(PASSWORD).unwrap_or_default().to_owned(),
    };
    match password.trim_end_matches(['\r', '\n']) {
        "" => Err(Failure::NoPassword),
        password => Ok(password.to_owned()),
    }
}

fn signing_key(path: &Path) -> Result<SigningKey, Failure> {
    let pem = std::fs::read(path).map_err(|err| Failure::Unread(path.into(), err))?;
    SigningKey::parse(&pem).map_err(|err| Failure::Key(path.into(), err))
}
