//! Kinds of record and their fields.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::Value;

/// A row of a stream, shared between a script and what prints it.
pub type Row = Arc<dyn Record>;

/// Something with named, typed, documented fields: a packet, a flow, an HTTP exchange.
///
/// Implement it with [`record!`](crate::record!).
pub trait Record: Any + fmt::Debug + Send + Sync {
    /// What kind of record this is, with the list of its fields.
    fn kind(&self) -> &Kind;

    /// The value of the field at that place in [`Kind::fields`].
    ///
    /// # Panics
    ///
    /// If there is no such field.
    fn value(&self, field: usize) -> Value<'_>;

    /// The value of the field with that name.
    fn get(&self, name: &str) -> Option<Value<'_>> {
        self.kind().index(name).map(|field| self.value(field))
    }

    /// The record in one short line, for where it stands inside another.
    fn summary(&self) -> String {
        let fields = self.kind().fields.iter().enumerate();
        let shown = fields.filter(|(_, f)| f.main).map(|(i, _)| self.value(i)).filter(|v| !v.is_none());
        shown.map(|v| v.to_string()).collect::<Vec<_>>().join(" ")
    }
}

/// A kind of record: `flow`, `http_exchange`, …
#[derive(Debug, Clone)]
pub struct Kind {
    /// Its name, as `record` in NDJSON says it.
    pub name: Cow<'static, str>,
    /// What one such record is.
    pub doc: Cow<'static, str>,
    /// Its fields, in the order in which they are shown.
    pub fields: Cow<'static, [Field]>,
}

impl Kind {
    /// The same, with these fields among those that a table shows by default.
    #[must_use]
    pub fn showing(&self, names: &[&str]) -> Self {
        let mut kind = self.clone();
        for field in kind.fields.to_mut() {
            field.main |= names.contains(&field.name.as_ref());
        }
        kind
    }

    /// The place of the field with that name.
    #[must_use]
    pub fn index(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|f| f.name == name)
    }
}

/// A field of a kind of record.
#[derive(Debug, Clone)]
pub struct Field {
    /// Its name: the getter in scripts, the key in JSON, the column in tables.
    pub name: Cow<'static, str>,
    /// What it holds, when it holds anything.
    pub ty: Type,
    /// The unit of a number: `bytes`, `packets`; empty where the type says it.
    pub unit: &'static str,
    /// What it means and where that is defined.
    pub doc: Cow<'static, str>,
    /// Whether a table shows it when no columns were asked for.
    pub main: bool,
}

impl Field {
    /// The name that an identifier stands for: `type` for `r#type`.
    #[must_use]
    pub const fn name_of(identifier: &'static str) -> &'static str {
        match identifier.as_bytes() {
            [b'r', b'#', ..] => identifier.split_at(2).1,
            _ => identifier,
        }
    }
}

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Integer,
    /// A number with a fraction.
    Float,
    /// A text.
    Text,
    /// Bytes: a text where they are UTF-8, a blob where they are not.
    Bytes,
    /// A point in time, UTC, nanoseconds.
    Time,
    /// A span of time, nanoseconds.
    Duration,
    /// An IPv4 or IPv6 address, as text.
    Address,
    /// Values in order.
    List,
    /// Values by name.
    Map,
    /// A record of its own, or whichever type the value has.
    Record,
    /// Different rows hold different types.
    Any,
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bool => "bool",
            Self::Integer => "integer",
            Self::Float => "float",
            Self::Text => "text",
            Self::Bytes => "bytes",
            Self::Time => "time",
            Self::Duration => "duration",
            Self::Address => "address",
            Self::List => "list",
            Self::Map => "map",
            Self::Record => "record",
            Self::Any => "any",
        })
    }
}

/// Declares the fields of a record type, once.
///
/// Each field has its documentation, its name, its [`Type`], optionally a unit (`in "bytes"`), optionally `main` (a
/// table shows it by default), and an accessor that gives anything that converts into a [`Value`]. Behind the name of the
/// kind may stand what a table shows, too, of records for which something holds: `if |flow| flow.is_live() => [process]`.
///
/// ```
/// use netscript::record::{Record, Value};
///
/// #[derive(Debug)]
/// struct Ping {
///     address: std::net::IpAddr,
///     sent: u64,
/// }
///
/// netscript::record! {
///     /// An echo request.
///     impl Record for Ping as "ping" {
///         /// Who was asked.
///         address: Address, main => |ping| ping.address;
///         /// How much was sent.
///         sent: Integer in "bytes" => |ping| ping.sent;
///     }
/// }
///
/// let ping = Ping { address: [192, 0, 2, 1].into(), sent: 64 };
/// assert_eq!(ping.kind().fields[1].unit, "bytes");
/// assert!(matches!(ping.get("sent"), Some(Value::Integer(64))));
/// assert_eq!(serde_json::to_string(&ping as &dyn Record).unwrap(), r#"{"address":"192.0.2.1","sent":64}"#);
/// ```
#[macro_export]
macro_rules! record {
    (
        $(#[doc = $kind_doc:literal])+
        impl Record for $record:ty as $kind:literal $(, if $when:expr => [$($shown:ident),+])? {
            $( $(#[doc = $doc:literal])+ $name:ident: $ty:ident $(in $unit:literal)? $(, $main:ident)? => |$this:ident| $get:expr; )+
        }
    ) => {
        impl $record {
            /// The kind of this record, with the list of its fields.
            #[allow(unreachable_pub, reason = "it is as visible as the record type, which may be private")]
            pub const KIND: &'static $crate::record::Kind = {
                static FIELDS: &[$crate::record::Field] = &[ $( $crate::record::Field {
                    name: ::std::borrow::Cow::Borrowed($crate::record::Field::name_of(stringify!($name))),
                    ty: $crate::record::Type::$ty,
                    unit: concat!($($unit)?),
                    doc: ::std::borrow::Cow::Borrowed(concat!($($doc, "\n"),+)),
                    main: $crate::record!(@main $($main)?),
                } ),+ ];
                static KIND: $crate::record::Kind = $crate::record::Kind {
                    name: ::std::borrow::Cow::Borrowed($kind),
                    doc: ::std::borrow::Cow::Borrowed(concat!($($kind_doc, "\n"),+)),
                    fields: ::std::borrow::Cow::Borrowed(FIELDS),
                };
                &KIND
            };
        }

        impl $crate::record::Record for $record {
            fn kind(&self) -> &$crate::record::Kind {
                $(
                    static SHOWN: ::std::sync::LazyLock<$crate::record::Kind> =
                        ::std::sync::LazyLock::new(|| <$record>::KIND.showing(&[$(stringify!($shown)),+]));
                    let shows: fn(&$record) -> bool = $when;
                    if shows(self) {
                        return &SHOWN;
                    }
                )?
                Self::KIND
            }

            fn value(&self, field: usize) -> $crate::record::Value<'_> {
                type Accessor = for<'a> fn(&'a $record) -> $crate::record::Value<'a>;
                static ACCESSORS: &[Accessor] = &[ $( {
                    fn $name<'a>($this: &'a $record) -> $crate::record::Value<'a> { ::std::convert::Into::into($get) }
                    $name
                } ),+ ];
                ACCESSORS[field](self)
            }
        }
    };
    (@main main) => { true };
    (@main) => { false };
}
