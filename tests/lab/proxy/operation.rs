//! What whoever runs a proxy does with it while others use it: other apps, other targets, an end; and what it tells him.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use aya::programs::loaded_programs;
use rustix::process::Signal;
use serde_json::{Value, json};
use socket2::{Domain, SockRef, Socket, Type};

use super::load::{each, echo, exchange, udp_echo};
use super::rig::{Host, connect};
use crate::support::{Running, Server, needs, succeed, until};

/// The stock script with apps of a file that may change.
struct Stock {
    host: Host,
    proxy: Running,
    _targets: Vec<Server>,
}

impl Stock {
    /// Serves these apps with these parameters, besides a log and metrics.
    fn new(apps: &Value, parameters: &[&str]) -> Self {
        let host = Host::new();
        let targets = (1..=4).map(|number| target(&host, number)).collect();
        host.folder.write("apps.json", apps.to_string());
        let [config, log] = ["config", "log"].map(|name| {
            let file = if name == "config" { "apps.json" } else { name };
            format!("--{name}={}", host.folder.path(file).display())
        });
        let mut command = host.netscript();
        command.args(["run", "proxy", "--allow=serve,write", "--", &config, &log, "--metrics=127.0.0.1:9100"]);
        let mut proxy = Running::spawn(command.args(parameters));
        proxy.says("serving http://127.0.0.1:9100/metrics");
        until("the proxy", || host.inside(|| connect("127.0.0.1:5001")).ok().map(drop));
        host.logged(1);
        Self { host, proxy, _targets: targets }
    }

    /// A connection that was served, so that the proxy knows it.
    fn client(&self, port: u16) -> TcpStream {
        client(&self.host, port)
    }
}

/// Has the proxy read these apps, and gives what it says.
fn reload(host: &Host, proxy: &mut Running, apps: &str) -> String {
    host.folder.write("apps.json", apps);
    proxy.signal(Signal::HUP);
    proxy.says("was read again")
}

fn client(host: &Host, port: u16) -> TcpStream {
    let mut client = host.inside(|| connect(&format!("127.0.0.1:{port}")).unwrap());
    exchange(&mut client).unwrap();
    client
}

/// Says its number where it is asked with `?`, and anything else as it comes.
fn target(host: &Host, number: u8) -> Server {
    each(host, &format!("127.0.0.1:900{number}"), move |mut client| {
        let mut asked = [0];
        client.read_exact(&mut asked)?;
        if asked == *b"?" {
            return client.write_all(&[number]);
        }
        client.write_all(&asked)?;
        echo(client)
    })
}

/// An app with these targets of 127.0.0.1, which nobody checks.
fn app(name: &str, ports: &[u16], targets: &[u16]) -> Value {
    let targets: Vec<_> = targets.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    json!({ "Name": name, "Ports": ports, "Targets": targets, "Check": false })
}

fn apps(apps: &[Value]) -> Value {
    json!({ "Apps": apps })
}

/// The number of the target that answers.
fn ask(port: u16) -> std::io::Result<u8> {
    let mut client = connect(&format!("127.0.0.1:{port}"))?;
    let mut answer = Vec::new();
    client.write_all(b"?")?;
    client.read_to_end(&mut answer)?;
    answer.first().copied().ok_or_else(|| ErrorKind::UnexpectedEof.into())
}

/// Does something while eight clients ask on these ports all the time, each once at least, and gives how often each target
/// answered. None may be refused, reset or left without an answer.
fn under_load(host: &Host, ports: &[u16], work: impl FnOnce()) -> BTreeMap<u8, usize> {
    let (over, answers) = (AtomicBool::new(false), Mutex::new(BTreeMap::new()));
    let clients = |number: usize| {
        host.inside(|| {
            for port in ports.iter().cycle().skip(number) {
                let target = ask(*port).unwrap_or_else(|error| panic!("port {port}: {error}"));
                *answers.lock().unwrap().entry(target).or_default() += 1;
                if over.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
    };
    /// Ends the clients, whatever becomes of the work.
    struct Over<'a>(&'a AtomicBool);
    impl Drop for Over<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    thread::scope(|scope| {
        let over = Over(&over);
        let clients: Vec<_> = (0..8)
            .map(|number| {
                scope.spawn({
                    let clients = &clients;
                    move || clients(number)
                })
            })
            .collect();
        work();
        drop(over);
        clients.into_iter().for_each(|client| client.join().unwrap());
    });
    answers.into_inner().unwrap()
}

fn is_refused(host: &Host, port: u16) -> bool {
    host.inside(|| connect(&format!("127.0.0.1:{port}")))
        .is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

#[test]
fn a_file_that_is_read_again_under_load_loses_no_connection() {
    needs!("unshare");
    let before = apps(&[app("kept", &[5001, 5002], &[9001, 9002]), app("gone", &[6001], &[9003])]);
    let after = apps(&[app("kept", &[5001, 5003, 5002], &[9001, 9004]), app("new", &[7001], &[9003])]);
    let mut stock = Stock::new(&before, &[]);
    // The first goes to one target, and the second to the other.
    let mut long = [5001, 5001, 6001].map(|port| stock.client(port));
    let mut answered = BTreeMap::new();
    for round in 0..10 {
        let (apps, there, gone) = if round % 2 == 0 { (&after, 7001, 6001) } else { (&before, 6001, 7001) };
        let Stock { host, proxy, .. } = &mut stock;
        let answers = under_load(host, &[5001, 5002], || {
            reload(host, proxy, &apps.to_string());
            assert_eq!(host.inside(|| ask(there)).unwrap(), 3);
            assert!(is_refused(host, gone));
            assert_eq!(is_refused(host, 5003), round % 2 == 1);
            long.iter_mut().for_each(|client| exchange(client).unwrap());
        });
        answers.into_iter().for_each(|(target, count)| *answered.entry(target).or_default() += count);
    }
    assert!(
        [1, 2, 4].iter().all(|target| answered.get(target).is_some_and(|count: &usize| *count > 10)),
        "{answered:?}"
    );

    let Stock { host, proxy, .. } = &mut stock;
    let answers = under_load(host, &[5001, 5002, 6001], || {
        let said = reload(host, proxy, r#"{"Apps": [{"Name": "kept", "Ports": [70000]}]}"#);
        assert!(said.ends_with("apps.json was read again, and nothing changes"), "{said}");
        long.iter_mut().for_each(|client| exchange(client).unwrap());
        assert!(is_refused(host, 7001));
    });
    assert!(answers.keys().eq(&[1, 2, 3]), "{answers:?}");
    drop(long);
    stock.proxy.signal(Signal::TERM);
    let ended = stock.proxy.ended();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let why = "apps.json: app \"kept\": ports: 70000 is no port; ports are 1 to 65535";
    assert_eq!(ended.stderr.matches(why).count(), 1, "{ended:?}");
}

#[test]
fn a_script_goes_on_with_other_apps_under_load() {
    needs!("unshare");
    let host = Host::new();
    let _targets: Vec<_> = (1..=4).map(|number| target(&host, number)).collect();
    let script = r#"
        debug("ready");
        while apps.connections().len() < 2 { sleep("5ms"); }
        let other = #{ name: "kept", ports: [5003, "5001-5002"], check: false, targets: ["127.0.0.1:9001", "127.0.0.1:9004"] };
        for round in every("5ms", 100) { apps.reload(if round % 2 == 1 { [other] } else { both }); }
        debug("reloaded");
        apps.serve();"#;
    let both = r#"[#{ name: "kept", ports: [5001, 5002], check: false, targets: ["127.0.0.1:9001", "127.0.0.1:9002"] },
        #{ name: "gone", ports: [6001], check: false, protocol: "both", targets: ["127.0.0.1:9003"] }]"#;
    udp_echo(&host, "127.0.0.1:9003");
    let mut proxy = host.script(both, &format!("let both = {both}; {script}"));
    let mut long = client(&host, 6001);
    let datagrams = host.inside(|| UdpSocket::bind("127.0.0.1:0").unwrap());
    datagrams.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    datagrams.connect("127.0.0.1:6001").unwrap();
    let say = || datagrams.send(b"x").and_then(|_| datagrams.recv(&mut [0; 2])).unwrap();
    assert_eq!(say(), 1);
    let answered = under_load(&host, &[5001, 5002], || drop(proxy.says("reloaded")));
    assert!(answered.len() == 3 && answered.values().sum::<usize>() > 100, "{answered:?}");
    exchange(&mut long).unwrap();
    assert_eq!((say(), host.inside(|| ask(6001)).unwrap()), (1, 3));
}

#[test]
fn a_target_that_is_drained_under_load_gets_nobody_and_ends_within_its_time() {
    needs!("unshare");
    let host = Host::new();
    let _targets: Vec<_> = (1..=4).map(|number| target(&host, number)).collect();
    let two = r#"[#{ name: "a", ports: [5001], check: false, targets: ["127.0.0.1:9001", "127.0.0.1:9002"] }]"#;
    let script = r#"
        debug("ready");
        while apps.connections().filter(|it| it.target == "127.0.0.1:9002" && it.bytes >= 2).len() < 2 { sleep("5ms"); }
        debug(`draining ${apps.drain("127.0.0.1:9002", "3s") >= 2}`);
        apps.serve();"#;
    let mut proxy = host.script(two, script);
    // To each target two.
    let mut long: Vec<_> = (0..4).map(|_| client(&host, 5001)).collect();
    // The second client of the target leaves; the first one stays for too long.
    let (mut leaving, mut stays) = (long.pop().unwrap(), long.remove(1));
    let before = under_load(&host, &[5001], || {
        let draining = proxy.says("draining");
        assert!(draining.ends_with("\"draining true\""), "{draining}");
        exchange(&mut leaving).unwrap();
    });
    assert!(before.contains_key(&1), "{before:?}");
    drop(leaving);
    let after = under_load(&host, &[5001], || {
        assert_eq!(stays.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    });
    assert_eq!(after.keys().collect::<Vec<_>>(), [&1]);
    long.iter_mut().for_each(|client| exchange(client).unwrap());
    let drained = until("its line", || {
        let drained: Vec<_> = host.logged(1).into_iter().filter(|line| line["end"] == "drained").collect();
        (!drained.is_empty()).then_some(drained)
    });
    assert!(drained.len() == 1 && drained[0]["target"] == "127.0.0.1:9002", "{drained:?}");
}

/// The numbers of the programs for the kernel that a process holds.
fn programs(pid: u32) -> Vec<u32> {
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fdinfo")).unwrap();
    let said = descriptors.filter_map(|entry| std::fs::read_to_string(entry.unwrap().path()).ok());
    said.filter_map(|said| said.lines().find_map(|line| line.strip_prefix("prog_id:")?.trim().parse().ok())).collect()
}

#[test]
fn asked_to_stop_it_refuses_further_clients_serves_those_it_has_and_leaves_nothing() {
    needs!("unshare");
    for signal in [Signal::TERM, Signal::INT] {
        let mut stock = Stock::new(&apps(&[app("a", &[5001, 5002], &[9001])]), &["--drain=20s"]);
        let programs = programs(stock.proxy.pid());
        assert!(!programs.is_empty());
        let mut clients = [5001, 5002].map(|port| stock.client(port));
        stock.proxy.signal(signal);
        stock.proxy.says("waiting for 2 connections to end, 20s at most");
        let both = || [5001, 5002].iter().all(|port| is_refused(&stock.host, *port));
        until("the end of the listeners", || both().then_some(()));
        clients.iter_mut().for_each(|client| exchange(client).unwrap());
        let begin = Instant::now();
        drop(clients);
        let ended = stock.proxy.ended();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(begin.elapsed() < Duration::from_secs(10) && !ended.stderr.contains("reset"), "{ended:?}");
        let [head, line] = ["app  ports       targets", "a    5001, 5002  127.0.0.1:9001"];
        assert!(ended.stdout.starts_with(&format!("{head}\n{line}\n\nTargets:\n")), "{ended:?}");
        assert!(ended.stdout.contains(" connections were taken, and each found a target\n"), "{ended:?}");
        until("the programs to go", || {
            let left = loaded_programs().filter_map(Result::ok).any(|program| programs.contains(&program.id()));
            (!left).then_some(())
        });
        let status = succeed(stock.host.netscript().args(["proxy", "status", "--json"]));
        let status: Value = serde_json::from_str(&status).unwrap();
        assert_eq!((&status["pid"], &status["pins"]), (&Value::Null, &"none".into()), "{status}");
    }
}

#[test]
fn what_does_not_end_in_time_is_reset_and_told() {
    needs!("unshare");
    let mut stock = Stock::new(&apps(&[app("a", &[5001], &[9001])]), &["--drain=300ms"]);
    let mut client = stock.client(5001);
    stock.proxy.signal(Signal::TERM);
    stock.proxy.says("waiting for 1 connection to end, 300ms at most");
    assert_eq!(client.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    let ended = stock.proxy.ended();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("reset 1 connection that had not ended"), "{ended:?}");
    assert_eq!(stock.host.logged(2)[1]["end"], "stopped");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    needs!("unshare");
    for signal in [Signal::TERM, Signal::INT] {
        let mut stock = Stock::new(&apps(&[app("a", &[5001], &[9001])]), &["--drain=1h"]);
        let mut client = stock.client(5001);
        stock.proxy.signal(signal);
        stock.proxy.says("waiting for 1 connection to end, 1h0m0s at most");
        stock.proxy.signal(signal);
        assert_eq!(client.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
        let ended = stock.proxy.ended();
        assert_eq!(ended.code, Some(0), "{signal:?}: {ended:?}");
        assert!(ended.stderr.contains("reset 1 connection that had not ended"), "{ended:?}");
        let status = succeed(stock.host.netscript().args(["proxy", "status", "--json"]));
        assert!(status.contains(r#""pins":"none""#), "{status}");
    }
}

#[test]
fn each_connection_that_ended_is_a_line_with_what_became_of_it() {
    needs!("unshare");
    let host = Host::new();
    let _echo = target(&host, 1);
    let _resets = each(&host, "127.0.0.1:9002", |mut client| {
        client.write_all(b"0123456789")?;
        client.read_exact(&mut [0])?;
        SockRef::from(&client).set_linger(Some(Duration::ZERO))
    });
    let more = r#"check: false, passive: false"#;
    let apps = format!(
        r#"[#{{ name: "echo", ports: [5001, 5002], {more}, targets: ["127.0.0.1:9001"] }},
            #{{ name: "tries", ports: [5003], {more}, targets: ["127.0.0.1:1", "127.0.0.1:9001"] }},
            #{{ name: "resets", ports: [5004], {more}, targets: ["127.0.0.1:9002"] }},
            #{{ name: "none", ports: [5005], {more}, targets: ["127.0.0.1:1"] }},
            #{{ name: "idle", ports: [5006], {more}, targets: ["127.0.0.1:9001"], idle_timeout: "200ms" }},
            #{{ name: "linger", ports: [5007], {more}, targets: ["127.0.0.1:9001"], linger: "200ms" }}]"#
    );
    let _proxy = host.proxy(&apps);
    let mut expected = Vec::new();
    let mut ends = |stream: &TcpStream, app, port, target: Option<u16>, tries, bytes: (u64, u64), end| {
        let count = expected.len() + 1;
        let name = target.map(|port| format!("127.0.0.1:{port}"));
        expected.push(json!({
            "record": "proxy_connection", "app": app, "protocol": "tcp",
            "client": "127.0.0.1", "client_port": stream.local_addr().unwrap().port(), "address": "127.0.0.1", "port": port,
            "target": name, "target_address": target.map(|_| "127.0.0.1"), "target_port": target, "tries": tries,
            "bytes": bytes.0 + bytes.1, "bytes_to_target": bytes.0, "bytes_to_client": bytes.1, "state": "ended", "end": end,
        }));
        count
    };
    let open = |port: u16| host.inside(|| connect(&format!("127.0.0.1:{port}")).unwrap());
    let mut answer = [0; 10];

    let stream = client(&host, 5002);
    stream.shutdown(Shutdown::Write).unwrap();
    host.logged(ends(&stream, "echo", 5002, Some(9001), 1, (1, 1), "client closed"));
    let mut stream = open(5001);
    stream.write_all(b"?").unwrap();
    stream.read_to_end(&mut Vec::new()).unwrap();
    let count = ends(&stream, "echo", 5001, Some(9001), 1, (1, 1), "target closed");
    drop(stream);
    host.logged(count);
    let stream = client(&host, 5001);
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    let count = ends(&stream, "echo", 5001, Some(9001), 1, (1, 1), "client reset");
    drop(stream);
    host.logged(count);
    let stream = client(&host, 5003);
    let count = ends(&stream, "tries", 5003, Some(9001), 2, (1, 1), "client closed");
    drop(stream);
    host.logged(count);
    let mut stream = open(5004);
    stream.read_exact(&mut answer).unwrap();
    stream.write_all(b"x").unwrap();
    assert_eq!(stream.read(&mut answer).unwrap_err().kind(), ErrorKind::ConnectionReset);
    host.logged(ends(&stream, "resets", 5004, Some(9002), 1, (1, 10), "target reset"));
    // It may be reset before it is seen to be connected.
    let mut stream = TcpStream::from(host.inside(|| Socket::new(Domain::IPV4, Type::STREAM, None)).unwrap());
    let [here, none] = [0, 5005].map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into());
    SockRef::from(&stream).bind(&here).unwrap();
    let reset = SockRef::from(&stream).connect(&none).and_then(|()| stream.read(&mut answer));
    assert_eq!(reset.unwrap_err().kind(), ErrorKind::ConnectionReset);
    host.logged(ends(&stream, "none", 5005, None, 1, (0, 0), "no target"));
    let stream = client(&host, 5006);
    host.logged(ends(&stream, "idle", 5006, Some(9001), 1, (1, 1), "idle timeout"));
    // Its target has answered and closed, and it does not.
    let mut stream = open(5007);
    stream.write_all(b"?").unwrap();
    let mut log = host.logged(ends(&stream, "linger", 5007, Some(9001), 1, (1, 1), "linger timeout"));

    for line in &mut log {
        let Value::Object(fields) = line else { panic!("{line}") };
        let took = fields.remove("duration").unwrap().as_f64().unwrap();
        let least = if fields["end"].as_str().unwrap().ends_with("timeout") { 0.2 } else { 0.0 };
        assert!((least..10.0).contains(&took), "{took}: {fields:?}");
        let start = fields.remove("start").unwrap();
        assert!(start.as_str().unwrap().ends_with('Z'), "{start}");
    }
    assert_eq!(log, expected);
}

#[test]
fn a_log_that_was_moved_away_goes_on_in_a_new_file() {
    needs!("unshare");
    let mut stock = Stock::new(&apps(&[app("a", &[5001], &[9001])]), &[]);
    drop(stock.client(5001));
    // The first one looked whether the proxy was there.
    assert_eq!(stock.host.logged(2).len(), 2);
    std::fs::rename(stock.host.folder.path("log"), stock.host.folder.path("log.1")).unwrap();
    stock.proxy.signal(Signal::HUP);
    stock.proxy.says("was read again");
    until("the new log", || stock.host.folder.has("log").then_some(()));
    drop(stock.client(5001));
    assert_eq!(stock.host.logged(1).len(), 1);
    assert_eq!(String::from_utf8(stock.host.folder.read("log.1")).unwrap().lines().count(), 2);
}

/// A line of Prometheus' text format: what is counted, and how much of it.
fn sample(line: &str) -> (String, f64) {
    let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{line}");
    let labels = labels.strip_suffix('}').unwrap_or_else(|| panic!("{line}"));
    for label in labels.split(',').filter(|label| !label.is_empty()) {
        let (name, value) = label.split_once('=').unwrap_or_else(|| panic!("{line}"));
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase()), "{line}");
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        assert!(value.is_some_and(|value| !value.contains(['"', '\\'])), "{line}");
    }
    (series.to_owned(), value.parse().unwrap_or_else(|_| panic!("{line}")))
}

#[test]
fn metrics_count_what_was_moved_between_whom() {
    needs!("unshare", "curl");
    let host = Host::new();
    let _targets: Vec<_> = (1..=2).map(|number| target(&host, number)).collect();
    let apps = r#"[#{ name: "a", ports: [5001], targets: ["127.0.0.1:9001", "127.0.0.1:9002"], check: #{ interval: "50ms" } },
        #{ name: "b", ports: [6001], targets: ["127.0.0.1:9001", "127.0.0.1:1"], check: #{ interval: "50ms", fall: 1 } }]"#;
    let _proxy = host.proxy(apps);
    let down = r#"netscript_proxy_target_up{app="b",target="127.0.0.1:1",address="127.0.0.1"}"#;
    until("the checks", || (host.metric(down)? == 0.0).then_some(()));
    let mut first = client(&host, 5001);
    first.write_all(&[7; 999]).unwrap();
    first.read_exact(&mut [0; 999]).unwrap();
    let second = client(&host, 5001);
    drop((0..3).map(|_| client(&host, 6001)).collect::<Vec<_>>());
    drop(second);
    host.logged(4);
    let text = succeed(host.netns.command("curl").args(["-sS", "--fail", "http://127.0.0.1:9100/metrics"]));
    let samples: BTreeMap<_, _> = text.lines().filter(|line| !line.starts_with('#')).map(sample).collect();
    assert_eq!(samples.len(), text.lines().filter(|line| !line.starts_with('#')).count(), "each once: {text}");
    let of_target = |name: &str, app: &str, port: u16, more: &str| {
        format!(r#"netscript_proxy_{name}{{app="{app}",target="127.0.0.1:{port}",address="127.0.0.1"{more}}}"#)
    };
    for (series, expected) in [
        (r#"netscript_proxy_connections{app="a"}"#.to_owned(), 1.0),
        (r#"netscript_proxy_connections{app="b"}"#.to_owned(), 0.0),
        (r#"netscript_proxy_accepted_total{app="a"}"#.to_owned(), 2.0),
        (r#"netscript_proxy_accepted_total{app="b"}"#.to_owned(), 3.0),
        (r#"netscript_proxy_failed_total{app="b"}"#.to_owned(), 0.0),
        (r#"netscript_proxy_dispatch_total{verdict="dispatched"}"#.to_owned(), 5.0),
        (of_target("target_up", "a", 9001, ""), 1.0),
        (of_target("target_up", "b", 1, ""), 0.0),
        (of_target("target_connections", "a", 9001, ""), 1.0),
        (of_target("target_connections_total", "a", 9002, ""), 1.0),
        (of_target("target_connections_total", "b", 9001, ""), 3.0),
        (of_target("target_connections_total", "b", 1, ""), 0.0),
        (of_target("bytes_total", "a", 9002, r#",direction="to_client""#), 1.0),
        (of_target("bytes_total", "b", 9001, r#",direction="to_target""#), 3.0),
    ] {
        assert_eq!(samples.get(&series), Some(&expected), "{series}: {text}");
    }
    // Those of connections that go on are counted from time to time.
    let moved = of_target("bytes_total", "a", 9001, r#",direction="to_target""#);
    until("the bytes", || (host.metric(&moved)? == 1000.0).then_some(()));
}

#[test]
fn what_a_proxy_does_is_rows_that_verbs_work_on() {
    needs!("unshare");
    let host = Host::new();
    let _target = target(&host, 1);
    let script = r#"
        let apps = proxy([#{ name: "a", ports: [5001, 5002], check: false, targets: ["127.0.0.1:9001"] }]).start();
        debug("ready");
        while apps.connections().map(|c| c.bytes).reduce(|sum, bytes| sum + bytes, 0) < 2000002 { sleep("5ms"); }
        apps.connections().filter(|c| c.bytes > 1000000).table(["app", "client", "port", "target", "tries", "bytes", "state"]);
        apps.connections().sum_by("app", "tries").table();
        while apps.targets()[0].bytes < 2000002 { sleep("5ms"); }
        apps.targets().filter(|t| t.connections == 2).table(["app", "target", "state", "total", "failed", "bytes"]);
        let stats = apps.stats();
        print(`${stats.accepted} ${stats.connections} ${stats.bytes} ${stats.dispatch}`);
        debug("said");
        apps.stop("10s")"#;
    let mut proxy = Running::spawn(host.netscript().args(["eval", "--allow=serve", script]));
    proxy.says("ready");
    let small = client(&host, 5001);
    let mut large = client(&host, 5002);
    for _ in 0..10 {
        let mut back = vec![0; 99_999];
        large.write_all(&vec![7; 99_999]).unwrap();
        large.read_exact(&mut back).unwrap();
    }
    large.write_all(&[7; 9]).unwrap();
    large.read_exact(&mut [0; 9]).unwrap();
    proxy.says("said");
    drop((small, large));
    let ended = proxy.ended();
    let expected = concat!(
        "app  client     port  target          tries    bytes  state\n",
        "a    127.0.0.1  5002  127.0.0.1:9001      1  2000000  open\n\n",
        "app  tries\n",
        "a        2\n\n",
        "app  target          state  total  failed    bytes\n",
        "a    127.0.0.1:9001  up         2       0  2000002\n\n",
        "2 2 2000002 kernel\n",
        "0\n"
    );
    assert_eq!((ended.code, &*ended.stdout), (Some(0), expected), "{}", ended.stderr);
}
