//! Plivo: one harmless GET of the account tells whether it can be reached, knows the credentials, and what its clock
//! shows; another, whether the sender is the account's.

use std::time::{Instant, SystemTime};

use message::{Sender, Timestamp};
use plivo_client::{Credentials, LookupError, NotSentKind, PlivoClient};

use super::{Finding, PATIENCE};
use crate::config::{Plivo, Reloadable};
use crate::failure::whole;
use crate::in_force::{client_config, credentials};

/// A clock that is further off is warned about, as it is by a running sidecar.
const CLOCK_S: u64 = 60;

/// The account of whoever names none, then the others, of which only credentials and sender are told: they are called
/// like the first.
pub(super) async fn look(settings: &Reloadable) -> Vec<Finding> {
    let mut findings = look_at("plivo", &settings.plivo).await;
    for (name, plivo) in &settings.accounts {
        let found = look_at(&format!("plivo.accounts.{name}"), plivo).await;
        let own = found.into_iter().filter(Finding::is_of_account);
        findings.extend(own.map(|finding| finding.about(&format!("account `{name}`"))));
    }
    findings
}

async fn look_at(section: &str, plivo: &Plivo) -> Vec<Finding> {
    let url = plivo.base_url.as_str();
    let made = PlivoClient::new(client_config(plivo)).map_err(|err| whole(&err));
    let (client, credentials) = match (made, credentials(plivo)) {
        (Ok(client), Ok(credentials)) => (client, credentials),
        (Err(seen), _) | (_, Err(seen)) => {
            return vec![Finding::fail("plivo", seen, format!("mend [{section}]"))];
        }
    };
    let asked = client.probe(&credentials, PATIENCE).await;
    let reached = match &asked {
        Err(err @ LookupError::Unreachable { kind, .. }) => {
            Finding::fail("plivo", format!("{url}: {}", whole(err)), advice(*kind))
        }
        Err(err @ LookupError::NoAnswer(_)) => {
            let to_do =
                "see what stands between this machine and Plivo, such as a firewall or a proxy";
            Finding::fail("plivo", format!("{url}: {}", whole(err)), to_do)
        }
        Err(LookupError::Unreadable) => {
            let seen = format!("what answers at {url} is not Plivo");
            Finding::fail("plivo", seen, "mend [plivo] base_url")
        }
        Err(LookupError::Status { status: 500.., .. }) => {
            let to_do = "wait; a sidecar holds messages back meanwhile, and tries again";
            Finding::warn("plivo", format!("{url} answers, but is not well"), to_do)
        }
        Ok(()) | Err(LookupError::Status { .. }) => Finding::ok("plivo", format!("{url} answers")),
    };
    let known = match &asked {
        Ok(()) => {
            Finding::ok("credentials", "Plivo knows the account, by a GET that costs nothing")
        }
        Err(LookupError::Status { status: 401, .. }) => Finding::fail(
            "credentials",
            "Plivo refuses auth_id and auth_token (401)",
            if section == "plivo" {
                "mend [plivo] auth_id and auth_token, or PLIVO_AUTH_ID and PLIVO_AUTH_TOKEN, as the console shows them"
                    .to_owned()
            } else {
                format!("mend [{section}] auth_id and auth_token as the console shows them")
            },
        ),
        Err(LookupError::Status { status, .. }) => Finding::warn(
            "credentials",
            format!("Plivo answers {status}, which does not tell whether it knows the account"),
            "see `[plivo] base_url`, and ask again",
        ),
        Err(_) => Finding::skipped("credentials", "Plivo could not be asked"),
    };
    let sender = match &asked {
        Ok(()) => sender(section, &client, &credentials, &plivo.sender).await,
        Err(LookupError::Status { status: ..500, .. }) => {
            Finding::skipped("sender", "Plivo tells of it only to an account that it knows")
        }
        Err(_) => Finding::skipped("sender", "Plivo could not be asked, or could not answer"),
    };
    vec![reached, known, sender, clock(client.time_at(Instant::now()), SystemTime::now().into())]
}

/// Whether the default sender is a number of the account, where it is one.
async fn sender(
    section: &str,
    client: &PlivoClient,
    credentials: &Credentials,
    sender: &Sender,
) -> Finding {
    let Sender::Number(number) = sender else {
        return Finding::skipped("sender", "it is no number, and Plivo tells of numbers alone");
    };
    let masked = number.masked();
    match client.has_number(credentials, number, PATIENCE).await {
        Ok(true) => Finding::ok("sender", format!("the account has {masked}")),
        Ok(false) => Finding::warn(
            "sender",
            format!("the account has no number {masked}"),
            if section == "plivo" {
                "mend [plivo] sender or PLIVO_SENDER_NUMBER, unless the number is hosted for you"
                    .to_owned()
            } else {
                format!("mend [{section}] sender, unless the number is hosted for you")
            },
        ),
        Err(err) => Finding::skipped("sender", whole(&err)),
    }
}

/// What is told of Plivo's clock is a second or two old.
fn clock(theirs: Option<Timestamp>, ours: Timestamp) -> Finding {
    let Some(theirs) = theirs else {
        return Finding::skipped("clock", "Plivo's clock could not be seen");
    };
    let (ahead, behind) = (ours.since(theirs).as_secs(), theirs.since(ours).as_secs());
    if ahead.max(behind) <= CLOCK_S {
        return Finding::ok("clock", "within a minute of Plivo's");
    }
    let seen = match ahead > behind {
        true => format!("this machine's is {ahead} s ahead of Plivo's"),
        false => format!("this machine's is {behind} s behind Plivo's"),
    };
    Finding::warn("clock", seen, "set it by NTP: deadlines, quiet hours and limits follow it")
}

fn advice(kind: NotSentKind) -> &'static str {
    match kind {
        NotSentKind::Dns => "mend [plivo] base_url, or the names that this machine can look up",
        NotSentKind::Tls | NotSentKind::Certificate => {
            "install the system's ca-certificates, and see who answers in Plivo's place"
        }
        NotSentKind::Refused => "mend [plivo] base_url, or start what should listen there",
        _ => {
            "let this machine connect there: a firewall, a NetworkPolicy, or a mesh's egress may keep it"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_warned_about_from_more_than_a_minute_on() {
        let at = |seconds: u64| Timestamp(seconds * 1_000);
        for (theirs, ours, told) in [
            (None, 0, "skipped"),
            (Some(1_000), 1_060, "ok "),
            (Some(1_000), 1_061, "61 s ahead"),
            (Some(1_000), 900, "100 s behind"),
        ] {
            let said = clock(theirs.map(at), at(ours)).to_string();
            assert!(said.contains(told), "{said}");
        }
    }
}
