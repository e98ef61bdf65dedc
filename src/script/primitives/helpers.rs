//! Small functions on values.

use std::cell::RefCell;
use std::collections::HashMap;
use std::env::VarError;
use std::net::IpAddr;
use std::rc::Rc;

use regex::Regex;
use rhai::{Dynamic, Engine, EvalAltResult, Map};

use super::super::context::Context;
use super::super::docs::{Entry, Group};
use super::super::error::{ErrorKind, thrown};
use super::super::value::{parse_duration, to_row};
use crate::record::{Duration, Row};

pub(crate) const ENTRIES: &[Entry] = &[
    Entry {
        name: "in_network",
        signature: "in_network(address, network) -> bool",
        group: Group::Helper,
        doc: "Whether an address is in a network, such as \"10.0.0.0/8\" or \"2001:db8::/32\".",
        example: "flows().filter(|f| in_network(f.client, \"192.0.2.0/24\")).count()",
        needs: None,
    },
    Entry {
        name: "duration",
        signature: "duration(text) -> duration",
        group: Group::Helper,
        doc: "A duration, such as duration(\"1.5ms\"). Durations compare with texts directly: r.latency > \"100ms\".",
        example: "http_requests().filter(|r| r.latency > duration(\"10ms\")).count()",
        needs: None,
    },
    Entry {
        name: "matches",
        signature: "matches(text, pattern) -> bool",
        group: Group::Helper,
        doc: "Whether a regular expression matches somewhere in a text. Also as a method: r.path.matches(\"^/api/\").",
        example: "http_requests().filter(|r| r.path.matches(\"^/api/v[0-9]+/\")).count()",
        needs: None,
    },
    Entry {
        name: "env",
        signature: "env(name) -> text or ()",
        group: Group::Helper,
        doc: "An environment variable, or () if it is not set or empty. The header of the script has to name it (`@env \
              PORT`), so that whoever runs a script can see what it reads.",
        example: "//! @env LISTEN_PORT\nenv(\"LISTEN_PORT\") ?? \"8080\"",
        needs: None,
    },
    Entry {
        name: "tell",
        signature: "tell(row, text)",
        group: Group::Helper,
        doc: "Says at once what happened: the text, of as many lines as it has, where people read (tables, reports), the row with all its fields where \
              programs do (--json). A row is a record or a map.",
        example: "tell(#{ round: 1, verdict: \"open\" }, \"round 1: open\")",
        needs: None,
    },
    Entry {
        name: "sleep",
        signature: "sleep(duration)",
        group: Group::Helper,
        doc: "Waits, such as sleep(\"500ms\"); a number is in seconds. Ctrl-C ends it.",
        example: "sleep(\"1ms\")",
        needs: None,
    },
];

pub(super) fn register(engine: &mut Engine, context: &Rc<Context>) {
    engine.register_fn("in_network", |address: &str, network: &str| in_network(address, network));
    engine.register_fn("in_network", |(): (), _: &str| false);

    let patterns = RefCell::new(HashMap::new());
    engine.register_fn("matches", move |text: &str, pattern: &str| matches(&mut patterns.borrow_mut(), text, pattern));
    engine.register_fn("matches", |(): (), _: &str| false);

    let this = context.clone();
    engine.register_fn("env", move |name: &str| environment(&this, name));
    let this = context.clone();
    engine.register_fn("tell", move |row: Row, text: &str| tell(&this, &row, text));
    let this = context.clone();
    engine.register_fn("tell", move |row: Map, text: &str| tell(&this, &to_row(&row.into()), text));

    let this = context.clone();
    engine.register_fn("sleep", move |span: Duration| sleep(&this, span));
    let this = context.clone();
    engine.register_fn("sleep", move |span: &str| sleep(&this, parse_duration(span)?));
    let this = context.clone();
    engine.register_fn("sleep", move |seconds: i64| sleep(&this, Duration::from_secs(seconds)));
    let this = context.clone();
    #[expect(clippy::cast_possible_truncation, reason = "`as` saturates")]
    engine.register_fn("sleep", move |seconds: f64| sleep(&this, Duration::from_nanos((seconds * 1e9) as i64)));
}

fn environment(context: &Context, name: &str) -> Result<Dynamic, Box<EvalAltResult>> {
    if !context.environment.borrow().iter().any(|known| known == name) {
        let message = format!("env(\"{name}\") reads only what the header of the script names: //! @env {name}");
        return Err(thrown(ErrorKind::Permission, message));
    }
    match std::env::var(name) {
        Ok(value) if !value.is_empty() => Ok(value.into()),
        Ok(_) | Err(VarError::NotPresent) => Ok(Dynamic::UNIT),
        Err(VarError::NotUnicode(_)) => {
            Err(thrown(ErrorKind::Usage, format!("the environment variable {name} is not UTF-8")))
        }
    }
}

fn tell(context: &Context, row: &Row, text: &str) -> Result<(), Box<EvalAltResult>> {
    context.say(|out| {
        out.tell(row, text)?;
        out.flush()
    })
}

/// Patterns that are kept compiled; a script that makes more of them compiles them again.
const PATTERNS: usize = 64;

fn matches(patterns: &mut HashMap<String, Regex>, text: &str, pattern: &str) -> Result<bool, Box<EvalAltResult>> {
    if let Some(known) = patterns.get(pattern) {
        return Ok(known.is_match(text));
    }
    let compiled = Regex::new(pattern).map_err(|error| thrown(ErrorKind::Usage, error.to_string()))?;
    let answer = compiled.is_match(text);
    if patterns.len() == PATTERNS {
        patterns.clear();
    }
    patterns.insert(pattern.to_owned(), compiled);
    Ok(answer)
}

/// Waits until the time is over or somebody asks to stop, and attends to what goes on meanwhile.
pub(super) fn sleep(context: &Context, span: Duration) -> Result<(), Box<EvalAltResult>> {
    let span = std::time::Duration::from_nanos(span.as_nanos().max(0).unsigned_abs());
    let waited = context.attendants.attend_until(context.cancel.as_fd(), Some(span));
    waited.map_err(|error| thrown(ErrorKind::Observation, format!("cannot wait: {error}")))
}

fn in_network(address: &str, network: &str) -> Result<bool, Box<EvalAltResult>> {
    let Ok(address) = address.parse::<IpAddr>() else { return Ok(false) };
    let wrong = || thrown(ErrorKind::Usage, format!("`{network}` is not a network; write 10.0.0.0/8 or 2001:db8::/32"));
    let (base, bits) = network.split_once('/').ok_or_else(wrong)?;
    let base: IpAddr = base.parse().map_err(|_| wrong())?;
    let bits: u32 = bits.parse().map_err(|_| wrong())?;
    let same = |a: u128, b: u128, width: u32| {
        if bits > width { Err(wrong()) } else { Ok(bits == 0 || (a ^ b) >> (width - bits) == 0) }
    };
    match (address, base) {
        (IpAddr::V4(a), IpAddr::V4(b)) => same(a.to_bits().into(), b.to_bits().into(), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => same(a.to_bits(), b.to_bits(), 128),
        _ => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::in_network;

    #[test]
    fn addresses_are_looked_for_in_networks_of_their_family() {
        for (address, network, answer) in [
            ("192.0.2.7", "192.0.2.0/24", true),
            ("192.0.3.7", "192.0.2.0/24", false),
            ("192.0.2.7", "0.0.0.0/0", true),
            ("2001:db8::1", "2001:db8::/32", true),
            ("2001:db9::1", "2001:db8::/32", false),
            ("192.0.2.7", "2001:db8::/32", false),
        ] {
            assert_eq!(in_network(address, network).unwrap(), answer, "{address} in {network}");
        }
        assert!(in_network("192.0.2.7", "192.0.2.0/33").is_err());
        assert!(in_network("192.0.2.7", "everywhere").is_err());
    }
}
