//! Which packets make a conversation, when it leaves the table, and what an observer is told.

use super::super::sample::{self, Random, frame_of, icmp, udp, with_addresses};
use super::*;
use crate::packet::{TcpFlags, Tunnel, TunnelKind};

fn small(flows: usize) -> Limits {
    Limits { flows, ..Limits::default() }
}

#[test]
fn an_observer_is_told_bytes_in_order_ends_and_the_close() {
    let segments = [
        client().carrying(b"GET"),
        server().ack(503, 103).carrying(b"!"),
        server().ack(500, 103).carrying(b"200"),
        client().fin(103, 504).carrying(b"."),
        server().fin(504, 105),
    ];
    let mut scene = Scene::new().segments(handshake()).segments(segments).finish();
    assert_eq!(scene.told(), "+0 0>GET 0<200 0<! 0>. 0>| 0<| -0:ended");
}

#[test]
fn an_observer_that_wants_no_payload_is_told_none_any_more() {
    let early = client().ack(110, 500).carrying(b"more");
    let open = |interest| {
        let mut scene = Scene::new();
        scene.recorder.interest = interest;
        scene.segments(handshake()).segments([early, client().carrying(b"GET"), server().carrying(b"200")])
    };
    assert_eq!(open(|_| Interest::Flow).finish().told(), "+0 -0:end-of-input");
    let after_the_first = |event: &Event<'_>| match event {
        Event::Data(..) => Interest::Flow,
        _ => Interest::Payload,
    };
    let mut scene = open(after_the_first);
    assert_eq!(scene.told(), "+0 0>GET");
    assert_eq!(scene.finish().told(), "-0:end-of-input");
}

#[test]
fn datagrams_are_told_as_they_come_for_as_long_as_they_are_wanted() {
    let mut cut = udp(4000, 53, b"query");
    (cut.payload, cut.payload_length) = (b"que", 5);
    let answer = sample::back(udp(53, 4000, b"answer"));
    let told = |interest| {
        let mut scene = Scene::new();
        scene.recorder.interest = interest;
        scene.frame(&cut).frame(&answer).frame(&answer).finish().told()
    };
    assert_eq!(told(|_| Interest::Payload), "+0 0>(que)/5 0<(answer)/6 0<(answer)/6 -0:end-of-input");
    assert_eq!(told(|_| Interest::Flow), "+0 -0:end-of-input");
    let one = |event: &Event<'_>| if *event == Event::Opened { Interest::Payload } else { Interest::Flow };
    assert_eq!(told(one), "+0 0>(que)/5 -0:end-of-input");
}

#[test]
fn a_syn_may_carry_payload_and_a_reset_does_not() {
    let scene = Scene::new().segments([client().syn(99).carrying(b"GET"), client().syn(99).carrying(b"GET")]);
    let scene = scene.segments([server().syn_ack(499, 103), client().ack(103, 500).carrying(b"!")]);
    let mut scene = scene.segment(server().rst(500).carrying(b"No application listens")).finish();
    assert_eq!(scene.told(), "+0 0>GET 0>! -0:ended");
}

#[test]
fn what_is_in_flight_when_one_side_resets_is_still_told() {
    let response = [server().ack(503, 100).carrying(b"def"), client().rst(100), server().carrying(b"abc")];
    let mut scene = Scene::new().segments(handshake()).segments(response).finish();
    assert_eq!(scene.told(), "+0 0<abc 0<def -0:ended");
}

#[test]
fn a_fin_on_a_syn_is_not_the_end() {
    let mut both = client().syn(99);
    both.tcp.flags.0 |= TcpFlags::FIN;
    let mut scene = Scene::new().segment(both).segments(handshake()).segment(client().carrying(b"GET"));
    assert_eq!(scene.told(), "+0 0>GET");
}

#[test]
fn a_syn_with_another_number_begins_another_conversation() {
    let again = |seq| client().syn(seq);
    let ended = [client().fin(100, 500), server().fin(500, 101)];
    let told = |scene: Scene| scene.finish().told();
    // After an orderly end, after a reset, and while the last one is open.
    let scene = Scene::new().segments(handshake()).segments(ended).segment(again(7000));
    assert_eq!(told(scene), "+0 0>| 0<| -0:reused +0 -0:end-of-input");
    let scene = Scene::new().segment(client().syn(99)).segment(server().rst(0)).segment(again(7000));
    assert_eq!(told(scene), "+0 -0:reused +0 -0:end-of-input");
    assert_eq!(told(Scene::new().segments(handshake()).segment(again(7000))), "+0 -0:reused +0 -0:end-of-input");
    // The same of the answer, where the SYN was not captured.
    let scene = Scene::new().segments(handshake()).segment(server().syn_ack(9000, 7001));
    assert_eq!(told(scene), "+0 -0:reused +0 -0:end-of-input");
    // Also where the last one was captured without its SYN.
    let scene = Scene::new().segment(client().carrying(b"x")).segment(again(7000));
    assert_eq!(told(scene), "+0 0>x -0:reused +0 -0:end-of-input");
    let scene = Scene::new().segment(client().carrying(b"x")).segment(again(90_000));
    assert_eq!(told(scene), "+0 0>x -0:reused +0 -0:end-of-input");
    // A reset opens nothing, whatever else it has.
    let mut wild = again(7000);
    wild.tcp.flags.0 |= TcpFlags::RST;
    assert_eq!(told(Scene::new().segments(handshake()).segment(wild)), "+0 -0:ended");
    // From the other side, too.
    let scene = Scene::new().segments(handshake()).segments(ended).segment(server().syn(8000));
    assert_eq!(scene.fields(&["client_port", "state"]), ["40000 closed", "80 no answer"]);
}

#[test]
fn a_syn_that_is_sent_again_begins_no_other_conversation() {
    let [syn, syn_ack, ack] = handshake();
    let ended = [client().fin(100, 500), server().fin(500, 101)];
    for segments in [
        vec![syn, syn, syn_ack, syn_ack, syn, ack],
        vec![syn, syn_ack, ack, ended[0], ended[1], syn],
        // Refused and asked again with the same number, as some systems do.
        vec![syn, server().rst(0), syn, server().rst(0)],
        // Both open at the same time.
        vec![syn, server().syn(499), syn_ack, client().syn_ack(99, 500)],
    ] {
        assert_eq!(Scene::new().segments(segments).fields(&["client_port"]), ["40000"]);
    }
}

#[test]
fn roles_are_settled_by_a_syn_that_comes_late() {
    // The port says who is the client, and the SYN says otherwise.
    let odd = Segment::from(80).to(50_000);
    let [syn, syn_ack, ack] = [odd.syn(99), odd.answer().syn_ack(499, 100), odd.ack(100, 500)];
    let scene = Scene::new().segments([ack, syn, syn_ack, odd.ack(100, 500).carrying(b"x")]);
    let names = ["client_port", "role_known", "state", "packets_to_server", "bytes_to_client", "payload_to_server"];
    assert_eq!(scene.fields(&names), ["80 syn open 3 54 1"]);
    // What was told of its segments so far comes along.
    let names = ["client_port", "conn_state", "state"];
    assert_eq!(Scene::new().segments([ack, syn]).fields(&names), ["80 S0 open, answers not captured"]);
    let scene = Scene::new().segments([odd.fin(100, 500), syn, odd.answer().ack(500, 101).carrying(b"x")]);
    assert_eq!(scene.finish().told(), "+0 0<| 0<x -0:end-of-input");
}

#[test]
fn an_answer_tells_where_a_client_begins_whose_syn_was_not_captured() {
    let scene = Scene::new().segment(server().syn_ack(499, 100)).segment(client().ack(103, 500).carrying(b"x"));
    assert_eq!(scene.finish().told(), "+0 0>[3] 0>x -0:end-of-input");
}

#[test]
fn once_payload_was_told_sides_do_not_change() {
    let odd = Segment::from(80).to(50_000);
    let scene =
        Scene::new().segments([odd.ack(100, 500).carrying(b"ab"), odd.syn(99), odd.ack(102, 500).carrying(b"c")]);
    let mut scene = scene.finish();
    assert_eq!(scene.told(), "+0 0<ab 0<c -0:end-of-input");
    assert_eq!(scene.fields(&["client_port", "role_known"]), ["50000 port"]);
}

#[test]
fn fields_count_both_directions_apart() {
    let segments = [client().carrying(b"GET"), server().carrying(b"200 OK"), client().ack(103, 506)];
    let scene = Scene::new().segments(segments);
    let names = ["packets", "packets_to_server", "packets_to_client", "bytes", "bytes_to_server", "bytes_to_client"];
    let names = [&names[..], &["payload_to_server", "payload_to_client", "duration"]].concat();
    assert_eq!(scene.fields(&names), ["3 2 1 171 111 60 3 6 2µs"]);
}

#[test]
fn datagrams_and_messages_are_conversations_with_states_of_their_own() {
    let group = |frame| with_addresses(frame, "192.0.2.1", "224.0.0.1");
    let names = ["protocol", "client", "server_port", "conn_state", "state", "packets"];
    let scene = Scene::new()
        .frame(&udp(4000, 53, b"?"))
        .frame(&sample::back(udp(53, 4000, b"!")))
        .frame(&udp(4001, 53, b"?"))
        .frame(&sample::back(udp(53, 4002, b"!")))
        .frame(&icmp(8, 0, Some(7)))
        .frame(&sample::back(icmp(0, 0, Some(7))))
        .frame(&icmp(8, 0, Some(8)))
        .frame(&icmp(3, 1, None))
        .frame(&sample::back(icmp(3, 1, None)))
        .frame(&group(icmp(9, 0, None)))
        .frame(&frame_of(89))
        .frame(&frame_of(6));
    assert_eq!(
        scene.fields(&names),
        [
            "udp 192.0.2.1 53 SF answered 2",
            "udp 192.0.2.1 53 S0 no answer 1",
            "udp 192.0.2.1 53 SHR answers only 1",
            "icmp 192.0.2.1  OTH answered 2",
            "icmp 192.0.2.1  OTH no answer 1",
            "icmp 192.0.2.1  OTH message 1",
            "icmp 192.0.2.2  OTH message 1",
            "icmp 192.0.2.1  OTH message 1",
            "ospf 192.0.2.1  S0 no answer 1",
        ]
    );
}

#[test]
fn the_tunnel_and_the_vlans_of_the_first_packet_are_kept() {
    let mut frame = udp(4000, 53, b"?");
    frame.vlans.push(7);
    frame.vlans.push(8);
    frame.tunnel = Some(Tunnel { kind: TunnelKind::Vxlan, id: Some(5), outer: None });
    let scene = Scene::new().frame(&frame).frame(&sample::back(udp(53, 4000, b"!")));
    assert_eq!(scene.fields(&["vlan", "tunnel", "tunnel_id", "packets"]), ["7, 8 vxlan 5 2"]);
}

/// When a second packet comes so many milliseconds after the first, it is of the same conversation.
#[track_caller]
fn assert_stays(limit: i64, first: &[Segment<'_>], then: Segment<'_>) {
    for (after, flows) in [(limit, 1), (limit + 1, 2)] {
        // The last of the first packets is captured at 0.
        let start = Scene { time: Time::from_nanos(-1000 * (first.len() as i64 - 1)), ..Scene::new() };
        let rows = start.segments(first.iter().copied()).at(after).segment(then).fields(&["packets"]);
        assert_eq!(rows.len(), flows, "after {after} ms");
    }
}

#[test]
fn a_conversation_that_is_idle_for_too_long_is_over() {
    let limits = Limits::default();
    let milliseconds = |span: crate::record::Duration| span.as_nanos() / 1_000_000;
    let (open, brief) = (milliseconds(limits.tcp_idle), milliseconds(limits.udp_idle));
    let linger = milliseconds(limits.tcp_linger);
    assert_eq!((open, brief, linger), (3_600_000, 180_000, 60_000));
    let ended = [client().fin(100, 500), server().fin(500, 101)];
    assert_stays(open, &handshake(), client());
    assert_stays(open, &[client().carrying(b"x")], client());
    assert_stays(open, &[client().syn(99), client()], client());
    assert_stays(brief, &[client().syn(99)], client().syn(99));
    assert_stays(linger, &[&handshake()[..], &ended].concat(), client().ack(101, 501));
    assert_stays(linger, &[client().syn(99), server().rst(0)], server().rst(0));
    for (after, flows) in [(brief, 1), (brief + 1, 2)] {
        let scene = Scene::new().frame(&udp(4000, 53, b"?")).at(after).frame(&udp(4000, 53, b"?"));
        assert_eq!(scene.fields(&["packets"]).len(), flows);
    }
}

#[test]
fn whether_a_conversation_goes_on_does_not_depend_on_others() {
    let pings = [0, 170, 340, 510, 700];
    let alone = pings.iter().fold(Scene::new(), |scene, s| scene.at(s * 1000).frame(&udp(4000, 53, b"?")));
    let among = (0..1000).fold(Scene::new(), |scene, s| {
        let scene = scene.at(s * 1000).frame(&udp(5000, 53, b"?"));
        if pings.contains(&s) { scene.frame(&udp(4000, 53, b"?")) } else { scene }
    });
    assert_eq!(alone.fields(&["packets"]), ["4", "1"]);
    assert_eq!(among.fields(&["packets"]), ["4", "1", "1000"]);
}

#[test]
fn what_is_over_leaves_the_table_while_others_go_on() {
    let ended = [client().fin(100, 500), server().fin(500, 101)];
    let mut scene = Scene::new().segments(handshake()).segments(ended).frame(&udp(4000, 53, b"?"));
    assert_eq!(scene.told(), "+0 0>| 0<| +1 1>(?)/1");
    let tick = |scene: Scene, seconds: i64| (0..3).fold(scene.at(seconds * 1000), |s, _| s.frame(&frame_of(89)));
    scene = tick(scene, 60);
    assert_eq!(scene.told(), "+2");
    scene = tick(scene, 61);
    assert_eq!(scene.told(), "-0:ended");
    scene = tick(scene, 180);
    assert_eq!(scene.told(), "");
    // What had a packet since it was looked at last is looked at later again: its own time has passed by then.
    scene = tick(tick(tick(scene, 300), 400), 500);
    assert_eq!(scene.told(), "-1:idle");
    assert_eq!(scene.finish().told(), "-2:end-of-input");
}

#[test]
fn a_wrong_time_does_no_harm_to_others() {
    let busy = |scene: Scene, at: i64| scene.at(at).segment(client().syn(99)).frame(&udp(4000, 53, b"?"));
    let future = 10_000_000_000;
    let mut scene = Scene::new();
    scene.recorder.interest = |_| Interest::Flow;
    let scene = busy(scene, 0).at(future).frame(&udp(6000, 53, b"?"));
    let mut scene = busy(busy(scene, 1000), 500);
    assert_eq!(scene.told(), "+0 +1 +2");
    // The clock was set back for good.
    scene = (0..100).fold(scene, |scene, i| busy(scene, -3_600_000 + i * 10_000));
    assert_eq!(scene.told(), "");
    assert_eq!(scene.fields(&["packets", "start"]).len(), 3);
}

#[test]
fn two_clocks_in_one_capture_do_no_harm() {
    let late = |scene: Scene, at| scene.at(3_600_000 + at).segment(client()).segment(client());
    let scene = (0..100)
        .map(|i| i * 10_000)
        .fold(Scene::new(), |scene, at| late(scene, at).at(at).frame(&udp(4000, 53, b"?")).frame(&udp(4000, 53, b"?")));
    assert_eq!(scene.fields(&["packets"]), ["200", "200"]);
}

#[test]
fn a_full_table_gives_up_what_has_ended_before_what_is_open() {
    let flow = |port| Segment::from(port).ack(100, 500);
    let reset = |port| [flow(port), flow(port).rst(100)];
    let scene = Scene::within(&small(3)).segment(flow(1)).segments(reset(2)).segment(flow(3));
    let mut scene = scene.segment(flow(4));
    assert_eq!(scene.told(), "+0 +1 +2 -1:evicted +1");
    assert_eq!(*scene.loss(), Loss::default());
    // Nothing has ended: the one that had no packet for the longest time.
    scene = scene.segment(flow(1)).segment(flow(5));
    assert_eq!(scene.told(), "-2:evicted +2");
    assert_eq!(*scene.loss(), Loss { evicted_flows: 1, ..Loss::default() });
    assert_eq!(scene.finish().told(), "-0:end-of-input -1:end-of-input -2:end-of-input");
}

#[test]
fn a_full_table_gives_up_what_would_time_out_first() {
    let open = |scene: Scene, port| {
        let flow = Segment::from(port);
        scene.segments([flow.syn(99), flow.answer().syn_ack(499, 100), flow.ack(100, 500)])
    };
    // A query of now stays, a connection that was idle for an hour does not, nor a SYN of a flood.
    let mut scene = open(Scene::within(&small(3)), 1).at(3_500_000).segment(Segment::from(2).syn(99));
    scene = scene.at(3_550_000).frame(&udp(4000, 53, b"?")).segment(Segment::from(3).syn(99));
    assert_eq!(scene.told(), "+0 +1 +2 2>(?)/1 -0:evicted +0");
    scene = open(scene, 4);
    assert_eq!(scene.told(), "-1:evicted +1");
}

#[test]
fn a_table_that_shrinks_gives_up_an_eighth_for_good_unless_it_is_small() {
    let crowd = |count: u16| (0..count).fold(Scene::new(), |scene, port| scene.segment(Segment::from(1 + port)));
    let mut scene = crowd(1600);
    scene.table.shrink(&mut scene.recorder);
    assert_eq!((scene.table.len(), scene.loss().evicted_flows), (1400, 200));
    scene = scene.segment(Segment::from(5000));
    assert_eq!((scene.table.len(), scene.loss().evicted_flows), (1400, 201));
    let mut scene = crowd(1100);
    scene.table.shrink(&mut scene.recorder);
    assert_eq!((scene.table.len(), scene.loss().evicted_flows), (1100, 0));
}

#[test]
fn at_the_end_the_oldest_is_closed_first_and_only_so_many_at_once() {
    let mut scene = Scene::new().at(5).segment(Segment::from(1)).at(3).segment(Segment::from(2));
    scene = scene.at(4).segment(Segment::from(3)).segment(Segment::from(3).rst(0));
    scene.told();
    assert!(scene.table.finish(2, &mut scene.recorder));
    assert_eq!(scene.told(), "-1:end-of-input -2:ended");
    assert!(!scene.table.finish(2, &mut scene.recorder));
    assert_eq!(scene.told(), "-0:end-of-input");
}

#[test]
fn every_conversation_that_is_opened_is_closed_once_and_the_budgets_balance() {
    for seed in 0..30 {
        let mut random = Random::new(seed);
        let limits = Limits { flows: 1 + random.below(20), out_of_order_total: 1 + random.below(4000), ..small(0) };
        let mut scene = Scene::within(&limits);
        scene.recorder.interest = |event| match event {
            Event::Data(_, bytes, _) if bytes.len() == 77 => Interest::Flow,
            _ => Interest::Payload,
        };
        let payload = [b'x'; 100];
        for _ in 0..5000 {
            let mut segment = Segment::from(1 + random.below(30) as u16);
            segment.tcp.seq = match random.below(3) {
                0 => random.next() as u32,
                _ => random.below(2000) as u32,
            };
            segment.tcp.ack = random.below(2000) as u32;
            segment.tcp.flags.0 = [0x10, 0x10, 0x10, 0x18, 0x02, 0x12, 0x11, 0x04, 0xff][random.below(9)];
            segment = segment.carrying(&payload[..random.below(101)]);
            segment = if random.one_in(20) { segment.cut(segment.payload.len() / 2) } else { segment };
            let segment = if random.one_in(2) { segment.answer() } else { segment };
            scene.time = Time::from_nanos(scene.time.as_nanos() + random.below(40_000_000_000) as i64);
            scene = scene.segment(segment);
            assert!(scene.table.len() <= limits.flows);
        }
        let mut scene = scene.finish();
        let told = scene.told();
        let mut open = std::collections::HashSet::new();
        for event in told.split(' ').filter(|event| event.starts_with(['+', '-'])) {
            let number = event[1..].split(':').next();
            let changed = if event.starts_with('+') { open.insert(number) } else { open.remove(&number) };
            assert!(changed, "{event} in {told}");
        }
        assert!(open.is_empty(), "{open:?}");
        assert_eq!(scene.table.budget().left(), limits.out_of_order_total as i64, "seed {seed}");
    }
}

#[test]
fn a_million_conversations_take_less_than_three_hundred_bytes_each() {
    const { assert!(Table::BYTES_PER_FLOW <= 300) };
}

#[test]
fn time_that_passes_without_packets_ends_what_is_idle() {
    let told_after = |seconds: i64| {
        let mut scene = Scene::new().frame(&udp(4000, 53, b"?"));
        scene.table.pass(Time::from_nanos(seconds * 1_000_000_000), &mut scene.recorder);
        scene.told()
    };
    assert_eq!(told_after(180), "+0 0>(?)/1");
    assert_eq!(told_after(181), "+0 0>(?)/1 -0:idle");
}
