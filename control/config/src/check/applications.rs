//! The applications, and that every service is served by somebody.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Checker;
use crate::config::{Application, Service};
use crate::file;
use crate::tree::Step;

/// Names of folders and processes that are Mamparo's own.
const RESERVED: [&str; 4] = ["hub", "mamparo", "node", "run"];

impl Checker<'_> {
    pub(super) fn applications(
        &mut self,
        raw: BTreeMap<String, file::Application>,
        services: &BTreeMap<String, Service>,
    ) -> BTreeMap<String, Application> {
        let mut served: BTreeMap<&str, &str> = BTreeMap::new();
        for (name, application) in &raw {
            self.name("applications", name);
            if RESERVED.contains(&name.as_str()) {
                let message = format!("`{name}` is a name of Mamparo's own");
                self.at_key(&[Step::Key("applications")], name, message, Some("choose another name".into()));
            }
            if application.command.first().is_some_and(String::is_empty) {
                let steps =
                    [Step::Key("applications"), Step::Key(name), Step::Key("command"), Step::Index(0)];
                self.at(&steps, "a program has a name".into(), None);
            }
            let Some(service) = &application.service else { continue };
            let steps = [Step::Key("applications"), Step::Key(name), Step::Key("service")];
            self.refers(&steps, "service", service, services);
            if let Some(other) = served.insert(service, name) {
                self.at(&steps, format!("application `{other}` serves `{service}` already"), None);
            }
            if services.get(service).is_some_and(|one| !one.is_given() && one.address().is_none()) {
                let message = format!("`{service}` does not listen at one address");
                let help = "an application listens at the `address` of its service, or where a port is free";
                self.at(&steps, message, Some(help.to_owned()));
            }
        }
        for (name, _) in
            services.iter().filter(|(name, one)| one.is_given() && !served.contains_key(name.as_str()))
        {
            let message = format!("nobody serves `{name}`");
            let help = "give it an `address`, or an application with `service`".to_owned();
            self.at_key(&[Step::Key("services")], name, message, Some(help));
        }
        raw.into_iter().map(|(name, application)| (name, checked(application))).collect()
    }
}

fn checked(raw: file::Application) -> Application {
    Application {
        command: raw.command,
        service: raw.service,
        env: raw.env,
        stop: raw.stop.map_or(Duration::from_secs(5), |span| span.0),
    }
}
