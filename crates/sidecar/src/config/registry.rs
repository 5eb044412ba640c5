//! `[registry]`: how modules are had that are in a registry and not in a file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ::registry::{Cache, Options, PublicKey};

use super::cursor::{Item, Section};
use super::policies::Tags;
use super::reading::read_bounded;
use super::{Secret, origin};

/// Most hosts, most files with keys, and most keys of one file.
const MOST: usize = 64;
/// Most bytes of a file with a public key.
const KEY_BYTES: u64 = 64 * 1024;
/// Where modules are kept, beside the database or else this file.
const CACHE: &str = "sendgate-modules";

/// How modules of registries are had, and which are trusted.
#[derive(Clone, Debug)]
pub struct Registry {
    /// Whether a reference must have a digest. Default: it is warned about.
    pub require_digest: bool,
    /// Where what was pulled is kept. Default: `sendgate-modules` beside the database, or else beside this file.
    pub cache: PathBuf,
    /// Most bytes of it. Default 256 MiB.
    pub cache_bytes: u64,
    /// Whether what is pulled is kept there, as it is but where somebody only looks.
    pub(crate) keeps: bool,
    /// How often tags without a digest are looked up again. Default 5 minutes.
    pub refresh: Duration,
    /// Most time for one module. Default 30 s.
    pub timeout: Duration,
    /// Most bytes of a module. Default 64 MiB, which is what the engine takes.
    pub max_bytes: usize,
    /// Where there are any, modules must be signed by one of them.
    pub keys: Vec<PublicKey>,
    /// Registries that are asked without TLS.
    pub plain_http: Vec<String>,
    /// User and password by registry.
    pub credentials: BTreeMap<String, (String, Secret)>,
}

impl Registry {
    /// What modules are pulled with.
    pub fn options(&self) -> Options {
        let credentials = self.credentials.iter().map(|(host, (user, password))| {
            (host.clone(), (user.clone(), password.expose().to_owned()))
        });
        Options {
            plain_http: self.plain_http.clone(),
            credentials: credentials.collect(),
            timeout: self.timeout,
            most_bytes: self.max_bytes,
            keys: self.keys.clone(),
            cache: Some(Cache {
                folder: self.cache.clone(),
                most_bytes: self.cache_bytes,
                keeps: self.keeps,
            }),
        }
    }

    pub(super) fn read(mut section: Section<'_>, database: Option<&Path>) -> Self {
        section.or_default("cache", format_args!("{CACHE:?}"));
        let cache = section.get("cache").and_then(|item| Some(item.reading.path(item.text()?)));
        let beside = || match database.and_then(Path::parent) {
            Some(folder) => folder.join(CACHE),
            None => section.reading().path(CACHE),
        };
        let cache = cache.unwrap_or_else(beside);
        section.or_default("plain_http", "[]");
        let plain = section.get("plain_http").and_then(|item| item.list(MOST));
        Item::tell_repeats(plain.as_deref().unwrap_or_default());
        let plain_http: Vec<String> = plain.iter().flatten().filter_map(host).collect();
        let credentials = section.get("credentials").map(|item| credentials(&item, &plain_http));
        let keys = section.get("keys").and_then(|item| {
            item.filled_list(MOST, "leave the key out to take modules that nobody signed")
        });
        let registry = Self {
            require_digest: section.flag("require_digest", false),
            cache,
            cache_bytes: u64::from(section.number("cache_mb", 256, 1..=65_536)) << 20,
            keeps: true,
            refresh: section.seconds("refresh_s", 300, 1..=86_400),
            timeout: section.seconds("timeout_s", 30, 1..=600),
            max_bytes: section.size("max_module_mb", 64, 1..=64) << 20,
            keys: keys.iter().flatten().filter_map(keys_of).flatten().collect(),
            plain_http,
            credentials: credentials.unwrap_or_default(),
        };
        section.finish();
        registry
    }

    /// What is to be said of modules without a digest.
    pub(super) fn tags(&self) -> Tags {
        match (self.require_digest, self.keys.is_empty()) {
            (true, _) => Tags::Refused,
            (false, true) => Tags::Anybodys,
            (false, false) => Tags::Signed,
        }
    }
}

/// The keys of one file.
fn keys_of(item: &Item<'_>) -> Option<Vec<PublicKey>> {
    let text = item.text()?;
    if text.contains("://") {
        item.fault("is a URL; give the file that holds the key");
        return None;
    }
    let path = item.reading.watched(text);
    let fault = |why: String| item.fault(format!("{} {why}", path.display()));
    let pem = read_bounded(&path, KEY_BYTES);
    let pem = pem.map_err(|err| fault(format!("cannot be read: {err}"))).ok()?;
    let keys = PublicKey::parse(&pem);
    let keys = keys.map_err(|faults| faults.iter().for_each(|err| fault(err.to_string()))).ok()?;
    if keys.len() > MOST {
        fault(format!("has {} keys; give at most {MOST}", keys.len()));
    }
    Some(keys)
}

fn host(item: &Item<'_>) -> Option<String> {
    let text = item.text()?;
    if !is_host(text) {
        item.fault(
            r#"is no registry; write its host, and its port where it has one, as "127.0.0.1:5000""#,
        );
        return None;
    }
    Some(text.into())
}

fn credentials(item: &Item<'_>, plain_http: &[String]) -> BTreeMap<String, (String, Secret)> {
    let one = |(name, item): (&str, Item<'_>)| {
        if !is_host(name) {
            item.fault(r#"is for no registry; write credentials."HOST:PORT" = { user = "NAME", password = … }"#);
        }
        if plain_http.iter().any(|host| host == name) && !is_local(name) {
            let detail = "is sent in clear text over the network, since plain_http names the registry; use TLS";
            item.reading.warn(&item.spot, detail);
        }
        let mut section = item.section();
        let user = section.need("user", r#"write user = "NAME""#).and_then(|user| {
            let text = user.text()?;
            if text.is_empty() || text.contains(':') {
                user.fault("is no user of a registry: it is empty, or has a colon");
            }
            Some(text.to_owned())
        });
        let password = section.need("password", r#"write password = { env = "NAME" }"#);
        let password = password.and_then(|password| Secret::read(&password));
        section.finish();
        Some((name.to_owned(), (user?, password?)))
    };
    item.entries(MOST).into_iter().flatten().filter_map(one).collect()
}

fn is_host(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':');
    !text.is_empty() && text.len() <= 255 && text.bytes().all(inner)
}

fn is_local(host: &str) -> bool {
    format!("http://{host}").parse().is_ok_and(|url| origin::is_loopback(&url))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::config::testing::{APP, Folder, account, assert_faults, config_of, warnings_of};

    const KEY: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEb+ML1LBu1s4Yiw76rbWd3sRx+xf0
Tn6qBxqutUAWoE8vFgfyAQoFUfSr1l73rBCBps1gnMAsNl706n4RUoETQg==
-----END PUBLIC KEY-----
";

    #[test]
    fn a_registry_has_its_documented_defaults_and_every_key_is_read() {
        let folder = Folder::new();
        folder.file("a.pub", format!("the old one\n{KEY}and the new one\n{KEY}"));
        let read =
            |toml: &str| folder.config(&format!("{toml}\n{APP}"), &account()).reloadable.registry;
        let usual = read("");
        assert_eq!(
            (
                usual.require_digest,
                usual.timeout,
                usual.refresh,
                usual.max_bytes,
                usual.cache_bytes
            ),
            (false, Duration::from_secs(30), Duration::from_secs(300), 64 << 20, 256 << 20)
        );
        assert_eq!(usual.cache, folder.path().join("sendgate-modules"));
        let beside = read("[store]\npath = \"sendgate.db\"").cache;
        assert_eq!(beside, folder.path().join("sendgate-modules"));
        let own = read(
            "[registry]\nrequire_digest = true\ncache = \"c\"\ncache_mb = 1\nrefresh_s = 2\ntimeout_s = 3\n\
             max_module_mb = 4\nkeys = [\"a.pub\"]\nplain_http = [\"127.0.0.1:5000\"]\n\
             credentials.\"127.0.0.1:5000\" = { user = \"u\", password = \"p\" }",
        );
        assert_eq!(
            (own.require_digest, own.timeout, own.refresh, own.max_bytes, own.cache_bytes),
            (true, Duration::from_secs(3), Duration::from_secs(2), 4 << 20, 1 << 20)
        );
        let options = own.options();
        assert_eq!(
            (options.keys.len(), options.plain_http),
            (2, vec!["127.0.0.1:5000".to_owned()])
        );
        assert_eq!(options.credentials["127.0.0.1:5000"], ("u".into(), "p".into()));
        assert_eq!(own.cache, folder.path().join("c"));
    }

    #[test]
    fn each_fault_of_a_registry_is_named_at_its_place() {
        assert_faults(&[
            (
                "[registry]\nkeys = []",
                &["sidecar.toml:2:8: registry.keys: is empty; leave the key out"],
            ),
            (
                "[registry]\nkeys = [\"gone.pub\"]",
                &["sidecar.toml:2:9: registry.keys[0]: gone.pub cannot be read"],
            ),
            (
                "[registry]\nkeys = [\"sidecar.toml\"]",
                &["sidecar.toml:2:9: registry.keys[0]: sidecar.toml is no PUBLIC KEY in PEM"],
            ),
            (
                "[registry]\nplain_http = [\"http://a\"]",
                &["sidecar.toml:2:15: registry.plain_http[0]: is no registry; write its host"],
            ),
            (
                "[registry]\ncredentials.\"a/b\" = { user = \"a:b\" }",
                &[
                    "sidecar.toml:2:21: registry.credentials.\"a/b\": is for no registry",
                    "sidecar.toml:2:21: registry.credentials.\"a/b\".password: is missing",
                    "sidecar.toml:2:30: registry.credentials.\"a/b\".user: is no user of a registry",
                ],
            ),
            ("[registry]\ntimeout_s = 0", &["sidecar.toml:2:13: registry.timeout_s: is 0"]),
        ]);
        let debug = format!(
            "{:?}",
            config_of("[registry]\ncredentials.a = { user = \"u\", password = \"hush\" }")
        );
        assert!(!debug.contains("hush"), "{debug}");
    }

    #[test]
    fn what_is_no_key_in_a_file_is_told_with_the_file_and_its_block() {
        let folder = Folder::new();
        folder.file("two.pub", format!("{KEY}{}", KEY.replace("PUBLIC KEY", "CERTIFICATE")));
        let toml = format!("[registry]\nkeys = [\"two.pub\"]\n{APP}");
        let wanted = "sidecar.toml:2:9: registry.keys[0]: two.pub has no key in its block 2, which is no PUBLIC KEY";
        let faults = folder.faults(&toml, &account());
        assert!(faults.iter().any(|fault| fault.starts_with(wanted)), "{faults:#?}");
    }

    #[test]
    fn a_password_in_the_file_or_in_clear_text_is_warned_about() {
        let of = |host: &str| {
            warnings_of(&format!(
                "[registry]\nplain_http = [\"{host}\"]\ncredentials.\"{host}\" = {{ user = \"u\", password = \"p\" }}"
            ))
        };
        assert!(
            of("127.0.0.1:1").iter().all(|line| !line.contains("clear text")),
            "{:?}",
            of("127.0.0.1:1")
        );
        let far = of("10.0.0.1:1");
        for wanted in ["clear text over the network", "password: stands in the file itself"] {
            assert!(far.iter().any(|line| line.contains(wanted)), "{far:#?}");
        }
    }
}
