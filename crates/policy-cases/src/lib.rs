//! Cases: what a policy should say of which message, as data.
//!
//! One format for every way of running them: natively in `cargo test`, by `policy_sdk::testing`, and against the built
//! module, by `sendgate policy test` and before a generation comes into force. TOML:
//!
//! ```
//! let cases = policy_cases::parse(r#"
//!     [[case]]
//!     name = "a repeat is refused until the window is over, and names the first"
//!     settings = { window_s = 30 }
//!     steps = [
//!         { expect = { verdict = "accept" } },
//!         { at_s = 10, expect = { verdict = "reject", code = "dup.content", earlier = "m1" } },
//!         { at_s = 30, expect = { verdict = "accept" } },
//!     ]
//! "#).unwrap();
//! assert_eq!(cases[0].steps.len(), 3);
//! ```
//!
//! or JSON Lines, one case a line, told apart by their first character. The keys are the same:
//!
//! | Key of a case | Default | Meaning |
//! |---|---|---|
//! | `name` | required | a sentence; what a failure is known by |
//! | `settings` | `{}` | as under `[policies.settings]` |
//! | `grants` | all of them | what the policy may import and change, such as `["state", "amend"]` |
//! | `now` | `2026-01-05T12:00:00Z`, a Monday | the clock of the first step |
//! | `app`, `door` | `app`, `messages` | who asks, and where |
//! | `message` | a text `hi` from +14155551212 to +14155550123 | the members below |
//! | `facts` | what the host finds out about the message | members that are to be otherwise |
//! | `state` | nothing | entries of the state: `key`, one of `value`, `sum` and `held_by`, and `ttl_s` (a day) |
//! | `expect` | required without `steps` | what the policy should say |
//! | `problems` | | instead: the settings are refused, at these JSON pointers |
//! | `steps` | | instead: several questions, one after the other, in one state |
//!
//! A message has `id`, and of the members of `POST /v1/messages` those that policies see: `to` (one), `from` or
//! `powerpack_uuid`, `text`, `media_urls`, `media_ids`, `intent`, `ttl_s`, `not_before`, `dedup` and `tags`; what an app
//! sends as `recipient_tz` or `end_user_ip` is the tag of that name. Capitals in an `intent` are made small, and one that
//! no door takes is refused, as is such a `ttl_s`, a `from` beside a `powerpack_uuid`, and an `app` that could not be
//! configured (one with `inbound` may be empty: Plivo told of it).
//!
//! A step has `at_s` (seconds after `now`; that of the step before where it has none), `app`, `door`, `message`,
//! `facts` and `expect`, each over what its case says; `settings` that hold from it on; `dry_run`; `times`, how often,
//! 1 or more; and `sent = false` where nothing was sent after it. Ids are `m1`, `m2`, … unless given. A step with
//! `outcome` (a word, such as `accepted`), `report` (`state`, `error_code`) or `receipt` (these, `units` and
//! `total_rate`) asks nothing: it tells the policy what became of the message asked about last, or of `id`. One with
//! `inbound` (`from`, `to`, `text`) tells it what a handset said, and may expect `notes` and `warnings` in it. None of
//! these has a verdict, and so none an `expect`.
//!
//! `expect` has `verdict` (`accept`, `amend`, `reject` or `failure`) and anything of `code`, `detail`,
//! `retry_after_ms`, `earlier`, `faults` (`pointer`, `code`), `changes` (codes), `message` (members, as it goes on),
//! `notes` and `warnings` (remarks that the app does not see, and those it sees). What is not given may be anything.
//! Remarks are compared as the policy wrote them, before the host masks numbers in them for people.
//!
//! In TOML, what stands under `[default]` holds for every case that does not say otherwise.

mod case;
mod error;
mod expect;
mod form;
mod read;

pub use case::{Act, Case, Inbound, Kept, Receipt, Said, State, Step, Verdict};
pub use error::CaseError;
pub use expect::{Difference, Expect, Noted, differences, note_differences};
pub use read::{MOST_BYTES, MOST_CASES, MOST_STEPS, parse};
