//! A file of another shape than `mamparo.yaml`: any type that has a schema is read with the same care, and what its
//! owner finds wrong later can still be told with line and column.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::limits::FILE_BYTES_MAX;
use crate::problem::Problem;
use crate::shape;
use crate::tree::{Node, Place, Step};

/// What a file says, and where it says it.
#[derive(Clone, Debug)]
pub struct Document<T> {
    value: T,
    tree: Node,
    file: String,
}

/// Reads the text of a file as a `T`; `file` is what it is called in the problems. Unknown keys, words, units and
/// types are told as for `mamparo.yaml`, from the schema of `T`.
///
/// # Errors
/// Everything that is wrong with it, in the order of the text and at most
/// [`PROBLEMS_MAX`](crate::limits::PROBLEMS_MAX); never empty.
pub fn read<T: DeserializeOwned + JsonSchema>(text: &str, file: &str) -> Result<Document<T>, Vec<Problem>> {
    let schema = schemars::schema_for!(T).to_value();
    let tree = tree(text, file, &schema)?;
    match serde_json::from_value(tree.to_json()) {
        Ok(value) => Ok(Document { value, tree, file: file.to_owned() }),
        Err(error) => Err(whole(file, error.to_string())),
    }
}

/// The text as a tree that has the shape of `schema`.
pub(crate) fn tree(text: &str, file: &str, schema: &Json) -> Result<Node, Vec<Problem>> {
    let tree = parse(text, file)?;
    let problems = shape::compare(&tree, schema, file);
    if problems.is_empty() { Ok(tree) } else { Err(in_order(problems)) }
}

/// The text as a tree of any shape.
pub(crate) fn parse(text: &str, file: &str) -> Result<Node, Vec<Problem>> {
    if text.len() > FILE_BYTES_MAX {
        let message = format!("the file has {} bytes, at most {FILE_BYTES_MAX} are read", text.len());
        return Err(whole(file, message));
    }
    Node::parse(text, file).map_err(|problem| vec![problem])
}

/// A problem of the whole file.
pub(crate) fn whole(file: &str, message: String) -> Vec<Problem> {
    let (line, column, path) = (1, 1, String::new());
    vec![Problem { file: file.to_owned(), line, column, path, message, suggestion: None }]
}

pub(crate) fn in_order(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort_by_key(|problem| (problem.line, problem.column));
    problems
}

impl<T> Document<T> {
    /// What it says.
    pub const fn value(&self) -> &T {
        &self.value
    }

    /// What it says, without where.
    pub fn into_value(self) -> T {
        self.value
    }

    /// That the value at `path`, such as `breaker.open.factor`, is wrong. A value that is not in the file, because it
    /// has a default, is told at the nearest key around it that is.
    pub fn problem(&self, path: &str, message: impl Into<String>) -> Problem {
        let steps: Vec<Step<'_>> = path.split('.').map(Step::Key).collect();
        let Place { line, column } = (0..=steps.len())
            .rev()
            .find_map(|length| self.place(&steps[..length]).filter(|place| place.line > 0))
            .unwrap_or_default();
        Problem {
            file: self.file.clone(),
            line: line.max(1),
            column: column.max(1),
            path: path.to_owned(),
            message: message.into(),
            suggestion: None,
        }
    }

    /// Where the value stands, or the key if the value is a mapping: it begins in another line then.
    fn place(&self, steps: &[Step<'_>]) -> Option<Place> {
        let node = self.tree.at(steps)?;
        match (node.is_scalar(), steps.split_last()) {
            (false, Some((Step::Key(name), above))) => Some(self.tree.at(above)?.key(name)?.place),
            _ => Some(node.place),
        }
    }
}
