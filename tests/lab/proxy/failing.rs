//! Targets that are down, hang, reset, or are behind a firewall: who notices, and what is told of it.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use socket2::SockRef;

use super::rig::{Host, connect};
use crate::support::{needs, until};

const APP: &str = "127.0.0.1:5001";

/// One app with two targets, 127.0.0.1:9001 and 9002, and these settings.
fn app(settings: &str) -> String {
    format!(r#"[#{{ name: "a", ports: [5001], targets: ["127.0.0.1:9001", "127.0.0.1:9002"], {settings} }}]"#)
}

/// These fields of each connection.
fn fields(log: &[Value], names: &[&str]) -> Value {
    let of = |connection: &Value| names.iter().map(|name| connection[name].clone()).collect::<Value>();
    log.iter().map(of).collect()
}

#[test]
fn clients_are_reset_while_all_targets_are_down_and_served_when_one_has_passed_its_checks() {
    needs!("unshare");
    const RISE: usize = 5;
    let host = Host::new();
    let mut proxy = host.proxy(&app(&format!(r#"check: #{{ interval: "50ms", rise: {RISE} }}"#)));
    for target in ["127.0.0.1:9001", "127.0.0.1:9002"] {
        let up = format!(r#"netscript_proxy_target_up{{app="a",target="{target}",address="127.0.0.1"}}"#);
        until("the first check", || (host.metric(&up) == Some(0.0)).then_some(()));
    }
    assert_eq!(host.ask(APP, "/").unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(fields(&host.logged(1), &["end", "target", "tries"]), json!([["no target", null, 0]]));

    let checks = Arc::new(AtomicUsize::new(0));
    let passed = checks.clone();
    let _back = host.server("127.0.0.1:9002", move |mut client| {
        if client.read(&mut [0; 1024]).is_ok_and(|length| length > 0) {
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\nback").unwrap();
        } else {
            passed.fetch_add(1, Ordering::Relaxed);
        }
    });
    let answer = until("the target", || host.ask(APP, "/").ok());
    assert_eq!(answer, "back");
    // It has one client after the other: all checks that were before this client have been counted.
    let checks = checks.load(Ordering::Relaxed);
    assert!(checks >= RISE, "{checks}");
    assert_eq!(proxy.says("again"), "netscript: target 127.0.0.1:9002 of app a is up again");
}

#[test]
fn who_comes_to_a_target_that_never_answers_is_let_go_and_others_are_served() {
    needs!("unshare");
    let host = Host::new();
    let silent = Mutex::new(Vec::new());
    let _silent = host.server("127.0.0.1:9001", move |client| silent.lock().unwrap().push(client));
    let _good = host.target("T2", "127.0.0.1:9002");
    let _proxy = host.proxy(&app(r#"idle_timeout: "1s""#));
    let answers: Vec<_> = thread::scope(|scope| {
        let asking = [(); 4].map(|()| scope.spawn(|| host.ask(APP, "/").map_err(|error| error.kind())));
        asking.map(|asking| asking.join().unwrap()).into()
    });
    for expected in [Ok("T2 /\n".to_owned()), Err(ErrorKind::ConnectionReset)] {
        assert_eq!(answers.iter().filter(|answer| **answer == expected).count(), 2, "{answers:?}");
    }
    let log = host.logged(4);
    let (silent, served): (Vec<_>, Vec<_>) = log.into_iter().partition(|one| one["target"] == "127.0.0.1:9001");
    let ends = fields(&silent, &["end", "tries", "bytes_to_client"]);
    assert_eq!(ends, json!([["idle timeout", 1, 0], ["idle timeout", 1, 0]]));
    assert!(silent.iter().all(|one| one["duration"].as_f64() >= Some(1.0)), "{silent:?}");
    assert!(served.iter().all(|one| one["end"] == "target closed"), "{served:?}");
}

#[test]
fn a_reset_behind_ten_bytes_comes_behind_these_bytes() {
    needs!("unshare");
    let host = Host::new();
    let _rude = host.server("127.0.0.1:9001", |mut client: TcpStream| {
        // One that only checks says nothing.
        if client.read(&mut [0; 1024]).is_ok_and(|length| length > 0) {
            client.write_all(b"0123456789").unwrap();
            SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
        }
    });
    let _proxy = host.proxy(r#"[#{ name: "a", ports: [5001], targets: ["127.0.0.1:9001"] }]"#);
    let mut client = host.inside(|| connect(APP)).unwrap();
    client.write_all(b"hello").unwrap();
    let mut answer = Vec::new();
    assert_eq!(client.read_to_end(&mut answer).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(answer, b"0123456789");
    let ends = fields(&host.logged(1), &["end", "tries", "bytes_to_target", "bytes_to_client"]);
    assert_eq!(ends, json!([["target reset", 1, 5, 10]]));
}

#[test]
fn behind_a_target_that_a_firewall_hides_comes_the_next_one() {
    needs!("unshare", "nft");
    let host = Host::new();
    let _targets = [host.target("T1", "127.0.0.1:9001"), host.target("T2", "127.0.0.1:9002")];
    let input = "chain input { type filter hook input priority 0; tcp dport 9001 tcp flags syn drop; };";
    host.netns.nft(&format!("table inet firewall {{ {input} }};"));
    let mut proxy = host.proxy(&app(r#"check: false, connect_timeout: "300ms", passive: #{ fall: 2, retry: "1h" }"#));
    assert_eq!(host.answers(APP, 4), ["T2"; 4]);
    assert_eq!(proxy.says("down"), "netscript: target 127.0.0.1:9001 of app a is down: no answer in time");
    let log = host.logged(4);
    assert_eq!(fields(&log, &["tries"]), json!([[2], [2], [1], [1]]));
    assert!(log[..2].iter().all(|one| one["duration"].as_f64() >= Some(0.3)), "{log:?}");
}

#[test]
fn where_nothing_checks_failures_in_a_row_take_a_target_out_for_a_while() {
    needs!("unshare");
    const RETRY: Duration = Duration::from_secs(1);
    let host = Host::new();
    let _second = host.target("T2", "127.0.0.1:9002");
    let mut proxy = host.proxy(&app(r#"check: false, passive: #{ fall: 2, retry: "1s" }"#));
    assert_eq!(host.answers(APP, 1), ["T2"]);
    let begin = Instant::now();
    assert_eq!(host.answers(APP, 2), ["T2", "T2"]);
    assert_eq!(proxy.says("down"), "netscript: target 127.0.0.1:9001 of app a is down: connection refused");
    let _first = host.target("T1", "127.0.0.1:9001");
    until("the target", || (host.answers(APP, 1) == ["T1"]).then_some(()));
    assert!(begin.elapsed() >= RETRY);
    assert_eq!(proxy.says("again"), "netscript: target 127.0.0.1:9001 of app a is up again");
    // Nobody is sent there in vain meanwhile.
    let tries: Vec<_> = host.logged(4).iter().map(|one| one["tries"].as_u64().unwrap()).collect();
    assert_eq!(tries[..3], [2, 2, 1]);
    assert!(tries[3..].iter().all(|&tries| tries == 1), "{tries:?}");
    assert_eq!(host.answers(APP, 4).iter().filter(|name| *name == "T1").count(), 2);
}
