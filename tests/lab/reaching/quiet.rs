//! Commands that are silent, and commands that are not, again and again.

use std::thread;
use std::time::{Duration, Instant};

use super::Client;
use crate::support::needs;

#[test]
fn heavy_traffic_that_stays_inside_is_nothing_to_find() {
    needs!("cc", "nft", "dnsmasq", "python3");
    let checked = Client::new().check(
        r#"$REACH many 127.0.0.1 2000 &
        $REACH many ::1 1000 &
        $REACH many 10.1.0.1 2000 &
        $REACH many 192.168.7.1 1000 &
        python3 -c '
import socket
for address in "127.0.0.1", "10.1.2.3", "192.168.7.9":
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for port in range(2000):
        s.sendto(b"?", (address, 7 if port % 2 else 10000 + port))
' &
        wait"#,
    );
    checked.is_clean();
    let said = checked.concluded().1[0];
    let inside: u32 = said.split([';', ' ']).find_map(|word| word.parse().ok()).unwrap();
    // Each connection but those over loopback, which are not looked at, and each port that datagrams went to.
    assert_eq!(inside, 3000 + 3 * 1001, "{said}");
}

/// How often a list is done in one watch.
const TIMES: usize = 8;
/// How many watches there are beside each other, and how many one after the other.
const WATCHES: (usize, usize) = (5, 5);

#[test]
fn of_two_hundred_repetitions_none_misses_anything_or_finds_too_much() {
    needs!("cc", "nft", "dnsmasq");
    let (client, begin) = (Client::new(), Instant::now());
    let watches = |number: usize| {
        for round in 0..WATCHES.1 {
            let check = client.check(&shuffled(number * WATCHES.1 + round));
            check.found(&[
                "reach reached 203.0.113.1 80/tcp, 8 times: connected",
                "reach tried to reach 203.0.113.2 81/tcp, 8 times: refused",
                "reach tried to reach 192.0.2.9 80/tcp, 8 times: unreachable",
                "reach reached 2001:db8:1::1 80/tcp, 8 times: connected",
                "reach tried to reach 203.0.113.4 7/udp, 8 times: sent",
                "reach tried to reach 203.0.113.5 7/udp, 8 times: sent",
                "reach reached 203.0.113.6 icmp, 8 times: answered",
                "reach tried to reach 203.0.113.7 icmp, 8 times: sent",
                "reach reached 203.0.113.8 80/tcp, 8 times: connected",
                "reach reached 203.0.113.9 80/tcp, 8 times: connected",
            ]);
        }
    };
    thread::scope(|scope| {
        (0..WATCHES.0).for_each(|number| {
            drop(scope.spawn({
                let watches = &watches;
                move || watches(number)
            }))
        });
    });
    assert!(begin.elapsed() < Duration::from_secs(100), "{:?}", begin.elapsed());
}

/// The list, that often, each time in another order; what reaches inside is between what reaches out.
fn shuffled(seed: usize) -> String {
    const LIST: [&str; 13] = [
        "tcp 203.0.113.1 80",
        "tcp 203.0.113.2 81",
        "tcp 192.0.2.9 80",
        "tcp 2001:db8:1::1 80",
        "udp 203.0.113.4 7",
        "connected 203.0.113.5 7",
        "raw 203.0.113.6",
        "packet 203.0.113.7",
        "uring 203.0.113.8 80",
        "daemon 203.0.113.9 80",
        "many 127.0.0.1 20",
        "udp 10.1.0.1 7",
        "tcp 192.168.7.1 80",
    ];
    let mut state = seed as u64 + 1;
    let mut lines = Vec::new();
    for _ in 0..TIMES {
        let mut list = LIST.to_vec();
        while !list.is_empty() {
            // Numerical Recipes' linear congruential generator: the same orders in every run of the test.
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223) % (1 << 32);
            lines.push(format!("$REACH {}", list.swap_remove((state >> 8) as usize % list.len())));
        }
    }
    lines.join("\n")
}
