//! What a field holds.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use base64::Engine as _;
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{Duration, Record, Row, Time};

/// The value of a field: borrowed from its record where that saves a copy.
///
/// In JSON times are RFC 3339 texts, durations are seconds, addresses are texts, and bytes are a text where they are
/// UTF-8 and `{"base64": "…"}` where they are not.
#[derive(Debug, Clone)]
pub enum Value<'a> {
    /// The field has no value here: `()` in scripts, `null` in JSON, empty in tables.
    None,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Float(f64),
    /// A text.
    Text(Cow<'a, str>),
    /// Bytes as they were on the wire.
    Bytes(Cow<'a, [u8]>),
    /// A point in time.
    Time(Time),
    /// A span of time.
    Duration(Duration),
    /// An IPv4 or IPv6 address.
    Address(IpAddr),
    /// Values in order.
    List(Vec<Value<'a>>),
    /// Values by name, in order; names may repeat where the wire repeats them.
    Map(Vec<(Cow<'a, str>, Value<'a>)>),
    /// A record inside the record.
    Record(Row),
}

impl Value<'_> {
    /// The same value, independent of the record that it came from.
    #[must_use]
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Self::None => Value::None,
            Self::Bool(x) => Value::Bool(x),
            Self::Integer(x) => Value::Integer(x),
            Self::Float(x) => Value::Float(x),
            Self::Text(x) => Value::Text(Cow::Owned(x.into_owned())),
            Self::Bytes(x) => Value::Bytes(Cow::Owned(x.into_owned())),
            Self::Time(x) => Value::Time(x),
            Self::Duration(x) => Value::Duration(x),
            Self::Address(x) => Value::Address(x),
            Self::List(x) => Value::List(x.into_iter().map(Value::into_owned).collect()),
            Self::Map(x) => {
                Value::Map(x.into_iter().map(|(k, v)| (Cow::Owned(k.into_owned()), v.into_owned())).collect())
            }
            Self::Record(x) => Value::Record(x),
        }
    }

    /// The same value, borrowed from this one.
    #[must_use]
    pub fn borrowed(&self) -> Value<'_> {
        match self {
            Self::Text(x) => Value::Text(Cow::Borrowed(x)),
            Self::Bytes(x) => Value::Bytes(Cow::Borrowed(x)),
            Self::List(x) => Value::List(x.iter().map(Value::borrowed).collect()),
            Self::Map(x) => Value::Map(x.iter().map(|(k, v)| (Cow::Borrowed(k.as_ref()), v.borrowed())).collect()),
            Self::None => Value::None,
            Self::Bool(x) => Value::Bool(*x),
            Self::Integer(x) => Value::Integer(*x),
            Self::Float(x) => Value::Float(*x),
            Self::Time(x) => Value::Time(*x),
            Self::Duration(x) => Value::Duration(*x),
            Self::Address(x) => Value::Address(*x),
            Self::Record(x) => Value::Record(x.clone()),
        }
    }

    /// Whether there is no value.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }
}

/// Bytes that a person may read: text where they are UTF-8, base64 where they are not.
pub struct Content<'a>(pub &'a [u8]);

impl fmt::Display for Content<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match std::str::from_utf8(self.0) {
            Ok(text) => f.write_str(text),
            Err(_) => write!(f, "base64:{}", base64::engine::general_purpose::STANDARD.encode(self.0)),
        }
    }
}

impl fmt::Display for Value<'_> {
    /// The value as a person reads it: one line unless a text has several.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Bool(x) => x.fmt(f),
            Self::Integer(x) => x.fmt(f),
            Self::Float(x) => x.fmt(f),
            Self::Text(x) => f.write_str(x),
            Self::Bytes(x) => Content(x).fmt(f),
            Self::Time(x) => x.fmt(f),
            Self::Duration(x) => x.fmt(f),
            Self::Address(x) => x.fmt(f),
            Self::List(x) => {
                for (i, item) in x.iter().enumerate() {
                    write!(f, "{}{item}", if i == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
            Self::Map(x) => {
                for (i, (name, value)) in x.iter().enumerate() {
                    write!(f, "{}{name}: {value}", if i == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
            Self::Record(x) => x.summary().fmt(f),
        }
    }
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::None => serializer.serialize_unit(),
            Self::Bool(x) => serializer.serialize_bool(*x),
            Self::Integer(x) => serializer.serialize_i64(*x),
            Self::Float(x) => serializer.serialize_f64(*x),
            Self::Text(x) => serializer.serialize_str(x),
            Self::Bytes(x) => match std::str::from_utf8(x) {
                Ok(text) => serializer.serialize_str(text),
                Err(_) => {
                    let mut map = serializer.serialize_map(Some(1))?;
                    map.serialize_entry("base64", &base64::engine::general_purpose::STANDARD.encode(x))?;
                    map.end()
                }
            },
            Self::Time(x) => serializer.collect_str(x),
            Self::Duration(x) => serializer.serialize_f64(x.as_secs_f64()),
            Self::Address(x) => serializer.collect_str(x),
            Self::List(x) => serializer.collect_seq(x),
            Self::Map(x) => {
                // A name that repeats (Set-Cookie) becomes one entry with a list.
                let mut map = serializer.serialize_map(None)?;
                for (i, (name, value)) in x.iter().enumerate() {
                    if x[..i].iter().any(|(earlier, _)| earlier == name) {
                        continue;
                    }
                    let same: Vec<_> = x[i..].iter().filter(|(n, _)| n == name).map(|(_, v)| v).collect();
                    if same.len() == 1 {
                        map.serialize_entry(name, value)?;
                    } else {
                        map.serialize_entry(name, &same)?;
                    }
                }
                map.end()
            }
            Self::Record(x) => x.as_ref().serialize(serializer),
        }
    }
}

impl Serialize for dyn Record + '_ {
    /// One object with a key for each field, in the order of the declaration.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = &self.kind().fields;
        let mut map = serializer.serialize_map(Some(fields.len()))?;
        for (i, field) in fields.iter().enumerate() {
            map.serialize_entry(&field.name, &self.value(i))?;
        }
        map.end()
    }
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(option: Option<T>) -> Self {
        option.map_or(Value::None, Into::into)
    }
}

impl<'a, T: Into<Value<'a>>> From<Vec<T>> for Value<'a> {
    fn from(items: Vec<T>) -> Self {
        Value::List(items.into_iter().map(Into::into).collect())
    }
}

impl<T: Record> From<Arc<T>> for Value<'_> {
    fn from(record: Arc<T>) -> Self {
        Value::Record(record)
    }
}

/// JSON as it is read: what looks like a time is a text.
impl From<serde_json::Value> for Value<'_> {
    fn from(json: serde_json::Value) -> Self {
        match json {
            serde_json::Value::Null => Value::None,
            serde_json::Value::Bool(x) => x.into(),
            serde_json::Value::Number(x) => match x.as_i64() {
                Some(x) => x.into(),
                None => x.as_f64().into(),
            },
            serde_json::Value::String(x) => x.into(),
            serde_json::Value::Array(x) => x.into(),
            serde_json::Value::Object(x) => Value::Map(x.into_iter().map(|(k, v)| (k.into(), v.into())).collect()),
        }
    }
}

impl From<u64> for Value<'_> {
    fn from(number: u64) -> Self {
        Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<usize> for Value<'_> {
    fn from(number: usize) -> Self {
        Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

macro_rules! from {
    ($($type:ty => |$x:ident| $value:expr;)*) => { $(
        impl<'a> From<$type> for Value<'a> {
            fn from($x: $type) -> Self { $value }
        }
    )* };
}

from! {
    bool => |x| Value::Bool(x);
    u8 => |x| Value::Integer(x.into());
    u16 => |x| Value::Integer(x.into());
    u32 => |x| Value::Integer(x.into());
    i64 => |x| Value::Integer(x);
    f64 => |x| Value::Float(x);
    &'a str => |x| Value::Text(Cow::Borrowed(x));
    String => |x| Value::Text(Cow::Owned(x));
    Cow<'a, str> => |x| Value::Text(x);
    &'a [u8] => |x| Value::Bytes(Cow::Borrowed(x));
    Cow<'a, [u8]> => |x| Value::Bytes(x);
    Time => |x| Value::Time(x);
    Duration => |x| Value::Duration(x);
    IpAddr => |x| Value::Address(x);
    Ipv4Addr => |x| Value::Address(x.into());
    Ipv6Addr => |x| Value::Address(x.into());
    Row => |x| Value::Record(x);
}
