//! Watches the machine: processors, memory and stalled tasks. A figure that was asked for and cannot be had is an
//! error when the guard is made, not a guard that never warns.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use mamparo_context::{Clock, Moment};

use super::Signal;
use super::config::GuardConfig;
use super::core::machine;
use crate::InvalidConfig;
use crate::limits::FIGURE_BYTES_MAX;
use crate::time::sleep_until;

/// Where the kernel shows its figures.
#[derive(Clone, Debug)]
pub struct Files {
    /// Usually `/proc`.
    pub proc: PathBuf,
    /// Usually `/sys/fs/cgroup`.
    pub cgroup: PathBuf,
}

impl Default for Files {
    fn default() -> Self {
        Self { proc: "/proc".into(), cgroup: "/sys/fs/cgroup".into() }
    }
}

/// A figure that cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// A limit is out of range.
    #[error(transparent)]
    Config(#[from] InvalidConfig),
    /// The machine does not have the figure. Stalled tasks are known to kernels since 4.20 that were not started
    /// with `psi=0`.
    #[error("{figure} cannot be watched: {}: {source}", path.display())]
    Unavailable {
        /// Which figure.
        figure: &'static str,
        /// The file in which it should be.
        path: PathBuf,
        /// Why it could not be read.
        source: io::Error,
    },
    /// What stands in the file is something else.
    #[error("{figure} cannot be watched: {} cannot be understood", path.display())]
    Malformed {
        /// Which figure.
        figure: &'static str,
        /// The file.
        path: PathBuf,
    },
}

/// The figures of the machine, each as a share; `None` when it is not watched, or cannot be read any more.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// Of the processors that are at work.
    pub cpu: Option<f64>,
    /// Of the memory that is in use.
    pub memory: Option<f64>,
    /// Of the time in which some task waited for a processor.
    pub cpu_pressure: Option<f64>,
    /// The same for memory.
    pub memory_pressure: Option<f64>,
    /// The same for disks.
    pub io_pressure: Option<f64>,
}

/// What is reckoned as a difference to the time before.
#[derive(Debug, Default)]
struct Before {
    at: Moment,
    times: Option<machine::CpuTimes>,
    used: Option<u64>,
    /// For the processors, memory and disks.
    stalled: [Option<u64>; 3],
}

/// Watches the machine, and is a [`Signal`].
#[derive(Debug)]
pub struct Guard {
    config: GuardConfig,
    files: Files,
    /// The control group of this process.
    group: Option<PathBuf>,
    state: Mutex<(Before, Figures)>,
}

impl Guard {
    /// A guard that has read every figure once.
    ///
    /// # Errors
    /// A limit is out of range, or a figure with a limit cannot be had here.
    pub fn open(config: GuardConfig, files: Files, now: Moment) -> Result<Self, GuardError> {
        config.check()?;
        let own = read(&files.proc.join("self/cgroup")).ok();
        let group = own.as_deref().and_then(machine::cgroup_path).map(|path| files.cgroup.join(path));
        let guard = Self { config, files, group, state: Mutex::default() };
        guard.update(now)?;
        Ok(guard)
    }

    /// What it has read last.
    pub fn figures(&self) -> Figures {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).1
    }

    /// Reads the figures again: a few small files that the kernel writes from memory.
    ///
    /// # Errors
    /// The first figure that could not be read; it counts as unknown, and the others are read all the same.
    pub fn update(&self, now: Moment) -> Result<(), GuardError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (before, figures) = &mut *state;
        let mut first = Ok(());
        let mut keep = |read: Result<Option<f64>, GuardError>| match read {
            Ok(figure) => figure,
            Err(error) => {
                if first.is_ok() {
                    first = Err(error);
                }
                None
            }
        };
        if self.config.cpu.is_some() {
            figures.cpu = keep(self.cpu(before, now));
        }
        if self.config.memory.is_some() {
            figures.memory = keep(self.memory().map(Some));
        }
        let stalls = [
            (self.config.cpu_pressure, "cpu pressure", "cpu", &mut figures.cpu_pressure),
            (self.config.memory_pressure, "memory pressure", "memory", &mut figures.memory_pressure),
            (self.config.io_pressure, "io pressure", "io", &mut figures.io_pressure),
        ];
        for (number, (limit, figure, name, share)) in stalls.into_iter().enumerate() {
            if limit.is_some() {
                *share = keep(self.stall(figure, name, &mut before.stalled[number], before.at, now));
            }
        }
        before.at = now;
        first
    }

    /// Reads the figures at intervals until the guard is dropped. To be run as a task; safe to drop at any time.
    pub fn watch(self: &Arc<Self>, clock: Clock) -> impl Future<Output = ()> + Send + use<> {
        let (guard, every) = (Arc::downgrade(self), self.config.every);
        async move {
            let mut could_read = true;
            loop {
                sleep_until(&clock, clock.moment() + every).await;
                let Some(guard) = guard.upgrade() else { return };
                let read = guard.update(clock.moment());
                if let (Err(error), true) = (&read, could_read) {
                    tracing::warn!(%error, "a figure of the machine is lost: it does not guard any more");
                }
                could_read = read.is_ok();
            }
        }
    }

    fn cpu(&self, before: &mut Before, now: Moment) -> Result<Option<f64>, GuardError> {
        let times = figure("cpu", &self.files.proc.join("stat"), machine::cpu_times)?;
        let share = before.times.and_then(|earlier| times.share_since(earlier));
        before.times = Some(times);
        let group = self.group_cpu(before, now);
        Ok(match (share, group) {
            (Some(share), Some(group)) => Some(share.max(group)),
            (share, group) => share.or(group),
        })
    }

    fn group_cpu(&self, before: &mut Before, now: Moment) -> Option<f64> {
        let group = self.group.as_ref()?;
        let processors = machine::cgroup_processors(&read(&group.join("cpu.max")).ok()?)?;
        let used = machine::cgroup_used(&read(&group.join("cpu.stat")).ok()?)?;
        let earlier = before.used.replace(used)?;
        let seconds = now.since(before.at).as_secs_f64();
        let spent = used.saturating_sub(earlier) as f64 / 1e6;
        (seconds > 0.0).then(|| (spent / seconds / processors).min(1.0))
    }

    fn memory(&self) -> Result<f64, GuardError> {
        let share = figure("memory", &self.files.proc.join("meminfo"), machine::meminfo)?.share();
        Ok(self.group_memory().map_or(share, |group| share.max(group.share())))
    }

    fn group_memory(&self) -> Option<machine::Memory> {
        let group = self.group.as_ref()?;
        let file = |name| read(&group.join(name)).ok();
        machine::cgroup_memory(&file("memory.current")?, &file("memory.max")?, &file("memory.stat")?)
    }

    fn stall(
        &self,
        what: &'static str,
        name: &str,
        before: &mut Option<u64>,
        at: Moment,
        now: Moment,
    ) -> Result<Option<f64>, GuardError> {
        let stall = figure(what, &self.files.proc.join("pressure").join(name), machine::stall)?;
        let micros = now.since(at).as_micros() as f64;
        Ok(Some(match before.replace(stall.total) {
            Some(earlier) if micros > 0.0 => (stall.total.saturating_sub(earlier) as f64 / micros).min(1.0),
            _ => stall.avg10,
        }))
    }
}

impl Signal for Guard {
    fn name(&self) -> &'static str {
        "machine"
    }

    fn pressure(&self, _now: Moment) -> f64 {
        let (figures, limits) = (self.figures(), &self.config);
        [
            (figures.cpu, limits.cpu),
            (figures.memory, limits.memory),
            (figures.cpu_pressure, limits.cpu_pressure),
            (figures.memory_pressure, limits.memory_pressure),
            (figures.io_pressure, limits.io_pressure),
        ]
        .into_iter()
        .filter_map(|(figure, limit)| Some(figure? / limit?))
        .fold(0.0, f64::max)
    }
}

fn figure<T>(
    figure: &'static str,
    path: &Path,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, GuardError> {
    let text = read(path).map_err(|source| GuardError::Unavailable { figure, path: path.into(), source })?;
    parse(&text).ok_or_else(|| GuardError::Malformed { figure, path: path.into() })
}

/// The beginning of a file, where all that is looked for stands.
fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(FIGURE_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}
