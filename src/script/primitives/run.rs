//! `run()` and `watch()`: attempts of a command, or of processes that run, to reach somebody.

use std::rc::Rc;

use rhai::{Array, Dynamic, Engine, EvalAltResult, Map};

use super::super::context::{Context, Source};
use super::super::docs::{Entry, Group};
use super::super::error::{ErrorKind, thrown};
use super::super::live::{DEFAULT_DURATION, Live, Place};
use super::super::permission::Permission;
use super::super::plan::texts;
use super::super::source::{Capture, Noun, Request};
use super::super::stream::{RowSource, Stream};
use super::super::watched::{Means, Subject, Watched};
use super::capture::{duration, from_source};
use super::place::{places, text, wrong};
use super::policy::Policy;
use crate::capture::{Stage, Until};
use crate::egress::policy::Filter;
use crate::egress::{Attempt, Captured, Packets};
use crate::nearest::suggestion;
use crate::record::Duration;

pub(crate) const ENTRIES: &[Entry] = &[
    Entry {
        name: "run",
        signature: "run(command) or run(command, options) -> stream of egress_attempt",
        group: Group::Noun,
        doc: "Begins a command, an array of texts, and watches whom it tries to reach, and everything that descends from it, \
              from its first instruction to its last process; also containers that it has an engine of this host begin. A \
              row for each attempt, when it is over. The command keeps its input, its output and its exit code. Options: \
              duration (after which it is told to end), linger (how long what it leaves behind is watched after its end; \
              10s), leave (true: what goes on behind that does not matter), loopback (false: TCP connections over loopback \
              are left out, which costs less), enforce (a policy: \
              what it does not allow is refused in the kernel, with EPERM), by (hooks in the kernel, capture: \
              of packets, which misses what never became one; best: hooks, or capture where they cannot be had; nothing: it runs \
              unwatched). run(command).flows() and its like give what its \
              packets say; attempts() and packets come from one run.",
        example: "run([\"make\", \"build\"]).count_by([\"name\", \"process\"]).table()",
        needs: Some(Permission::Exec),
    },
    Entry {
        name: "attempts",
        signature: "attempts() or attempts(filter) or attempts(filter, options) -> stream of egress_attempt",
        group: Group::Noun,
        doc: "Attempts to reach somebody, of the run's source: of packets a row for each conversation, when it closes, with \
              the names under which its client had looked up the server; of --container or --pid alone what watch() gives, \
              which sees also what no packet tells.",
        example: "attempts().count_by([\"name\", \"address\", \"port\"]).table()",
        needs: Some(Permission::Capture),
    },
    Entry {
        name: "watch",
        signature: "watch() or watch(options) -> stream of egress_attempt",
        group: Group::Noun,
        doc: "Watches a container or a process that runs already, and what descends from it, as run() does with a command: \
              from now on. Options: container or pid (else those of --container and --pid), and duration, else the run's, \
              else 10s.",
        example: "watch(#{ container: \"web\", duration: \"1m\" }).table()",
        needs: Some(Permission::Host),
    },
];

pub(crate) static ATTEMPTS: Noun = Noun {
    name: "attempts",
    kind: Attempt::KIND,
    packets: Packets::All,
    stage: |_, context| Stage::Conversations(Box::new(Captured::new(&context.options.limits))),
};

pub(crate) static RUN: Noun =
    Noun { name: "run", kind: Attempt::KIND, packets: Packets::None, stage: |_, _| Stage::Source };

type Result<T = Stream> = std::result::Result<T, Box<EvalAltResult>>;

/// Registers the functions of this file.
pub(super) fn register(engine: &mut Engine, context: &Rc<Context>) {
    let this = context.clone();
    engine.register_fn("run", move |command: Array| run(&this, command, &Map::new()));
    let this = context.clone();
    engine.register_fn("run", move |command: Array, options: Map| run(&this, command, &options));
    let this = context.clone();
    engine.register_fn("watch", move || watch(&this, &Map::new()));
    let this = context.clone();
    engine.register_fn("attempts", move || attempts(&this));
    let this = context.clone();
    engine.register_fn("watch", move |options: Map| watch(&this, &options));
}

fn run(context: &Context, command: Array, options: &Map) -> Result {
    let command = texts(command.into()).filter(|command| !command.is_empty());
    let command = command.ok_or_else(|| {
        thrown(ErrorKind::Usage, "run() takes a command as an array of texts: run([\"make\", \"build\"])")
    })?;
    context.require_exec(&command, "run()")?;
    let mut watched = Watched {
        subject: Subject::Command(command),
        duration: context.options.until.duration,
        means: Means::Best,
        loopback: true,
        linger: Watched::LINGER,
        enforce: None,
        leave: false,
    };
    for (name, value) in options {
        match name.as_str() {
            "duration" => watched.duration = Some(duration(value)?),
            "linger" => watched.linger = duration(value)?,
            "leave" => watched.leave = truth(name, value)?,
            "loopback" => watched.loopback = truth(name, value)?,
            "enforce" => watched.enforce = filter(value)?,
            "by" => watched.means = means(value)?,
            _ => return Err(unknown("run", name, &["duration", "linger", "leave", "loopback", "enforce", "by"])),
        }
    }
    stream(watched)
}

/// Of one container or one process, the kernel knows more than packets tell.
fn attempts(context: &Context) -> Result {
    match &context.options.source {
        Some(Source::Live(Live { interfaces, places }))
            if interfaces.is_empty() && matches!(places[..], [Place::Container(_) | Place::Process(_)]) =>
        {
            watch(context, &Map::new())
        }
        _ => from_source(context, &ATTEMPTS, "", &Map::new()),
    }
}

fn watch(context: &Context, options: &Map) -> Result {
    context.require(Permission::Capture, "watch()")?;
    context.require(Permission::Host, "watch()")?;
    let (mut named, mut span) = (Vec::new(), context.options.until.duration);
    for (name, value) in options {
        match places(name, value)? {
            Some(places) => named.extend(places),
            None if name == "duration" => span = Some(duration(value)?),
            None => return Err(unknown("watch", name, &["container", "pid", "duration"])),
        }
    }
    if let (true, Some(Source::Live(live))) = (named.is_empty(), &context.options.source) {
        named.clone_from(&live.places);
    }
    let [place] = named.as_slice() else {
        let message = "watch() takes one container or one process: --container NAME, --pid PID, or as an option";
        return Err(thrown(ErrorKind::Usage, message));
    };
    let subject = Subject::Place(Place::clone(place));
    let duration = span.or(Some(DEFAULT_DURATION)).filter(|&span| span != Duration::MAX);
    stream(Watched {
        subject,
        duration,
        means: Means::Hooks,
        loopback: true,
        linger: Watched::LINGER,
        enforce: None,
        leave: false,
    })
}

fn truth(option: &str, value: &Dynamic) -> Result<bool> {
    value.as_bool().map_err(|_| wrong(option, "true or false", value))
}

fn means(value: &Dynamic) -> Result<Means> {
    let name = text(value).unwrap_or_default();
    let found = Means::ALL.iter().find(|(known, _)| *known == name);
    found.map(|(_, means)| *means).ok_or_else(|| wrong("by", "best, hooks, capture or nothing", value))
}

/// What a policy lets through; nothing for `()`.
fn filter(value: &Dynamic) -> Result<Option<Filter>> {
    if value.is_unit() {
        return Ok(None);
    }
    let policy = value.read_lock::<Policy>().ok_or_else(|| wrong("enforce", "a policy", value))?;
    policy.filter().map(Some)
}

fn stream(watched: Watched) -> Result {
    let request = Request { source: Source::Watched(watched), filter: String::new(), until: Until::default() };
    Ok(Stream::new(RowSource::Capture(Capture::derive(&Capture::new(request), &RUN)?)))
}

fn unknown(function: &str, option: &str, known: &[&str]) -> Box<EvalAltResult> {
    let (list, hint) = (known.join(", "), suggestion(option, known.iter().copied()));
    thrown(ErrorKind::Usage, format!("{function}() has no option `{option}`; there are {list}{hint}"))
}
