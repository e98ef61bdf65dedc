//! Rows about a proxy.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::balance::Target;
use crate::record::{Duration, Time};

/// A connection or an association that a proxy has or had.
#[derive(Debug, Clone)]
pub struct Connection {
    pub(super) start: Time,
    pub(super) duration: Duration,
    pub(super) app: Arc<str>,
    pub(super) protocol: &'static str,
    pub(super) client: SocketAddr,
    /// Whom the client meant.
    pub(super) meant: SocketAddr,
    pub(super) target: Option<Arc<Target>>,
    /// Where it was brought.
    pub(super) target_address: Option<SocketAddr>,
    pub(super) tries: u32,
    pub(super) bytes_to_target: u64,
    pub(super) bytes_to_client: u64,
    /// `picking`, `connecting`, `open`, `half-closed`, `ended`.
    pub(super) state: &'static str,
    /// Why it ended; none while it goes on.
    pub(super) end: Option<&'static str>,
}

crate::record! {
    /// A connection or a UDP association that a proxy has or had.
    impl Record for Connection as "proxy_connection" {
        /// When it was accepted.
        start: Time, main => |it| it.start;
        /// How long it took, or has taken so far.
        duration: Duration, main => |it| it.duration;
        /// The app that it belongs to.
        app: Text, main => |it| &*it.app;
        /// `tcp` or `udp`.
        protocol: Text => |it| it.protocol;
        /// Who connected.
        client: Address, main => |it| it.client.ip().to_canonical();
        /// From which port.
        client_port: Integer, main => |it| it.client.port();
        /// The address that the client meant.
        address: Address => |it| it.meant.ip().to_canonical();
        /// The port that the client meant.
        port: Integer, main => |it| it.meant.port();
        /// The target that it was brought to, as the configuration calls it; none if there was none.
        target: Text, main => |it| it.target.as_ref().map(|target| target.name().to_owned());
        /// The address of the target.
        target_address: Address => |it| it.target_address.map(|address| address.ip());
        /// The port of the target.
        target_port: Integer => |it| it.target_address.map(|address| address.port());
        /// How many targets were tried.
        tries: Integer => |it| it.tries;
        /// Moved in both directions.
        bytes: Integer in "bytes", main => |it| it.bytes_to_target + it.bytes_to_client;
        /// Moved from the client to the target.
        bytes_to_target: Integer in "bytes" => |it| it.bytes_to_target;
        /// Moved from the target to the client.
        bytes_to_client: Integer in "bytes" => |it| it.bytes_to_client;
        /// `picking`, `connecting`, `open`, `half-closed` or `ended`.
        state: Text, main => |it| it.state;
        /// Why it ended; none while it goes on.
        end: Text => |it| it.end;
    }
}

impl Connection {
    /// The app that it belongs to.
    #[must_use]
    pub fn app(&self) -> &str {
        &self.app
    }
}

/// How one address of a target is.
#[derive(Debug, Clone)]
pub struct TargetState {
    pub(super) id: u64,
    pub(super) app: Arc<str>,
    pub(super) target: String,
    /// None: its name has none.
    pub(super) address: Option<IpAddr>,
    pub(super) port: Option<u16>,
    /// `up`, `down`, `unchecked`, `ejected`, `draining` or `unresolved`.
    pub(super) state: &'static str,
    /// When it became so.
    pub(super) since: Time,
    /// Why.
    pub(super) reason: Option<String>,
    pub(super) weight: u32,
    pub(super) open: usize,
    pub(super) total: u64,
    pub(super) failed: u64,
    pub(super) bytes_to_target: u64,
    pub(super) bytes_to_client: u64,
    pub(super) latency: Option<Duration>,
}

crate::record! {
    /// One address of a target of a proxy, and how it is.
    impl Record for TargetState as "proxy_target" {
        /// The app that it serves.
        app: Text, main => |it| &*it.app;
        /// What the configuration calls it.
        target: Text, main => |it| it.target.as_str();
        /// Its address; none if its name has none.
        address: Address, main => |it| it.address;
        /// Its port; none if it is the one that the client meant.
        port: Integer => |it| it.port;
        /// `up`, `down`, `unchecked`, `ejected`, `draining` or `unresolved`.
        state: Text, main => |it| it.state;
        /// Since when.
        since: Time => |it| it.since;
        /// Why; none for those that are up.
        reason: Text, main => |it| it.reason.as_deref();
        /// Its share of the connections.
        weight: Integer => |it| it.weight;
        /// Connections that it has.
        connections: Integer, main => |it| it.open;
        /// Connections that it got so far.
        total: Integer, main => |it| it.total;
        /// Connections that could not be made or were reset before a byte came.
        failed: Integer, main => |it| it.failed;
        /// Moved in both directions.
        bytes: Integer in "bytes", main => |it| it.bytes_to_target + it.bytes_to_client;
        /// Moved to it.
        bytes_to_target: Integer in "bytes" => |it| it.bytes_to_target;
        /// Moved from it.
        bytes_to_client: Integer in "bytes" => |it| it.bytes_to_client;
        /// How long the last check took to connect.
        latency: Duration => |it| it.latency;
        /// A filter for capture(): the packets between this host and it.
        capture_filter: Text => |it| it.capture_filter();
    }
}

impl TargetState {
    /// Which one it is, as long as the proxy lives.
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// What the configuration calls it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.target
    }

    /// Connections that it has.
    #[must_use]
    pub const fn connections(&self) -> usize {
        self.open
    }

    /// In tcpdump's filter language. None if it has no address.
    fn capture_filter(&self) -> Option<String> {
        let address = self.address?;
        Some(self.port.map_or_else(|| format!("host {address}"), |port| format!("host {address} and port {port}")))
    }
}

/// What a proxy did so far.
#[derive(Debug, Clone, Default)]
pub struct Stats {
    /// How clients are brought to apps: `kernel` or `bind`.
    pub(super) dispatch: &'static str,
    pub(super) dispatch_reason: Option<String>,
    pub(super) start: Time,
    pub(super) open: usize,
    pub(super) most: usize,
    pub(super) accepted: u64,
    pub(super) failed: u64,
    pub(super) retried: u64,
    pub(super) limited: u64,
    pub(super) dropped: u64,
    pub(super) bytes_to_target: u64,
    pub(super) bytes_to_client: u64,
    /// Of the kernel's part.
    pub(super) dispatched: Option<u64>,
    pub(super) missed: Option<u64>,
    pub(super) no_socket: Option<u64>,
    pub(super) refused: Option<u64>,
    /// For each app.
    pub(super) apps: Vec<Arc<AppStats>>,
}

crate::record! {
    /// What a proxy did so far.
    impl Record for Stats as "proxy_stats" {
        /// When it began.
        start: Time, main => |it| it.start;
        /// How clients are brought to apps: `kernel` (one listener for each app and protocol), or `bind` (one for each port).
        dispatch: Text, main => |it| it.dispatch;
        /// Why each port is bound; none where the kernel does it, or was not to.
        dispatch_reason: Text => |it| it.dispatch_reason.as_deref();
        /// Connections and associations that there are.
        connections: Integer, main => |it| it.open;
        /// How many there may be; of associations twice as many where only descriptors are short.
        limit: Integer => |it| it.most;
        /// Connections and associations that were accepted.
        accepted: Integer, main => |it| it.accepted;
        /// Those that got no target.
        failed: Integer, main => |it| it.failed;
        /// How often a further target was tried.
        retried: Integer, main => |it| it.retried;
        /// How often one had to wait because there were as many as may be.
        limited: Integer, main => |it| it.limited;
        /// Datagrams that could not be passed on: a target or this host did not take them, or they came faster than that.
        dropped: Integer => |it| it.dropped;
        /// Moved in both directions.
        bytes: Integer in "bytes", main => |it| it.bytes_to_target + it.bytes_to_client;
        /// Moved from clients to targets.
        bytes_to_target: Integer in "bytes" => |it| it.bytes_to_target;
        /// Moved from targets to clients.
        bytes_to_client: Integer in "bytes" => |it| it.bytes_to_client;
        /// Connections and datagrams that the kernel brought to an app; none where each port is bound.
        dispatched: Integer => |it| it.dispatched;
        /// Those that it left alone: they were for no app. None where each port is bound.
        missed: Integer => |it| it.missed;
        /// Those that were for an app that did not listen. None where each port is bound.
        no_socket: Integer => |it| it.no_socket;
        /// Those that came to the port of a listener on an address of no app. None where each port is bound.
        refused: Integer => |it| it.refused;
        /// The same for each app.
        apps: List => |it| it.apps.clone();
    }
}

impl Stats {
    /// Connections and associations that there are.
    #[must_use]
    pub const fn connections(&self) -> usize {
        self.open
    }
}

/// What a proxy did for an app.
#[derive(Debug, Clone)]
pub struct AppStats {
    pub(super) name: Arc<str>,
    pub(super) open: usize,
    pub(super) accepted: u64,
    pub(super) failed: u64,
    pub(super) retried: u64,
    pub(super) limited: u64,
    pub(super) dropped: u64,
}

crate::record! {
    /// What a proxy did for one app.
    impl Record for AppStats as "proxy_app" {
        /// The app.
        app: Text, main => |it| &*it.name;
        /// Connections and associations that it has.
        connections: Integer, main => |it| it.open;
        /// Connections and associations that were accepted.
        accepted: Integer, main => |it| it.accepted;
        /// Those that got no target.
        failed: Integer, main => |it| it.failed;
        /// How often a further target was tried.
        retried: Integer, main => |it| it.retried;
        /// How often one had to wait because there were as many as may be.
        limited: Integer, main => |it| it.limited;
        /// Datagrams that could not be passed on: a target or this host did not take them, or they came faster than that.
        dropped: Integer => |it| it.dropped;
    }
}

#[cfg(test)]
impl Connection {
    /// One with an end if that is its state.
    pub(crate) fn sample(state: &'static str) -> Self {
        let target = Target::new(7, "a.example:5001", [127, 0, 0, 2].into(), Some(5001));
        Self {
            start: Time::from_nanos(1_763_650_800_000_000_000),
            duration: Duration::from_nanos(1_500_000),
            app: "web".into(),
            protocol: "tcp",
            client: ([192, 0, 2, 7], 40_000).into(),
            meant: ([192, 0, 2, 1], 5200).into(),
            target_address: Some(target.socket_address(5200)),
            target: Some(Arc::new(target)),
            tries: 2,
            bytes_to_target: 10,
            bytes_to_client: 2000,
            state,
            end: (state == "ended").then_some("client closed"),
        }
    }
}

#[cfg(test)]
impl TargetState {
    /// One with this identity, that is up.
    pub(crate) fn sample(id: u64) -> Self {
        Self {
            id,
            app: "web".into(),
            target: "a.example:5001".to_owned(),
            address: Some([192, 0, 2, 1].into()),
            port: Some(5001),
            state: "up",
            since: Time::default(),
            reason: None,
            weight: 1,
            open: 2,
            total: 1_000_000_007,
            failed: 3,
            bytes_to_target: 10,
            bytes_to_client: u64::from(u32::MAX) * 4,
            latency: Some(Duration::from_nanos(1_500_000)),
        }
    }

    /// The same with another name and so many connections.
    pub(crate) fn named(self, name: &str, open: usize) -> Self {
        Self { target: name.to_owned(), open, ..self }
    }
}
