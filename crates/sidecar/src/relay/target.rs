//! Where the events of one message go, and in which form, as its record keeps it.

use std::fmt;

use url::{Origin, Url};

/// Longest URL, in bytes; the doors take no longer one.
const MOST_BYTES: usize = 2_048;

/// What is said to the app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A CloudEvent, signed as Standard Webhooks.
    CloudEvent,
    /// Plivo's own report by POST, for apps that came through Plivo's door.
    PlivoPost,
    /// The same by GET.
    PlivoGet,
}

/// One URL of an app's. `Debug` shows its origin only, since paths and queries hold what they like.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Target {
    form: Form,
    /// As the app wrote it: Plivo's signatures cover the text.
    text: Box<str>,
    url: Url,
}

impl Form {
    /// What stands before the URL in a record.
    fn prefix(self) -> &'static str {
        match self {
            Self::CloudEvent => "",
            Self::PlivoPost => "plivo-post:",
            Self::PlivoGet => "plivo-get:",
        }
    }

    /// Plivo's form, where the app asked for this method; POST unless it is GET.
    pub(crate) fn plivo(method: Option<&str>) -> Self {
        let get = method.is_some_and(|method| method.eq_ignore_ascii_case("GET"));
        if get { Self::PlivoGet } else { Self::PlivoPost }
    }
}

impl Target {
    /// A URL that can be called; none where it is no http or https URL, is too long, or names a user.
    pub(crate) fn new(form: Form, text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let plain = matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none();
        let fits = plain && text.len() <= MOST_BYTES;
        fits.then(|| Self { form, text: text.into(), url })
    }

    /// Reads what [`Target::to_record`] wrote.
    pub(super) fn of_record(text: &str) -> Option<Self> {
        let marked = [Form::PlivoPost, Form::PlivoGet];
        let marked =
            marked.into_iter().find_map(|form| Some((form, text.strip_prefix(form.prefix())?)));
        let (form, url) = marked.unwrap_or((Form::CloudEvent, text));
        Self::new(form, url)
    }

    /// What a record keeps of it.
    pub(crate) fn to_record(&self) -> String {
        format!("{}{}", self.form.prefix(), self.text)
    }

    pub(super) fn form(&self) -> Form {
        self.form
    }

    /// The URL as the app wrote it.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// Scheme, host and port: what an allow-list names, and what fails as one.
    pub(crate) fn origin(&self) -> Origin {
        self.url.origin()
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = self.origin().ascii_serialization();
        f.debug_struct("Target").field("form", &self.form).field("origin", &origin).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_record_keeps_leads_back_to_the_target() {
        for form in [Form::CloudEvent, Form::PlivoPost, Form::PlivoGet] {
            let target = Target::new(form, "http://127.0.0.1:3000/dlr?tenant=7").unwrap();
            assert_eq!(Target::of_record(&target.to_record()), Some(target.clone()));
            assert_eq!(
                (target.form(), target.text()),
                (form, "http://127.0.0.1:3000/dlr?tenant=7")
            );
        }
    }

    #[test]
    fn what_cannot_be_called_is_no_target() {
        let long = format!("http://a.example/{}", "x".repeat(2_048));
        for text in [
            "",
            "127.0.0.1:3000",
            "ftp://a.example/",
            "http://",
            "http://user@a.example/",
            "http://127.0.0.1:3000@evil.example/",
            "plivo-post:",
            &long,
        ] {
            assert_eq!(Target::of_record(text), None, "{text}");
        }
    }

    #[test]
    fn debug_shows_neither_path_nor_query() {
        let target =
            Target::new(Form::PlivoGet, "https://a.example:8443/secret?token=hush").unwrap();
        let shown = format!("{target:?}");
        assert!(shown.contains("https://a.example:8443"), "{shown}");
        assert!(!shown.contains("secret") && !shown.contains("hush"), "{shown}");
    }

    #[test]
    fn plivos_method_is_post_unless_it_is_get() {
        for (method, form) in [
            (None, Form::PlivoPost),
            (Some("POST"), Form::PlivoPost),
            (Some("get"), Form::PlivoGet),
            (Some("PUT"), Form::PlivoPost),
        ] {
            assert_eq!(Form::plivo(method), form, "{method:?}");
        }
    }
}
