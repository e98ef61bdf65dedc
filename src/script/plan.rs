//! What a stream will do, as a list of steps that can be looked at before it runs.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt;

use rhai::{ASTNode, Dynamic, Engine, EvalAltResult, Expr, FnPtr, NativeCallContext, Stmt};

use super::context::Context;
use super::error::{ErrorKind, thrown};
use super::value::{from_dynamic, to_row};
use crate::record::{Row, Value};

/// One step of a stream.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Keeps the rows for which the closure says true.
    Filter(FnPtr),
    /// Replaces each row by what the closure makes of it.
    Map(FnPtr),
    /// Ends after so many rows.
    Take(usize),
    /// Keeps the first row for each key.
    Distinct(Key),
}

/// A row of a stream, or what a step made of it.
#[derive(Debug, Clone)]
pub(crate) enum Item {
    Row(Row),
    Value(Dynamic),
}

impl Item {
    pub(crate) fn into_dynamic(self) -> Dynamic {
        match self {
            Self::Row(row) => Dynamic::from(row),
            Self::Value(value) => value,
        }
    }

    pub(crate) fn from_dynamic(value: Dynamic) -> Self {
        match value.try_cast_result::<Row>() {
            Ok(row) => Self::Row(row),
            Err(value) => Self::Value(value),
        }
    }
}

/// The fields of a row that somebody reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fields {
    All,
    /// All but what is costly to keep: bodies and payload.
    Light,
    Only(BTreeSet<String>),
}

/// Fields that cost a copy of what was sent.
const COSTLY: [&str; 3] = ["request_body", "response_body", "payload"];

impl Fields {
    pub(crate) const fn none() -> Self {
        Self::Only(BTreeSet::new())
    }

    pub(crate) fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self::Only(names.into_iter().map(str::to_owned).collect())
    }

    pub(crate) fn add(&mut self, other: Self) {
        let costly = COSTLY.iter().any(|field| self.contains(field) || other.contains(field));
        match (&mut *self, other) {
            (Self::Only(mine), Self::Only(theirs)) => mine.extend(theirs),
            _ if costly => *self = Self::All,
            _ => *self = Self::Light,
        }
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Light => !COSTLY.contains(&name),
            Self::Only(names) => names.contains(name),
        }
    }
}

impl fmt::Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all fields"),
            Self::Light => f.write_str("all fields but bodies and payload"),
            Self::Only(names) if names.is_empty() => f.write_str("no field"),
            Self::Only(names) => f.write_str(&names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")),
        }
    }
}

/// Calls closures: inside a native function with its context, inside a `for` loop with the engine.
pub(crate) enum Caller<'a> {
    Native(&'a NativeCallContext<'a>),
    Engine(&'a Engine, &'a Context),
}

impl Caller<'_> {
    pub(crate) fn call(&self, closure: &FnPtr, item: Item) -> Result<Dynamic, Box<EvalAltResult>> {
        match self {
            Self::Native(context) => closure.call_raw(context, None, [item.into_dynamic()]),
            Self::Engine(engine, context) => closure.call(engine, &context.functions.borrow(), (item.into_dynamic(),)),
        }
    }

    /// Asks a closure a question about an item.
    pub(crate) fn test(&self, closure: &FnPtr, item: Item) -> Result<bool, Box<EvalAltResult>> {
        let answer = self.call(closure, item)?;
        answer.as_bool().map_err(|ty| {
            thrown(ErrorKind::Script, format!("this closure has to give true or false, and gave a value of type {ty}"))
        })
    }
}

/// A field, possibly of a record inside the record: `credential.fingerprint`.
#[derive(Debug, Clone)]
pub(crate) struct Path {
    names: Vec<String>,
    /// Where the first name stood in the row before; most often it stands there again.
    place: Cell<usize>,
}

impl Path {
    pub(crate) fn new(path: &str) -> Self {
        Self { names: path.split('.').map(str::to_owned).collect(), place: Cell::new(0) }
    }

    /// The value at the end of the path; a record or map on the way that is not there gives none.
    pub(crate) fn value<'a>(&self, row: &'a Row) -> Result<Value<'a>, Box<EvalAltResult>> {
        let fields = &row.kind().fields;
        let place = match self.place.get() {
            place if fields.get(place).is_some_and(|field| field.name == self.names[0]) => place,
            _ => {
                let place = row.kind().index(&self.names[0]).ok_or_else(|| {
                    let hint =
                        crate::nearest::suggestion(&self.names[0], fields.iter().map(|field| field.name.as_ref()));
                    thrown(
                        ErrorKind::Script,
                        format!("`{}` is not a field of {}{hint}", self.names[0], row.kind().name),
                    )
                })?;
                self.place.set(place);
                place
            }
        };
        let mut value = row.value(place);
        for name in &self.names[1..] {
            value = match value {
                Value::Record(inner) => inner.get(name).map_or(Value::None, Value::into_owned),
                Value::Map(entries) => entries.into_iter().find(|(n, _)| n == name).map_or(Value::None, |(_, v)| v),
                _ => Value::None,
            };
        }
        Ok(value)
    }
}

/// What rows are counted, grouped or sorted by: fields by name, or whatever a closure makes of a row.
#[derive(Debug, Clone)]
pub(crate) enum Key {
    Fields(Vec<Path>),
    Closure(FnPtr),
}

impl Key {
    /// Reads the argument of a verb: a closure, a field, or an array of fields.
    pub(crate) fn new(argument: Dynamic, verb: &str) -> Result<Self, Box<EvalAltResult>> {
        let argument = match argument.try_cast_result::<FnPtr>() {
            Ok(closure) => return Ok(Self::Closure(closure)),
            Err(argument) => argument,
        };
        let fields = if argument.is_string() { Some(vec![argument.to_string()]) } else { texts(argument) };
        let fields = fields.filter(|fields| !fields.is_empty());
        let fields = fields.ok_or_else(|| {
            thrown(
                ErrorKind::Usage,
                format!("{verb} takes a closure, a field such as \"client\", or an array of fields"),
            )
        })?;
        Ok(Self::Fields(fields.iter().map(|field| Path::new(field)).collect()))
    }

    /// The values of the key for an item.
    pub(crate) fn values<'a>(&self, item: &'a Item, caller: &Caller<'_>) -> Result<Vec<Value<'a>>, Box<EvalAltResult>> {
        match (self, item) {
            (Self::Fields(paths), Item::Row(row)) => paths.iter().map(|path| path.value(row)).collect(),
            (Self::Fields(paths), Item::Value(value)) => paths
                .iter()
                .map(|path| {
                    let row = to_row(value);
                    path.value(&row).map(Value::into_owned)
                })
                .collect(),
            (Self::Closure(closure), item) => Ok(match from_dynamic(&caller.call(closure, item.clone())?) {
                Value::List(values) => values,
                value => vec![value],
            }),
        }
    }

    /// The fields that it reads.
    pub(crate) fn fields(&self, context: &Context) -> Fields {
        match self {
            Self::Fields(paths) => Fields::of(paths.iter().map(|path| path.names[0].as_str())),
            Self::Closure(closure) => fields_read(closure, context),
        }
    }

    /// What its columns are called: the last name of each field that it is made of, and `key` for what is computed.
    pub(crate) fn columns(&self, context: &Context) -> Vec<Cow<'static, str>> {
        let paths = match self {
            Self::Fields(paths) => paths.iter().map(|path| Some(path.names.clone())).collect(),
            Self::Closure(closure) => paths_given(closure, context),
        };
        let mut columns: Vec<Cow<'static, str>> = Vec::new();
        for (i, path) in paths.iter().enumerate() {
            let short = path.as_ref().and_then(|names| names.last().cloned());
            let name = match (short, path) {
                (None, _) if paths.len() == 1 => "key".to_owned(),
                (None, _) => format!("key{}", i + 1),
                (Some(short), Some(names)) if columns.contains(&Cow::Borrowed(short.as_str())) => names.join("."),
                (Some(short), _) => short,
            };
            columns.push(name.into());
        }
        columns
    }
}

/// The texts of an array of nothing but texts.
pub(crate) fn texts(array: Dynamic) -> Option<Vec<String>> {
    array.into_array().ok()?.into_iter().map(|item| item.into_string().ok()).collect()
}

/// Puts values into bytes such that equal values give equal bytes, for a hash map.
pub(crate) fn encode(values: &[Value<'_>], into: &mut Vec<u8>) {
    into.clear();
    for value in values {
        encode_one(value, into);
    }
}

fn encode_one(value: &Value<'_>, into: &mut Vec<u8>) {
    let mut tagged = |tag: u8, bytes: &[u8]| {
        into.push(tag);
        into.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        into.extend_from_slice(bytes);
    };
    match value {
        Value::None => tagged(0, &[]),
        Value::Bool(x) => tagged(1, &[u8::from(*x)]),
        Value::Integer(x) => tagged(2, &x.to_le_bytes()),
        Value::Float(x) => tagged(3, &x.to_bits().to_le_bytes()),
        Value::Text(x) => tagged(4, x.as_bytes()),
        Value::Bytes(x) => tagged(5, x),
        Value::Time(x) => tagged(6, &x.as_nanos().to_le_bytes()),
        Value::Duration(x) => tagged(7, &x.as_nanos().to_le_bytes()),
        // As scripts see it: an address that a closure gave is a text.
        Value::Address(x) => tagged(4, x.to_string().as_bytes()),
        Value::List(x) => {
            tagged(8, &(x.len() as u32).to_le_bytes());
            x.iter().for_each(|item| encode_one(item, into));
        }
        Value::Map(x) => {
            tagged(9, &(x.len() as u32).to_le_bytes());
            for (name, item) in x {
                encode_one(&Value::Text(Cow::Borrowed(name)), into);
                encode_one(item, into);
            }
        }
        Value::Record(x) => tagged(10, x.summary().as_bytes()),
    }
}

/// Looks at every node of a closure's body, with the nodes around it, and at the name of its last parameter: the row.
/// `None` if the closure is not a function of this script.
fn walk(closure: &FnPtr, context: &Context, mut look: impl FnMut(&[ASTNode<'_>], &str)) -> Option<()> {
    let functions = context.functions.borrow();
    let definition = functions.iter_fn_def().find(|function| function.name == closure.fn_name())?;
    let row = definition.params.last()?;
    let only = functions.clone_functions_only_filtered(|_, _, _, name, _| name == closure.fn_name());
    only.walk(&mut |nodes| {
        look(nodes, row);
        true
    });
    Some(())
}

/// The fields of its last parameter that a closure reads; all of them if it does anything else with it.
pub(crate) fn fields_read(closure: &FnPtr, context: &Context) -> Fields {
    let mut fields = Fields::none();
    let walked = walk(closure, context, |nodes, row| {
        if let [.., ASTNode::Expr(variable)] = nodes
            && variable_name(variable) == Some(row)
        {
            let parent = nodes.len().checked_sub(2).and_then(|i| nodes.get(i));
            fields.add(match parent {
                Some(ASTNode::Expr(Expr::Dot(chain, ..))) if std::ptr::eq(&raw const chain.lhs, *variable) => {
                    property(&chain.rhs).map_or_else(|| context.kept_fields(), |name| Fields::of([name]))
                }
                _ => context.kept_fields(),
            });
        }
    });
    if walked.is_some() { fields } else { Fields::All }
}

fn variable_name(expression: &Expr) -> Option<&str> {
    match expression {
        Expr::Variable(variable, ..) => Some(variable.1.as_str()),
        _ => None,
    }
}

/// The first property of what stands behind a dot.
fn property(expression: &Expr) -> Option<&str> {
    match expression {
        Expr::Property(property, ..) => Some(property.2.as_str()),
        Expr::Dot(chain, ..) | Expr::Index(chain, ..) => property(&chain.lhs),
        _ => None,
    }
}

/// The fields that a closure gives, in order, where it gives nothing but fields: `|r| [r.credential.fingerprint, r.client]`.
fn paths_given(closure: &FnPtr, context: &Context) -> Vec<Option<Vec<String>>> {
    let mut statements = 0;
    let mut given = vec![None];
    walk(closure, context, |nodes, row| {
        if let [ASTNode::Stmt(statement)] = nodes {
            statements += 1;
            if let Stmt::Expr(expression) = statement {
                given = match expression.as_ref() {
                    Expr::Array(items, ..) => items.iter().map(|item| chain(item, row)).collect(),
                    single => vec![chain(single, row)],
                };
            }
        }
    });
    if statements == 1 { given } else { vec![None] }
}

/// The names behind `row` in `row.a.b`.
fn chain(expression: &Expr, row: &str) -> Option<Vec<String>> {
    fn properties(expression: &Expr, names: &mut Vec<String>) -> Option<()> {
        match expression {
            Expr::Property(property, ..) => names.push(property.2.to_string()),
            Expr::Dot(chain, ..) => {
                properties(&chain.lhs, names)?;
                properties(&chain.rhs, names)?;
            }
            _ => return None,
        }
        Some(())
    }
    let Expr::Dot(chain, ..) = expression else { return None };
    let mut names = Vec::new();
    (variable_name(&chain.lhs)? == row).then(|| properties(&chain.rhs, &mut names))??;
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Tuple;

    #[test]
    fn a_field_is_found_by_its_name_wherever_it_stands_in_a_row() {
        let row = |names: &[&str]| {
            let names: Vec<_> = names.iter().map(|name| name.to_string()).collect();
            let values = names.iter().map(|name| Value::Text(name.clone().into())).collect();
            Tuple::row("row", names.into_iter().map(Into::into).collect(), values)
        };
        let path = Path::new("b");
        for names in [&["a", "b"][..], &["b"], &["x", "y", "b"], &["b", "c"]] {
            assert_eq!(path.value(&row(names)).unwrap().to_string(), "b");
        }
        assert!(path.value(&row(&["a", "c"])).is_err());
    }
}
