//! What is said of connections before anything in them is a request: peers that are networks, and hosts that are passed
//! on to one service each.

use std::collections::{BTreeMap, BTreeSet};

use mamparo_tls::proxy_protocol::TrustedPeers;

use super::matches::is_host;
use crate::check::Checker;
use crate::config::{Passthrough, Service};
use crate::file;
use crate::limits::{PASSTHROUGH_HOSTS_MAX, PROXY_PROTOCOL_PEERS_MAX};
use crate::tree::Step;

const GATEWAY: Step<'static> = Step::Key("gateway");

impl Checker<'_> {
    pub(super) fn peers(&mut self, raw: Option<file::ProxyProtocol>) -> TrustedPeers {
        let Some(raw) = raw else { return TrustedPeers::default() };
        let steps = [GATEWAY, Step::Key("proxy_protocol"), Step::Key("from")];
        if raw.from.is_empty() {
            let help = "leave `proxy_protocol` out, or name the balancers".to_owned();
            self.at(&steps, "nobody is named".into(), Some(help));
        }
        if raw.from.len() > PROXY_PROTOCOL_PEERS_MAX {
            self.at(&steps, format!("at most {PROXY_PROTOCOL_PEERS_MAX}"), None);
            return TrustedPeers::default();
        }
        for (number, peer) in raw.from.iter().enumerate() {
            if let Err(wrong) = TrustedPeers::parse(&[peer]) {
                let steps = [steps[0], steps[1], steps[2], Step::Index(number)];
                self.at(&steps, wrong.to_string(), None);
            }
        }
        TrustedPeers::parse(&raw.from).unwrap_or_default()
    }

    pub(super) fn passthrough(
        &mut self,
        raw: Vec<file::Passthrough>,
        services: &BTreeMap<String, Service>,
    ) -> Vec<Passthrough> {
        let steps = [GATEWAY, Step::Key("passthrough")];
        let mut seen = BTreeSet::new();
        let count: usize = raw.iter().map(|one| one.hosts.len()).sum();
        if count > PASSTHROUGH_HOSTS_MAX {
            self.at(&steps, format!("{count} hosts, at most {PASSTHROUGH_HOSTS_MAX} are read"), None);
        }
        let checked = raw.into_iter().enumerate().map(|(number, one)| {
            let at = [steps[0], steps[1], Step::Index(number)];
            self.refers(&[at[0], at[1], at[2], Step::Key("service")], "service", &one.service, services);
            for (nth, host) in one.hosts.iter().enumerate() {
                let host = host.to_ascii_lowercase();
                let steps = [at[0], at[1], at[2], Step::Key("hosts"), Step::Index(nth)];
                if !is_host(&host) {
                    let help = "a host alone, such as shop.example or *.shop.example".to_owned();
                    self.at(&steps, format!("`{host}` is not a host"), Some(help));
                } else if !seen.insert(host.clone()) {
                    self.at(&steps, format!("`{host}` is passed on already"), None);
                }
            }
            let hosts = one.hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
            Passthrough { hosts, service: one.service }
        });
        checked.collect()
    }
}
