//! Where everybody listens: the addresses of the configuration, proven free, and a port for each service that
//! names none, kept from one start to the next.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::{fs, io};

use mamparo_config::{Config, Role};
use mamparo_context::Random;

use super::folder::replace;
use crate::failure::Failure;

/// Where services listen, by name.
pub(crate) type Addresses = BTreeMap<String, SocketAddr>;

/// Name of the file in the folder of the run.
pub(crate) const FILE_NAME: &str = "addresses.json";
/// Ports that no system hands out to outgoing connections, which could take the port of a service that is just
/// being started again.
const PORTS: std::ops::Range<u16> = 20_000..32_000;
/// How many ports are tried.
const TRIES: usize = 1_000;

/// Proves that the addresses which this machine listens on are free.
pub(crate) fn prove_free(config: &Config) -> Result<(), Failure> {
    let listeners = &config.listeners;
    let mut own = vec![("listeners.admin", listeners.admin)];
    if config.roles.contains(&Role::Gateway) {
        own.extend([("listeners.gateway", listeners.gateway), ("listeners.mesh", listeners.mesh)]);
    }
    if config.roles.contains(&Role::Hub) {
        own.push(("listeners.hub", listeners.hub));
    }
    for (what, address) in own {
        bind(what, address)?;
    }
    let served = config.applications.values().filter_map(|application| application.service.as_deref());
    for service in served {
        if let Some(address) = config.services.get(service).and_then(|service| service.address()) {
            bind(&format!("services.{service}.address"), address)?;
        }
    }
    Ok(())
}

/// Binds an address of the configuration, called `what` there.
pub(crate) fn bind(what: &str, address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => Failure::address_in_use(what, address),
        io::ErrorKind::PermissionDenied => {
            let remedy =
                format!("name a port from 1024 on under `{what}`, or give this program the right to bind it");
            Failure::config_unusable(format!("this user may not listen on {address}"), &remedy)
        }
        _ => {
            let remedy = format!("name an address of this machine under `{what}`");
            Failure::config_unusable(format!("cannot listen on {address}: {error}"), &remedy)
        }
    })
}

/// The addresses of all services: fixed ones, the ones of the last start where they are free, fresh ones.
pub(crate) fn choose(config: &Config, run: &Path, random: &Random) -> Result<Addresses, Failure> {
    let file = run.join(FILE_NAME);
    // A file that cannot be read is as good as none: ports are picked anew.
    let mut last: Addresses =
        fs::read_to_string(&file).ok().and_then(|text| parse(&text)).unwrap_or_default();
    let (mut chosen, mut held) = (Addresses::new(), Vec::new());
    for (name, service) in &config.services {
        if service.address().is_none() && !service.is_given() {
            continue;
        }
        let address = match (service.address(), last.remove(name)) {
            (Some(address), _) => address,
            (None, kept) => {
                let listener = kept.and_then(|address| TcpListener::bind(address).ok());
                let listener = match listener {
                    Some(listener) => listener,
                    None => free_port(random)
                        .map_err(|error| Failure::other(format!("no port is free: {error}")))?,
                };
                let address = listener.local_addr().map_err(Failure::other)?;
                held.push(listener);
                address
            }
        };
        chosen.insert(name.clone(), address);
    }
    let text = serde_json::json!(chosen).to_string();
    replace(&file, &text).map_err(|error| Failure::data_unwritable(run, error))?;
    Ok(chosen)
}

/// Reads the addresses that a supervisor chose.
pub(crate) fn read(file: &Path) -> Result<Addresses, Failure> {
    let text = fs::read_to_string(file)
        .map_err(|error| Failure::other(format!("cannot read {}: {error}", file.display())))?;
    parse(&text).ok_or_else(|| Failure::other(format!("{} does not hold addresses", file.display())))
}

fn parse(text: &str) -> Option<Addresses> {
    serde_json::from_str(text).ok()
}

fn free_port(random: &Random) -> io::Result<TcpListener> {
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..TRIES {
        let offset = random.next_u64() % u64::from(PORTS.end - PORTS.start);
        let port = PORTS.start + u16::try_from(offset).unwrap_or(0);
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "
version: 1
services: {orders: {}, fixed: {address: '127.0.0.1:7001'}}
applications: {orders: {command: [a], service: orders}}
";

    #[test]
    fn a_service_keeps_its_port_as_long_as_it_is_free() {
        let run = tempfile::tempdir().unwrap();
        let config = mamparo_config::check(TEXT, "f").unwrap();
        let random = Random::seeded(5);
        let first = choose(&config, run.path(), &random).unwrap();
        assert_eq!(first["fixed"].port(), 7001);
        assert!(PORTS.contains(&first["orders"].port()));
        assert_eq!(choose(&config, run.path(), &random).unwrap(), first);
        let _taken = TcpListener::bind(first["orders"]).unwrap();
        let other = choose(&config, run.path(), &random).unwrap();
        assert_ne!(other["orders"], first["orders"]);
        assert_eq!(read(&run.path().join(FILE_NAME)).unwrap(), other);
    }
}
