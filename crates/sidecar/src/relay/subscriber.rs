//! What an app's configuration says of its events.

use url::{Origin, Url};

use super::{Form, Target, WebhookKey};
use crate::config::App;

/// What stands before the app's own place in a record.
const OWN: &str = "own:";

/// One app, as one that is told of its messages.
#[derive(Clone, Debug, Default)]
pub(crate) struct Subscriber {
    /// Where its events go where a message names no place of its own.
    pub(crate) otherwise: Option<Target>,
    /// Origins that a message may name.
    pub(crate) allow: Vec<Origin>,
    /// What CloudEvents are signed with; the newest first.
    pub(crate) keys: Vec<WebhookKey>,
    /// What reports in Plivo's form are signed with: the token that the app authenticates with.
    pub(crate) token: Option<PlivoToken>,
    /// The generation of the configuration that says so.
    pub(crate) generation: u64,
}

/// An app's own token. `Debug` hides it.
#[derive(Clone)]
pub(crate) struct PlivoToken(pub(crate) Box<str>);

/// A message names a place that the app's configuration does not allow: `relay.not_allowed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotAllowed {
    /// It is no place to call.
    #[error(
        "is no http or https URL of at most 2,048 bytes without a user; correct it, or leave it out"
    )]
    Url,
    /// It is elsewhere.
    #[error(
        "is at an origin that the app's relay_allow does not name; add its origin there, or leave it out"
    )]
    Origin,
}

/// An app that is to be called at its own place has none any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoUrl;

impl Subscriber {
    /// What `app` says, in this generation of the configuration.
    pub(crate) fn of(app: &App, generation: u64) -> Self {
        let relay = app.relay.as_ref();
        let keys = relay.iter().flat_map(|relay| &relay.secrets);
        let url = relay.and_then(|relay| relay.url.as_ref()).map(Url::as_str);
        Self {
            otherwise: url.and_then(|url| Target::new(Form::CloudEvent, url)),
            allow: relay.map(|relay| relay.allow.clone()).unwrap_or_default(),
            // The configuration takes no secret that is no key.
            keys: keys.filter_map(|secret| WebhookKey::read(secret.expose()).ok()).collect(),
            token: app.token.as_ref().map(|token| PlivoToken(token.expose().into())),
            generation,
        }
    }

    /// Where the events of a message go that names `callback`, in `form`; none where nobody is to be called.
    ///
    /// # Errors
    ///
    /// [`NotAllowed`]. Origins are compared as they are parsed, never by how their text begins.
    pub(crate) fn target(
        &self,
        callback: Option<&str>,
        form: Form,
    ) -> Result<Option<Target>, NotAllowed> {
        let Some(callback) = callback else { return Ok(self.otherwise.clone()) };
        let target = Target::new(form, callback).ok_or(NotAllowed::Url)?;
        if self.allows(&target) { Ok(Some(target)) } else { Err(NotAllowed::Origin) }
    }

    /// What a record keeps of where the events of a message go that names `callback`, in `form`.
    ///
    /// # Errors
    ///
    /// As [`Subscriber::target`].
    pub(crate) fn record(
        &self,
        callback: Option<&str>,
        form: Form,
    ) -> Result<Option<String>, NotAllowed> {
        let target = self.target(callback, form)?;
        let prefix = if callback.is_none() { OWN } else { "" };
        Ok(target.map(|target| format!("{prefix}{}", target.to_record())))
    }

    /// Where that is by now: an app's own place is the one that it has.
    ///
    /// # Errors
    ///
    /// [`NoUrl`].
    pub(super) fn place(&self, record: &str) -> Result<Target, NoUrl> {
        match record.strip_prefix(OWN) {
            Some(_) => self.otherwise.clone().ok_or(NoUrl),
            None => Target::of_record(record).ok_or(NoUrl),
        }
    }

    /// Whether there is something to sign this form with: nothing leaves unsigned.
    pub(crate) fn can_sign(&self, form: Form) -> bool {
        match form {
            Form::CloudEvent => !self.keys.is_empty(),
            Form::PlivoPost | Form::PlivoGet => self.token.is_some(),
        }
    }

    /// Whether the app may be called there.
    pub(super) fn allows(&self, target: &Target) -> bool {
        let origin = target.origin();
        let own = self.otherwise.iter().map(Target::origin);
        own.chain(self.allow.iter().cloned()).any(|allowed| allowed == origin)
    }
}

impl std::fmt::Debug for PlivoToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PlivoToken(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Origin {
        Url::parse(text).unwrap().origin()
    }

    fn subscriber() -> Subscriber {
        Subscriber {
            otherwise: Target::new(Form::CloudEvent, "http://127.0.0.1:3000/reports"),
            allow: vec![origin("http://127.0.0.1:4000"), origin("https://a.example")],
            ..Subscriber::default()
        }
    }

    #[test]
    fn a_place_at_an_allowed_origin_is_taken_and_the_own_one_is_always() {
        for callback in [
            "http://127.0.0.1:3000/dlr",
            "http://127.0.0.1:4000/any?x=1",
            "https://a.example/",
            "https://a.example:443/dlr",
            "HTTPS://A.EXAMPLE/dlr",
        ] {
            let target = subscriber().target(Some(callback), Form::PlivoPost).unwrap().unwrap();
            assert_eq!((target.text(), target.form()), (callback, Form::PlivoPost));
        }
    }

    #[test]
    fn what_goes_to_an_apps_own_place_follows_it_and_what_names_a_place_stays_there() {
        let own = subscriber().record(None, Form::CloudEvent).unwrap().unwrap();
        let named = subscriber().record(Some("https://a.example/x"), Form::PlivoPost);
        let named = named.unwrap().unwrap();
        let moved = Target::new(Form::CloudEvent, "http://127.0.0.1:3001/new");
        let now = Subscriber { otherwise: moved.clone(), ..subscriber() };
        assert_eq!(now.place(&own).ok(), moved);
        assert_eq!(
            now.place(&named).map(|at| at.text().to_owned()),
            Ok("https://a.example/x".into())
        );
        let without = Subscriber { otherwise: None, ..subscriber() };
        assert_eq!(without.place(&own), Err(NoUrl));
        // As those of before were written.
        let before = now.place("http://127.0.0.1:3000/reports").unwrap();
        assert_eq!(before.text(), "http://127.0.0.1:3000/reports");
    }

    #[test]
    fn any_other_place_is_not_allowed() {
        for callback in [
            "http://169.254.169.254/",
            "http://127.0.0.1:3000@evil.example/",
            "http://127.0.0.1:30000/",
            "http://127.0.0.1/",
            "https://127.0.0.1:3000/",
            "http://a.example/",
            "https://a.example.evil.example/",
            "https://a.example:8443/",
            "http://localhost:3000/",
        ] {
            let found = subscriber().target(Some(callback), Form::CloudEvent);
            let no_place = callback.contains('@');
            let wanted = if no_place { NotAllowed::Url } else { NotAllowed::Origin };
            assert_eq!(found, Err(wanted), "{callback}");
        }
        let found = subscriber().target(Some("not a url"), Form::CloudEvent);
        assert_eq!(found, Err(NotAllowed::Url));
    }

    #[test]
    fn a_message_that_names_no_place_goes_where_the_app_says() {
        let target = subscriber().target(None, Form::PlivoPost).unwrap().unwrap();
        assert_eq!(
            (target.text(), target.form()),
            ("http://127.0.0.1:3000/reports", Form::CloudEvent)
        );
        assert_eq!(Subscriber::default().target(None, Form::CloudEvent), Ok(None));
    }
}
