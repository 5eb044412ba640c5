//! A look at a server from outside: whether it is one that replicas can share.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use redis::{AsyncConnectionConfig, ConnectionAddr};
use tokio::net::lookup_host;
use tokio::time::Instant;

use crate::{SharedOptions, Trouble, Unusable, trial};

/// A server that can be used, or one that is too old to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examined {
    /// How far its clock is from this machine's.
    pub clock_off: Duration,
    /// How long one answer took.
    pub answered_in: Duration,
    /// What it says of itself; none where its user may not ask (`INFO`).
    pub said: Option<Said>,
}

/// What a server says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Of Redis, or the one that a Valkey is compatible with.
    pub version: String,
    /// Whether that is at least 7.
    pub is_new_enough: bool,
    /// `maxmemory-policy`.
    pub eviction: String,
    /// Whether it has a bound on its memory, so that it may evict at all.
    pub is_bounded: bool,
    /// Whether keys outlive the server (`appendonly`).
    pub is_durable: bool,
}

/// Connects, tries what every replica tries before it uses a server, and reads what the server says of itself. However
/// long that takes.
///
/// # Errors
///
/// Why it cannot be used.
pub async fn examine(options: &SharedOptions) -> Result<Examined, Unusable> {
    let examined = looked_at(options).await;
    match examined {
        Err(Unusable { trouble: Trouble::Other, why })
            if !is_known(options.url.info().addr()).await =>
        {
            Err(Unusable { trouble: Trouble::UnknownName, why })
        }
        examined => examined,
    }
}

/// Whether the server's name leads to an address: the system gives no kind to its word that it does not.
async fn is_known(address: &ConnectionAddr) -> bool {
    match address {
        ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
            lookup_host((host.as_str(), *port)).await.is_ok()
        }
        _ => true,
    }
}

async fn looked_at(options: &SharedOptions) -> Result<Examined, Unusable> {
    let client =
        redis::Client::open(options.url.info().clone()).map_err(|err| Unusable::of(&err))?;
    // Whoever asks has patience of their own, and is told how long an answer takes.
    let config =
        AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
    let connected = client.get_multiplexed_async_connection_with_config(&config).await;
    let mut connection = connected.map_err(|err| Unusable::of(&err))?;
    let said = match redis::cmd("INFO").query_async::<String>(&mut connection).await {
        Ok(info) => Some(Said::read(&info)),
        Err(error) => match Unusable::of(&error) {
            Unusable { trouble: Trouble::Rights, .. } => None,
            unusable => return Err(unusable),
        },
    };
    let theirs = match trial::tried(&mut connection, &options.prefix).await {
        Ok(time) => SystemTime::UNIX_EPOCH + time,
        // It has not what is tried, whoever asks.
        Err(_) if said.as_ref().is_some_and(|said| !said.is_new_enough) => SystemTime::now(),
        Err(unusable) => return Err(unusable),
    };
    let clock_off = SystemTime::now().duration_since(theirs).unwrap_or_else(|err| err.duration());
    let asked = Instant::now();
    // Whether its user may is known by now.
    drop(trial::tried(&mut connection, &options.prefix).await);
    Ok(Examined { clock_off, answered_in: asked.elapsed(), said })
}

impl Said {
    fn read(info: &str) -> Self {
        let info: HashMap<&str, &str> =
            info.lines().filter_map(|line| line.trim_end().split_once(':')).collect();
        let word = |name: &str| info.get(name).copied().unwrap_or_default();
        let version = word("redis_version").to_owned();
        let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
        Self {
            is_new_enough: major.is_some_and(|major| major >= 7),
            version,
            eviction: word("maxmemory_policy").to_owned(),
            is_bounded: word("maxmemory") != "0",
            is_durable: word("aof_enabled") == "1",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Server;

    async fn examined(server: &Server, rights: &[&str]) -> Result<Examined, Unusable> {
        let user = ["ACL", "SETUSER", "u", "reset", "on", ">p", "~sendgate:*"];
        let () = server.ask(&[&user, rights].concat()).await;
        let url = server.url().replace("//", "//u:p@").parse().expect("an address");
        examine(&SharedOptions { url, ..server.options() }).await
    }

    #[tokio::test]
    async fn a_server_whose_user_may_not_ask_it_of_itself_can_be_used_all_the_same() {
        let server = Server::start();
        let seen = examined(&server, &["+@all", "-@dangerous"]).await.expect("it can be used");
        assert!(seen.said.is_none() && seen.clock_off < Duration::from_secs(60), "{seen:?}");
        let seen = examined(&server, &["+@all"]).await.expect("it can be used");
        assert!(seen.said.is_some_and(|said| said.is_new_enough && !said.is_durable));
    }

    #[tokio::test]
    async fn a_server_whose_user_may_not_run_every_script_cannot_be_used() {
        let server = Server::start();
        for (right, command) in [("-@scripting", "SCRIPT LOAD"), ("-xinfo", "XINFO")] {
            let unusable = examined(&server, &["+@all", right]).await.expect_err(right);
            let why = format!("it answered NOPERM to {command}");
            assert_eq!(unusable, Unusable { trouble: Trouble::Rights, why });
        }
    }
}
