//! Which of Plivo's resources a path names.

use http::Method;

/// A resource. The account's id is kept, so that a foreign one can be refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Resource {
    Account,
    Messages,
    Message(String),
    MediaOfMessage(String),
    Uploads,
    Upload(String),
    Number(String),
    Control(String),
}

/// Reads a path; repeated and trailing slashes mean nothing (Plivo's Go SDK asks for `…/Media//`).
///
/// Returns the account named in it, and the resource.
pub(crate) fn resource(path: &str) -> Option<(String, Resource)> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    if let ["_sim", rest @ ..] = parts.as_slice() {
        return Some((String::new(), Resource::Control(rest.join("/"))));
    }
    let ["v1", "Account", account, rest @ ..] = parts.as_slice() else { return None };
    let resource = match rest {
        [] => Resource::Account,
        ["Message"] => Resource::Messages,
        ["Message", uuid] => Resource::Message((*uuid).to_owned()),
        ["Message", uuid, "Media"] => Resource::MediaOfMessage((*uuid).to_owned()),
        ["Media"] => Resource::Uploads,
        ["Media", id] => Resource::Upload((*id).to_owned()),
        ["Number", number] => Resource::Number((*number).to_owned()),
        _ => return None,
    };
    Some(((*account).to_owned(), resource))
}

impl Resource {
    /// The methods it answers, for 405's `allow`.
    pub(crate) fn methods(&self) -> &'static [Method] {
        match self {
            Self::Messages | Self::Uploads => &[Method::GET, Method::POST],
            Self::Control(_) => &[Method::GET, Method::PUT, Method::POST, Method::DELETE],
            _ => &[Method::GET],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_are_folded_and_the_last_one_is_optional() {
        for (path, expected) in [
            ("/v1/Account/MA/Message/", Some(Resource::Messages)),
            ("/v1/Account/MA/Message", Some(Resource::Messages)),
            ("//v1//Account/MA///Message//", Some(Resource::Messages)),
            ("/v1/Account/MA/", Some(Resource::Account)),
            ("/v1/Account/MA/Message/u1/", Some(Resource::Message("u1".to_owned()))),
            ("/v1/Account/MA/Message/u1/Media//", Some(Resource::MediaOfMessage("u1".to_owned()))),
            ("/v1/Account/MA/Media/m1", Some(Resource::Upload("m1".to_owned()))),
            ("/v1/Account/MA/Number/1415/", Some(Resource::Number("1415".to_owned()))),
            ("/v1/Account/", None),
            ("/v2/Account/MA/Message/", None),
            ("/v1/Account/MA/Call/", None),
            ("/v1/account/MA/Message/", None),
        ] {
            assert_eq!(resource(path).map(|(_, resource)| resource), expected, "{path}");
        }
    }

    #[test]
    fn control_routes_stand_outside_the_api() {
        let (_, control) = resource("/_sim/sends").unwrap();
        assert_eq!(control, Resource::Control("sends".to_owned()));
    }
}
