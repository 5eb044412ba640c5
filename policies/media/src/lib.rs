//! Refuses media that Plivo could not fetch or carriers would not take, by what the host found at their URLs.
//!
//! Plivo fetches media only after it has taken the message, and its report that they were no good comes minutes later.

use policy_sdk::media::{self, Probe};
use policy_sdk::{
    Context, Decision, Facts, Fault, Message, Policy, PolicyError, Problem, export, problem, reject,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Above this, some carriers make a picture smaller or drop it (Plivo support: "MMS file size"), in bytes.
const LARGE: u64 = 600_000;

/// What an operator may write.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The content types that may be sent.
    types: Vec<String>,
    /// Most bytes of one medium.
    max_bytes: u64,
    /// Most bytes of all media of a message and its text.
    max_total_bytes: u64,
    /// What becomes of media at which nothing was found, or of which too little was told.
    unreachable: Unreachable,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Unreachable {
    /// Sent, with a warning: this host may not reach what Plivo can.
    #[default]
    Warn,
    Reject,
}

/// Judges what the host found.
#[derive(Debug)]
pub struct Media(Settings);

impl Default for Settings {
    fn default() -> Self {
        Self {
            types: ["image/jpeg", "image/png", "image/gif"].map(str::to_owned).to_vec(),
            max_bytes: 2 << 20,
            max_total_bytes: 5_000_000,
            unreachable: Unreachable::Warn,
        }
    }
}

impl Policy for Media {
    type Settings = Settings;
    const SUMMARY: &'static str =
        "Refuses media that Plivo could not fetch or carriers would not take";

    fn configure(settings: Settings) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        if settings.types.is_empty() {
            problems.push(problem("/types", "is empty, and so no medium could be sent"));
        }
        for (nth, _) in settings.types.iter().enumerate().filter(|(_, word)| !is_type(word)) {
            let detail = "is no content type; write it in small letters, such as image/jpeg";
            problems.push(problem(format!("/types/{nth}"), detail));
        }
        let sizes =
            [("/max_bytes", settings.max_bytes), ("/max_total_bytes", settings.max_total_bytes)];
        for (pointer, _) in sizes.into_iter().filter(|(_, most)| *most == 0) {
            problems.push(problem(pointer, "is 0, and so no medium could be sent"));
        }
        if problems.is_empty() { Ok(Self(settings)) } else { Err(problems) }
    }

    fn check(&self, message: &Message, _: &Facts, _: &Context) -> Result<Decision, PolicyError> {
        if message.media_urls.is_empty() {
            return Ok(Decision::accept());
        }
        let probes = media::probes();
        let (mut faults, mut doubts) = (Vec::new(), Vec::new());
        for (nth, probe) in probes.iter().enumerate() {
            // One that was not looked at: there is no probe, or a policy has put the URL in.
            let Some(probe) = probe else { continue };
            let pointer = format!("/media_urls/{nth}");
            match self.fault(probe, &pointer) {
                Some(fault) if is_doubt(&fault) => doubts.push(fault),
                Some(fault) => faults.push(fault),
                None => {}
            }
        }
        let known = probes.iter().flatten().filter_map(|probe| probe.bytes);
        let total = known.fold(message.text.len() as u64, u64::saturating_add);
        if total > self.0.max_total_bytes && faults.is_empty() {
            let detail = format!(
                "have {total} bytes with the text; at most {} are taken",
                self.0.max_total_bytes
            );
            faults.push(Fault::new("/media_urls", "media.total_too_large", detail));
        }
        if self.0.unreachable == Unreachable::Reject {
            faults.append(&mut doubts);
        }
        if let Some(first) = faults.first() {
            let no = reject(first.code.clone(), "the media could not be sent; see `errors`");
            return Ok(faults.into_iter().fold(no, |no, fault| no.fault(fault)).into());
        }
        let decision = doubts.into_iter().fold(Decision::accept(), |decision, doubt| {
            decision.warn(doubt.code, format!("{} {}", doubt.pointer, doubt.detail))
        });
        let large =
            probes.iter().flatten().any(|probe| probe.bytes.is_some_and(|bytes| bytes > LARGE));
        Ok(match large {
            true => {
                decision.warn("media.large", "some carriers take no medium above 600 kB as it is")
            }
            false => decision,
        })
    }
}

export!(Media, cases = "../cases.toml");

impl Media {
    /// What stands against one medium.
    fn fault(&self, probe: &Probe, pointer: &str) -> Option<Fault> {
        let fault = |code: &str, detail: String| Some(Fault::new(pointer, code, detail));
        match probe.outcome.as_str() {
            "resolves-private" => {
                let detail = "is at a private address or name, or its name has a private address; Plivo needs a \
                              public host";
                return fault("url.resolves_private", detail.into());
            }
            "redirects-private" => {
                return fault(
                    "url.redirect_private",
                    "leads on to a private place; Plivo needs a public host".into(),
                );
            }
            "found" => {}
            "refused" => {
                return fault(
                    "media.unreachable",
                    format!("answers {} and no medium", probe.status),
                );
            }
            _ => return fault("media.unreachable", "could not be fetched".into()),
        }
        if probe.content_type.is_empty() || probe.bytes.is_none() {
            let detail = "is served without Content-Type or Content-Length, which Plivo needs";
            return fault("media.headers_missing", detail.into());
        }
        if !self.0.types.contains(&probe.content_type) {
            let detail = format!("is no {}", self.0.types.join(", "));
            return fault("media.type_denied", detail);
        }
        match probe.bytes {
            Some(0) => fault("media.unreachable", "has 0 bytes, and so no medium is there".into()),
            Some(bytes) if bytes > self.0.max_bytes => {
                let detail = format!("has {bytes} bytes; at most {} are taken", self.0.max_bytes);
                fault("media.too_large", detail)
            }
            _ => None,
        }
    }
}

/// Whether `text` is what the host tells of a Content-Type: type and subtype, in small letters, without parameters.
fn is_type(text: &str) -> bool {
    let is_word = |word: &str| {
        let inner = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$&^_.+-".contains(&byte)
        };
        !word.is_empty() && word.bytes().all(inner)
    };
    text.split_once('/').is_some_and(|(kind, subtype)| is_word(kind) && is_word(subtype))
}

/// Whether it may be this host's trouble alone.
fn is_doubt(fault: &Fault) -> bool {
    matches!(fault.code.as_str(), "media.unreachable" | "media.headers_missing")
}

#[cfg(test)]
mod tests {
    use policy_sdk::media::Probe;
    use policy_sdk::testing::{Case, mms, probed, sms};
    use policy_sdk::{Decision, Message};

    use super::Media;

    fn found(content_type: &str, bytes: u64) -> Option<Probe> {
        Some(Probe {
            outcome: "found".into(),
            status: 200,
            content_type: content_type.into(),
            bytes: Some(bytes),
        })
    }

    fn not(outcome: &str, status: u16) -> Option<Probe> {
        Some(Probe { outcome: outcome.into(), status, content_type: String::new(), bytes: None })
    }

    fn asked(settings: &str, probes: Vec<Option<Probe>>) -> Decision {
        let mut case = Case::<Media>::new(settings);
        let url = "https://cdn.example.com/a.jpg".to_owned();
        let message = Message { media_urls: vec![url; probes.len()], ..mms() };
        probed(probes);
        case.check(&message)
    }

    #[test]
    fn media_of_the_right_type_and_size_pass() {
        for kind in ["image/jpeg", "image/png", "image/gif"] {
            assert_eq!(asked("{}", vec![found(kind, 2 << 20)]).refused_with(), None, "{kind}");
        }
        assert_eq!(asked("{}", vec![found("image/png", 600_000)]), Decision::accept());
        let large = asked("{}", vec![found("image/png", 600_001)]);
        assert!(large.noted("media.large").is_some());
    }

    #[test]
    fn each_fault_has_its_code_and_its_place() {
        for (probe, code) in [
            (not("resolves-private", 0), "url.resolves_private"),
            (not("redirects-private", 0), "url.redirect_private"),
            (found("image/svg+xml", 900), "media.type_denied"),
            (found("image/png", (2 << 20) + 1), "media.too_large"),
        ] {
            let decision = asked("{}", vec![found("image/png", 1), probe]);
            let rejection = decision.rejection().unwrap_or_else(|| panic!("{code} passes"));
            assert_eq!(rejection.code, code);
            assert_eq!(rejection.faults[0].pointer, "/media_urls/1", "{code}");
        }
    }

    #[test]
    fn together_with_the_text_they_have_a_bound() {
        let gif = || found("image/gif", 1_900_000);
        assert_eq!(asked("{}", vec![gif(), gif()]).refused_with(), None);
        assert_eq!(
            asked("{}", vec![gif(), gif(), gif()]).refused_with(),
            Some("media.total_too_large")
        );
    }

    #[test]
    fn what_could_not_be_found_is_a_warning_unless_the_operator_wants_more() {
        let bare = Some(Probe { bytes: None, ..found("image/png", 0).expect("a probe") });
        for (probe, code) in [
            (not("unreachable", 0), "media.unreachable"),
            (not("too-many-redirects", 0), "media.unreachable"),
            (not("refused", 404), "media.unreachable"),
            (found("image/png", 0), "media.unreachable"),
            (bare, "media.headers_missing"),
        ] {
            let decision = asked("{}", vec![probe.clone()]);
            assert_eq!(
                (decision.refused_with(), decision.noted(code).is_some()),
                (None, true),
                "{code}"
            );
            let strict = asked(r#"{"unreachable": "reject"}"#, vec![probe]);
            assert_eq!(strict.refused_with(), Some(code));
        }
    }

    #[test]
    fn what_was_not_looked_at_passes() {
        assert_eq!(asked("{}", vec![None]), Decision::accept());
        assert_eq!(Case::<Media>::new("{}").check(&sms()), Decision::accept());
    }
}
