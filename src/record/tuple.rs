//! Rows whose fields are known only when a script runs: groups, counts, maps.

use std::borrow::Cow;
use std::sync::Arc;

use super::{Field, Kind, Record, Row, Type, Value};

/// A record with fields of its own.
#[derive(Debug, Clone)]
pub struct Tuple {
    kind: Arc<Kind>,
    values: Vec<Value<'static>>,
}

impl Tuple {
    /// A kind with these fields, all of which a table shows.
    #[must_use]
    pub fn kind(name: &'static str, fields: Vec<Cow<'static, str>>) -> Arc<Kind> {
        let field = |name| Field { name, ty: Type::Any, unit: "", doc: Cow::Borrowed(""), main: true };
        let fields = fields.into_iter().map(field).collect();
        Arc::new(Kind { name: Cow::Borrowed(name), doc: Cow::Borrowed(""), fields: Cow::Owned(fields) })
    }

    /// A record of such a kind, with a value for each of its fields.
    #[must_use]
    pub const fn new(kind: Arc<Kind>, values: Vec<Value<'static>>) -> Self {
        Self { kind, values }
    }

    /// A single row of a kind of its own.
    #[must_use]
    pub fn row(name: &'static str, fields: Vec<Cow<'static, str>>, values: Vec<Value<'static>>) -> Row {
        Arc::new(Self::new(Self::kind(name, fields), values))
    }
}

impl Record for Tuple {
    fn kind(&self) -> &Kind {
        &self.kind
    }

    fn value(&self, field: usize) -> Value<'_> {
        self.values[field].borrowed()
    }
}
