//! Gaps of every length at every offset: no row may pair what does not belong together, or claim to be complete.

use super::*;

/// What the two sides send, in the order in which it is captured.
struct Talk {
    name: &'static str,
    turns: Vec<(Side, String)>,
}

/// The request number N is for `/N` and is answered with the status 200 + N.
fn talks() -> Vec<Talk> {
    let turn = |side, texts: &[&str]| (side, texts.concat());
    let (client, server) = (Side::Originator, Side::Responder);
    let get = ["GET /1 HTTP/1.1\r\nA: b\r\n\r\n", "GET /2 HTTP/1.1\r\nA: b\r\n\r\n", "GET /3 HTTP/1.1\r\nA: b\r\n\r\n"];
    let put = "PUT /1 HTTP/1.1\r\nContent-Length: 5\r\n\r\n12345";
    let chunked_put = "PUT /2 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n123\r\n0\r\n\r\n";
    let expecting = "PUT /1 HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    let head = "HEAD /2 HTTP/1.1\r\n\r\n";
    let fixed = [
        "HTTP/1.1 201 A\r\nContent-Length: 5\r\n\r\nabcde",
        "HTTP/1.1 202 A\r\nContent-Length: 5\r\n\r\nabcde",
        "HTTP/1.1 203 A\r\nContent-Length: 5\r\n\r\nabcde",
    ];
    let chunked = "HTTP/1.1 202 A\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    let bare = "HTTP/1.1 202 A\r\nContent-Length: 5\r\n\r\n";
    let until_close = "HTTP/1.1 203 A\r\n\r\nabcde";
    let hints = "HTTP/1.1 103 Early Hints\r\n\r\n";
    vec![
        Talk {
            name: "one after the other",
            turns: vec![
                turn(client, &[get[0]]),
                turn(server, &[fixed[0]]),
                turn(client, &[get[1]]),
                turn(server, &[fixed[1]]),
                turn(client, &[get[2]]),
                turn(server, &[fixed[2]]),
            ],
        },
        Talk { name: "pipelined", turns: vec![turn(client, &get), turn(server, &fixed)] },
        Talk {
            name: "pipelined in two parts",
            turns: vec![
                turn(client, &[get[0], chunked_put]),
                turn(server, &[fixed[0]]),
                turn(client, &[get[2]]),
                turn(server, &[chunked, fixed[2]]),
            ],
        },
        Talk {
            name: "bodies of every kind",
            turns: vec![
                turn(client, &[put]),
                turn(server, &[fixed[0]]),
                turn(client, &[chunked_put]),
                turn(server, &[hints, chunked]),
                turn(client, &[get[2]]),
                turn(server, &[until_close]),
            ],
        },
        Talk {
            name: "an expectation and a head",
            turns: vec![
                turn(client, &[expecting]),
                turn(server, &["HTTP/1.1 100 Continue\r\n\r\n"]),
                turn(client, &["12"]),
                turn(server, &[fixed[0]]),
                turn(client, &[head]),
                turn(server, &[bare]),
                turn(client, &[get[2]]),
                turn(server, &[fixed[2]]),
            ],
        },
    ]
}

/// What of a turn a gap leaves: before it, the gap itself and after it, where the gap covers those bytes of the side.
fn torn(side: Side, text: &str, at: usize, gap: &std::ops::Range<usize>) -> [Option<Step>; 3] {
    let bytes = text.as_bytes();
    let (begin, end) = (gap.start.clamp(at, at + bytes.len()) - at, gap.end.clamp(at, at + bytes.len()) - at);
    if begin == end {
        return [None, None, Some(Step::Data(side, bytes.to_vec()))];
    }
    let data = |bytes: &[u8]| (!bytes.is_empty()).then(|| Step::Data(side, bytes.to_vec()));
    [data(&bytes[..begin]), Some(Step::Gap(side, (end - begin) as u64)), data(&bytes[end..])]
}

/// The talk with a gap in what one side sends. If it is `late`, reassembly of that side waits two turns for it.
fn with_gap(talk: &Talk, torn_side: Side, gap: &std::ops::Range<usize>, late: bool) -> Scenario {
    let mut steps = Vec::new();
    let mut held: Vec<(usize, Step)> = Vec::new();
    let mut sent = [0; 2];
    for (number, (side, text)) in talk.turns.iter().enumerate() {
        if *side != torn_side {
            steps.push(Step::Data(*side, text.clone().into_bytes()));
        } else {
            let parts = torn(*side, text, sent[side.index()], gap).into_iter().flatten();
            for part in parts {
                if late && (!held.is_empty() || matches!(part, Step::Gap(..))) {
                    held.push((number, part));
                } else {
                    steps.push(part);
                }
            }
        }
        sent[side.index()] += text.len();
        if held.first().is_some_and(|(since, _)| number >= since + 2) {
            steps.extend(held.drain(..).map(|(_, step)| step));
        }
    }
    steps.extend(held.into_iter().map(|(_, step)| step));
    steps.extend([server_end(), client_end()]);
    Scenario::new(steps)
}

/// Checks that nothing is paired wrongly or complete without being so, and gives how many rows are paired.
fn check(talk: &Talk, outcome: &Outcome, what: &str) -> usize {
    let name = talk.name;
    let mut paired = 0;
    for row in &outcome.rows {
        let (path, status) = (field(row, "path"), field(row, "status"));
        if path != "-" && status != "-" {
            paired += 1;
            assert_eq!(path.trim_start_matches('/'), status.trim_start_matches("20"), "{name}, {what}: {}", brief(row));
        }
        if field(row, "complete") == "true" {
            let length = if field(row, "method") == "HEAD" { "0" } else { "5" };
            assert_eq!(field(row, "response_bytes"), length, "{name}, {what}: {}", brief(row));
            assert!(!field(row, "flags").contains("gap"), "{name}, {what}: {}", brief(row));
        }
    }
    for status in [201, 202, 203] {
        let times = outcome.rows.iter().filter(|row| field(row, "status") == status.to_string()).count();
        assert!(times <= 1, "{name}, {what}: {status} is told {times} times");
    }
    paired
}

#[test]
fn a_gap_anywhere_never_pairs_what_does_not_belong_together() {
    for talk in talks() {
        let whole = with_gap(&talk, Side::Originator, &(0..0), false).run();
        assert_eq!(check(&talk, &whole, "whole"), 3, "{}", talk.name);
        assert!(whole.rows.iter().all(|row| field(row, "complete") == "true"), "{}", talk.name);
        for side in [Side::Originator, Side::Responder] {
            let length: usize = talk.turns.iter().filter(|turn| turn.0 == side).map(|turn| turn.1.len()).sum();
            let sizes = [1, 2, 3, 5, 8, 13, 21, 34, 55, 89, length];
            let gaps = (0..length).flat_map(|begin| sizes.map(|size| (begin, (begin + size).min(length))));
            for (begin, end) in gaps {
                for (late, from_start) in [(false, true), (true, true), (false, false), (true, false)] {
                    let mut scenario = with_gap(&talk, side, &(begin..end), late);
                    scenario.from_start = from_start;
                    let what = format!("{side:?} lacks {begin}..{end}, late {late}, from start {from_start}");
                    let paired = check(&talk, &scenario.run(), &what);
                    // What the gap does not touch is not lost for it; a missing request costs the turn after it too.
                    if end - begin <= 5 && !late && from_start && talk.name == "one after the other" {
                        let least = if side == Side::Originator { 1 } else { 2 };
                        assert!(paired >= least, "{}, {what}: {paired} pairs", talk.name);
                    }
                }
            }
        }
    }
}

#[test]
fn two_gaps_never_pair_what_does_not_belong_together() {
    for talk in talks() {
        let lengths = [Side::Originator, Side::Responder]
            .map(|side| talk.turns.iter().filter(|turn| turn.0 == side).map(|turn| turn.1.len()).sum::<usize>());
        let gaps = |length: usize| {
            (0..length).step_by(5).flat_map(move |begin| [4, 23, 41].map(|size| begin..(begin + size).min(length)))
        };
        for first in gaps(lengths[0]) {
            for second in gaps(lengths[1]) {
                let torn_once = with_gap(&talk, Side::Originator, &first, false);
                let turns: Vec<_> = torn_once.steps.into_iter().collect();
                let mut sent = 0;
                let steps = turns.into_iter().flat_map(|step| match step {
                    Step::Data(Side::Responder, bytes) => {
                        let text = String::from_utf8(bytes).unwrap();
                        let parts = torn(Side::Responder, &text, sent, &second);
                        sent += text.len();
                        parts.into_iter().flatten().collect()
                    }
                    other => vec![other],
                });
                let scenario = Scenario::new(steps);
                check(&talk, &scenario.run(), &format!("client lacks {first:?}, server lacks {second:?}"));
            }
        }
    }
}

#[test]
fn a_gap_in_a_head_keeps_the_lines_before_it() {
    let steps = [
        client("GET /a HTTP/1.1\r\nHost: h\r\nAuthorization: Bea"),
        client_gap(20),
        client("xyz\r\n\r\n"),
        server("HTTP/1.1 401 No\r\nWWW-Auth"),
        server_gap(30),
        server("rest\r\n\r\n"),
    ];
    let outcome = Scenario::new(steps).run();
    let expected = ["GET /a 401 0/0 partial gap-in-request-head, gap-in-response-head"];
    assert_eq!(outcome.rows.iter().map(brief).collect::<Vec<_>>(), expected);
    assert_eq!((field(&outcome.rows[0], "host"), field(&outcome.rows[0], "credential")), ("h".into(), "-".into()));
    assert_eq!(outcome.loss.http_skipped_bytes, 15);
}

#[test]
fn a_gap_in_a_body_until_close_does_not_end_it() {
    let steps = [
        client("GET /a HTTP/1.1\r\n\r\n"),
        server("HTTP/1.1 200 OK\r\n\r\nabc"),
        server_gap(100),
        server("HTTP/1.1 500 this is still the body\r\n\r\n"),
        server_end(),
    ];
    let rows: Vec<_> = Scenario::new(steps).run().rows.iter().map(brief).collect();
    assert_eq!(rows, ["GET /a 200 0/42 partial gap-in-response-body"]);
}

#[test]
fn latency_needs_the_end_of_the_request() {
    let steps = [client("PUT /a HTTP/1.1\r\nContent-Length: 5\r\n\r\nabc"), client_gap(2), server(response(200, ""))];
    let outcome = Scenario::new(steps).run();
    assert_eq!(
        (brief(&outcome.rows[0]), field(&outcome.rows[0], "latency")),
        ("PUT /a 200 3/0 partial gap-in-request-body".into(), "-".into())
    );
}
