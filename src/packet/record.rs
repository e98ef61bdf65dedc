//! The row that scripts see of a packet.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use super::summary;
use super::{Frame, Network, RawPacket, Stop, Transport, Tunnel, protocol_name};
use crate::record::Time;
use crate::record::secret::mask_text;

/// What a [`Packet`] keeps besides what is decoded. Nothing by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Keep {
    /// Keep the payload.
    pub payload: bool,
    /// Keep all bytes, to save the packet.
    pub bytes: bool,
    /// Show credentials in the payload instead of masking them.
    pub secrets: bool,
}

/// A packet, independent of the source that it came from.
pub struct Packet {
    pub(super) time: Time,
    pub(super) length: u32,
    pub(super) captured: u32,
    pub(super) link: super::LinkType,
    pub(super) network: Option<Network>,
    pub(super) transport: Transport,
    pub(super) link_protocol: &'static str,
    pub(super) payload_length: u32,
    pub(super) stop: Option<Stop>,
    /// The body of an ARP packet, for the summary.
    pub(super) arp: Option<Box<[u8; summary::ARP_LENGTH]>>,
    number: u64,
    interface: Option<Arc<str>>,
    interface_index: u32,
    vlan: Option<u16>,
    tunnel: Option<Tunnel>,
    payload: Option<Box<[u8]>>,
    bytes: Option<Box<[u8]>>,
    secrets: bool,
}

impl Packet {
    /// The row of a packet: its place in the capture from 1 on, the name of its interface, its bytes and its frame.
    #[must_use]
    pub fn new(number: u64, interface: Option<Arc<str>>, raw: &RawPacket<'_>, frame: &Frame<'_>, keep: Keep) -> Self {
        let is_arp = frame.link_protocol == "arp";
        Self {
            time: raw.time,
            length: raw.length,
            captured: super::rest::number(raw.bytes.len()),
            link: raw.link,
            network: frame.network,
            transport: frame.transport,
            link_protocol: frame.link_protocol,
            payload_length: frame.payload_length,
            stop: frame.stop,
            arp: frame.payload.first_chunk().filter(|_| is_arp).map(|body| Box::new(*body)),
            number,
            interface,
            interface_index: raw.interface,
            vlan: frame.vlans.ids().last().copied(),
            tunnel: frame.tunnel,
            payload: keep.payload.then(|| frame.payload.into()),
            bytes: keep.bytes.then(|| raw.bytes.into()),
            secrets: keep.secrets,
        }
    }

    /// The packet as it was captured, if its bytes were [kept](Keep::bytes).
    #[must_use]
    pub fn raw(&self) -> Option<RawPacket<'_>> {
        let (length, link, interface) = (self.length, self.link, self.interface_index);
        self.bytes.as_deref().map(|bytes| RawPacket { time: self.time, length, link, interface, bytes })
    }

    /// The name of the interface that it was captured on.
    #[must_use]
    pub fn interface(&self) -> Option<&str> {
        self.interface.as_deref()
    }

    fn protocol(&self) -> Option<Cow<'static, str>> {
        match self.network {
            Some(network) => Some(protocol_name(network.protocol)),
            None => (!self.link_protocol.is_empty()).then_some(Cow::Borrowed(self.link_protocol)),
        }
    }

    fn ports(&self) -> Option<(u16, u16)> {
        match self.transport {
            Transport::Tcp(tcp) => Some((tcp.src_port, tcp.dst_port)),
            Transport::Udp(udp) => Some((udp.src_port, udp.dst_port)),
            Transport::Icmp(_) | Transport::None => None,
        }
    }

    fn address(&self, of: impl Fn(&Network) -> IpAddr) -> Option<IpAddr> {
        self.network.as_ref().map(of)
    }

    fn shown_payload(&self) -> Option<Cow<'_, [u8]>> {
        let payload = self.payload.as_deref()?;
        Some(if self.secrets { Cow::Borrowed(payload) } else { mask_text(payload) })
    }
}

impl fmt::Debug for Packet {
    /// Without payload and bytes, which may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packet")
            .field("number", &self.number)
            .field("time", &self.time)
            .field("summary", &summary::line(self))
            .finish_non_exhaustive()
    }
}

crate::record! {
    /// A packet. Addresses, ports and everything else of the network are those of the innermost packet, where
    /// tunnels or VLANs are around it; the packet that completes a fragmented datagram is the whole datagram.
    impl Record for Packet as "packet" {
        /// Its place in the capture: the first packet is 1.
        number: Integer, main => |packet| packet.number;
        /// When it was captured.
        time: Time, main => |packet| packet.time;
        /// The name of the interface that it was captured on, where the capture tells it.
        interface: Text => |packet| packet.interface.as_deref();
        /// Its length on the wire.
        length: Integer in "bytes" => |packet| packet.length;
        /// How much of it was captured; less than `length` if the snapshot length cut it.
        captured: Integer in "bytes" => |packet| packet.captured;
        /// Source address.
        src: Address => |packet| packet.address(|network| network.src);
        /// Source port of TCP, UDP, UDP-Lite, SCTP and DCCP.
        src_port: Integer => |packet| packet.ports().map(|ports| ports.0);
        /// Destination address.
        dst: Address => |packet| packet.address(|network| network.dst);
        /// Destination port of TCP, UDP, UDP-Lite, SCTP and DCCP.
        dst_port: Integer => |packet| packet.ports().map(|ports| ports.1);
        /// What the IP header carries (`tcp`, `udp`, `icmp`, `icmp6`, …, `ip-253`), or what is there instead of IP
        /// (`arp`, `lldp`, `stp`, …).
        protocol: Text => |packet| packet.protocol();
        /// Control bits of TCP as tcpdump writes them: `S`, `S.`, `P.`, `F.`, `R`, `.`.
        tcp_flags: Text => |packet| match packet.transport {
            Transport::Tcp(tcp) => Some(tcp.flags.to_string()),
            _ => None,
        };
        /// Time to live, or hop limit.
        ttl: Integer => |packet| packet.network.map(|network| network.ttl);
        /// VLAN identifier (IEEE 802.1Q); of several tags the innermost.
        vlan: Integer => |packet| packet.vlan;
        /// The innermost tunnel around the packet: `mpls`, `pppoe`, `gre`, `ipip`, `6in4`, `vxlan` or `geneve`.
        tunnel: Text => |packet| packet.tunnel.map(|tunnel| tunnel.kind.name());
        /// VNI of VXLAN and Geneve, key of GRE (session of ERSPAN, call of PPTP), bottom label of MPLS, session of PPPoE.
        tunnel_id: Integer => |packet| packet.tunnel.and_then(|tunnel| tunnel.id);
        /// What the innermost header carries, as far as it was captured. Credentials in it are masked.
        payload: Bytes => |packet| packet.shown_payload();
        /// The packet in one line, much as tcpdump prints it; sequence numbers are those on the wire.
        summary: Text, main => |packet| summary::line(packet);
        /// Why and where decoding ended early, if it did.
        stop: Text => |packet| packet.stop.map(|stop| stop.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{decode, decode_cut, ethernet, hello, hex, join, raw, udp};
    use super::super::{LinkType, sample};
    use super::*;
    use crate::record::Record;

    const ALL: Keep = Keep { payload: true, bytes: true, secrets: false };

    fn row(bytes: &[u8], keep: Keep) -> Packet {
        Packet::new(7, Some("eth0".into()), &raw(LinkType::ETHERNET, bytes), &decode(LinkType::ETHERNET, bytes), keep)
    }

    fn json(packet: &Packet) -> serde_json::Value {
        serde_json::to_value(packet as &dyn Record).unwrap()
    }

    #[test]
    fn fields_are_those_of_the_innermost_packet() {
        let tagged = join(&[&hex("020000000002 020000000001 8100 0005 0800"), &hello()]);
        let vxlan = udp(50000, 4789, &join(&[&hex("08000000 00000900"), &tagged]));
        let packet = row(&ethernet(0x0800, &sample::ipv4(17, &vxlan)), ALL);
        let expected = serde_json::json!({
            "number": 7, "time": "1970-01-01T00:00:00.000000000Z", "interface": "eth0",
            "length": 113, "captured": 113,
            "src": "192.0.2.1", "src_port": 1234, "dst": "192.0.2.2", "dst_port": 80,
            "protocol": "tcp", "tcp_flags": "P.", "ttl": 64, "vlan": 5, "tunnel": "vxlan", "tunnel_id": 9,
            "payload": "hello",
            "summary": "192.0.2.1.1234 > 192.0.2.2.80: Flags [P.], seq 1:6, ack 5, win 502, length 5",
            "stop": null,
        });
        assert_eq!(json(&packet), expected);
        let names: Vec<_> = Packet::KIND.fields.iter().map(|field| field.name.as_ref()).collect();
        assert_eq!(
            names.join(" "),
            "number time interface length captured src src_port dst dst_port protocol tcp_flags ttl vlan tunnel \
             tunnel_id payload summary stop"
        );
    }

    #[test]
    fn what_is_no_ip_has_a_protocol_and_no_addresses() {
        let packet = json(&row(&ethernet(0x88cc, &[0; 46]), ALL));
        assert_eq!((packet["protocol"].as_str(), packet["summary"].as_str()), (Some("lldp"), Some("lldp, length 46")));
        assert!(packet["src"].is_null() && packet["ttl"].is_null() && packet["tcp_flags"].is_null());
    }

    #[test]
    fn a_stop_is_told_with_its_offset() {
        let bytes = ethernet(0x0800, &hello());
        let frame = decode_cut(LinkType::ETHERNET, &bytes, 40);
        let captured = RawPacket { bytes: &bytes[..40], ..raw(LinkType::ETHERNET, &bytes) };
        let packet = json(&Packet::new(1, None, &captured, &frame, Keep::default()));
        assert_eq!(packet["stop"], "TCP: header cut by the snapshot length at offset 34");
        assert_eq!((&packet["captured"], &packet["length"]), (&40.into(), &59.into()));
        assert!(packet["payload"].is_null() && packet["interface"].is_null());
    }

    #[test]
    fn credentials_in_the_payload_show_only_when_asked() {
        let request = b"GET / HTTP/1.1\r\nAuthorization: Bearer 0123456789abcdef\r\n\r\n";
        let bytes = ethernet(0x0800, &sample::ipv4(6, &sample::tcp(request)));
        let masked = "GET / HTTP/1.1\r\nAuthorization: Bearer ****cdef\r\n\r\n";
        assert_eq!(json(&row(&bytes, ALL))["payload"], masked);
        let shown = row(&bytes, Keep { secrets: true, ..ALL });
        assert_eq!(json(&shown)["payload"].as_str().map(str::as_bytes), Some(&request[..]));
        assert!(!format!("{shown:?}").contains("0123"));
    }

    #[test]
    fn a_packet_that_was_kept_can_be_saved_as_it_was() {
        let bytes = ethernet(0x0800, &hello());
        let captured = RawPacket { interface: 3, length: 2000, ..raw(LinkType::ETHERNET, &bytes) };
        let frame = decode(LinkType::ETHERNET, &bytes);
        let packet = Packet::new(1, None, &captured, &frame, ALL);
        let saved = packet.raw().unwrap();
        assert_eq!((saved.bytes, saved.length, saved.interface, saved.link), (&bytes[..], 2000, 3, LinkType::ETHERNET));
        assert!(Packet::new(1, None, &captured, &frame, Keep::default()).raw().is_none());
    }
}
