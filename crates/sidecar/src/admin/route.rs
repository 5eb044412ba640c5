//! The paths of the admin listener.

use http::Method;

use super::Refusal;
use super::dashboard::Part;

/// Every path, for whoever asks for another.
pub(super) const PATHS: &[&str] = &[
    "GET /livez",
    "GET /startupz",
    "GET /readyz",
    "GET /metrics",
    "GET /policies",
    "GET /policies/{name}/differences",
    "POST /policies/{name}/promote",
    "POST /rollback?to=",
    "GET /messages?app=&status=&to=&after=&limit=&numbers=",
    "GET /messages/{id}",
    "POST /messages/{id}/release",
    "POST /messages/{id}/cancel",
    "GET /events/dead?app=&limit=",
    "POST /events/revive?app=",
    "GET /inbound",
    "POST /inbound?from=&to=&text=",
    "GET /openapi.json",
];

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    Live,
    Started,
    Ready,
    Metrics,
    Policies,
    Differences(String),
    Promote(String),
    Rollback,
    Messages,
    Message(String),
    Release(String),
    Cancel(String),
    DeadEvents,
    Revive,
    Inbound,
    /// Where Plivo brings what handsets say.
    InboundUrl,
    OpenApi,
    Dashboard(Part),
    Unknown,
}

impl Route {
    pub(super) fn of(method: &Method, path: &str) -> Self {
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        match parts[..] {
            ["livez"] => Self::Live,
            ["startupz"] => Self::Started,
            ["readyz"] => Self::Ready,
            ["metrics"] => Self::Metrics,
            ["policies"] => Self::Policies,
            ["policies", name, "differences"] => Self::Differences(name.to_owned()),
            ["policies", name, "promote"] => Self::Promote(name.to_owned()),
            ["rollback"] => Self::Rollback,
            ["messages"] => Self::Messages,
            ["messages", id] if !id.is_empty() => Self::Message(id.to_owned()),
            ["messages", id, "release"] => Self::Release(id.to_owned()),
            ["messages", id, "cancel"] => Self::Cancel(id.to_owned()),
            ["events", "dead"] => Self::DeadEvents,
            ["events", "revive"] => Self::Revive,
            ["inbound"] if method == Method::POST => Self::Inbound,
            ["inbound"] => Self::InboundUrl,
            ["openapi.json"] => Self::OpenApi,
            _ => Part::of(&parts).map_or(Self::Unknown, Self::Dashboard),
        }
    }

    /// Whether it is asked by machines, which call the sidecar whatever they like.
    pub(super) fn is_probe(&self) -> bool {
        matches!(self, Self::Live | Self::Started | Self::Ready | Self::Metrics)
    }

    /// Whether a parameter would say nothing to it. Probes have some of the mesh's, which are passed over.
    pub(super) fn takes_no_query(&self) -> bool {
        matches!(
            self,
            Self::Policies
                | Self::Differences(_)
                | Self::Promote(_)
                | Self::Release(_)
                | Self::Cancel(_)
                | Self::InboundUrl
                | Self::OpenApi
                | Self::Dashboard(_)
        )
    }

    /// Whether it changes anything, and so needs the operator's token.
    pub(super) fn changes(&self) -> bool {
        matches!(
            self,
            Self::Promote(_)
                | Self::Rollback
                | Self::Release(_)
                | Self::Cancel(_)
                | Self::Revive
                | Self::Inbound
        )
    }

    /// # Errors
    ///
    /// The methods that it takes, where `method` is none of them.
    pub(super) fn takes(&self, method: &Method) -> Result<(), Refusal> {
        let allow = match self {
            Self::Inbound | Self::InboundUrl => "GET, HEAD, POST",
            _ if self.changes() => "POST",
            _ => "GET, HEAD",
        };
        let taken = allow.split(", ").any(|each| each == method.as_str());
        if taken || *self == Self::Unknown { Ok(()) } else { Err(Refusal::Method(allow)) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::openapi::{self, testing::operations};

    #[test]
    fn the_document_has_every_path_and_besides_only_what_plivo_calls() {
        let served = PATHS.iter().chain(Part::PATHS).filter_map(|path| path.split('?').next());
        let served = served.map(str::to_owned);
        let plivos = ["inbound/{token}", "{message}/{attempt}/{token}"];
        let plivos = plivos.map(|path| format!("POST /callbacks/plivo/{path}"));
        // It is one document, whether the dashboard is built in or not.
        let is_dashboards = |path: &str| path == "GET /" || path.starts_with("GET /dashboard/");
        let mut told = operations(openapi::ADMIN);
        told.retain(|path| cfg!(feature = "dashboard") || !is_dashboards(path));
        assert_eq!(told, served.chain(plivos).collect::<BTreeSet<_>>());
    }

    #[test]
    fn a_path_leads_to_one_route_and_a_near_miss_to_none() {
        let id = || "01a2".to_owned();
        for (path, route) in [
            ("/livez", Route::Live),
            ("/startupz", Route::Started),
            ("/messages", Route::Messages),
            ("/messages/01a2", Route::Message(id())),
            ("/messages/01a2/release", Route::Release(id())),
            ("/messages/01a2/cancel", Route::Cancel(id())),
            ("/events/dead", Route::DeadEvents),
            ("/events/revive", Route::Revive),
            ("/messages/", Route::Unknown),
            ("/messages/01a2/release/", Route::Unknown),
            ("/messages/01a2/send", Route::Unknown),
            ("//livez", Route::Unknown),
            ("/dashboard/", Route::Unknown),
            ("/dashboard/page.html", Route::Unknown),
        ] {
            assert_eq!(Route::of(&Method::GET, path), route, "{path}");
        }
    }

    #[test]
    fn what_changes_something_is_a_post_and_nothing_else_is() {
        for path in PATHS.iter().chain(Part::PATHS) {
            let (method, path) = path.split_once(' ').unwrap();
            let own: Method = method.parse().unwrap();
            let route = Route::of(&own, path.split('?').next().unwrap());
            assert_ne!(route, Route::Unknown, "{path}");
            assert_eq!(route.changes(), method == "POST", "{path}");
            let other = if method == "POST" { Method::GET } else { Method::POST };
            let both = path.starts_with("/inbound");
            assert!(route.takes(&own).is_ok(), "{path}");
            assert_eq!(route.takes(&other).is_ok(), both, "{path}");
        }
    }
}
