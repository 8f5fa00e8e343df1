//! What an application writes: how events change its read model.

use mamparo_ledger::{Recorded, Result, Tx};

/// A read model made of events, in tables of the application's own.
pub trait Projection: Send + Sync + 'static {
    /// The name of its checkpoint. Keep it over versions of the program.
    fn name(&self) -> &str;

    /// Raised when the read model must be built anew: it is then cleared and every event is applied again.
    fn version(&self) -> u32 {
        1
    }

    /// Changes the read model, in the transaction that moves the checkpoint. May run more than once (only one run
    /// takes effect), and awaits nothing but `tx`. What it does not know it passes over.
    ///
    /// # Errors
    /// The event is tried again, and in the end its stream is parked.
    fn apply(&self, tx: &mut Tx<'_>, event: &Recorded) -> impl Future<Output = Result<()>>;

    /// Empties the read model, in the transaction that sets the checkpoint back to the beginning. For a large one
    /// dropping and making the tables anew keeps writers waiting less than deleting every row.
    ///
    /// # Errors
    /// The read model stays as it was.
    fn clear(&self, tx: &mut Tx<'_>) -> impl Future<Output = Result<()>>;
}
