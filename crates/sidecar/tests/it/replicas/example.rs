//! The example, as its README tells to run it.

use std::path::Path;
use std::process::Stdio;

use plivo_sim::{PlivoSim, SimConfig};
use tokio::process::Command;
use tokio::time::timeout;

use crate::harness::{PATIENCE, Redis, module};

#[tokio::test]
async fn the_example_shows_one_key_and_one_limit_over_three_replicas() {
    let account = SimConfig { auth_token: "sim-token".into(), ..SimConfig::default() };
    let (redis, plivo) = (Redis::start(), PlivoSim::start(account).await);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/replicas/run.sh");
    let program = Path::new(env!("CARGO_BIN_EXE_sendgate"));
    let mut command = Command::new(script);
    command
        .env("REDIS_URL", redis.url())
        .env("PLIVO_URL", plivo.base_url())
        .env("SENDGATE_BIN", program.parent().expect("a folder"))
        .env("SENDGATE_POLICIES", module("throttle").parent().expect("a folder"))
        // A proxy for the machine's way out is none for the sidecar.
        .envs(["NO_PROXY", "no_proxy"].map(|name| (name, "127.0.0.1,localhost")))
        .stdin(Stdio::null())
        .kill_on_drop(true);

    let ended = timeout(PATIENCE, command.output()).await.expect("the script ends in time");
    let output = ended.expect("bash is on this machine");

    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (said, wrong) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{}\n{said}\n{wrong}", output.status);
    let told: Vec<&str> = said
        .lines()
        .skip_while(|line| !line.starts_with("=="))
        .filter_map(|line| line.strip_prefix("replica "))
        .filter_map(|line| line.split_once(": ").map(|(_, told)| told))
        .collect();
    let (ids, statuses) = told.split_at(3);
    assert!(ids[0].len() == 36 && ids.iter().all(|id| *id == ids[0]), "{said}");
    let count = |status: &str| statuses.iter().filter(|told| **told == status).count();
    assert_eq!((count("202"), count("429")), (9, 3), "{said}");
    assert_eq!(plivo.sends().len(), 10, "{said}");
}
