//! What is in force: settings, Plivo account and policies of one generation, swapped as one.

use std::sync::{Arc, Weak};
use std::time::Duration;

use message::Timestamp;
use plivo_client::{AuthId, AuthToken, ClientConfig, Credentials, Log, PlivoClient};
use policy_host::PolicyChain;

use crate::config::{App, DeliverySettings, Plivo, PolicyEntry, Reloadable};
use crate::delivery::BreakerSettings;

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
    /// Most calls to Plivo at once.
    pub(crate) max_calls: usize,
    /// When sends are held back.
    pub(crate) breaker: BreakerSettings,
    /// Retries, of a hundred first attempts.
    pub(crate) retry_percent: u32,
    /// How long after a call of unknown outcome Plivo's list is asked.
    pub(crate) settle: Arc<[Duration]>,
    /// When Plivo is asked what became of a message.
    pub(crate) looks: Looks,
    /// What becomes of messages of which nobody finds out.
    pub(crate) on_unresolved: OnUnresolvedTable,
    /// The same for as long as the connections are.
    pub(crate) wire: Arc<()>,
}

/// When Plivo is asked what became of a message that it took.
#[derive(Clone, Debug)]
pub(crate) struct Looks {
    /// After its submission, then after each look; the last repeats.
    pub(crate) steps: Arc<[Duration]>,
    /// Not after this long.
    pub(crate) until: Duration,
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
        let (client, wire) = match kept {
            Some(InForce { account, .. }) => (account.client.clone(), Arc::clone(&account.wire)),
            None => {
                let client = PlivoClient::new(client_config(plivo))
                    .map_err(|err| format!("plivo: {err}"))?;
                (client, Arc::new(()))
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
            max_calls: plivo.max_connections,
            breaker: BreakerSettings::default(),
            retry_percent: 20,
            settle: [20, 60, 180].map(Duration::from_secs).into(),
            looks: Looks {
                steps: [5, 30, 120, 600, 3_600].map(Duration::from_secs).into(),
                until: Duration::from_secs(86_400),
            },
            on_unresolved: OnUnresolvedTable::default(),
            wire,
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

impl Looks {
    /// The first look at a message submitted `at`.
    pub(crate) fn first(&self, at: Timestamp) -> Timestamp {
        at.after(self.steps.first().copied().unwrap_or(self.until))
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

/// What becomes of messages in doubt that stay so, by intent.
#[derive(Clone, Debug, Default)]
pub(crate) struct OnUnresolvedTable {
    otherwise: OnUnresolved,
    by_intent: Vec<(String, OnUnresolved)>,
}

/// What becomes of a message in doubt that stays so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum OnUnresolved {
    /// It counts as failed: sent at most once.
    #[default]
    Fail,
    /// It is sent again: sent at least once.
    Resend,
    /// It waits for a person.
    Hold,
}

impl OnUnresolvedTable {
    pub(crate) fn of(&self, intent: &str) -> OnUnresolved {
        let own = self.by_intent.iter().find(|(each, _)| each == intent);
        own.map_or(self.otherwise, |(_, word)| *word)
    }
}

impl OnUnresolved {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Resend => "resend",
            Self::Hold => "hold",
        }
    }
}
