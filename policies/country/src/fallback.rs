use message::facts::text_faults;
use message::{Kind, Segments};
use policy_sdk::{Change, Decision, Fault, Message, Rejection, reject};

use crate::settings::Fallback;

/// What becomes of a message with media to a country without MMS. Never silent: a change says so to the app.
pub(crate) fn without_media(fallback: Fallback, message: &Message, region: &str) -> Decision {
    let links = match fallback {
        Fallback::Deny => {
            return no_media(message, region).into();
        }
        Fallback::Strip => "",
        // Media that Plivo keeps have no address that a handset could open.
        Fallback::Link => &message.media_urls.join(" "),
    };
    let text = match (is_blank(&message.text), links.is_empty()) {
        (true, true) => {
            let detail =
                format!("{region} may not have media, and nothing would be left without them");
            return reject("mms.empty_after_fallback", detail).into();
        }
        (false, true) => message.text.clone(),
        (true, false) => links.to_owned(),
        (false, false) => format!("{} {links}", message.text),
    };
    // Else the host would refuse the change, as if it were not the message's length but this policy that is at fault.
    if !text_faults(&text, Kind::Sms, &Segments::of(&text), "/text").is_empty() {
        let detail = format!(
            "{region} may not have media, and what would be left is too long for a text; shorten it"
        );
        return reject("mms.too_long_after_fallback", detail).into();
    }
    let how = match (links.is_empty(), message.media_ids.is_empty()) {
        (true, _) => "were left away",
        (false, true) => "became links in the text",
        (false, false) => "became links in the text, but those in `media_ids`, which have none",
    };
    let mut change =
        Change::new("mms.downgraded", format!("{region} may not have media; they {how}"));
    if text != message.text {
        change = change.set_text(text);
    }
    change.set_media_urls(Vec::new()).into()
}

/// Refused at each member that names media.
fn no_media(message: &Message, region: &str) -> Rejection {
    let code = "country.mms_unsupported";
    let members =
        [("/media_urls", &message.media_urls[..]), ("/media_ids", &message.media_ids[..])];
    let refusal = reject(code, format!("{region} may not have media; send text alone"));
    members.into_iter().filter(|(_, media)| !media.is_empty()).fold(refusal, |refusal, (at, _)| {
        refusal.fault(Fault::new(at, code, format!("may not go to {region}; send text alone")))
    })
}

/// Whether there is nothing to see in a text, which is then none to the host either.
fn is_blank(text: &str) -> bool {
    let faults = text_faults(text, Kind::Sms, &Segments::of(text), "/text");
    faults.iter().any(|fault| fault.code == "text.empty")
}
