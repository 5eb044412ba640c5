//! The auth tokens that a report may be signed with.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use plivo_client::AuthToken;
use tokio::time::Instant;

/// How long reports signed with a token that was replaced are still taken: longer than Plivo's last retry, 420 s after
/// the first.
const GRACE: Duration = Duration::from_secs(15 * 60);
/// Most tokens that were replaced.
const MOST: usize = 8;

/// The token in force, and those that were in force a moment ago.
#[derive(Debug, Default)]
pub(crate) struct AuthTokens(Mutex<Vec<Held>>);

#[derive(Debug)]
struct Held {
    token: AuthToken,
    /// When another took its place; none of the one in force.
    replaced: Option<Instant>,
}

impl AuthTokens {
    /// The tokens to check with, where `current` is in force now. One that was seen here before and is not in force any
    /// more holds for a while, so whoever knows of a change calls this.
    pub(crate) fn with(&self, current: &AuthToken, now: Instant) -> Vec<AuthToken> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|each| {
            each.replaced.is_none_or(|at| now.saturating_duration_since(at) < GRACE)
        });
        for each in held.iter_mut().filter(|each| each.token != *current) {
            each.replaced.get_or_insert(now);
        }
        match held.iter_mut().find(|each| each.token == *current) {
            Some(own) => own.replaced = None,
            None => held.insert(0, Held { token: current.clone(), replaced: None }),
        }
        held.truncate(1 + MOST);
        held.iter().map(|each| each.token.clone()).collect()
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
        assert_eq!(tokens.with(&token("a"), start), [token("a")]);
        let changed = start + Duration::from_secs(60);
        assert_eq!(tokens.with(&token("b"), changed), [token("b"), token("a")]);
        let later = changed + GRACE;
        let before = later - Duration::from_millis(1);
        assert_eq!(tokens.with(&token("b"), before), [token("b"), token("a")]);
        assert_eq!(tokens.with(&token("b"), later), [token("b")]);
    }

    #[test]
    fn a_token_that_comes_back_is_in_force_again() {
        let (tokens, start) = (AuthTokens::default(), Instant::now());
        for text in ["a", "b", "a"] {
            tokens.with(&token(text), start);
        }
        let later = start + GRACE;
        assert_eq!(tokens.with(&token("a"), later), [token("a")]);
    }

    #[test]
    fn those_kept_are_bounded() {
        let (tokens, now) = (AuthTokens::default(), Instant::now());
        for nth in 0..100 {
            tokens.with(&token(&format!("t{nth}")), now);
        }
        let held = tokens.with(&token("t99"), now);
        assert_eq!((held.len(), &held[0], &held[1]), (9, &token("t99"), &token("t98")));
    }
}
