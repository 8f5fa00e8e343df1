//! How much it matters that this work is done now: what is shed first when not all can be served.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The four classes of "Site Reliability Engineering", chapter 21; the lowest is refused first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Criticality {
    /// Work that may be dropped at any time and come back later, such as a batch.
    Sheddable,
    /// Work whose partial unavailability is expected, such as a background refresh.
    SheddablePlus,
    /// The default: a person or a service waits for it.
    #[default]
    Critical,
    /// Work whose loss is felt at once by everybody, such as a payment under way.
    CriticalPlus,
}

impl Criticality {
    /// The class as it stands in a header.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sheddable => "sheddable",
            Self::SheddablePlus => "sheddable-plus",
            Self::Critical => "critical",
            Self::CriticalPlus => "critical-plus",
        }
    }
}

impl fmt::Display for Criticality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Criticality {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Sheddable, Self::SheddablePlus, Self::Critical, Self::CriticalPlus]
            .into_iter()
            .find(|class| class.as_str() == text)
            .ok_or(())
    }
}
