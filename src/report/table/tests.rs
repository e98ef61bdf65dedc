//! What a person sees, line by line.

use std::io;

use crate::limits::Loss;
use crate::record::{Duration, Row, Time, Value};
use crate::report::sample::{Exchange, START, exchange, finding, hop, outcome, rendered, statuses, table};
use crate::report::visible::width;
use crate::report::{Chart, Finding, Format, Outcome, Renderer, Severity, Style, Verdict};

fn at(width: usize, tell: impl FnOnce(&mut dyn Renderer) -> io::Result<()>) -> String {
    rendered(Format::Table, Style { width: Some(width), ..Style::default() }, tell)
}

fn piped(tell: impl FnOnce(&mut dyn Renderer) -> io::Result<()>) -> String {
    rendered(Format::Table, Style::default(), tell)
}

fn exchanges(count: u16) -> Vec<Row> {
    (0..count).map(exchange).collect()
}

#[test]
fn a_wide_terminal_shows_everything_and_says_the_day_once() {
    assert_eq!(
        at(120, |to| table(to, &[], &exchanges(2))),
        "2026-11-20 UTC\n\
         time             client:port      method  host         path       status  latency  credential\n\
         17:02:00.123456  192.0.2.1:51230  GET     api.example  /orders/0     401    1.5ms  Bearer 3f2a\n\
         17:02:01.123456  192.0.2.1:51231  POST    api.example  /orders/1     200   11.5ms  Bearer 3f2a\n"
    );
}

#[test]
fn eighty_columns_cut_what_can_be_cut() {
    assert_eq!(
        at(80, |to| table(to, &[], &exchanges(2))),
        "2026-11-20 UTC\n\
         time     client:port     method host        path      status latency credential\n\
         17:02:00 192.0.2.1:51230 GET    api.example /orders/0    401   1.5ms Bearer 3f2a\n\
         17:02:01 192.0.2.1:51231 POST   api.example /orders/1    200  11.5ms Bearer 3f2a\n"
    );
}

#[test]
fn forty_columns_leave_columns_out_and_say_which() {
    assert_eq!(
        at(40, |to| table(to, &[], &exchanges(2))),
        "2026-11-20 UTC\n\
         time     client:port     method host\n\
         17:02:00 192.0.2.1:51230 GET    api.exa…\n\
         17:02:01 192.0.2.1:51231 POST   api.exa…\n\
         (no room for path, status, latency, cre…\n"
    );
}

#[test]
fn a_pipe_gets_every_value_whole_and_as_it_is_named() {
    assert_eq!(
        piped(|to| table(to, &["time", "client", "client_port", "latency", "bytes", "no"], &exchanges(1))),
        "time                            client     client_port  latency  bytes  no\n\
         2026-11-20T17:02:00.123456789Z  192.0.2.1        51230    1.5ms   4380  -\n"
    );
}

#[test]
fn an_empty_table_says_that_it_is_empty() {
    assert_eq!(at(80, |to| table(to, &[], &[])), "(no rows)\n");
    assert_eq!(piped(|to| table(to, &["host"], &[])), "(no rows)\n");
}

#[test]
fn nothing_that_was_on_the_wire_steers_the_terminal() {
    let hostile = || Exchange::hostile().row();
    let output = at(100, |to| {
        table(to, &["host", "path", "body"], &[hostile()])?;
        to.value(&Value::Record(hostile()))?;
        to.text("printed \x1b[31m\u{202e}\ttab")?;
        to.note("a\u{9b}b")?;
        to.finding(&Finding { title: "t\x07".to_owned(), subject: "s\x1b".to_owned(), ..finding(vec![]) })
    });
    assert!(
        output.starts_with(
            "host                    path                                            body\n\
             \\x1b[2Jevil\\u{202e}moc  /a|b`c`<script>alert(1)</script>\\n,\"@team\"&]]>  base64:/wAb\n"
        ),
        "{output}"
    );
    assert!(output.contains("printed \\x1b[31m\\u{202e}\ttab\n"));
    assert!(!output.contains(|c: char| c.is_control() && c != '\n' && c != '\t'));
    assert!(!output.contains('\u{202e}'));
}

#[test]
fn no_row_is_wider_than_the_terminal_whatever_is_in_it() {
    let mut rows = exchanges(3);
    let wide = "日本語の長いパス/".repeat(20);
    rows.push(Exchange { path: wide.clone(), host: Some(wide), bytes: u64::MAX, ..Exchange::new(3) }.row());
    rows.push(Exchange { client: "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff".parse().unwrap(), ..Exchange::new(4) }.row());
    rows.push(Exchange::hostile().row());
    rows.push(hop(1));
    for columns in [&[][..], &["path", "bytes", "client", "body", "request_headers", "host", "time"]] {
        for terminal in 1..160 {
            // Once with all rows known in advance, once with widths fixed by the first three.
            for flushed in [false, true] {
                let output = at(terminal, |to| {
                    to.begin_table(&columns.iter().map(|&c| c.to_owned()).collect::<Vec<_>>())?;
                    for (i, row) in rows.iter().enumerate() {
                        if i == 3 && flushed {
                            to.flush()?;
                        }
                        to.row(row)?;
                    }
                    to.end_table()
                });
                for line in output.lines() {
                    assert!(width(line) <= terminal, "{terminal}: {line}");
                }
            }
        }
    }
}

#[test]
fn wide_characters_keep_the_columns_aligned() {
    let rows = [
        Exchange { host: Some("日本".to_owned()), ..Exchange::new(0) }.row(),
        Exchange { host: Some("api".to_owned()), ..Exchange::new(1) }.row(),
    ];
    assert_eq!(
        at(80, |to| table(to, &["host", "path"], &rows)),
        "host  path\n\
         日本  /orders/0\n\
         api   /orders/1\n"
    );
}

#[test]
fn widths_stand_after_fifty_rows_and_a_wider_number_is_still_seen_whole() {
    let mut rows = exchanges(50);
    rows.push(Exchange { bytes: 1_234_567_890, path: "/a/much/longer/path".to_owned(), ..Exchange::new(50) }.row());
    rows.push(exchange(51));
    let output = at(30, |to| table(to, &["path", "bytes", "method"], &rows));
    let lines: Vec<_> = output.lines().collect();
    assert_eq!(
        lines[49..],
        [
            "/orders/48  4,380  GET",
            "/orders/49  4,380  POST",
            "/a/muc…  1,234,567,890  GET",
            "/order…          4,380  POST",
        ]
    );
    let output = piped(|to| table(to, &["path", "bytes", "method"], &rows));
    let lines: Vec<_> = output.lines().collect();
    assert_eq!(
        lines[50..],
        ["/orders/49   4380  POST", "/a/much/longer/path  1234567890  GET", "/orders/51   4380  POST"]
    );
}

#[test]
fn rows_wait_for_company_until_they_are_flushed() {
    let output = at(80, |to| {
        to.begin_table(&["path".to_owned()])?;
        to.row(&exchange(0))?;
        to.flush()?;
        to.row(&exchange(1))
    });
    assert_eq!(output, "path\n/orders/0\n/orders/1\n");
    let held = crate::report::sample::Shared::default();
    let mut renderer = Format::Table.renderer(Box::new(held.clone()), Style { width: Some(80), ..Style::default() });
    renderer.begin_table(&[]).unwrap();
    renderer.row(&exchange(0)).unwrap();
    assert_eq!(held.text(), "");
}

#[test]
fn another_day_is_said_when_it_comes() {
    const DAY: i64 = 86_400_000_000_000;
    let late = Exchange { time: Time::from_nanos(START + DAY), ..Exchange::new(1) }.row();
    let output = at(80, |to| {
        to.begin_table(&["time".to_owned(), "path".to_owned()])?;
        to.row(&exchange(0))?;
        to.flush()?;
        to.row(&late)?;
        to.end_table()
    });
    assert_eq!(
        output,
        "2026-11-20 UTC\n\
         time             path\n\
         17:02:00.123456  /orders/0\n\
         2026-11-21 UTC\n\
         17:02:00.123456  /orders/1\n"
    );
    // Rows of several days that are known in advance have their date.
    assert_eq!(
        at(80, |to| table(to, &["time", "path"], &[exchange(0), late])),
        "time                         path\n\
         2026-11-20 17:02:00.123456Z  /orders/0\n\
         2026-11-21 17:02:00.123456Z  /orders/1\n"
    );
}

#[test]
fn whole_seconds_are_written_without_a_fraction() {
    let rows: Vec<_> = (0..2)
        .map(|i| Exchange { time: Time::from_nanos((1_795_194_120 + i) * 1_000_000_000), ..Exchange::new(0) }.row())
        .collect();
    assert_eq!(
        at(80, |to| table(to, &["time", "status"], &rows)),
        "2026-11-20 UTC\ntime      status\n17:02:00     401\n17:02:01     401\n"
    );
}

#[test]
fn another_kind_of_row_gets_a_header_of_its_own() {
    assert_eq!(
        at(80, |to| table(to, &[], &[hop(1), hop(2), Exchange::hostile().row(), hop(3)])),
        "ttl  address      rtts\n  1  192.0.2.101  1.5ms, 2ms\n  2  -            1.5ms, 2ms\n\n\
         2026-11-20 UTC\n\
         time          client:port      method  host                  path\n\
         17:02:00.123  192.0.2.1:51230  GET     \\x1b[2Jevil\\u{202e}…  /a|b`c`<script>ale…\n\n\
         ttl  address      rtts\n  3  192.0.2.103  1.5ms, 2ms\n"
    );
}

#[test]
fn a_record_is_a_card_with_a_line_for_each_value() {
    let record = Exchange { host: None, body: b"{\n\t\"a\": 1\n}\n".to_vec(), ..Exchange::new(0) };
    assert_eq!(
        at(80, |to| to.value(&Value::Record(record.row()))),
        "time                    2026-11-20T17:02:00.123456789Z\n\
         client                  192.0.2.1\n\
         client_port             51230\n\
         method                  GET\n\
         path                    /orders/0\n\
         status                  401\n\
         latency                 1.5ms\n\
         credential.scheme       Bearer\n\
         credential.fingerprint  3f2a\n\
         bytes                   4,380\n\
         request_headers\n  \
           User-Agent            curl/8.5\n  \
           X.Dotted              yes\n  \
           Accept                text/html\n  \
           Accept                */*\n\
         body\n  \
           {\n      \
               \"a\": 1\n  \
           }\n"
    );
}

#[test]
fn a_long_body_is_cut_at_a_terminal_and_whole_in_a_pipe() {
    let body: Vec<u8> = (0..30).flat_map(|i| format!("line {i}\n").into_bytes()).collect();
    let record = || Value::Record(Exchange { body: body.clone(), ..Exchange::new(0) }.row());
    let output = at(80, |to| to.value(&record()));
    assert!(output.ends_with("  line 19\n  (and 10 more lines, 230 bytes in all)\n"), "{output}");
    assert!(piped(|to| to.value(&record())).ends_with("  line 28\n  line 29\n"));
    let record = || Value::Record(Exchange { body: vec![b'x'; 5000], ..Exchange::new(0) }.row());
    let output = at(80, |to| to.value(&record()));
    assert!(output.ends_with("xxx…\n  (5,000 bytes in all)\n"), "{output}");
    assert!(piped(|to| to.value(&record())).ends_with("xxx\n"));
}

#[test]
fn single_values_stand_on_a_line() {
    let output = at(80, |to| {
        to.value(&Value::None)?;
        to.value(&Value::Integer(42))?;
        to.value(&Value::from("two\nlines"))?;
        to.value(&Value::Duration(Duration::from_nanos(1_500_000)))?;
        to.value(&Value::Map(vec![("a".into(), Value::Integer(1)), ("bc".into(), Value::from("x"))]))
    });
    assert_eq!(output, "42\ntwo\nlines\n1.5ms\na   1\nbc  x\n");
}

#[test]
fn a_run_reads_from_top_to_bottom() {
    let output = at(60, |to| {
        to.text("looking")?;
        table(to, &["path"], &[exchange(0)])?;
        to.finding(&finding((0..12).map(|i| Value::Record(hop(i * 4 + 1))).collect()))?;
        to.finding(&Finding { severity: Severity::Low, ..finding(vec![Value::from("seen\ntwice")]) })?;
        to.pass("no password was sent in the clear to any server of this network")?;
        to.note("done")?;
        let loss = Loss { dropped: 812, ..Loss::default() };
        let reasons = vec!["812 packets dropped by the kernel or the interface".to_owned()];
        to.finish(&Outcome { reasons, loss, ..outcome(Verdict::Finding) })
    });
    assert_eq!(
        output,
        "looking\n\
         path\n\
         /orders/0\n\
         \n\
         HIGH  192.0.2.1 still sends a rejected credential\n  \
           expired-credential: 192.0.2.1\n  \
           ttl  address      rtts\n    \
             1  192.0.2.101  1.5ms, 2ms\n    \
             5  192.0.2.105  1.5ms, 2ms\n    \
             9  192.0.2.109  1.5ms, 2ms\n   \
            13  192.0.2.113  1.5ms, 2ms\n   \
            17  192.0.2.117  1.5ms, 2ms\n   \
            21  192.0.2.121  1.5ms, 2ms\n   \
            25  192.0.2.125  1.5ms, 2ms\n   \
            29  192.0.2.129  1.5ms, 2ms\n   \
            33  192.0.2.133  1.5ms, 2ms\n   \
            37  192.0.2.137  1.5ms, 2ms\n  \
           and 2 more\n\
         \n\
         LOW  192.0.2.1 still sends a rejected credential\n  \
           expired-credential: 192.0.2.1\n  \
           seen\\ntwice\n\
         \n\
         pass  no password was sent in the clear to any server of\n      \
               this network\n\
         note  done\n\
         \n\
         FINDING  2 findings\n  \
           812 packets dropped by the kernel or the interface\n"
    );
}

#[test]
fn what_is_said_while_rows_come_stands_between_them() {
    let output = at(80, |to| {
        to.begin_table(&["path".to_owned()])?;
        to.row(&exchange(0))?;
        to.text("aside")?;
        to.row(&exchange(1))?;
        to.finding(&finding(vec![]))?;
        to.row(&exchange(2))?;
        to.end_table()
    });
    assert_eq!(
        output,
        "path\n/orders/0\n\naside\n/orders/1\n\n\
         HIGH  192.0.2.1 still sends a rejected credential\n  expired-credential: 192.0.2.1\n\n\
         path\n/orders/2\n"
    );
}

#[test]
fn each_verdict_has_its_words_and_eval_has_none() {
    for (verdict, words) in [
        (Verdict::Clean, "CLEAN  nothing found\n"),
        (Verdict::Finding, "FINDING  0 findings\n"),
        (Verdict::Inconclusive, "INCONCLUSIVE  could not see enough to tell\n"),
        (Verdict::Error, "ERROR  could not run\n"),
    ] {
        assert_eq!(at(80, |to| to.finish(&outcome(verdict))), words);
    }
    let eval = Style { eval: true, ..Style::default() };
    assert_eq!(rendered(Format::Table, eval, |to| to.finish(&outcome(Verdict::Clean))), "");
}

#[test]
fn colours_are_used_only_when_asked_for() {
    let style = Style { color: true, width: Some(80), ..Style::default() };
    let tell = |to: &mut dyn Renderer| {
        table(to, &["host", "status"], &[Exchange { status: None, ..Exchange::new(0) }.row()])?;
        to.finish(&outcome(Verdict::Clean))
    };
    assert_eq!(
        rendered(Format::Table, style, tell),
        "\x1b[1mhost         status\x1b[0m\napi.example  \x1b[2m-\x1b[0m\n\n\x1b[1;32mCLEAN\x1b[0m  nothing found\n"
    );
    assert!(!at(80, tell).contains('\x1b'));
}

#[test]
fn names_are_drawn_as_bars() {
    assert_eq!(
        at(40, |to| to.chart(&statuses())),
        "responses by status (responses)\n\
         200  ████████████████████████████  1,204\n\
         401  ███████                         301\n\
         500  ▏                                 1\n"
    );
}

#[test]
fn points_in_time_are_drawn_as_a_plot() {
    let values = [0.0, 1.0, 2.0, 4.0, 8.0, 12.0, 9.0, 3.0, 0.5, f64::NAN];
    let points = values.iter().enumerate().map(|(i, &value)| (format!("17:0{i}"), value)).collect();
    let chart = Chart { title: "rate".to_owned(), unit: String::new(), over_time: true, points };
    assert_eq!(
        at(24, |to| to.chart(&chart)),
        "rate
12           ██
             ██▄▄
           ██████
           ██████
         ████████▄▄
 0   ▄▄████████████▂▂
   17:00          17:09
"
    );
    // More points than columns: the peak stays.
    assert!(at(8, |to| to.chart(&chart)).contains("12 "));
    let empty = Chart { points: Vec::new(), ..chart };
    assert_eq!(at(24, |to| to.chart(&empty)), "rate\n(no values)\n");
}
