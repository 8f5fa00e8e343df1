//! Takes the commands of sagas: reserve all lines of an order or none, and release them. The answer is published in
//! the transaction that changed the stock.

use std::collections::HashMap;

use mamparo_consumer::Reject;
use mamparo_ledger::{Error, Message, Result, Tx, params};
use mamparo_saga::{Outcome, Request};
use serde::Deserialize;
use serde_json::json;

use crate::limits::LINES_MAX;
use crate::stock::{Line, Move, Standing, merged, release, reserve, shortage};

/// The queue on which commands come.
pub const COMMANDS: &str = "inventory.commands";

/// The payload of a command.
#[derive(Debug, Deserialize)]
struct Wanted {
    lines: Vec<Line>,
}

/// Takes one command.
pub(crate) async fn handle(tx: &mut Tx<'_>, message: &Message) -> Result<()> {
    let request =
        Request::read(message).map_err(|error| Reject::new("no command of a saga").caused_by(error))?;
    // A compensation speaks of the command that it undoes: that is the reservation.
    let id = request.undoes.as_ref().unwrap_or(&request.command).as_str();
    let standing = standing(tx, id).await?;
    let next = if request.undoes.is_some() { release(standing) } else { reserve(standing) };
    let outcome = match next {
        Move::Done => done(),
        Move::Refuse(reason) => Outcome::Refused(reason),
        Move::Remember => {
            store(tx, id, "released", None, &[]).await?;
            done()
        }
        Move::Release(lines) => {
            for line in &lines {
                let sql = "UPDATE stock SET reserved = reserved - ?1 WHERE sku = ?2";
                tx.sql(sql, params![line.quantity, line.sku]).await?;
            }
            store(tx, id, "released", None, &lines).await?;
            done()
        }
        Move::Reserve => try_to_reserve(tx, id, message).await?,
    };
    tracing::debug!(saga = %request.command.saga(), command = %request.command, ?outcome,
        trace = %tx.context().trace().trace_id(), "inventory command taken");
    tx.publish(request.reply(&outcome).map_err(Error::app)?).await?;
    Ok(())
}

fn done() -> Outcome {
    Outcome::Succeeded(json!({}))
}

async fn try_to_reserve(tx: &mut Tx<'_>, id: &str, message: &Message) -> Result<Outcome> {
    let wanted: Wanted =
        message.parse().map_err(|error| Reject::new("not a list of lines").caused_by(error))?;
    let lines = merged(&wanted.lines).filter(|_| wanted.lines.len() <= LINES_MAX);
    let lines = lines.ok_or_else(|| Reject::new("quantities that make no sense"))?;
    let mut available = HashMap::new();
    for line in &lines {
        let sql = "SELECT on_hand - reserved FROM stock WHERE sku = ?1";
        let left = tx.query_one(sql, params![line.sku]).await?.map(|row| row.get::<i64>(0)).transpose()?;
        available.insert(line.sku.as_str(), left.unwrap_or(0));
    }
    if let Some(reason) = shortage(&lines, |sku| available.get(sku).copied().unwrap_or(0)) {
        store(tx, id, "refused", Some(&reason), &[]).await?;
        return Ok(Outcome::Refused(reason));
    }
    for line in &lines {
        let sql = "UPDATE stock SET reserved = reserved + ?1 WHERE sku = ?2 AND on_hand - reserved >= ?1";
        if tx.sql(sql, params![line.quantity, line.sku]).await? != 1 {
            // Where transactions run side by side another one was faster: this one starts over.
            return Err(Error::Aborted(format!("the stock of {} changed meanwhile", line.sku)));
        }
    }
    store(tx, id, "reserved", None, &lines).await?;
    Ok(done())
}

async fn standing(tx: &mut Tx<'_>, id: &str) -> Result<Standing> {
    let sql = "SELECT standing, reason, lines FROM reservation WHERE command = ?1";
    let Some(row) = tx.query_one(sql, params![id]).await? else { return Ok(Standing::New) };
    Ok(match row.get::<String>(0)?.as_str() {
        "reserved" => Standing::Reserved(serde_json::from_str(&row.get::<String>(2)?).map_err(Error::app)?),
        "refused" => Standing::Refused(row.get::<Option<String>>(1)?.unwrap_or_default()),
        _ => Standing::Released,
    })
}

async fn store(
    tx: &mut Tx<'_>,
    id: &str,
    standing: &str,
    reason: Option<&str>,
    lines: &[Line],
) -> Result<()> {
    let lines = serde_json::to_string(lines).map_err(Error::app)?;
    let sql = "INSERT INTO reservation (command, standing, reason, lines) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (command) DO UPDATE SET standing = excluded.standing, reason = excluded.reason";
    tx.sql(sql, params![id, standing, reason, lines]).await?;
    Ok(())
}
