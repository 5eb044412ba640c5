//! What a guest that never comes to an end costs other apps: `cargo xtask bench spin [SECONDS]`.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use crate::load::{Load, Serial, Until};
use crate::policies::{Applied, built};
use crate::program::Program;
use crate::sample::{self, Asking};
use crate::stage::{Configuration, Folder};
use crate::{Result, figures};

/// How long the other app sends, each time, where the command line gives no other number.
pub(crate) const SECONDS: u64 = 10;

/// What the other app sends.
const LOAD: Load = Load::Open { per_s: 200 };
const WARM_UP: Duration = Duration::from_secs(2);

/// The guest that does what a message's text says. It has the time that a policy has by default.
const GUEST: Applied = Applied { name: "runaway", grants: "state log", settings: "{}" };

/// The app whose every message has the guest spin until it is cut off.
const SPINNER: Asking = Asking {
    token: "spinner-token",
    body: |nth| sample::addressed(nth, &format!("spin {nth}")),
    is_well: |heard| {
        heard.is("503")
            && ["\"policy.fuel_exhausted\"", "\"runaway\""].iter().all(|word| heard.says(word))
    },
};

/// Has one app send by itself, and then beside another one that keeps a guest spinning on every core.
pub(crate) async fn measure(seconds: u64) -> Result<()> {
    let time = Duration::from_secs(seconds);
    let folder = Folder::new("spin")?;
    let from = GUEST.module(&built());
    fs::copy(&from, GUEST.module(folder.path()))
        .map_err(|err| format!("{}: {err}; run `cargo xtask policies`", from.display()))?;
    let upstream = Program::own(&["upstream"], &folder.logs()).await?;
    let more = format!(
        "{}apps = [\"spinner\"]\n[[apps]]\nname = \"spinner\"\ntoken = \"{}\"\n",
        GUEST.entry(folder.path()),
        SPINNER.token
    );
    let to = upstream.address.to_string();
    let config = Configuration { plivo: &to, policies: 4, more: &more, ..Configuration::default() };
    let sendgate = Program::sendgate(&config.write(folder.path())?, &folder.logs()).await?;

    let serial = Serial::default();
    LOAD.apply(sendgate.address, &serial, WARM_UP).await?;
    let alone = LOAD.apply(sendgate.address, &serial, time).await?;
    let cores = thread::available_parallelism()?.get();
    let told = Arc::new(AtomicBool::new(false));
    let spinning = Load::Closed { connections: cores };
    let until = Until::Told(Arc::clone(&told));
    let spinning = tokio::spawn(spinning.keep_up(sendgate.address, SPINNER, serial.clone(), until));
    sleep(WARM_UP).await;
    let sends = Until::Over(time);
    let beside = LOAD.keep_up(sendgate.address, sample::SENDS, serial.clone(), sends).await?;
    told.store(true, Ordering::Relaxed);
    let spun = spinning.await??;

    println!("{}", figures::head(&format!("{LOAD}, other app")));
    println!("{}", figures::line("alone", &alone));
    println!("{}", figures::line("beside a spinning guest", &beside));
    println!(
        "\n{}\n{}",
        figures::head("the app of the guest"),
        figures::line(&format!("{cores} at a time, cut off"), &spun)
    );
    println!(
        "\nthe guest was cut off {} times in {:.1} s\n",
        spun.count(),
        spun.elapsed.as_secs_f64()
    );
    let spinner = json!({
        "at_once": cores,
        "cut_off": spun.count(),
        "seconds": spun.elapsed.as_secs_f64(),
        "requests": figures::json_of(&spun),
    });
    let [alone, beside_it] = [&alone, &beside].map(figures::json_of);
    figures::keep("spin", &json!({ "alone": alone, "beside": beside_it, "spinner": spinner }))?;
    beside.is_well()?;
    spun.is_well()
}
