//! Whether a policy acts, only says what it would have done, or is not there.

use std::sync::atomic::{AtomicU8, Ordering};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How far a policy goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// It is not there: it neither refuses nor learns.
    Off = 0,
    /// It learns and decides as if it were enforced, and counts what it would have refused, but refuses nothing.
    Shadow = 1,
    /// It refuses.
    #[default]
    Enforce = 2,
}

impl Mode {
    /// The mode as it stands in a file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Shadow => "shadow",
            Self::Enforce => "enforce",
        }
    }
}

/// A mode that can be changed while others go by it.
#[derive(Debug)]
pub(crate) struct SharedMode(AtomicU8);

impl SharedMode {
    pub(crate) fn new(mode: Mode) -> Self {
        Self(AtomicU8::new(mode as u8))
    }

    #[inline]
    pub(crate) fn get(&self) -> Mode {
        match self.0.load(Ordering::Relaxed) {
            0 => Mode::Off,
            1 => Mode::Shadow,
            _ => Mode::Enforce,
        }
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.0.store(mode as u8, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_mode_is_what_it_was_set_to() {
        let shared = SharedMode::new(Mode::Off);
        for mode in [Mode::Off, Mode::Shadow, Mode::Enforce] {
            shared.set(mode);
            assert_eq!(shared.get(), mode);
        }
    }
}
