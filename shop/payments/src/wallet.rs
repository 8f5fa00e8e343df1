//! What can happen to a wallet, and when: pure. Money that is held is still the customer's and cannot be held twice;
//! only a hold can be captured.

use std::collections::BTreeMap;

use mamparo_aggregate::{Aggregate, events};
use serde::{Deserialize, Serialize};

use crate::limits::MONEY_MAX;

/// The wallet of a customer was opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Opened {
    pub(crate) customer: String,
}

/// Money was put in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Deposited {
    pub(crate) amount: i64,
}

/// Money was set aside for a payment, or is free again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Held {
    pub(crate) payment: String,
    pub(crate) amount: i64,
}

/// See [`Held`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Released {
    pub(crate) payment: String,
    pub(crate) amount: i64,
}

/// A payment took its money.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Captured {
    pub(crate) payment: String,
    pub(crate) order: String,
    pub(crate) amount: i64,
}

/// A payment gave its money back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refunded {
    pub(crate) payment: String,
    pub(crate) order: String,
    pub(crate) amount: i64,
}

events! {
    /// What can happen to a wallet.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub(crate) enum WalletEvent {
        /// It was opened.
        Opened(Opened) = "AccountOpened",
        /// Money was put in.
        Deposited(Deposited) = "MoneyDeposited",
        /// Money was set aside.
        Held(Held) = "MoneyHeld",
        /// Money that was set aside is free again.
        Released(Released) = "HoldReleased",
        /// A payment took its money.
        Captured(Captured) = "PaymentCaptured",
        /// A payment gave its money back.
        Refunded(Refunded) = "PaymentRefunded",
    }
}

/// What can be asked of a wallet.
#[derive(Clone, Debug)]
pub(crate) enum WalletCommand {
    /// Put money in; opens the wallet.
    Deposit { customer: String, amount: i64 },
    /// Set money aside for a payment.
    Hold { payment: String, amount: i64 },
    /// Free what is set aside for a payment.
    Release { payment: String },
    /// Take what is set aside for a payment.
    Capture { payment: String, order: String },
    /// Give back what a payment took.
    Refund { payment: String, order: String, amount: i64 },
}

/// Why a wallet refuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WalletRefusal {
    #[error("unknown customer")]
    Unknown,
    #[error("not enough money")]
    NotEnough,
    #[error("more money than a wallet holds")]
    TooMuch,
    #[error("nothing is held for this payment")]
    NotHeld,
}

/// What a wallet is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Wallet {
    pub(crate) opened: bool,
    /// What is the customer's, holds included.
    pub(crate) balance: i64,
    /// What is set aside, by payment.
    pub(crate) holds: BTreeMap<String, i64>,
}

impl Wallet {
    /// What is set aside in all.
    pub(crate) fn held(&self) -> i64 {
        self.holds.values().sum()
    }
}

/// The aggregate.
pub(crate) struct Wallets;

impl Aggregate for Wallets {
    const CATEGORY: &'static str = "wallet";
    type State = Wallet;
    type Command = WalletCommand;
    type Event = WalletEvent;
    type Rejection = WalletRefusal;

    fn decide(wallet: &Wallet, command: &WalletCommand) -> Result<Vec<WalletEvent>, WalletRefusal> {
        match command.clone() {
            WalletCommand::Deposit { customer, amount } => {
                let fits = amount > 0 && amount <= MONEY_MAX && wallet.balance <= MONEY_MAX - amount;
                if !fits {
                    return Err(WalletRefusal::TooMuch);
                }
                let opened = (!wallet.opened).then(|| Opened { customer }.into());
                Ok(opened.into_iter().chain([Deposited { amount }.into()]).collect())
            }
            WalletCommand::Hold { .. } if !wallet.opened => Err(WalletRefusal::Unknown),
            WalletCommand::Hold { payment, .. } if wallet.holds.contains_key(&payment) => Ok(Vec::new()),
            WalletCommand::Hold { payment, amount } => {
                if amount <= 0 || amount > wallet.balance - wallet.held() {
                    return Err(WalletRefusal::NotEnough);
                }
                Ok(vec![Held { payment, amount }.into()])
            }
            WalletCommand::Release { payment } => {
                let held = wallet.holds.get(&payment).copied();
                Ok(held.map(|amount| Released { payment, amount }.into()).into_iter().collect())
            }
            WalletCommand::Capture { payment, order } => {
                let amount = wallet.holds.get(&payment).copied().ok_or(WalletRefusal::NotHeld)?;
                Ok(vec![Captured { payment, order, amount }.into()])
            }
            WalletCommand::Refund { payment, order, amount } => {
                Ok(vec![Refunded { payment, order, amount }.into()])
            }
        }
    }

    fn evolve(mut wallet: Wallet, event: &WalletEvent) -> Wallet {
        match event {
            WalletEvent::Opened(_) => wallet.opened = true,
            WalletEvent::Deposited(Deposited { amount }) | WalletEvent::Refunded(Refunded { amount, .. }) => {
                wallet.balance += amount;
            }
            WalletEvent::Held(Held { payment, amount }) => {
                wallet.holds.insert(payment.clone(), *amount);
            }
            WalletEvent::Released(Released { payment, .. }) => {
                wallet.holds.remove(payment);
            }
            WalletEvent::Captured(Captured { payment, amount, .. }) => {
                wallet.holds.remove(payment);
                wallet.balance -= amount;
            }
        }
        wallet
    }
}

#[cfg(test)]
mod tests {
    use mamparo_aggregate::fold;
    use proptest::prelude::*;

    use super::*;

    fn after(wallet: Wallet, command: &WalletCommand) -> Result<Wallet, WalletRefusal> {
        Ok(fold::<Wallets>(wallet.clone(), &Wallets::decide(&wallet, command)?))
    }

    fn deposit(amount: i64) -> WalletCommand {
        WalletCommand::Deposit { customer: "ana".into(), amount }
    }

    fn hold(payment: &str, amount: i64) -> WalletCommand {
        WalletCommand::Hold { payment: payment.into(), amount }
    }

    fn capture(payment: &str) -> WalletCommand {
        WalletCommand::Capture { payment: payment.into(), order: "o".into() }
    }

    #[test]
    fn a_wallet_refuses_what_it_does_not_have() {
        let none = Wallet::default();
        assert_eq!(after(none.clone(), &hold("p", 1)), Err(WalletRefusal::Unknown));
        let wallet = after(none, &deposit(10)).unwrap();
        let held = after(wallet, &hold("p", 7)).unwrap();
        assert_eq!((held.balance, held.held()), (10, 7));
        for (command, refusal) in [
            (hold("q", 4), WalletRefusal::NotEnough),
            (hold("q", 0), WalletRefusal::NotEnough),
            (capture("q"), WalletRefusal::NotHeld),
            (deposit(0), WalletRefusal::TooMuch),
            (deposit(i64::MAX), WalletRefusal::TooMuch),
            (deposit(MONEY_MAX), WalletRefusal::TooMuch),
        ] {
            assert_eq!(after(held.clone(), &command), Err(refusal), "{command:?}");
        }
        assert_eq!(after(held.clone(), &hold("p", 7)), Ok(held.clone()));
        let taken = after(held, &capture("p")).unwrap();
        assert_eq!((taken.balance, taken.held()), (3, 0));
    }

    proptest! {
        #[test]
        fn money_is_conserved_and_never_negative(steps in prop::collection::vec((0..5_u8, 0..4_u8, 1..100_i64), 0..80)) {
            let (mut wallet, mut put, mut taken) = (Wallet::default(), 0, BTreeMap::<String, i64>::new());
            for (what, payment, amount) in steps {
                let payment = format!("p{payment}");
                let order = "o".to_owned();
                let command = match what {
                    0 => deposit(amount),
                    1 => WalletCommand::Hold { payment, amount },
                    2 => WalletCommand::Release { payment },
                    3 => WalletCommand::Capture { payment, order },
                    _ => match taken.remove(&payment) {
                        Some(amount) => WalletCommand::Refund { payment, order, amount },
                        None => continue,
                    },
                };
                let Ok(events) = Wallets::decide(&wallet, &command) else { continue };
                for event in &events {
                    match event {
                        WalletEvent::Deposited(Deposited { amount }) => put += amount,
                        WalletEvent::Captured(Captured { payment, amount, .. }) => *taken.entry(payment.clone()).or_default() += amount,
                        _ => {}
                    }
                }
                wallet = fold::<Wallets>(wallet, &events);
                prop_assert_eq!(wallet.balance + taken.values().sum::<i64>(), put);
                prop_assert!(wallet.held() >= 0 && wallet.held() <= wallet.balance);
            }
        }
    }
}
