//! What the system says a process, and all of them together, have used (proc(5)).

use std::fs;
use std::time::Duration;

use crate::Result;

/// The unit of processor time in `/proc`: a hundredth of a second on every Linux that this builds for (time(7)).
const TICK: Duration = Duration::from_millis(10);

/// Processor time of the process and its threads, in user and kernel mode.
pub(crate) fn processor_time(process: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name in brackets may hold anything; the third field follows it.
    let (_, fields) = stat.rsplit_once(") ").ok_or("a process without a state")?;
    let mut times = fields.split(' ').skip(11).map(str::parse::<u32>);
    let user = times.next().ok_or("no user time")??;
    let system = times.next().ok_or("no system time")??;
    Ok(TICK * (user + system))
}

/// Resident memory of the process, in bytes.
pub(crate) fn resident(process: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|rest| rest.trim().strip_suffix(" kB")).ok_or("no resident size")?;
    Ok(kib.trim().parse::<u64>()? * 1_024)
}

/// Processor time that all processes have used since the start of the machine.
pub(crate) fn busy() -> Result<Duration> {
    let stat = fs::read_to_string("/proc/stat")?;
    let line = stat.lines().next().and_then(|line| line.strip_prefix("cpu ")).ok_or("no totals")?;
    // user, nice, system, idle, iowait, irq, softirq, steal; what follows is counted among the first.
    let ticks: Vec<u64> =
        line.split_whitespace().take(8).map(str::parse).collect::<std::result::Result<_, _>>()?;
    let busy = ticks.iter().enumerate().filter(|(at, _)| !matches!(at, 3 | 4)).map(|(_, n)| n);
    Ok(Duration::from_millis(busy.sum::<u64>() * 10))
}
