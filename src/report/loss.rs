//! What a run could not see, in words.

use super::numbers::{Grouped, counted};
use crate::limits::Loss;

/// One phrase for each counter that is above zero: `3 gaps, 4,380 bytes of TCP payload missing`.
///
/// They stand in the reasons of a verdict and in the loss summary; none means that nothing is known to be missing.
#[must_use]
pub fn phrases(loss: &Loss) -> Vec<String> {
    // Taken apart completely, so that a new counter does not compile until it has words.
    let Loss {
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
    } = *loss;
    let inputs = match truncated_inputs {
        1 => "the capture is cut off in the middle of a record, or damaged".to_owned(),
        n => format!("{} are cut off in the middle of a record, or damaged", counted(n, "capture")),
    };
    let dns_queries = match dns_pending {
        1 => "1 DNS query told without its answer (limit)".to_owned(),
        n => format!("{} DNS queries told without their answers (limit)", Grouped(n)),
    };
    let missing = format!("{}, {} of TCP payload missing", counted(gaps, "gap"), counted(gap_bytes, "byte"));
    [
        (dropped, format!("{} dropped by the kernel or the interface", counted(dropped, "packet"))),
        (truncated_inputs, inputs),
        (cut_packets, format!("{} not captured whole (snapshot length)", counted(cut_packets, "packet"))),
        (gaps.max(gap_bytes), missing),
        (fragments, format!("{} with fragments missing or left out", counted(fragments, "IP datagram"))),
        (evicted_flows, format!("{} given up while still open (limit)", counted(evicted_flows, "conversation"))),
        (http_cut, format!("{} not kept whole (limit)", counted(http_cut, "HTTP message"))),
        (http_skipped_bytes, format!("{} of HTTP connections not readable", counted(http_skipped_bytes, "byte"))),
        (dns_malformed, format!("{} not readable, or only in part", counted(dns_malformed, "DNS message"))),
        (dns_pending, dns_queries),
        (
            tls_unread,
            format!("{} not readable (limit, malformed, or packets missing)", counted(tls_unread, "TLS hello")),
        ),
        (rows, format!("{} not kept (limit)", counted(rows, "row"))),
    ]
    .into_iter()
    .filter_map(|(count, phrase)| (count > 0).then_some(phrase))
    .collect()
}

/// The last line on standard error, in tcpdump's spirit: `1,591,909 packets captured, 1,591,909 received, 0 dropped`,
/// followed by the other counters that are above zero.
#[must_use]
pub fn summary(captured: u64, received: u64, loss: &Loss) -> String {
    let packets = format!(
        "{} captured, {} received, {} dropped",
        counted(captured, "packet"),
        Grouped(received),
        Grouped(loss.dropped)
    );
    let others = phrases(&Loss { dropped: 0, ..loss.clone() });
    std::iter::once(packets).chain(others).collect::<Vec<_>>().join("; ")
}

/// The counters by name, in the order of their declaration.
pub(super) fn counters(loss: &Loss) -> [(&'static str, u64); 13] {
    let Loss {
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
    } = *loss;
    [
        ("dropped", dropped),
        ("truncated_inputs", truncated_inputs),
        ("cut_packets", cut_packets),
        ("gaps", gaps),
        ("gap_bytes", gap_bytes),
        ("fragments", fragments),
        ("evicted_flows", evicted_flows),
        ("http_cut", http_cut),
        ("http_skipped_bytes", http_skipped_bytes),
        ("dns_malformed", dns_malformed),
        ("dns_pending", dns_pending),
        ("tls_unread", tls_unread),
        ("rows", rows),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_lost_is_said_in_the_words_of_tcpdump() {
        assert!(phrases(&Loss::default()).is_empty());
        assert_eq!(
            summary(1_591_909, 1_591_909, &Loss::default()),
            "1,591,909 packets captured, 1,591,909 received, 0 dropped"
        );
        assert_eq!(summary(1, 2, &Loss::default()), "1 packet captured, 2 received, 0 dropped");
    }

    #[test]
    fn every_loss_is_said_in_the_plural() {
        let loss = Loss {
            dropped: 812,
            truncated_inputs: 2,
            cut_packets: 12,
            gaps: 3,
            gap_bytes: 4380,
            fragments: 4,
            evicted_flows: 5,
            http_cut: 6,
            http_skipped_bytes: 7000,
            dns_malformed: 8,
            dns_pending: 9,
            tls_unread: 10,
            rows: 11,
        };
        assert_eq!(
            phrases(&loss),
            [
                "812 packets dropped by the kernel or the interface",
                "2 captures are cut off in the middle of a record, or damaged",
                "12 packets not captured whole (snapshot length)",
                "3 gaps, 4,380 bytes of TCP payload missing",
                "4 IP datagrams with fragments missing or left out",
                "5 conversations given up while still open (limit)",
                "6 HTTP messages not kept whole (limit)",
                "7,000 bytes of HTTP connections not readable",
                "8 DNS messages not readable, or only in part",
                "9 DNS queries told without their answers (limit)",
                "10 TLS hellos not readable (limit, malformed, or packets missing)",
                "11 rows not kept (limit)",
            ]
        );
    }

    #[test]
    fn one_of_each_is_said_in_the_singular() {
        let loss = Loss { truncated_inputs: 1, gaps: 1, gap_bytes: 1, dropped: 1, ..Loss::default() };
        assert_eq!(
            summary(10, 11, &loss),
            "10 packets captured, 11 received, 1 dropped; the capture is cut off in the middle of a record, or damaged; \
             1 gap, 1 byte of TCP payload missing"
        );
    }
}
