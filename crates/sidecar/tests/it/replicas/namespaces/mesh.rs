//! Three networks with a sidecar each, and the one of the test, in which the Redis and Plivo are.

use std::io::{BufRead as _, BufReader};
use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use plivo_sim::{PlivoSim, SimConfig};
use serde_json::json;

use super::super::{connected, replica};
use crate::harness::{Folder, Redis, Setup, Sidecar, eventually};

/// Where each sidecar reaches the Redis and Plivo: by a link of its own to each.
const REDIS: &str = "10.78.0.1";
const PLIVO: &str = "10.79.0.1";

/// Links network `$1`, in which process `$2` is. The far ends know the near ones' hardware for good, so that nothing is
/// said where a link is down: what is sent there is lost.
const LINK: &str = r#"
ip link set lo up
for link in redis:10.78.0 plivo:10.79.0; do
    name=${link%:*} net=${link#*:} near=02:00:00:00:00:0$1
    ip link add $name$1 address $near type veth peer name $name netns $2
    ip address add $net.1 peer $net.1$1 dev $name$1
    ip link set $name$1 up
    nsenter --net=/proc/$2/ns/net sh -ec "
        ip link set lo up
        ip address add $net.1$1 peer $net.1 dev $name
        ip link set $name up
        ip neighbour add $net.1 lladdr $near dev $name nud permanent"
done
"#;

pub(super) struct Mesh {
    pub(super) plivo: PlivoSim,
    redis: Redis,
    networks: [Network; 3],
}

/// It is there for as long as a process is in it.
struct Network {
    nth: usize,
    holder: Child,
}

impl Mesh {
    pub(super) async fn start() -> Self {
        let listen = (Ipv4Addr::UNSPECIFIED, 0).into();
        let networks = [0, 1, 2].map(Network::new);
        Self {
            plivo: PlivoSim::start(SimConfig { listen, ..SimConfig::default() }).await,
            redis: Redis::start_with(&["--bind", "0.0.0.0", "--protected-mode", "no"]),
            networks,
        }
    }

    /// All listen on the same address, each in its own network. The test speaks to Unix sockets, which are in none.
    pub(super) fn setup(&self) -> Setup {
        let plivo = format!("http://{PLIVO}:{}", self.plivo.address().port());
        replica(&self.plivo, &format!("redis://{REDIS}:{}", self.redis.port))
            .set("plivo.base_url", plivo)
            .set("plivo.allow_plain_http", true)
            .set("listen.apps", json!(["unix:apps.sock", "127.0.0.1:8787"]))
            .set("listen.admin", "unix:admin.sock")
    }

    /// One in each network.
    pub(super) async fn replicas(&self, setup: &Setup) -> [Sidecar; 3] {
        let start = |nth| self.replica(nth, Folder::new(), setup);
        let (one, two, three) = tokio::join!(start(0), start(1), start(2));
        [one, two, three]
    }

    /// One in the network `nth`, up and connected.
    pub(super) async fn replica(
        &self,
        nth: usize,
        folder: impl Into<Arc<Folder>>,
        setup: &Setup,
    ) -> Sidecar {
        let sidecar = Sidecar::start_by(self.networks[nth].enter().into(), folder, setup).await;
        connected(&sidecar).await;
        sidecar
    }

    /// Whatever goes from network `nth` to the Redis, and back, is lost.
    pub(super) fn cut(&self, nth: usize) {
        self.networks[nth].link_to_redis("down");
    }

    /// Waits until nothing that the replica in network `nth` gave up on can reach the Redis any more, once the link is
    /// mended: a system goes on sending what a closed connection had not delivered.
    pub(super) async fn nothing_is_on_its_way(&self, nth: usize) {
        let sockets = ["ss", "-Htn", "exclude", "syn-sent", "dst", REDIS];
        eventually("nothing is on its way to the Redis", async || {
            let said = run(self.networks[nth].enter().args(sockets));
            said.is_empty().then_some(())
        })
        .await;
    }

    pub(super) fn mend(&self, nth: usize) {
        self.networks[nth].link_to_redis("up");
    }
}

impl Network {
    fn new(nth: usize) -> Self {
        let mut holder = Command::new("unshare");
        holder.args(["--net", "sh", "-c", "echo here; exec cat"]);
        let mut holder =
            holder.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("unshare");
        let said = BufReader::new(holder.stdout.take().expect("it is piped")).lines().next();
        assert_eq!(said.expect("a line").expect("text"), "here");
        let id = holder.id().to_string();
        run(Command::new("sh").args(["-ec", LINK, "sh", &nth.to_string(), &id]));
        Self { nth, holder }
    }

    /// Runs what its arguments say in there.
    fn enter(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/proc/{}/ns/net", self.holder.id()));
        command
    }

    fn link_to_redis(&self, state: &str) {
        run(Command::new("ip").args(["link", "set", &format!("redis{}", self.nth), state]));
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        drop(self.holder.kill());
        drop(self.holder.wait());
    }
}

/// What a command says.
fn run(command: &mut Command) -> String {
    let ended = command.output().expect("a program that runs");
    assert!(ended.status.success(), "{command:?}:\n{}", String::from_utf8_lossy(&ended.stderr));
    String::from_utf8(ended.stdout).expect("text")
}
