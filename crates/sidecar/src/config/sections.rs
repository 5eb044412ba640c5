//! Section by section.

use toml::de::DeTable;

use super::cursor::Section;
use super::fixed::cache;
use super::plivo::Accounts;
use super::reading::Reading;
#[cfg(feature = "oci")]
use super::registry::Registry;
use super::{
    App, Decisions, DeliverySettings, Fixed, Listen, Media, Plivo, PolicyEntry, Reloadable, Secret,
    Store, Telemetry,
};
#[cfg(not(feature = "oci"))]
use super::{cursor::Item, policies::Tags};

/// What the sections of a file say, as far as they can be read.
pub(super) struct Sections {
    /// Those that can be looked at.
    pub(super) policies: Vec<PolicyEntry>,
    /// Where nothing of it is at fault.
    #[cfg(feature = "oci")]
    pub(super) registry: Option<Registry>,
    /// Everything; `None` only where a fault was reported.
    pub(super) everything: Option<(Fixed, Reloadable)>,
}

/// Reads every section, and goes on where one is at fault.
pub(super) fn sections<'r>(reading: &'r Reading<'r>, table: &'r DeTable<'r>) -> Sections {
    let mut root = Section::root(reading, table);
    let mut listen = root.section("listen");
    let admin_token =
        listen.get("admin_token").and_then(|item| Some((Secret::read(&item)?, item.spot)));
    let listen = Listen::read(listen);
    let Accounts { plivo, further, names, mut tokens } = Plivo::read(root.section("plivo"));
    tokens.extend(admin_token.clone());
    let (apps, app_names) = App::read_all(&mut root, listen.as_ref(), tokens, &names);
    for (name, spot) in
        names.iter().filter(|(name, _)| !apps.iter().any(|app| app.account == *name))
    {
        reading.warn(
            spot,
            format!("is an account that no app sends with; write account = {name:?} under one"),
        );
    }
    let delivery = DeliverySettings::read(root.section("delivery"));
    let media = Media::read(root.section("media"));
    let (store, shared_url) = Store::read(root.section("store"));
    let telemetry = Telemetry::read(root.section("telemetry"));
    let (decisions, file) = Decisions::read(root.section("decisions"), store.path.as_deref());
    let mut reload = root.section("reload");
    let poll = reload.millis("poll_ms", 2_000, 100..=3_600_000);
    let compile_cache = reload.get("compile_cache").and_then(|item| cache(&item));
    reload.finish();
    #[cfg(feature = "oci")]
    let before = reading.faults_so_far();
    #[cfg(feature = "oci")]
    let registry = Registry::read(root.section("registry"), store.path.as_deref());
    #[cfg(feature = "oci")]
    let (tags, is_sound) = (registry.tags(), reading.faults_so_far() == before);
    #[cfg(not(feature = "oci"))]
    let tags = no_registry(&mut root);
    let policies = PolicyEntry::read_all(&mut root, &app_names, tags);
    let (names_policies, policies) = (policies.is_some(), policies.unwrap_or_default());
    root.finish();
    if let Some(file) = file {
        decisions.keep_apart(reading, &file);
    }
    let admin_token = admin_token.map(|(token, _)| token);
    let mut sections = Sections {
        policies: policies.clone(),
        #[cfg(feature = "oci")]
        registry: is_sound.then(|| registry.clone()),
        everything: None,
    };
    let (Some(listen), Some(plivo)) = (listen, plivo) else { return sections };
    let fixed = Fixed { listen, store, telemetry, decisions, compile_cache };
    let reloadable = Reloadable {
        admin_token,
        apps,
        plivo,
        accounts: further,
        delivery,
        media,
        policies,
        names_policies,
        #[cfg(feature = "oci")]
        registry,
        shared_url,
        poll,
    };
    sections.everything = Some((fixed, reloadable));
    sections
}

/// Without the feature, `[registry]` says nothing.
#[cfg(not(feature = "oci"))]
fn no_registry(root: &mut Section<'_>) -> Tags {
    let registry = root.get("registry");
    let says = |item: &Item<'_>| item.entries(64).is_none_or(|keys| !keys.is_empty());
    if let Some(item) = registry.filter(says) {
        item.fault("needs the feature `oci`, which this program was built without; take it out");
    }
    Tags::Anybodys
}
