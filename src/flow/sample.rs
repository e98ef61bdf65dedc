//! Frames for tests.

use std::net::IpAddr;

use crate::packet::{Frame, Icmp, Network, Tcp, TcpFlags, Transport, Udp, Vlans};

/// Who sends, unless a test says otherwise.
pub(super) const CLIENT: &str = "192.0.2.1";
/// Who answers.
pub(super) const SERVER: &str = "192.0.2.2";

/// A frame of an IP protocol without ports, from [`CLIENT`] to [`SERVER`].
pub(super) fn frame_of(protocol: u8) -> Frame<'static> {
    let (src, dst) = (CLIENT.parse().unwrap(), SERVER.parse().unwrap());
    Frame {
        vlans: Vlans::default(),
        tunnel: None,
        network: Some(Network { src, dst, ttl: 64, protocol, fragment: false }),
        transport: Transport::None,
        payload: b"",
        payload_length: 0,
        link_protocol: "",
        stop: None,
    }
}

pub(super) fn with_addresses<'a>(mut frame: Frame<'a>, src: &str, dst: &str) -> Frame<'a> {
    if let Some(network) = &mut frame.network {
        (network.src, network.dst) = (src.parse().unwrap(), dst.parse().unwrap());
    }
    frame
}

/// The same from the other address.
pub(super) fn back(mut frame: Frame<'_>) -> Frame<'_> {
    if let Some(network) = &mut frame.network {
        std::mem::swap(&mut network.src, &mut network.dst);
    }
    frame
}

#[expect(clippy::cast_possible_truncation, reason = "payloads of tests are short")]
fn with_payload<'a>(frame: Frame<'a>, payload: &'a [u8]) -> Frame<'a> {
    Frame { payload, payload_length: payload.len() as u32, ..frame }
}

pub(super) fn udp(src_port: u16, dst_port: u16, payload: &[u8]) -> Frame<'_> {
    with_payload(Frame { transport: Transport::Udp(Udp { src_port, dst_port }), ..frame_of(17) }, payload)
}

pub(super) fn icmp(kind: u8, code: u8, id: Option<u16>) -> Frame<'static> {
    Frame { transport: Transport::Icmp(Icmp { kind, code, id }), ..frame_of(1) }
}

pub(super) fn icmp6(kind: u8, code: u8, id: Option<u16>) -> Frame<'static> {
    let frame = Frame { transport: Transport::Icmp(Icmp { kind, code, id }), ..frame_of(58) };
    with_addresses(frame, "2001:db8::1", "2001:db8::2")
}

/// A TCP segment. Sequence numbers are as on the wire.
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment<'a> {
    pub(super) src: IpAddr,
    pub(super) dst: IpAddr,
    pub(super) tcp: Tcp,
    pub(super) payload: &'a [u8],
    /// How long the payload was on the wire.
    pub(super) length: u32,
}

impl<'a> Segment<'a> {
    /// From this port of [`CLIENT`] to port 80 of [`SERVER`]; a plain acknowledgment of nothing yet.
    pub(super) fn from(src_port: u16) -> Self {
        Self {
            src: CLIENT.parse().unwrap(),
            dst: SERVER.parse().unwrap(),
            tcp: Tcp {
                src_port,
                dst_port: 80,
                seq: 0,
                ack: 0,
                flags: TcpFlags(TcpFlags::ACK),
                window: 1000,
                window_scale: None,
            },
            payload: b"",
            length: 0,
        }
    }

    pub(super) fn to(mut self, dst_port: u16) -> Self {
        self.tcp.dst_port = dst_port;
        self
    }

    /// From [`SERVER`] to [`CLIENT`], the ports as they are.
    pub(super) fn back(mut self) -> Self {
        std::mem::swap(&mut self.src, &mut self.dst);
        self
    }

    /// What the other side sends: addresses and ports exchanged.
    pub(super) fn answer(mut self) -> Self {
        std::mem::swap(&mut self.tcp.src_port, &mut self.tcp.dst_port);
        self.back()
    }

    fn with(mut self, flags: u16, seq: u32, ack: u32) -> Self {
        (self.tcp.flags, self.tcp.seq, self.tcp.ack) = (TcpFlags(flags), seq, ack);
        self
    }

    pub(super) fn syn(self, seq: u32) -> Self {
        self.with(TcpFlags::SYN, seq, 0)
    }

    pub(super) fn syn_ack(self, seq: u32, ack: u32) -> Self {
        self.with(TcpFlags::SYN | TcpFlags::ACK, seq, ack)
    }

    pub(super) fn ack(self, seq: u32, ack: u32) -> Self {
        self.with(TcpFlags::ACK, seq, ack)
    }

    pub(super) fn fin(self, seq: u32, ack: u32) -> Self {
        self.with(TcpFlags::FIN | TcpFlags::ACK, seq, ack)
    }

    pub(super) fn rst(self, seq: u32) -> Self {
        self.with(TcpFlags::RST, seq, 0)
    }

    /// A segment with payload that acknowledges what was acknowledged before.
    pub(super) fn data(mut self, seq: u32, payload: &'a [u8]) -> Self {
        self.tcp.seq = seq;
        self.carrying(payload)
    }

    #[expect(clippy::cast_possible_truncation, reason = "payloads of tests are short")]
    pub(super) fn carrying(mut self, payload: &'a [u8]) -> Self {
        (self.payload, self.length) = (payload, payload.len() as u32);
        self
    }

    pub(super) fn without_ack(mut self) -> Self {
        self.tcp.flags.0 &= !TcpFlags::ACK;
        self
    }

    /// Of the payload only so many bytes were captured.
    pub(super) fn cut(mut self, captured: usize) -> Self {
        self.payload = &self.payload[..captured];
        self
    }

    pub(super) fn window(mut self, window: u16) -> Self {
        self.tcp.window = window;
        self
    }

    pub(super) fn frame(&self) -> Frame<'a> {
        let mut frame = frame_of(6);
        if let Some(network) = &mut frame.network {
            (network.src, network.dst) = (self.src, self.dst);
        }
        Frame { transport: Transport::Tcp(self.tcp), payload: self.payload, payload_length: self.length, ..frame }
    }
}

/// Numbers that look random and are always the same (xorshift).
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number from `0` to `end`, without that.
    #[expect(clippy::cast_possible_truncation, reason = "the remainder is less than a usize")]
    pub(super) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub(super) fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }
}
