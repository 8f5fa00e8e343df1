//! How the events of an aggregate are written and read: every event has a kind, a name of its own that outlives
//! the code's.

use mamparo_ledger::{NewEvent, Recorded};

use crate::{DecodeError, Upcasters};

/// The events of one aggregate. [`crate::events!`] writes this.
pub trait Events: Sized {
    /// The kind it is recorded under. By custom a name in the past tense, and from the second shape on with the
    /// number of the shape: `OrderPlaced`, `OrderPlaced.v2`.
    fn kind(&self) -> &'static str;

    /// What is recorded.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    fn data(&self) -> serde_json::Result<Vec<u8>>;

    /// Reads an event of this kind; `None` when there is no such kind.
    ///
    /// # Errors
    /// The data is not of the shape that this kind has.
    fn read(kind: &str, data: &[u8]) -> serde_json::Result<Option<Self>>;
}

/// The event as the ledger takes it.
///
/// # Errors
/// It cannot be written as JSON.
pub fn encode<E: Events>(event: &E) -> serde_json::Result<NewEvent> {
    Ok(NewEvent::new(event.kind(), event.data()?))
}

/// The recorded event in its newest shape.
///
/// # Errors
/// Its kind is not known, or its data is not of the shape of its kind.
pub fn decode<E: Events>(recorded: &Recorded, upcasters: &Upcasters) -> Result<E, DecodeError> {
    let broken = |reason: String| DecodeError {
        stream: recorded.stream.clone(),
        version: recorded.version,
        kind: recorded.kind.to_string(),
        reason,
    };
    let read = |kind: &str, data: &[u8]| match E::read(kind, data) {
        Ok(Some(event)) => Ok(event),
        Ok(None) => Err(broken("no event of this program has this kind".into())),
        Err(error) => Err(broken(error.to_string())),
    };
    if !upcasters.know(&recorded.kind) {
        return read(&recorded.kind, &recorded.data);
    }
    let old = recorded.parse().map_err(|error| broken(error.to_string()))?;
    let (kind, value) = upcasters.newest(&recorded.kind, old).map_err(|error| broken(error.to_string()))?;
    read(&kind, value.to_string().as_bytes())
}

/// Declares the events of an aggregate: an enum with one variant for each kind, and the name of the kind.
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Serialize, Deserialize)] pub struct Placed { customer: String }
/// # #[derive(Serialize, Deserialize)] pub struct Confirmed {}
/// mamparo_aggregate::events! {
///     /// What can happen to an order.
///     pub enum OrderEvent {
///         /// It was placed.
///         Placed(Placed) = "OrderPlaced",
///         /// It was confirmed.
///         Confirmed(Confirmed) = "OrderConfirmed.v2",
///     }
/// }
/// ```
#[macro_export]
macro_rules! events {
    (
        $(#[$about:meta])*
        $visibility:vis enum $name:ident {
            $($(#[$what:meta])* $variant:ident($data:ty) = $kind:literal),+ $(,)?
        }
    ) => {
        $(#[$about])*
        $visibility enum $name {
            $($(#[$what])* $variant($data)),+
        }

        $(impl From<$data> for $name {
            fn from(data: $data) -> Self {
                Self::$variant(data)
            }
        })+

        impl $crate::Events for $name {
            fn kind(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $kind),+
                }
            }

            fn data(&self) -> $crate::macros::serde_json::Result<Vec<u8>> {
                match self {
                    $(Self::$variant(data) => $crate::macros::serde_json::to_vec(data)),+
                }
            }

            fn read(kind: &str, data: &[u8]) -> $crate::macros::serde_json::Result<Option<Self>> {
                match kind {
                    $($kind => $crate::macros::serde_json::from_slice(data).map(|data| Some(Self::$variant(data))),)+
                    _ => Ok(None),
                }
            }
        }
    };
}
