//! Paths and methods.

use http::Method;

use super::answer::Door;
use super::refusal::Plain;

/// Where a path leads.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Send(Door),
    Explain,
    Messages,
    Message(String),
    Converted(String),
    Inbound,
    Policies,
    Limits,
    Events,
    PlivoMessages(String),
    PlivoMessage(String, String),
    OpenApi,
    Problem(String),
    /// Nowhere, told in this form.
    Unknown(Door),
}

const NO_DRY_RUN: &str =
    "is no parameter here; a send takes none; to ask without sending, POST to /v1/explain";

impl Route {
    /// The route of `path`. Only Plivo's own paths may have a slash too many, since its SDKs do.
    pub(crate) fn of(path: &str) -> Self {
        match path {
            "/v1/messages" => return Self::Messages,
            "/v1/explain" => return Self::Explain,
            "/v1/policies" => return Self::Policies,
            "/v1/limits" => return Self::Limits,
            "/v1/events" => return Self::Events,
            "/v1/inbound" => return Self::Inbound,
            "/mms/send" => return Self::Send(Door::Seed),
            "/openapi.json" => return Self::OpenApi,
            _ => {}
        }
        if let Some(code) = path.strip_prefix("/problems/").filter(|code| !code.is_empty()) {
            return Self::Problem(code.to_owned());
        }
        let of_message = path.strip_prefix("/v1/messages/").unwrap_or_default();
        match of_message.split_once('/') {
            None if !of_message.is_empty() => return Self::Message(of_message.to_owned()),
            Some((id, "converted")) if !id.is_empty() => return Self::Converted(id.to_owned()),
            _ => {}
        }
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        match segments.as_slice() {
            ["v1", "Account", account, "Message"] => Self::PlivoMessages((*account).to_owned()),
            ["v1", "Account", account, "Message", id] => {
                Self::PlivoMessage((*account).to_owned(), (*id).to_owned())
            }
            ["v1", "Account", ..] => Self::Unknown(Door::Plivo),
            _ => Self::Unknown(Door::Native),
        }
    }

    /// The path's pattern, for spans; none of a path that leads nowhere.
    pub(crate) fn pattern(&self) -> Option<&'static str> {
        Some(match self {
            Self::Send(_) => "/mms/send",
            Self::Explain => "/v1/explain",
            Self::Messages => "/v1/messages",
            Self::Message(_) => "/v1/messages/{id}",
            Self::Converted(_) => "/v1/messages/{id}/converted",
            Self::Inbound => "/v1/inbound",
            Self::Policies => "/v1/policies",
            Self::Limits => "/v1/limits",
            Self::Events => "/v1/events",
            Self::PlivoMessages(_) => "/v1/Account/{auth_id}/Message/",
            Self::PlivoMessage(..) => "/v1/Account/{auth_id}/Message/{uuid}/",
            Self::OpenApi => "/openapi.json",
            Self::Problem(_) => "/problems/{code}",
            Self::Unknown(_) => return None,
        })
    }

    /// The account that Plivo's paths name.
    pub(crate) fn account(&self) -> Option<&str> {
        match self {
            Self::PlivoMessages(account) | Self::PlivoMessage(account, _) => Some(account),
            _ => None,
        }
    }

    /// The form its answers have.
    pub(crate) fn door(&self) -> Door {
        match self {
            Self::Send(door) | Self::Unknown(door) => *door,
            Self::PlivoMessages(_) | Self::PlivoMessage(..) => Door::Plivo,
            _ => Door::Native,
        }
    }

    /// What is said of a parameter in the URL where none is taken. Plivo's paths do as Plivo does, which reads none.
    pub(crate) fn takes_no_query(&self, method: &Method) -> Option<&'static str> {
        match self {
            // Somebody may mean a dry run by one.
            Self::Send(_) => Some(NO_DRY_RUN),
            Self::Messages if method == Method::POST => Some(NO_DRY_RUN),
            Self::Explain
            | Self::Message(_)
            | Self::Converted(_)
            | Self::Inbound
            | Self::Policies
            | Self::Limits => Some("is no parameter here; this door takes none"),
            _ => None,
        }
    }

    /// # Errors
    ///
    /// `http.method_not_allowed` with the methods that this route takes.
    pub(crate) fn takes(&self, method: &Method) -> Result<(), Plain> {
        let (allowed, names): (&[Method], _) = match self {
            Self::Send(_) | Self::Explain | Self::Converted(_) | Self::Inbound => {
                (&[Method::POST], "POST")
            }
            Self::Messages | Self::PlivoMessages(_) => {
                (&[Method::GET, Method::HEAD, Method::POST], "GET, HEAD, POST")
            }
            Self::Message(_)
            | Self::Policies
            | Self::Limits
            | Self::Events
            | Self::PlivoMessage(..)
            | Self::OpenApi
            | Self::Problem(_) => (&[Method::GET, Method::HEAD], "GET, HEAD"),
            Self::Unknown(_) => return Ok(()),
        };
        if allowed.contains(method) { Ok(()) } else { Err(Plain::MethodNotAllowed(names)) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::iter::successors;

    use http::Method;

    use super::{Door, Route};
    use crate::openapi::{self, testing::operations};

    /// One of each. A route that is new does not compile before it is here.
    fn each() -> impl Iterator<Item = Route> {
        let text = String::new;
        successors(Some(Route::Send(Door::Seed)), move |route| match route {
            Route::Send(_) => Some(Route::Explain),
            Route::Explain => Some(Route::Messages),
            Route::Messages => Some(Route::Message(text())),
            Route::Message(_) => Some(Route::Converted(text())),
            Route::Converted(_) => Some(Route::Inbound),
            Route::Inbound => Some(Route::Policies),
            Route::Policies => Some(Route::Limits),
            Route::Limits => Some(Route::Events),
            Route::Events => Some(Route::PlivoMessages(text())),
            Route::PlivoMessages(_) => Some(Route::PlivoMessage(text(), text())),
            Route::PlivoMessage(..) => Some(Route::OpenApi),
            Route::OpenApi => Some(Route::Problem(text())),
            Route::Problem(_) | Route::Unknown(_) => None,
        })
    }

    #[test]
    fn the_document_has_every_route_with_its_methods_and_no_other() {
        let mut routed = BTreeSet::new();
        for route in each() {
            let path = route.pattern().expect("it leads somewhere");
            assert_eq!(Route::of(path).pattern(), Some(path), "{path}");
            let taken = [Method::GET, Method::POST].into_iter().filter(|m| route.takes(m).is_ok());
            routed.extend(taken.map(|method| format!("{method} {path}")));
        }
        assert_eq!(operations(openapi::APPS), routed);
    }

    #[test]
    fn plivos_paths_are_known_with_slashes_too_few_and_too_many() {
        for path in
            ["/v1/Account/MAX/Message", "/v1/Account/MAX/Message/", "//v1/Account/MAX//Message//"]
        {
            assert_eq!(Route::of(path), Route::PlivoMessages("MAX".into()), "{path}");
        }
        assert_eq!(
            Route::of("/v1/Account/MAX/Message/u1/"),
            Route::PlivoMessage("MAX".into(), "u1".into())
        );
    }

    #[test]
    fn our_own_paths_are_exact() {
        for path in [
            "/v1/messages/",
            "/v1/messages/a/b",
            "/v1/messages//converted",
            "/v1/messages/a/converted/",
            "/V1/messages",
            "/",
            "/v1/numbers",
        ] {
            assert_eq!(Route::of(path), Route::Unknown(Door::Native), "{path}");
        }
        for path in ["/v1/Account/MAX/Call/", "/v1/Account/MAX/", "/v1/Account"] {
            assert_eq!(Route::of(path), Route::Unknown(Door::Plivo), "{path}");
        }
    }
}
