//! The options of `traceroute()` and its kin, as scripts write them.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rhai::{Dynamic, EvalAltResult, Map};

use super::super::error::{ErrorKind, host_error, thrown};
use super::super::live::Place;
use super::place::{places, text, wrong};
use super::trace::trace_error;
use crate::host::Namespace;
use crate::host::container::{Containers, Query};
use crate::nearest::suggestion;
use crate::trace::{Family, Method, Names, Networks, Protocol, Request};

type Result<T> = std::result::Result<T, Box<EvalAltResult>>;

/// The options of a connection.
pub(super) const CONNECTION: &[&str] = &["timeout", "family", "source", "interface", "container", "netns", "pid"];

/// The options of a trace.
pub(super) const TRACE: &[&str] = &[
    "protocol",
    "prober",
    "family",
    "source",
    "interface",
    "container",
    "netns",
    "pid",
    "first",
    "last",
    "probes",
    "timeout",
    "patience",
    "names",
    "as_file",
];

/// Applies options to a request.
pub(super) fn apply(what: &str, known: &[&str], request: &mut Request, options: &Map) -> Result<()> {
    for (name, value) in options {
        if !known.contains(&name.as_str()) {
            let hint = suggestion(name, known.iter().copied());
            let message = format!("{what} has no option `{name}`; there are {}{hint}", known.join(", "));
            return Err(thrown(ErrorKind::Usage, message));
        }
        let wrong = |expected: &str| wrong(name, expected, value);
        match name.as_str() {
            "protocol" => {
                let wanted = text(value).ok_or_else(|| wrong("\"tcp\", \"udp\" or \"icmp\""))?;
                let found = Protocol::ALL.into_iter().find(|protocol| protocol.name() == wanted);
                request.protocol = found.ok_or_else(|| wrong("\"tcp\", \"udp\" or \"icmp\""))?;
            }
            "prober" => {
                request.method = match text(value).as_deref() {
                    Some("auto") => Method::Auto,
                    Some("connect") => Method::Connect,
                    Some("half-open") => Method::HalfOpen,
                    _ => return Err(wrong("\"auto\", \"connect\" or \"half-open\"")),
                };
            }
            "family" => {
                request.family = match text(value).as_deref() {
                    Some("ipv4") => Some(Family::V4),
                    Some("ipv6") => Some(Family::V6),
                    _ => return Err(wrong("\"ipv4\" or \"ipv6\"")),
                };
            }
            "source" => {
                let address: Option<IpAddr> = text(value).and_then(|text| text.parse().ok());
                request.source = Some(address.ok_or_else(|| wrong("an address of this host"))?);
            }
            "interface" => request.interface = Some(text(value).ok_or_else(|| wrong("the name of an interface"))?),
            "first" => request.plan.first = ttl(value).ok_or_else(|| wrong("a time to live, 1 to 255"))?,
            "last" => request.plan.last = ttl(value).ok_or_else(|| wrong("a time to live, 1 to 255"))?,
            "probes" => {
                let probes = value.as_int().ok().and_then(|probes| u8::try_from(probes).ok());
                request.plan.probes = probes.ok_or_else(|| wrong("a number of probes for each hop, 1 to 10"))?;
            }
            "timeout" => request.plan.timeout = duration(name, value)?,
            "patience" => request.plan.patience = duration(name, value)?,
            "names" => {
                request.names = match (value.as_bool(), text(value).as_deref()) {
                    (Ok(false), _) => Names::None,
                    (Ok(true), _) => Names::Public,
                    (_, Some("all")) => Names::All,
                    _ => return Err(wrong("true, false, or \"all\" for private addresses, too")),
                };
            }
            "as_file" => {
                let path = text(value).ok_or_else(|| wrong("the path of a file in the format of MaxMind"))?;
                let networks = Networks::open(Path::new(&path)).map_err(|error| trace_error(&error))?;
                request.networks = Some(Arc::new(networks));
            }
            place => request.place = inside(what, place, value)?,
        }
    }
    Ok(())
}

/// The one place that an option names.
fn inside(what: &str, option: &str, value: &Dynamic) -> Result<Option<(Namespace, String)>> {
    let found = match places(option, value)?.unwrap_or_default().as_slice() {
        [Place::Container(name)] => Place::Container(name.clone()).find(&Containers::read(&Query::default())),
        [place] => place.find(&Containers::default()),
        others => {
            let message = format!("{what} runs in one place, and the option `{option}` names {}", others.len());
            return Err(thrown(ErrorKind::Usage, message));
        }
    };
    found.map(Some).map_err(|error| host_error(&error))
}

/// A port that can be connected to.
pub(super) fn port(what: &str, port: i64) -> Result<u16> {
    u16::try_from(port)
        .ok()
        .filter(|port| *port > 0)
        .ok_or_else(|| thrown(ErrorKind::Usage, format!("{what} takes a port, 1 to 65535, and was given {port}")))
}

fn ttl(value: &Dynamic) -> Option<u8> {
    value.as_int().ok().and_then(|ttl| u8::try_from(ttl).ok()).filter(|ttl| *ttl > 0)
}

fn duration(option: &str, value: &Dynamic) -> Result<Duration> {
    let given = value.read_lock::<crate::record::Duration>().map(|given| *given);
    let given = given.or_else(|| text(value).and_then(|text| text.parse().ok()));
    let nanos = given.and_then(|given| u64::try_from(given.as_nanos()).ok());
    nanos.map(Duration::from_nanos).ok_or_else(|| wrong(option, "a duration such as \"500ms\"", value))
}
