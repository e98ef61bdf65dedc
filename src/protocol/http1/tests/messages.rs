//! How messages are told apart.

use super::*;

const GET: &str = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";

#[test]
fn a_request_and_its_response_are_one_row() {
    let outcome = Scenario::new([client(GET), server(response(200, "hello"))]).run_every_way();
    assert_eq!(outcome.rows.iter().map(brief).collect::<Vec<_>>(), ["GET /a 200 0/5 complete"]);
    assert_eq!((outcome.before_close, outcome.loss), (1, Loss::default()));
}

#[test]
fn keep_alive_gives_a_row_for_each_request() {
    let steps = [
        client(GET),
        server(response(200, "1")),
        client("POST /b HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody"),
        server(response(201, "")),
        client("GET /c HTTP/1.1\r\n\r\n"),
        server(response(404, "gone")),
    ];
    let expected = ["GET /a 200 0/1 complete", "POST /b 201 4/0 complete", "GET /c 404 0/4 complete"];
    assert_eq!(Scenario::new(steps).rows(), expected);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let requests = "GET /a HTTP/1.1\r\n\r\nPOST /b HTTP/1.1\r\nContent-Length: 2\r\n\r\nxyGET /c HTTP/1.1\r\n\r\n";
    let responses = [response(200, "a"), response(401, "bb"), response(503, "ccc")].concat();
    let expected = ["GET /a 200 0/1 complete", "POST /b 401 2/2 complete", "GET /c 503 0/3 complete"];
    assert_eq!(Scenario::new([client(requests), server(&responses)]).rows(), expected);
    // Also where the capture has the responses first, as machines with several receive queues deliver them.
    assert_eq!(Scenario::new([server(&responses), client(requests)]).rows(), expected);
}

#[test]
fn a_response_to_head_has_no_body() {
    let steps = [
        client("HEAD /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n"),
        server("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
        server(response(200, "b")),
    ];
    assert_eq!(Scenario::new(steps).rows(), ["HEAD /a 200 0/0 complete", "GET /b 200 0/1 complete"]);
}

#[test]
fn no_content_and_not_modified_have_no_body() {
    let steps = [
        client("GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\nGET /c HTTP/1.1\r\n\r\n"),
        server("HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n"),
        server("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n"),
        server(response(200, "c")),
    ];
    let expected = ["GET /a 304 0/0 complete", "GET /b 204 0/0 complete", "GET /c 200 0/1 complete"];
    assert_eq!(Scenario::new(steps).rows(), expected);
}

#[test]
fn interim_responses_come_before_the_final_one() {
    let steps = [
        client("POST /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"),
        server("HTTP/1.1 100 Continue\r\n\r\n"),
        client("abc"),
        server("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"),
    ];
    let outcome = Scenario::new(steps).run_every_way();
    assert_eq!(brief(&outcome.rows[0]), "POST /a 201 3/0 complete");
    assert_eq!(field(&outcome.rows[0], "informational"), "100, 103");
    // The body ended at 2 ms, the final response began at 3 ms.
    assert_eq!(field(&outcome.rows[0], "latency"), "1ms");
}

#[test]
fn an_interim_response_is_told_of_a_request_that_was_never_answered() {
    let steps = [
        client("POST /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"),
        server("HTTP/1.1 100 Continue\r\n\r\n"),
        client("abc"),
        server_end(),
    ];
    let outcome = Scenario::new(steps.clone()).run_every_way();
    assert_eq!(brief(&outcome.rows[0]), "POST /a - 3/- partial");
    assert_eq!(field(&outcome.rows[0], "informational"), "100");
    let late = Scenario::new(steps).mid_stream().run();
    assert_eq!(field(&late.rows[0], "informational"), "", "it may have been for a request before the capture");
}

#[test]
fn switching_protocols_ends_parsing() {
    let steps = [
        client("GET /ws HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
        server(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x05hello"),
        client("GET /not HTTP/1.1\r\n\r\n"),
        server(response(200, "not")),
    ];
    let outcome = Scenario::new(steps).run_every_way();
    assert_eq!(outcome.rows.iter().map(brief).collect::<Vec<_>>(), ["GET /ws 101 0/0 complete"]);
    assert!(outcome.done && outcome.before_close == 1);
    assert_eq!(outcome.loss, Loss::default());
}

#[test]
fn an_upgrade_that_is_not_taken_changes_nothing() {
    let steps = [
        client("GET /a HTTP/1.1\r\nUpgrade: h2c\r\n\r\n"),
        server(response(200, "a")),
        client(GET),
        server(response(200, "b")),
    ];
    assert_eq!(Scenario::new(steps).rows(), ["GET /a 200 0/1 complete", "GET /a 200 0/1 complete"]);
}

#[test]
fn connect_ends_parsing_if_it_succeeds() {
    // A client may begin to talk through the tunnel before it knows that there is one.
    let steps = [
        client("CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n\x16\x03\x01GET / HTTP/1.1\r\n\r\n"),
        server("HTTP/1.1 200 Connection established\r\nContent-Length: 5\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"),
        client("GET /in/the/tunnel HTTP/1.1\r\n\r\n"),
    ];
    let outcome = Scenario::new(steps).run_every_way();
    assert_eq!(outcome.rows.iter().map(brief).collect::<Vec<_>>(), ["CONNECT - 200 0/0 complete"]);
    assert!(outcome.done);
    assert_eq!(outcome.loss, Loss::default());
}

#[test]
fn a_refused_connect_is_followed_by_requests() {
    let steps = [
        client("CONNECT b:443 HTTP/1.1\r\n\r\nCONNECT b:443 HTTP/1.1\r\nProxy-Authorization: Basic eDp5\r\n\r\n"),
        server(response(407, "who are you")),
        server("HTTP/1.1 200 OK\r\n\r\n"),
    ];
    let outcome = Scenario::new(steps).run_every_way();
    let expected = ["CONNECT - 407 0/11 complete", "CONNECT - 200 0/0 complete"];
    assert_eq!(outcome.rows.iter().map(brief).collect::<Vec<_>>(), expected);
    assert!(outcome.done);
}

#[test]
fn what_a_gap_hides_after_a_refused_connect_may_be_requests() {
    let steps = [
        client("CONNECT b:443 HTTP/1.1\r\n\r\n"),
        client_gap(50),
        client("GET /b HTTP/1.1\r\n\r\n"),
        server(response(407, "")),
        server(response(200, "")),
        server(response(201, "")),
        client_end(),
        server_end(),
    ];
    let outcome = Scenario::new(steps).run();
    let expected = ["CONNECT - 407 0/0 complete", "- - 200 -/0 partial pairing-uncertain", "- - 201 -/0 partial"];
    assert_eq!(outcome.rows.iter().map(brief).collect::<Vec<_>>(), expected);
}

#[test]
fn interim_responses_are_bounded() {
    let steps = [client(GET), server("HTTP/1.1 103 Early Hints\r\n\r\n".repeat(1000)), server(response(200, ""))];
    let outcome = Scenario::new(steps).run();
    assert_eq!(field(&outcome.rows[0], "informational").split(", ").count(), 32);
}

#[test]
fn transfer_encoding_wins_over_content_length_and_is_told() {
    let both = "Transfer-Encoding: chunked\r\nContent-Length: 50\r\n\r\n";
    let steps = [
        client(format!("POST /a HTTP/1.1\r\n{both}0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n")),
        server(format!("HTTP/1.1 200 OK\r\n{both}2\r\nok\r\n0\r\n\r\n")),
        server(response(404, "")),
    ];
    let flag = "content-length-and-transfer-encoding";
    let expected = [format!("POST /a 200 0/2 complete {flag}"), "GET /smuggled 404 0/0 complete".to_owned()];
    assert_eq!(Scenario::new(steps).rows(), expected);
}

#[test]
fn lengths_that_contradict_each_other_leave_the_end_unknown() {
    for (fields, flag) in [
        ("Content-Length: 3\r\nContent-Length: 4", "differing-content-length"),
        ("Content-Length: 3, 4", "differing-content-length"),
        ("Content-Length: -3", "bad-content-length"),
        ("Content-Length: 3x", "bad-content-length"),
        ("Content-Length:", "bad-content-length"),
        ("Content-Length: 99999999999999999999", "bad-content-length"),
        ("Transfer-Encoding: gzip", "bad-transfer-encoding"),
        ("Transfer-Encoding: chunked, gzip", "bad-transfer-encoding"),
    ] {
        // What follows in the same segment may be a body, so it is no request of its own.
        let request = format!("POST /a HTTP/1.1\r\n{fields}\r\n\r\nGET /b HTTP/1.1\r\n\r\n");
        let outcome = Scenario::new([client(request), server(response(400, ""))]).run();
        let expected = [format!("POST /a 400 0/0 partial {flag}")];
        assert_eq!(outcome.rows.iter().map(brief).collect::<Vec<_>>(), expected, "{fields}");
        assert_eq!(outcome.loss.http_skipped_bytes, 19, "{fields}");
    }
}

#[test]
fn the_same_length_twice_is_one_length() {
    for fields in
        ["Content-Length: 3\r\nContent-Length: 3", "content-length: 3,3", "Content-Length : 3", "CONTENT-LENGTH:\t3 "]
    {
        let request = format!("POST /a HTTP/1.1\r\n{fields}\r\n\r\nabcGET /b HTTP/1.1\r\n\r\n");
        let rows = Scenario::new([client(request), server(response(200, "")), server(response(201, ""))]).rows();
        let flags = if fields.contains(" :") { " malformed-field" } else { "" };
        assert_eq!(
            rows,
            [format!("POST /a 200 3/0 complete{flags}"), "GET /b 201 0/0 complete".to_owned()],
            "{fields}"
        );
    }
}

#[test]
fn folded_fields_count_and_are_told() {
    let steps = [
        client("POST /a HTTP/1.1\r\nContent-Length:\r\n 3\r\nX: one\r\n\ttwo\r\n\r\nabc"),
        server("HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n  chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"),
    ];
    let outcome = Scenario::new(steps).run_every_way();
    assert_eq!(brief(&outcome.rows[0]), "POST /a 200 3/1 complete obs-fold");
    assert_eq!(field(&outcome.rows[0], "request_headers"), "content-length: 3, x: one two");
}

#[test]
fn bare_line_feeds_end_lines_and_are_told() {
    let steps = [
        client("GET /a HTTP/1.1\nHost: h\n\nGET /b HTTP/1.1\nHost: h\n\n"),
        server("HTTP/1.1 200 OK\nContent-Length: 1\n\nxHTTP/1.1 204 No\r\n\n"),
    ];
    assert_eq!(Scenario::new(steps).rows(), ["GET /a 200 0/1 complete bare-lf", "GET /b 204 0/0 complete bare-lf"]);
}

#[test]
fn empty_lines_before_a_start_line_are_passed_over() {
    let steps = [
        client("\r\n\nPOST /a HTTP/1.1\r\nContent-Length: 1\r\n\r\nx\r\nGET /b HTTP/1.1\r\n\r\n\r\n"),
        server("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx\r\n\r\nHTTP/1.0 201 OK\r\nContent-Length: 0\r\n\r\n"),
    ];
    let outcome = Scenario::new(steps).run_every_way();
    let expected = ["POST /a 200 1/1 complete", "GET /b 201 0/0 complete"];
    assert_eq!(outcome.rows.iter().map(brief).collect::<Vec<_>>(), expected);
    assert_eq!(outcome.loss, Loss::default());
}

#[test]
fn a_body_until_close_is_over_when_the_server_ends() {
    let steps = [
        client("GET /a HTTP/1.0\r\n\r\n"),
        server("HTTP/1.0 200 OK\r\n\r\none "),
        server("HTTP/1.1 200 OK\r\n\r\n"),
        server_end(),
    ];
    let outcome = Scenario::new(steps.clone()).run_every_way();
    assert_eq!(outcome.rows.iter().map(brief).collect::<Vec<_>>(), ["GET /a 200 0/23 complete"]);
    assert_eq!(outcome.before_close, 1);
    let without_end = Scenario::new(steps.into_iter().take(3)).run_every_way();
    assert_eq!(without_end.rows.iter().map(brief).collect::<Vec<_>>(), ["GET /a 200 0/23 partial"]);
    assert_eq!(without_end.before_close, 0);
}

#[test]
fn a_start_line_inside_a_body_is_body() {
    let text = "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\nGET /x HTTP/1.1\r\n\r\n";
    let steps = [
        client(format!("POST /a HTTP/1.1\r\nContent-Length: {}\r\n\r\n", text.len())),
        client(text),
        server(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", text.len())),
        server(text),
        client(GET),
        server(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n", text.len())),
        server(text),
        server("\r\n0\r\n\r\n"),
    ];
    assert_eq!(Scenario::new(steps).rows(), ["POST /a 200 59/59 complete", "GET /a 200 0/59 complete"]);
}

#[test]
fn methods_and_targets_of_every_kind_are_requests() {
    for (line, expected) in [
        ("QUERY /a HTTP/1.1", "QUERY /a 200 0/0 complete"),
        ("CCM_POST /a HTTP/1.1", "CCM_POST /a 200 0/0 complete"),
        ("m-search * HTTP/1.1", "m-search * 200 0/0 complete"),
        ("GET http://b/c HTTP/1.0", "GET /c 200 0/0 complete"),
        ("OPTIONS * HTTP/1.1", "OPTIONS * 200 0/0 complete"),
        ("GET /with a blank HTTP/1.1", "GET /with a blank 200 0/0 complete malformed-start-line"),
        ("GET / HTTP/1.", "GET / 200 0/0 complete malformed-start-line"),
    ] {
        let steps = [client(format!("{line}\r\nHost: h\r\n\r\n")), server(response(200, ""))];
        assert_eq!(Scenario::new(steps).rows(), [expected]);
    }
}

#[test]
fn a_response_may_come_before_the_request_is_over() {
    let steps = [
        client("PUT /a HTTP/1.1\r\nContent-Length: 6\r\n\r\nabc"),
        server(response(413, "too much")),
        client("def"),
        client(GET),
        server(response(200, "")),
    ];
    let outcome = Scenario::new(steps).run_every_way();
    let expected = ["PUT /a 413 6/8 complete", "GET /a 200 0/0 complete"];
    assert_eq!(outcome.rows.iter().map(brief).collect::<Vec<_>>(), expected);
    assert_eq!(field(&outcome.rows[0], "latency"), "-", "the answer came before the end of the question");
}

#[test]
fn a_message_that_is_cut_off_is_told_as_far_as_it_goes() {
    let head = "GET /a HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer abc";
    let outcome = Scenario::new([client(head), client_end()]).run_every_way();
    assert_eq!(outcome.rows.iter().map(brief).collect::<Vec<_>>(), ["GET /a - 0/- partial"]);
    assert_eq!(field(&outcome.rows[0], "credential"), "-", "half a token is another token");
    let body = "POST /a HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc";
    assert_eq!(Scenario::new([client(body)]).rows(), ["POST /a - 3/- partial"]);
    let answer = [client(GET), server("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"), server_end()];
    assert_eq!(Scenario::new(answer).rows(), ["GET /a 200 0/3 partial"]);
}

#[test]
fn a_head_over_the_limit_is_cut_and_counted() {
    let request = format!("GET /a HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "x".repeat(100));
    let scenario = Scenario::new([client(request), server(response(431, ""))]).with(|s| s.limits.http_head_bytes = 80);
    let outcome = scenario.run_every_way();
    assert_eq!(outcome.rows.iter().map(brief).collect::<Vec<_>>(), ["GET /a 431 0/0 partial cut-head"]);
    assert_eq!(field(&outcome.rows[0], "host"), "h");
    assert_eq!(outcome.loss.http_cut, 1);
}

#[test]
fn a_head_at_the_limit_is_whole() {
    let request = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";
    let scenario = Scenario::new([client(request), server("HTTP/1.1 204 No\r\n\r\n")]);
    let outcome = scenario.with(|settings| settings.limits.http_head_bytes = request.len()).run_every_way();
    assert_eq!(brief(&outcome.rows[0]), "GET /a 204 0/0 complete");
    assert_eq!(outcome.loss, Loss::default());
}
