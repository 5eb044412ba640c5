//! How long `sendgate` takes from its start to its first 202.

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

use crate::Result;
use crate::connection::Connection;
use crate::program::Program;
use crate::report::quantile;
use crate::sample::SENDS;
use crate::stage::{Configuration, Folder};

/// Starts with what the one before it has compiled.
const WARM: usize = 5;
/// Between two tries to connect.
const PAUSE: Duration = Duration::from_millis(1);
const PATIENCE: Duration = Duration::from_secs(60);

/// From a start to the first 202, with four policies and the store in memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Starts {
    /// With nothing compiled.
    pub(crate) cold: Duration,
    /// With all compiled: the median.
    pub(crate) warm: Duration,
    /// Bytes resident after the last of them, which has answered one request.
    pub(crate) resident: u64,
}

/// Starts `sendgate` some times, one after the other.
pub(crate) async fn measure() -> Result<Starts> {
    let folder = Folder::new("start")?;
    let upstream = Program::own(&["upstream"], &folder.logs()).await?;
    let to = upstream.address.to_string();
    // Free now, and nobody else takes one so soon again.
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let config =
        Configuration { plivo: &to, policies: 4, port: address.port(), ..Configuration::default() };
    let config = config.write(folder.path())?;
    let mut took = Vec::new();
    let mut resident = 0;
    for nth in 0..=WARM {
        let began = Instant::now();
        let program = Program::spawned(&config, address, &folder.logs())?;
        timeout(PATIENCE, accepted(program.address, nth)).await??;
        took.push(began.elapsed());
        resident = program.resident()?;
    }
    let cold = took.remove(0);
    took.sort_unstable();
    Ok(Starts { cold, warm: quantile(&took, 0.5), resident })
}

async fn accepted(address: SocketAddr, nth: usize) -> Result<()> {
    loop {
        if let Ok(mut connection) = Connection::open(address).await {
            return connection.ask(SENDS, nth as u64).await;
        }
        sleep(PAUSE).await;
    }
}
