//! Which orders are placed, and how each of them must end: pure, and the same for the same seed.

use std::collections::BTreeMap;

use mamparo_context::Random;

use crate::limits::CUSTOMERS_MAX;

/// The product of which there is never enough.
pub(crate) const SCARCE: &str = "thermos";

/// How an order must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// There is money and stock: CONFIRMED.
    Confirmed,
    /// There is no money: CANCELLED.
    NoMoney,
    /// There is no stock: refunded, and CANCELLED.
    NoStock,
}

/// One order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Who places it.
    pub customer: String,
    /// What is ordered: sku and quantity.
    pub lines: Vec<(String, i64)>,
    /// What it costs, in minor units.
    pub total: i64,
    /// How it must end.
    pub fate: Fate,
}

/// All orders, and what must be there before the first of them is placed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The orders.
    pub orders: Vec<Planned>,
    /// What is put into each customer's wallet, in minor units.
    pub deposits: BTreeMap<String, i64>,
    /// What is delivered of each product.
    pub deliveries: BTreeMap<String, i64>,
}

impl Plan {
    /// A plan of `orders` orders for customers whose names begin with `name`: nine in ten can be confirmed.
    ///
    /// `prices` are those of every product; more than `scarce` of the scarce product is ordered where there shall
    /// not be enough.
    pub fn new(
        name: &str,
        orders: u64,
        prices: &BTreeMap<String, i64>,
        scarce: i64,
        random: &Random,
    ) -> Self {
        let skus: Vec<&String> = prices.keys().filter(|sku| *sku != SCARCE).collect();
        let customers = orders.div_ceil(20).clamp(1, CUSTOMERS_MAX);
        let mut plan = Self::default();
        for _ in 0..orders {
            let fate = match random.below(20) {
                0 => Fate::NoMoney,
                1 => Fate::NoStock,
                _ => Fate::Confirmed,
            };
            let customer = match fate {
                Fate::NoMoney => format!("{name}-poor"),
                _ => format!("{name}-{}", random.below(customers)),
            };
            let lines = match fate {
                Fate::NoStock => vec![(SCARCE.to_owned(), scarce + 1)],
                _ => (0..=random.below(2)).filter_map(|_| line(&skus, random)).collect(),
            };
            let cost = |(sku, quantity): &(String, i64)| prices.get(sku).copied().unwrap_or(0) * quantity;
            let total = lines.iter().map(cost).sum();
            plan.orders.push(Planned { customer, lines, total, fate });
        }
        plan.provide();
        plan
    }

    /// What must be there: the poor have a wallet, with a minor unit in it.
    fn provide(&mut self) {
        for order in &self.orders {
            let money = self.deposits.entry(order.customer.clone()).or_default();
            match order.fate {
                Fate::NoMoney => *money = 1,
                Fate::NoStock | Fate::Confirmed => *money += order.total,
            }
            if order.fate == Fate::Confirmed {
                for (sku, quantity) in &order.lines {
                    *self.deliveries.entry(sku.clone()).or_default() += quantity;
                }
            }
        }
    }

    /// How many orders must end so.
    pub fn count(&self, fate: Fate) -> u64 {
        self.orders.iter().filter(|order| order.fate == fate).count() as u64
    }
}

fn line(skus: &[&String], random: &Random) -> Option<(String, i64)> {
    let sku = skus.get(usize::try_from(random.below(skus.len() as u64)).ok()?)?;
    Some(((*sku).clone(), 1 + i64::try_from(random.below(3)).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(orders: u64, seed: u64) -> Plan {
        let prices = [("mate", 10), ("thermos", 50), ("yerba-1kg", 3)];
        let prices = prices.map(|(sku, price)| (sku.to_owned(), price)).into();
        Plan::new("d", orders, &prices, 1_000, &Random::seeded(seed))
    }

    #[test]
    fn a_seed_repeats_its_plan() {
        assert_eq!(plan(200, 7), plan(200, 7));
        assert_ne!(plan(200, 7), plan(200, 8));
    }

    #[test]
    fn what_is_provided_is_just_enough() {
        let plan = plan(2_000, 1);
        assert!(plan.count(Fate::NoMoney) > 50 && plan.count(Fate::NoStock) > 50);
        let mut money = plan.deposits.clone();
        let mut stock = plan.deliveries.clone();
        for order in &plan.orders {
            assert!(order.total > 0, "{order:?}");
            match order.fate {
                Fate::NoMoney => assert!(plan.deposits[&order.customer] < order.total),
                Fate::NoStock => assert!(order.lines[0].1 > 1_000 && order.lines[0].0 == SCARCE),
                Fate::Confirmed => order.lines.iter().for_each(|(sku, quantity)| {
                    *stock.get_mut(sku).unwrap() -= quantity;
                }),
            }
            if order.fate != Fate::NoMoney {
                *money.get_mut(&order.customer).unwrap() -= order.total;
            }
        }
        assert!(stock.values().all(|left| *left == 0));
        assert!(money.iter().all(|(name, left)| *left == i64::from(name.ends_with("poor"))));
    }
}
