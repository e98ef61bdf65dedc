//! Rules in short, as parameters of a script have them: `*.debian.org:443/tcp`.

use super::error::PolicyError;
use super::host::Hosts;
use super::network::network;
use super::port::{Protocol, ports};
use super::rule::{Action, Conditions, Rule};
use super::word::{Pattern, Word, shown};

/// The rules of a list of short forms, each an address, a network or a name, optionally with port and protocol:
/// `10.0.0.0/8`, `*.debian.org:443`, `registry.example:443/tcp`, `[2001:db8::1]:443`.
///
/// # Errors
///
/// All that is wrong with it, each with its place in the list, counted from 1: `allow[2]`.
pub fn rules_of_items<T: AsRef<str>>(action: Action, items: &[T]) -> Result<Vec<Rule>, PolicyError> {
    let mut error = PolicyError::default();
    let mut rules = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let place = format!("{}[{}]", action.name(), at + 1);
        match conditions(item.as_ref().trim()) {
            Ok(conditions) => rules.push(Rule { action, conditions, place }),
            Err(what) => error.add(&place, &what),
        }
    }
    error.or(rules)
}

fn conditions(item: &str) -> Result<Conditions, String> {
    let (target, rest, protocol) = parts(item)?;
    let mut conditions = Conditions { protocol, ..Conditions::default() };
    if let Some(rest) = rest {
        let (found, behind) = ports(rest)?;
        conditions.ports = Some(found);
        conditions.protocol = behind.or(protocol);
    }
    match network(target) {
        Ok(network) => conditions.network = Some(network),
        Err(why) if item.starts_with('[') || target.contains([':', '/', '%']) && !is_url(target) => return Err(why),
        Err(_) => conditions.host = Some(Hosts::of(&Word { pattern: Pattern::wild(target), quoted: false })?),
    }
    Ok(conditions)
}

/// What is named, the port with whatever stands behind it, and a protocol without a port.
fn parts(item: &str) -> Result<(&str, Option<&str>, Option<Protocol>), String> {
    if item.is_empty() {
        return Err("is empty; write an address, a network or a name, such as `*.debian.org:443`".to_owned());
    }
    if let Some(inside) = item.strip_prefix('[') {
        let (target, rest) =
            inside.split_once(']').ok_or_else(|| format!("in {} a bracket is not closed", shown(item)))?;
        return match (rest.strip_prefix(':'), rest.strip_prefix('/').and_then(Protocol::named)) {
            (Some(port), _) => Ok((target, Some(port), None)),
            (None, Some(protocol)) => Ok((target, None, Some(protocol))),
            (None, None) if rest.is_empty() => Ok((target, None, None)),
            (None, None) => Err(format!("behind the brackets of {} comes a port: `[{target}]:443`", shown(item))),
        };
    }
    // What is wrong with a URL or a zone is said of the whole.
    if network(item).is_ok() || is_url(item) || item.contains('%') {
        return Ok((item, None, None));
    }
    // Of IPv6 it cannot be told where the address ends.
    let address = item.rsplit_once('/').map_or(item, |(before, _)| before);
    if address.parse::<std::net::Ipv6Addr>().is_ok()
        && item.rsplit_once('/').is_some_and(|(_, end)| Protocol::named(end).is_some())
    {
        return Err(format!(
            "{} is not clear; write an IPv6 address in brackets: `[2001:db8::1]:443/tcp`",
            shown(item)
        ));
    }
    if let Some((target, port)) = item.rsplit_once(':') {
        if target.is_empty() {
            return Err(format!("{} names nobody; write an address or a name before the port: `*:443`", shown(item)));
        }
        return Ok((target, Some(port), None));
    }
    match item.rsplit_once('/').and_then(|(target, protocol)| Some((target, Protocol::named(protocol)?))) {
        Some((target, protocol)) => Ok((target, None, Some(protocol))),
        None => Ok((item, None, None)),
    }
}

fn is_url(item: &str) -> bool {
    item.contains("://")
}
