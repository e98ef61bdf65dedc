//! Rules that would allow what was observed, for somebody to read and keep.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt::Write as _;

use super::host::{Hosts, plain};
use super::judge::{Judgement, Policy};
use super::observed::{Attempt, Observed};
use super::parse::LONGEST_LINE;
use super::port::Ports;
use super::rule::{Action, Conditions, Rule};
use super::word::Pattern;

const HEADER: &str = "\
# Rules that allow what was observed outside, learned from one run. Read each before you keep it.
# To check against them: netscript run egress-check -- --rules=FILE COMMAND
";

impl Policy {
    /// Rules that allow what is outside of this policy, as the text of a file: sorted, each once. A name that is known is
    /// named, the first one that was asked for; an address only if none is.
    #[must_use]
    pub fn learned(&self, observed: &[Observed]) -> String {
        let outside: Vec<&Observed> = observed.iter().filter(|it| self.look_at(it) == Judgement::Outside).collect();
        let mut lines = BTreeSet::new();
        // Who may connect to a host, and so may ask for its name.
        let mut hosts: HashMap<String, HashSet<Option<&str>>> = HashMap::new();
        let mut unwritten = 0_usize;
        for it in &outside {
            let Observed::Attempt(attempt) = it else { continue };
            let Some(rule) = of_attempt(attempt) else {
                unwritten += 1;
                continue;
            };
            lines.insert(rule.to_string());
            if let Some(name) = name_of(attempt).filter(|_| rule.conditions.host.is_some()) {
                hosts.entry(plain(name)).or_default().insert(attempt.process.as_deref());
            }
        }
        for it in &outside {
            let Observed::Query(query) = it else { continue };
            let of_query = query.process.as_deref();
            let may_ask =
                |by: &HashSet<Option<&str>>| of_query.is_none() || by.contains(&None) || by.contains(&of_query);
            if hosts.get(&plain(&query.name)).is_some_and(may_ask) {
                continue;
            }
            match allow(Conditions { query: Some(Hosts::literal(&query.name)), ..Conditions::default() }) {
                Some(rule) => drop(lines.insert(rule.to_string())),
                None => unwritten += 1,
            }
        }
        let mut text = String::from(HEADER);
        if unwritten > 0 {
            let _ = writeln!(text, "# Left out: {unwritten}, of which a name is longer than a rule may be.");
        }
        for line in lines {
            text.push_str(&line);
            text.push('\n');
        }
        text
    }
}

fn allow(conditions: Conditions) -> Option<Rule> {
    let rule = Rule { action: Action::Allow, conditions, place: String::new() };
    (rule.to_string().len() <= LONGEST_LINE).then_some(rule)
}

fn of_attempt(attempt: &Attempt) -> Option<Rule> {
    let conditions = Conditions {
        ports: attempt.port.map(Ports::one),
        protocol: attempt.protocol,
        process: attempt.process.as_deref().map(Pattern::literal),
        ..Conditions::default()
    };
    let named = name_of(attempt).and_then(|name| {
        let host = Some(Hosts::literal(name));
        allow(Conditions { host, ..conditions.clone() })
    });
    named.or_else(|| allow(Conditions { network: Some(attempt.address.into()), ..conditions }))
}

/// The name that was asked for first.
fn name_of(attempt: &Attempt) -> Option<&str> {
    attempt.names.iter().map(String::as_str).find(|name| !plain(name).is_empty())
}
