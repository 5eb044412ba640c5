//! Whether a server lets its user do all that the scripts do.

use std::sync::LazyLock;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{RedisError, Script};

use crate::fault::reason;
use crate::{Trouble, Unusable};

static TRIAL: LazyLock<Script> = LazyLock::new(|| Script::new(SOURCE));
const SOURCE: &str = include_str!("lua/trial.lua");

/// A key that nothing is kept under.
pub(crate) fn key(prefix: &str) -> String {
    format!("{prefix}alive")
}

/// Tries every command that is used there, in one round trip. Returns the server's time, since 1970.
///
/// # Errors
///
/// Why it cannot be used.
pub(crate) async fn tried(
    connection: &mut MultiplexedConnection,
    prefix: &str,
) -> Result<Duration, Unusable> {
    let mut both = redis::pipe();
    both.cmd("SCRIPT").arg("LOAD").arg(SOURCE).ignore();
    both.cmd("EVALSHA").arg(TRIAL.get_hash()).arg(1).arg(key(prefix));
    let (said,): (Vec<String>,) = both.query_async(connection).await.map_err(|err| first(&err))?;
    if let [seconds, micros] = &said[..]
        && let (Ok(seconds), Ok(micros)) = (seconds.parse(), micros.parse())
    {
        return Ok(Duration::from_secs(seconds) + Duration::from_micros(micros));
    }
    let Some((code, commands)) = said.split_first() else {
        return Err(Unusable { trouble: Trouble::Other, why: "it answered nothing".into() });
    };
    let mut commands = commands.to_vec();
    // One is tried twice.
    commands.sort();
    commands.dedup();
    let why = format!("it answered {code} to {}", commands.join(", "));
    Err(Unusable { trouble: Trouble::coded(code), why })
}

/// What the first of both was refused for: without it the other is not there.
fn first(error: &RedisError) -> Unusable {
    let refused = error.clone().into_server_errors();
    let Some((nth, refused)) = refused.as_deref().and_then(<[_]>::first) else {
        return Unusable::of(error);
    };
    let refused = RedisError::from(refused.clone());
    let unusable = Unusable::of(&refused);
    if unusable.trouble != Trouble::Rights {
        return unusable;
    }
    let command = ["SCRIPT LOAD", "EVALSHA"][(*nth).min(1)];
    Unusable { why: format!("{} to {command}", reason(&refused)), ..unusable }
}

#[cfg(test)]
mod tests;
