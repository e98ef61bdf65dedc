//! The way from a link type to a payload.

use std::net::IpAddr;
use std::sync::Arc;

use super::fragment::{Fragments, Key, Piece};
use super::plain;
use super::rest::{Rest, number};
use super::{Frame, LinkType, Network, RawPacket, Reason, Stop, Transport, Tunnel, TunnelKind, Vlans};
use crate::limits::{Limits, Loss};
use crate::record::Time;

/// How many tunnels are followed inside each other, and how many datagrams put together inside each other.
const MAX_NESTING: u8 = 8;

/// Decodes packets, and puts IP fragments together.
///
/// Link types: see [`LinkType`]. Tunnels: see [`TunnelKind`]. A tunnel is followed as long as what is inside has an
/// Ethernet or IP header; otherwise the frame is that of the outer packet.
#[derive(Debug)]
pub struct Decoder {
    fragments: Fragments,
    /// The datagrams that the packet being decoded completed: one for each level of nesting.
    whole: [Arc<Vec<u8>>; MAX_NESTING as usize],
}

impl Decoder {
    /// A decoder that keeps fragments within these limits: at most 64 KiB for each of
    /// [`fragmented_datagrams`](Limits::fragmented_datagrams).
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self { fragments: Fragments::new(limits), whole: Default::default() }
    }

    /// Decodes a packet. Never fails: what cannot be decoded is in [`Frame::stop`].
    #[inline]
    pub fn decode<'a>(&'a mut self, packet: &RawPacket<'a>) -> Frame<'a> {
        match plain::decode(packet.link, packet.bytes) {
            Some(frame) => frame,
            None => self.decode_layers(packet),
        }
    }

    /// Decodes a packet of any kind, header by header.
    fn decode_layers<'a>(&'a mut self, packet: &RawPacket<'a>) -> Frame<'a> {
        let mut frame = Frame {
            vlans: Vlans::default(),
            tunnel: None,
            network: None,
            transport: Transport::None,
            payload: packet.bytes,
            payload_length: packet.length,
            link_protocol: "",
            stop: None,
        };
        let captured = Rest::whole(packet.bytes, 0);
        let rest = Rest { length: captured.length.max(packet.length), ..captured };
        let mut walk = Walk {
            frame: &mut frame,
            entering: None,
            tunnels: 0,
            extensions: 0,
            fragments: &mut self.fragments,
            whole: self.whole.iter_mut(),
            joined_at: None,
            is_cut: captured.length < packet.length,
            time: packet.time,
            interface: packet.interface,
        };
        walk.carries(rest);
        let mut step = walk.link(packet.link, rest);
        while let Ok(Some((layer, rest))) = step {
            step = walk.layer(layer, rest);
        }
        frame
    }

    /// Gives up the datagrams that are still incomplete, at the end of the packets.
    pub fn finish(&mut self) {
        self.fragments.finish();
    }

    /// What could not be put together so far; complete after [`finish`](Self::finish).
    #[must_use]
    pub fn loss(&self) -> Loss {
        Loss { fragments: self.fragments.lost(), ..Loss::default() }
    }
}

/// What the next bytes are.
#[derive(Debug, Clone, Copy)]
pub(super) enum Layer {
    /// An Ethernet header.
    Ethernet,
    /// What follows an EtherType.
    EtherType(u16),
    /// An IEEE 802.2 header.
    Llc,
    /// PPP, or Cisco HDLC.
    Ppp,
    /// A PPPoE session header.
    Pppoe,
    /// IPv4 or IPv6.
    Ip,
    /// An IPv4 header.
    Ipv4,
    /// An IPv6 header.
    Ipv6,
    /// What follows an IP header with that protocol number.
    Protocol(u8),
}

/// What follows a header: more to decode, nothing (the payload), or something that cannot be decoded.
pub(super) type Step<'a> = Result<Option<(Layer, Rest<'a>)>, Stopped>;

/// Says that decoding ended early; the reason is in [`Frame::stop`]. Made by [`Walk::stop`].
#[derive(Debug)]
pub(super) struct Stopped(());

/// A packet on its way through the layers. Each folder neighbour adds the layers that it knows.
pub(super) struct Walk<'f, 'a> {
    /// What is known so far.
    pub(super) frame: &'f mut Frame<'a>,
    /// The tunnel whose inner header comes next.
    entering: Option<Tunnel>,
    tunnels: u8,
    /// IPv6 extension headers so far.
    pub(super) extensions: u8,
    fragments: &'a mut Fragments,
    whole: std::slice::IterMut<'a, Arc<Vec<u8>>>,
    /// Where the data of the fragment begins that completed a datagram.
    joined_at: Option<u32>,
    /// Whether the snapshot length cut the packet.
    is_cut: bool,
    time: Time,
    interface: u32,
}

impl<'a> Walk<'_, 'a> {
    /// What packets of a link type begin with.
    #[inline]
    fn link(&mut self, link: LinkType, rest: Rest<'a>) -> Step<'a> {
        match link {
            LinkType::ETHERNET => self.ethernet(rest),
            LinkType::NULL | LinkType::LOOP => self.loopback(rest),
            LinkType::LINUX_SLL => self.cooked_v1(rest),
            LinkType::LINUX_SLL2 => self.cooked_v2(rest),
            LinkType::PPP | LinkType::PPP_HDLC => self.ppp(rest),
            LinkType::PPP_ETHER => self.pppoe(rest),
            LinkType::IPV4 => self.ipv4(rest),
            LinkType::IPV6 => self.ipv6(rest),
            raw if raw.is_raw_ip() => self.ip(rest),
            LinkType(unknown) => Err(self.stop(rest, Reason::LinkType(unknown))),
        }
    }

    /// Takes one header off.
    #[inline]
    fn layer(&mut self, layer: Layer, rest: Rest<'a>) -> Step<'a> {
        match layer {
            Layer::Ethernet => self.ethernet(rest),
            Layer::EtherType(number) => self.ether_type(number, rest),
            Layer::Llc => self.llc(rest),
            Layer::Ppp => self.ppp(rest),
            Layer::Pppoe => self.pppoe(rest),
            Layer::Ip => self.ip(rest),
            Layer::Ipv4 => self.ipv4(rest),
            Layer::Ipv6 => self.ipv6(rest),
            Layer::Protocol(number) => self.protocol(number, rest),
        }
    }

    /// The first `N` bytes, without taking them.
    #[inline]
    pub(super) fn first<const N: usize>(
        &mut self,
        rest: Rest<'a>,
        header: &'static str,
    ) -> Result<&'a [u8; N], Stopped> {
        rest.bytes.first_chunk().ok_or_else(|| self.missing(rest, header, N))
    }

    /// Whether a header of that length was there on the wire although it was not captured.
    pub(super) fn is_cut(&self, rest: Rest<'a>, needs: usize) -> bool {
        self.is_cut && number(needs) <= rest.length
    }

    /// Ends decoding at the beginning of `rest`.
    #[cold]
    pub(super) fn stop(&mut self, rest: Rest<'a>, reason: Reason) -> Stopped {
        self.frame.stop = Some(Stop { offset: self.joined_at.unwrap_or(rest.offset), reason });
        Stopped(())
    }

    /// Ends decoding at a header that needs more bytes than were captured.
    #[cold]
    pub(super) fn missing(&mut self, rest: Rest<'a>, header: &'static str, needs: usize) -> Stopped {
        let reason = if self.is_cut(rest, needs) {
            Reason::Cut { header }
        } else {
            Reason::Short { header, needs: number(needs), has: number(rest.bytes.len()) }
        };
        self.stop(rest, reason)
    }

    /// Ends decoding at a header with a field that has a value that it must not have.
    #[cold]
    pub(super) fn wrong(&mut self, rest: Rest<'a>, field: &'static str, value: u32, problem: &'static str) -> Stopped {
        self.stop(rest, Reason::Field { field, value, problem })
    }

    /// Notes what the header that was just decoded carries.
    #[inline]
    pub(super) fn carries(&mut self, rest: Rest<'a>) {
        self.frame.payload = rest.bytes;
        self.frame.payload_length = rest.length;
    }

    /// Ends with something that carries no IP. Inside a tunnel over IP the frame stays that of the outer packet.
    #[inline]
    pub(super) fn no_ip(&mut self, name: &'static str, rest: Rest<'a>) -> Step<'a> {
        if self.frame.network.is_none() {
            self.frame.link_protocol = name;
            self.commit();
            self.carries(rest);
        }
        Ok(None)
    }

    /// Notes that a tunnel header was decoded. The tunnel counts once the header inside it is decoded too.
    pub(super) fn enter(&mut self, kind: TunnelKind, id: Option<u32>, rest: Rest<'a>) -> Result<(), Stopped> {
        if self.tunnels == MAX_NESTING {
            return Err(self.stop(rest, Reason::TooMany { headers: "tunnels inside each other", limit: MAX_NESTING }));
        }
        self.tunnels += 1;
        self.entering = Some(Tunnel { kind, id, outer: self.frame.network.map(|outer| (outer.src, outer.dst)) });
        Ok(())
    }

    /// Counts the tunnel that was entered, if any: the header inside it is decoded.
    #[inline]
    fn commit(&mut self) -> bool {
        let Some(tunnel) = self.entering.take() else { return false };
        self.frame.tunnel = Some(tunnel);
        true
    }

    /// Notes an Ethernet header: inside a tunnel it replaces everything that was outside.
    #[inline]
    pub(super) fn on_ethernet(&mut self, rest: Rest<'a>) {
        if self.commit() {
            self.frame.network = None;
            self.frame.transport = Transport::None;
            self.frame.link_protocol = "";
            self.frame.vlans = Vlans::default();
        }
        self.carries(rest);
    }

    /// Notes an IP header: inside a tunnel it replaces the one outside.
    #[inline]
    pub(super) fn on_network(&mut self, network: Network, rest: Rest<'a>) {
        self.commit();
        self.frame.network = Some(network);
        self.frame.transport = Transport::None;
        self.frame.link_protocol = "";
        self.carries(rest);
    }

    /// Notes what an extension header says of what follows it, and goes there.
    #[inline]
    pub(super) fn then(&mut self, protocol: u8, rest: Rest<'a>) -> Step<'a> {
        if let Some(network) = &mut self.frame.network {
            network.protocol = protocol;
        }
        self.carries(rest);
        Ok(Some((Layer::Protocol(protocol), rest)))
    }

    /// Puts a fragment to the others of its datagram; goes on with the datagram if that completes it.
    ///
    /// `id` and `protocol` are those of the header, `offset` is in bytes.
    pub(super) fn fragment(&mut self, id: u32, protocol: u8, offset: u16, more: bool, rest: Rest<'a>) -> Step<'a> {
        let Some(network) = &mut self.frame.network else { return Ok(None) };
        network.protocol = protocol;
        network.fragment = true;
        let key = Key {
            addresses: (network.src, network.dst),
            id,
            // IPv6 fragments of one datagram may differ in it: only that of the first one counts (RFC 8200, 4.5).
            protocol: matches!(network.src, IpAddr::V4(_)).then_some(protocol),
            tunnel: self.frame.tunnel.map(|tunnel| (tunnel.kind, tunnel.id)),
            vlans: self.frame.vlans,
            interface: self.interface,
        };
        let piece = Piece { offset: offset.into(), more, protocol, bytes: rest.bytes, length: rest.length as usize };
        self.carries(rest);
        let whole = self.fragments.add(key, &piece, self.time).map_err(|reason| self.stop(rest, reason))?;
        let Some(whole) = whole else { return Ok(None) };
        let Some(slot) = self.whole.next() else {
            let headers = "fragmented datagrams inside each other";
            return Err(self.stop(rest, Reason::TooMany { headers, limit: MAX_NESTING }));
        };
        *slot = whole.data;
        if let Some(network) = &mut self.frame.network {
            network.fragment = false;
        }
        self.joined_at.get_or_insert(rest.offset);
        self.then(whole.protocol, Rest::whole(slot, rest.offset))
    }
}
