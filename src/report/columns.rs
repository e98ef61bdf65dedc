//! Which fields of a row stand in which column.

use std::net::SocketAddr;

use crate::record::{Kind, Record, Row, Type, Value};

/// The columns of one table: what was asked for, found in each kind of record that comes along.
pub(super) struct Columns {
    asked: Vec<String>,
    defaults: Defaults,
    /// A row of the kind in which `list` was found.
    like: Option<Row>,
    list: Vec<Column>,
}

/// What a table shows when no columns were asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Defaults {
    /// The main fields.
    Main,
    /// The main fields, with an address and its port (`client`, `client_port`) in one column.
    Endpoints,
}

/// A column of a table.
pub(super) struct Column {
    /// What stands above it.
    pub(super) name: String,
    place: Place,
}

/// Where the values of a column are.
enum Place {
    /// Such a field is not in this kind of record.
    Nowhere,
    /// A field, or what the rest of the name says inside of it.
    Field(usize, String),
    /// An address and a port.
    Endpoint(usize, usize),
}

impl Columns {
    pub(super) fn new(asked: &[String], defaults: Defaults) -> Self {
        Self { asked: asked.to_vec(), defaults, like: None, list: Vec::new() }
    }

    /// Looks the columns up in the kind of this row; whether there are other columns now than before.
    pub(super) fn adopt(&mut self, row: &Row) -> bool {
        if self.like.as_ref().is_some_and(|like| same(like.kind(), row.kind())) {
            return false;
        }
        let first = self.like.replace(row.clone()).is_none();
        let kind = row.kind();
        if self.asked.is_empty() {
            self.list = main_columns(kind, self.defaults);
            return true;
        }
        self.list = self.asked.iter().map(|name| Column { name: name.clone(), place: find(kind, name) }).collect();
        first
    }

    /// Whether this row brings other columns than those before it.
    pub(super) fn would_change(&self, row: &Row) -> bool {
        self.asked.is_empty() && self.like.as_ref().is_some_and(|like| !same(like.kind(), row.kind()))
    }

    pub(super) fn list(&self) -> &[Column] {
        &self.list
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.list.iter().map(|column| column.name.clone()).collect()
    }
}

/// Whether two kinds have the same fields. Most often they are one and the same.
fn same(a: &Kind, b: &Kind) -> bool {
    std::ptr::eq(a, b)
        || a.name == b.name
            && a.fields.len() == b.fields.len()
            && a.fields.iter().zip(b.fields.iter()).all(|(a, b)| a.name == b.name && a.main == b.main)
}

fn main_columns(kind: &Kind, defaults: Defaults) -> Vec<Column> {
    let no_main = !kind.fields.iter().any(|field| field.main);
    let mut shown = kind.fields.iter().enumerate().filter(|(_, field)| field.main || no_main).peekable();
    let mut columns = Vec::new();
    while let Some((i, field)) = shown.next() {
        let is_port = |name: &str| name.strip_suffix("_port") == Some(&field.name);
        let port = if defaults == Defaults::Endpoints && field.ty == Type::Address {
            shown.next_if(|(_, next)| is_port(&next.name))
        } else {
            None
        };
        columns.push(match port {
            Some((port, _)) => Column { name: format!("{}:port", field.name), place: Place::Endpoint(i, port) },
            None => Column { name: field.name.to_string(), place: Place::Field(i, String::new()) },
        });
    }
    columns
}

/// The place with that dotted name. A field whose own name has dots comes first.
fn find(kind: &Kind, name: &str) -> Place {
    if let Some(field) = kind.index(name) {
        return Place::Field(field, String::new());
    }
    match name.split_once('.').map(|(first, rest)| (kind.index(first), rest)) {
        Some((Some(field), rest)) => Place::Field(field, rest.to_owned()),
        _ => Place::Nowhere,
    }
}

impl Column {
    /// Whether this is an address with its port.
    pub(super) const fn is_endpoint(&self) -> bool {
        matches!(self.place, Place::Endpoint(..))
    }

    /// Shows the value in this column, with its unit. It lives for that long only, as an inner record makes it.
    pub(super) fn visit<T>(&self, row: &dyn Record, show: impl FnOnce(&Value<'_>, &'static str) -> T) -> T {
        match &self.place {
            Place::Nowhere => show(&Value::None, ""),
            Place::Field(field, rest) => {
                let unit = row.kind().fields.get(*field).map_or("", |field| field.unit);
                inside(&row.value(*field), unit, rest, show)
            }
            Place::Endpoint(address, port) => match (row.value(*address), row.value(*port)) {
                (Value::Address(address), Value::Integer(port)) => {
                    let port = u16::try_from(port).unwrap_or_default();
                    show(&Value::Text(SocketAddr::new(address, port).to_string().into()), "")
                }
                (address, _) => show(&address, ""),
            },
        }
    }
}

/// Shows what stands inside a value under a dotted name, or the value itself if the name is empty.
fn inside<T>(value: &Value<'_>, unit: &'static str, name: &str, show: impl FnOnce(&Value<'_>, &'static str) -> T) -> T {
    if name.is_empty() {
        return show(value, unit);
    }
    match value {
        Value::Record(record) => match find(record.kind(), name) {
            Place::Field(field, rest) => {
                let unit = record.kind().fields.get(field).map_or("", |field| field.unit);
                inside(&record.value(field), unit, &rest, show)
            }
            _ => show(&Value::None, ""),
        },
        Value::Map(entries) => {
            let under = |name: &str| -> Vec<&Value<'_>> {
                // Field names of HTTP and its like are the same in any case.
                let same = entries.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
                same.map(|(_, value)| value).collect()
            };
            let (found, rest) = match (under(name), name.split_once('.')) {
                (found, Some((first, rest))) if found.is_empty() => (under(first), rest),
                (found, _) => (found, ""),
            };
            match found.as_slice() {
                [] => show(&Value::None, ""),
                [one] => inside(one, "", rest, show),
                several => show(&Value::List(several.iter().map(|&value| value.clone()).collect()), ""),
            }
        }
        _ => show(&Value::None, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::{exchange, hop};

    fn shown(columns: &Columns, row: &Row) -> Vec<String> {
        columns.list().iter().map(|column| column.visit(row.as_ref(), |value, unit| format!("{value}{unit}"))).collect()
    }

    fn asked(names: &[&str]) -> Columns {
        Columns::new(&names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>(), Defaults::Main)
    }

    #[test]
    fn the_main_fields_are_the_columns_unless_others_are_asked_for() {
        let mut columns = Columns::new(&[], Defaults::Main);
        assert!(columns.adopt(&exchange(0)));
        assert_eq!(
            columns.names(),
            ["time", "client", "client_port", "method", "host", "path", "status", "latency", "credential"]
        );
        let mut columns = Columns::new(&[], Defaults::Endpoints);
        columns.adopt(&exchange(0));
        assert_eq!(columns.names()[..3], ["time", "client:port", "method"]);
        assert_eq!(shown(&columns, &exchange(0))[1], "192.0.2.1:51230");
    }

    #[test]
    fn dotted_names_reach_into_records_and_maps() {
        let mut columns = asked(&[
            "credential.scheme",
            "request_headers.user-agent",
            "request_headers.X.Dotted",
            "request_headers.accept",
            "bytes",
            "credential.nothing",
            "no.such.field",
            "status.code",
        ]);
        assert!(columns.adopt(&exchange(0)));
        assert_eq!(
            shown(&columns, &exchange(0)),
            ["Bearer", "curl/8.5", "yes", "text/html, */*", "4380bytes", "", "", ""]
        );
    }

    #[test]
    fn other_kinds_of_row_keep_the_columns_that_were_asked_for() {
        let mut columns = asked(&["host", "address"]);
        assert!(columns.adopt(&exchange(0)));
        assert!(!columns.adopt(&hop(1)));
        assert_eq!(shown(&columns, &hop(1)), ["", "192.0.2.101"]);
        let mut columns = Columns::new(&[], Defaults::Main);
        assert!(columns.adopt(&exchange(0)));
        assert!(!columns.adopt(&exchange(1)));
        assert!(columns.adopt(&hop(1)));
        assert_eq!(columns.names(), ["ttl", "address", "rtts"]);
    }
}
