//! What it costs whoever sends that somebody else is dead or slow, a collector, scrapers and dashboards, a Redis:
//! `cargo xtask bench away [SECONDS]`.

use std::net::{SocketAddr, TcpListener as Bound};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::load::{Answered, Load, Serial};
use crate::policies::Applied;
use crate::program::Program;
use crate::serve::Answer;
use crate::stage::{Configuration, Folder};
use crate::upstream::balance;
use crate::{Result, figures};

/// How long each app sends in all, where the command line gives no other number.
pub(crate) const SECONDS: u64 = 9;

/// What each app sends. They take turns, this often.
const LOAD: Load = Load::Open { per_s: 200 };
const ROUNDS: u32 = 3;
/// Longer than it takes until one that does not answer is known to be away.
const WARM_UP: Duration = Duration::from_secs(3);

/// What stands in the place of the last two of the four beside a Redis: they decide alone without it.
const ALONE: [Applied; 2] = [
    Applied {
        name: "dedup",
        grants: "state",
        settings: r#"{ window_s = 4, mode = "reject", on_unavailable = "local" }"#,
    },
    Applied {
        name: "throttle",
        grants: "state",
        settings: r#"{ limits = [{ name = "app", scope = "app", kind = "window", quota = 900000, per_s = 10, on_unavailable = "local" }] }"#,
    },
];

/// Connections of each kind that ask and never read.
const READERS: usize = 8;
/// Answers that one of them asks for at once: more than its system takes in.
const ASKED: usize = 1_000;

/// Who is beside the sidecar.
#[derive(Clone, Copy)]
enum Beside {
    Nobody,
    Collector(Peer),
    Redis(Peer),
    /// Scrapers and dashboards that ask and never read.
    Readers,
}

#[derive(Clone, Copy)]
enum Peer {
    Answers,
    Dead,
    /// It takes connections and says nothing.
    Silent,
}

const ALL: [(&str, Beside); 7] = [
    ("nobody", Beside::Nobody),
    ("a collector", Beside::Collector(Peer::Answers)),
    ("a collector that is dead", Beside::Collector(Peer::Dead)),
    ("a collector that is silent", Beside::Collector(Peer::Silent)),
    ("readers that never read", Beside::Readers),
    ("a Redis that is dead", Beside::Redis(Peer::Dead)),
    ("a Redis that is silent", Beside::Redis(Peer::Silent)),
];

/// A collector that takes whatever comes, by OTLP over HTTP: an answer without fields has no bytes.
pub(crate) struct Collector;

/// A sidecar, and who is beside it for as long as this value is there.
struct Subject {
    sendgate: Program,
    told: Vec<Answered>,
    _others: Vec<Program>,
    _silent: Option<JoinHandle<()>>,
    _readers: Vec<TcpStream>,
    _folder: Folder,
}

/// Has an app send beside each of them, in turns, and tells how long it took.
pub(crate) async fn measure(seconds: u64) -> Result<()> {
    let logs = Folder::new("upstream")?;
    let upstream = Program::own(&["upstream"], &logs.logs()).await?;
    let mut subjects = Vec::new();
    for (nth, (_, beside)) in ALL.iter().enumerate() {
        subjects.push(Subject::set(nth, *beside, upstream.address).await?);
    }
    let (serial, mut accepted) = (Serial::default(), 0);
    for subject in &subjects {
        accepted += LOAD.apply(subject.sendgate.address, &serial, WARM_UP).await?.count();
    }
    for _ in 0..ROUNDS {
        for subject in &mut subjects {
            let time = Duration::from_secs(seconds) / ROUNDS;
            let answered = LOAD.apply(subject.sendgate.address, &serial, time).await?;
            accepted += answered.count();
            subject.told.push(answered);
        }
    }

    println!("{}", figures::head(&format!("{LOAD}, beside")));
    let mut kept = Vec::new();
    for ((name, _), subject) in ALL.iter().zip(subjects) {
        let all = Answered::all(subject.told);
        println!("{}", figures::line(name, &all));
        kept.push(json!({ "beside": name, "requests": figures::json_of(&all) }));
    }
    println!();
    figures::keep("away", &Value::from(kept))?;
    balance(upstream.address, accepted).await
}

impl Subject {
    async fn set(nth: usize, beside: Beside, upstream: SocketAddr) -> Result<Self> {
        let folder = Folder::new(&format!("away-{nth}"))?;
        let (mut others, mut silent) = (Vec::new(), None);
        let mut at = String::new();
        if let Beside::Collector(peer) | Beside::Redis(peer) = beside {
            let address = match peer {
                Peer::Answers => {
                    others.push(Program::own(&["collector"], &folder.logs()).await?);
                    others[0].address
                }
                // Free now, and nobody else takes one so soon again.
                Peer::Dead => Bound::bind("127.0.0.1:0")?.local_addr()?,
                Peer::Silent => {
                    let listener = TcpListener::bind("127.0.0.1:0").await?;
                    let address = listener.local_addr()?;
                    silent = Some(tokio::spawn(hold(listener)));
                    address
                }
            };
            at = address.to_string();
        }
        let (mut telemetry, mut store, mut more) = (String::new(), String::new(), String::new());
        match beside {
            Beside::Collector(_) => telemetry = format!("otlp = \"http://{at}\""),
            Beside::Redis(_) => {
                let key = "hash_key = \"a-key-that-only-this-run-has\"";
                store = format!("{key}\nshared = \"redis://{at}\"");
                more = ALONE.iter().map(|policy| policy.entry(folder.path())).collect();
            }
            Beside::Nobody | Beside::Readers => {}
        }
        let plivo = upstream.to_string();
        let config = Configuration {
            plivo: &plivo,
            policies: if more.is_empty() { 4 } else { 4 - ALONE.len() },
            telemetry: &telemetry,
            store: &store,
            more: &more,
            ..Configuration::default()
        };
        let sendgate = Program::sendgate(&config.write(folder.path())?, &folder.logs()).await?;
        let mut readers = Vec::new();
        if let Beside::Readers = beside {
            let admin = sendgate.admin.ok_or("no listener for operators")?;
            for _ in 0..READERS {
                readers.push(asking(admin, "/metrics", ASKED).await?);
                readers.push(asking(admin, "/dashboard/events", 1).await?);
            }
        }
        Ok(Self {
            sendgate,
            told: Vec::new(),
            _others: others,
            _silent: silent,
            _readers: readers,
            _folder: folder,
        })
    }
}

impl Answer for Collector {
    async fn answer(&self, request: Request<Incoming>) -> Result<(StatusCode, Bytes)> {
        request.into_body().collect().await?;
        Ok((StatusCode::OK, Bytes::new()))
    }
}

/// Takes connections, and keeps them.
async fn hold(listener: TcpListener) {
    let mut held = Vec::new();
    while let Ok((stream, _)) = listener.accept().await {
        held.push(stream);
    }
}

/// A connection on which `path` was asked for so many times, and nothing is read.
async fn asking(to: SocketAddr, path: &str, times: usize) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(to).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n");
    stream.write_all(request.repeat(times).as_bytes()).await?;
    Ok(stream)
}
