//! Rules in files: one a line.

use super::error::PolicyError;
use super::host::Hosts;
use super::network::network;
use super::port::{UnknownProtocol, ports};
use super::rule::{Action, Conditions, Rule};
use super::word::{Word, shown, words};
use crate::nearest::suggestion;

/// A longer line is not a rule, in bytes.
pub(super) const LONGEST_LINE: usize = 4096;

/// Every condition, with one of it.
const CONDITIONS: [(&str, &str); 7] = [
    ("cidr", "cidr 203.0.113.0/24"),
    ("host", "host *.debian.org"),
    ("port", "port 443/tcp"),
    ("protocol", "protocol icmp"),
    ("process", "process apt-get"),
    ("container", "container web*"),
    ("query", "query *.debian.org"),
];

/// The rules of a file that has at most so many bytes.
///
/// # Errors
///
/// All that is wrong with it, each with `FILE:LINE`.
pub fn rules_of_file(file: &str, bytes: &[u8], most: usize) -> Result<Vec<Rule>, PolicyError> {
    let mut error = PolicyError::default();
    let mut rules = Vec::new();
    if bytes.len() > most {
        error.add(file, &format!("is longer than {most} bytes, which is more than a policy may have"));
        return error.or(rules);
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
        Err(wrong) => {
            let line = 1 + memchr::memchr_iter(b'\n', &bytes[..wrong.valid_up_to()]).count();
            error.add(&format!("{file}:{line}"), "is not text in UTF-8");
            return error.or(rules);
        }
    };
    for (at, line) in text.lines().enumerate() {
        let place = format!("{file}:{}", at + 1);
        match conditions(line) {
            Ok(None) => {}
            Ok(Some((action, conditions))) => rules.push(Rule { action, conditions, place }),
            Err(what) => error.add(&place, &what),
        }
    }
    error.or(rules)
}

/// What a line says; nothing if it is empty or a comment.
fn conditions(line: &str) -> Result<Option<(Action, Conditions)>, String> {
    if line.len() > LONGEST_LINE {
        return Err(format!("is longer than {LONGEST_LINE} bytes"));
    }
    if let Some(control) = line.chars().find(|c| c.is_control() && *c != '\t') {
        return Err(format!("has a control character (U+{:04X})", u32::from(control)));
    }
    let words = words(line)?;
    let Some((first, rest)) = words.split_first() else { return Ok(None) };
    let action = match first.pattern.text().as_str() {
        "allow" => Action::Allow,
        "deny" => Action::Deny,
        other => {
            let hint = suggestion(other, ["allow", "deny"]);
            return Err(format!("a rule begins with `allow` or `deny`, and not with {}{hint}", shown(other)));
        }
    };
    if rest.is_empty() {
        let name = action.name();
        return Err(format!(
            "`{name}` alone names nothing; write what, such as `{name} host *.debian.org port 443/tcp`"
        ));
    }
    let mut conditions = Conditions::default();
    for pair in rest.chunks(2) {
        conditions.add(&pair[0].pattern.text(), pair.get(1))?;
    }
    conditions.check()?;
    Ok(Some((action, conditions)))
}

impl Conditions {
    /// Adds a condition by its name.
    fn add(&mut self, name: &str, value: Option<&Word>) -> Result<(), String> {
        let Some((_, example)) = CONDITIONS.iter().find(|(known, _)| *known == name) else {
            return Err(format!("there is no condition {}{}", shown(name), meant(name)));
        };
        let Some(value) = value else {
            return Err(format!("`{name}` has nothing behind it; write `{example}`"));
        };
        let text = value.pattern.text();
        let pattern = || {
            let is_empty = value.pattern.is_empty();
            if is_empty { Err(format!("`{name}` has an empty name behind it")) } else { Ok(value.pattern.clone()) }
        };
        match name {
            "cidr" => put(name, &mut self.network, address_or_hint(&text)?),
            "host" => put(name, &mut self.host, Hosts::of(value)?),
            "query" => put(name, &mut self.query, Hosts::of(value)?),
            "process" => put(name, &mut self.process, pattern()?),
            "container" => put(name, &mut self.container, pattern()?),
            "protocol" => {
                let protocol = text.parse().map_err(|error: UnknownProtocol| error.to_string())?;
                put(name, &mut self.protocol, protocol)
            }
            _ => {
                let (ports, protocol) = ports(&text)?;
                put(name, &mut self.ports, ports)?;
                protocol.map_or(Ok(()), |protocol| put("protocol", &mut self.protocol, protocol))
            }
        }
    }

    /// Whether they go together.
    fn check(&self) -> Result<(), String> {
        let others = [
            ("cidr", self.network.is_some()),
            ("host", self.host.is_some()),
            ("port", self.ports.is_some()),
            ("protocol", self.protocol.is_some()),
        ];
        match others.iter().find(|(_, is_there)| *is_there) {
            Some((other, _)) if self.query.is_some() => Err(format!(
                "`query` is about a question for a name, which has no `{other}`; write a rule for each (one with `host` \
                 allows the question, too)"
            )),
            _ => Ok(()),
        }
    }
}

fn put<T>(name: &str, place: &mut Option<T>, value: T) -> Result<(), String> {
    if place.is_some() {
        return Err(format!("`{name}` is there twice; write a rule for each"));
    }
    *place = Some(value);
    Ok(())
}

/// A network; of something that looks like a name, that it is one.
fn address_or_hint(text: &str) -> Result<ipnetwork::IpNetwork, String> {
    network(text).map_err(|why| if is_name(text) { format!("{why}; for a name write `host {text}`") } else { why })
}

/// What somebody meant who wrote something else than a condition.
fn meant(name: &str) -> String {
    let near = suggestion(name, CONDITIONS.iter().map(|(known, _)| *known));
    match () {
        () if !near.is_empty() => near,
        () if network(name).is_ok() => format!("; write `cidr {name}`"),
        () if is_name(name) => format!("; write `host {name}`"),
        () => format!("; there are {}", CONDITIONS.map(|(known, _)| known).join(", ")),
    }
}

/// Whether a text looks like the name of a host, and like nothing else.
fn is_name(text: &str) -> bool {
    let has_letter = text.chars().any(|c| c.is_ascii_alphabetic());
    text.contains('.') && has_letter && text.chars().all(|c| c.is_ascii_alphanumeric() || "-.*_".contains(c))
}
