//! What is known of a value without running anything.

use std::borrow::Cow;

use rhai::{Array, Dynamic, Scope};

use super::super::docs;
use super::super::primitives::KINDS;
use super::super::stream::Stream;
use super::super::value::to_row;
use crate::record::{Kind, Row, Type};

/// What may stand behind the dot of a value.
#[derive(Debug, Clone)]
pub enum Shape {
    /// A stream or an array, with the kind of its rows where that is known.
    Rows(Option<Cow<'static, Kind>>),
    /// A record or a map, with its fields where they are known.
    Record(Option<Cow<'static, Kind>>),
    /// Neither.
    Other,
}

/// A variable of a session.
#[derive(Debug, Clone)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub shape: Shape,
}

/// The variables that a further line would see, the latest first.
pub(in crate::script) fn variables(scope: &Scope<'_>) -> Vec<Variable> {
    let mut variables: Vec<Variable> = Vec::new();
    for (name, _, value) in scope.iter_raw() {
        if variables.iter().all(|known| known.name != name) {
            variables.push(Variable { name: name.to_owned(), shape: Shape::of(value) });
        }
    }
    variables
}

impl Shape {
    fn of(value: &Dynamic) -> Self {
        if let Some(array) = value.read_lock::<Array>() {
            let first = array.first().and_then(|item| item.read_lock::<Row>().map(|row| row.kind().clone()));
            return Self::Rows(first.map(Cow::Owned));
        }
        if let Some(stream) = value.read_lock::<Stream>() {
            return Self::Rows(stream.with_plan(super::super::stream::Plan::kind).ok().flatten().map(Cow::Borrowed));
        }
        if value.is_map() || value.read_lock::<Row>().is_some() {
            return Self::Record(Some(Cow::Owned(to_row(value).kind().clone())));
        }
        Self::Other
    }

    /// What a function gives.
    pub(super) fn of_call(name: &str) -> Option<Self> {
        let gives = docs::entry(name)?.gives()?;
        Some(match gives.split_once(" of ") {
            Some(("stream" | "array", kind)) => Self::Rows(kind_named(kind)),
            _ if gives.starts_with("stream") => Self::Rows(None),
            _ => kind_named(gives.trim_end_matches(" or ()")).map_or(Self::Other, |kind| Self::Record(Some(kind))),
        })
    }

    /// What a verb gives for this. Rows that a verb hands on are of the same kind; what it makes is not known.
    pub(super) fn of_verb(&self, name: &str) -> Option<Self> {
        let Self::Rows(kind) = self else { return None };
        let gives = docs::entry(name)?.gives()?;
        Some(match gives {
            "stream" | "array" => Self::Rows(kind.clone()),
            "row or ()" => Self::Record(kind.clone()),
            _ => match gives.strip_prefix("stream of ") {
                Some(kind) => Self::Rows(kind_named(kind)),
                None if gives.starts_with("array") => Self::Rows(None),
                None => Self::Other,
            },
        })
    }

    /// One of its rows.
    pub(super) fn row(self) -> Self {
        match self {
            Self::Rows(kind) => Self::Record(kind),
            _ => Self::Other,
        }
    }

    /// What one of its fields holds: a record where a kind of record has its name, as `credential` in `http_exchange`.
    pub(super) fn of_field(&self, name: &str) -> Self {
        let ty = match self {
            Self::Record(Some(kind)) => kind.index(name).map(|field| kind.fields[field].ty),
            Self::Record(None) => Some(Type::Record),
            _ => None,
        };
        match ty {
            Some(Type::Record) => kind_named(name).map_or(Self::Other, |kind| Self::Record(Some(kind))),
            Some(Type::List) => Self::Rows(None),
            _ => Self::Other,
        }
    }
}

fn kind_named(name: &str) -> Option<Cow<'static, Kind>> {
    KINDS.iter().find(|kind| kind.name == name).map(|kind| Cow::Borrowed(*kind))
}
