//! What the kernel says of the interfaces of a network namespace.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd as _, AsRawFd as _};

use netlink_packet_core::{
    DecodeError, NetlinkDeserializable, NetlinkHeader, NlaBuffer, NlasIterator, Parseable as _,
    ParseableParametrized as _,
};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{
    InfoKind, LinkAttribute, LinkFlags, LinkHeader, LinkInfo, LinkMessage, State, Stats64,
};
use netlink_packet_route::nsid::{NsidAttribute, NsidMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::protocols::NETLINK_ROUTE;

use super::netlink::Netlink;
use super::{HostError, Namespace, NamespaceId};

/// An interface, as `ip -d -s link` and `ip address` show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its number, unique in its namespace.
    pub index: u32,
    /// Its name, unique in its namespace.
    pub name: String,
    /// Whether it can carry packets (RFC 2863): `up`, `down`, `lower-layer-down`, `dormant`, `testing`, `not-present`, or
    /// `unknown`, which is what loopback says.
    pub state: &'static str,
    /// `up` is what the administrator wants; others are `lower-up`, `broadcast`, `multicast`, `promisc`, …
    pub flags: Vec<&'static str>,
    /// `veth`, `bridge`, `vlan`, `dummy`, …; of what no driver names, the type of its link: `loopback`, `ether`, …
    pub kind: String,
    /// Its hardware address: `02:42:ac:11:00:02`.
    pub mac: Option<String>,
    /// The longest packet in bytes, without the header of the link.
    pub mtu: u32,
    /// The index of the bridge, bond or VRF that it belongs to.
    pub master: Option<u32>,
    /// What it is tied to: the other end of a veth pair, the interface below a VLAN.
    pub peer: Option<Peer>,
    /// Its addresses with the lengths of their prefixes.
    pub addresses: Vec<(IpAddr, u8)>,
    /// How many captures and bridges make it take packets for others, too.
    pub promiscuity: u32,
    /// What it has carried.
    pub counters: Counters,
}

/// The interface that another one is tied to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Peer {
    /// Its index in its namespace.
    pub index: u32,
    /// Its namespace; none if that is not among those that are known.
    pub namespace: Option<NamespaceId>,
}

/// What an interface has carried since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Packets received.
    pub rx_packets: u64,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Packets received that were damaged.
    pub rx_errors: u64,
    /// Packets received that nobody took.
    pub rx_dropped: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Packets that could not be sent.
    pub tx_errors: u64,
    /// Packets that were thrown away instead of being sent.
    pub tx_dropped: u64,
}

/// The interfaces of a namespace, by index. `known` are the namespaces that the other ends of veth pairs are looked for in.
///
/// # Errors
///
/// Those of [`Namespace::enter`], and [`HostError::System`] if the kernel does not answer.
pub fn links(namespace: &Namespace, known: &[Namespace]) -> Result<Vec<Link>, HostError> {
    namespace
        .enter(|| read(namespace, known))?
        .map_err(|cause| HostError::System { doing: format!("list the interfaces of {namespace}"), cause })
}

fn read(namespace: &Namespace, known: &[Namespace]) -> io::Result<Vec<Link>> {
    let mut kernel = Netlink::open(NETLINK_ROUTE)?;
    let request = RouteNetlinkMessage::GetLink(LinkMessage::default());
    let (mut links, elsewhere): (Vec<_>, Vec<_>) =
        kernel.list(&request, |Answer(message)| Some(link(message)))?.into_iter().unzip();
    let namespaces = resolve(&mut kernel, &elsewhere, known)?;
    for (link, elsewhere) in links.iter_mut().zip(elsewhere) {
        if let Some(peer) = &mut link.peer {
            peer.namespace = elsewhere.map_or(Some(namespace.id()), |number| namespaces.get(&number).copied());
        }
    }
    let request = RouteNetlinkMessage::GetAddress(AddressMessage::default());
    let mut addresses: HashMap<u32, Vec<(IpAddr, u8)>> = HashMap::new();
    for (index, address) in kernel.list(&request, address)? {
        addresses.entry(index).or_default().push(address);
    }
    for link in &mut links {
        link.addresses = addresses.remove(&link.index).unwrap_or_default();
    }
    Ok(links)
}

/// What the kernel says of an interface. New kernels and their drivers say more, in other shapes: what cannot be read is
/// passed over, and not the interface with it.
struct Answer(LinkMessage);

/// The length of `struct ifinfomsg` (rtnetlink(7)).
const HEADER: usize = 16;

/// `IFLA_LINKINFO` and `IFLA_INFO_KIND` of `include/uapi/linux/if_link.h`.
const LINK_INFO: u16 = 18;
const INFO_KIND: u16 = 1;

impl NetlinkDeserializable for Answer {
    type Error = DecodeError;

    fn deserialize(_: &NetlinkHeader, payload: &[u8]) -> Result<Self, DecodeError> {
        let mut message = LinkMessage::default();
        message.header = LinkHeader::parse(payload)?;
        let attributes = NlasIterator::new(payload.get(HEADER..).unwrap_or_default()).map_while(Result::ok);
        message.attributes = attributes.filter_map(|attribute| readable(&attribute)).collect();
        Ok(Self(message))
    }
}

fn readable(attribute: &NlaBuffer<&[u8]>) -> Option<LinkAttribute> {
    if attribute.kind() != LINK_INFO {
        return LinkAttribute::parse_with_param(attribute, AddressFamily::Unspec).ok();
    }
    // What stands beside the kind is the driver's own.
    let kind = NlasIterator::new(attribute.value()).map_while(Result::ok).find(|info| info.kind() == INFO_KIND)?;
    Some(LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::parse(&kind).ok()?)]))
}

/// An interface without its addresses, and the number that this namespace has for that of its peer.
fn link(message: LinkMessage) -> (Link, Option<i32>) {
    let mut link = Link {
        index: message.header.index,
        name: String::new(),
        state: "unknown",
        flags: flags(message.header.flags),
        kind: message.header.link_layer_type.to_string().to_ascii_lowercase(),
        mac: None,
        mtu: 0,
        master: None,
        peer: None,
        addresses: Vec::new(),
        promiscuity: 0,
        counters: Counters::default(),
    };
    let mut elsewhere = None;
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name = name,
            LinkAttribute::OperState(state) => link.state = state_in_words(state),
            LinkAttribute::Address(address) => link.mac = mac(&address),
            LinkAttribute::Mtu(mtu) => link.mtu = mtu,
            LinkAttribute::Controller(index) => link.master = Some(index),
            // Tunnels without an interface below say 0.
            LinkAttribute::Link(index) if index > 0 => link.peer = Some(Peer { index, namespace: None }),
            LinkAttribute::LinkNetNsId(number) => elsewhere = Some(number),
            LinkAttribute::Promiscuity(count) => link.promiscuity = count,
            LinkAttribute::Stats64(stats) => link.counters = stats.into(),
            LinkAttribute::LinkInfo(infos) => {
                for info in infos {
                    if let LinkInfo::Kind(kind) = info {
                        link.kind = kind.to_string();
                    }
                }
            }
            _ => {}
        }
    }
    (link, elsewhere)
}

impl From<Stats64> for Counters {
    fn from(stats: Stats64) -> Self {
        Self {
            rx_packets: stats.rx_packets,
            rx_bytes: stats.rx_bytes,
            rx_errors: stats.rx_errors,
            rx_dropped: stats.rx_dropped,
            tx_packets: stats.tx_packets,
            tx_bytes: stats.tx_bytes,
            tx_errors: stats.tx_errors,
            tx_dropped: stats.tx_dropped,
        }
    }
}

/// The namespaces behind the numbers that the kernel has for them in the namespace of this socket.
fn resolve(
    kernel: &mut Netlink,
    numbers: &[Option<i32>],
    known: &[Namespace],
) -> io::Result<HashMap<i32, NamespaceId>> {
    let mut wanted: Vec<i32> = numbers.iter().flatten().copied().collect();
    wanted.sort_unstable();
    wanted.dedup();
    let mut found = HashMap::new();
    for namespace in known {
        if found.len() == wanted.len() {
            break;
        }
        let mut question = NsidMessage::default();
        question.attributes.push(NsidAttribute::Fd(namespace.as_fd().as_raw_fd().cast_unsigned()));
        let RouteNetlinkMessage::NewNsId(answer) = kernel.ask(RouteNetlinkMessage::GetNsId(question))? else {
            continue;
        };
        for attribute in answer.attributes {
            if let NsidAttribute::Id(number) = attribute
                && wanted.binary_search(&number).is_ok()
            {
                found.insert(number, namespace.id());
            }
        }
    }
    Ok(found)
}

/// The index of an interface, and one of its addresses with the length of its prefix.
fn address(answer: RouteNetlinkMessage) -> Option<(u32, (IpAddr, u8))> {
    let RouteNetlinkMessage::NewAddress(message) = answer else { return None };
    // On a point-to-point link `Address` is that of the other end.
    let own = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Local(address) => Some(*address),
        _ => None,
    });
    let any = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Address(address) => Some(*address),
        _ => None,
    });
    Some((message.header.index, (own.or(any)?, message.header.prefix_len)))
}

const fn state_in_words(state: State) -> &'static str {
    match state {
        State::NotPresent => "not-present",
        State::Down => "down",
        State::LowerLayerDown => "lower-layer-down",
        State::Testing => "testing",
        State::Dormant => "dormant",
        State::Up => "up",
        _ => "unknown",
    }
}

/// The flags that `ip link` shows between angle brackets, in its words.
fn flags(flags: LinkFlags) -> Vec<&'static str> {
    const WORDS: [(LinkFlags, &str); 16] = [
        (LinkFlags::Up, "up"),
        (LinkFlags::LowerUp, "lower-up"),
        (LinkFlags::Running, "running"),
        (LinkFlags::Loopback, "loopback"),
        (LinkFlags::Broadcast, "broadcast"),
        (LinkFlags::Multicast, "multicast"),
        (LinkFlags::Pointopoint, "pointopoint"),
        (LinkFlags::Noarp, "noarp"),
        (LinkFlags::Promisc, "promisc"),
        (LinkFlags::Allmulti, "allmulti"),
        (LinkFlags::Controller, "master"),
        (LinkFlags::Port, "slave"),
        (LinkFlags::Dynamic, "dynamic"),
        (LinkFlags::Dormant, "dormant"),
        (LinkFlags::Debug, "debug"),
        (LinkFlags::Echo, "echo"),
    ];
    WORDS.iter().filter(|(flag, _)| flags.contains(*flag)).map(|(_, word)| *word).collect()
}

/// A hardware address as `ip` writes it; none where the link has no addresses.
fn mac(address: &[u8]) -> Option<String> {
    let (first, rest) = address.split_first()?;
    let mut text = format!("{first:02x}");
    for byte in rest {
        let _ = write!(text, ":{byte:02x}");
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::Emitable as _;
    use netlink_packet_route::link::LinkLayerType;

    use super::*;

    #[test]
    fn loopback_is_what_the_system_says_of_it() {
        let here = Namespace::current().unwrap();
        let links = links(&here, &[]).unwrap();
        let lo = links.iter().find(|link| link.name == "lo").unwrap();
        assert_eq!((lo.index, lo.kind.as_str(), lo.mac.as_deref()), (1, "loopback", Some("00:00:00:00:00:00")));
        assert_eq!(lo.mtu.to_string(), std::fs::read_to_string("/sys/class/net/lo/mtu").unwrap().trim());
        assert!(lo.flags.contains(&"loopback") && lo.peer.is_none() && lo.master.is_none());
    }

    #[test]
    fn one_end_of_a_veth_pair_knows_the_index_and_the_namespace_number_of_the_other() {
        let mut message = LinkMessage::default();
        message.header.index = 7;
        message.header.link_layer_type = LinkLayerType::Ether;
        message.header.flags = LinkFlags::Up | LinkFlags::LowerUp | LinkFlags::Broadcast;
        message.attributes = vec![
            LinkAttribute::IfName("veth62fe590".into()),
            LinkAttribute::OperState(State::LowerLayerDown),
            LinkAttribute::Address(vec![2, 0x42, 0xac, 17, 0, 2]),
            LinkAttribute::Mtu(1500),
            LinkAttribute::Controller(4),
            LinkAttribute::Link(2),
            LinkAttribute::LinkNetNsId(3),
            LinkAttribute::Promiscuity(1),
            LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Veth)]),
        ];
        let (link, elsewhere) = link(message);
        let expected = Link {
            index: 7,
            name: "veth62fe590".into(),
            state: "lower-layer-down",
            flags: vec!["up", "lower-up", "broadcast"],
            kind: "veth".into(),
            mac: Some("02:42:ac:11:00:02".into()),
            mtu: 1500,
            master: Some(4),
            peer: Some(Peer { index: 2, namespace: None }),
            addresses: Vec::new(),
            promiscuity: 1,
            counters: Counters::default(),
        };
        assert_eq!((link, elsewhere), (expected, Some(3)));
    }

    #[test]
    fn what_cannot_be_read_of_an_interface_does_not_hide_it() {
        let mut message = LinkMessage::default();
        message.attributes = vec![LinkAttribute::IfName("vx0".into()), LinkAttribute::Mtu(1450)];
        let mut payload = vec![0; message.buffer_len()];
        message.emit(&mut payload);
        // An MTU of one byte; a link whose data is none of a kind that is known.
        payload.extend([5, 0, 4, 0, 9, 0, 0, 0]);
        payload.extend([24, 0, 18, 0, 10, 0, 1, 0]);
        payload.extend(b"vxlan\0\0\0");
        payload.extend([7, 0, 2, 0, 1, 2, 3, 0]);
        let Answer(whole) = Answer::deserialize(&NetlinkHeader::default(), &payload).unwrap();
        let (link, _) = link(whole);
        assert_eq!((link.name.as_str(), link.mtu, link.kind.as_str()), ("vx0", 1450, "vxlan"));
        for length in 0..payload.len() {
            assert_eq!(Answer::deserialize(&NetlinkHeader::default(), &payload[..length]).is_ok(), length >= HEADER);
        }
    }

    #[test]
    fn the_own_address_of_a_point_to_point_link_is_not_that_of_the_other_end() {
        let mut message = AddressMessage::default();
        (message.header.index, message.header.prefix_len) = (7, 30);
        message.attributes =
            vec![AddressAttribute::Address([192, 0, 2, 1].into()), AddressAttribute::Local([192, 0, 2, 2].into())];
        let of = |message: &AddressMessage| address(RouteNetlinkMessage::NewAddress(message.clone()));
        assert_eq!(of(&message), Some((7, ([192, 0, 2, 2].into(), 30))));
        message.attributes.pop();
        assert_eq!(of(&message), Some((7, ([192, 0, 2, 1].into(), 30))));
    }
}
