//! Whether a policy acts, only says what it would have done, or is not there.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How far a policy goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// It is not there: it neither refuses nor learns.
    Off,
    /// It learns and decides as if it were enforced, and counts what it would have refused, but refuses nothing.
    Shadow,
    /// It refuses.
    #[default]
    Enforce,
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
