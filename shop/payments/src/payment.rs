//! Where a payment stands and what follows from each thing that happens to it: pure. It is named by the command that
//! asks for it, which is also the key under which the provider charges.
//!
//! The order of things: the money is held in the wallet; the provider charges; the hold is captured. Undone, the
//! provider is asked first too: it gives back what it charged, or never charges under this key any more; then the
//! wallet gets its money back. So there is no moment at which money has left one side for good and not the other.

/// Where a payment stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nobody asked for it yet.
    New,
    /// Its money is held, and the provider is asked to charge.
    Charging,
    /// It is done.
    Captured,
    /// The provider certainly did not charge, and the hold was released. May be asked for again.
    Failed,
    /// Refused for good; nothing is held or charged.
    Refused(String),
    /// It is being undone at the provider; whether its money was captured or is held.
    Voiding { captured: bool },
    /// It is undone for good.
    Voided,
}

/// What is to be done about a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    /// Hold the money and have it charged.
    Hold,
    /// The answer comes when the provider has given its own; it goes to this attempt.
    Await,
    /// Have it undone at the provider.
    Void {
        /// Whether the money was captured.
        captured: bool,
    },
    /// Remember that it is undone; there is nothing to undo.
    Bury,
    /// Answer that it is done.
    Done,
    /// Answer with this refusal.
    Refuse(String),
}

/// The order wants its money.
pub(crate) fn capture(standing: Standing) -> Move {
    match standing {
        Standing::New | Standing::Failed => Move::Hold,
        Standing::Charging => Move::Await,
        Standing::Captured => Move::Done,
        Standing::Refused(reason) => Move::Refuse(reason),
        Standing::Voiding { .. } | Standing::Voided => Move::Refuse("undone before it was done".into()),
    }
}

/// The order wants it undone.
pub(crate) fn undo(standing: &Standing) -> Move {
    match standing {
        Standing::New | Standing::Failed | Standing::Refused(_) => Move::Bury,
        Standing::Charging => Move::Void { captured: false },
        Standing::Captured => Move::Void { captured: true },
        Standing::Voiding { .. } => Move::Await,
        Standing::Voided => Move::Done,
    }
}

/// What the provider said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// It charged.
    Charged,
    /// It will not charge, for this reason.
    Declined(String),
    /// It certainly did not charge; another time it may.
    NotCharged(String),
    /// What was charged is given back, and nothing will be charged any more.
    Voided,
}

/// What follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Settlement {
    /// Capture the hold; answer that it is done.
    Capture,
    /// Release the hold; answer with this refusal.
    Refuse(String),
    /// Release the hold; answer that this attempt failed.
    Fail(String),
    /// Release the hold; answer that it is undone.
    Release,
    /// Give back what was captured; answer that it is undone.
    Refund,
    /// It stands elsewhere by now: the provider is asked something else.
    Nothing,
}

/// The provider has answered.
pub(crate) fn settle(standing: &Standing, told: Told) -> Settlement {
    match (standing, told) {
        (Standing::Charging, Told::Charged) => Settlement::Capture,
        (Standing::Charging, Told::Declined(reason)) => Settlement::Refuse(reason),
        (Standing::Charging, Told::NotCharged(reason)) => Settlement::Fail(reason),
        (Standing::Voiding { captured: false }, Told::Voided) => Settlement::Release,
        (Standing::Voiding { captured: true }, Told::Voided) => Settlement::Refund,
        _ => Settlement::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_standing_knows_what_to_do() {
        let undone = || Move::Refuse("undone before it was done".into());
        for (standing, wanted, unwanted) in [
            (Standing::New, Move::Hold, Move::Bury),
            (Standing::Charging, Move::Await, Move::Void { captured: false }),
            (Standing::Captured, Move::Done, Move::Void { captured: true }),
            (Standing::Failed, Move::Hold, Move::Bury),
            (Standing::Refused("no".into()), Move::Refuse("no".into()), Move::Bury),
            (Standing::Voiding { captured: true }, undone(), Move::Await),
            (Standing::Voided, undone(), Move::Done),
        ] {
            assert_eq!(undo(&standing), unwanted, "{standing:?}");
            assert_eq!(capture(standing), wanted);
        }
    }

    /// A provider that remembers keys, and a wallet; both as little as there can be of them.
    #[derive(Default)]
    struct World {
        charged: bool,
        closed: bool,
        held: bool,
        captured: bool,
    }

    impl World {
        fn take(&mut self, standing: Standing, next: Move) -> Standing {
            match next {
                Move::Hold => {
                    assert!(!self.held && !self.captured);
                    self.held = true;
                    Standing::Charging
                }
                Move::Void { captured } => Standing::Voiding { captured },
                Move::Bury => {
                    assert!(!self.held && !self.captured && !self.charged);
                    Standing::Voided
                }
                Move::Await | Move::Done | Move::Refuse(_) => standing,
            }
        }

        fn ask(&mut self, standing: &Standing, how: u8) -> Option<Told> {
            match standing {
                Standing::Charging if how == 0 => {
                    Some(Told::Declined("limit".into())).filter(|_| !self.charged)
                }
                Standing::Charging if how == 1 => {
                    Some(Told::NotCharged("down".into())).filter(|_| !self.charged)
                }
                Standing::Charging => {
                    self.charged |= !self.closed;
                    // The answer may be lost on its way.
                    (how > 2).then_some(Told::Charged)
                }
                Standing::Voiding { .. } => {
                    (self.charged, self.closed) = (false, true);
                    (how > 1).then_some(Told::Voided)
                }
                _ => None,
            }
        }

        fn settle(&mut self, standing: Standing, told: Told) -> Standing {
            match settle(&standing, told) {
                Settlement::Capture => {
                    assert!(self.held && self.charged);
                    (self.held, self.captured) = (false, true);
                    Standing::Captured
                }
                Settlement::Refuse(reason) => {
                    self.held = false;
                    Standing::Refused(reason)
                }
                Settlement::Fail(_) => {
                    self.held = false;
                    Standing::Failed
                }
                Settlement::Release => {
                    assert!(self.held);
                    self.held = false;
                    Standing::Voided
                }
                Settlement::Refund => {
                    assert!(self.captured);
                    self.captured = false;
                    Standing::Voided
                }
                Settlement::Nothing => standing,
            }
        }
    }

    proptest! {
        /// Commands, lost answers and late answers in any order: whenever the payment rests, wallet and provider agree.
        #[test]
        fn wallet_and_provider_agree_whenever_it_rests(steps in prop::collection::vec((0..6_u8, 0..5_u8), 0..60)) {
            let (mut world, mut standing, mut late) = (World::default(), Standing::New, Vec::new());
            for (what, how) in steps {
                standing = match what {
                    0 | 1 => { let next = capture(standing.clone()); world.take(standing, next) }
                    2 => { let next = undo(&standing); world.take(standing, next) }
                    3 => match world.ask(&standing, how) { Some(told) => world.settle(standing, told), None => standing },
                    4 => { late.extend(world.ask(&standing, 4)); standing }
                    _ => match late.pop() { Some(told) => world.settle(standing, told), None => standing },
                };
                match standing {
                    Standing::New | Standing::Failed | Standing::Refused(_) | Standing::Voided => {
                        prop_assert!(!world.held && !world.captured && !world.charged, "{:?}", standing);
                    }
                    Standing::Captured => prop_assert!(world.captured && world.charged),
                    Standing::Charging | Standing::Voiding { .. } => {}
                }
            }
        }
    }
}
