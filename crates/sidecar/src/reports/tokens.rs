//! The auth tokens that a report may be signed with.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use plivo_client::AuthToken;
use tokio::time::Instant;

/// How long reports signed with a token that was replaced are still taken: longer than Plivo's last retry, 420 s after
/// the first.
const GRACE: Duration = Duration::from_secs(15 * 60);
/// Most tokens of an account that were replaced.
const MOST: usize = 8;

/// The token in force of each account, and those that were in force a moment ago; by the account's name.
#[derive(Debug, Default)]
pub(crate) struct AuthTokens(Mutex<HashMap<String, Vec<Held>>>);

#[derive(Debug)]
struct Held {
    token: AuthToken,
    /// When another took its place; none of the one in force.
    replaced: Option<Instant>,
}

impl AuthTokens {
    /// The tokens to check an account's reports with, where `current` is in force now; none where the account is not.
    /// One that was seen here before and is not in force any more holds for a while, so whoever knows of a change calls
    /// this.
    pub(crate) fn with(
        &self,
        account: &str,
        current: Option<&AuthToken>,
        now: Instant,
    ) -> Vec<AuthToken> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut held = all.remove(account).unwrap_or_default();
        held.retain(|each| {
            each.replaced.is_none_or(|at| now.saturating_duration_since(at) < GRACE)
        });
        for each in held.iter_mut().filter(|each| Some(&each.token) != current) {
            each.replaced.get_or_insert(now);
        }
        match held.iter_mut().find(|each| Some(&each.token) == current) {
            Some(own) => own.replaced = None,
            None => {
                let own = current.map(|token| Held { token: token.clone(), replaced: None });
                held.splice(..0, own);
            }
        }
        held.truncate(1 + MOST);
        let tokens = held.iter().map(|each| each.token.clone()).collect();
        if !held.is_empty() {
            all.insert(account.to_owned(), held);
        }
        tokens
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str) -> AuthToken {
        AuthToken::parse(text).unwrap()
    }

    #[test]
    fn a_token_that_was_replaced_holds_for_a_while() {
        let (tokens, start) = (AuthTokens::default(), Instant::now());
        assert_eq!(tokens.with("a", Some(&token("a")), start), [token("a")]);
        let changed = start + Duration::from_secs(60);
        assert_eq!(tokens.with("a", Some(&token("b")), changed), [token("b"), token("a")]);
        let later = changed + GRACE;
        let before = later - Duration::from_millis(1);
        assert_eq!(tokens.with("a", Some(&token("b")), before), [token("b"), token("a")]);
        assert_eq!(tokens.with("a", Some(&token("b")), later), [token("b")]);
    }

    #[test]
    fn a_token_that_comes_back_is_in_force_again() {
        let (tokens, start) = (AuthTokens::default(), Instant::now());
        for text in ["a", "b", "a"] {
            tokens.with("a", Some(&token(text)), start);
        }
        let later = start + GRACE;
        assert_eq!(tokens.with("a", Some(&token("a")), later), [token("a")]);
    }

    #[test]
    fn each_account_has_tokens_of_its_own_for_a_while_after_it_is_gone_too() {
        let (tokens, start) = (AuthTokens::default(), Instant::now());
        for account in ["a", "b"] {
            assert_eq!(tokens.with(account, Some(&token(account)), start), [token(account)]);
        }
        assert_eq!(tokens.with("b", None, start), [token("b")]);
        assert_eq!(tokens.with("b", None, start + GRACE), []);
        assert_eq!(tokens.with("a", None, start + GRACE), [token("a")], "gone just now");
        assert_eq!(tokens.0.lock().unwrap().len(), 1);
    }

    #[test]
    fn those_kept_are_bounded() {
        let (tokens, now) = (AuthTokens::default(), Instant::now());
        for nth in 0..100 {
            tokens.with("a", Some(&token(&format!("t{nth}"))), now);
        }
        let held = tokens.with("a", Some(&token("t99")), now);
        assert_eq!((held.len(), &held[0], &held[1]), (9, &token("t99"), &token("t98")));
    }
}
