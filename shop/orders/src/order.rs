//! What an order is: whether it makes sense, what it costs, and what can happen to it. Pure.

use mamparo_aggregate::{Aggregate, events};
use serde::{Deserialize, Serialize};

use crate::catalogue::Prices;
use crate::limits::{CUSTOMER_BYTES_MAX, LINES_MAX, QUANTITY_MAX, TOTAL_MAX};

/// An order as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    pub(crate) customer: String,
    pub(crate) lines: Vec<WantedLine>,
}

/// One line of it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WantedLine {
    pub(crate) sku: String,
    pub(crate) quantity: i64,
}

/// A line with the price at which it was ordered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) sku: String,
    pub(crate) quantity: i64,
    pub(crate) price: i64,
}

/// Why an order makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Nonsense {
    #[error("a customer is 1 to {CUSTOMER_BYTES_MAX} letters, digits, `-`, `_` and `.`")]
    Customer,
    #[error("an order has 1 to {LINES_MAX} lines, this one has {0}")]
    Lines(usize),
    #[error("there is no product {sku}")]
    UnknownSku { sku: String },
    #[error("a quantity is from 1 to {QUANTITY_MAX}, that of {sku} is {quantity}")]
    Quantity { sku: String, quantity: i64 },
    #[error("the total is more than {TOTAL_MAX} minor units")]
    Total,
}

/// It was placed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Placed {
    pub(crate) customer: String,
    pub(crate) lines: Vec<Line>,
    pub(crate) total: i64,
    pub(crate) currency: String,
}

/// It is paid for and its goods are reserved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Confirmed {}

/// It was not to be; whatever was done for it is undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cancelled {
    pub(crate) reason: String,
}

events! {
    /// What can happen to an order.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub(crate) enum OrderEvent {
        /// It was placed.
        Placed(Placed) = "OrderPlaced",
        /// It is paid for and reserved.
        Confirmed(Confirmed) = "OrderConfirmed",
        /// It was not to be.
        Cancelled(Cancelled) = "OrderCancelled",
    }
}

/// What can be asked of an order.
#[derive(Clone, Debug)]
pub(crate) enum OrderCommand {
    /// Place it.
    Place(Placed),
    /// It came to a good end.
    Confirm,
    /// It did not.
    Cancel(String),
}

/// Where an order stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Standing {
    #[default]
    New,
    Pending,
    Confirmed,
    Cancelled,
}

/// An order that stands elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the order is {0:?}")]
pub(crate) struct StandsElsewhere(Standing);

/// The aggregate.
pub(crate) struct Orders;

impl Aggregate for Orders {
    const CATEGORY: &'static str = "order";
    type State = Standing;
    type Command = OrderCommand;
    type Event = OrderEvent;
    type Rejection = StandsElsewhere;

    fn decide(standing: &Standing, command: &OrderCommand) -> Result<Vec<OrderEvent>, StandsElsewhere> {
        match (standing, command) {
            (Standing::New, OrderCommand::Place(placed)) => Ok(vec![placed.clone().into()]),
            (Standing::Pending, OrderCommand::Confirm) => Ok(vec![Confirmed {}.into()]),
            (Standing::Pending, OrderCommand::Cancel(reason)) => {
                Ok(vec![Cancelled { reason: reason.clone() }.into()])
            }
            (Standing::Confirmed, OrderCommand::Confirm) | (Standing::Cancelled, OrderCommand::Cancel(_)) => {
                Ok(Vec::new())
            }
            (standing, _) => Err(StandsElsewhere(*standing)),
        }
    }

    fn evolve(_: Standing, event: &OrderEvent) -> Standing {
        match event {
            OrderEvent::Placed(_) => Standing::Pending,
            OrderEvent::Confirmed(_) => Standing::Confirmed,
            OrderEvent::Cancelled(_) => Standing::Cancelled,
        }
    }
}

/// The order at these prices, which it keeps.
///
/// # Errors
/// [`Nonsense`] names the first thing that is wrong with it.
pub(crate) fn priced(wanted: Wanted, prices: &Prices, currency: &str) -> Result<Placed, Nonsense> {
    let Wanted { customer, lines: wanted } = wanted;
    if !is_customer(&customer) {
        return Err(Nonsense::Customer);
    }
    if !(1..=LINES_MAX).contains(&wanted.len()) {
        return Err(Nonsense::Lines(wanted.len()));
    }
    let mut lines = Vec::with_capacity(wanted.len());
    let mut total: i64 = 0;
    for WantedLine { sku, quantity } in wanted {
        let Some(&price) = prices.get(&sku) else { return Err(Nonsense::UnknownSku { sku }) };
        if !(1..=QUANTITY_MAX).contains(&quantity) {
            return Err(Nonsense::Quantity { sku, quantity });
        }
        let sum = price.checked_mul(quantity).and_then(|cost| total.checked_add(cost));
        total = sum.filter(|sum| *sum <= TOTAL_MAX).ok_or(Nonsense::Total)?;
        lines.push(Line { sku, quantity, price });
    }
    Ok(Placed { customer, lines, total, currency: currency.to_owned() })
}

fn is_customer(name: &str) -> bool {
    (1..=CUSTOMER_BYTES_MAX).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn prices() -> Prices {
        [("mate".to_owned(), 250), ("gold".to_owned(), i64::MAX / 2)].into()
    }

    fn wanted(customer: &str, lines: &[(&str, i64)]) -> Wanted {
        let lines =
            lines.iter().map(|(sku, quantity)| WantedLine { sku: (*sku).into(), quantity: *quantity });
        Wanted { customer: customer.into(), lines: lines.collect() }
    }

    #[test]
    fn nonsense_is_named() {
        let quantity = |quantity| Nonsense::Quantity { sku: "mate".into(), quantity };
        for (wanted, nonsense) in [
            (wanted("", &[("mate", 1)]), Nonsense::Customer),
            (wanted("ana maría", &[("mate", 1)]), Nonsense::Customer),
            (wanted(&"a".repeat(65), &[("mate", 1)]), Nonsense::Customer),
            (wanted("ana", &[]), Nonsense::Lines(0)),
            (wanted("ana", &[("mate", 1); 101]), Nonsense::Lines(101)),
            (wanted("ana", &[("mate", 1), ("x", 1)]), Nonsense::UnknownSku { sku: "x".into() }),
            (wanted("ana", &[("mate", 0)]), quantity(0)),
            (wanted("ana", &[("mate", -1)]), quantity(-1)),
            (wanted("ana", &[("mate", i64::MAX)]), quantity(i64::MAX)),
            (wanted("ana", &[("gold", 1)]), Nonsense::Total),
            (wanted("ana", &[("gold", 1_000_000)]), Nonsense::Total),
        ] {
            assert_eq!(priced(wanted, &prices(), "ARS"), Err(nonsense));
        }
    }

    #[test]
    fn an_order_ends_once() {
        let placed = priced(wanted("ana", &[("mate", 2)]), &prices(), "ARS").unwrap();
        let (place, confirm, cancel) =
            (OrderCommand::Place(placed), OrderCommand::Confirm, OrderCommand::Cancel("no".into()));
        for (standing, command, events) in [
            (Standing::New, &place, Some(1)),
            (Standing::New, &confirm, None),
            (Standing::Pending, &place, None),
            (Standing::Pending, &confirm, Some(1)),
            (Standing::Pending, &cancel, Some(1)),
            (Standing::Confirmed, &confirm, Some(0)),
            (Standing::Confirmed, &cancel, None),
            (Standing::Cancelled, &cancel, Some(0)),
            (Standing::Cancelled, &confirm, None),
        ] {
            let decided = Orders::decide(&standing, command).ok().map(|events| events.len());
            assert_eq!(decided, events, "{standing:?} {command:?}");
        }
    }

    proptest! {
        #[test]
        fn the_total_is_the_sum_of_its_lines(quantities in prop::collection::vec(1..=QUANTITY_MAX, 1..=LINES_MAX)) {
            let lines: Vec<(&str, i64)> = quantities.iter().map(|quantity| ("mate", *quantity)).collect();
            let placed = priced(wanted("ana", &lines), &prices(), "ARS").unwrap();
            prop_assert_eq!(placed.total, 250 * quantities.iter().sum::<i64>());
        }
    }
}
