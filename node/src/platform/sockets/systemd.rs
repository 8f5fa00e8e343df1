//! What systemd passes on and wants to know: sockets (`LISTEN_FDS`), and how the process stands (`NOTIFY_SOCKET`).

use std::ffi::OsStr;
use std::io;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

use super::Named;

/// The number of the first socket.
const FIRST: i32 = 3;
/// Most sockets that are taken.
const SOCKETS_MAX: i32 = 16;
/// Variables that are meant for one process alone, and for none that it starts.
pub(crate) const VARIABLES: [&str; 3] = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"];

/// The sockets that systemd passed on to this process.
pub(crate) fn passed() -> io::Result<Vec<Named>> {
    let variable = |name| std::env::var(name).ok();
    let count =
        meant_for(std::process::id(), variable("LISTEN_PID").as_deref(), variable("LISTEN_FDS").as_deref());
    let names = variable("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':').map(str::to_owned);
    // A descriptor is owned by nobody yet: the system is asked for one of our own to the same socket.
    let own = pidfd_open(getpid(), PidfdFlags::empty());
    let socket = |number: i32| {
        let descriptor =
            pidfd_getfd(own.as_ref().map_err(|error| *error)?, number, PidfdGetfdFlags::empty())?;
        let name = names.next().unwrap_or_default();
        Ok((name, TcpListener::from(descriptor)))
    };
    (FIRST..FIRST + count).map(socket).collect()
}

/// How many sockets are meant for the process `pid`.
fn meant_for(pid: u32, listen_pid: Option<&str>, listen_fds: Option<&str>) -> i32 {
    let meant = listen_pid.and_then(|text| text.parse().ok()) == Some(pid);
    let count = listen_fds.filter(|_| meant).and_then(|text| text.parse::<i32>().ok());
    count.unwrap_or(0).clamp(0, SOCKETS_MAX)
}

/// Tells systemd how this process stands, where it wants to know.
pub(crate) fn notify(state: &str) {
    let Some(to) = std::env::var_os("NOTIFY_SOCKET") else { return };
    if let Err(error) = send(&to, state) {
        tracing::warn!(%error, state, "systemd cannot be told how this process stands");
    }
}

fn send(to: &OsStr, state: &str) -> io::Result<()> {
    let address = match to.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(to)?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_that_are_meant_for_another_process_are_left_alone() {
        for (pid, fds, count) in [
            (Some("7"), Some("2"), 2),
            (Some("8"), Some("2"), 0),
            (None, Some("2"), 0),
            (Some("7"), None, 0),
            (Some("7"), Some("many"), 0),
            (Some("7"), Some("-1"), 0),
            (Some("7"), Some("1000"), SOCKETS_MAX),
        ] {
            assert_eq!(meant_for(7, pid, fds), count, "{pid:?} {fds:?}");
        }
    }

    #[test]
    fn systemd_is_told_on_its_socket() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let systemd = UnixDatagram::bind(&path).unwrap();
        send(path.as_os_str(), "READY=1").unwrap();
        let mut buffer = [0; 32];
        let read = systemd.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..read], b"READY=1");
    }
}
