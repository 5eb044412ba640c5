//! What is in force: settings, Plivo account and policies of one generation, swapped as one.

use std::sync::{Arc, Weak};
use std::time::Duration;

use plivo_client::{AuthId, AuthToken, ClientConfig, Credentials, Log, PlivoClient};
use policy_host::PolicyChain;
use tokio::sync::Semaphore;

use crate::config::{App, DeliverySettings, Plivo, PolicyEntry, Reloadable};

/// How long a message is worth sending that does not say so: Plivo's own default.
const LIFETIME: Duration = Duration::from_secs(10_800);

/// One generation. Never edited: a reload builds the next and swaps one pointer, so that no request sees half of two.
#[derive(Debug)]
pub(crate) struct InForce {
    pub(crate) apps: Vec<Arc<App>>,
    pub(crate) plivo: Plivo,
    pub(crate) delivery: DeliverySettings,
    pub(crate) account: Account,
    /// The chain as it was configured.
    pub(crate) entries: Vec<PolicyEntry>,
    pub(crate) chain: Arc<PolicyChain>,
}

/// What messages are sent with.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) client: PlivoClient,
    pub(crate) credentials: Arc<Credentials>,
    pub(crate) attempts: u32,
    pub(crate) call_timeout: Duration,
    pub(crate) log: Log,
    pub(crate) lifetime: Duration,
    pub(crate) queue_max: usize,
    /// Whom to tell what became of a message: the policies in force by then, not those that cleared it.
    pub(crate) chain: Weak<PolicyChain>,
    /// One permit a call to Plivo under way.
    pub(crate) calls: Arc<Semaphore>,
}

/// A generation's settings, checked as far as they can be without its policies.
pub(crate) struct Prepared {
    settings: Reloadable,
    account: Account,
}

impl Prepared {
    /// Takes the settings. Connections to Plivo are kept from `previous` where the settings of the connection are the
    /// same.
    ///
    /// # Errors
    ///
    /// A line that says which key of `[plivo]` cannot be used, and why.
    pub(crate) fn new(settings: Reloadable, previous: Option<&InForce>) -> Result<Self, String> {
        let (plivo, delivery) = (&settings.plivo, &settings.delivery);
        let kept = previous.filter(|previous| connection(&previous.plivo) == connection(plivo));
        let (client, calls) = match kept {
            Some(InForce { account, .. }) => (account.client.clone(), Arc::clone(&account.calls)),
            None => {
                let client = PlivoClient::new(client_config(plivo))
                    .map_err(|err| format!("plivo: {err}"))?;
                (client, Arc::new(Semaphore::new(plivo.max_connections)))
            }
        };
        let account = Account {
            client,
            credentials: Arc::new(credentials(plivo)?),
            attempts: plivo.attempts,
            call_timeout: plivo.call_timeout,
            log: match plivo.log {
                Some("false") => Log::Nothing,
                Some("content_only") => Log::ContentOnly,
                Some("number_only") => Log::NumberOnly,
                _ => Log::Everything,
            },
            lifetime: delivery.ttl.unwrap_or(LIFETIME),
            queue_max: delivery.queue_max,
            chain: Weak::new(),
            calls,
        };
        Ok(Self { settings, account })
    }

    /// The policies that it wants, in order.
    pub(crate) fn entries(&self) -> &[PolicyEntry] {
        &self.settings.policies
    }

    /// The generation, with its policies.
    pub(crate) fn with(self, chain: Arc<PolicyChain>) -> InForce {
        let Reloadable { apps, plivo, delivery, policies: entries, poll: _ } = self.settings;
        let apps = apps.into_iter().map(Arc::new).collect();
        let account = Account { chain: Arc::downgrade(&chain), ..self.account };
        InForce { apps, plivo, delivery, account, entries, chain }
    }
}

/// The settings that a kept connection depends on.
fn connection(plivo: &Plivo) -> (&str, Duration, Duration, usize) {
    (plivo.base_url.as_str(), plivo.connect_timeout, plivo.call_timeout, plivo.max_connections)
}

fn client_config(plivo: &Plivo) -> ClientConfig {
    ClientConfig {
        base_url: plivo.base_url.as_str().to_owned(),
        connect_timeout: plivo.connect_timeout,
        call_timeout: plivo.call_timeout,
        max_idle: plivo.max_connections,
        extra_root_pem: None,
    }
}

fn credentials(plivo: &Plivo) -> Result<Credentials, String> {
    let auth_id =
        AuthId::parse(plivo.auth_id.expose()).map_err(|err| format!("plivo.auth_id: {err}"))?;
    let auth_token = AuthToken::parse(plivo.auth_token.expose())
        .map_err(|err| format!("plivo.auth_token: {err}"))?;
    Ok(Credentials { auth_id, auth_token })
}
