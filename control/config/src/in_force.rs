//! What the next version of a file changes while a process runs. Decides part by part: what is sound takes effect;
//! of what is not, the last good version stays, or nothing where there never was one. A text that is no tree changes
//! nothing.

mod part;
mod splice;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use part::{Last, Part};
use serde::Serialize;
use splice::Read;

use crate::check::check_tree;
use crate::config::Config;
use crate::document;
use crate::limits::PROBLEMS_MAX;
use crate::problem::Problem;
use crate::schema::schema;
use crate::shape;
use crate::tree::Node;

/// A configuration in force, with the text that it came from, part by part.
#[derive(Clone, Debug)]
pub struct InForce {
    /// What is in force; the tree of the text where nothing was refused.
    tree: Arc<Node>,
    config: Config,
    /// The text that was read last, as it was read.
    read: Arc<Read>,
}

/// What became of the next version of a file.
#[derive(Clone, Debug)]
pub struct Next {
    /// What is to be in force now; `None` when nothing changes.
    pub in_force: Option<InForce>,
    /// What was refused, in the order of the text, at most [`PROBLEMS_MAX`].
    pub refused: Vec<Refused>,
    /// How many parts were refused.
    pub parts: usize,
}

/// One thing that was wrong, and what stands in its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// What is wrong, and where.
    #[serde(flatten)]
    pub problem: Problem,
    /// What is in force in place of the part.
    pub kept: Kept,
}

/// What is in force in place of something that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kept {
    /// The last version of this part that was good.
    LastGood,
    /// Nothing: the part never was good, or its last good version does not fit what is around it.
    Nothing,
    /// All that was in force: the file as a whole cannot be used.
    Everything,
}

impl Kept {
    /// For a person.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::LastGood => "its last good version stays in force",
            Self::Nothing => "it is left out",
            Self::Everything => "nothing has changed",
        }
    }
}

impl InForce {
    /// The first version of a file. It is taken as a whole or not at all.
    ///
    /// # Errors
    /// As [`check`](crate::check).
    pub fn first(text: &str, file: &str) -> Result<Self, Vec<Problem>> {
        let tree = document::tree(text, file, &schema())?;
        let config = check_tree(&tree, file)?;
        let tree = Arc::new(tree);
        Ok(Self { read: Arc::new(Read::new(text, Arc::clone(&tree))), tree, config })
    }

    /// What it says.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// What the next version of the file, `text`, is to change. Routes are known by their `name`, or by what they
    /// match; services by their name; everything else by its key.
    ///
    /// Cost: as [`check`](crate::check), and once more as long as something is wrong; where only routes have changed,
    /// only these are read.
    pub fn next(&self, text: &str, file: &str) -> Next {
        let tree = match self.read.again(text).map_or_else(|| document::parse(text, file), Ok) {
            Ok(tree) => Arc::new(tree),
            Err(problems) => return Next::nothing(problems),
        };
        let schema = schema();
        let mut repair = Repair {
            last: Last::new(&self.tree),
            origins: (0..part::routes(&tree).len()).collect(),
            read: Read::new(text, Arc::clone(&tree)),
            tree,
            refused: BTreeMap::new(),
        };
        loop {
            let shape = shape::compare(&repair.tree, &schema, file);
            let problems = match shape.is_empty() {
                false => shape,
                true => match check_tree(&repair.tree, file) {
                    Ok(config) => return repair.done(config),
                    Err(problems) => problems,
                },
            };
            if !repair.round(&problems) {
                let before = repair.refused.into_values().flat_map(|(_, problems)| problems);
                return Next::nothing(before.chain(problems).collect());
            }
        }
    }
}

impl Next {
    /// The file as a whole cannot be used.
    fn nothing(problems: Vec<Problem>) -> Self {
        let mut problems = document::in_order(problems);
        problems.truncate(PROBLEMS_MAX);
        let refused = |problem| Refused { problem, kept: Kept::Everything };
        Self { in_force: None, refused: problems.into_iter().map(refused).collect(), parts: 1 }
    }
}

/// A tree that is made sound, part by part.
struct Repair<'r> {
    /// What was in force.
    last: Last<'r>,
    read: Read,
    tree: Arc<Node>,
    /// Which route of the text each route of the tree is.
    origins: Vec<usize>,
    refused: BTreeMap<Part, (Kept, Vec<Problem>)>,
}

impl Repair<'_> {
    /// Puts the last good version, or nothing, in place of every part that has a problem. `false` when that is not
    /// possible.
    fn round(&mut self, problems: &[Problem]) -> bool {
        let mut wrong: HashMap<Part, Vec<Problem>> = HashMap::new();
        for problem in problems {
            let Some(part) = Part::of(&problem.path, &self.tree) else { return false };
            wrong.entry(part).or_default().push(problem.clone());
        }
        let mut wrong: Vec<(Part, Vec<Problem>)> = wrong.into_iter().collect();
        // Routes from the last one on, so that the numbers of the others stay what they are.
        wrong.sort_by(|(a, _), (b, _)| b.cmp(a));
        wrong.into_iter().all(|(part, problems)| self.replace(part, problems))
    }

    fn replace(&mut self, part: Part, problems: Vec<Problem>) -> bool {
        let named = part.clone().with_route(|number| self.origins.get(number).copied().unwrap_or(number));
        let kept = match self.refused.get(&named) {
            None if part.restore(Arc::make_mut(&mut self.tree), &self.last) => Kept::LastGood,
            None | Some((Kept::LastGood, _)) => Kept::Nothing,
            Some(_) => return false,
        };
        if kept == Kept::Nothing {
            if !part.remove(Arc::make_mut(&mut self.tree)) {
                return false;
            }
            if let Part::Route(number) = part {
                self.origins.remove(number);
            }
        }
        let fresh = problems.into_iter().map(|problem| named.rename(problem, &part));
        self.refused
            .entry(named.clone())
            // What is wrong with the last good version stands nowhere in the text.
            .and_modify(|(was, _)| *was = kept)
            .or_insert_with(|| (kept, fresh.collect()));
        true
    }

    fn done(self, config: Config) -> Next {
        let parts = self.refused.len();
        let mut refused: Vec<Refused> = self
            .refused
            .into_values()
            .flat_map(|(kept, problems)| problems.into_iter().map(move |problem| Refused { problem, kept }))
            .collect();
        refused.sort_by_key(|refused| (refused.problem.line, refused.problem.column));
        refused.truncate(PROBLEMS_MAX);
        Next {
            in_force: Some(InForce { tree: self.tree, config, read: Arc::new(self.read) }),
            refused,
            parts,
        }
    }
}
