//! Whether memory stays where it is while many messages pass: `cargo xtask bench endurance [COUNT]`.

use serde_json::json;

use crate::load::{Load, Serial, Until};
use crate::program::Program;
use crate::report::{mib, ms};
use crate::sample::SENDS;
use crate::stage::{Configuration, Folder};
use crate::upstream::balance;
use crate::{Result, figures};

/// Requests where the command line gives no other number.
pub(crate) const COUNT: u64 = 1_000_000;

const LOAD: Load = Load::Closed { connections: 64 };

/// Has `sendgate` with the four policies and the store in memory take `count` sends, and looks at it at each tenth.
pub(crate) async fn measure(count: u64) -> Result<()> {
    let folder = Folder::new("endurance")?;
    let upstream = Program::own(&["upstream"], &folder.logs()).await?;
    let to = upstream.address.to_string();
    let config = Configuration { plivo: &to, policies: 4, ..Configuration::default() };
    let sendgate = Program::sendgate(&config.write(folder.path())?, &folder.logs()).await?;
    let serial = Serial::default();

    println!("idle: {:.1} MiB resident\n", mib(sendgate.resident()?));
    println!(
        "{:<14} {:>9} {:>8} {:>11} {:>8} {:>8}",
        LOAD.to_string(),
        "so far",
        "failed",
        "requests",
        "p99 ms",
        "RSS MiB"
    );
    let (mut rows, mut resident, mut well, mut sent) = (Vec::new(), Vec::new(), Ok(()), 0);
    for tenth in 1..=10 {
        let until = Until::Sent((count * tenth / 10 - sent).max(1));
        let answered = LOAD.keep_up(sendgate.address, SENDS, serial.clone(), until).await?;
        sent = count * tenth / 10;
        resident.push(mib(sendgate.resident()?));
        println!(
            "{:<14} {sent:>9} {:>8} {:>9.0}/s {:>8.2} {:>8.1}",
            "",
            answered.failed,
            answered.per_s(),
            ms(answered.within(0.99)),
            resident[resident.len() - 1]
        );
        well = well.and(answered.is_well());
        well = well.and(balance(upstream.address, answered.count()).await);
        rows.push(figures::json_of(&answered));
    }
    let grown = resident[9] / resident[0];
    println!("\nRSS, the last by that at the first tenth: {grown:.3}\n");
    let told = json!({
        "requests": count,
        "tenths": rows,
        "rss_mib": resident,
        "rss_last_by_first_tenth": grown,
    });
    figures::keep("endurance", &told)?;
    well
}
