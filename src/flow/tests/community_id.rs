//! Community IDs of conversations, from the baseline of the specification
//! (<https://github.com/corelight/community-id-spec>, baseline/baseline_deflt.json).

use super::super::sample::{self, frame_of, icmp, icmp6, udp, with_addresses};
use super::*;
use crate::packet::Network;

/// The Community ID of the conversation that a frame begins.
fn community_id(frame: &Frame<'_>) -> String {
    Scene::new().frame(frame).fields(&["community_id"]).concat()
}

fn sctp(src_port: u16, dst_port: u16) -> Frame<'static> {
    let frame = udp(src_port, dst_port, b"");
    Frame { network: frame.network.map(|network| Network { protocol: 132, ..network }), ..frame }
}

#[test]
fn either_direction_has_the_identifier_of_the_baseline() {
    let tcp = |src, dst| Segment::from(src).to(dst).data(1, b"x").frame();
    for (frame, reply, src, dst, expected) in [
        (tcp(34855, 80), tcp(80, 34855), "128.232.110.120", "66.35.250.204", "1:LQU9qZlK+B5F3KDmev6m5PMibrg="),
        (
            tcp(63943, 25),
            tcp(25, 63943),
            "2001:470:e5bf:dead:4957:2174:e82c:4887",
            "2607:f8b0:400c:c03::1a",
            "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4=",
        ),
        (udp(54585, 53, b""), udp(53, 54585, b""), "192.168.1.52", "8.8.8.8", "1:d/FP5EW3wiY1vCndhwleRRKHowQ="),
        (sctp(7, 7), sctp(7, 7), "192.168.170.8", "192.168.170.56", "1:MP2EtRCAUIZvTw6MxJHLV7N7JDs="),
        (frame_of(46), frame_of(46), "10.1.12.1", "10.1.12.2", "1:KHlLkgoJW7ifUTyTSgyVfkFHzKw="),
        (icmp(8, 0, Some(5)), icmp(0, 0, Some(5)), "192.168.0.89", "192.168.0.1", "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="),
        (
            icmp6(135, 0, None),
            icmp6(136, 0, None),
            "fe80::200:86ff:fe05:80da",
            "fe80::260:97ff:fe07:69ea",
            "1:dGHyGvjMfljg6Bppwm3bg0LO8TY=",
        ),
        (
            icmp6(135, 0, None),
            icmp6(136, 0, None),
            "fe80::260:97ff:fe07:69ea",
            "fe80::200:86ff:fe05:80da",
            "1:zavyT/cezQr1fmImYCwYnMXbgck=",
        ),
        (
            icmp6(128, 0, Some(1)),
            icmp6(129, 0, Some(1)),
            "3ffe:507:0:1:200:86ff:fe05:80da",
            "3ffe:501:0:1001::2",
            "1:+TW+HtLHvV1xnGhV1lv7XoJrqQg=",
        ),
    ] {
        assert_eq!(community_id(&with_addresses(frame, src, dst)), expected);
        assert_eq!(community_id(&with_addresses(reply, dst, src)), expected);
    }
}

#[test]
fn messages_that_go_one_way_have_the_identifier_of_the_baseline() {
    let unreachable = "1:hLZd0XGWojozrvxqE0dWB1iM6R0=";
    for (frame, src, dst, expected) in [
        (icmp(11, 0, None), "10.0.0.1", "10.0.0.2", "1:YHxtAirCG//0OzkcVAukqKQN9xM="),
        (
            icmp6(3, 0, None),
            "3ffe:501:1800:2345::2",
            "3ffe:507:0:1:200:86ff:fe05:80da",
            "1:2ObVBgIn28oZvibYZhZMBgh7WdQ=",
        ),
        (icmp6(1, 4, None), "3ffe:501:410:0:2c0:dfff:fe47:33e", "3ffe:507:0:1:200:86ff:fe05:80da", unreachable),
        (icmp6(133, 0, None), "fe80::200:86ff:fe05:80da", "ff02::2", "1:hO+sN4H+MG5MY/8hIrXPqc4ZQz0="),
        (icmp6(134, 0, None), "fe80::260:97ff:fe07:69ea", "ff02::1", "1:pkvHqCL88/tg1k4cPigmZXUtL00="),
    ] {
        assert_eq!(community_id(&with_addresses(frame, src, dst)), expected);
    }
    let back = sample::back(with_addresses(
        icmp6(1, 4, None),
        "3ffe:501:410:0:2c0:dfff:fe47:33e",
        "3ffe:507:0:1:200:86ff:fe05:80da",
    ));
    assert_ne!(community_id(&back), unreachable);
}
