//! How a payment is read and written, and whom its answer goes to.

use mamparo_context::{Context, Timestamp};
use mamparo_ledger::{Error, Ledger, ReadError, Result, Row, Timer, Tx, params};
use mamparo_saga::{CommandId, Outcome, Request};
use serde::Deserialize;

use crate::payment::Standing;

/// The provider is asked by whoever takes the timers of this owner: one for each payment that waits for it.
pub(crate) const CARD: &str = "card";

/// The payload of a command that asks for money.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Wanted {
    pub(crate) order: String,
    pub(crate) customer: String,
    pub(crate) amount: i64,
    pub(crate) currency: String,
}

/// A payment, as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct Payment {
    pub(crate) id: String,
    pub(crate) wanted: Wanted,
    pub(crate) standing: Standing,
    /// The command that is answered next.
    pub(crate) answers: CommandId,
    pub(crate) attempt: u32,
    pub(crate) reply_to: String,
    pub(crate) trace: String,
}

const SELECT: &str =
    "SELECT id, order_id, customer, amount, currency, standing, reason, answers, attempt, reply_to,
                             trace FROM payment WHERE id = ?1";

impl Payment {
    pub(crate) fn new(id: &str, wanted: Wanted, request: &Request, cx: &Context) -> Self {
        Self {
            id: id.to_owned(),
            wanted,
            standing: Standing::New,
            answers: request.command.clone(),
            attempt: request.attempt,
            reply_to: request.reply_to.clone(),
            trace: cx.trace().to_string(),
        }
    }

    /// From now on the answer goes to this request.
    pub(crate) fn answer_to(&mut self, request: &Request) {
        self.answers = request.command.clone();
        self.attempt = request.attempt;
        self.reply_to = request.reply_to.clone();
    }

    /// The trace in which it began.
    pub(crate) fn context(&self) -> Context {
        self.trace.parse().map_or_else(|_| Context::root(), Context::from_trace)
    }

    /// Answers whoever waits, in the transaction in which the outcome was found.
    pub(crate) async fn answer(&self, tx: &mut Tx<'_>, outcome: &Outcome) -> Result<()> {
        let request = Request {
            command: self.answers.clone(),
            attempt: self.attempt,
            undoes: None,
            reply_to: self.reply_to.clone(),
        };
        tx.publish(request.reply(outcome).map_err(Error::app)?).await?;
        Ok(())
    }

    /// Has the provider asked as soon as this is committed.
    pub(crate) async fn ask(&self, tx: &mut Tx<'_>) -> Result<()> {
        let due = tx.clock().wall();
        let timer = Timer { owner: CARD.to_owned(), key: self.id.clone(), due, payload: Default::default() };
        tx.set_timer(&timer).await
    }

    pub(crate) async fn load(tx: &mut Tx<'_>, id: &str) -> Result<Option<Self>> {
        tx.query_one(SELECT, params![id]).await?.map(|row| read(&row)).transpose()
    }

    pub(crate) async fn look(ledger: &Ledger, id: &str) -> Result<Option<Self>> {
        let rows = ledger.query(SELECT, params![id]).await?;
        rows.first().map(read).transpose()
    }

    pub(crate) async fn store(&self, tx: &mut Tx<'_>) -> Result<()> {
        let (standing, reason) = word(&self.standing);
        let Wanted { order, customer, amount, currency } = &self.wanted;
        let sql = "INSERT INTO payment (id, order_id, customer, amount, currency, standing, reason, answers, attempt,
                                        reply_to, trace)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
                   ON CONFLICT (id) DO UPDATE SET standing = excluded.standing, reason = excluded.reason,
                       answers = excluded.answers, attempt = excluded.attempt, reply_to = excluded.reply_to";
        let answers = self.answers.as_str();
        tx.sql(
            sql,
            params![
                self.id,
                order,
                customer,
                *amount,
                currency,
                standing,
                reason,
                answers,
                self.attempt,
                self.reply_to,
                self.trace
            ],
        )
        .await?;
        Ok(())
    }
}

/// Payments that wait for the provider, by when, at most `max`.
pub(crate) async fn waiting(ledger: &Ledger, max: usize) -> Result<Vec<String>, ReadError> {
    let timers = ledger.read_timers(CARD, Timestamp::from_micros(i64::MAX), max).await?;
    Ok(timers.into_iter().map(|timer| timer.key).collect())
}

fn word(standing: &Standing) -> (&'static str, Option<&str>) {
    match standing {
        Standing::New => ("new", None),
        Standing::Charging => ("charging", None),
        Standing::Captured => ("captured", None),
        Standing::Failed => ("failed", None),
        Standing::Refused(reason) => ("refused", Some(reason)),
        Standing::Voiding { captured: false } => ("voiding-hold", None),
        Standing::Voiding { captured: true } => ("voiding-capture", None),
        Standing::Voided => ("voided", None),
    }
}

fn read(row: &Row) -> Result<Payment> {
    let wanted =
        Wanted { order: row.get(1)?, customer: row.get(2)?, amount: row.get(3)?, currency: row.get(4)? };
    let standing = match row.get::<String>(5)?.as_str() {
        "charging" => Standing::Charging,
        "captured" => Standing::Captured,
        "failed" => Standing::Failed,
        "refused" => Standing::Refused(row.get::<Option<String>>(6)?.unwrap_or_default()),
        "voiding-hold" => Standing::Voiding { captured: false },
        "voiding-capture" => Standing::Voiding { captured: true },
        "voided" => Standing::Voided,
        "new" => Standing::New,
        other => {
            return Err(Error::app(format!(
                "a payment stands at `{other}`, which this program does not know"
            )));
        }
    };
    Ok(Payment {
        id: row.get(0)?,
        wanted,
        standing,
        answers: row.get::<String>(7)?.parse().map_err(Error::app)?,
        attempt: row.get(8)?,
        reply_to: row.get(9)?,
        trace: row.get(10)?,
    })
}
