//! What was observed, as a policy looks at it.

use std::net::IpAddr;

use super::network::address;
use super::port::Protocol;
use crate::record::{Record, Value};

/// Something that a policy can judge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observed {
    /// Somebody tried to reach an address.
    Attempt(Attempt),
    /// Somebody asked for a name.
    Query(Query),
}

/// An attempt to reach an address. What is not known is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The address, IPv4 never in the clothes of IPv6.
    pub address: IpAddr,
    /// The port; none where the protocol has none.
    pub port: Option<u16>,
    /// The protocol.
    pub protocol: Option<Protocol>,
    /// The names under which the address was reached for, the one that was asked for first.
    pub names: Vec<String>,
    /// Who tried.
    pub process: Option<String>,
    /// The container of that process.
    pub container: Option<String>,
}

/// A name that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The name.
    pub name: String,
    /// Who asked, if that is known.
    pub process: Option<String>,
    /// The container of that process.
    pub container: Option<String>,
}

/// The kinds of rows that say what was reached for; a map of a script is a `row`. Others have an address or a name, too,
/// such as that of a listener.
const KINDS: [&str; 4] = ["egress_attempt", "flow", "dns_query", "row"];

/// What such a row has to have.
const FORMS: &str =
    "a row to judge has an `address` (egress_attempt), a `server` (flow) or a `name` (dns_query); this has none";

impl Attempt {
    /// An attempt to reach an address, of which nothing else is known.
    #[must_use]
    pub const fn new(address: IpAddr) -> Self {
        Self {
            address: address.to_canonical(),
            port: None,
            protocol: None,
            names: Vec::new(),
            process: None,
            container: None,
        }
    }
}

impl Observed {
    /// What a row says: one of `egress_attempt`, `flow` or `dns_query`, or any other with their fields.
    ///
    /// # Errors
    ///
    /// What is wrong with a field, or that the row is of another kind.
    pub fn of(row: &dyn Record) -> Result<Self, String> {
        let kind = &row.kind().name;
        if !KINDS.contains(&kind.as_ref()) {
            let message = "a policy judges rows of egress_attempt, flow and dns_query, and maps with their fields";
            return Err(format!("{message}, and not a {kind}"));
        }
        let (process, container) = (text(row, "process"), text(row, "container"));
        let name = text(row, "name");
        let has = |field: &str| row.kind().index(field).is_some();
        let (at, port) = if has("address") { ("address", "port") } else { ("server", "server_port") };
        // A query has the address of a name server, which is not what it asks for.
        let is_query = has("name") && !has("address");
        let Some(address) = address_of(row, at)?.filter(|_| !is_query) else {
            // An attempt of which no address is known got no further than its name. That of the root is empty.
            return match name.or_else(|| is_query.then(String::new)) {
                Some(name) => Ok(Self::Query(Query { name, process, container })),
                None => Err(FORMS.to_owned()),
            };
        };
        let port = match row.get(port) {
            Some(Value::Integer(port)) => Some(u16::try_from(port).map_err(|_| format!("`{port}` is not a port"))?),
            Some(Value::None) | None => None,
            Some(other) => return Err(format!("`{other}` is not a port")),
        };
        let protocol = text(row, "protocol").map(|protocol| protocol.parse::<Protocol>()).transpose();
        let protocol = protocol.map_err(|error| error.to_string())?;
        let listed = match row.get("names") {
            Some(Value::List(names)) => names.iter().map(ToString::to_string).collect(),
            _ => Vec::new(),
        };
        let mut names: Vec<String> = Vec::new();
        for name in listed.into_iter().chain(name).chain(text(row, "server_name")) {
            if !name.is_empty() && !names.contains(&name) {
                names.push(name);
            }
        }
        Ok(Self::Attempt(Attempt { address, port, protocol, names, process, container }))
    }
}

fn address_of(row: &dyn Record, field: &str) -> Result<Option<IpAddr>, String> {
    match row.get(field) {
        Some(Value::Address(address)) => Ok(Some(address.to_canonical())),
        Some(Value::Text(text)) => match address(&text) {
            Some(address) => Ok(Some(address)),
            None => Err(format!("`{text}` is not an address")),
        },
        _ => Ok(None),
    }
}

fn text(row: &dyn Record, field: &str) -> Option<String> {
    match row.get(field)? {
        Value::Text(text) if !text.is_empty() => Some(text.into_owned()),
        _ => None,
    }
}
