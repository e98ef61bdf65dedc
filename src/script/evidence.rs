//! Which packets a row stands for.

use std::net::{IpAddr, SocketAddr};

use crate::capture::Selection;
use crate::record::{Row, Time, Value};

/// Adds the packets of a row to a selection: of a packet itself, of a conversation all, of an exchange those between its
/// first byte and its last. Rows that have been computed stand for none.
pub(super) fn select(row: &Row, selection: &mut Selection) {
    if row.kind().name == "packet"
        && let Some(Value::Integer(number)) = row.get("number")
    {
        selection.packet(number.unsigned_abs());
        return;
    }
    let ends = endpoint(row, "client", "client_port").zip(endpoint(row, "server", "server_port"));
    let from = time(row, "start").or_else(|| time(row, "time"));
    if let (Some((client, server)), Some((from, to))) = (ends, from.zip(time(row, "end"))) {
        selection.conversation(client, server, from, to);
    }
}

fn endpoint(row: &Row, address: &str, port: &str) -> Option<SocketAddr> {
    let address: IpAddr = match row.get(address)? {
        Value::Address(address) => address,
        _ => return None,
    };
    let port = match row.get(port)? {
        Value::Integer(port) => u16::try_from(port).ok()?,
        _ => 0,
    };
    Some(SocketAddr::new(address, port))
}

fn time(row: &Row, field: &str) -> Option<Time> {
    match row.get(field)? {
        Value::Time(time) => Some(time),
        _ => None,
    }
}
