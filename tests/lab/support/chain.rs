//! A chain of routers with a target at its end, and what can be wrong with it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};

use netscript::host::Namespace;

use super::server::Server;
use super::{Netns, connect, succeed};

/// Who traces, routers, and the target, each a namespace with a real network stack, in a row.
///
/// Hop `n` answers from [`address`](Self::address)`(n)`; the target is the last hop, at [`TARGET`] and [`TARGET6`]. No
/// router limits how many ICMP messages it sends.
pub(crate) struct Chain {
    hosts: Vec<Netns>,
    /// Accept connections until the chain goes.
    _servers: Vec<Server>,
}

/// The address of the target.
pub(crate) const TARGET: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9));
/// Its IPv6 address.
pub(crate) const TARGET6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 9));
/// Another address of it.
pub(crate) const OTHER_TARGET: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 10));

/// A port that accepts.
pub(crate) const OPEN: u16 = 443;
/// A port that nobody listens on.
pub(crate) const CLOSED: u16 = 444;
/// A port that a firewall drops where a test says so.
pub(crate) const FILTERED: u16 = 5432;

impl Chain {
    /// A chain in which the target is that many hops away.
    pub(crate) fn new(hops: usize) -> Self {
        Self::with_slow_link(hops, None)
    }

    /// A chain in which everything that goes to hop `at`, or comes from it, takes a time of its own: `delay.py` is given
    /// what is said of it.
    pub(crate) fn with_slow_link(hops: usize, slow: Option<(usize, &[&str])>) -> Self {
        let hosts: Vec<Netns> = (0..=hops)
            .map(|hop| {
                let (begin, variables) = match slow {
                    Some((at, arguments)) if at == hop + 1 => (DELAY, arguments.join(" ")),
                    _ => ("", String::new()),
                };
                let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/programs/delay.py");
                Netns::housing(begin, "kill $DELAY 2>/dev/null", &[("ARGUMENTS", &variables), ("PROGRAM", program)])
            })
            .collect();
        for netns in &hosts {
            shell(netns, ROUTER);
        }
        for hop in 1..=hops {
            let (left, right) = (&hosts[hop - 1], &hosts[hop]);
            let ends = [(link(hop, 1), link6(hop, 1)), (link(hop, 2), link6(hop, 2))];
            if slow.is_some_and(|(at, _)| at == hop) {
                super::until("the slow link", || {
                    let there = left.command("ip").args(["link", "show", "far"]).output();
                    there.is_ok_and(|output| output.status.success()).then_some(())
                });
                left.ip(&format!("link set far netns {} name left", right.name()));
                left.ip("link set near name right");
                for (netns, device, (four, six)) in [(left, "right", ends[0]), (right, "left", ends[1])] {
                    netns.ip(&format!("address add {four}/30 dev {device}"));
                    netns.ip(&format!("address add {six}/64 dev {device} nodad"));
                    netns.ip(&format!("link set {device} up"));
                }
                continue;
            }
            let [(four_left, six_left), (four_right, six_right)] = ends;
            connect((left, "right", &format!("{four_left}/30")), (right, "left", &format!("{four_right}/30")));
            left.ip(&format!("address add {six_left}/64 dev right nodad"));
            right.ip(&format!("address add {six_right}/64 dev left nodad"));
        }
        for (hop, netns) in hosts.iter().enumerate() {
            if hop < hops {
                netns.ip(&format!("route add default via {}", link(hop + 1, 2)));
                netns.ip(&format!("-6 route add default via {}", link6(hop + 1, 2)));
            }
            if hop > 1 {
                netns.ip(&format!("route add {}/32 via {}", link(1, 1), link(hop, 1)));
                netns.ip(&format!("-6 route add {}/128 via {}", link6(1, 1), link6(hop, 1)));
            }
        }
        let end = &hosts[hops];
        for address in [TARGET, OTHER_TARGET, TARGET6] {
            end.ip(&format!("address add {address} dev lo {}", if address.is_ipv6() { "nodad" } else { "" }));
        }
        let namespace = Namespace::named(end.name()).unwrap();
        let _servers = [TARGET, OTHER_TARGET, TARGET6].map(|address| {
            let listener = namespace.enter(|| TcpListener::bind((address, OPEN))).unwrap().unwrap();
            Server::new(listener, drop)
        });
        Self { hosts, _servers: _servers.into() }
    }

    /// Who traces.
    pub(crate) fn source(&self) -> &Netns {
        &self.hosts[0]
    }

    /// Who traces, for the library.
    pub(crate) fn namespace(&self) -> Namespace {
        Namespace::named(self.source().name()).unwrap()
    }

    /// The hop that far away.
    pub(crate) fn hop(&self, hop: usize) -> &Netns {
        &self.hosts[hop]
    }

    /// The target.
    pub(crate) fn target(&self) -> &Netns {
        &self.hosts[self.hosts.len() - 1]
    }

    /// The address that a router answers from.
    pub(crate) fn address(hop: usize) -> IpAddr {
        link(hop, 2).into()
    }

    /// The IPv6 address that a router answers from.
    pub(crate) fn address6(hop: usize) -> IpAddr {
        link6(hop, 2).into()
    }

    /// The address of the hop before, on the link to this one.
    pub(crate) fn near_address(hop: usize) -> IpAddr {
        link(hop, 1).into()
    }

    /// The IPv6 address of the hop before, on the link to this one.
    pub(crate) fn near_address6(hop: usize) -> IpAddr {
        link6(hop, 1).into()
    }

    /// Has a router never say that a time to live ended there.
    pub(crate) fn silence(&self, hop: usize) {
        self.filter(hop, "output", "icmp type time-exceeded drop; icmpv6 type time-exceeded drop");
    }

    /// Gives a hop a firewall with these rules of nft(8) at that hook: `input`, `forward`, `output`.
    #[track_caller]
    pub(crate) fn filter(&self, hop: usize, hook: &str, rules: &str) {
        let chain = format!("chain {hook} {{ type filter hook {hook} priority 0; {rules}; }};");
        self.hop(hop).nft(&format!("table inet firewall {{ {chain} }};"));
    }

    /// Has a router send packets for the target back to where they come from.
    pub(crate) fn turn_back(&self, hop: usize) {
        self.hop(hop).ip(&format!("route replace default via {}", link(hop, 1)));
        self.hop(hop).ip(&format!("-6 route replace default via {}", link6(hop, 1)));
    }

    /// Puts a second router beside a hop, and has the hop before send half of the flows through it. It answers from
    /// [`BESIDE`].
    pub(crate) fn double(&self, hop: usize) -> Netns {
        let (before, after) = (self.hop(hop - 1), self.hop(hop + 1));
        let beside = Netns::new();
        shell(&beside, ROUTER);
        connect((before, "beside", "192.0.2.1/30"), (&beside, "left", &format!("{BESIDE}/30")));
        connect((&beside, "right", "192.0.2.5/30"), (after, "beside", "192.0.2.6/30"));
        beside.ip("route add default via 192.0.2.6");
        beside.ip(&format!("route add {}/32 via 192.0.2.1", link(1, 1)));
        let ways = format!("nexthop via {} nexthop via {BESIDE}", link(hop, 2));
        before.ip(&format!("route replace default {ways}"));
        // By ports, too, as routers of providers do.
        shell(before, "echo 1 > /proc/sys/net/ipv4/fib_multipath_hash_policy");
        beside
    }
}

/// The address of the second router of [`Chain::double`].
pub(crate) const BESIDE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

/// Forwards, and says of every packet what becomes of it.
const ROUTER: &str = "
    cd /proc/sys/net
    echo 1 > ipv4/ip_forward
    echo 1 > ipv6/conf/all/forwarding
    echo 0 > ipv4/icmp_ratelimit
    echo 0 > ipv6/icmp/ratelimit
    for limit in ipv4/icmp_msgs_per_sec ipv4/icmp_msgs_burst; do [ -w $limit ] && echo 1000000 > $limit; done
    for interfaces in all default; do
        echo 0 > ipv4/conf/$interfaces/rp_filter
        echo 0 > ipv6/conf/$interfaces/accept_dad
    done";

/// Makes the slow link, in the namespace of one of its ends.
const DELAY: &str = "nsenter --net=/run/netns/$NAME -- python3 $PROGRAM $ARGUMENTS & DELAY=$!";

fn shell(netns: &Netns, script: &str) {
    succeed(netns.command("sh").args(["-c", script]));
}

/// An address of the link to a hop: 1 is nearer to who traces, 2 is the hop's.
fn link(hop: usize, end: u8) -> Ipv4Addr {
    Ipv4Addr::new(198, 51, 100, u8::try_from(hop * 4).unwrap() + end)
}

fn link6(hop: usize, end: u8) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, u16::try_from(hop).unwrap(), 0, 0, 0, 0, end.into())
}
