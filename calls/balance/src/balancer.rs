//! Which endpoint of a service takes the next request. One is shared by all threads; a change of the list or of the
//! configuration makes another, which goes on with what is known.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use arc_swap::{ArcSwap, Guard};
use mamparo_context::{Moment, Random};

use crate::cohort::{Cohort, Entry};
use crate::config::{Algorithm, BalanceConfig, InvalidConfig};
use crate::describe::{self, Counts, Description};
use crate::endpoint::Endpoint;
use crate::health::{Checks, Health, Transition};
use crate::limits::{ENDPOINTS_MAX, WEIGHT_MAX};
use crate::maglev::{Table, hash};
use crate::pick::Pick;
use crate::ready::{Ready, Wish};
use crate::select::Reach;
use crate::state::{Member, Rules, State};

/// Which endpoint of a service takes the next request. Share it in an [`Arc`].
///
/// ```
/// use std::time::Duration;
///
/// use mamparo_balance::{BalanceConfig, Balancer, Endpoint, Seen};
/// use mamparo_context::{Clock, Random};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (clock, random) = (Clock::system(), Random::system());
/// let endpoints = vec![Endpoint::new("10.0.0.7:80".parse()?), Endpoint::new("10.0.0.8:80".parse()?)];
/// let balancer = Balancer::new(BalanceConfig::default(), endpoints, clock.moment())?;
///
/// let begun = clock.moment();
/// let pick = balancer.pick(None, &[], begun, &random).ok_or("nobody is there")?;
/// // Send the request to pick.address(), and tell what became of it.
/// let tried = pick.address();
/// let now = clock.moment();
/// pick.record(Seen::Failure, now.since(begun), now);
///
/// // The repeat goes to the other one.
/// let repeat = balancer.pick(None, &[tried], now, &random).ok_or("nobody is there")?;
/// assert_ne!(repeat.address(), tried);
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Balancer {
    config: BalanceConfig,
    members: Box<[Arc<Member>]>,
    /// Where keys belong; for consistent hashing alone.
    table: Option<Arc<Table>>,
    cohort: Arc<Cohort>,
    ready: ArcSwap<Ready>,
    /// Who holds it draws the picture of who is ready anew.
    drawing: Mutex<()>,
}

impl Balancer {
    /// A balancer over endpoints of which nothing is known. An address that stands there twice counts once, as it stands
    /// there first.
    ///
    /// # Errors
    /// `config` is wrong, there are more than [`ENDPOINTS_MAX`] endpoints, or one weighs more than [`WEIGHT_MAX`].
    pub fn new(config: BalanceConfig, endpoints: Vec<Endpoint>, now: Moment) -> Result<Self, InvalidConfig> {
        Self::build(config, endpoints, None, now)
    }

    /// A balancer in place of this one, with another configuration or other endpoints. It goes on with what is known of
    /// endpoints that stay: latency, health, ejections, requests under way. Those that this one has picked are counted
    /// there when they end. This one goes on working until nobody holds it, but who is ejected is decided among the new
    /// endpoints from now on.
    ///
    /// # Errors
    /// As [`new`](Self::new); then nothing has changed.
    pub fn with(
        &self,
        config: BalanceConfig,
        endpoints: Vec<Endpoint>,
        now: Moment,
    ) -> Result<Self, InvalidConfig> {
        Self::build(config, endpoints, Some(self), now)
    }

    fn build(
        config: BalanceConfig,
        endpoints: Vec<Endpoint>,
        before: Option<&Balancer>,
        now: Moment,
    ) -> Result<Self, InvalidConfig> {
        config.check()?;
        let endpoints = distinct(endpoints)?;
        let cohort = before.map_or_else(|| Arc::new(first_cohort(now)), |before| Arc::clone(&before.cohort));
        let known = known(&endpoints, before);
        // Only who comes later than the others must be spared.
        let began = if before.is_some() { now } else { Moment::ZERO };
        let members = members(&config, endpoints, &known, &cohort, began);
        enrol(&config, &members, &known, &cohort, now);
        let table = (config.algorithm == Algorithm::Maglev).then(|| table(&members, before));
        let ready = Ready::new(&config, &members, table.as_ref(), cohort.epoch(), now);
        Ok(Self {
            config,
            members,
            table,
            cohort,
            ready: ArcSwap::from_pointee(ready),
            drawing: Mutex::new(()),
        })
    }

    /// Which endpoint takes a request; `None` when there is none, or all are out and there is no panic. Consistent hashing
    /// goes by `key`; the other algorithms do not look at it. The endpoints in `tried` are avoided, for a repeat, as long as
    /// there are others. Takes no lock but that of `random`, which is best one of the calling thread's own, and allocates
    /// nothing, unless somebody has come or gone since the last pick.
    #[inline]
    pub fn pick(&self, key: Option<u64>, tried: &[SocketAddr], now: Moment, random: &Random) -> Option<Pick> {
        let ready = self.ready(now);
        let index = ready.choose(&self.members, &self.cohort, &Wish { key, tried, now, random });
        let Some(member) = index.and_then(|index| self.members.get(index)) else {
            self.cohort.picks_refused.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        if ready.reach == Reach::Panic {
            self.cohort.panic_picks.fetch_add(1, Ordering::Relaxed);
        }
        Some(Pick::new(Arc::clone(member)))
    }

    /// When the next endpoint is to be probed; `None` when none ever is.
    pub fn next_check(&self) -> Option<Moment> {
        self.cohort.next_check()
    }

    /// At most `most` of the endpoints that are to be probed now. Whoever asks must probe them as
    /// [`BalanceConfig::health`] says and [`record_check`](Self::record_check) each.
    pub fn due_checks(&self, now: Moment, most: usize, random: &Random) -> Vec<SocketAddr> {
        self.cohort.due_checks(now, most, random)
    }

    /// Takes in what a probe came to, and tells what that has changed.
    pub fn record_check(&self, address: SocketAddr, passed: bool, now: Moment) -> Option<Transition> {
        self.cohort.record_check(address, passed, now)
    }

    /// What it was made with.
    pub fn config(&self) -> &BalanceConfig {
        &self.config
    }

    /// Its endpoints.
    pub fn endpoints(&self) -> impl ExactSizeIterator<Item = &Endpoint> {
        self.members.iter().map(|member| &member.endpoint)
    }

    /// What it knows, for a person to look at.
    pub fn describe(&self, now: Moment) -> Description {
        let ready = self.ready(now);
        describe::describe(&self.config, &self.members, ready.reach, self.counts(), now)
    }

    /// What has happened since the first of the balancers that went on from each other.
    pub fn counts(&self) -> Counts {
        Counts::of(&self.cohort)
    }

    /// Who is ready, drawn anew if somebody has come or gone.
    #[inline]
    fn ready(&self, now: Moment) -> Guard<Arc<Ready>> {
        let ready = self.ready.load();
        if ready.epoch == self.cohort.epoch() && now < ready.until {
            return ready;
        }
        drop(ready);
        self.draw(now);
        self.ready.load()
    }

    #[cold]
    fn draw(&self, now: Moment) {
        // While another thread draws it, the old picture does.
        let Ok(_drawing) = self.drawing.try_lock() else { return };
        let epoch = self.cohort.epoch();
        self.members.iter().for_each(|member| member.state.welcome(now));
        let ready = Ready::new(&self.config, &self.members, self.table.as_ref(), epoch, now);
        self.ready.store(Arc::new(ready));
    }
}

/// Each address once.
fn distinct(endpoints: Vec<Endpoint>) -> Result<Vec<Endpoint>, InvalidConfig> {
    let mut seen = HashSet::new();
    let endpoints: Vec<Endpoint> =
        endpoints.into_iter().filter(|endpoint| seen.insert(endpoint.address)).collect();
    InvalidConfig::unless(endpoints.len() <= ENDPOINTS_MAX, "endpoints", "at most 1024")?;
    let holds = endpoints.iter().all(|endpoint| endpoint.weight <= WEIGHT_MAX);
    InvalidConfig::unless(holds, "endpoints.weight", "at most 1000000")?;
    Ok(endpoints)
}

/// A cohort whose first turn is anybody's: many processes that start together must not begin with the same endpoint.
fn first_cohort(now: Moment) -> Cohort {
    let cohort = Cohort::default();
    cohort.turns.start(hash(now.as_nanos(), 0) >> 1);
    cohort
}

/// The members that are known already.
type Known<'a> = HashMap<SocketAddr, &'a Arc<Member>>;

fn known<'a>(endpoints: &[Endpoint], before: Option<&'a Balancer>) -> Known<'a> {
    let Some(before) = before else { return Known::new() };
    let old: Known<'a> = before.members.iter().map(|member| (member.endpoint.address, member)).collect();
    let keep = |new: &Endpoint| {
        let member = *old.get(&new.address)?;
        new.is_same(&member.endpoint).then_some((new.address, member))
    };
    endpoints.iter().filter_map(keep).collect()
}

/// The members of a new list. Those that are not known begin their slow start at `began`.
fn members(
    config: &BalanceConfig,
    endpoints: Vec<Endpoint>,
    known: &Known<'_>,
    cohort: &Arc<Cohort>,
    began: Moment,
) -> Box<[Arc<Member>]> {
    let rules = Rules::from(config);
    let member = |endpoint: Endpoint| {
        let state = match known.get(&endpoint.address) {
            Some(member) => {
                // The slices of a window of another length mean nothing.
                if member.rules.slice != rules.slice {
                    member.state.window.clear();
                }
                Arc::clone(&member.state)
            }
            None => Arc::new(State::new(cohort, began)),
        };
        Arc::new(Member { endpoint, rules, state })
    };
    endpoints.into_iter().map(member).collect()
}

/// Makes `members` those of the cohort, and tells them what the probes say.
fn enrol(config: &BalanceConfig, members: &[Arc<Member>], known: &Known<'_>, cohort: &Cohort, now: Moment) {
    let mut roster = cohort.roster();
    let addresses = members.iter().map(|member| member.endpoint.address);
    roster.checks = config.health.clone().map(|health| match &roster.checks {
        Some(checks) => checks.with(health, addresses, |address| known.contains_key(&address), now),
        None => Checks::new(health, addresses, now),
    });
    for member in members {
        let health = roster.checks.as_ref().map(|checks| checks.health(member.endpoint.address));
        member.state.set_unhealthy(health == Some(Health::Unhealthy), now);
    }
    roster.outlier = config.outlier.clone();
    let entry = |member: &Arc<Member>| Entry {
        address: member.endpoint.address,
        counts: member.endpoint.weight > 0,
        state: Arc::clone(&member.state),
    };
    roster.entries = members.iter().map(entry).collect();
    cohort.changed();
}

/// The table of before if the endpoints are the same.
fn table(members: &[Arc<Member>], before: Option<&Balancer>) -> Arc<Table> {
    let parts = |members: &[Arc<Member>]| -> Vec<(SocketAddr, u32)> {
        members.iter().map(|member| (member.endpoint.address, member.endpoint.weight)).collect()
    };
    let wanted = parts(members);
    let old = before.and_then(|before| before.table.as_ref().filter(|_| parts(&before.members) == wanted));
    old.map_or_else(|| Arc::new(Table::new(wanted)), Arc::clone)
}
