//! What the headers of a TCP conversation tell.

use super::*;

/// `conn_state: state` of the one conversation that these segments make.
fn state(segments: &[Segment<'_>]) -> String {
    let rows = Scene::new().segments(segments.iter().copied()).fields(&["conn_state", "state"]);
    assert_eq!(rows.len(), 1, "{rows:?}");
    rows[0].replacen(' ', ": ", 1)
}

#[test]
fn every_conn_state_of_zeek_comes_from_the_segments_that_it_names() {
    let (c, s) = (client(), server());
    let open = handshake().to_vec();
    let after = |more: &[Segment<'static>]| [&open[..], more].concat();
    let data = c.carrying(b"GET");
    let syn = c.syn(99);
    let syn_ack = s.syn_ack(499, 100);
    let (fin, fin_back) = (c.fin(100, 500), s.fin(500, 101));
    let (rst, rst_back) = (c.rst(100), s.rst(500));
    for (segments, expected) in [
        (vec![syn], "S0: no answer"),
        (vec![syn, syn], "S0: no answer"),
        // Some systems acknowledge a SYN before they answer it.
        (vec![syn, s.ack(499, 100)], "S0: no answer"),
        (vec![syn, c.ack(100, 500)], "S0: open, answers not captured"),
        (vec![syn, syn_ack], "S1: open"),
        (open.clone(), "S1: open"),
        (after(&[data]), "S1: open"),
        (vec![syn, s.syn(499)], "S1: open"),
        (after(&[fin, fin_back]), "SF: closed"),
        (after(&[fin_back, fin]), "SF: closed"),
        // An orderly end stays one, whatever is sent after it.
        (after(&[fin, fin_back, rst, rst_back]), "SF: closed"),
        (after(&[fin, rst, fin_back]), "SF: closed"),
        (vec![syn, rst_back], "REJ: refused"),
        (vec![syn, syn, rst_back, rst_back], "REJ: refused"),
        // Zeek calls it so if both reset it before any payload.
        (after(&[rst, rst_back]), "REJ: reset by both"),
        (after(&[data, rst, rst_back]), "RSTR: reset by both"),
        (after(&[fin]), "S2: half-closed by client"),
        (after(&[fin, data]), "S2: half-closed by client"),
        (after(&[fin_back]), "S3: half-closed by server"),
        (after(&[rst]), "RSTO: reset by client"),
        (after(&[fin, rst]), "RSTO: reset by client"),
        (after(&[fin_back, rst]), "RSTO: reset by client"),
        (after(&[rst_back]), "RSTR: reset by server"),
        (after(&[fin, rst_back]), "RSTR: reset by server"),
        (vec![syn, rst], "RSTOS0: given up by client"),
        (vec![syn, c.ack(100, 500), rst], "OTH: reset by client"),
        (vec![syn_ack, rst_back], "RSTRH: reset by server"),
        (vec![syn, c.fin(100, 0).without_ack()], "SH: closed by client, no answer"),
        (vec![syn, fin], "SH: closed by client, answers not captured"),
        (vec![syn_ack, fin_back], "SHR: closed by server, requests not captured"),
        (vec![syn_ack], "OTH: open, requests not captured"),
        // The SYN is missing, but not what the client made of the answer to it.
        (vec![syn_ack, c.ack(100, 500)], "S1: open"),
        (vec![syn_ack, c.ack(100, 500), fin, fin_back], "SF: closed"),
        // Nothing of the handshake was captured.
        (vec![data], "OTH: open"),
        (vec![data, s.ack(500, 103)], "OTH: open"),
        (vec![data, rst], "OTH: reset by client"),
        (vec![data, rst_back], "RSTRH: reset by server"),
        (vec![data, fin], "SH: closed by client, answers not captured"),
        (vec![data, s.ack(500, 103), fin], "SH: half-closed by client"),
        (vec![data, fin_back], "SHR: half-closed by server"),
        (vec![data, fin, fin_back], "SF: closed"),
    ] {
        assert_eq!(state(&segments), expected, "{segments:?}");
    }
}

#[test]
fn a_handshake_that_was_captured_in_another_order_is_the_same_conversation() {
    let [syn, syn_ack, ack] = handshake();
    let (request, response) = (client().carrying(b"GET"), server().ack(500, 103).carrying(b"200"));
    for order in [
        vec![syn_ack, syn, ack, request, response],
        vec![syn_ack, ack, syn, request, response],
        vec![ack, syn, syn_ack, request, response],
        vec![ack, syn_ack, syn, request, response],
        vec![ack, request, syn, syn_ack, response],
        vec![syn, ack, request, response, syn_ack],
    ] {
        let names = ["client_port", "conn_state", "packets_to_server", "retransmissions", "out_of_order", "lost_bytes"];
        assert_eq!(Scene::new().segments(order.iter().copied()).fields(&names), ["40000 S1 3 0 0 0"], "{order:?}");
    }
}

/// One field of the one conversation that a scene saw.
#[track_caller]
fn assert_field(scene: Scene, name: &str, value: &str) {
    assert_eq!(scene.fields(&[name]), [value], "{name}");
}

#[test]
fn the_round_trip_of_a_handshake_is_from_the_last_syn_to_the_acknowledgment_of_the_answer() {
    let [syn, syn_ack, ack] = handshake();
    let rtt = |scene: Scene, value| assert_field(scene, "handshake_rtt", value);
    rtt(Scene::new().at(5).segment(syn).at(25).segment(syn_ack).at(35).segment(ack), "30ms");
    rtt(Scene::new().at(5).segment(syn).at(1005).segment(syn).segment(syn_ack).at(1035).segment(ack), "30ms");
    // At the beginning of the epoch, too, and with a request in the acknowledgment.
    rtt(Scene::new().segment(syn).segment(syn_ack).at(7).segment(ack.carrying(b"GET")), "7ms");
    // The server may send before the acknowledgment is captured.
    let early = server().carrying(b"220");
    rtt(Scene::new().segment(syn).segment(syn_ack).segment(early).at(7).segment(ack), "7ms");
    let early = [client().syn(9000), server().syn_ack(500, 9001), server().ack(501, 9001).carrying(b"220")];
    rtt(Scene::new().segments(early).at(7).segment(client().ack(9001, 501)), "7ms");
    // An answer that repeats itself counts from the beginning, an acknowledgment of something else does not count.
    rtt(Scene::new().segment(syn).segment(syn_ack).at(50).segment(syn_ack).at(60).segment(ack), "60ms");
    rtt(Scene::new().segment(syn).segment(syn_ack).segment(client().ack(100, 499)).at(9).segment(ack), "9ms");
    for unknown in [
        Scene::new().segment(syn).segment(syn_ack),
        Scene::new().segment(syn_ack).segment(syn).segment(ack),
        Scene::new().segment(syn).segment(ack),
        Scene::new().segment(client().carrying(b"GET")).segment(server()),
        Scene::new().at(100).segment(syn).segment(syn_ack).at(50).segment(ack).at(200).segment(ack),
    ] {
        rtt(unknown, "");
    }
}

/// `retransmissions out_of_order lost_bytes` after an open connection saw these at such milliseconds. Its handshake
/// took as long as that.
#[track_caller]
fn assert_counts(rtt: i64, segments: &[(i64, Segment<'_>)], expected: [u64; 3]) {
    let [syn, syn_ack, ack] = handshake();
    let scene = Scene::new().segments([syn, syn_ack]).at(rtt).segment(ack);
    let scene = segments.iter().fold(scene, |scene, (at, segment)| scene.at(rtt + at).segment(*segment));
    let expected = expected.map(|number| number.to_string()).join(" ");
    assert_eq!(scene.fields(&["retransmissions", "out_of_order", "lost_bytes"]), [expected], "{segments:?}");
}

#[test]
fn what_was_seen_before_is_a_retransmission() {
    let (first, second) = (client().carrying(b"0123456789"), client().ack(110, 500).carrying(b"abcdefghij"));
    assert_counts(20, &[(0, first), (1, second)], [0, 0, 0]);
    assert_counts(20, &[(0, first), (1, first)], [1, 0, 0]);
    assert_counts(20, &[(0, first), (1, second), (30, first), (30, second)], [2, 0, 0]);
    // A part of it is new, or the end of it was sent before.
    assert_counts(20, &[(0, first), (1, client().carrying(b"0123456789abc"))], [1, 0, 0]);
    assert_counts(20, &[(0, first), (1, client().ack(105, 500).carrying(b"56789"))], [1, 0, 0]);
    // A byte is a keep-alive if it is the last one again, and a retransmission if it is another.
    assert_counts(20, &[(0, first), (1, client().ack(109, 500).carrying(b"?"))], [0, 0, 0]);
    assert_counts(20, &[(0, first), (1, client().ack(109, 500))], [0, 0, 0]);
    assert_counts(20, &[(0, first), (1, client().ack(108, 500).carrying(b"8"))], [1, 0, 0]);
    // SYN and FIN can be sent again, too.
    assert_counts(20, &[(0, client().fin(100, 500)), (1, client().fin(100, 500))], [1, 0, 0]);
    assert_field(Scene::new().segments([client().syn(99); 3]), "retransmissions", "2");
}

#[test]
fn what_fills_a_hole_was_reordered_within_a_round_trip_and_sent_again_after_it() {
    let first = client().carrying(b"0123456789");
    let [second, third] = [110, 120].map(|seq| client().ack(seq, 500).carrying(b"abcdefghij"));
    assert_counts(20, &[(0, second)], [0, 0, 10]);
    assert_counts(20, &[(0, second), (20, first)], [0, 1, 0]);
    assert_counts(20, &[(0, second), (21, first)], [1, 0, 0]);
    assert_counts(20, &[(0, first), (1, third), (2, second)], [0, 1, 0]);
    // Without a round trip, 3 ms.
    let middle = |at| Scene::new().segment(first).segment(third).at(at).segment(second);
    assert_field(middle(3), "out_of_order", "1");
    assert_field(middle(4), "retransmissions", "1");
    // In parts; once it is full, what comes is a repetition.
    let half = client().carrying(b"01234");
    let parts = [(0, second), (1, half), (2, client().ack(105, 500).carrying(b"56789")), (3, half)];
    assert_counts(20, &parts[..2], [0, 1, 5]);
    assert_counts(20, &parts[..3], [0, 2, 0]);
    assert_counts(20, &parts, [1, 2, 0]);
    // With new bytes behind it.
    let more = client().carrying(b"0123456789abcdefghij.");
    assert_counts(20, &[(0, second), (1, more)], [1, 0, 0]);
}

#[test]
fn what_only_others_tell_of_is_lost() {
    // An acknowledgment tells of the other side's bytes, a sequence number of its own.
    assert_counts(20, &[(0, server().ack(500, 150))], [0, 0, 50]);
    assert_counts(20, &[(0, client().ack(130, 500))], [0, 0, 30]);
    assert_counts(20, &[(0, client().carrying(b"0123456789")), (0, server().ack(500, 160))], [0, 0, 50]);
    // What was acknowledged before it was captured was not lost.
    assert_counts(20, &[(0, server().ack(500, 110)), (1, client().carrying(b"0123456789"))], [0, 1, 0]);
    // A single number may be a FIN.
    assert_counts(20, &[(0, server().ack(500, 101))], [0, 0, 0]);
    // What no window reaches is no number of this conversation.
    let far = 101 + (1 << 30);
    assert_counts(20, &[(0, server().ack(500, far)), (1, client().ack(far, 500).carrying(b"?"))], [0, 0, 0]);
    // Both directions of it count.
    assert_counts(20, &[(0, server().ack(510, 150)), (1, client().ack(150, 510))], [0, 0, 60]);
}

#[test]
fn a_direction_that_is_not_captured_is_lost_as_far_as_it_was_acknowledged() {
    let scene = (1..=1000)
        .fold(Scene::new().segments(handshake()), |scene, i| scene.segment(client().ack(100, 500 + i * 1000)));
    assert_field(scene, "lost_bytes", "1000000");
}

#[test]
fn a_sender_that_goes_on_somewhere_else_is_followed_there() {
    let far = 3_000_000_000;
    let there = (0..6).map(|i| client().ack(far + i * 10, 500).carrying(b"0123456789"));
    let scene = Scene::new().segments(handshake()).segments(there).segment(client().ack(far + 70, 500));
    assert_field(scene, "lost_bytes", "10");
}

#[test]
fn zero_windows_count_but_not_those_of_syn_fin_and_rst() {
    let scene = Scene::new().segment(client().syn(99).window(0)).segment(server().syn_ack(499, 100).window(0));
    let scene = scene.segments([client().window(0), server().window(0), client()]);
    let scene = scene.segment(client().fin(100, 500).window(0)).segment(client().rst(101).window(0));
    assert_field(scene, "zero_windows", "2");
}

#[test]
fn syns_that_got_no_answer_count() {
    let syns = |more: &[Segment<'static>]| Scene::new().segments([client().syn(99); 3]).segments(more.iter().copied());
    for (scene, count) in [
        (syns(&[]), "3"),
        (syns(&[server().syn_ack(499, 100)]), "2"),
        (syns(&[server().rst(0)]), "2"),
        (syns(&[client().ack(100, 500)]), "2"),
        (Scene::new().segments(handshake()), "0"),
        (Scene::new().segment(server()), "0"),
    ] {
        assert_field(scene, "unanswered_syns", count);
    }
}

#[test]
fn resets_count_whoever_sends_them_and_tell_nothing_else() {
    let wild = client().rst(4_000_000_000);
    let scene = Scene::new().segments(handshake()).segments([wild, server().rst(77), client().carrying(b"x")]);
    assert_eq!(scene.fields(&["resets", "lost_bytes", "retransmissions"]), ["2 0 0"]);
}
