//! Lays environment files, variables and `--set` pairs over each other, and remembers where each value came from.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::problem::Problem;

/// What the names of our variables begin with.
const PREFIX: &str = "REHEARSAL_";

/// One file of an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// The file's name, for messages.
    pub name: String,
    /// The file's text.
    pub toml: String,
}

/// Values by key.
pub type Tree = BTreeMap<String, Node>;

/// A value and where it came from, as in `dev.toml:3` or `--set users`.
#[derive(Clone, Debug)]
pub struct Node {
    pub origin: Rc<str>,
    pub content: Content,
}

/// Tables merge; anything else is replaced as a whole.
#[derive(Clone, Debug)]
pub enum Content {
    Table(Tree),
    Value(toml::Value),
}

/// Lays everything over each other, the last word winning; what cannot be read becomes a problem and is left out.
pub fn merged(
    layers: &[Layer],
    variables: &BTreeMap<String, String>,
    sets: &[(String, String)],
    problems: &mut Vec<Problem>,
) -> Tree {
    let files = layers.iter().map(Layer::read);
    let variables = variables.iter().filter_map(|(name, text)| {
        let path = name.strip_prefix(PREFIX)?.to_lowercase().replace("__", ".");
        Some(single(name, &path, text))
    });
    let sets = sets.iter().map(|(path, text)| single(&format!("--set {path}"), path, text));
    let mut tree = Tree::new();
    for layer in files.chain(variables).chain(sets) {
        match layer {
            Ok(layer) => merge(&mut tree, layer),
            Err(problem) => problems.push(problem),
        }
    }
    tree
}

fn merge(into: &mut Tree, from: Tree) {
    for (key, node) in from {
        match (into.get_mut(&key), node.content) {
            (Some(Node { content: Content::Table(below), .. }), Content::Table(above)) => merge(below, above),
            (_, content) => {
                into.insert(key, Node { origin: node.origin, content });
            }
        }
    }
}

/// Makes the tree of a single value whose key has dots.
fn single(origin: &str, path: &str, text: &str) -> Result<Tree, Problem> {
    if path.split('.').any(str::is_empty) {
        return Err(Problem::new("a key has an empty part").within(origin));
    }
    let value = text.parse().unwrap_or_else(|_| toml::Value::String(text.into()));
    let leaf = Node::new(origin.into(), value);
    let nested = path.rsplit('.').fold(leaf.content, |content, key| {
        let node = Node { origin: leaf.origin.clone(), content };
        Content::Table(Tree::from([(key.to_string(), node)]))
    });
    match nested {
        Content::Table(tree) => Ok(tree),
        Content::Value(_) => Ok(Tree::new()), // a path has at least one part, so there is a table around the value
    }
}

impl Node {
    /// Takes a value of which every part has the same origin.
    fn new(origin: Rc<str>, value: toml::Value) -> Node {
        let content = match value {
            toml::Value::Table(table) => {
                Content::Table(table.into_iter().map(|(key, value)| (key, Node::new(origin.clone(), value))).collect())
            }
            value => Content::Value(value),
        };
        Node { origin, content }
    }
}

impl Layer {
    fn read(&self) -> Result<Tree, Problem> {
        match DeTable::parse(&self.toml) {
            Ok(table) => self.tree(table.into_inner()),
            Err(error) => Err(self.problem(&error, 0)),
        }
    }

    fn tree(&self, table: DeTable<'_>) -> Result<Tree, Problem> {
        let node = |(key, value): (Spanned<_>, _)| {
            let line = self.line(key.span().start);
            Ok((std::borrow::Cow::into_owned(key.into_inner()), self.node(line, value)?))
        };
        table.into_iter().map(node).collect()
    }

    fn node(&self, line: usize, value: Spanned<DeValue<'_>>) -> Result<Node, Problem> {
        let origin = format!("{}:{line}", self.name).into();
        let start = value.span().start;
        let content = match value.into_inner() {
            DeValue::Table(table) => Content::Table(self.tree(table)?),
            value => {
                let reader = ValueDeserializer::from(Spanned::new(start..start, value));
                Content::Value(toml::Value::deserialize(reader).map_err(|error| self.problem(&error, start))?)
            }
        };
        Ok(Node { origin, content })
    }

    /// Numbers the line, from 1, in which a byte of the text stands.
    fn line(&self, at: usize) -> usize {
        1 + self.toml.bytes().take(at).filter(|byte| *byte == b'\n').count()
    }

    fn problem(&self, error: &toml::de::Error, start: usize) -> Problem {
        let line = self.line(error.span().map_or(start, |span| span.start));
        Problem::new(error.message()).within(format!("{}:{line}", self.name))
    }
}
