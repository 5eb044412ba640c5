//! One look at a media URL.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, header};
use message::MediaUrl;
use message::facts::{HostClass, MediaRules, Probed};
use reqwest::{Client, Response, redirect, retry};
use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::answer::{self, Next, next};
use crate::names::{Checked, Names, is_private};
use crate::shares::Shares;

/// Most redirects that are followed.
const REDIRECTS: usize = 3;
/// Most looks at once, and of them most for one app; more wait, within their own time.
const AT_ONCE: usize = 64;
const OF_AN_APP: usize = AT_ONCE / 4;
/// Most names that are being looked up: one for each look, and as many again for connections of looks that are over.
const LOOKUPS: usize = 2 * AT_ONCE;
const USER_AGENT: &str = concat!("sendgate-probe/", env!("CARGO_PKG_VERSION"));

/// How to look.
#[derive(Clone, Debug)]
pub struct ProberOptions {
    /// Longest that the look at one URL takes, redirects and all.
    pub time: Duration,
    /// Who knows the addresses of names.
    pub names: Arc<dyn Names>,
    /// Certificates to trust besides the system's, in PEM.
    pub extra_roots: Vec<u8>,
}

/// Looks at media URLs. Keeps no connection, since each is to look its name up.
#[derive(Clone, Debug)]
pub struct Prober {
    client: Client,
    names: Checked,
    time: Duration,
    /// Those that media may be fetched from.
    ports: Arc<[u16]>,
    room: Arc<Semaphore>,
    shares: Shares,
}

/// Why no prober can be made.
#[derive(Debug, thiserror::Error)]
pub enum ProberError {
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
    /// The HTTP client cannot be set up.
    #[error("the HTTP client cannot be set up")]
    Http(#[source] reqwest::Error),
}

impl Prober {
    /// # Errors
    ///
    /// What keeps the HTTP client from being made.
    pub fn new(options: ProberOptions) -> Result<Self, ProberError> {
        let names = Checked::new(options.names, LOOKUPS);
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let extra = CertificateDer::pem_slice_iter(&options.extra_roots);
        roots.add_parsable_certificates(extra.filter_map(Result::ok));
        let tls = rustls::ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(ProberError::Tls)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .dns_resolver(names.clone())
            .no_proxy()
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .pool_max_idle_per_host(0)
            .http1_only()
            .user_agent(USER_AGENT)
            .build()
            .map_err(ProberError::Http)?;
        let room = Arc::new(Semaphore::new(AT_ONCE));
        let ports = MediaRules::default().ports.into();
        let shares = Shares::new(OF_AN_APP);
        Ok(Self { client, names, time: options.time, ports, room, shares })
    }

    /// What is found at each of `urls`, in their order, all at once as far as `app` has a share left.
    pub async fn look_at(&self, app: &str, urls: &[MediaUrl]) -> Vec<Probed> {
        let mut looks = JoinSet::new();
        let share = self.shares.of(app);
        for (nth, url) in urls.iter().cloned().enumerate() {
            let (prober, share) = (self.clone(), Arc::clone(&share));
            looks.spawn(async move { (nth, prober.look(share, &url).await) });
        }
        let mut found = vec![Probed::Unreachable; urls.len()];
        while let Some(looked) = looks.join_next().await {
            if let Ok((nth, probed)) = looked {
                found[nth] = probed;
            }
        }
        found
    }

    /// What is found at `url`. Public addresses in the place of names, and ports that media are not fetched from, count
    /// as unreachable, private addresses and names of private networks as private; none of them is connected to,
    /// wherever a redirect leads.
    async fn look(&self, share: Arc<Semaphore>, url: &MediaUrl) -> Probed {
        let look = async {
            // First its app's: who waits for that keeps no room from others.
            let share = share.acquire_owned().await;
            let room = Arc::clone(&self.room).acquire_owned().await;
            self.follow(url, &Arc::new((share, room))).await
        };
        timeout(self.time, look).await.unwrap_or(Probed::Unreachable)
    }

    /// Its `place` is another's only once it is over, and so is every look-up of a name.
    async fn follow<P: Send + Sync + 'static>(&self, url: &MediaUrl, place: &Arc<P>) -> Probed {
        let (mut at, mut private) = (url.as_str().to_owned(), Probed::ResolvesPrivate);
        for _ in 0..=REDIRECTS {
            let Ok((url, facts)) = MediaUrl::parse(&at, "") else { return Probed::Unreachable };
            match facts.host_class {
                HostClass::PrivateName | HostClass::PrivateAddress => return private,
                // Nobody is to find out by it what listens where.
                HostClass::PublicAddress => return Probed::Unreachable,
                HostClass::Public if !self.ports.contains(&facts.port) => {
                    return Probed::Unreachable;
                }
                HostClass::Public => {
                    if let Err(error) = self.names.addresses(&facts.host, Arc::clone(place)).await {
                        return if is_private(&*error) { private } else { Probed::Unreachable };
                    }
                }
            }
            let answer = match self.head(url.as_str()).await {
                Ok(answer) => answer,
                Err(error) if is_private(&error) => return private,
                Err(_) => return Probed::Unreachable,
            };
            match next(&url, answer.status(), answer.headers()) {
                Next::Found => return answer::found(answer.headers()),
                Next::Refused(status) => return Probed::Refused(status),
                Next::To(location) => at = location,
                Next::Nowhere => return Probed::Unreachable,
            }
            private = Probed::RedirectsPrivate;
        }
        Probed::TooManyRedirects
    }

    /// The head of what is there; of one byte of it, where the server answers no HEAD, or nothing to it but no bytes.
    async fn head(&self, url: &str) -> Result<Response, reqwest::Error> {
        let answer = self.client.request(Method::HEAD, url).send().await?;
        let status = answer.status();
        let length = answer.headers().get(header::CONTENT_LENGTH);
        let is_empty = status.is_success() && length.is_some_and(|length| length == "0");
        if !status.is_client_error() && !status.is_server_error() && !is_empty {
            return Ok(answer);
        }
        self.client.get(url).header(header::RANGE, "bytes=0-0").send().await
    }
}
