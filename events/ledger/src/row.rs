//! Values that go into a statement and come out of a query, the same for every engine.

use std::sync::Arc;

use mamparo_context::Timestamp;
use uuid::Uuid;

use crate::{Error, Result};

/// A value bound to a placeholder `?N` of a statement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Param<'a> {
    /// NULL.
    Null,
    /// A whole number.
    Integer(i64),
    /// A floating point number.
    Real(f64),
    /// Text.
    Text(&'a str),
    /// Bytes.
    Blob(&'a [u8]),
}

/// What can be bound to a placeholder.
pub trait ToParam {
    /// The value to bind.
    fn to_param(&self) -> Param<'_>;
}

/// Parameters of a statement: `params![quantity, sku]`.
#[macro_export]
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        &[$($crate::ToParam::to_param(&$value)),*]
    };
}

macro_rules! integers {
    ($($type:ty),*) => {$(
        impl ToParam for $type {
            fn to_param(&self) -> Param<'_> {
                Param::Integer(i64::from(*self))
            }
        }
    )*};
}

integers!(i64, i32, u32, u8, bool);

impl ToParam for u64 {
    /// Engines hold signed numbers: what is above `i64::MAX` is bound as that.
    fn to_param(&self) -> Param<'_> {
        Param::Integer(i64::try_from(*self).unwrap_or(i64::MAX))
    }
}

impl ToParam for f64 {
    fn to_param(&self) -> Param<'_> {
        Param::Real(*self)
    }
}

impl ToParam for str {
    fn to_param(&self) -> Param<'_> {
        Param::Text(self)
    }
}

impl ToParam for String {
    fn to_param(&self) -> Param<'_> {
        Param::Text(self)
    }
}

impl ToParam for [u8] {
    fn to_param(&self) -> Param<'_> {
        Param::Blob(self)
    }
}

impl ToParam for Vec<u8> {
    fn to_param(&self) -> Param<'_> {
        Param::Blob(self)
    }
}

impl ToParam for bytes::Bytes {
    fn to_param(&self) -> Param<'_> {
        Param::Blob(self)
    }
}

impl ToParam for Uuid {
    fn to_param(&self) -> Param<'_> {
        Param::Blob(self.as_bytes())
    }
}

impl ToParam for Timestamp {
    fn to_param(&self) -> Param<'_> {
        Param::Integer(self.as_micros())
    }
}

impl<T: ToParam + ?Sized> ToParam for &T {
    fn to_param(&self) -> Param<'_> {
        (**self).to_param()
    }
}

impl<T: ToParam + ?Sized> ToParam for Arc<T> {
    fn to_param(&self) -> Param<'_> {
        (**self).to_param()
    }
}

impl<T: ToParam> ToParam for Option<T> {
    fn to_param(&self) -> Param<'_> {
        self.as_ref().map_or(Param::Null, ToParam::to_param)
    }
}

/// A value that a query answered with.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// NULL.
    Null,
    /// A whole number.
    Integer(i64),
    /// A floating point number.
    Real(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

impl Value {
    fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Integer(_) => "integer",
            Self::Real(_) => "real",
            Self::Text(_) => "text",
            Self::Blob(_) => "blob",
        }
    }
}

/// What a column can be read as.
pub trait FromValue: Sized {
    /// The type as an error names it.
    const TYPE: &'static str;

    /// The value as this type; `None` when it is of another.
    fn from_value(value: &Value) -> Option<Self>;
}

macro_rules! from_value {
    ($($type:ty, $name:literal, $pattern:pat => $result:expr;)*) => {$(
        impl FromValue for $type {
            const TYPE: &'static str = $name;

            fn from_value(value: &Value) -> Option<Self> {
                match value {
                    $pattern => $result,
                    _ => None,
                }
            }
        }
    )*};
}

from_value! {
    i64, "integer", Value::Integer(number) => Some(*number);
    u64, "integer from 0 on", Value::Integer(number) => u64::try_from(*number).ok();
    i32, "32-bit integer", Value::Integer(number) => i32::try_from(*number).ok();
    u32, "32-bit integer from 0 on", Value::Integer(number) => u32::try_from(*number).ok();
    bool, "integer", Value::Integer(number) => Some(*number != 0);
    f64, "real", Value::Real(number) => Some(*number);
    String, "text", Value::Text(text) => Some(text.clone());
    Arc<str>, "text", Value::Text(text) => Some(text.as_str().into());
    Vec<u8>, "blob", Value::Blob(bytes) => Some(bytes.clone());
    Uuid, "blob of 16 bytes", Value::Blob(bytes) => Uuid::from_slice(bytes).ok();
    Timestamp, "integer", Value::Integer(number) => Some(Timestamp::from_micros(*number));
}

impl<T: FromValue> FromValue for Option<T> {
    const TYPE: &'static str = T::TYPE;

    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            value => T::from_value(value).map(Some),
        }
    }
}

/// One row of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    columns: Arc<[String]>,
    values: Vec<Value>,
}

/// The rows of an answer.
pub type Rows = Vec<Row>;

impl Row {
    /// A row of these values, for the columns of these names.
    pub fn new(columns: Arc<[String]>, values: Vec<Value>) -> Self {
        Self { columns, values }
    }

    /// The names of the columns.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The values in the order of the columns.
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// Column number `index`, counted from 0.
    ///
    /// # Errors
    /// There is no such column, or it holds another type.
    pub fn get<T: FromValue>(&self, index: usize) -> Result<T> {
        self.read(self.values.get(index), || match self.columns.get(index) {
            Some(name) => name.clone(),
            None => index.to_string(),
        })
    }

    /// The column of this name.
    ///
    /// # Errors
    /// There is no such column, or it holds another type.
    pub fn named<T: FromValue>(&self, name: &str) -> Result<T> {
        let index = self.columns.iter().position(|column| column == name);
        self.read(index.and_then(|index| self.values.get(index)), || name.to_owned())
    }

    fn read<T: FromValue>(&self, value: Option<&Value>, name: impl Fn() -> String) -> Result<T> {
        let found = value.map_or("no such column", Value::type_name);
        value.and_then(T::from_value).ok_or_else(|| Error::Type { column: name(), expected: T::TYPE, found })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_read_by_number_and_by_name() {
        let row = Row::new(
            ["sku".to_owned(), "on_hand".to_owned(), "note".to_owned()].into(),
            vec![Value::Text("mate".into()), Value::Integer(-3), Value::Null],
        );
        assert_eq!(row.get::<String>(0).unwrap(), "mate");
        assert_eq!(row.named::<i64>("on_hand").unwrap(), -3);
        assert_eq!(row.named::<Option<String>>("note").unwrap(), None);
        for (error, text) in [
            (
                row.named::<u64>("on_hand").unwrap_err(),
                "column on_hand: expected integer from 0 on, found integer",
            ),
            (row.get::<i64>(2).unwrap_err(), "column note: expected integer, found null"),
            (row.get::<i64>(7).unwrap_err(), "column 7: expected integer, found no such column"),
        ] {
            assert_eq!(error.to_string(), text);
        }
    }

    #[test]
    fn parameters_borrow_what_they_bind() {
        let sku = String::from("mate");
        let bound: &[Param<'_>] = params![2_u64, sku, None::<i64>, u64::MAX];
        let expected = [Param::Integer(2), Param::Text("mate"), Param::Null, Param::Integer(i64::MAX)];
        assert_eq!(bound, expected);
    }
}
