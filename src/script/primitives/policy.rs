//! `policy()`: what may be reached, and what was reached for all the same.

use std::cell::RefCell;
use std::fs::File;
use std::io::Read as _;
use std::net::IpAddr;
use std::rc::Rc;

use rhai::{Array, Dynamic, Engine, EvalAltResult, Map};

use super::super::context::Context;
use super::super::docs::{Entry, Group};
use super::super::error::{ErrorKind, thrown};
use super::super::permission::Permission;
use super::super::value::to_row;
use super::place::{each, text};
use crate::egress::policy::{self, Action, IpNetwork, Observed, PolicyError, Rule};
use crate::nearest::suggestion;
use crate::record::Row;
use crate::trace::resolvers;

pub(crate) const ENTRIES: &[Entry] = &[Entry {
    name: "policy",
    signature: "policy() or policy(options) -> policy",
    group: Group::Helper,
    doc: "Judges what was reached for, by rules and by what is inside (docs/egress-policy.md). policy.judge(row) takes a row \
          of egress_attempt, flow or dns_query, or a map with their fields, and gives a map of verdict (\"inside\", \
          \"allowed\", \"denied\", \"outside\") and why. Options: file (one path or an array), allow and deny (arrays of \
          rules in short, such as \"*.debian.org:443/tcp\"), inside (networks that count as inside, too), resolvers (the \
          addresses of the name servers in use; without it those of /etc/resolv.conf, which needs the permission host). \
          policy.unused() gives the rules that have matched nothing so far, policy.learned(rows) the text of rules that \
          would allow what is outside, and policy.learn(rows, path) writes it to a file, which needs the permission write.",
    example: "let web = policy(#{ allow: [\"203.0.113.0/24:443/tcp\"], resolvers: [] });\n\
              web.judge(#{ address: \"203.0.113.9\", port: 443, protocol: \"tcp\" }).why",
    needs: None,
}];

type Result<T> = std::result::Result<T, Box<EvalAltResult>>;

/// The options of `policy()`.
const OPTIONS: [&str; 5] = ["file", "allow", "deny", "inside", "resolvers"];

/// A policy as a script has it.
#[derive(Clone)]
pub(super) struct Policy(Rc<RefCell<policy::Policy>>);

pub(super) fn register(engine: &mut Engine, context: &Rc<Context>) {
    engine.register_type_with_name::<Policy>("policy");
    let this = context.clone();
    engine.register_fn("policy", move || made(&this, &Map::new()));
    let this = context.clone();
    engine.register_fn("policy", move |options: Map| made(&this, &options));
    engine.register_fn("judge", |policy: &mut Policy, row: Row| policy.judge(&row));
    engine.register_fn("judge", |policy: &mut Policy, row: Map| policy.judge(&to_row(&row.into())));
    engine.register_fn("unused", |policy: &mut Policy| policy.unused());
    engine.register_fn("learned", |policy: &mut Policy, rows: Array| policy.learned(&rows));
    let this = context.clone();
    engine.register_fn("learn", move |policy: &mut Policy, rows: Array, path: &str| {
        this.require_write(path, &format!("learn(\"{path}\")"))?;
        std::fs::write(path, policy.learned(&rows)?)
            .map_err(|error| thrown(ErrorKind::Output, format!("cannot write {path}: {error}")))
    });
}

fn made(context: &Context, options: &Map) -> Result<Policy> {
    if let Some(unknown) = options.keys().find(|name| !OPTIONS.contains(&name.as_str())) {
        let hint = suggestion(unknown, OPTIONS);
        let message = format!("policy() has no option `{unknown}`; there are {}{hint}", OPTIONS.join(", "));
        return Err(thrown(ErrorKind::Usage, message));
    }
    let texts = |name: &str, expected: &str| {
        options.get(name).map_or(Ok(Vec::new()), |value| each(value, text, name, expected))
    };
    let mut rules: Vec<Rule> = Vec::new();
    let mut wrong = PolicyError::default();
    let mut add = |read: std::result::Result<Vec<Rule>, PolicyError>| match read {
        Ok(read) => rules.extend(read),
        Err(error) => wrong.extend(error),
    };
    for path in texts("file", "the path of a file with rules")? {
        context.require(Permission::Capture, &format!("policy() with the file {path}"))?;
        let most = context.options.limits.policy_bytes;
        add(policy::rules_of_file(&path, &read(&path, most)?, most));
    }
    for action in [Action::Allow, Action::Deny] {
        let items = texts(action.name(), "an address, a network or a name, such as \"*.debian.org:443/tcp\"")?;
        add(policy::rules_of_items(action, &items));
    }
    if !wrong.is_empty() {
        return Err(thrown(ErrorKind::Usage, wrong.to_string()));
    }
    let policy =
        policy::Policy::new(rules).with_inside(inside(&texts("inside", "a network, such as \"203.0.113.0/24\"")?)?);
    Ok(Policy(Rc::new(RefCell::new(policy.with_resolvers(&servers(context, options)?)))))
}

/// A file, or as much of it as shows that it is too long.
pub(super) fn read(path: &str, most: usize) -> Result<Vec<u8>> {
    let failed = |error| thrown(ErrorKind::Input, format!("cannot read {path}: {error}"));
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(most as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn inside(networks: &[String]) -> Result<Vec<IpNetwork>> {
    let network = |text: &String| policy::network(text);
    let networks = networks.iter().map(network).collect::<std::result::Result<_, _>>();
    networks.map_err(|why| thrown(ErrorKind::Usage, format!("the option `inside` takes networks, and {why}")))
}

fn servers(context: &Context, options: &Map) -> Result<Vec<IpAddr>> {
    let Some(given) = options.get("resolvers") else {
        context.require(Permission::Host, "policy() without the option `resolvers`")?;
        return Ok(resolvers());
    };
    each(given, |server| text(server)?.parse().ok(), "resolvers", "the address of a name server")
}

impl Policy {
    fn judge(&self, row: &Row) -> Result<Map> {
        let observed = observed(row)?;
        let mut policy = self.0.borrow_mut();
        let judgement = policy.judge(&observed);
        let (verdict, why): (Dynamic, Dynamic) = (judgement.verdict().into(), judgement.to_string().into());
        Ok([("verdict".into(), verdict), ("why".into(), why)].into())
    }

    /// What it lets through, for the kernel.
    pub(super) fn filter(&self) -> Result<policy::Filter> {
        self.0.borrow().filter().map_err(|why| thrown(ErrorKind::Usage, why))
    }

    fn unused(&self) -> Array {
        self.0.borrow().unused().map(|rule| format!("{rule} ({})", rule.place()).into()).collect()
    }

    fn learned(&self, rows: &Array) -> Result<String> {
        let observed: Vec<Observed> = rows.iter().map(|row| observed(&to_row(row))).collect::<Result<_>>()?;
        Ok(self.0.borrow().learned(&observed))
    }
}

fn observed(row: &Row) -> Result<Observed> {
    Observed::of(row.as_ref()).map_err(|why| thrown(ErrorKind::Usage, why))
}
