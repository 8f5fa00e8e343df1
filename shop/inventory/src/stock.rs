//! What a command of an order does to the stock, given what is known of it: pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// So much of one product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) sku: String,
    pub(crate) quantity: i64,
}

/// Where a reservation stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nobody asked for it yet.
    New,
    /// It holds what it asked for.
    Reserved(Vec<Line>),
    /// It was refused for good.
    Refused(String),
    /// It was undone, perhaps before it was asked for: it is not obeyed any more.
    Released,
}

/// What is to be done about a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    /// Reserve, if there is enough of everything.
    Reserve,
    /// Give these back.
    Release(Vec<Line>),
    /// Only remember that it is released.
    Remember,
    /// Answer that it is done.
    Done,
    /// Answer with this refusal.
    Refuse(String),
}

/// The order wants it reserved.
pub(crate) fn reserve(standing: Standing) -> Move {
    match standing {
        Standing::New => Move::Reserve,
        Standing::Reserved(_) => Move::Done,
        Standing::Refused(reason) => Move::Refuse(reason),
        Standing::Released => Move::Refuse("released before it was reserved".into()),
    }
}

/// The order wants it undone.
pub(crate) fn release(standing: Standing) -> Move {
    match standing {
        Standing::New | Standing::Refused(_) => Move::Remember,
        Standing::Reserved(lines) => Move::Release(lines),
        Standing::Released => Move::Done,
    }
}

/// The lines with each product once, by sku; `None` when they make no sense.
pub(crate) fn merged(lines: &[Line]) -> Option<Vec<Line>> {
    let mut by_sku: BTreeMap<&str, i64> = BTreeMap::new();
    for line in lines {
        let sum = by_sku.entry(&line.sku).or_default();
        *sum = sum.checked_add(line.quantity).filter(|_| line.quantity > 0)?;
    }
    Some(by_sku.into_iter().map(|(sku, quantity)| Line { sku: sku.to_owned(), quantity }).collect())
}

/// Why these lines cannot be reserved; `available` says for a sku what is on hand and not reserved.
pub(crate) fn shortage(lines: &[Line], available: impl Fn(&str) -> i64) -> Option<String> {
    let short = lines.iter().find(|line| available(&line.sku) < line.quantity)?;
    Some(format!("no stock of {}", short.sku))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(sku: &str, quantity: i64) -> Line {
        Line { sku: sku.into(), quantity }
    }

    #[test]
    fn every_standing_knows_what_to_do() {
        let lines = || vec![line("mate", 2)];
        for (standing, reserved, released) in [
            (Standing::New, Move::Reserve, Move::Remember),
            (Standing::Reserved(lines()), Move::Done, Move::Release(lines())),
            (Standing::Refused("no".into()), Move::Refuse("no".into()), Move::Remember),
            (Standing::Released, Move::Refuse("released before it was reserved".into()), Move::Done),
        ] {
            assert_eq!(reserve(standing.clone()), reserved);
            assert_eq!(release(standing), released);
        }
    }

    #[test]
    fn the_first_product_that_is_short_is_named() {
        let lines = merged(&[line("yerba-1kg", 1), line("mate", 3), line("yerba-1kg", 2)]).unwrap();
        assert_eq!(lines, [line("mate", 3), line("yerba-1kg", 3)]);
        let shelf = |mate, yerba| move |sku: &str| if sku == "mate" { mate } else { yerba };
        assert_eq!(shortage(&lines, shelf(3, 3)), None);
        assert_eq!(shortage(&lines, shelf(3, 2)).unwrap(), "no stock of yerba-1kg");
        assert_eq!(shortage(&lines, shelf(2, 2)).unwrap(), "no stock of mate");
    }

    #[test]
    fn quantities_that_make_no_sense_are_refused() {
        for lines in [vec![line("a", 0)], vec![line("a", -1)], vec![line("a", i64::MAX), line("a", 1)]] {
            assert_eq!(merged(&lines), None);
        }
    }

    proptest! {
        #[test]
        fn merging_loses_nothing(lines in prop::collection::vec(("[a-c]", 1_i64..1_000), 0..20)) {
            let lines: Vec<Line> = lines.iter().map(|(sku, quantity)| line(sku, *quantity)).collect();
            let merged = merged(&lines).unwrap();
            let sum = |lines: &[Line]| lines.iter().map(|line| line.quantity).sum::<i64>();
            prop_assert_eq!(sum(&merged), sum(&lines));
            prop_assert!(merged.windows(2).all(|pair| pair[0].sku < pair[1].sku));
        }
    }
}
