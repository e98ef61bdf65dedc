//! What a policy says of what was observed.

use std::fmt;
use std::net::IpAddr;

use ipnetwork::IpNetwork;

use super::inside;
use super::network::written;
use super::observed::{Attempt, Observed};
use super::port::Protocol;
use super::rule::{Action, Rule};

/// Rules, and what is inside where none of them says anything.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    rules: Vec<Rule>,
    /// Whether the rule at that place has matched anything.
    used: Vec<bool>,
    inside: Vec<IpNetwork>,
    resolvers: Vec<IpAddr>,
}

/// What a policy says, with the reason as its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement<'a> {
    /// No rule speaks of it, and it is inside.
    Inside(String),
    /// A rule allows it, and none denies it.
    Allowed(&'a Rule),
    /// A rule denies it.
    Denied(&'a Rule),
    /// No rule speaks of it, and it is not inside.
    Outside,
}

impl Judgement<'_> {
    /// In a word: `inside`, `allowed`, `denied` or `outside`.
    #[must_use]
    pub const fn verdict(&self) -> &'static str {
        match self {
            Self::Inside(_) => "inside",
            Self::Allowed(_) => "allowed",
            Self::Denied(_) => "denied",
            Self::Outside => "outside",
        }
    }
}

impl fmt::Display for Judgement<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inside(why) => f.write_str(why),
            Self::Allowed(rule) | Self::Denied(rule) => write!(f, "{rule} ({})", rule.place()),
            Self::Outside => f.write_str("not inside, and no rule speaks of it"),
        }
    }
}

/// Where name servers listen: DNS, and DNS over TLS.
pub(super) const RESOLVER_PORTS: [u16; 2] = [53, 853];

impl Policy {
    /// A policy of these rules.
    #[must_use]
    pub fn new(rules: Vec<Rule>) -> Self {
        Self { used: vec![false; rules.len()], rules, inside: Vec::new(), resolvers: Vec::new() }
    }

    /// Networks that count as inside, too.
    #[must_use]
    pub fn with_inside(mut self, networks: Vec<IpNetwork>) -> Self {
        self.inside = networks;
        self
    }

    /// Name servers in use: their ports for it are inside.
    #[must_use]
    pub fn with_resolvers(mut self, resolvers: &[IpAddr]) -> Self {
        self.resolvers = resolvers.iter().map(IpAddr::to_canonical).collect();
        self
    }

    /// Judges what was observed, and remembers which rules spoke of it.
    pub fn judge(&mut self, observed: &Observed) -> Judgement<'_> {
        let matching = self.matching(observed);
        for &rule in &matching {
            self.used[rule] = true;
        }
        self.conclude(&matching, observed)
    }

    /// Judges what was observed, and remembers nothing.
    pub(super) fn look_at(&self, observed: &Observed) -> Judgement<'_> {
        self.conclude(&self.matching(observed), observed)
    }

    /// The places of the rules that speak of it.
    fn matching(&self, observed: &Observed) -> Vec<usize> {
        (0..self.rules.len()).filter(|rule| self.rules[*rule].matches(observed)).collect()
    }

    fn conclude(&self, matching: &[usize], observed: &Observed) -> Judgement<'_> {
        let first = |action| matching.iter().map(|rule| &self.rules[*rule]).find(|rule| rule.action() == action);
        if let Some(rule) = first(Action::Deny) {
            return Judgement::Denied(rule);
        }
        if let Some(rule) = first(Action::Allow) {
            return Judgement::Allowed(rule);
        }
        let why = match observed {
            Observed::Attempt(attempt) => self.why_inside(attempt),
            Observed::Query(query) => inside::of_name(&query.name, &self.inside).map(str::to_owned),
        };
        why.map_or(Judgement::Outside, Judgement::Inside)
    }

    fn why_inside(&self, attempt: &Attempt) -> Option<String> {
        if let Some(why) = inside::of_address(attempt.address) {
            return Some(why.to_owned());
        }
        if let Some(network) = self.inside.iter().find(|network| network.contains(attempt.address)) {
            return Some(format!("in {}, which counts as inside", written(*network)));
        }
        let is_dns = attempt.port.is_some_and(|port| RESOLVER_PORTS.contains(&port))
            && matches!(attempt.protocol, Some(Protocol::UDP | Protocol::TCP));
        (is_dns && self.resolvers.contains(&attempt.address)).then(|| "a name server in use".to_owned())
    }

    pub(super) fn rules(&self) -> &[Rule] {
        &self.rules
    }

    pub(super) fn inside(&self) -> &[IpNetwork] {
        &self.inside
    }

    pub(super) fn resolvers(&self) -> &[IpAddr] {
        &self.resolvers
    }

    /// The rules that nothing has matched so far.
    pub fn unused(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().zip(&self.used).filter(|(_, used)| !**used).map(|(rule, _)| rule)
    }
}
