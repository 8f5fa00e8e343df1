//! The services: each in one place, and spoken to in a way that holds together.

use std::collections::BTreeMap;
use std::time::Duration;

use mamparo_balance::InvalidConfig as InvalidBalance;
use mamparo_tls::{InvalidConfig as InvalidTls, Protocol as Alpn};

use super::Checker;
use crate::config::{RequestKey, Service, ServiceEndpoint, ServicePlace, ServiceProtocol};
use crate::file;
use crate::tree::Step;

impl Checker<'_> {
    pub(super) fn services(&mut self, raw: BTreeMap<String, file::Service>) -> BTreeMap<String, Service> {
        raw.into_iter()
            .map(|(name, service)| {
                self.name("services", &name);
                let service = self.service(&name, service);
                (name, service)
            })
            .collect()
    }

    fn service(&mut self, name: &str, raw: file::Service) -> Service {
        let steps = [Step::Key("services"), Step::Key(name)];
        let protocol = match raw.protocol {
            None | Some(file::Protocol::Http1) => ServiceProtocol::Http1,
            Some(file::Protocol::Http2) => ServiceProtocol::Http2,
        };
        let mut tls = raw.tls;
        if let Some(tls) = &mut tls {
            if self.tree.at(&[steps[0], steps[1], Step::Key("tls"), Step::Key("alpn")]).is_some() {
                let message = "what is spoken inside follows from `protocol`".to_owned();
                self.at_field(&steps, "tls.alpn", message, Some("leave it out".into()));
            }
            tls.alpn = vec![match protocol {
                ServiceProtocol::Http1 => Alpn::Http1,
                ServiceProtocol::Http2 => Alpn::Http2,
            }];
            if let Err(InvalidTls { field, problem }) = tls.check() {
                self.at_field(&steps, &format!("tls.{field}"), problem, None);
            }
        }
        let balance = raw.balance.unwrap_or_default();
        if let Err(InvalidBalance { field, problem }) = balance.check() {
            self.at_field(&steps, &format!("balance.{field}"), problem, None);
        }
        let key = raw.key.as_deref().map(|key| self.service_key(name, key)).unwrap_or_default();
        Service { place: self.place(name, raw.address, raw.endpoints, raw.dns), protocol, tls, balance, key }
    }

    fn place(
        &mut self,
        name: &str,
        address: Option<crate::units::Address>,
        endpoints: Option<Vec<file::Endpoint>>,
        dns: Option<file::Dns>,
    ) -> ServicePlace {
        let steps = [Step::Key("services"), Step::Key(name)];
        let named: Vec<&str> =
            [("address", address.is_some()), ("endpoints", endpoints.is_some()), ("dns", dns.is_some())]
                .into_iter()
                .filter_map(|(key, is_there)| is_there.then_some(key))
                .collect();
        if let [first, second, ..] = named.as_slice() {
            let message = format!("where it listens is said by `{first}` already");
            self.at_field(&steps, second, message, Some("leave one of them out".into()));
        }
        if let Some(dns) = dns {
            let (host, port) = dns.name.rsplit_once(':').unwrap_or((&dns.name, ""));
            if host.is_empty() || host.contains(['/', ':', ' ']) || port.parse::<u16>().is_err() {
                let message = format!("`{}` is not a name and a port", dns.name);
                self.at_field(&steps, "dns.name", message, Some("such as orders.internal:8080".into()));
            }
            let every = dns.every.map_or(Duration::from_secs(5), |span| span.0);
            if every < Duration::from_millis(100) {
                self.at_field(&steps, "dns.every", "at least 100ms".into(), None);
            }
            return ServicePlace::Dns { name: dns.name, every };
        }
        if let Some(endpoints) = endpoints {
            if endpoints.len() > mamparo_balance::limits::ENDPOINTS_MAX {
                let most = mamparo_balance::limits::ENDPOINTS_MAX;
                self.at_field(&steps, "endpoints", format!("at most {most}"), None);
            }
            let checked = endpoints.into_iter().map(|endpoint| ServiceEndpoint {
                address: endpoint.address.0,
                weight: endpoint.weight.unwrap_or(1),
                zone: endpoint.zone,
            });
            return ServicePlace::Endpoints(checked.collect());
        }
        match address {
            Some(address) => {
                ServicePlace::Endpoints(vec![ServiceEndpoint { address: address.0, weight: 1, zone: None }])
            }
            None => ServicePlace::Given,
        }
    }

    fn service_key(&mut self, service: &str, text: &str) -> RequestKey {
        if let Some(key) = RequestKey::parse(text) {
            return key;
        }
        let steps = [Step::Key("services"), Step::Key(service)];
        let help = "say address, path, header:<name> or cookie:<name>".to_owned();
        self.at_field(&steps, "key", format!("`{text}` is nothing that requests have in common"), Some(help));
        RequestKey::default()
    }
}
