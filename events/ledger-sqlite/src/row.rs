//! Parameters into SQLite's statements, and rows out of them.

use std::sync::Arc;

use mamparo_ledger::{Error, Param, Row, Rows, ToParam, Value};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, Statement};

use crate::error;

fn bound<'a>(param: &Param<'a>) -> ToSqlOutput<'a> {
    ToSqlOutput::Borrowed(match *param {
        Param::Null => ValueRef::Null,
        Param::Integer(number) => ValueRef::Integer(number),
        Param::Real(number) => ValueRef::Real(number),
        Param::Text(text) => ValueRef::Text(text.as_bytes()),
        Param::Blob(bytes) => ValueRef::Blob(bytes),
    })
}

/// Binds `params` to the placeholders `?1`, `?2` and so on.
pub(crate) fn bind(statement: &mut Statement<'_>, params: &[Param<'_>]) -> rusqlite::Result<()> {
    if statement.parameter_count() != params.len() {
        return Err(rusqlite::Error::InvalidParameterCount(params.len(), statement.parameter_count()));
    }
    for (number, param) in (1..).zip(params) {
        statement.raw_bind_parameter(number, bound(param))?;
    }
    Ok(())
}

/// Prepares a statement once for each connection.
pub(crate) fn prepare<'c>(conn: &'c Connection, sql: &str) -> rusqlite::Result<CachedStatement<'c>> {
    conn.prepare_cached(sql)
}

/// Runs one of the engine's own statements.
pub(crate) fn execute(conn: &Connection, sql: &str, params: &[Param<'_>]) -> Result<u64, Error> {
    let run = || -> rusqlite::Result<usize> {
        let mut statement = prepare(conn, sql)?;
        bind(&mut statement, params)?;
        statement.raw_execute()
    };
    run().map(|changed| changed as u64).map_err(|error| error::statement(sql, &error))
}

/// Runs a query; `None` when the answer has more than `max` rows.
pub(crate) fn query(
    conn: &Connection,
    sql: &str,
    params: &[Param<'_>],
    max: usize,
) -> rusqlite::Result<Option<Rows>> {
    let mut statement = prepare(conn, sql)?;
    let columns: Arc<[String]> = statement.column_names().map(str::to_owned).collect();
    bind(&mut statement, params)?;
    let mut rows = statement.raw_query();
    let mut answer = Rows::new();
    while let Some(row) = rows.next()? {
        if answer.len() == max {
            return Ok(None);
        }
        let values =
            (0..columns.len()).map(|index| row.get_ref(index).map(owned)).collect::<Result<_, _>>()?;
        answer.push(Row::new(Arc::clone(&columns), values));
    }
    Ok(Some(answer))
}

fn owned(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_owned()),
    }
}

/// The parameter that an owned value is bound as.
pub(crate) fn param(value: &Value) -> Param<'_> {
    match value {
        Value::Null => Param::Null,
        Value::Integer(number) => number.to_param(),
        Value::Real(number) => number.to_param(),
        Value::Text(text) => text.to_param(),
        Value::Blob(bytes) => bytes.to_param(),
    }
}

/// Whether a statement is one that a caller may run: those that begin or end a transaction, or change the
/// connection that all callers share, are not.
pub(crate) fn is_allowed(sql: &str) -> bool {
    const REFUSED: [&str; 10] = [
        "begin",
        "commit",
        "end",
        "rollback",
        "savepoint",
        "release",
        "attach",
        "detach",
        "pragma",
        "vacuum",
    ];
    let word: String = skip_blank(sql)
        .chars()
        .take_while(char::is_ascii_alphabetic)
        .collect::<String>()
        .to_ascii_lowercase();
    !REFUSED.contains(&word.as_str())
}

/// The statement without the white space, comments and semicolons before it.
fn skip_blank(mut sql: &str) -> &str {
    loop {
        sql = sql.trim_start_matches(|c: char| c.is_whitespace() || c == ';');
        let rest = if let Some(rest) = sql.strip_prefix("--") {
            rest.split_once('\n').map(|(_, rest)| rest)
        } else if let Some(rest) = sql.strip_prefix("/*") {
            rest.split_once("*/").map(|(_, rest)| rest)
        } else {
            return sql;
        };
        sql = rest.unwrap_or("");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_that_would_break_the_group_are_refused() {
        for sql in ["COMMIT", " ; rollback", "-- a\n  Savepoint x", "/* b */ /* c */release x", "PRAGMA x=1"]
        {
            assert!(!is_allowed(sql), "{sql}");
        }
        for sql in ["UPDATE stock SET a = 1", "-- commit\nSELECT 1", "WITH a AS (SELECT 1) SELECT * FROM a"] {
            assert!(is_allowed(sql), "{sql}");
        }
    }
}
