//! Makes a trace: strategy and prober, with a clock.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::net::if_::{if_nameindex, if_nametoindex};
use rustix::io::Errno;

use super::answer::Reply;
use super::path::Path;
use super::prober::{Prober, Raw, Route, Sockets};
use super::record::{Hop, Trace};
use super::strategy::{Probe, Step, Strategy};
use super::{Networks, Plan, Protocol, TraceError, conclude, names};
use crate::clock::now;
use crate::host::{HostError, Namespace};

/// How TCP is probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Method {
    /// Half-open if this process may, otherwise by connecting.
    #[default]
    Auto,
    /// With ordinary connections, which need no privilege.
    Connect,
    /// With SYNs that never become a connection; needs CAP_NET_RAW.
    HalfOpen,
}

/// A family of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// What to trace, and how.
#[derive(Debug, Clone)]
pub struct Request {
    /// A name or an address.
    pub host: String,
    /// The port; 0 for ICMP.
    pub port: u16,
    /// What to probe with.
    pub protocol: Protocol,
    /// How, for TCP.
    pub method: Method,
    /// Which addresses of the host to consider; all if none is said.
    pub family: Option<Family>,
    /// The address to send from.
    pub source: Option<IpAddr>,
    /// The interface to send from.
    pub interface: Option<String>,
    /// The network namespace to send from, and what it is called: by its name, or that of a container.
    pub place: Option<(Namespace, String)>,
    /// Whether names of hops are looked up, and which.
    pub names: Names,
    /// Where the autonomous systems of hops are looked up.
    pub networks: Option<Arc<Networks>>,
    /// How to probe.
    pub plan: Plan,
}

/// Which hops are looked up by address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Names {
    /// None.
    #[default]
    None,
    /// Those with public addresses: who asks for others tells a name server about the own network.
    Public,
    /// All.
    All,
}

impl Request {
    /// A TCP trace with defaults.
    #[must_use]
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
            protocol: Protocol::Tcp,
            method: Method::Auto,
            family: None,
            source: None,
            interface: None,
            place: None,
            names: Names::None,
            networks: None,
            plan: Plan::default(),
        }
    }
}

/// Traces the way to a host. It ends early when `stop` becomes readable.
///
/// # Errors
///
/// If no probe can be sent: the host is unknown, there is no way to it, an address or interface is not there.
pub fn trace(request: &Request, stop: BorrowedFd<'_>) -> Result<Trace, TraceError> {
    request.plan.check()?;
    match &request.place {
        // Sockets belong to the namespace that they are made in.
        Some((namespace, _)) => namespace.enter(|| trace_here(request, stop))?,
        None => trace_here(request, stop),
    }
}

fn trace_here(request: &Request, stop: BorrowedFd<'_>) -> Result<Trace, TraceError> {
    let target = target(request, stop)?;
    let route = Route { target, source: request.source, interface: request.interface.clone() };
    check(&route)?;
    let mut prober = prober(request, route)?;
    let start = now();
    let clock = Instant::now();
    let (path, interruption) = run(request, target, prober.as_mut(), clock, stop)?;
    let duration = clock.elapsed();
    let conclusion = conclude(&path, interruption.as_deref());
    let shown = path.probed().filter(|&ttl| ttl <= conclusion.last);
    let mut hops: Vec<Hop> = shown.map(|ttl| Hop::of(&path, ttl)).collect();
    if request.names != Names::None && interruption.is_none() {
        names::of_hops(&mut hops, request.names == Names::All, stop);
    }
    if let Some(networks) = &request.networks {
        for hop in &mut hops {
            hop.network = hop.addresses.first().and_then(|address| networks.of(*address));
        }
    }
    Ok(Trace {
        host: request.host.clone(),
        address: target.ip(),
        port: (request.protocol != Protocol::Icmp).then_some(request.port),
        protocol: request.protocol,
        prober: prober.name(),
        source: prober.source(),
        interface: request.interface.clone(),
        place: request.place.as_ref().map(|(_, name)| name.clone()),
        start,
        duration: duration.into(),
        conclusion,
        hops: hops.into_iter().map(Arc::new).collect(),
    })
}

/// The address to trace: the first one of the family that was asked for.
fn target(request: &Request, stop: BorrowedFd<'_>) -> Result<SocketAddr, TraceError> {
    let addresses = names::addresses(&request.host, stop)?;
    let wanted = |address: &&IpAddr| match request.family {
        None => true,
        Some(Family::V4) => address.is_ipv4(),
        Some(Family::V6) => address.is_ipv6(),
    };
    match (addresses.iter().find(wanted), addresses.first()) {
        (Some(&address), _) if is_of_one_host(address) => Ok(SocketAddr::new(address, request.port)),
        (Some(&address), _) => Err(TraceError::NoHost(address)),
        (None, Some(&address)) => Err(TraceError::Family {
            host: request.host.clone(),
            family: if address.is_ipv4() { "IPv6" } else { "IPv4" },
            address,
        }),
        (None, None) => Err(TraceError::UnknownHost { host: request.host.clone(), why: "it has no address".into() }),
    }
}

fn is_of_one_host(address: IpAddr) -> bool {
    !address.is_unspecified() && !address.is_multicast() && address != IpAddr::V4(Ipv4Addr::BROADCAST)
}

/// Says what is wrong with a way before anything is sent.
fn check(route: &Route) -> Result<(), TraceError> {
    if let Some(interface) = &route.interface
        && if_nametoindex(interface.as_str()).is_err()
    {
        let known: Vec<String> = if_nameindex()
            .map(|all| all.iter().map(|interface| interface.name().to_string_lossy().into_owned()).collect())
            .unwrap_or_default();
        return Err(HostError::unknown("interface", interface, known.iter().map(String::as_str)).into());
    }
    if let Some(source) = route.source
        && source.is_ipv4() != route.target.is_ipv4()
    {
        return Err(TraceError::Source(source));
    }
    match route.source() {
        Ok(_) => Ok(()),
        Err(cause) => Err(explained(cause, route)),
    }
}

/// What the system refuses, for a person.
fn explained(cause: io::Error, route: &Route) -> TraceError {
    let address = route.target.ip();
    match (Errno::from_io_error(&cause), route.source) {
        (Some(Errno::ADDRNOTAVAIL), Some(source)) => TraceError::Source(source),
        (Some(Errno::NETUNREACH | Errno::HOSTUNREACH | Errno::ACCESS | Errno::ADDRNOTAVAIL | Errno::INVAL), _) => {
            TraceError::NoRoute { address, cause }
        }
        (Some(Errno::PERM), _) if route.interface.is_some() => {
            HostError::permission("choose an interface", "CAP_NET_RAW").into()
        }
        _ => TraceError::System { doing: format!("send to {address}"), cause },
    }
}

/// The prober that was asked for, or the best that this process may use.
fn prober(request: &Request, route: Route) -> Result<Box<dyn Prober>, TraceError> {
    let refused = |cause: io::Error, route: &Route, doing: &str| match Errno::from_io_error(&cause) {
        Some(Errno::PERM | Errno::ACCESS) => HostError::permission(doing, "CAP_NET_RAW").into(),
        _ => explained(cause, route),
    };
    let raw = || Raw::new(request.protocol, route.clone());
    match (request.protocol, request.method) {
        (Protocol::Tcp, Method::HalfOpen) => {
            raw().map(boxed).map_err(|cause| refused(cause, &route, "send raw TCP segments"))
        }
        (Protocol::Tcp, Method::Auto) => {
            Ok(raw().map(boxed).unwrap_or_else(|_| boxed(Sockets::new(Protocol::Tcp, route))))
        }
        (_, Method::HalfOpen) => Err(TraceError::Prober("half-open")),
        (Protocol::Icmp, _) if !Sockets::may_echo(&route) => {
            raw().map(boxed).map_err(|cause| refused(cause, &route, "send echo requests"))
        }
        (protocol, _) => Ok(boxed(Sockets::new(protocol, route))),
    }
}

fn boxed(prober: impl Prober + 'static) -> Box<dyn Prober> {
    Box::new(prober)
}

/// Sends and receives until the strategy says that it is over, and gives why it ended before that if it did.
fn run(
    request: &Request,
    target: SocketAddr,
    prober: &mut dyn Prober,
    clock: Instant,
    stop: BorrowedFd<'_>,
) -> Result<(Path, Option<String>), TraceError> {
    let mut strategy = Strategy::new(request.plan.clone(), Path::new(target.ip(), request.protocol));
    let failed = |cause| TraceError::System { doing: format!("trace {}", request.host), cause };
    let mut replies: Vec<(Probe, Reply)> = Vec::new();
    let mut unsent: Option<io::Error> = None;
    let mut sent = false;
    let interruption = loop {
        let wait = match strategy.step(clock.elapsed()) {
            Step::Send(probe) => {
                match prober.send(probe) {
                    Ok(()) => sent = true,
                    // A firewall of this host says so, or its queue is full: the probe is lost, like others on the way.
                    Err(error) if is_lost(&error) => unsent = Some(error),
                    Err(error) if sent => unsent = Some(error),
                    Err(cause) => {
                        return Err(TraceError::NoRoute { address: target.ip(), cause });
                    }
                }
                Duration::ZERO
            }
            Step::Wait(until) => until.saturating_sub(clock.elapsed()),
            Step::Finish => break None,
        };
        let stopped = prober.receive(wait, stop, &mut replies).map_err(failed)?;
        let now = clock.elapsed();
        for (probe, reply) in replies.drain(..) {
            strategy.receive(now, probe, reply);
        }
        if stopped {
            break Some("it was stopped before its end".to_owned());
        }
    };
    let refusal = unsent.filter(|_| !sent).map(|error| format!("this host does not send the probes: {error}"));
    Ok((strategy.finish(clock.elapsed()), interruption.or(refusal)))
}

fn is_lost(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::PERM | Errno::NOBUFS | Errno::AGAIN))
}
