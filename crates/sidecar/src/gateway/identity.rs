//! Who asks, and whether it may ask from where it does.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::Uri;
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, header};

use super::refusal::Plain;
use crate::config::App;
use crate::listen::Peer;
use crate::whole::whole;

/// Host and Origin, so that no web page can post to localhost: neither by a name that was made to point here, nor from
/// a page of another origin.
///
/// # Errors
///
/// As [`own_host`] has them; `http.bad_origin` where a browser says that a page of another origin asks.
pub(crate) fn same_place(uri: &Uri, headers: &HeaderMap, hosts: &[String]) -> Result<(), Plain> {
    own_host(uri, headers, hosts)?;
    let own = headers.get(header::HOST).map(|host| [b"http://", host.as_bytes()].concat());
    let foreign = |origin: &http::HeaderValue| {
        !own.as_ref().is_some_and(|own| origin.as_bytes().eq_ignore_ascii_case(own))
    };
    // The same site is another port of this host, too: another origin.
    let elsewhere = |site: &HeaderValue| site == "cross-site" || site == "same-site";
    if headers.get_all("sec-fetch-site").iter().any(elsewhere)
        || headers.get_all(header::ORIGIN).iter().any(foreign)
    {
        return Err(Plain::BadOrigin);
    }
    Ok(())
}

/// Host alone, for what is the same for everybody and may be linked to.
///
/// # Errors
///
/// `http.malformed_host` where the Host header is missing, repeated or no host with perhaps a port (RFC 9112 section
/// 3.2); `http.bad_host` where it names neither loopback nor one of `hosts`.
pub(crate) fn own_host(uri: &Uri, headers: &HeaderMap, hosts: &[String]) -> Result<(), Plain> {
    let mut given = headers.get_all(header::HOST).iter();
    let host = given.next().ok_or(Plain::MalformedHost("is missing"))?;
    if given.next().is_some() {
        return Err(Plain::MalformedHost("is there more than once"));
    }
    let named: Option<Authority> = host.to_str().ok().and_then(|host| host.parse().ok());
    let named = named.ok_or(MALFORMED)?;
    // A target in absolute form wins over the Host header (RFC 9112 section 3.2.2), so it must be ours too.
    let mut all = [Some(&named), uri.authority()].into_iter().flatten();
    if !all.clone().all(is_a_host) {
        return Err(MALFORMED);
    }
    if all.all(|named| is_ours(named, hosts)) { Ok(()) } else { Err(Plain::BadHost) }
}

const MALFORMED: Plain = Plain::MalformedHost("is no host with perhaps a port");

/// Whether there is no user before it, who is nobody that is meant (RFC 9110 section 7.2), and what follows is nothing, or
/// a port in digits; an empty one is none (RFC 3986 section 3.2.3).
fn is_a_host(named: &Authority) -> bool {
    let port = named.as_str().strip_prefix(named.host());
    port.is_some_and(|rest| matches!(rest, "" | ":") || has_port(named))
}

/// Whether it has a port that can be one, in digits alone.
pub(crate) fn has_port(named: &Authority) -> bool {
    named.port().is_some_and(|port| whole::<u16>(port.as_str()).is_some())
}

/// The app that `headers` prove, by `Bearer TOKEN` or by Basic with the app's name and token; without credentials, the
/// app of the user at the other end of a Unix socket, or the one that is open on loopback.
///
/// The Basic name may also be an id of Plivo's shape (`MA` or `SA` and 18 more), since some of Plivo's SDKs take no
/// other; the token alone tells the app then. Every token is compared, each in constant time.
///
/// # Errors
///
/// `auth.missing` without credentials where no app takes that; `auth.invalid` else.
pub(crate) fn app<'a>(
    apps: &'a [Arc<App>],
    headers: &HeaderMap,
    peer: &Peer,
) -> Result<&'a Arc<App>, Plain> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = given.next() else {
        let own = |app: &&Arc<App>| matches!(peer, Peer::Unix { uid: Some(uid) } if app.uids.contains(uid));
        let open = |app: &&Arc<App>| app.open_on_loopback && peer.is_local();
        return apps.iter().find(own).or_else(|| apps.iter().find(open)).ok_or(Plain::AuthMissing);
    };
    if given.next().is_some() {
        return Err(Plain::AuthTwice);
    }
    let (name, token) = credentials(value).ok_or(Plain::AuthInvalid)?;
    let mut found = None;
    for app in apps {
        let named = name.as_deref().is_none_or(|name| name == app.name || has_plivo_shape(name));
        let fits = app.token.as_ref().is_some_and(|known| known.matches(token.as_bytes()));
        if fits && named {
            found = Some(app);
        }
    }
    found.ok_or(Plain::AuthInvalid)
}

/// Whether `account`, in one of Plivo's paths, is who `headers` prove `app` to be: the name of Basic, since SDKs write
/// it at both places; else the app's name or any id of Plivo's shape.
///
/// # Errors
///
/// `auth.other_account`.
pub(crate) fn account(account: &str, app: &App, headers: &HeaderMap) -> Result<(), Plain> {
    let name = headers.get(header::AUTHORIZATION).and_then(credentials).and_then(|(name, _)| name);
    let fits = match name {
        Some(name) => name == account,
        None => account == app.name || has_plivo_shape(account),
    };
    if fits { Ok(()) } else { Err(Plain::OtherAccount) }
}

/// Name and token of an `Authorization` header; a bearer token has no name.
fn credentials(value: &HeaderValue) -> Option<(Option<String>, String)> {
    let (scheme, rest) = value.to_str().ok()?.split_once(' ')?;
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" => Some((None, rest.trim().to_owned())),
        "basic" => {
            let decoded = String::from_utf8(BASE64_STANDARD.decode(rest.trim()).ok()?).ok()?;
            let (name, token) = decoded.split_once(':')?;
            Some((Some(name.to_owned()), token.to_owned()))
        }
        _ => None,
    }
}

fn is_ours(authority: &Authority, hosts: &[String]) -> bool {
    let name = authority.host().trim_end_matches('.');
    let known = |known: &String| {
        known.eq_ignore_ascii_case(name) || known.eq_ignore_ascii_case(authority.as_str())
    };
    name.eq_ignore_ascii_case("localhost") || is_loopback(name) || hosts.iter().any(known)
}

fn is_loopback(name: &str) -> bool {
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Twenty characters that begin with `MA` or `SA` (plivo-api.md 1.1).
fn has_plivo_shape(name: &str) -> bool {
    name.len() == 20 && (name.starts_with("MA") || name.starts_with("SA"))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::{Plain, same_place};
    use http::Uri;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for &(name, value) in pairs {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn loopback_in_every_spelling_and_configured_hosts_are_served() {
        let hosts = ["sms.internal".to_owned()];
        for host in [
            "localhost",
            "LOCALHOST:8787",
            "127.0.0.1:8787",
            "127.8.9.1",
            "[::1]:8787",
            "sms.internal:80",
        ] {
            assert_eq!(
                same_place(&Uri::from_static("/"), &headers(&[("host", host)]), &hosts),
                Ok(()),
                "{host}"
            );
        }
    }

    #[test]
    fn a_name_that_was_made_to_point_here_is_not_served() {
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "2130706433",
            "10.0.0.1",
        ] {
            assert_eq!(
                same_place(&Uri::from_static("/"), &headers(&[("host", host)]), &[]),
                Err(Plain::BadHost),
                "{host}"
            );
        }
    }

    #[test]
    fn a_host_that_is_missing_repeated_or_none_is_malformed() {
        for (given, why) in [
            (&[][..], "is missing"),
            (&[("host", "localhost"), ("host", "evil.example")], "is there more than once"),
            (&[("host", "localhost"), ("host", "localhost")], "is there more than once"),
            (&[("host", "user@localhost")], "is no host with perhaps a port"),
            (&[("host", "localhost:http")], "is no host with perhaps a port"),
            (&[("host", "localhost:99999")], "is no host with perhaps a port"),
            (&[("host", "localhost:+80")], "is no host with perhaps a port"),
            (&[("host", "local host")], "is no host with perhaps a port"),
            (&[("host", "")], "is no host with perhaps a port"),
        ] {
            let told = same_place(&Uri::from_static("/"), &headers(given), &[]);
            assert_eq!(told, Err(Plain::MalformedHost(why)), "{given:?}");
        }
    }

    #[test]
    fn a_page_of_another_origin_is_not_served() {
        for origin in [
            "https://evil.example",
            "null",
            "http://localhost:3000",
            "http://localhost:8787.evil.example",
        ] {
            let page = headers(&[("host", "localhost:8787"), ("origin", origin)]);
            assert_eq!(
                same_place(&Uri::from_static("/"), &page, &[]),
                Err(Plain::BadOrigin),
                "{origin}"
            );
        }
        let own = headers(&[("host", "localhost:8787"), ("origin", "http://localhost:8787")]);
        assert_eq!(same_place(&Uri::from_static("/"), &own, &[]), Ok(()));
        for (site, told) in [
            ("cross-site", Err(Plain::BadOrigin)),
            ("same-site", Err(Plain::BadOrigin)),
            ("same-origin", Ok(())),
            ("none", Ok(())),
        ] {
            let fetch = headers(&[("host", "localhost:8787"), ("sec-fetch-site", site)]);
            assert_eq!(same_place(&Uri::from_static("/"), &fetch, &[]), told, "{site}");
        }
    }
}
