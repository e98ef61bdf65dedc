//! Every bound is a number here, and has a counter beside it.
//!
//! [`Limits`] says how much of each thing may be kept; [`Loss`] counts what was not seen, because a
//! bound bit or because the input was incomplete. A counter above zero is told in the loss summary
//! and turns a clean verdict into "inconclusive".

use std::str::FromStr;

use crate::record::Duration;

/// How much of each thing a run may keep. Memory use follows from these numbers, not from the input.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Conversations tracked at the same time.
    pub flows: usize,
    /// Idle time after which an open TCP conversation ends, in packet time.
    pub tcp_idle: Duration,
    /// Time for which a closed TCP conversation still takes stragglers, in packet time.
    pub tcp_linger: Duration,
    /// Idle time after which a conversation of another protocol ends, or a TCP connection attempt that got no answer, in
    /// packet time.
    pub udp_idle: Duration,
    /// Out-of-order bytes kept per direction of a TCP conversation, in bytes.
    pub out_of_order_bytes: usize,
    /// Out-of-order bytes kept over all conversations, in bytes.
    pub out_of_order_total: usize,
    /// IP datagrams in reassembly at the same time.
    pub fragmented_datagrams: usize,
    /// Time after which an incomplete IP datagram is given up, in packet time (RFC 1122 asks for 60 to 120 s).
    pub fragment_timeout: Duration,
    /// One HTTP message head (start line and header fields), in bytes.
    pub http_head_bytes: usize,
    /// HTTP body kept per message as sent, in bytes; the rest is counted, not kept.
    pub http_body_bytes: usize,
    /// HTTP body after decoding its content codings, in bytes: what stops a decompression bomb.
    pub http_decoded_bytes: usize,
    /// Requests that wait for a response, per connection.
    pub http_pending: usize,
    /// Time for which a DNS query waits for its answer, in packet time.
    pub dns_timeout: Duration,
    /// DNS queries that wait for their answers, over all conversations, in bytes.
    pub dns_pending_bytes: usize,
    /// One TLS hello, in bytes; out of order, too, as QUIC may carry it.
    pub tls_hello_bytes: usize,
    /// Rows that a script keeps: groups, arrays and queues of streams derived from one capture.
    pub rows: usize,
    /// A file with the rules of a policy, in bytes. A longer one is an error.
    pub policy_bytes: usize,
    /// A file that tells a proxy its apps, in bytes. A longer one is an error.
    pub config_bytes: usize,
    /// Rhai operations of one run; 0 means no bound.
    pub operations: u64,
}

impl Default for Limits {
    /// The limits that belong to 512 MiB.
    fn default() -> Self {
        Self {
            flows: 1_250_000,
            tcp_idle: Duration::from_secs(3600),
            tcp_linger: Duration::from_secs(60),
            udp_idle: Duration::from_secs(180),
            out_of_order_bytes: 1 << 20,
            out_of_order_total: 64 << 20,
            fragmented_datagrams: 1024,
            fragment_timeout: Duration::from_secs(60),
            http_head_bytes: 64 << 10,
            http_body_bytes: 1 << 20,
            http_decoded_bytes: 8 << 20,
            http_pending: 1024,
            dns_timeout: Duration::from_secs(30),
            dns_pending_bytes: 32 << 20,
            tls_hello_bytes: 64 << 10,
            rows: 1_000_000,
            policy_bytes: 1 << 20,
            config_bytes: 1 << 20,
            operations: 0,
        }
    }
}

impl Limits {
    /// The limits that belong to that much memory: in proportion, but never so small that nothing works.
    #[must_use]
    pub fn within(memory: ByteSize) -> Self {
        let default = Self::default();
        let scale = |number: usize, least: usize| {
            let scaled = number as u128 * u128::from(memory.0) / u128::from(ByteSize::DEFAULT.0);
            usize::try_from(scaled).unwrap_or(usize::MAX).max(least)
        };
        Self {
            flows: scale(default.flows, 1000),
            out_of_order_total: scale(default.out_of_order_total, 1 << 20),
            out_of_order_bytes: scale(default.out_of_order_bytes, 256 << 10).min(default.out_of_order_bytes),
            fragmented_datagrams: scale(default.fragmented_datagrams, 16),
            dns_pending_bytes: scale(default.dns_pending_bytes, 1 << 20),
            rows: scale(default.rows, 1000),
            ..default
        }
    }
}

/// A number of bytes, written as `512MiB`, `2GB` or `65536`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteSize(pub u64);

impl ByteSize {
    /// What [`Limits::default`] is made for.
    pub const DEFAULT: Self = Self(512 << 20);
}

/// A text that is not a size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a size: write a number and a unit, such as `512MiB` or `2GB`")]
pub struct ParseByteSizeError(String);

impl FromStr for ByteSize {
    type Err = ParseByteSizeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fail = || ParseByteSizeError(text.to_owned());
        let trimmed = text.trim();
        let digits = trimmed.find(|c: char| !c.is_ascii_digit()).unwrap_or(trimmed.len());
        let number: u64 = trimmed[..digits].parse().map_err(|_| fail())?;
        let unit = match trimmed[digits..].trim().to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "k" | "kib" => 1 << 10,
            "m" | "mib" => 1 << 20,
            "g" | "gib" => 1 << 30,
            "kb" => 1_000,
            "mb" => 1_000_000,
            "gb" => 1_000_000_000,
            _ => return Err(fail()),
        };
        number.checked_mul(unit).map(Self).ok_or_else(fail)
    }
}

/// What a run could not see, by reason. Zero everywhere means that nothing is known to be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loss {
    /// Packets that the kernel or an interface dropped.
    pub dropped: u64,
    /// Inputs that ended in the middle of a record or were corrupt.
    pub truncated_inputs: u64,
    /// Packets that were not captured whole (snapshot length) although their content was asked for.
    pub cut_packets: u64,
    /// Stretches of TCP payload that were asked for and are missing from the capture.
    pub gaps: u64,
    /// TCP payload missing in those stretches, in bytes.
    pub gap_bytes: u64,
    /// IP datagrams of which fragments were missing or that did not fit.
    pub fragments: u64,
    /// Conversations that had to leave the table while still open.
    pub evicted_flows: u64,
    /// HTTP messages of which a part was not kept: head, body or decoded body over the limit, or too many pending.
    pub http_cut: u64,
    /// Bytes of HTTP connections that could not be read as a message.
    pub http_skipped_bytes: u64,
    /// DNS messages that could not be read, or only in part, although they were captured whole.
    pub dns_malformed: u64,
    /// DNS queries that could not wait for their answers: too many did.
    pub dns_pending: u64,
    /// TLS hellos that could not be read: over the limit, malformed, or in QUIC packets that are missing or came without
    /// those that have their keys.
    pub tls_unread: u64,
    /// Rows that a script could not keep.
    pub rows: u64,
}

impl Loss {
    /// Nothing is missing.
    pub const ZERO: Self = Self {
        dropped: 0,
        truncated_inputs: 0,
        cut_packets: 0,
        gaps: 0,
        gap_bytes: 0,
        fragments: 0,
        evicted_flows: 0,
        http_cut: 0,
        http_skipped_bytes: 0,
        dns_malformed: 0,
        dns_pending: 0,
        tls_unread: 0,
        rows: 0,
    };

    /// Whether nothing is known to be missing.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl std::ops::AddAssign<&Self> for Loss {
    fn add_assign(&mut self, other: &Self) {
        // Written out as a pattern so that a new counter cannot be forgotten.
        let Self {
            dropped,
            truncated_inputs,
            cut_packets,
            gaps,
            gap_bytes,
            fragments,
            evicted_flows,
            http_cut,
            http_skipped_bytes,
            dns_malformed,
            dns_pending,
            tls_unread,
            rows,
        } = other;
        self.dropped += dropped;
        self.truncated_inputs += truncated_inputs;
        self.cut_packets += cut_packets;
        self.gaps += gaps;
        self.gap_bytes += gap_bytes;
        self.fragments += fragments;
        self.evicted_flows += evicted_flows;
        self.http_cut += http_cut;
        self.http_skipped_bytes += http_skipped_bytes;
        self.dns_malformed += dns_malformed;
        self.dns_pending += dns_pending;
        self.tls_unread += tls_unread;
        self.rows += rows;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_binary_and_decimal_units() {
        for (text, bytes) in [("65536", 65536), ("512MiB", 512 << 20), ("2 GB", 2_000_000_000), ("1k", 1024)] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)));
        }
        for text in ["", "MiB", "-1", "1.5GiB", "1 parsec", "99999999999GiB"] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
    }

    #[test]
    fn limits_follow_the_memory_and_never_become_useless() {
        assert_eq!(Limits::within(ByteSize::DEFAULT), Limits::default());
        assert_eq!(Limits::within(ByteSize(1 << 30)).flows, 2 * Limits::default().flows);
        assert_eq!(Limits::within(ByteSize(0)).flows, 1000);
        assert_eq!(Limits::within(ByteSize(u64::MAX)).out_of_order_bytes, Limits::default().out_of_order_bytes);
    }
}
