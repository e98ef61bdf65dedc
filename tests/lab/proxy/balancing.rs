//! Who gets a connection, and what is known of it.

use rustix::process::Signal;
use serde_json::Value;

use super::rig::{Host, connect as reach};
use crate::support::{Netns, Running, connect, name_server, needs, succeed, until};

const APP: &str = "127.0.0.1:5001";

/// Two who serve.
fn two(host: &Host) -> [Running; 2] {
    [host.target("T1", "127.0.0.1:9001"), host.target("T2", "127.0.0.1:9002")]
}

/// One app with these two, and further settings.
fn app(settings: &str) -> String {
    format!(r#"[#{{ name: "a", ports: [5001], targets: ["127.0.0.1:9001", "127.0.0.1:9002"], {settings} }}]"#)
}

#[test]
fn weights_are_shares_of_the_connections() {
    needs!("unshare");
    let host = Host::new();
    let _targets = two(&host);
    let targets = r##"#{ target: "127.0.0.1:9001", weight: 3 }, "127.0.0.1:9002""##;
    let _proxy = host.proxy(&format!(r#"[#{{ name: "a", ports: [5001], targets: [{targets}] }}]"#));
    assert_eq!(host.answers(APP, 8), ["T1", "T2", "T1", "T1", "T1", "T2", "T1", "T1"]);
}

#[test]
fn who_has_the_fewest_connections_gets_the_next_one() {
    needs!("unshare");
    let host = Host::new();
    let _targets = two(&host);
    let _proxy = host.proxy(&app(r#"balance: "least-connections""#));
    let open = || {
        [9001, 9002].map(|port| {
            let labels = format!(r#"app="a",target="127.0.0.1:{port}",address="127.0.0.1""#);
            host.metric(&format!("netscript_proxy_target_connections{{{labels}}}"))
        })
    };
    let become_so = |first: f64, second: f64| {
        let so = [Some(first), Some(second)];
        until(&format!("{so:?}"), || (open() == so).then_some(()));
    };
    // One after the other: several threads accept those who come at the same time.
    let one = |first, second| {
        let client = host.inside(|| reach(APP)).unwrap();
        become_so(first, second);
        client
    };
    let [first, second, third, _fourth] = [one(1.0, 0.0), one(1.0, 1.0), one(2.0, 1.0), one(2.0, 2.0)];
    drop((first, third));
    become_so(0.0, 2.0);
    let _further = [one(1.0, 2.0), one(2.0, 2.0)];
    drop(second);
    become_so(2.0, 1.0);
    let _last = one(2.0, 2.0);
}

#[test]
fn a_closure_chooses_by_who_the_client_is_while_its_script_serves_or_waits() {
    needs!("unshare", "curl");
    let host = Host::new();
    let _targets = two(&host);
    let pick = r#"pick: |connection, targets|
        if connection.client == "127.0.0.7" { "127.0.0.1:9002" } else { targets[connection.client_port % 2] }"#;
    for (wait, port) in [("apps.serve()", 40_000), (r#"sleep("1h")"#, 41_000)] {
        let proxy = host.script(&app(pick), &format!(r#"debug("ready"); {wait}"#));
        let answers = [("127.0.0.7", 0), ("127.0.0.7", 2), ("127.0.0.1", 4), ("127.0.0.1", 5), ("127.0.0.1", 6)];
        let answers = answers.map(|(address, offset)| {
            let from = ["--interface", address, "--local-port", &(port + offset).to_string()];
            succeed(host.netns.command("curl").arg("-sS").args(from).arg(format!("http://{APP}/")))
        });
        assert_eq!(answers, ["T2 /\n", "T2 /\n", "T1 /\n", "T2 /\n", "T1 /\n"], "{wait}");
        proxy.signal(Signal::INT);
        proxy.ended();
    }
}

#[test]
fn where_a_closure_fails_each_target_has_its_turn_and_that_is_told_once() {
    needs!("unshare");
    let host = Host::new();
    let _targets = two(&host);
    let mut proxy = host.proxy(&app(r#"pick: |connection, targets| throw "no idea""#));
    assert_eq!(host.answers(APP, 4), ["T1", "T2", "T1", "T2"]);
    let told = proxy.says("pick");
    assert_eq!(told, "netscript: app a: pick failed: no idea; where it does not choose, each target has its turn");
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.ended().stderr.matches("pick").count(), 1);
}

#[test]
fn all_addresses_of_a_name_are_used_and_those_that_it_gets_later() {
    needs!("unshare", "dnsmasq");
    let host = Host::new();
    let addresses = ["127.0.0.1", "127.0.0.2", "127.0.0.3"].map(|address| format!("{address}:9001"));
    let _targets = [0, 1, 2].map(|place| host.target(&format!("T{}", place + 1), &addresses[place]));
    for address in &addresses {
        until(address, || host.ask(address, "/").ok());
    }
    host.folder.write("names", "127.0.0.1 web.example\n127.0.0.2 web.example\n");
    let names = name_server(&host.netns, "127.0.0.1", &host.folder.path("names"), &[]);
    let _proxy = host.proxy(r#"[#{ name: "a", ports: [5001], targets: ["web.example:9001"] }]"#);
    assert_eq!(host.answers(APP, 4), ["T1", "T2", "T1", "T2"]);
    host.folder.write("names", "127.0.0.3 web.example\n");
    names.signal(Signal::HUP);
    until("the new address", || (host.answers(APP, 1) == ["T3"]).then_some(()));
    assert_eq!(host.answers(APP, 4), ["T3"; 4]);
}

/// A web server that is told who its clients are, and says so.
const NGINX: &str = r#"
daemon off;
master_process off;
error_log stderr;
events {}
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    server {
        listen 127.0.0.1:9001 proxy_protocol;
        set $client "$proxy_protocol_addr $proxy_protocol_port";
        return 200 "$client $proxy_protocol_server_addr $proxy_protocol_server_port $uri\n";
    }
}
"#;

#[test]
fn nginx_is_told_who_its_client_is_and_whom_it_meant() {
    needs!("unshare", "nginx", "curl");
    let host = Host::new();
    let client = Netns::new();
    connect((&host.netns, "eth0", "192.0.2.1/24"), (&client, "eth0", "192.0.2.2/24"));
    connect((&host.netns, "eth1", "2001:db8::1/64"), (&client, "eth1", "2001:db8::2/64"));
    host.folder.write("nginx.conf", format!("pid {};{NGINX}", host.folder.path("nginx.pid").display()));
    let mut nginx = host.netns.command("nginx");
    nginx.args(["-e", "stderr", "-p"]).arg(host.folder.path("")).arg("-c").arg(host.folder.path("nginx.conf"));
    let mut nginx = Running::spawn(&mut nginx);
    nginx.listens(9001);
    let app = r#"#{ name: "a", ports: [5001, 5200], targets: ["127.0.0.1:9001"], proxy_protocol: true }"#;
    let _proxy = host.proxy(&format!("[{app}]"));
    for (server, port, expected) in [
        ("192.0.2.1", "40004", "192.0.2.2 40004 192.0.2.1 5200 /a\n"),
        ("[2001:db8::1]", "40006", "2001:db8::2 40006 2001:db8::1 5200 /a\n"),
    ] {
        let url = format!("http://{server}:5200/a");
        assert_eq!(succeed(client.command("curl").args(["-sS", "--local-port", port, &url])), expected);
    }
}

#[test]
fn the_connections_of_one_target_are_captured_by_the_script_that_serves_them() {
    needs!("unshare");
    let host = Host::new();
    let _targets = two(&host);
    let capture = r#"flows(apps.targets()[1].capture_filter, #{ interface: "lo", duration: "forever" })"#;
    let mut proxy = host.script(&app("check: false"), &format!(r#"debug("ready"); {capture}"#));
    proxy.says("listening on");
    assert_eq!(host.answers(APP, 6), ["T1", "T2", "T1", "T2", "T1", "T2"]);
    host.logged(6);
    proxy.signal(Signal::INT);
    let ended = proxy.ended();
    let flows: Vec<Value> = ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ports: Vec<_> = flows.iter().map(|flow| (&flow["server_port"], &flow["state"])).collect();
    assert_eq!(ports, [(&9002.into(), &"closed".into()); 3], "{ended:?}");
}
