//! From a configuration to the processes that are to run.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mamparo_config::{Application, Config};

use super::addresses::{self, Addresses};
use super::folder::Folder;
use crate::{logging, otlp, stop};

/// How long the platform node may take to stop beyond what the drain of its gateway takes.
const PLATFORM_STOP_EXTRA: Duration = Duration::from_secs(2);
/// How much longer than its application a tether may take to stop.
const TETHER_STOP_EXTRA: Duration = Duration::from_millis(500);
/// The word by which an application names this program.
const OWN_NAME: &str = "mamparo";

/// Which processes stop together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    /// They stop first.
    Application,
    /// Gateway and hub; they stop when no application needs them any more.
    Platform,
}

/// How it shows that a process is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Probe {
    /// It runs.
    Alive,
    /// It takes connections there.
    Connect(SocketAddr),
    /// It answers `/readyz` there with 200.
    Ready(SocketAddr),
}

/// A process that is to run.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    pub(crate) name: String,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) group: Group,
    pub(crate) stop: Duration,
    pub(crate) probe: Probe,
}

/// The processes of `config`, the platform node first. `program` is this program itself; `followed` is the file whose
/// changes the node puts in force, while `file` stays what everybody was started with.
pub(crate) fn processes(
    config: &Config,
    folder: &Folder,
    file: &str,
    addresses: &Addresses,
    program: &Path,
    followed: Option<&Path>,
) -> Vec<Process> {
    let log_format = logging::format_of_children();
    let common = [
        ("MAMPARO_CONFIG".to_owned(), file.to_owned()),
        (stop::RUN_VARIABLE.to_owned(), folder.run.display().to_string()),
        (logging::FORMAT_VARIABLE.to_owned(), log_format.to_owned()),
    ];
    let roles: Vec<&str> = config.roles.iter().map(|role| role.as_str()).collect();
    let mut platform = vec!["run".into(), "--role".into(), roles.join(",")];
    let data = folder.data.display().to_string();
    platform.extend(["--config".into(), file.into(), "--data".into(), data.clone()]);
    match followed {
        Some(followed) => platform.extend(["--watch".into(), followed.display().to_string()]),
        None => platform.push("--no-watch".into()),
    }
    platform.extend(["--addresses".into(), folder.run.join(addresses::FILE_NAME).display().to_string()]);
    let mut processes = vec![Process {
        name: "node".into(),
        program: program.to_owned(),
        arguments: platform,
        environment: common.to_vec(),
        group: Group::Platform,
        stop: config.gateway.drain_delay + config.gateway.drain + PLATFORM_STOP_EXTRA,
        probe: Probe::Ready(config.listeners.admin),
    }];
    for (name, application) in &config.applications {
        let listen = application.service.as_ref().and_then(|service| addresses.get(service)).copied();
        let mut environment = common.to_vec();
        environment.extend([
            ("MAMPARO_NAME".to_owned(), name.clone()),
            ("MAMPARO_DATA".to_owned(), folder.data.join(name).display().to_string()),
            ("MAMPARO_MESH".to_owned(), format!("http://{}", config.listeners.mesh)),
            ("MAMPARO_HUB".to_owned(), config.listeners.hub.to_string()),
        ]);
        environment.extend(otlp::environment(&config.telemetry, name));
        environment.extend(listen.map(|address| ("MAMPARO_LISTEN".to_owned(), address.to_string())));
        environment.extend(application.env.clone());
        processes.push(Process {
            name: name.clone(),
            program: program.to_owned(),
            arguments: arguments(application),
            environment,
            group: Group::Application,
            // One that is tethered is killed by its tether, which ends after it.
            stop: application.stop + TETHER_STOP_EXTRA,
            probe: listen.map_or(Probe::Alive, |address| probe(application, address)),
        });
    }
    processes
}

/// How the application is known to be ready. What belongs to this program says so itself; of others nothing is known
/// but that they take connections, which they may do before they can serve.
fn probe(application: &Application, address: SocketAddr) -> Probe {
    match application.command.first() {
        Some(first) if first == OWN_NAME => Probe::Ready(address),
        _ => Probe::Connect(address),
    }
}

/// What this program is started with to be the application, or to become it.
fn arguments(application: &Application) -> Vec<String> {
    match application.command.split_first() {
        Some((first, rest)) if first == OWN_NAME => rest.to_vec(),
        _ => {
            let stop = application.stop.as_millis().to_string();
            let tether = ["tether".to_owned(), "--stop-ms".to_owned(), stop, "--".to_owned()];
            tether.into_iter().chain(application.command.clone()).collect()
        }
    }
}
