//! A look at a server from outside: whether it is one that replicas can share.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use redis::RedisError;

use crate::SharedOptions;
use crate::fault::reason;

/// What a server says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examined {
    /// Of Redis, or the one that a Valkey is compatible with.
    pub version: String,
    /// Whether that is at least 7.
    pub is_new_enough: bool,
    /// How far its clock is from this machine's.
    pub clock_off: Duration,
    /// `maxmemory-policy`.
    pub eviction: String,
    /// Whether it has a bound on its memory, so that it may evict at all.
    pub is_bounded: bool,
    /// Whether keys outlive the server (`appendonly`).
    pub is_durable: bool,
}

/// Connects, writes the key that every replica writes to see that it may, runs a script, and reads what the server says
/// of itself.
///
/// # Errors
///
/// Why it cannot be used, without anything secret.
pub async fn examine(options: &SharedOptions) -> Result<Examined, String> {
    let said = |error: RedisError| reason(&error);
    let client = redis::Client::open(options.url.info().clone()).map_err(said)?;
    let mut connection = client.get_multiplexed_async_connection().await.map_err(said)?;
    let key = format!("{}alive", options.prefix);
    let mut write = redis::cmd("SET");
    write.arg(key).arg(1).arg("PX").arg(60_000).exec_async(&mut connection).await.map_err(said)?;
    let script = redis::Script::new("return redis.call('TIME')");
    let (seconds, micros): (u64, u64) = script.invoke_async(&mut connection).await.map_err(said)?;
    let now = SystemTime::now();
    let theirs =
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_micros(micros);
    let clock_off = now.duration_since(theirs).unwrap_or_else(|err| err.duration());
    let info: String = redis::cmd("INFO").query_async(&mut connection).await.map_err(said)?;
    let info: HashMap<&str, &str> =
        info.lines().filter_map(|line| line.trim_end().split_once(':')).collect();
    let word = |name: &str| info.get(name).copied().unwrap_or_default();
    let version = word("redis_version").to_owned();
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    Ok(Examined {
        is_new_enough: major.is_some_and(|major| major >= 7),
        version,
        clock_off,
        eviction: word("maxmemory_policy").to_owned(),
        is_bounded: word("maxmemory") != "0",
        is_durable: word("aof_enabled") == "1",
    })
}
