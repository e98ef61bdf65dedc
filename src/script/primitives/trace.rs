//! `traceroute()`, `trace_compare()`, `probe()`, `resolve()`: where a connection is blocked.

use std::io::IsTerminal as _;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rhai::{Array, Dynamic, Engine, EvalAltResult, Map};

use super::super::context::Context;
use super::super::docs::{Entry, Group};
use super::super::error::{ErrorKind, thrown};
use super::super::permission::Permission;
use super::trace_options::{CONNECTION, TRACE, apply, port};
use crate::record::Row;
use crate::trace::{Comparison, Names, Protocol, Request, TraceError, connect, resolve, trace};

pub(crate) const ENTRIES: &[Entry] = &[
    Entry {
        name: "traceroute",
        signature: "traceroute(host, port) or traceroute(host, port, options) -> trace",
        group: Group::Noun,
        doc: "Traces the way to a host and port, and says where it is blocked. Needs no privilege for TCP and UDP. Options: \
              protocol (\"tcp\", \"udp\", \"icmp\"), prober (\"connect\", \"half-open\"), family (\"ipv4\", \"ipv6\"), source, \
              interface, container, netns or pid (from inside of it), first and last (times to live), probes (for each \
              hop, 3), timeout (the most that silence costs, 1s), patience (the least that a silent hop is waited for once \
              the target has answered, 60ms), names (true, or \"all\" for private addresses, too; without it only at a \
              terminal), as_file (a file such as GeoLite2-ASN.mmdb, for autonomous systems).",
        example: "traceroute(\"127.0.0.1\", 9).verdict",
        needs: Some(Permission::Probe),
    },
    Entry {
        name: "trace_compare",
        signature: "trace_compare(endpoints) or trace_compare(endpoints, options) -> trace_comparison",
        group: Group::Noun,
        doc: "Traces several endpoints at once and says at which hop their ways part: an allowed and a blocked port, or two \
              hosts. Each endpoint is an array of host and port; options as those of traceroute().",
        example: "trace_compare([[\"127.0.0.1\", 9], [\"127.0.0.1\", 11]]).verdict",
        needs: Some(Permission::Probe),
    },
    Entry {
        name: "probe",
        signature: "probe(host, port) or probe(host, port, options) -> probe",
        group: Group::Noun,
        doc: "Connects once over TCP, and resets the connection as soon as it is there: whether a port answers, and how \
              fast. Options: timeout (3s), family, source, interface, container, netns, pid.",
        example: "probe(\"127.0.0.1\", 9).verdict",
        needs: Some(Permission::Probe),
    },
    Entry {
        name: "resolve",
        signature: "resolve(name) or resolve(name, options) -> resolution",
        group: Group::Noun,
        doc: "Looks a name up in /etc/hosts and with the name servers of /etc/resolv.conf: its addresses, who answered, and \
              how long it took. Options: timeout (5s).",
        example: "resolve(\"localhost\").answered_by",
        needs: Some(Permission::Probe),
    },
];

type Result<T = Row> = std::result::Result<T, Box<EvalAltResult>>;

pub(super) fn register(engine: &mut Engine, context: &Rc<Context>) {
    let this = context.clone();
    engine.register_fn("traceroute", move |host: &str, port: i64| traceroute(&this, host, port, &Map::new()));
    let this = context.clone();
    engine
        .register_fn("traceroute", move |host: &str, port: i64, options: Map| traceroute(&this, host, port, &options));
    let this = context.clone();
    engine.register_fn("trace_compare", move |endpoints: Array| compare(&this, &endpoints, &Map::new()));
    let this = context.clone();
    engine.register_fn("trace_compare", move |endpoints: Array, options: Map| compare(&this, &endpoints, &options));
    let this = context.clone();
    engine.register_fn("probe", move |host: &str, port: i64| probe(&this, host, port, &Map::new()));
    let this = context.clone();
    engine.register_fn("probe", move |host: &str, port: i64, options: Map| probe(&this, host, port, &options));
    let this = context.clone();
    engine.register_fn("resolve", move |name: &str| look_up(&this, name, &Map::new()));
    let this = context.clone();
    engine.register_fn("resolve", move |name: &str, options: Map| look_up(&this, name, &options));
}

/// How long name servers are waited for, if nothing else is said.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a single connection is waited for, if nothing else is said: long enough for a SYN to be sent again.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

fn traceroute(context: &Context, host: &str, port: i64, options: &Map) -> Result {
    context.require(Permission::Probe, "traceroute()")?;
    let request = request("traceroute()", host, port, options)?;
    Ok(Arc::new(trace(&request, context.cancel.as_fd()).map_err(|error| trace_error(&error))?))
}

fn compare(context: &Context, endpoints: &Array, options: &Map) -> Result {
    context.require(Permission::Probe, "trace_compare()")?;
    let requests: Vec<Request> =
        endpoints.iter().map(|endpoint| endpoint_of(endpoint, options)).collect::<Result<_>>()?;
    if !(2..=MOST_COMPARED).contains(&requests.len()) {
        let message = format!("trace_compare() takes 2 to {MOST_COMPARED} endpoints, and was given {}", requests.len());
        return Err(thrown(ErrorKind::Usage, message));
    }
    let stop = context.cancel.as_fd();
    let traces = thread::scope(|scope| {
        let running: Vec<_> = requests.iter().map(|request| scope.spawn(move || trace(request, stop))).collect();
        let ended =
            running.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        ended.map(|trace| trace.map(Arc::new)).collect::<std::result::Result<Vec<_>, TraceError>>()
    });
    Ok(Arc::new(Comparison::of(traces.map_err(|error| trace_error(&error))?)))
}

/// Each is traced on a thread of its own.
const MOST_COMPARED: usize = 16;

fn probe(context: &Context, host: &str, given: i64, options: &Map) -> Result {
    context.require(Permission::Probe, "probe()")?;
    let mut request = Request::new(named("probe()", host)?, port("probe()", given)?);
    request.plan.timeout = CONNECT_TIMEOUT;
    apply("probe()", CONNECTION, &mut request, options)?;
    let timeout = request.plan.timeout;
    Ok(Arc::new(connect(&request, timeout, context.cancel.as_fd()).map_err(|error| trace_error(&error))?))
}

fn look_up(context: &Context, name: &str, options: &Map) -> Result {
    context.require(Permission::Probe, "resolve()")?;
    let mut request = Request::new(named("resolve()", name)?, 0);
    request.plan.timeout = RESOLVE_TIMEOUT;
    apply("resolve()", &["timeout"], &mut request, options)?;
    Ok(Arc::new(resolve(name, request.plan.timeout, context.cancel.as_fd())))
}

fn request(what: &str, host: &str, given: i64, options: &Map) -> Result<Request> {
    let mut request = Request::new(named(what, host)?, 0);
    if std::io::stdout().is_terminal() {
        request.names = Names::Public;
    }
    apply(what, TRACE, &mut request, options)?;
    // An echo request has no port.
    if request.protocol != Protocol::Icmp || given != 0 {
        request.port = port(what, given)?;
    }
    Ok(request)
}

fn named<'a>(what: &str, host: &'a str) -> Result<&'a str> {
    if host.trim().is_empty() {
        return Err(thrown(
            ErrorKind::Usage,
            format!("{what} takes the name or address of a host, and was given none"),
        ));
    }
    Ok(host)
}

fn endpoint_of(endpoint: &Dynamic, options: &Map) -> Result<Request> {
    let pair = endpoint.read_lock::<Array>().and_then(|pair| match pair.as_slice() {
        [host, port] => Some((host.clone().into_string().ok()?, port.as_int().ok()?)),
        _ => None,
    });
    let Some((host, port)) = pair else {
        let message =
            format!("an endpoint is an array of host and port, such as [\"db.example\", 5432], and not {endpoint}");
        return Err(thrown(ErrorKind::Usage, message));
    };
    request("trace_compare()", &host, port, options)
}

pub(super) fn trace_error(error: &TraceError) -> Box<EvalAltResult> {
    let kind = match error {
        TraceError::Stopped => ErrorKind::Cancelled,
        error if error.could_not_observe() => ErrorKind::Observation,
        _ => ErrorKind::Usage,
    };
    thrown(kind, error.to_string())
}
