//! `mamparo cache`: what the routes of a gateway keep of answers, and what is to be forgotten.

use serde_json::{Map, Value};

use super::ask::{Whom, block_on};
use crate::failure::Outcome;

/// List the caches of routes, and purge them.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mamparo cache list\n  mamparo cache purge --tag product-7\n  mamparo cache purge --address https://shop.example/products/7 --route products\n  mamparo cache purge --all"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Routes that keep answers, with what they hold and what they did.
    List {
        #[command(flatten)]
        whom: Whom,
    },
    /// Forget answers; what is being fetched meanwhile is not kept either.
    Purge {
        #[command(flatten)]
        what: What,
        /// Only what this route keeps; default: what any route keeps.
        #[arg(long, value_name = "ROUTE")]
        route: Option<String>,
        #[command(flatten)]
        whom: Whom,
    },
}

/// What is to be forgotten.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct What {
    /// All answers that bear this tag.
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// The answers of this address, as a client names it, such as https://shop.example/a?b=c.
    #[arg(long, value_name = "URL")]
    address: Option<String>,
    /// The answers of all addresses that begin so, such as https://shop.example/products/.
    #[arg(long, value_name = "URL")]
    prefix: Option<String>,
    /// Everything.
    #[arg(long)]
    all: bool,
}

const PART: &str = "gateway";

pub(crate) fn run(args: Args) -> Outcome {
    block_on(async {
        match args.verb {
            Verb::List { whom } => {
                let caches = whom.list(PART, "/cache").await?;
                let fields = ["route", "entries", "bytes", "capacity_bytes", "hits", "stale", "misses"];
                whom.print(&caches, &fields);
            }
            Verb::Purge { what, route, whom } => {
                let answer = whom.post(PART, "/cache/purge", &what.body(route)).await?;
                let line = match answer["purged"].as_array().map_or(0, Vec::len) {
                    0 => "no route keeps answers".to_owned(),
                    1 => "purged in the cache of 1 route".to_owned(),
                    many => format!("purged in the caches of {many} routes"),
                };
                whom.done(&answer, &line);
            }
        }
        Ok(())
    })
}

impl What {
    fn body(self, route: Option<String>) -> Value {
        let texts = [("route", route), ("tag", self.tag), ("address", self.address), ("prefix", self.prefix)];
        let said = texts.into_iter().filter_map(|(key, text)| Some((key.to_owned(), Value::from(text?))));
        let mut body: Map<String, Value> = said.collect();
        if self.all {
            body.insert("all".into(), true.into());
        }
        body.into()
    }
}
