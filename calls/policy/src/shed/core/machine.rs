//! Reads the figures that Linux keeps about the machine and the control group. Text in, numbers out; a text that is
//! not as it should be is `None`.

/// Time that all processors have spent, in ticks of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuTimes {
    /// At work.
    pub busy: u64,
    /// In all.
    pub total: u64,
}

impl CpuTimes {
    /// The share of the time since `earlier` in which the processors were at work; `None` when no time has passed.
    pub fn share_since(self, earlier: CpuTimes) -> Option<f64> {
        let total = self.total.checked_sub(earlier.total).filter(|total| *total > 0)?;
        Some((self.busy.saturating_sub(earlier.busy) as f64 / total as f64).min(1.0))
    }
}

/// Memory that is in use, and how much there is, in any one unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// In use.
    pub used: u64,
    /// All there is.
    pub total: u64,
}

impl Memory {
    /// The share that is in use.
    pub fn share(self) -> f64 {
        if self.total == 0 { 0.0 } else { self.used as f64 / self.total as f64 }
    }
}

/// The first line of `/proc/stat`.
pub fn cpu_times(stat: &str) -> Option<CpuTimes> {
    let mut fields = stat.lines().next()?.split_ascii_whitespace();
    if fields.next() != Some("cpu") {
        return None;
    }
    // user nice system idle iowait irq softirq steal; what follows is counted in user already.
    let ticks: Vec<u64> = fields.take(8).map(|field| field.parse().ok()).collect::<Option<_>>()?;
    let (idle, iowait) = (*ticks.get(3)?, ticks.get(4).copied().unwrap_or(0));
    let total = ticks.iter().try_fold(0u64, |sum, ticks| sum.checked_add(*ticks))?;
    Some(CpuTimes { busy: total.checked_sub(idle.checked_add(iowait)?)?, total })
}

/// `/proc/meminfo`: what cannot be given to anybody without swapping counts as used.
pub fn meminfo(text: &str) -> Option<Memory> {
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.split_ascii_whitespace().next()?.parse::<u64>().ok()
    };
    let (total, available) = (field("MemTotal")?, field("MemAvailable")?);
    Some(Memory { used: total.saturating_sub(available), total })
}

/// `memory.current`, `memory.max` and `memory.stat` of a control group (version 2). `None` where it has no limit, or
/// one that is above that of the machine. Pages of files that were not used lately can be given up, and do not count.
pub fn cgroup_memory(current: &str, max: &str, stat: &str) -> Option<Memory> {
    let (current, total): (u64, u64) = (current.trim().parse().ok()?, max.trim().parse().ok()?);
    let inactive = stat.lines().find_map(|line| line.strip_prefix("inactive_file "));
    let inactive = inactive.and_then(|bytes| bytes.trim().parse().ok()).unwrap_or(0);
    Some(Memory { used: current.saturating_sub(inactive), total })
}

/// `cpu.max` of a control group (version 2): how many processors it may use. `None` without a limit.
pub fn cgroup_processors(max: &str) -> Option<f64> {
    let mut fields = max.split_ascii_whitespace();
    let (quota, period): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    (quota > 0 && period > 0).then(|| quota as f64 / period as f64)
}

/// `cpu.stat` of a control group (version 2): microseconds of processors that it has used.
pub fn cgroup_used(stat: &str) -> Option<u64> {
    stat.lines().find_map(|line| line.strip_prefix("usage_usec "))?.trim().parse().ok()
}

/// The folder of this process below `/sys/fs/cgroup`, from `/proc/self/cgroup`; `None` without version 2.
pub fn cgroup_path(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("0::/"))
}

/// Pressure stall information: `/proc/pressure/*`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stall {
    /// The share of the last ten seconds in which some task stood still.
    pub avg10: f64,
    /// Microseconds in which some task stood still, since the machine started.
    pub total: u64,
}

/// The line `some` of a file of `/proc/pressure`.
pub fn stall(text: &str) -> Option<Stall> {
    let some = text.lines().find_map(|line| line.strip_prefix("some "))?;
    let field = |name| some.split_ascii_whitespace().find_map(|field| field.strip_prefix(name));
    let avg10: f64 = field("avg10=")?.parse().ok()?;
    let total = field("total=")?.parse().ok()?;
    (0.0..=100.0).contains(&avg10).then_some(Stall { avg10: avg10 / 100.0, total })
}

#[cfg(test)]
mod tests;
