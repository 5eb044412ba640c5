//! What people are shown of values that may hold secrets.

use std::borrow::Cow;

use serde_json::Value;
use telemetry::is_secret_name;
use url::Url;

/// Schemes whose addresses name people, and have no passwords.
const OF_PEOPLE: [&str; 5] = ["mailto", "sip", "sips", "xmpp", "acct"];
/// What stands before credentials in a header.
const CREDENTIALS: [&str; 2] = ["bearer", "basic"];
/// Fewest characters of what may be a token.
const TOKEN: usize = 6;

/// Of an address that has more than that, its scheme, host and path: a user, a password and a query are nobody's business.
/// Of several words those with a user and a password lose these, and so does `Bearer` or `Basic` what looks like a token
/// behind it. None of any other text.
pub(crate) fn bare_address(text: &str) -> Option<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    if let [word] = words[..]
        && let Some(bare) = bare(word)
    {
        return Some(bare);
    }
    let (mut shown, mut hides) = (Vec::new(), false);
    for (nth, word) in words.iter().enumerate() {
        let before = nth.checked_sub(1).map(|before| words[before]);
        if before.is_some_and(announces) && is_token(word) {
            hides = true;
        } else if let Some(bare) = without_user(word) {
            hides = true;
            shown.push(bare);
        } else {
            shown.push((*word).to_owned());
        }
    }
    hides.then(|| shown.join(" "))
}

/// The same of one word that is an address and nothing else.
fn bare(word: &str) -> Option<String> {
    if word.starts_with("//") {
        // An address that leaves its scheme to whoever reads it.
        let bare = bare(&format!("https:{word}"))?;
        return bare.strip_prefix("https:").map(str::to_owned);
    }
    let url = Url::parse(word).ok()?;
    let (user, query, fragment) = (url.username(), url.query(), url.fragment());
    let tells =
        !user.is_empty() || url.password().is_some() || query.is_some() || fragment.is_some();
    match url.host_str() {
        Some(host) if tells => {
            let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
            Some(format!("{}://{host}{port}{}", url.scheme(), url.path()))
        }
        // `jdbc:postgresql://host/?password=…`: an address within a scheme.
        None if (word.contains("://") && word.contains(['@', '?', '#']))
            || query.is_some_and(|query| query.contains('=')) =>
        {
            Some(format!("{}:", url.scheme()))
        }
        _ => None,
    }
}

/// `word` without the user and the password in it, wherever they begin; none where it has none.
fn without_user(word: &str) -> Option<String> {
    let (word, digest) = word.split_at(word.len() - digest_of(word).len());
    let (before, host) = word.rsplit_once('@')?;
    let (shown, user) = match before.split_once("//") {
        Some((scheme, user)) => (format!("{scheme}//"), user),
        None => (String::new(), before),
    };
    let (first, _) = user.split_once(':')?;
    let first = first.trim_start_matches(|c: char| !c.is_alphanumeric()).to_ascii_lowercase();
    (!OF_PEOPLE.contains(&&*first)).then(|| shown + host + digest)
}

/// The digest at the end of a registry's reference, whole or mistyped, with its `@`; nothing behind any other word.
fn digest_of(word: &str) -> &str {
    let named =
        |place: &str| place.rsplit_once("//").map_or(place, |(_, place)| place).contains('/');
    match word.rfind("@sha256:") {
        Some(at) if named(&word[..at]) => &word[at..],
        _ => "",
    }
}

fn announces(word: &str) -> bool {
    let word = word.trim_matches(|c: char| !c.is_alphanumeric()).to_ascii_lowercase();
    CREDENTIALS.contains(&&*word)
}

/// Letters of both kinds or with digits among them, unlike a word of a language.
fn is_token(word: &str) -> bool {
    let small = word.contains(|c: char| c.is_ascii_lowercase());
    let great = word.chars().skip(1).any(|c| c.is_ascii_uppercase());
    let letter = word.contains(|c: char| c.is_ascii_alphabetic());
    word.len() >= TOKEN
        && ((small && great) || (letter && word.contains(|c: char| c.is_ascii_digit())))
}

/// A name that stands in the file, without what may be a password in it.
pub(crate) fn shown(name: &str) -> Cow<'_, str> {
    bare_address(name).map_or(Cow::Borrowed(name), Cow::Owned)
}

/// [`bare_address`], with a mark that there is more; any other text as it is.
pub(super) fn without_query(text: &str) -> String {
    bare_address(text).map_or_else(|| text.to_owned(), |bare| format!("{bare}?(hidden)"))
}

/// Settings as people may see them.
pub(super) fn without_secrets(value: &Value) -> Value {
    match value {
        Value::String(text) => without_query(text).into(),
        Value::Array(items) => items.iter().map(without_secrets).collect(),
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| match is_secret_name(name) {
                true => (without_query(name), "(secret)".into()),
                false => (without_query(name), without_secrets(value)),
            };
            Value::Object(members.iter().map(member).collect())
        }
        other => other.clone(),
    }
}

/// The keys in `value`, whose own is `key`, of what [`without_secrets`] hides.
pub(super) fn secrets(key: &str, value: &Value) -> Vec<String> {
    match value {
        Value::String(text) if bare_address(text).is_some() => vec![key.to_owned()],
        Value::Array(items) => {
            let item = |(nth, item)| secrets(&format!("{key}[{nth}]"), item);
            items.iter().enumerate().flat_map(item).collect()
        }
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| {
                let key = format!("{key}.{}", without_query(name));
                let is_secret = is_secret_name(name) || bare_address(name).is_some();
                if is_secret { vec![key] } else { secrets(&key, value) }
            };
            members.iter().flat_map(member).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn of_an_address_with_a_user_or_a_query_only_its_place_is_shown() {
        for (text, shown) in [
            ("redis://u:p@cache:7000/2", "redis://cache:7000/2?(hidden)"),
            ("redis://:p@cache", "redis://cache?(hidden)"),
            ("https://h.example/a/b?token=x", "https://h.example/a/b?(hidden)"),
            (" HTTPS://h.example?x", "https://h.example/?(hidden)"),
            ("https://h.example/#token=x", "https://h.example/?(hidden)"),
            ("jdbc:postgresql://h/?password=x", "jdbc:?(hidden)"),
            ("//u:p@h.example/a", "//h.example/a?(hidden)"),
            ("amqp:u:p@h", "h?(hidden)"),
            ("user:p@host", "host?(hidden)"),
            ("(https://u:p@h)", "(https://h)?(hidden)"),
            ("a,https://u:p@h/x,b", "a,https://h/x,b?(hidden)"),
            ("mailto:x@h.example?y=p", "mailto:?(hidden)"),
            ("see https://u:p@h/a now", "see https://h/a now?(hidden)"),
            ("Authorization: Bearer S3cretB", "Authorization: Bearer?(hidden)"),
            ("use basic c2VjcmV0OnA= now", "use basic now?(hidden)"),
        ] {
            assert_eq!(without_query(text), shown);
        }
        for text in [
            "https://h.example/a",
            "redis://cache:7000",
            "Help: see https://h.example/?a",
            "a@b.example",
            "mailto:a@b.example",
            "bearer bonds",
            "basic income",
            "write to a@b.example: now",
            "//h.example/a",
            "12:30",
            "what?",
            "",
        ] {
            assert_eq!(without_query(text), text);
        }
    }

    #[test]
    fn settings_are_shown_without_secrets_at_any_depth() {
        let shown = without_secrets(&json!({
            "list": [{"passphrase": {"a": 1}}, "https://h/?token=x"], "keywords": ["free"], "https://u:p@h/": 1,
        }));
        let wanted = json!({
            "list": [{"passphrase": "(secret)"}, "https://h/?(hidden)"], "keywords": ["free"],
            "https://h/?(hidden)": 1,
        });
        assert_eq!(shown, wanted);
    }

    #[test]
    fn each_key_of_what_is_hidden_is_named_and_shows_none_of_it() {
        let settings = json!({
            "list": [{"passphrase": {"a": 1}}, "https://h/?token=x"], "keywords": ["free"], "https://u:p@h/": 1,
        });
        let named = ["s.https://h/?(hidden)", "s.list[0].passphrase", "s.list[1]"];
        assert_eq!(secrets("s", &settings), named);
    }
}
