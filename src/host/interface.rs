//! The rows of `interfaces()` and `rates()`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use super::{Containers, Counters, HostError, Link, Namespace, NamespaceId, Snapshot, links};
use crate::record::Duration;

/// An interface, with its namespace and its container.
#[derive(Debug, Clone)]
pub struct Interface {
    /// What the kernel says of it.
    pub link: Link,
    /// Where it is.
    pub namespace: NamespaceId,
    /// When that was read.
    read: Instant,
    /// The name of the interface that it belongs to.
    master: Option<String>,
    netns: Arc<str>,
    peer_netns: Option<String>,
    container: Option<String>,
}

/// The interfaces of these namespaces. `all` are the namespaces that the other ends of veth pairs are looked for in.
///
/// # Errors
///
/// What the system refuses, if it refuses it in each of these namespaces.
pub fn interfaces(
    namespaces: &[Namespace],
    all: &[Namespace],
    containers: &Containers,
) -> Result<Snapshot<Interface>, HostError> {
    let mut rows = Vec::new();
    let mut missing = Vec::new();
    for namespace in namespaces {
        match links(namespace, all) {
            Ok(links) => rows.extend(of_namespace(namespace, links, all, containers)),
            Err(error) => missing.push(error),
        }
    }
    Snapshot::new(rows, namespaces.len(), missing)
}

fn of_namespace(namespace: &Namespace, links: Vec<Link>, all: &[Namespace], containers: &Containers) -> Vec<Interface> {
    let (id, read) = (namespace.id(), Instant::now());
    let netns: Arc<str> = namespace.to_string().into();
    let names: Vec<_> = links.iter().map(|link| (link.index, link.name.clone())).collect();
    let name_of = |index| names.iter().find(|(of, _)| *of == index).map(|(_, name)| name.clone());
    let only_container = |namespace| match containers.of_namespace(namespace)[..] {
        [container] => Some(container.name.clone()),
        _ => None,
    };
    let own = only_container(id);
    let interface = |link: Link| {
        let peer = link.peer.and_then(|peer| peer.namespace).filter(|peer| *peer != id);
        let known = |peer| all.iter().find(|namespace| namespace.id() == peer);
        Interface {
            namespace: id,
            read,
            master: link.master.and_then(name_of),
            netns: netns.clone(),
            peer_netns: peer.map(|peer| known(peer).map_or_else(|| peer.to_string(), ToString::to_string)),
            container: own.clone().or_else(|| only_container(peer.filter(|_| link.kind == "veth")?)),
            link,
        }
    };
    links.into_iter().map(interface).collect()
}

/// What an interface carried between two readings.
#[derive(Debug, Clone)]
pub struct InterfaceRate {
    later: Interface,
    span: Duration,
    /// What was added to each counter; none where it went back, as drivers make it that begin anew.
    added: Added,
}

/// The same fields as [`Counters`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Added {
    rx_packets: Option<u64>,
    rx_bytes: Option<u64>,
    rx_errors: Option<u64>,
    rx_dropped: Option<u64>,
    tx_packets: Option<u64>,
    tx_bytes: Option<u64>,
    tx_errors: Option<u64>,
    tx_dropped: Option<u64>,
}

/// What interfaces carried between two readings, those that are in both.
#[must_use]
pub fn rates(earlier: &[Interface], later: Vec<Interface>) -> Vec<InterfaceRate> {
    let key = |row: &Interface| (row.namespace, row.link.index);
    let earlier: HashMap<_, _> = earlier.iter().map(|row| (key(row), row)).collect();
    let rate = |later: Interface| {
        // A number may be given to another interface.
        let earlier = earlier.get(&key(&later)).filter(|earlier| earlier.link.name == later.link.name)?;
        let span = later.read.duration_since(earlier.read);
        Some(InterfaceRate {
            added: Added::between(&earlier.link.counters, &later.link.counters),
            span: Duration::from_nanos(i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)),
            later,
        })
    };
    later.into_iter().filter_map(rate).collect()
}

impl Added {
    fn between(earlier: &Counters, later: &Counters) -> Self {
        let added = |of: fn(&Counters) -> u64| of(later).checked_sub(of(earlier));
        Self {
            rx_packets: added(|counters| counters.rx_packets),
            rx_bytes: added(|counters| counters.rx_bytes),
            rx_errors: added(|counters| counters.rx_errors),
            rx_dropped: added(|counters| counters.rx_dropped),
            tx_packets: added(|counters| counters.tx_packets),
            tx_bytes: added(|counters| counters.tx_bytes),
            tx_errors: added(|counters| counters.tx_errors),
            tx_dropped: added(|counters| counters.tx_dropped),
        }
    }
}

impl InterfaceRate {
    /// That many in this span, for each second.
    fn per_second(&self, added: Option<u64>, weight: f64) -> Option<f64> {
        let seconds = self.span.as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a rate of more than 2^53 a second is not to be seen")]
        added.filter(|_| seconds > 0.0).map(|added| added as f64 * weight / seconds)
    }
}

crate::record! {
    /// An interface of this host or of a container, as `ip -d -s address` shows it.
    impl Record for Interface as "interface" {
        /// Its name.
        name: Text, main => |row| row.link.name.as_str();
        /// Its number, unique in its namespace.
        index: Integer, main => |row| row.link.index;
        /// `veth`, `bridge`, `vlan`, `dummy`, `tun`, …; of what no driver names, the type of its link: `loopback`,
        /// `ether`, …
        kind: Text, main => |row| row.link.kind.as_str();
        /// Whether it can carry packets (RFC 2863): `up`, `down`, `lower-layer-down`, `dormant`, `testing`,
        /// `not-present`, or `unknown`, which is what loopback says.
        state: Text, main => |row| row.link.state;
        /// What `ip link` shows between angle brackets, in small letters: `up` (the administrator wants it), `lower-up`,
        /// `broadcast`, `multicast`, `promisc`, …
        flags: List => |row| row.link.flags.clone();
        /// Its hardware address.
        mac: Text => |row| row.link.mac.as_deref();
        /// Its addresses with the lengths of their prefixes: `192.0.2.1/24`.
        addresses: List, main => |row| {
            row.link.addresses.iter().map(|(address, length)| format!("{address}/{length}")).collect::<Vec<_>>()
        };
        /// The longest packet that it carries, without the header of the link.
        mtu: Integer in "bytes" => |row| row.link.mtu;
        /// The bridge, bond or VRF that it belongs to.
        master: Text, main => |row| row.master.as_deref();
        /// The index of the interface that it is tied to, which `ip` shows behind an `@`: the other end of a veth pair, the
        /// interface below a VLAN.
        peer_index: Integer => |row| row.link.peer.map(|peer| peer.index);
        /// The network namespace of that interface, if it is another one: an index alone names an interface in each.
        peer_netns: Text => |row| row.peer_netns.as_deref();
        /// The container that it is in; of the host's end of a veth pair, the container at the other end.
        container: Text, main => |row| row.container.as_deref();
        /// Its network namespace: the name that `ip netns` gave it, or `net:[NUMBER]`.
        netns: Text => |row| &*row.netns;
        /// How many captures and bridges make it take packets for others, too.
        promiscuity: Integer => |row| row.link.promiscuity;
        /// Packets received since it was made.
        rx_packets: Integer in "packets" => |row| row.link.counters.rx_packets;
        /// Bytes received.
        rx_bytes: Integer in "bytes" => |row| row.link.counters.rx_bytes;
        /// Packets received that were damaged.
        rx_errors: Integer in "packets" => |row| row.link.counters.rx_errors;
        /// Packets received that nobody took.
        rx_dropped: Integer in "packets" => |row| row.link.counters.rx_dropped;
        /// Packets sent.
        tx_packets: Integer in "packets" => |row| row.link.counters.tx_packets;
        /// Bytes sent.
        tx_bytes: Integer in "bytes" => |row| row.link.counters.tx_bytes;
        /// Packets that could not be sent.
        tx_errors: Integer in "packets" => |row| row.link.counters.tx_errors;
        /// Packets that were thrown away instead of being sent.
        tx_dropped: Integer in "packets" => |row| row.link.counters.tx_dropped;
    }
}

crate::record! {
    /// What an interface carried in a span of time. Where a counter was set back meanwhile, its rate is not known.
    impl Record for InterfaceRate as "interface_rate" {
        /// The name of the interface.
        interface: Text, main => |row| row.later.link.name.as_str();
        /// The container that it is in; of the host's end of a veth pair, the container at the other end.
        container: Text, main => |row| row.later.container.as_deref();
        /// Its network namespace: the name that `ip netns` gave it, or `net:[NUMBER]`.
        netns: Text => |row| &*row.later.netns;
        /// The time between the two readings.
        duration: Duration => |row| row.span;
        /// Packets received a second.
        rx_pps: Float in "packets/s", main => |row| row.per_second(row.added.rx_packets, 1.0);
        /// Bits received a second.
        rx_bps: Float in "bits/s", main => |row| row.per_second(row.added.rx_bytes, 8.0);
        /// Packets sent a second.
        tx_pps: Float in "packets/s", main => |row| row.per_second(row.added.tx_packets, 1.0);
        /// Bits sent a second.
        tx_bps: Float in "bits/s", main => |row| row.per_second(row.added.tx_bytes, 8.0);
        /// Packets received in that time that were damaged.
        rx_errors: Integer in "packets" => |row| row.added.rx_errors;
        /// Packets received in that time that nobody took.
        rx_dropped: Integer in "packets", main => |row| row.added.rx_dropped;
        /// Packets that could not be sent in that time.
        tx_errors: Integer in "packets" => |row| row.added.tx_errors;
        /// Packets that were thrown away in that time instead of being sent.
        tx_dropped: Integer in "packets", main => |row| row.added.tx_dropped;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Record as _, Value};

    fn here() -> Vec<Interface> {
        let here = [Namespace::current().unwrap()];
        interfaces(&here, &here, &Containers::default()).unwrap().rows
    }

    #[test]
    fn rates_are_what_was_added_in_the_time_between() {
        let mut earlier = here();
        earlier.retain(|row| row.link.name == "lo");
        let mut later = earlier.clone();
        later[0].read = earlier[0].read + std::time::Duration::from_millis(500);
        let counters = &mut later[0].link.counters;
        counters.rx_packets += 100;
        counters.rx_bytes += 6400;
        counters.rx_dropped += 3;
        let [row] = &rates(&earlier, later.clone())[..] else { panic!() };
        assert_eq!(row.span, Duration::from_nanos(500_000_000));
        assert!(matches!(row.get("rx_pps"), Some(Value::Float(rate)) if rate == 200.0));
        assert!(matches!(row.get("rx_bps"), Some(Value::Float(rate)) if rate == 102_400.0));
        assert!(matches!(row.get("rx_dropped"), Some(Value::Integer(3))));
        assert!(matches!(row.get("tx_pps"), Some(Value::Float(rate)) if rate == 0.0));
        // Set back meanwhile.
        let [row] = &rates(&later, earlier.clone())[..] else { panic!() };
        assert!(row.get("rx_pps").is_some_and(|rate| rate.is_none()));
    }

    #[test]
    fn an_interface_that_took_the_number_of_another_has_no_rate() {
        let earlier = here();
        let mut later = earlier.clone();
        for row in &mut later {
            row.link.name.push('x');
        }
        assert!(rates(&earlier, later).is_empty());
    }
}
