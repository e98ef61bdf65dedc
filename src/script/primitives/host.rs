//! `interfaces()`, `rates()`, `listeners()`, `connections()`: this host, as it is now.

use std::rc::Rc;
use std::sync::Arc;

use rhai::{Array, Dynamic, Engine, EvalAltResult, Map};

use super::super::context::Context;
use super::super::docs::{Entry, Group};
use super::super::error::{ErrorKind, host_error, thrown};
use super::super::live::Place;
use super::super::permission::Permission;
use super::super::value::parse_duration;
use super::helpers::sleep;
use super::place::{places, wrong};
use crate::host::container::{Containers, Query};
use crate::host::{self, HostError, Interface, Namespace, Snapshot};
use crate::nearest::suggestion;
use crate::record::{Duration, Record, Row};

pub(crate) const ENTRIES: &[Entry] = &[
    Entry {
        name: "interfaces",
        signature: "interfaces() or interfaces(options) -> array of interface",
        group: Group::Noun,
        doc: "The network interfaces of this host with addresses, counters and what they are tied to, as ip -d -s address \
              shows them. Options: container, netns and pid (those in the network namespaces of these instead, each one \
              or an array), and all: true (those in every network namespace).",
        example: "interfaces().filter(|i| i.state == \"up\").table()",
        needs: Some(Permission::Host),
    },
    Entry {
        name: "rates",
        signature: "rates(interval) or rates(interval, options) -> array of interface_rate",
        group: Group::Noun,
        doc: "What the interfaces carry: packets and bits a second, errors and drops, measured over that time, such as \
              rates(\"1s\"). Options are those of interfaces().",
        example: "rates(\"200ms\").filter(|r| r.rx_dropped + r.tx_dropped > 0).table()",
        needs: Some(Permission::Host),
    },
    Entry {
        name: "listeners",
        signature: "listeners() or listeners(options) -> array of listener",
        group: Group::Noun,
        doc: "What waits for connections and datagrams, in every network namespace, with its process and container: what \
              ss -lntup shows in each. Options: container, netns and pid (those in the network namespaces of these only, \
              each one or an array).",
        example: "listeners().filter(|l| l.port == 8000).table()",
        needs: Some(Permission::Host),
    },
    Entry {
        name: "connections",
        signature: "connections() or connections(options) -> array of connection",
        group: Group::Noun,
        doc: "The ends of connections on this host, in every network namespace, with their processes and containers: what \
              ss -antup shows in each of what has a peer. Options are those of listeners().",
        example: "connections().count_by([\"process\", \"remote_address\", \"state\"]).top(10).table()",
        needs: Some(Permission::Host),
    },
];

type Result<T> = std::result::Result<T, Box<EvalAltResult>>;

pub(super) fn register(engine: &mut Engine, context: &Rc<Context>) {
    register_noun(engine, context, "interfaces", |context, options| {
        let view = View::new(context, "interfaces", Scope::Here, options)?;
        Ok(view.note(view.interfaces()?))
    });
    register_noun(engine, context, "listeners", |context, options| {
        let view = View::new(context, "listeners", Scope::Everywhere, options)?;
        let rows = host::listeners(&view.namespaces, &view.containers, context.options.show_secrets);
        Ok(view.note(rows.map_err(|error| host_error(&error))?))
    });
    register_noun(engine, context, "connections", |context, options| {
        let view = View::new(context, "connections", Scope::Everywhere, options)?;
        let rows = host::connections(&view.namespaces, &view.containers, context.options.show_secrets);
        Ok(view.note(rows.map_err(|error| host_error(&error))?))
    });
    let this = context.clone();
    engine.register_fn("rates", move |interval: &str| rates(&this, parse_duration(interval)?, &Map::new()));
    let this = context.clone();
    engine.register_fn("rates", move |interval: &str, options: Map| rates(&this, parse_duration(interval)?, &options));
    let this = context.clone();
    engine.register_fn("rates", move |interval: Duration| rates(&this, interval, &Map::new()));
    let this = context.clone();
    engine.register_fn("rates", move |interval: Duration, options: Map| rates(&this, interval, &options));
}

/// Registers `noun()` and `noun(options)`.
fn register_noun<T: Record>(
    engine: &mut Engine,
    context: &Rc<Context>,
    name: &'static str,
    read: impl Fn(&Context, &Map) -> Result<Vec<T>> + Copy + 'static,
) {
    let this = context.clone();
    engine.register_fn(name, move || read(&this, &Map::new()).map(|rows| array(&this, rows)));
    let this = context.clone();
    engine.register_fn(name, move |options: Map| read(&this, &options).map(|rows| array(&this, rows)));
}

/// The rows for a script, as many as may be kept.
pub(super) fn array<T: Record>(context: &Context, rows: Vec<T>) -> Array {
    let kept = rows.into_iter().enumerate().filter(|(kept, _)| context.may_keep(*kept));
    kept.map(|(_, row)| Dynamic::from::<Row>(Arc::new(row))).collect()
}

fn rates(context: &Context, interval: Duration, options: &Map) -> Result<Array> {
    let view = View::new(context, "rates", Scope::Here, options)?;
    let earlier = view.note(view.interfaces()?);
    sleep(context, interval)?;
    Ok(array(context, host::rates(&earlier, view.note(view.interfaces()?))))
}

/// Which namespaces are looked at if no option says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// That of this process; all of them with an option.
    Here,
    /// All.
    Everywhere,
}

/// What is looked at.
struct View<'a> {
    context: &'a Context,
    namespaces: Vec<Namespace>,
    /// Every namespace that there is.
    all: Vec<Namespace>,
    containers: Containers,
}

impl<'a> View<'a> {
    fn new(context: &'a Context, function: &str, scope: Scope, options: &Map) -> Result<Self> {
        context.require(Permission::Host, &format!("{function}()"))?;
        let (mut named, mut every) = (Vec::new(), false);
        for (option, value) in options {
            if let Some(places) = places(option, value)? {
                named.extend(places);
            } else if scope == Scope::Here && option == "all" {
                every = value.as_bool().map_err(|_| wrong("all", "true or false", value))?;
            } else {
                return Err(no_option(function, scope, option));
            }
        }
        if every && !named.is_empty() {
            let message = format!("{function}() looks into all network namespaces, or into those that are named");
            return Err(thrown(ErrorKind::Usage, message));
        }
        let all = Namespace::all().map_err(|error| host_error(&error))?;
        // Of one that is named, also that it does not run.
        let containers = Containers::read(&Query { all: !named.is_empty(), ..Query::default() });
        let namespaces = if !named.is_empty() {
            distinct(&named, &containers).map_err(|error| host_error(&error))?
        } else if every || scope == Scope::Everywhere {
            if !host::sees_all_namespaces() {
                let what = "look into the network namespaces of other users";
                context.note(&HostError::permission(what, "CAP_SYS_ADMIN and CAP_SYS_PTRACE").to_string());
            }
            all.clone()
        } else {
            vec![Namespace::current().map_err(|error| host_error(&error))?]
        };
        Ok(Self { context, namespaces, all, containers })
    }

    fn interfaces(&self) -> Result<Snapshot<Interface>> {
        host::interfaces(&self.namespaces, &self.all, &self.containers).map_err(|error| host_error(&error))
    }

    /// The rows; what is missing in them is told aside, and taints the verdict.
    fn note<T>(&self, snapshot: Snapshot<T>) -> Vec<T> {
        snapshot.notes.iter().chain(self.containers.notes()).for_each(|note| self.context.note(note));
        snapshot.rows
    }
}

/// The network namespaces of these places, each once: two names may be of one place.
fn distinct(places: &[Place], containers: &Containers) -> std::result::Result<Vec<Namespace>, HostError> {
    let found = places.iter().map(|place| place.find(containers).map(|(namespace, _)| namespace));
    let mut namespaces = found.collect::<std::result::Result<Vec<_>, _>>()?;
    namespaces.sort_by_key(Namespace::id);
    namespaces.dedup_by_key(|namespace| namespace.id());
    Ok(namespaces)
}

fn no_option(function: &str, scope: Scope, option: &str) -> Box<EvalAltResult> {
    const OPTIONS: [&str; 4] = ["container", "netns", "pid", "all"];
    let known = if scope == Scope::Here { &OPTIONS[..] } else { &OPTIONS[..3] };
    let hint = suggestion(option, known.iter().copied());
    thrown(ErrorKind::Usage, format!("{function}() has no option `{option}`; there are {}{hint}", known.join(", ")))
}
