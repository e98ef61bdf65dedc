//! Traces over chains of real routers: the verdict and the hop that blocks are right, with both probers, every time.

use std::net::IpAddr;

use netscript::capture::Cancel;
use netscript::record::{Record, Value};
use netscript::trace::{Method, Plan, Protocol, Request, Trace, trace};

use crate::program::{Ended, Folder, run};
use crate::support::chain::{BESIDE, CLOSED, Chain, FILTERED, OPEN, OTHER_TARGET, TARGET, TARGET6};
use crate::support::{Netns, Running, needs, until};

const PROBERS: [Method; 2] = [Method::Connect, Method::HalfOpen];

/// What a trace is to say.
struct Expected {
    verdict: &'static str,
    blocked_at: Option<IpAddr>,
    /// Who answers at each hop, none for silence.
    hops: Vec<Option<IpAddr>>,
}

impl Expected {
    fn new(verdict: &'static str, blocked_at: Option<IpAddr>, hops: impl IntoIterator<Item = IpAddr>) -> Self {
        Self { verdict, blocked_at, hops: hops.into_iter().map(Some).collect() }
    }

    fn check(&self, trace: &Trace, context: &str) {
        let context = format!("{context}: {trace:#?}");
        assert_eq!(trace.conclusion().verdict.name(), self.verdict, "{context}");
        let blocked_at = trace.blocked_at().map(|hop| hop.addresses()[0]);
        assert_eq!(blocked_at, self.blocked_at, "{context}");
        let hops: Vec<_> = trace.hops().iter().map(|hop| hop.addresses().first().copied()).collect();
        assert_eq!(hops, self.hops, "{context}");
    }
}

fn request(chain: &Chain, host: IpAddr, port: u16, method: Method) -> Request {
    Request { place: Some((chain.namespace(), "chain".into())), method, ..Request::new(host.to_string(), port) }
}

fn traced(request: &Request) -> Trace {
    let cancel = Cancel::new().unwrap();
    trace(request, cancel.as_fd()).unwrap()
}

/// Traces with both probers, each once and then a hundred times, of which many run at the same time.
fn always(chain: &Chain, host: IpAddr, port: u16, expected: &Expected) {
    for method in PROBERS {
        let request = request(chain, host, port, method);
        expected.check(&traced(&request), &format!("{host}:{port}, {method:?}"));
        std::thread::scope(|scope| {
            for thread in 0..20 {
                let request = &request;
                scope.spawn(move || {
                    for run in 0..5 {
                        expected.check(&traced(request), &format!("{host}:{port}, {method:?}, run {thread}.{run}"));
                    }
                });
            }
        });
    }
}

fn routers(hops: impl IntoIterator<Item = usize>) -> Vec<IpAddr> {
    hops.into_iter().map(Chain::address).collect()
}

fn routers6(hops: impl IntoIterator<Item = usize>) -> Vec<IpAddr> {
    hops.into_iter().map(Chain::address6).collect()
}

#[test]
fn open_closed_and_filtered_ports_are_told_apart() {
    needs!("nft");
    let chain = Chain::new(5);
    chain.filter(5, "input", &format!("tcp dport {FILTERED} drop"));
    let way = |end: IpAddr| routers(1..5).into_iter().chain([end]);
    let way6 = |end: IpAddr| routers6(1..5).into_iter().chain([end]);
    always(&chain, TARGET, OPEN, &Expected::new("open", None, way(TARGET)));
    always(&chain, TARGET, CLOSED, &Expected::new("closed", None, way(TARGET)));
    always(&chain, TARGET6, OPEN, &Expected::new("open", None, way6(TARGET6)));
    always(&chain, TARGET6, CLOSED, &Expected::new("closed", None, way6(TARGET6)));
    let mut filtered = Expected::new("filtered", Some(Chain::address(4)), routers(1..5));
    filtered.hops.push(None);
    always(&chain, TARGET, FILTERED, &filtered);
    let mut filtered = Expected::new("filtered", Some(Chain::address6(4)), routers6(1..5));
    filtered.hops.push(None);
    always(&chain, TARGET6, FILTERED, &filtered);
}

#[test]
fn whoever_prohibits_is_named() {
    needs!("nft");
    let chain = Chain::new(6);
    let prohibit = format!("tcp dport {FILTERED} reject with icmpx admin-prohibited");
    chain.filter(3, "forward", &format!("{prohibit}; tcp dport {CLOSED} reject with icmpx no-route"));
    let way = || routers(1..=3).into_iter().chain([Chain::address(3)]);
    let way6 = || routers6(1..=3).into_iter().chain([Chain::address6(3)]);
    always(&chain, TARGET, FILTERED, &Expected::new("prohibited", Some(Chain::address(3)), way()));
    always(&chain, TARGET6, FILTERED, &Expected::new("prohibited", Some(Chain::address6(3)), way6()));
    always(&chain, TARGET, CLOSED, &Expected::new("unreachable", Some(Chain::address(3)), way()));
    always(&chain, TARGET6, CLOSED, &Expected::new("unreachable", Some(Chain::address6(3)), way6()));
}

#[test]
fn the_last_hop_before_the_silence_is_named() {
    needs!("nft");
    let chain = Chain::new(6);
    chain.filter(3, "forward", &format!("tcp dport {FILTERED} drop"));
    let mut expected = Expected::new("filtered", Some(Chain::address(3)), routers(1..=3));
    expected.hops.push(None);
    always(&chain, TARGET, FILTERED, &expected);
}

#[test]
fn silent_hops_do_not_hide_what_is_behind_them() {
    needs!("nft");
    let chain = Chain::new(20);
    for hop in [3, 7, 8, 12, 15] {
        chain.silence(hop);
    }
    let mut expected = Expected::new("open", None, routers(1..20).into_iter().chain([TARGET]));
    for hop in [3, 7, 8, 12, 15] {
        expected.hops[hop - 1] = None;
    }
    always(&chain, TARGET, OPEN, &expected);
    for method in PROBERS {
        let trace = traced(&request(&chain, TARGET, OPEN, method));
        // 60 ms, and what a busy machine adds to it.
        assert!(trace.duration().as_secs_f64() < 0.5, "{}", trace.duration());
    }
}

#[test]
fn thirty_silent_hops_take_one_timeout() {
    needs!("nft");
    let chain = Chain::new(30);
    for hop in 1..30 {
        chain.silence(hop);
    }
    chain.filter(29, "forward", "drop");
    for method in PROBERS {
        let trace = traced(&request(&chain, TARGET, OPEN, method));
        // One second, and what a busy machine adds to it.
        assert!(trace.duration().as_secs_f64() < 1.5, "{}", trace.duration());
        Expected { verdict: "filtered", blocked_at: None, hops: vec![None] }.check(&trace, "silence");
    }
}

#[test]
fn thirty_hops_are_traced_to_their_end() {
    needs!("nft");
    let chain = Chain::new(30);
    let expected = Expected::new("open", None, routers(1..30).into_iter().chain([TARGET]));
    always(&chain, TARGET, OPEN, &expected);
    let mut request = request(&chain, TARGET, OPEN, Method::Auto);
    request.plan.last = 20;
    Expected::new("inconclusive", None, routers(1..=20)).check(&traced(&request), "too short");
}

#[test]
fn a_route_that_is_a_circle_is_unreachable() {
    needs!();
    let chain = Chain::new(6);
    chain.turn_back(4);
    let circle = |from: usize, first: IpAddr, second: IpAddr| {
        (from..=30).map(move |ttl| if (ttl - from).is_multiple_of(2) { first } else { second })
    };
    let way = routers(1..3).into_iter().chain(circle(3, Chain::address(3), Chain::address(4)));
    always(&chain, TARGET, OPEN, &Expected::new("unreachable", Some(Chain::address(3)), way));
    // Over IPv6 a router answers from the interface that the packet came in by: hop 3 has another address on the way back.
    let way = routers6(1..4).into_iter().chain(circle(4, Chain::address6(4), Chain::near_address6(4)));
    always(&chain, TARGET6, OPEN, &Expected::new("unreachable", Some(Chain::address6(4)), way));
}

#[test]
fn a_black_hole_for_large_packets_does_not_stop_a_handshake() {
    needs!("nft");
    let chain = Chain::new(4);
    chain.hop(2).ip("link set right mtu 1280");
    chain.filter(2, "output", "icmp type destination-unreachable drop; icmpv6 type packet-too-big drop");
    always(&chain, TARGET, OPEN, &Expected::new("open", None, routers(1..4).into_iter().chain([TARGET])));
}

#[test]
fn a_translated_destination_is_noticed_and_is_not_the_target() {
    needs!("nft");
    let chain = Chain::new(6);
    chain.hop(3).nft(&format!(
        "table ip translation {{ chain pre {{ type nat hook prerouting priority -100;
            ip daddr {TARGET} tcp dport 80 dnat to {OTHER_TARGET}:{OPEN};
            ip daddr {TARGET} tcp dport {FILTERED} dnat to {OTHER_TARGET}:{FILTERED}; }}; }};"
    ));
    chain.filter(5, "forward", &format!("tcp dport {FILTERED} drop"));
    // Behind the translation every hop answers in the name of the target.
    let way: Vec<_> = routers(1..3).into_iter().chain([TARGET; 4]).collect();
    always(&chain, TARGET, 80, &Expected::new("open", None, way.clone()));
    for method in PROBERS {
        let trace = traced(&request(&chain, TARGET, 80, method));
        let Some(Value::Text(said)) = trace.get("translation") else { panic!("{trace:#?}") };
        assert!(said.starts_with("at or before hop 3: "), "{said}");
    }
    let mut expected = Expected::new("filtered", Some(TARGET), way.into_iter().take(5));
    expected.hops.push(None);
    always(&chain, TARGET, FILTERED, &expected);
}

#[test]
fn two_equal_paths_are_both_seen() {
    needs!("nft");
    let chain = Chain::new(5);
    let _beside = chain.double(3);
    for method in PROBERS {
        let mut request = request(&chain, TARGET, OPEN, method);
        request.plan.probes = 10;
        let traces: Vec<_> = (0..100).map(|_| traced(&request)).collect();
        for trace in &traces {
            assert_eq!(trace.conclusion().verdict.name(), "open", "{trace:#?}");
            assert!(trace.blocked_at().is_none());
            let seen = trace.hops()[2].addresses();
            assert!(seen.iter().all(|address| [Chain::address(3), IpAddr::V4(BESIDE)].contains(address)), "{seen:?}");
        }
        // Ten flows that all go the same way are one case in five hundred.
        let both = traces.iter().filter(|trace| trace.hops()[2].addresses().len() == 2).count();
        assert!(both > 90, "{both}");
    }
}

#[test]
fn probes_leave_from_where_they_are_told_to() {
    needs!("nft");
    let chain = Chain::new(3);
    chain.source().ip("address add 192.0.2.77/32 dev lo");
    for hop in 1..=3 {
        let back = if hop == 1 { "198.51.100.5".to_owned() } else { Chain::near_address(hop).to_string() };
        chain.hop(hop).ip(&format!("route add 192.0.2.77/32 via {back}"));
    }
    let expected = Expected::new("open", None, routers(1..3).into_iter().chain([TARGET]));
    for method in PROBERS {
        let source = Some("192.0.2.77".parse().unwrap());
        let from = Request { source, interface: Some("right".into()), ..request(&chain, TARGET, OPEN, method) };
        let trace = traced(&from);
        expected.check(&trace, &format!("{method:?}"));
        assert_eq!(trace.get("source").unwrap().to_string(), "192.0.2.77");
        // Nothing comes back from an interface that leads nowhere.
        let nowhere = Request { interface: Some("lo".into()), ..request(&chain, TARGET, OPEN, method) };
        assert_eq!(traced(&nowhere).conclusion().verdict.name(), "filtered");
    }
}

#[test]
fn udp_and_echo_tell_what_they_can() {
    needs!("nft");
    let chain = Chain::new(4);
    chain.filter(4, "input", &format!("udp dport {FILTERED} drop"));
    let traced = |protocol, host, port| {
        traced(&Request { protocol, method: Method::Auto, ..request(&chain, host, port, Method::Auto) })
    };
    let way = || routers(1..4).into_iter().chain([TARGET]);
    let way6 = || routers6(1..4).into_iter().chain([TARGET6]);
    Expected::new("closed", None, way()).check(&traced(Protocol::Udp, TARGET, CLOSED), "UDP");
    Expected::new("closed", None, way6()).check(&traced(Protocol::Udp, TARGET6, CLOSED), "UDP over IPv6");
    let silent = traced(Protocol::Udp, TARGET, FILTERED);
    assert_eq!(silent.conclusion().verdict.name(), "inconclusive", "{silent:#?}");
    Expected::new("open", None, way()).check(&traced(Protocol::Icmp, TARGET, 0), "echo");
    Expected::new("open", None, way6()).check(&traced(Protocol::Icmp, TARGET6, 0), "echo over IPv6");
    // Without privilege, where the administrator lets everybody.
    let everybody = "echo '0 2147483647' > /proc/sys/net/ipv4/ping_group_range";
    assert!(chain.source().command("sh").args(["-c", everybody]).status().unwrap().success());
    let echo = traced(Protocol::Icmp, TARGET, 0);
    assert_eq!(echo.prober(), "echo");
    Expected::new("open", None, way()).check(&echo, "unprivileged echo");
    Expected::new("open", None, way6()).check(&traced(Protocol::Icmp, TARGET6, 0), "unprivileged echo over IPv6");
}

#[test]
fn late_answers_are_waited_for() {
    needs!("python3");
    for (delay, jitter) in [("50", "0"), ("150", "0"), ("450", "0"), ("40", "30")] {
        let chain = Chain::with_slow_link(6, Some((3, &[delay, jitter])));
        let expected = Expected::new("open", None, routers(1..6).into_iter().chain([TARGET]));
        for method in PROBERS {
            let trace = traced(&request(&chain, TARGET, OPEN, method));
            expected.check(&trace, &format!("{delay} ms, {jitter} ms"));
        }
    }
}

#[test]
fn what_is_lost_once_is_asked_again() {
    needs!("python3");
    for every in ["2", "3", "5"] {
        let chain = Chain::with_slow_link(6, Some((3, &["1", "0", every])));
        let expected = Expected::new("open", None, routers(1..6).into_iter().chain([TARGET]));
        for method in PROBERS {
            let request =
                Request { plan: Plan { probes: 8, ..Plan::default() }, ..request(&chain, TARGET, OPEN, method) };
            expected.check(&traced(&request), &format!("every {every}"));
        }
    }
}

#[test]
fn routers_that_answer_rarely_are_found() {
    needs!("nft");
    let expected = Expected::new("open", None, routers(1..6).into_iter().chain([TARGET]));
    for method in PROBERS {
        // Routers of its own, which have not answered anybody before.
        let chain = Chain::new(6);
        for hop in 1..6 {
            let rarely = "icmp type time-exceeded limit rate 10/second burst 1 packets accept";
            chain.filter(hop, "output", &format!("{rarely}; icmp type time-exceeded drop"));
        }
        expected.check(&traced(&request(&chain, TARGET, OPEN, method)), "rate limited");
    }
}

#[test]
fn thousands_of_traces_leave_nothing() {
    needs!();
    let chain = Chain::new(3);
    for prober in ["connect", "half-open"] {
        let script = format!(
            "for i in 0..1000 {{
                let t = traceroute(\"{TARGET}\", {OPEN}, #{{ prober: \"{prober}\" }});
                if t.verdict != \"open\" {{ throw t.reason }}
            }}"
        );
        let folder = Folder::with("thousand.rhai", script);
        // A socket that stays is one of few.
        let limited = "ulimit -n 100; exec \"$0\" run thousand.rhai";
        let mut command = chain.source().command("sh");
        command.current_dir(folder.path("")).args(["-c", limited, crate::program::NETSCRIPT]);
        let ended = run(&mut command);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.peak < 64 << 20, "{} bytes", ended.peak);
    }
    for netns in [chain.source(), chain.target()] {
        let connections = || {
            let table = run(netns.command("cat").arg("/proc/net/tcp")).stdout;
            table.lines().skip(1).filter(|line| line.split_whitespace().nth(3) != Some("0A")).count()
        };
        // The last one is accepted, and closed, in its own time.
        until("connections to end", || (connections() == 0).then_some(()));
    }
}

#[test]
fn nobody_needs_a_privilege() {
    needs!("nft", "setpriv");
    let chain = Chain::new(5);
    chain.filter(3, "forward", &format!("tcp dport {FILTERED} reject with icmpx admin-prohibited"));
    let folder = Folder::new();
    folder.make_public();
    std::fs::copy(crate::program::NETSCRIPT, folder.path("netscript")).unwrap();
    let traced = |host: IpAddr, port: u16| {
        let script = format!(
            "let t = traceroute(\"{host}\", {port}); `${{t.prober}} ${{t.verdict}} ${{if t.blocked_at == () {{ 0 }} else {{ t.blocked_at.ttl }}}}`"
        );
        let mut command = chain.source().command("setpriv");
        command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"]);
        command.arg(folder.path("netscript")).args(["eval", &script]).current_dir("/");
        let ended = run(&mut command);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
        ended.stdout.trim().to_owned()
    };
    assert_eq!(traced(TARGET, OPEN), "connect open 0");
    assert_eq!(traced(TARGET6, OPEN), "connect open 0");
    assert_eq!(traced(TARGET, CLOSED), "connect closed 0");
    assert_eq!(traced(TARGET, FILTERED), "connect prohibited 3");
    assert_eq!(traced(TARGET6, FILTERED), "connect prohibited 3");
}

#[test]
fn without_a_network_the_message_says_so() {
    needs!();
    let chain = Chain::new(1);
    let folder = Folder::new();
    let alone = Netns::new();
    let message = |netns: &Netns, script: &str| {
        let Ended { code, stderr, .. } = netns.netscript(&folder, &["eval", script]);
        (code, stderr.lines().next().unwrap_or_default().to_owned())
    };
    let no_route = "error: there is no route from here to 203.0.113.9: Network is unreachable (os error 101)";
    for script in [
        "traceroute(\"203.0.113.9\", 443)",
        "traceroute(\"203.0.113.9\", 443, #{ prober: \"connect\" })",
        "traceroute(\"203.0.113.9\", 0, #{ protocol: \"icmp\" })",
        "probe(\"203.0.113.9\", 443)",
    ] {
        assert_eq!(message(&alone, script), (Some(3), no_route.to_owned()), "{script}");
    }
    for (script, code, expected) in [
        ("traceroute(\"203.0.113.9\", 0)", 2, "traceroute() takes a port, 1 to 65535, and was given 0"),
        ("traceroute(\"203.0.113.9\", 70000)", 2, "traceroute() takes a port, 1 to 65535, and was given 70000"),
        (
            "traceroute(\"203.0.113.9\", 443, #{ first: 0 })",
            2,
            "the option `first` takes a time to live, 1 to 255, and was given 0",
        ),
        (
            "traceroute(\"203.0.113.9\", 443, #{ last: 300 })",
            2,
            "the option `last` takes a time to live, 1 to 255, and was given 300",
        ),
        (
            "traceroute(\"203.0.113.9\", 443, #{ interface: \"rihgt\" })",
            2,
            "there is no interface `rihgt`; did you mean `right`?",
        ),
        (
            "traceroute(\"203.0.113.9\", 443, #{ source: \"192.0.2.99\" })",
            2,
            "192.0.2.99 is not an address of this host, or not of the family of the target",
        ),
        ("traceroute(\"0.0.0.0\", 443)", 2, "0.0.0.0 is not the address of a host"),
        ("traceroute(\"224.0.0.1\", 443)", 2, "224.0.0.1 is not the address of a host"),
        ("traceroute(\" \", 443)", 2, "traceroute() takes the name or address of a host, and was given none"),
    ] {
        assert_eq!(message(chain.source(), script), (Some(code), format!("error: {expected}")), "{script}");
    }
    let (code, unknown) = message(chain.source(), "traceroute(\"no-such-host.invalid\", 443)");
    assert_eq!(code, Some(3), "{unknown}");
    assert!(unknown.starts_with("error: cannot find the address of no-such-host.invalid: "), "{unknown}");
}

#[test]
fn an_allowed_and_a_blocked_port_part_where_the_firewall_is() {
    needs!("nft");
    let chain = Chain::new(5);
    chain.filter(3, "forward", &format!("tcp dport {FILTERED} drop"));
    let script = format!(
        "let c = trace_compare([[\"{TARGET}\", {OPEN}], [\"{TARGET}\", {FILTERED}]]); \
         print(c.verdict); print(c.reason); c.parts_at.ttl"
    );
    let ended = chain.source().netscript(&Folder::new(), &["eval", &script]);
    let expected = "different\n203.0.113.9:443 is open and 203.0.113.9:5432 is filtered; they part behind hop 3 \
                    (198.51.100.14)\n3\n";
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), expected), "{ended:?}");
}

#[test]
fn a_connection_says_the_same_as_a_trace() {
    needs!("nft");
    let chain = Chain::new(4);
    let prohibit = format!("tcp dport {CLOSED} reject with icmpx admin-prohibited");
    chain.filter(2, "forward", &format!("{prohibit}; tcp dport {FILTERED} drop"));
    let script = format!(
        "for port in [{OPEN}, 80, {FILTERED}, {CLOSED}] {{
            let p = probe(\"{TARGET}\", port, #{{ timeout: \"300ms\" }});
            print(`${{p.verdict}} ${{p.from}} ${{p.rtt < \"100ms\"}}: ${{p.reason}}`);
        }}"
    );
    let ended = chain.source().netscript(&Folder::new(), &["eval", &script]);
    let lines: Vec<_> = ended.stdout.lines().collect();
    assert_eq!(lines[0], "open 203.0.113.9 true: the target accepts", "{ended:?}");
    assert_eq!(lines[1], "closed 203.0.113.9 true: the target resets the connection");
    assert!(lines[2].starts_with("filtered  false: nothing answers within 3"), "{}", lines[2]);
    let prohibited = "198.51.100.10 says: communication administratively prohibited (3/13)";
    assert_eq!(lines[3], format!("prohibited 198.51.100.10 true: {prohibited}"));
}

#[test]
fn names_are_looked_up_when_asked_for() {
    needs!("python3", "unshare");
    let chain = Chain::new(3);
    let folder = Folder::new();
    folder.write("hosts", "127.0.0.1 localhost\n");
    folder.write("resolv.conf", "nameserver 127.0.0.1\n");
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/programs/names.py");
    let known = [format!("router.example={}", Chain::address(1)), format!("db.example={TARGET}")];
    let _server = Running::spawn(chain.source().command("python3").arg(program).args(known));
    let asked = |script: &str| {
        // Names are looked up with the settings of this test, and those of the host stay as they are.
        let inside = "mount --bind resolv.conf /etc/resolv.conf && mount --bind hosts /etc/hosts && exec \"$@\"";
        let mut command = chain.source().command("unshare");
        command.current_dir(folder.path("")).args(["--mount", "sh", "-c", inside, "sh", crate::program::NETSCRIPT]);
        let ended = run(command.args(["eval", script]));
        assert_eq!(ended.code, Some(0), "{ended:?}");
        ended.stdout.trim().to_owned()
    };
    until("the name server", || {
        (asked("resolve(\"db.example\", #{ timeout: \"200ms\" }).outcome") == "found").then_some(())
    });
    let found = asked("let r = resolve(\"db.example\"); `${r.addresses} ${r.answered_by}`");
    assert_eq!(found, "[\"203.0.113.9\"] 127.0.0.1");
    assert_eq!(asked("resolve(\"localhost\").answered_by"), "/etc/hosts");
    assert_eq!(asked("resolve(\"nobody.example\").outcome"), "no such name");
    let trace = format!("traceroute(\"db.example\", {OPEN}, #{{ family: \"ipv4\", names: true }})");
    assert_eq!(asked(&format!("{trace}.hops.map(|h| h.name)")), "value\nrouter.example\n-\ndb.example");
    assert_eq!(asked(&format!("let t = {trace}; `${{t.host}} ${{t.address}}`")), "db.example 203.0.113.9");
}
