//! Which response belongs to which request, and where that cannot be told.

use super::*;

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n")
}

#[test]
fn requests_without_responses_are_told_when_the_connection_closes() {
    let outcome = Scenario::new([client(get("/a") + get("/b").as_str())]).run_every_way();
    assert_eq!(outcome.rows.iter().map(brief).collect::<Vec<_>>(), ["GET /a - 0/- partial", "GET /b - 0/- partial"]);
    assert_eq!((outcome.before_close, outcome.loss), (0, Loss::default()));
}

#[test]
fn requests_are_told_without_responses_as_soon_as_the_server_has_ended() {
    let steps = [client(get("/a") + get("/b").as_str()), server(response(200, "a")), server_end(), client(get("/c"))];
    let outcome = Scenario::new(steps).run_every_way();
    let expected = ["GET /a 200 0/1 complete", "GET /b - 0/- partial", "GET /c - 0/- partial"];
    assert_eq!(outcome.rows.iter().map(brief).collect::<Vec<_>>(), expected);
    assert_eq!(outcome.before_close, 3);
}

#[test]
fn responses_without_requests_are_rows_without_a_method() {
    let answers = [response(200, "a"), response(401, "bb")].concat();
    let expected = ["- - 200 -/1 partial", "- - 401 -/2 partial"];
    assert_eq!(Scenario::new([server(&answers)]).rows(), expected);
    let outcome = Scenario::new([server(&answers)]).mid_stream().run();
    assert_eq!(outcome.rows.iter().map(brief).collect::<Vec<_>>(), expected);
    assert_eq!(outcome.before_close, 2, "nothing that comes later belongs to them");
}

#[test]
fn responses_do_not_pile_up_where_the_client_is_not_captured() {
    let outcome = Scenario::new((0..40).map(|_| server(response(200, "a")))).run();
    assert_eq!(outcome.rows.len(), 40);
    assert!(outcome.before_close > 20);
}

#[test]
fn a_response_that_nobody_asked_for_is_told_when_the_client_ends() {
    let steps = [client(get("/a")), server(response(200, "")), server(response(408, "")), client_end()];
    let outcome = Scenario::new(steps).run_every_way();
    let expected = ["GET /a 200 0/0 complete", "- - 408 -/0 partial"];
    assert_eq!(outcome.rows.iter().map(brief).collect::<Vec<_>>(), expected);
    assert_eq!(outcome.before_close, 2);
}

#[test]
fn more_requests_than_may_wait_are_told_without_a_response() {
    let requests = get("/a") + get("/b").as_str() + get("/c").as_str();
    let steps = [client(requests), server(response(200, "")), server(response(201, "")), server(response(202, ""))];
    let outcome = Scenario::new(steps).with(|settings| settings.limits.http_pending = 2).run_every_way();
    // The response to the first is not taken for one to the second.
    let expected = [
        "GET /a - 0/- partial pending-limit",
        "- - 200 -/0 partial pending-limit",
        "GET /b 201 0/0 complete",
        "GET /c 202 0/0 complete",
    ];
    assert_eq!(outcome.rows.iter().map(brief).collect::<Vec<_>>(), expected);
    assert_eq!(outcome.loss.http_cut, 1);
}

#[test]
fn bodies_that_wait_are_bounded_together() {
    let request = |path: &str| format!("POST {path} HTTP/1.1\r\nContent-Length: 900\r\n\r\n{}", "x".repeat(900));
    let scenario = Scenario::new((0..50).map(|i| client(request(&format!("/{i}"))))).with(|settings| {
        settings.limits.http_head_bytes = 200;
        settings.limits.http_body_bytes = 1000;
    });
    let outcome = scenario.run();
    assert_eq!((outcome.rows.len(), outcome.before_close), (50, 48));
    assert_eq!(outcome.loss.http_cut, 48);
}

#[test]
fn in_the_middle_of_a_connection_the_client_is_assumed_to_wait_until_it_is_seen_to() {
    let rows: Vec<_> = Scenario::new(turns(3)).mid_stream().run().rows.iter().map(brief).collect();
    let expected = ["GET /0 200 0/1 complete pairing-assumed", "GET /1 200 0/1 complete", "GET /2 200 0/1 complete"];
    assert_eq!(rows, expected);
}

#[test]
fn a_response_in_flight_when_the_capture_begins_belongs_to_no_request_of_it() {
    let steps = [server(response(401, "early")), client(get("/a")), server(response(200, "a"))];
    let rows: Vec<_> = Scenario::new(steps).mid_stream().run().rows.iter().map(brief).collect();
    assert_eq!(rows, ["- - 401 -/5 partial", "GET /a 200 0/1 complete pairing-assumed"]);
}

#[test]
fn in_the_middle_of_a_pipelining_connection_nothing_is_certain() {
    let steps = [
        client(get("/a") + get("/b").as_str()),
        server(response(401, "") + response(200, "").as_str() + response(200, "").as_str()),
    ];
    let rows: Vec<_> = Scenario::new(steps).mid_stream().run().rows.iter().map(brief).collect();
    let uncertain = "partial pairing-uncertain";
    let mut expected = vec![format!("GET /a - 0/- {uncertain}"), format!("GET /b - 0/- {uncertain}")];
    expected.extend([401, 200, 200].map(|status| format!("- - {status} -/0 {uncertain}")));
    assert_eq!(rows, expected);
}

/// A client that waits for each of so many responses.
fn turns(number: usize) -> impl Iterator<Item = Step> {
    (0..number).flat_map(|i| [client(get(&format!("/{i}"))), server(response(200, "x"))])
}

fn rows_after(number: usize, steps: impl IntoIterator<Item = Step>) -> Vec<String> {
    Scenario::new(turns(number).chain(steps)).run().rows[number..].iter().map(brief).collect()
}

#[test]
fn a_missing_request_takes_its_response_with_it() {
    let steps = [
        client_gap(40),
        server(response(401, "b")),
        client(get("/c")),
        server(response(202, "c")),
        client(get("/d")),
        server(response(203, "d")),
    ];
    // Of a client that was seen waiting for its turn, what comes after that is certain.
    let expected =
        ["- - 401 -/1 partial pairing-uncertain", "GET /c 202 0/1 complete resynchronised", "GET /d 203 0/1 complete"];
    assert_eq!(rows_after(5, steps.clone()), expected);
    // Another one has to be seen waiting first, because it may have sent several requests at once.
    let expected = [
        "- - 401 -/1 partial pairing-uncertain",
        "GET /c - 0/- partial resynchronised, pairing-uncertain",
        "- - 202 -/1 partial pairing-uncertain",
        "GET /d 203 0/1 complete",
    ];
    assert_eq!(rows_after(1, steps), expected);
}

#[test]
fn a_missing_batch_of_requests_takes_its_responses_with_it() {
    let steps = [
        client_gap(80),
        server(response(201, "")),
        client(get("/c")),
        server(response(202, "")),
        server(response(203, "")),
    ];
    let expected = [
        "- - 201 -/0 partial pairing-uncertain",
        "GET /c - 0/- partial resynchronised, pairing-uncertain",
        "- - 202 -/0 partial pairing-uncertain",
        "- - 203 -/0 partial",
    ];
    assert_eq!(rows_after(1, steps), expected);
}

#[test]
fn after_a_missing_request_in_a_pipeline_nothing_is_certain() {
    let steps = [
        client(get("/a")),
        client_gap(40),
        client(get("/c")),
        server(response(200, "a")),
        server(response(401, "b")),
        server(response(202, "c")),
        client(get("/d")),
        server(response(203, "d")),
    ];
    let rows: Vec<_> = Scenario::new(steps).run().rows.iter().map(brief).collect();
    let expected = [
        // What was sent before the gap is still answered first.
        "GET /a 200 0/1 complete",
        "GET /c - 0/- partial resynchronised, pairing-uncertain",
        "- - 401 -/1 partial pairing-uncertain",
        "- - 202 -/1 partial pairing-uncertain",
        "GET /d - 0/- partial pairing-uncertain",
        "- - 203 -/1 partial pairing-uncertain",
    ];
    assert_eq!(rows, expected);
}

#[test]
fn a_missing_response_leaves_its_request_without_one() {
    let steps = [client(get("/b")), server_gap(40), client(get("/c")), server(response(202, "c"))];
    let expected = ["GET /b - 0/- partial response-lost", "GET /c 202 0/1 complete resynchronised"];
    assert_eq!(rows_after(5, steps), expected);
}

#[test]
fn a_missing_response_that_is_found_out_late_is_not_replaced_by_the_next_one() {
    // Reassembly waits for the missing segment while the client goes on. Another request may be missing just as well.
    let steps = [
        client(get("/b")),
        client(get("/c")),
        server_gap(40),
        server(response(202, "c")),
        client(get("/d")),
        server(response(203, "d")),
    ];
    let expected = [
        "GET /b - 0/- partial pairing-uncertain",
        "GET /c - 0/- partial pairing-uncertain",
        "- - 202 -/1 partial resynchronised",
        "GET /d 203 0/1 complete",
    ];
    assert_eq!(rows_after(5, steps), expected);
}

#[test]
fn a_malformed_request_is_not_answered_by_the_response_to_the_next_one() {
    let steps = [
        client("OPTIONS\r\nHost: h\r\n\r\n"),
        server(response(400, "")),
        client(get("/b")),
        server(response(200, "b")),
    ];
    let outcome = Scenario::new(turns(5).chain(steps)).run();
    let rows: Vec<_> = outcome.rows[5..].iter().map(brief).collect();
    assert_eq!(rows, ["- - 400 -/0 partial pairing-uncertain", "GET /b 200 0/1 complete resynchronised"]);
    assert_eq!(outcome.loss.http_skipped_bytes, 20);
}

#[test]
fn a_response_to_an_unknown_head_request_has_no_body_if_another_one_follows_at_once() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n";
    let outcome = Scenario::new([server(head), server(head), server(response(200, "a"))]).mid_stream().run();
    let rows: Vec<_> = outcome.rows.iter().map(brief).collect();
    assert_eq!(rows, ["- - 200 -/0 partial", "- - 200 -/0 partial", "- - 200 -/1 partial"]);
}

#[test]
fn a_positive_answer_to_connect_ends_parsing_even_if_pairing_is_uncertain() {
    let steps = [
        client(get("/a") + "CONNECT b:1 HTTP/1.1\r\n\r\n"),
        server("HTTP/1.1 200 Connection established\r\n\r\n"),
        server("GET / HTTP/1.1\r\n\r\n"),
    ];
    let outcome = Scenario::new(steps).mid_stream().run();
    assert!(outcome.done);
    assert_eq!(outcome.rows.len(), 3);
}
