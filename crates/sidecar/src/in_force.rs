//! What is in force: settings, Plivo accounts and policies of one generation, swapped as one.

mod monitoring;

use std::collections::BTreeMap;
use std::iter;
use std::sync::{Arc, Weak};
use std::time::Duration;

use media_probe::{Prober, ProberError, ProberOptions, SystemNames};
use message::DEFAULT_ACCOUNT;
use plivo_client::{AuthId, AuthToken, ClientConfig, Credentials, Log, PlivoClient};
use policy_host::{Generation, PolicyChain};
use sha2::{Digest as _, Sha256};
use store_redis::{OptionsError, ServerUrl};

use crate::config::{
    App, BreakerSettings, DeliverySettings, Looks, Media, OnUnresolvedTable, Plivo, PolicyEntry,
    Reloadable, Secret, Treat503,
};
use crate::delivery::{Most, Side};
use crate::modules::Modules;
use crate::promotions::{Filed, Promotion};

pub(crate) use self::monitoring::usual;

/// How long a message is worth sending that does not say so: Plivo's own default.
const LIFETIME: Duration = Duration::from_secs(10_800);

/// One generation. Never edited: a reload builds the next and swaps one pointer, so that no request sees half of two.
#[derive(Clone, Debug)]
pub(crate) struct InForce {
    pub(crate) apps: Vec<Arc<App>>,
    pub(crate) plivo: Plivo,
    /// `[plivo.accounts.NAME]`, by name.
    pub(crate) further: BTreeMap<String, Plivo>,
    pub(crate) delivery: DeliverySettings,
    pub(crate) accounts: Accounts,
    /// The chain as it was configured, with its promotions.
    pub(crate) entries: Vec<PolicyEntry>,
    pub(crate) chain: Arc<PolicyChain>,
    /// The names of its policies that only monitor.
    pub(crate) monitoring: Arc<[String]>,
    /// In which it differs from what was configured.
    pub(crate) promotions: Vec<Promotion>,
    /// What the files said when it was built of them.
    pub(crate) filed: Filed,
    /// What changing actions on the admin listener need.
    pub(crate) admin_token: Option<Secret>,
    /// Who looks at media URLs, where they are looked at.
    pub(crate) prober: Option<Prober>,
    /// How to log in to the server that replicas share, where they share one.
    pub(crate) shared: Option<ServerUrl>,
    media: Media,
}

/// The policies of a generation, apart from everything else that it is.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// As they were configured, with these promotions.
    pub(crate) entries: Vec<PolicyEntry>,
    pub(crate) chain: Arc<PolicyChain>,
    pub(crate) promotions: Vec<Promotion>,
    /// What the files said of them.
    pub(crate) filed: Filed,
}

/// Every account of a generation. Only name, mark and credentials differ: how they are called is said once.
#[derive(Clone, Debug)]
pub(crate) struct Accounts {
    /// `[plivo]`, for whoever names none.
    pub(crate) own: Account,
    pub(crate) further: Vec<Account>,
}

/// What messages are sent with.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    /// What records and apps know it by.
    pub(crate) name: Arc<str>,
    pub(crate) client: PlivoClient,
    pub(crate) credentials: Arc<Credentials>,
    /// Tells it from other accounts, and from the same at another place, without naming it.
    pub(crate) mark: Arc<str>,
    /// Most calls for one message that Plivo turns away for now; until its deadline where absent.
    pub(crate) attempts: Option<u32>,
    pub(crate) call_timeout: Duration,
    pub(crate) log: Log,
    pub(crate) lifetime: Duration,
    /// Most messages that are under way, and most that wait for a time of their own.
    pub(crate) room: [Most; 2],
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
    /// How long after its submission that begins.
    pub(crate) first_look: Duration,
    /// The same where reports arrive.
    pub(crate) report_silence: Duration,
    /// What becomes of messages of which nobody finds out.
    pub(crate) on_unresolved: OnUnresolvedTable,
    /// What Plivo's 503 means.
    pub(crate) treat_503: Treat503,
}

/// A generation's settings, checked as far as they can be without its policies.
pub(crate) struct Prepared {
    settings: Reloadable,
    accounts: Accounts,
    prober: Option<Prober>,
    shared: Option<ServerUrl>,
}

impl InForce {
    /// What is configured of the account that this app's messages are sent with.
    pub(crate) fn plivo_of(&self, app: &App) -> &Plivo {
        self.further.get(&app.account).unwrap_or(&self.plivo)
    }

    /// Its policies.
    pub(crate) fn rules(&self) -> Rules {
        let Self { entries, chain, promotions, filed, .. } = self;
        let (entries, promotions) = (entries.clone(), promotions.clone());
        Rules { entries, chain: Arc::clone(chain), promotions, filed: *filed }
    }

    /// The same under other policies.
    pub(crate) fn under(&self, rules: Rules) -> Self {
        let Rules { entries, chain, promotions, filed } = rules;
        let accounts = self.accounts.clone().under(&chain);
        let monitoring = monitoring::monitoring(&entries, &chain);
        Self { entries, chain, monitoring, promotions, filed, accounts, ..self.clone() }
    }
}

impl Rules {
    /// `chain`, made of `entries` and `modules` as the files have them.
    pub(crate) fn new(entries: Vec<PolicyEntry>, modules: &Modules, chain: PolicyChain) -> Self {
        let filed = Filed::of(&entries, modules);
        Self { entries, chain: Arc::new(chain), promotions: Vec::new(), filed }
    }

    /// The same as those of another generation.
    pub(crate) fn renewed(&self, generation: Generation) -> Self {
        Self { chain: Arc::new(self.chain.renewed(generation)), ..self.clone() }
    }
}

impl Prepared {
    /// Takes the settings. Connections to Plivo are kept from `previous` where the settings of the connection are the
    /// same.
    ///
    /// # Errors
    ///
    /// A line that says which key cannot be used, of `[plivo]`, a further account or `[store] shared`, and why.
    pub(crate) fn new(settings: Reloadable, previous: Option<&InForce>) -> Result<Self, String> {
        let (plivo, delivery) = (&settings.plivo, &settings.delivery);
        let kept = previous.filter(|previous| connection(&previous.plivo) == connection(plivo));
        let client = match kept {
            Some(InForce { accounts, .. }) => accounts.own.client.clone(),
            None => {
                PlivoClient::new(client_config(plivo)).map_err(|err| format!("plivo: {err}"))?
            }
        };
        let own = Account {
            name: DEFAULT_ACCOUNT.into(),
            client,
            credentials: Arc::new(credentials(plivo).map_err(|err| format!("plivo.{err}"))?),
            mark: mark(plivo),
            attempts: plivo.attempts,
            call_timeout: plivo.call_timeout,
            log: match plivo.log {
                Some("false") => Log::Nothing,
                Some("content_only") => Log::ContentOnly,
                Some("number_only") => Log::NumberOnly,
                _ => Log::Everything,
            },
            lifetime: delivery.ttl.unwrap_or(LIFETIME),
            room: [delivery.queue_max, delivery.scheduled_max].map(|all| most(all, &settings.apps)),
            chain: Weak::new(),
            max_calls: plivo.max_connections,
            breaker: delivery.breaker,
            retry_percent: delivery.retry_budget_percent,
            settle: Arc::clone(&delivery.settle),
            looks: delivery.looks.clone(),
            first_look: delivery.looks.steps.first().copied().unwrap_or_default(),
            report_silence: delivery.report_silence,
            on_unresolved: delivery.on_unresolved.clone(),
            treat_503: delivery.treat_503,
        };
        let further = settings.accounts.iter().map(|(name, plivo)| {
            let credentials =
                credentials(plivo).map_err(|err| format!("plivo.accounts.{name}.{err}"))?;
            let (name, credentials) = (name.as_str().into(), Arc::new(credentials));
            Ok(Account { name, credentials, mark: mark(plivo), ..own.clone() })
        });
        let further = further.collect::<Result<_, String>>()?;
        let accounts = Accounts { own, further };
        let kept = previous.filter(|previous| previous.media == settings.media);
        let prober = match kept {
            Some(previous) => previous.prober.clone(),
            None => prober(&settings.media).map_err(|err| format!("media: {err}"))?,
        };
        let shared = settings.shared_url.as_ref().map(|url| url.expose().parse()).transpose();
        let shared = shared.map_err(|err: OptionsError| format!("store.shared: {err}"))?;
        Ok(Self { settings, accounts, prober, shared })
    }

    /// The policies that it wants, in order.
    pub(crate) fn entries(&self) -> &[PolicyEntry] {
        &self.settings.policies
    }

    /// The generation, with its policies.
    pub(crate) fn with(self, rules: Rules) -> InForce {
        let Reloadable { apps, plivo, accounts: further, delivery, media, admin_token, .. } =
            self.settings;
        let Rules { entries, chain, promotions, filed } = rules;
        let apps = apps.into_iter().map(Arc::new).collect();
        let accounts = self.accounts.under(&chain);
        let monitoring = monitoring::monitoring(&entries, &chain);
        let (prober, shared) = (self.prober, self.shared);
        InForce {
            apps,
            plivo,
            further,
            delivery,
            accounts,
            entries,
            chain,
            monitoring,
            promotions,
            filed,
            admin_token,
            prober,
            shared,
            media,
        }
    }
}

impl Accounts {
    /// Whether this auth id is of an account that the app does not send with.
    pub(crate) fn is_anothers(&self, auth_id: &str, app: &App) -> bool {
        let mut all = iter::once(&self.own).chain(&self.further);
        let owner = all.find(|account| account.credentials.auth_id.as_str() == auth_id);
        owner.is_some_and(|owner| *owner.name != *app.account)
    }

    fn under(mut self, chain: &Arc<PolicyChain>) -> Self {
        for account in iter::once(&mut self.own).chain(&mut self.further) {
            account.chain = Arc::downgrade(chain);
        }
        self
    }
}

impl Account {
    /// What tells it apart in metrics: none for that of whoever names none, so that they are as they are where there is
    /// one only.
    pub(crate) fn label(&self) -> Option<&str> {
        (*self.name != *DEFAULT_ACCOUNT).then_some(&*self.name)
    }

    /// Most messages on this side.
    pub(crate) fn most(&self, side: Side) -> Most {
        self.room[side as usize]
    }
}

/// Where there are several apps, none takes more than half of the room from the others.
fn most(all: usize, apps: &[App]) -> Most {
    let of_one = if apps.len() > 1 { all.div_ceil(2) } else { all };
    Most { all, of_one }
}

fn prober(media: &Media) -> Result<Option<Prober>, ProberError> {
    let options = || ProberOptions {
        time: media.probe_time,
        names: Arc::new(SystemNames),
        extra_roots: Vec::new(),
    };
    media.probe.then(|| Prober::new(options())).transpose()
}

/// The settings that a kept connection depends on.
fn connection(plivo: &Plivo) -> (&str, Duration, Duration, usize) {
    (plivo.base_url.as_str(), plivo.connect_timeout, plivo.call_timeout, plivo.max_connections)
}

pub(crate) fn client_config(plivo: &Plivo) -> ClientConfig {
    ClientConfig {
        base_url: plivo.base_url.as_str().to_owned(),
        connect_timeout: plivo.connect_timeout,
        call_timeout: plivo.call_timeout,
        max_idle: plivo.max_connections,
        extra_root_pem: None,
    }
}

fn mark(plivo: &Plivo) -> Arc<str> {
    let called = format!("{}\n{}", plivo.base_url.as_str(), plivo.auth_id.expose());
    let digest = Sha256::digest(called);
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect::<String>().into()
}

pub(crate) fn credentials(plivo: &Plivo) -> Result<Credentials, String> {
    let auth_id = AuthId::parse(plivo.auth_id.expose()).map_err(|err| format!("auth_id: {err}"))?;
    let auth_token =
        AuthToken::parse(plivo.auth_token.expose()).map_err(|err| format!("auth_token: {err}"))?;
    Ok(Credentials { auth_id, auth_token })
}
