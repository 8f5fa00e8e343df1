//! Decides which ranks are shed. Overload takes a share of what is accepted, as much as the pressure is above 1; calm
//! gives a little back at a time; between the two nothing moves, so that shedding does not flap. The share becomes a
//! rank by what was asked for of late.

use super::rank::RANKS;

/// What is accepted is never halved more than once at a time.
const MOST: f64 = 2.0;
/// What is left of an older tick in what was asked for of late.
const MEMORY: f64 = 0.75;
/// The share that is accepted at the least; below it only the trickle goes.
const LEAST: f64 = 0.001;

/// Moves the threshold.
#[derive(Debug)]
pub struct Controller {
    /// Pressure below which there is calm.
    calm: f64,
    /// What calm gives back, as a share of what is accepted.
    recover: f64,
    accepted: f64,
    asked: [f64; RANKS],
    threshold: usize,
}

impl Controller {
    /// One that sheds nothing.
    pub const fn new(calm: f64, recover: f64) -> Self {
        Self { calm, recover, accepted: 1.0, asked: [0.0; RANKS], threshold: 0 }
    }

    /// Changes the bounds and keeps what is known.
    pub const fn reconfigure(&mut self, calm: f64, recover: f64) {
        self.calm = calm;
        self.recover = recover;
    }

    /// `ticks` intervals have passed, in which `asked` calls of each rank came; the worst signal showed `pressure`,
    /// of which 1 and more is overload. Gives the lowest rank that is let go.
    pub fn tick(&mut self, pressure: f64, asked: impl Iterator<Item = u64>, ticks: u32) -> usize {
        let fade = MEMORY.powi(i32::try_from(ticks).unwrap_or(i32::MAX));
        for (own, new) in self.asked.iter_mut().zip(asked) {
            *own = *own * fade + new as f64;
        }
        if pressure >= 1.0 {
            self.accepted = (self.accepted / pressure.clamp(1.01, MOST)).max(LEAST);
        } else if pressure < self.calm {
            let grown = self.accepted * (1.0 + self.recover).powi(i32::try_from(ticks).unwrap_or(i32::MAX));
            // From very little it comes back in steps that are not as little.
            self.accepted = (grown + self.recover / 10.0).min(1.0);
        }
        self.threshold = self.place();
        self.threshold
    }

    /// The share of what is asked for that is accepted.
    pub const fn accepted(&self) -> f64 {
        self.accepted
    }

    /// The lowest rank that is let go.
    pub const fn threshold(&self) -> usize {
        self.threshold
    }

    fn place(&self) -> usize {
        if self.accepted >= 1.0 {
            return 0;
        }
        let all: f64 = self.asked.iter().sum();
        if all <= 0.0 {
            return self.threshold;
        }
        let (shed, mut below) = (all * (1.0 - self.accepted), 0.0);
        for (rank, asked) in self.asked.iter().enumerate() {
            // Half of a rank too much is better than a rank too little under overload.
            if below + asked / 2.0 >= shed {
                return rank;
            }
            below += asked;
        }
        RANKS
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As many calls of each rank of the four classes.
    fn asked(classes: [u64; 4]) -> impl Iterator<Item = u64> {
        classes.into_iter().flat_map(|calls| std::iter::repeat_n(calls, RANKS / 4))
    }

    #[test]
    fn pressure_takes_its_share_from_below_and_calm_gives_it_back() {
        let mut controller = Controller::new(0.8, 0.05);
        let even = [10; 4];
        for (pressure, threshold, why) in [
            (0.99, 0, "no overload"),
            (1.25, 80, "a fifth too much"),
            (0.9, 80, "neither overload nor calm"),
            (1.25, 144, "still a fifth too much"),
            (9.0, 272, "never more than a half at a time"),
        ] {
            assert_eq!(controller.tick(pressure, asked(even), 1), threshold, "{why}");
        }
        let mut last = controller.threshold();
        let mut ticks = 0;
        while controller.threshold() > 0 {
            controller.tick(0.1, asked(even), 1);
            assert!(controller.threshold() <= last);
            last = controller.threshold();
            ticks += 1;
        }
        assert!((15..40).contains(&ticks), "{ticks}");
    }

    #[test]
    fn the_rank_depends_on_who_asks() {
        for (classes, accepted, threshold) in [
            ([10, 0, 0, 0], 0.5, 50..51),
            ([0, 0, 10, 0], 0.5, 250..251),
            ([10, 0, 10, 0], 0.5, 100..201),
            ([0, 0, 0, 10], 0.5, 350..351),
            ([1, 0, 99, 0], 0.5, 249..251),
        ] {
            let mut controller = Controller::new(0.8, 0.05);
            controller.tick(1.0 / accepted, asked(classes), 1);
            assert!(threshold.contains(&controller.threshold()), "{classes:?} {}", controller.threshold());
        }
    }

    #[test]
    fn without_anybody_asking_nothing_moves_and_long_calm_ends_it_at_once() {
        let mut controller = Controller::new(0.8, 0.05);
        controller.tick(2.0, asked([10; 4]), 1);
        controller.tick(0.9, asked([0; 4]), 1_000);
        assert_eq!(controller.threshold(), 200);
        assert_eq!(controller.tick(0.0, asked([0; 4]), 1_000), 0);
    }

    proptest! {
        #[test]
        fn what_is_shed_is_never_more_than_a_rank_beyond_the_share(
            pressures in proptest::collection::vec(0.0..5.0f64, 1..60),
            classes in proptest::array::uniform4(0..1_000u64),
        ) {
            let mut controller = Controller::new(0.8, 0.05);
            for pressure in pressures {
                let threshold = controller.tick(pressure, asked(classes), 1);
                prop_assert!(threshold <= RANKS && (LEAST..=1.0).contains(&controller.accepted()));
                let all: u64 = asked(classes).sum();
                let shed: u64 = asked(classes).take(threshold).sum();
                let largest = classes.iter().max().copied().unwrap_or(0);
                prop_assert!(shed as f64 <= all as f64 * (1.0 - controller.accepted()) + largest as f64);
            }
        }
    }
}
