//! What must be true of the shop whatever happened to it: pure functions over what its API answers. Money and stock
//! are conserved to the unit, and nothing is charged or reserved twice.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Money, in minor units.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Money {
    /// How much.
    pub amount: i64,
}

/// A line of an order.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Line {
    /// The product.
    pub sku: String,
    /// How much of it.
    pub quantity: i64,
}

/// An order, as the shop shows it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Order {
    /// Its id.
    pub id: String,
    /// Who placed it.
    pub customer: String,
    /// `PENDING`, `CONFIRMED` or `CANCELLED`.
    pub status: String,
    /// Why it was cancelled.
    pub reason: Option<String>,
    /// What was ordered.
    pub lines: Vec<Line>,
    /// What it costs.
    pub total: Money,
}

/// A movement of a wallet.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Movement {
    /// Its number.
    pub n: u64,
    /// `deposit`, `payment` or `refund`.
    pub kind: String,
    /// How much; a payment is below zero.
    pub amount: Money,
    /// The order it is for.
    pub order: Option<String>,
}

/// A wallet with all its movements.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Wallet {
    /// Whose it is.
    pub customer: String,
    /// What is in it.
    pub balance: Money,
    /// What of it is set aside.
    pub held: Money,
    /// All movements.
    pub movements: Vec<Movement>,
}

/// The stock of a product.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Shelf {
    /// The product.
    pub sku: String,
    /// How much there is.
    pub on_hand: i64,
    /// How much of it is promised.
    pub reserved: i64,
}

/// A charge, as the card provider remembers it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Charge {
    /// Its key.
    pub key: String,
    /// `charged`, `refunded` or `voided`.
    pub status: String,
    /// How much.
    pub amount: i64,
    /// The order it is for; a voided one may know none.
    pub order: Option<String>,
}

/// One thing that must be true.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What must be true.
    pub what: &'static str,
    /// Whether it is.
    pub holds: bool,
    /// What was found, at most a few of the things that are wrong.
    pub detail: String,
}

/// How many of the wrong things are named.
const NAMED_MAX: usize = 5;

fn finding(what: &'static str, checked: usize, wrong: Vec<String>) -> Finding {
    let detail = match wrong.len() {
        0 => format!("{checked} checked"),
        count => {
            let named = wrong.iter().take(NAMED_MAX).map(String::as_str).collect::<Vec<_>>().join("; ");
            format!("{count} of {checked} wrong: {named}")
        }
    };
    Finding { what, holds: wrong.is_empty(), detail }
}

/// Every order is final.
pub fn all_final(orders: &[Order]) -> Finding {
    let wrong = orders.iter().filter(|order| !matches!(order.status.as_str(), "CONFIRMED" | "CANCELLED"));
    let wrong = wrong.map(|order| format!("{} is {}", order.id, order.status)).collect();
    finding("every order is final", orders.len(), wrong)
}

/// The promised stock is that of the confirmed orders; orders that are still pending may have some of it. `orders`
/// are all orders of the shop.
pub fn stock_conserved(shelves: &[Shelf], orders: &[Order]) -> Finding {
    let sum = |status: &str| {
        let mut sums = BTreeMap::<&str, i64>::new();
        let lines = orders.iter().filter(|order| order.status == status).flat_map(|order| &order.lines);
        lines.for_each(|line| *sums.entry(&line.sku).or_default() += line.quantity);
        sums
    };
    let (confirmed, pending) = (sum("CONFIRMED"), sum("PENDING"));
    let of = |sums: &BTreeMap<&str, i64>, sku: &str| sums.get(sku).copied().unwrap_or(0);
    let wrong = shelves.iter().filter_map(|shelf| {
        let (least, open) = (of(&confirmed, &shelf.sku), of(&pending, &shelf.sku));
        let fits = (least..=least + open).contains(&shelf.reserved) && shelf.reserved <= shelf.on_hand;
        (!fits).then(|| {
            let Shelf { sku, on_hand, reserved } = shelf;
            format!("{sku}: {reserved} reserved of {on_hand}, {least} confirmed, {open} pending")
        })
    });
    finding("stock is conserved", shelves.len(), wrong.collect())
}

/// Each wallet holds what was put in less what was paid, its movements come to the same, and each order of its
/// customer was paid once if it is confirmed, and not at all in the end if it is cancelled. `orders` are all orders
/// of these customers; pending ones are passed over.
pub fn money_conserved(wallets: &[Wallet], orders: &[Order]) -> Finding {
    let mut wrong = Vec::new();
    for wallet in wallets {
        let own: Vec<&Order> = orders.iter().filter(|order| order.customer == wallet.customer).collect();
        let moved: i64 = wallet.movements.iter().map(|movement| movement.amount.amount).sum();
        if moved != wallet.balance.amount {
            let (name, balance) = (&wallet.customer, wallet.balance.amount);
            wrong.push(format!("{name} has {balance}, its movements come to {moved}"));
        }
        if own.iter().all(|order| order.status != "PENDING") && wallet.held.amount != 0 {
            wrong.push(format!("{} has {} set aside for nothing", wallet.customer, wallet.held.amount));
        }
        let mut paid = BTreeMap::<&str, (i64, u32)>::new();
        for movement in &wallet.movements {
            if let Some(order) = &movement.order {
                let entry = paid.entry(order).or_default();
                entry.0 -= movement.amount.amount;
                entry.1 += u32::from(movement.kind == "payment");
            }
        }
        for order in own {
            let (sum, times) = paid.remove(order.id.as_str()).unwrap_or_default();
            let fits = match order.status.as_str() {
                "CONFIRMED" => (sum, times) == (order.total.amount, 1),
                "CANCELLED" => sum == 0 && times <= 1,
                _ => true,
            };
            if !fits {
                let (id, status, total) = (&order.id, &order.status, order.total.amount);
                wrong.push(format!("{id} is {status} over {total}: {sum} paid in {times} payments"));
            }
        }
        wrong.extend(
            paid.keys().map(|order| format!("{} paid for {order}, which is not there", wallet.customer)),
        );
    }
    finding("money is conserved", wallets.len(), wrong)
}

/// The cards were charged for every confirmed order, once and exactly, and for no other. `orders` are all orders of
/// the shop; pending ones are passed over.
pub fn charges_conserved(charges: &[Charge], orders: &[Order]) -> Finding {
    let mut charged = BTreeMap::<&str, Vec<&Charge>>::new();
    for charge in charges.iter().filter(|charge| charge.status == "charged") {
        charged.entry(charge.order.as_deref().unwrap_or("")).or_default().push(charge);
    }
    let mut wrong = Vec::new();
    for order in orders {
        let amounts: Vec<i64> = charged
            .remove(order.id.as_str())
            .unwrap_or_default()
            .iter()
            .map(|charge| charge.amount)
            .collect();
        let fits = match order.status.as_str() {
            "CONFIRMED" => amounts == [order.total.amount],
            "CANCELLED" => amounts.is_empty(),
            _ => true,
        };
        if !fits {
            let (id, status, total) = (&order.id, &order.status, order.total.amount);
            wrong.push(format!("{id} is {status} over {total}: charged {amounts:?}"));
        }
    }
    wrong.extend(charged.keys().map(|order| format!("charged for order `{order}`, which is not there")));
    finding("cards are charged once", orders.len(), wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(id: &str, status: &str, total: i64, quantity: i64) -> Order {
        let lines = vec![Line { sku: "mate".into(), quantity }];
        let (customer, total) = ("ana".to_owned(), Money { amount: total });
        Order { id: id.into(), customer, status: status.into(), reason: None, lines, total }
    }

    fn shelf(on_hand: i64, reserved: i64) -> Shelf {
        Shelf { sku: "mate".into(), on_hand, reserved }
    }

    fn wallet(balance: i64, held: i64, movements: &[(&str, i64, Option<&str>)]) -> Wallet {
        let movements = movements.iter().zip(1..).map(|((kind, amount, order), n)| Movement {
            n,
            kind: (*kind).into(),
            amount: Money { amount: *amount },
            order: order.map(str::to_owned),
        });
        let (balance, held) = (Money { amount: balance }, Money { amount: held });
        Wallet { customer: "ana".into(), balance, held, movements: movements.collect() }
    }

    #[test]
    fn stock_that_vanished_or_was_promised_twice_is_found() {
        let orders =
            [order("a", "CONFIRMED", 5, 2), order("b", "CANCELLED", 5, 4), order("c", "PENDING", 5, 3)];
        for (reserved, holds) in [(1, false), (2, true), (5, true), (6, false)] {
            assert_eq!(stock_conserved(&[shelf(10, reserved)], &orders).holds, holds, "{reserved}");
        }
        assert!(!stock_conserved(&[shelf(1, 2)], &orders).holds);
        assert!(!all_final(&orders).holds);
    }

    #[test]
    fn money_that_vanished_or_was_taken_twice_is_found() {
        let orders = [order("a", "CONFIRMED", 5, 1), order("b", "CANCELLED", 7, 1)];
        let (put, paid) = (("deposit", 20, None), ("payment", -5, Some("a")));
        let (taken, back) = (("payment", -7, Some("b")), ("refund", 7, Some("b")));
        for (wallet, holds) in [
            (wallet(15, 0, &[put, paid]), true),
            (wallet(15, 0, &[put, paid, taken, back]), true),
            (wallet(15, 1, &[put, paid]), false),
            (wallet(14, 0, &[put, paid]), false),
            (wallet(20, 0, &[put]), false),
            (wallet(10, 0, &[put, paid, paid]), false),
            (wallet(8, 0, &[put, paid, taken]), false),
            (wallet(15, 0, &[put, paid, taken, back, taken, back]), false),
            (wallet(14, 0, &[put, paid, ("payment", -1, Some("x"))]), false),
        ] {
            let finding = money_conserved(std::slice::from_ref(&wallet), &orders);
            assert_eq!(finding.holds, holds, "{wallet:?} {finding:?}");
        }
    }

    #[test]
    fn a_card_that_was_charged_wrongly_is_found() {
        let orders = [order("a", "CONFIRMED", 5, 1), order("b", "CANCELLED", 7, 1)];
        let charge = |order: &str, status: &str, amount| Charge {
            key: format!("{order}/payment/do"),
            status: status.into(),
            amount,
            order: Some(order.into()),
        };
        let good = charge("a", "charged", 5);
        for (charges, holds) in [
            (vec![good.clone()], true),
            (vec![good.clone(), charge("b", "refunded", 7), charge("c", "voided", 0)], true),
            (vec![], false),
            (vec![good.clone(), good.clone()], false),
            (vec![charge("a", "charged", 6)], false),
            (vec![good.clone(), charge("b", "charged", 7)], false),
            (vec![good, charge("x", "charged", 7)], false),
        ] {
            assert_eq!(charges_conserved(&charges, &orders).holds, holds, "{charges:?}");
        }
    }
}
