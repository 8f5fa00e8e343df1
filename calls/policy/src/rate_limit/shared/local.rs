//! Decides what a node can answer by itself about a quota that it shares: from tokens that it has taken before, from
//! what the store has said last, and by its rule while the store cannot be reached. No clock and no I/O.

use std::time::Duration;

use mamparo_context::Moment;

use super::super::Standing;
use super::super::core::{self, Price};
use super::{Ask, Given, SharedRateLimitConfig, StoreDown};
use crate::{InvalidConfig, Policy, Reason, Refusal};

/// What a node knows of a quota that it shares.
#[derive(Debug)]
pub(super) struct Local {
    config: SharedRateLimitConfig,
    whole: Price,
    /// The part of this node while the store cannot be reached.
    share: Price,
    share_tat: u64,
    leased: u32,
    until: Moment,
    /// So many tokens will not be there before this moment, the store has said.
    short: Option<(u32, Moment)>,
    last: Option<Standing>,
}

impl Local {
    pub(super) fn new(config: SharedRateLimitConfig) -> Result<Self, InvalidConfig> {
        config.check()?;
        let whole = config.quota.price()?;
        Ok(Self {
            whole,
            share: share(whole, &config),
            share_tat: 0,
            leased: 0,
            until: Moment::ZERO,
            short: None,
            last: None,
            config,
        })
    }

    /// Takes another configuration. Tokens that were taken stay with the node, and so do those of its share.
    pub(super) fn reconfigure(
        &mut self,
        config: SharedRateLimitConfig,
        now: Moment,
    ) -> Result<(), InvalidConfig> {
        let new = Self::new(config)?;
        let share_tat = core::convert(self.share_tat, self.share, new.share, core::ticks(now));
        *self = Self { share_tat, leased: self.leased, until: self.until, last: self.last, ..new };
        Ok(())
    }

    pub(super) fn config(&self) -> &SharedRateLimitConfig {
        &self.config
    }

    pub(super) fn standing(&self) -> Option<Standing> {
        self.last
    }

    /// What a call of `cost` is answered without the store; `None` if it must be asked.
    pub(super) fn answer(&mut self, cost: u32, now: Moment) -> Option<Result<(), Refusal>> {
        if now < self.until && cost <= self.leased {
            self.leased -= cost;
            return Some(Ok(()));
        }
        if !self.whole.can_ever(cost.into()) {
            return Some(Err(Refusal::new(Policy::RateLimit, Reason::TooCostly)));
        }
        match self.short {
            Some((least, until)) if cost >= least && now < until => Some(Err(over(until.since(now)))),
            _ => None,
        }
    }

    /// What to ask for.
    pub(super) fn ask(&self, cost: u32) -> Ask<'_> {
        let (key, quota) = (&self.config.key, &self.config.quota);
        Ask { key, quota, least: cost, most: cost.max(self.config.block) }
    }

    /// The store has given for a call of `cost`. Tokens may be kept as of `asked`, when it was asked.
    pub(super) fn given(
        &mut self,
        cost: u32,
        given: Given,
        asked: Moment,
        now: Moment,
    ) -> Result<(), Refusal> {
        self.last = Some(Standing::of(&self.config.quota, given.remaining.into(), given.reset));
        if given.tokens < cost || given.tokens == 0 && given.retry_after > Duration::ZERO {
            self.short = Some((cost, now + given.retry_after));
            return Err(over(given.retry_after));
        }
        self.short = None;
        let (rest, until) = (given.tokens - cost, asked + self.config.lease);
        if now < self.until && self.leased > 0 {
            // Older tokens are not kept for longer because newer ones come.
            self.until = self.until.min(until);
            self.leased = self.leased.saturating_add(rest);
        } else {
            (self.leased, self.until) = (rest, until);
        }
        Ok(())
    }

    /// Keeps tokens that were taken for nothing with those of the node; `false` if it has none of its own.
    pub(super) fn keep(&mut self, tokens: u32, now: Moment) -> bool {
        let room = now < self.until && self.leased.saturating_add(tokens) <= self.config.block;
        if room {
            self.leased += tokens;
        }
        room
    }

    /// What a call of `cost` is answered while the store cannot be reached, which is worth trying again after
    /// `pause`.
    pub(super) fn without_store(&mut self, cost: u32, now: Moment, pause: Duration) -> Result<(), Refusal> {
        match self.config.store_down {
            StoreDown::Open => Ok(()),
            StoreDown::Closed => Err(Refusal::new(Policy::RateLimit, Reason::StoreDown).retry_after(pause)),
            StoreDown::LocalShare { .. } if !self.share.can_ever(cost.into()) => {
                Err(Refusal::new(Policy::RateLimit, Reason::StoreDown).retry_after(pause))
            }
            StoreDown::LocalShare { .. } => {
                let ticks = core::ticks(now);
                self.share_tat = core::take(self.share_tat, self.share, cost.into(), ticks)
                    .map_err(|due| over(core::span(due.saturating_sub(ticks))))?;
                Ok(())
            }
        }
    }
}

fn over(after: Duration) -> Refusal {
    Refusal::new(Policy::RateLimit, Reason::OverQuota).retry_after(after)
}

/// The quota divided by the nodes; of the burst at least one token.
fn share(whole: Price, config: &SharedRateLimitConfig) -> Price {
    let StoreDown::LocalShare { nodes } = config.store_down else { return whole };
    let interval = whole.charge(nodes.into()).max(1);
    let burst = u64::from((config.quota.most() / nodes).max(1));
    Price { interval, tolerance: interval.saturating_mul(burst).min(core::END) }
}

#[cfg(test)]
mod tests {
    use super::super::super::Quota;
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const fn at(millis: u64) -> Moment {
        Moment::from_nanos(1_000_000_000 + millis * 1_000_000)
    }

    fn local(store_down: StoreDown, block: u32) -> Local {
        let quota = Quota::new(10, SECOND).burst(20);
        let config =
            SharedRateLimitConfig::new("k", quota, store_down).leased(block, Duration::from_millis(100));
        Local::new(config).unwrap()
    }

    fn gives(tokens: u32) -> Given {
        let retry_after = if tokens == 0 { Duration::from_millis(300) } else { Duration::ZERO };
        Given { tokens, remaining: 3, retry_after, reset: SECOND }
    }

    #[test]
    fn a_block_is_handed_out_without_asking_until_its_lease_ends() {
        let mut local = local(StoreDown::Closed, 5);
        assert_eq!(local.answer(1, at(0)), None);
        assert_eq!((local.ask(1).least, local.ask(1).most, local.ask(7).most), (1, 5, 7));
        assert_eq!(local.given(1, gives(5), at(0), at(20)), Ok(()));
        assert_eq!(local.answer(3, at(99)), Some(Ok(())));
        assert_eq!(local.answer(2, at(99)), None);
        assert_eq!(local.answer(1, at(100)), None, "as of the moment when the store was asked");
        assert!(!local.keep(1, at(100)));
        assert_eq!(local.given(1, gives(5), at(100), at(100)), Ok(()));
        assert!(!local.keep(2, at(150)), "a block is never more than a block");
        assert!(local.keep(1, at(150)));
        assert_eq!(local.answer(5, at(150)), Some(Ok(())));
    }

    #[test]
    fn what_the_store_has_refused_is_refused_without_asking_until_the_time_it_named() {
        let mut local = local(StoreDown::Closed, 1);
        assert_eq!(local.given(2, gives(0), at(0), at(0)), Err(over(Duration::from_millis(300))));
        assert_eq!(local.answer(2, at(200)), Some(Err(over(Duration::from_millis(100)))));
        assert_eq!(local.answer(1, at(200)), None, "fewer may be there");
        assert_eq!(local.answer(2, at(300)), None);
        assert_eq!(local.answer(21, at(0)).unwrap().unwrap_err().reason, Reason::TooCostly);
        assert_eq!(local.standing().unwrap().remaining, 3);
    }

    #[test]
    fn without_the_store_the_rule_decides() {
        let pause = Duration::from_millis(700);
        let admitted = |rule| {
            let mut local = local(rule, 1);
            let goes = |millis| local.without_store(1, at(millis), pause).is_ok();
            [0; 30].map(goes).into_iter().filter(|goes| *goes).count()
        };
        assert_eq!(admitted(StoreDown::Open), 30);
        assert_eq!(admitted(StoreDown::Closed), 0);
        assert_eq!(admitted(StoreDown::LocalShare { nodes: 4 }), 5);
        let refusal = local(StoreDown::Closed, 1).without_store(1, at(0), pause).unwrap_err();
        assert_eq!((refusal.reason, refusal.retry_after), (Reason::StoreDown, Some(pause)));
    }

    #[test]
    fn a_share_is_the_nodes_part_of_rate_and_burst() {
        let mut local = local(StoreDown::LocalShare { nodes: 4 }, 1);
        assert_eq!(local.without_store(5, at(0), SECOND), Ok(()));
        assert_eq!(local.without_store(1, at(399), SECOND), Err(over(Duration::from_millis(1))));
        assert_eq!(local.without_store(1, at(400), SECOND), Ok(()));
        assert_eq!(local.without_store(6, at(9_000), SECOND).unwrap_err().reason, Reason::StoreDown);
        let other = SharedRateLimitConfig {
            store_down: StoreDown::LocalShare { nodes: 1 },
            ..local.config().clone()
        };
        local.without_store(5, at(9_000), SECOND).unwrap();
        local.reconfigure(other, at(9_000)).unwrap();
        assert!(local.without_store(1, at(9_000), SECOND).is_err(), "a change makes no tokens");
    }

    #[test]
    fn what_cannot_work_is_refused_by_name() {
        let good = SharedRateLimitConfig::new("k", Quota::new(10, SECOND), StoreDown::Closed);
        for (config, field) in [
            (SharedRateLimitConfig { key: String::new(), ..good.clone() }, "key"),
            (good.clone().leased(0, SECOND), "block"),
            (good.clone().leased(11, SECOND), "block"),
            (good.clone().leased(2, Duration::ZERO), "lease"),
            (
                SharedRateLimitConfig { store_down: StoreDown::LocalShare { nodes: 0 }, ..good.clone() },
                "store-down",
            ),
            (SharedRateLimitConfig { quota: Quota::new(0, SECOND), ..good.clone() }, "rate"),
        ] {
            assert_eq!(Local::new(config).unwrap_err().field, field);
        }
        let text = r#"{"key": "k", "quota": {"rate": 10}, "store-down": {"local-share": {"nodes": 3}}}"#;
        let read: SharedRateLimitConfig = serde_json::from_str(text).unwrap();
        assert_eq!(read.store_down, StoreDown::LocalShare { nodes: 3 });
        let silent = serde_json::from_str::<SharedRateLimitConfig>(r#"{"key": "k", "quota": {"rate": 10}}"#);
        assert!(silent.unwrap_err().to_string().contains("store-down"));
    }
}
