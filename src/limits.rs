//! Every bound is a number here, and has a counter beside it.
//!
//! [`Limits`] says how much of each thing may be kept; [`Loss`] counts what was not seen, because a
//! bound bit or because the input was incomplete. A counter above zero is told in the loss summary
//! and turns a clean verdict into "inconclusive".

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
    /// Idle time after which a conversation of another protocol ends, in packet time.
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
    /// Rows that a script keeps: groups, arrays and queues of streams derived from one capture.
    pub rows: usize,
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
            rows: 1_000_000,
            operations: 0,
        }
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
    /// Rows that a script could not keep.
    pub rows: u64,
}

impl Loss {
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
        self.rows += rows;
    }
}
