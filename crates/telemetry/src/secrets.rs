//! Which names stand for secrets: one rule for logs, spans, the configuration as it is printed, and the decision log.

/// Words that are hidden wherever a name holds one, also within a longer word.
const HELD: [&str; 17] = [
    "token",
    "secret",
    "passw",
    "passphrase",
    "passcode",
    "salt",
    "pepper",
    "hmac",
    "credential",
    "private",
    "apikey",
    "accesskey",
    "bearer",
    "authorization",
    "authorisation",
    "cookie",
    "signature",
];
/// Words that others hold, too, so that they count as a name's own words alone.
const OWN: [&str; 11] =
    ["pass", "pwd", "pwds", "pswd", "auth", "oauth", "dsn", "jwt", "sig", "pin", "cert"];

/// Whether what has this name is a secret, as far as its name tells.
///
/// Keys are by the word that a name ends with (`signing_key`, `apikeys`), or has behind another (`access_key_id`): what a
/// name begins with is about one (`key_retention_h`).
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    let whole = name.to_lowercase();
    let words = words(name);
    let is_key = |word: &String| word == "key" || word == "keys";
    HELD.iter().any(|held| whole.contains(held))
        || words.iter().any(|word| OWN.contains(&&**word))
        || words.iter().skip(1).any(is_key)
        || words.last().is_some_and(|word| word.ends_with("key") || word.ends_with("keys"))
}

/// The words of a name in small letters, which anything but letters parts, and a change of case.
fn words(name: &str) -> Vec<String> {
    let letters: Vec<char> = name.chars().collect();
    let mut words = vec![String::new()];
    for (at, letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).map(|at| letters[at]);
        let after = letters.get(at + 1);
        // `dbPass`, and the last of several capitals in `APIKey`.
        let begins = letter.is_uppercase()
            && (before.is_some_and(char::is_lowercase) || after.is_some_and(|c| c.is_lowercase()));
        if begins || !letter.is_alphabetic() {
            words.push(String::new());
        }
        if letter.is_alphabetic()
            && let Some(word) = words.last_mut()
        {
            word.extend(letter.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::{is_secret_name, words};

    #[test]
    fn a_name_is_parted_at_signs_digits_and_changes_of_case() {
        for (name, parts) in [
            ("access_key-id", &["access", "key", "id"][..]),
            ("dbPass2", &["db", "pass"]),
            ("APIKey", &["api", "key"]),
            ("PASS", &["pass"]),
            ("", &[]),
        ] {
            assert_eq!(words(name), parts, "{name}");
        }
    }

    #[test]
    fn secrets_are_known_by_their_names_however_these_are_spelled() {
        for name in [
            "token",
            "apiToken",
            "tokens",
            "client_secret",
            "passphrase",
            "PASS",
            "dbPass",
            "pwd",
            "DB_PWD",
            "passwd",
            "Password2",
            "bearer",
            "Authorization",
            "auth",
            "proxy-auth",
            "cookie",
            "session_cookies",
            "keys",
            "api_keys",
            "apikey",
            "key",
            "hash_key",
            "key2",
            "signingKey",
            "access_key_id",
            "accessKeyId",
            "signature",
            "sig",
            "dsn",
            "SENTRY_DSN",
            "salt",
            "hmacs",
            "privateUrl",
            "credentials",
        ] {
            assert!(is_secret_name(name), "{name} is shown");
        }
    }

    #[test]
    fn what_policies_are_set_by_is_no_secret() {
        for name in [
            "keywords",
            "stop_words",
            "key_retention_h",
            "prefixes",
            "quota",
            "per_s",
            "scope",
            "prices",
            "exempt_apps",
            "author",
            "passes_at",
            "compass",
            "signal",
            "cooking",
            "design",
            "pinned",
            "certainty",
            "",
            "14155550123",
        ] {
            assert!(!is_secret_name(name), "{name} is hidden");
        }
    }
}
