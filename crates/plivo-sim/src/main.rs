//! The simulator as a program.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use plivo_sim::{Callbacks, PlivoSim, SimConfig, TextLength};
use tokio::signal::unix::{SignalKind, signal};

/// A scriptable Plivo over HTTP/1.1, for tests, demos and development.
///
/// It sends nothing to anybody but reports to the `url` of messages. Steer it under /_sim; its README lists the routes.
#[derive(Parser)]
struct Cli {
    /// Where to listen; port 0 lets the system choose.
    #[arg(long, default_value = "127.0.0.1:8790")]
    listen: SocketAddr,
    /// Where to answer /_sim too, and nothing else, even while connections are refused.
    #[arg(long)]
    control: Option<SocketAddr>,
    /// The account's auth id.
    #[arg(long, default_value = "MAXXXXXXXXXXXXXXXXXX")]
    auth_id: String,
    /// The account's auth token, also the key of the signatures.
    #[arg(long, default_value = "TOKEN")]
    auth_token: String,
    /// A further account, as `AUTH_ID:AUTH_TOKEN`; may be given several times.
    #[arg(long = "account", value_parser = account)]
    further: Vec<(String, String)>,
    /// When delivery reports are sent to the `url` of a message.
    #[arg(long, value_enum, default_value = "auto")]
    callbacks: When,
    /// Milliseconds from queued to sent, with `--callbacks auto`.
    #[arg(long, default_value_t = 50)]
    sent_after_ms: u64,
    /// Milliseconds from sent to delivered, with `--callbacks auto`.
    #[arg(long, default_value_t = 100)]
    delivered_after_ms: u64,
    /// Milliseconds before a report is sent a second time; the third and fourth wait twice and four times as long.
    #[arg(long, default_value_t = 60_000)]
    callback_retry_ms: u64,
    /// Answers 429 above 300 requests in 5 seconds.
    #[arg(long)]
    rate_limit: bool,
    /// Counts texts outside GSM 03.38 by bytes of UTF-8, not by characters.
    #[arg(long)]
    text_bytes: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum When {
    Off,
    Manual,
    Auto,
}

#[tokio::main]
#[expect(clippy::print_stderr, reason = "a program says why it cannot listen")]
async fn main() -> ExitCode {
    let config = Cli::parse().config();
    let (listen, control) = (config.listen, config.control);
    let (sim, mut terminate) = match (PlivoSim::bind(config).await, signal(SignalKind::terminate()))
    {
        (Ok(sim), Ok(terminate)) => (sim, terminate),
        (Err(err), _) => {
            let and = control.map(|control| format!(" and {control}")).unwrap_or_default();
            eprintln!("plivo-sim: cannot listen on {listen}{and}: {err}");
            return ExitCode::FAILURE;
        }
        (_, Err(err)) => {
            eprintln!("plivo-sim: cannot wait for signals: {err}");
            return ExitCode::FAILURE;
        }
    };
    let mut lines = format!("plivo-sim listening on {}\n", sim.base_url());
    if let Some(control) = sim.control_address() {
        lines += &format!("plivo-sim takes controls on http://{control}\n");
    }
    // Whoever started it may not read.
    let _unread = io::stdout().write_all(lines.as_bytes());
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    sim.stop().await;
    ExitCode::SUCCESS
}

impl Cli {
    fn config(self) -> SimConfig {
        let callbacks = match self.callbacks {
            When::Off => Callbacks::Off,
            When::Manual => Callbacks::Manual,
            When::Auto => Callbacks::Auto {
                sent_after: Duration::from_millis(self.sent_after_ms),
                delivered_after: Duration::from_millis(self.delivered_after_ms),
            },
        };
        SimConfig {
            listen: self.listen,
            control: self.control,
            auth_id: self.auth_id,
            auth_token: self.auth_token,
            further: self.further,
            callbacks,
            callback_retry: Duration::from_millis(self.callback_retry_ms),
            rate_limit: self.rate_limit,
            text_length: if self.text_bytes {
                TextLength::Utf8Bytes
            } else {
                TextLength::Characters
            },
        }
    }
}

fn account(text: &str) -> Result<(String, String), &'static str> {
    let (id, token) = text.split_once(':').ok_or("write AUTH_ID:AUTH_TOKEN")?;
    Ok((id.to_owned(), token.to_owned()))
}
