//! The addresses: none twice, and nothing without an identity beyond this machine.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use super::Checker;
use crate::config::{Listeners, Service};
use crate::file;
use crate::tree::Step;

impl Checker<'_> {
    pub(super) fn listeners(
        &mut self,
        raw: &file::Listeners,
        services: &BTreeMap<String, Service>,
    ) -> Listeners {
        let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let listeners = Listeners {
            gateway: raw.gateway.map_or(local(8080), |address| address.0),
            gateway_tls: raw.gateway_tls.map(|address| address.0),
            mesh: raw.mesh.map_or(local(9920), |address| address.0),
            admin: raw.admin.map_or(local(9900), |address| address.0),
            hub: raw.hub.map_or(local(9910), |address| address.0),
        };
        for (name, address) in [("mesh", listeners.mesh), ("admin", listeners.admin), ("hub", listeners.hub)]
        {
            if !address.ip().is_loopback() {
                let message =
                    format!("{address} can be reached from other machines, and nobody is asked who calls");
                let help = format!("use a loopback address: 127.0.0.1:{}", address.port());
                self.at(&[Step::Key("listeners"), Step::Key(name)], message, Some(help));
            }
        }
        let mut taken: Vec<(String, SocketAddr)> = Vec::new();
        let mut own = [
            ("gateway", listeners.gateway, raw.gateway.is_some()),
            ("mesh", listeners.mesh, raw.mesh.is_some()),
            ("admin", listeners.admin, raw.admin.is_some()),
            ("hub", listeners.hub, raw.hub.is_some()),
        ];
        // Defaults come first, so that a problem points at an address which somebody wrote.
        own.sort_by_key(|(_, _, written)| *written);
        for (name, address, _) in own {
            self.once(&[Step::Key("listeners"), Step::Key(name)], name, address, &mut taken);
        }
        if let Some(address) = listeners.gateway_tls {
            self.once(
                &[Step::Key("listeners"), Step::Key("gateway_tls")],
                "gateway_tls",
                address,
                &mut taken,
            );
        }
        for (name, service) in services {
            for (number, address) in service.addresses().enumerate() {
                let service = [Step::Key("services"), Step::Key(name)];
                let alone = [service[0], service[1], Step::Key("address")];
                let endpoints = [service[0], service[1], Step::Key("endpoints"), Step::Index(number)];
                let is_alone = self.tree.at(&alone).is_some();
                let steps = if is_alone { &alone[..] } else { &endpoints[..] };
                self.once(steps, &format!("service {name}"), address, &mut taken);
            }
        }
        listeners
    }

    fn once(
        &mut self,
        steps: &[Step<'_>],
        who: &str,
        address: SocketAddr,
        taken: &mut Vec<(String, SocketAddr)>,
    ) {
        // Port 0 is a different port for everybody.
        match taken.iter().find(|(_, other)| *other == address && address.port() != 0) {
            Some((holder, _)) => self.at(steps, format!("{address} is taken by {holder} already"), None),
            None => taken.push((who.to_owned(), address)),
        }
    }
}
