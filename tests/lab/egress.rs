//! `netscript run egress-trace`: as a user without any privilege it traces, logs and serves.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use netscript::record::Duration;
use rustix::process::Signal;
use serde_json::Value;

use crate::program::{Folder, NETSCRIPT, run};
use crate::support::chain::{Chain, FILTERED, TARGET};
use crate::support::{Engine, Running, UNPRIVILEGED, by_words, needs, shown, succeed, tool, until};

/// Where the page is, on the loopback interface of who traces.
const PAGE: &str = "127.0.0.1:8080";

/// The stock app in a chain, as `nobody` and without capabilities, with this in its environment.
fn app(chain: &Chain, environment: &[(&str, &str)], arguments: &[&str]) -> Command {
    let mut command = chain.source().command("setpriv");
    command.env_clear().envs(environment.iter().copied());
    command.args(UNPRIVILEGED).args([NETSCRIPT, "run", "egress-trace"]).args(arguments);
    command
}

fn ask(chain: &Chain, path: &str) -> Option<String> {
    let answer = chain.source().command("curl").args(["-sSf", &format!("http://{PAGE}{path}")]).output().unwrap();
    answer.status.success().then(|| String::from_utf8(answer.stdout).unwrap())
}

fn status_of(chain: &Chain, method: &str, path: &str) -> String {
    let url = format!("http://{PAGE}{path}");
    succeed(chain.source().command("curl").args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "-X", method, &url]))
}

/// A browser without a window that shows the page, in a folder of its own.
fn browser(chain: &Chain, folder: &Folder, arguments: &[&str]) -> Command {
    let mut chromium = chain.source().command("chromium");
    chromium.env_clear().env("HOME", folder.path("")).env("PATH", std::env::var_os("PATH").unwrap_or_default());
    chromium.arg(format!("--user-data-dir={}", folder.path("profile").display()));
    chromium.args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage"]);
    chromium.args(["--disable-background-networking", "--disable-component-update", "--disable-sync"]);
    chromium.args(arguments).arg(format!("http://{PAGE}/"));
    chromium
}

/// What the report says of an endpoint, once it says that.
#[track_caller]
fn reported(chain: &Chain, endpoint: &str, verdict: &str) -> Value {
    until(&format!("{endpoint} to be {verdict}"), || {
        let report: Value = serde_json::from_str(&ask(chain, "/report.json")?).unwrap();
        let mut endpoints = report["endpoints"].as_array().unwrap().iter();
        endpoints.find(|known| known["endpoint"] == endpoint && known["verdict"] == verdict).cloned()
    })
}

/// A chain with a firewall behind its third hop.
fn blocked() -> Chain {
    let chain = Chain::new(5);
    chain.filter(3, "forward", &format!("tcp dport {FILTERED} drop"));
    chain
}

#[test]
fn a_user_without_privileges_is_told_where_the_way_out_is_blocked() {
    needs!("nft", "setpriv");
    let chain = blocked();
    let environment = [("ENDPOINT", "203.0.113.9"), ("ENDPOINT_TCP_PORT", "443,5432")];
    let ended = run(&mut app(&chain, &environment, &["--", "--rounds=2", "--interval=50ms"]));
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let said: Vec<&str> = ended.stdout.lines().filter_map(|line| Some(line.split_once("Z 203")?.1)).collect();
    let (open, filtered) = (
        ".0.113.9:443 open: the target answers at hop 5",
        ".0.113.9:5432 filtered: nothing answers beyond hop 3 (198.51.100.14)",
    );
    assert_eq!(said, [open, filtered, open, filtered], "{ended:?}");
    let hops: Vec<&str> = ended.stdout.lines().skip(1).take(5).map(|line| &line[..19]).collect();
    let way = [
        "   1  198.51.100.6 ",
        "   2  198.51.100.10",
        "   3  198.51.100.14",
        "   4  198.51.100.18",
        "   5  203.0.113.9  ",
    ];
    assert_eq!(hops, way, "{ended:?}");
    assert!(ended.stdout.contains("  egress-blocked: 203.0.113.9:5432\n"), "{ended:?}");
    let prober = ended.stdout.lines().any(|line| line.split_whitespace().eq(["prober", "connect"]));
    assert!(prober, "without privileges: {ended:?}");
}

#[test]
fn the_readme_shows_what_is_printed() {
    needs!("nft", "setpriv");
    let arguments = ["--", "--endpoints=203.0.113.9:443,203.0.113.9:5432", "--rounds=1"];
    let shown = shown("README.md", &format!("netscript run egress-trace {}", arguments.join(" ")));
    let ended = run(&mut app(&blocked(), &[], &arguments));
    assert_eq!(by_words(&(ended.stdout + &*ended.stderr), without_times), by_words(&shown, without_times));
}

/// A word, unless it is a time or how long something took.
fn without_times(word: &str) -> String {
    let is_time = word.contains('T') && word.ends_with('Z');
    if is_time || word.parse::<Duration>().is_ok() { "…".to_owned() } else { word.to_owned() }
}

#[test]
fn exit_codes_follow_the_last_round() {
    needs!("nft", "setpriv");
    let chain = blocked();
    for (endpoints, code) in [
        ("203.0.113.9:443,[2001:db8:ffff::9]:443", 0),
        ("203.0.113.9:443,203.0.113.9:444", 1),
        ("203.0.113.9:443,no-such-host.invalid:443", 3),
        ("203.0.113.9:443,no-such-host.invalid:443,203.0.113.9:5432", 1),
        ("203.0.113.9:70000", 2),
    ] {
        let ended = run(&mut app(&chain, &[], &["--json", "--", "--rounds=1", "--endpoints", endpoints]));
        assert_eq!(ended.code, Some(code), "{endpoints}: {ended:?}");
        let lines: Vec<Value> = ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let rounds = lines.iter().filter(|line| line["verdict"].is_string() && line["record"] != "verdict").count();
        assert_eq!(rounds, if code == 2 { 0 } else { endpoints.split(',').count() }, "{endpoints}: {ended:?}");
    }
}

#[test]
fn the_page_metrics_and_report_follow_what_becomes_of_the_way() {
    needs!("nft", "setpriv", "curl");
    let chain = blocked();
    let environment = [("PORT", "8080")];
    let endpoints = "--endpoints=203.0.113.9:443,203.0.113.9:5432";
    let arguments = ["--allow", "serve", "--", endpoints, "--interval=100ms"];
    let mut command = app(&chain, &environment, &arguments);
    let mut running = Running::spawn(&mut command);
    assert_eq!(running.says("serving"), "netscript: serving http://0.0.0.0:8080/");

    let db = reported(&chain, "203.0.113.9:5432", "filtered");
    assert_eq!(db["trace"]["blocked_at"]["address"], Chain::address(3).to_string());
    assert!(db["text"].as_str().unwrap().contains("\n   3  198.51.100.14"), "{db}");
    let page = ask(&chain, "/").unwrap();
    assert!(page.contains("<strong>filtered</strong>") && page.contains("<strong>open</strong>"), "{page}");
    assert!(page.contains("<td class=\"text\">198.51.100.14</td>") && page.contains("<svg "), "{page}");
    let metrics = ask(&chain, "/metrics").unwrap();
    assert!(metrics.contains("verdict{endpoint=\"203.0.113.9:5432\",verdict=\"filtered\"} 1\n"), "{metrics}");
    assert!(metrics.contains("verdict{endpoint=\"203.0.113.9:443\",verdict=\"open\"} 1\n"), "{metrics}");
    assert_eq!(ask(&chain, "/healthz").as_deref(), Some("ok\n"));
    let codes =
        [("GET", "/nothing"), ("POST", "/"), ("GET", "/")].map(|(method, path)| status_of(&chain, method, path));
    assert_eq!(codes, ["404", "405", "200"]);

    // The firewall goes: the way is open, and the history knows of both.
    chain.hop(3).nft("delete table inet firewall");
    let db = reported(&chain, "203.0.113.9:5432", "closed");
    assert!(db["counts"]["filtered"].as_u64().unwrap() > 0, "{db}");
    running.signal(Signal::TERM);
    let ended = running.ended();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stdout.contains("egress-closed: 203.0.113.9:5432\n"), "{ended:?}");
    assert!(ended.stdout.contains("pass  203.0.113.9:443 is open: "), "{ended:?}");
}

#[test]
fn each_round_is_written_at_once() {
    needs!("setpriv");
    let chain = Chain::new(2);
    let mut command = app(&chain, &[], &["--", "--endpoints=203.0.113.9:443", "--interval=1h"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    assert!(first.ends_with(" 203.0.113.9:443 open: the target answers at hop 2"), "{first}");
    assert!(lines.next().unwrap().unwrap().starts_with("   1  198.51.100.6"));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_browser_shows_the_page_and_keeps_it_up_to_date() {
    needs!("nft", "setpriv", "curl", "chromium", "python3", "unshare");
    const HOSTILE: &str = "<script>alert(1)</script><img/src>.example";
    let chain = Chain::new(4);
    chain.filter(2, "forward", &format!("ip daddr {TARGET} tcp dport 443 drop"));
    let folder = Folder::new();
    folder.write("hosts", "127.0.0.1 localhost\n");
    folder.write("resolv.conf", "nameserver 127.0.0.1\n");
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/programs/names.py");
    let known = format!("{HOSTILE}={}", Chain::address(1));
    let _names = Running::spawn(chain.source().command("python3").args([program, &known]));
    // Names are looked up with the settings of this test, and those of the host stay as they are.
    let inside = "mount --bind resolv.conf /etc/resolv.conf && mount --bind hosts /etc/hosts && exec \"$@\"";
    let mut command = chain.source().command("unshare");
    command.current_dir(folder.path("")).args(["--mount", "sh", "-c", inside, "sh", "setpriv"]);
    let endpoints = "--endpoints=203.0.113.9:443,203.0.113.10:443";
    let listen = format!("--listen={PAGE}");
    command.args(UNPRIVILEGED).args([NETSCRIPT, "run", "egress-trace", "--allow", "serve", "--"]);
    command.args([endpoints, &listen, "--interval=200ms", "--names"]);
    let mut running = Running::spawn(&mut command);
    running.says("serving");
    reported(&chain, "203.0.113.9:443", "filtered");
    reported(&chain, "203.0.113.10:443", "open");

    let shown = run(&mut browser(&chain, &folder, &["--dump-dom"]));
    let page = &shown.stdout;
    assert!(page.contains("<title>1 of 2 open: Egress trace</title>"), "{shown:?}");
    assert!(page.contains("<strong>filtered</strong> nothing answers beyond hop 2 (198.51.100.10)"), "{page}");
    assert!(page.contains("<td class=\"text\">198.51.100.10</td>"), "{page}");
    assert!(page.contains("<polyline class=\"stroke\"") || page.contains("<circle class=\"fill\""), "{page}");
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;&lt;img/src&gt;.example"), "{page}");
    assert!(!page.contains("<script") && !page.contains("<img"), "{page}");

    // It asks for itself again: nobody touches the browser while the firewall goes.
    let _browser = Running::spawn(&mut browser(&chain, &folder, &["--remote-debugging-port=9222"]));
    let has_title = |title: &str| {
        until(title, || {
            let mut curl = chain.source().command("curl");
            let pages = curl.args(["-sS", "http://127.0.0.1:9222/json/list"]).output().unwrap().stdout;
            String::from_utf8_lossy(&pages).contains(title).then_some(())
        });
    };
    has_title("1 of 2 open: Egress trace");
    chain.hop(2).nft("delete table inet firewall");
    has_title("2 of 2 open: Egress trace");
}

/// What netscript needs of a system: a shell, and the libraries that it is linked with, where they are here.
fn base(engine: &Engine) -> &'static str {
    const NAME: &str = "lab/base";
    let root = Folder::new();
    let copy = |from: &str| {
        let to = root.path(from.trim_start_matches('/'));
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(from, to).unwrap();
    };
    let linked = succeed(Command::new("ldd").arg(NETSCRIPT));
    linked.split_whitespace().filter(|word| word.starts_with('/')).for_each(copy);
    copy(&tool("busybox"));
    std::fs::create_dir_all(root.path("bin")).unwrap();
    std::os::unix::fs::symlink(tool("busybox"), root.path("bin/sh")).unwrap();
    let archive = root.path("base.tar");
    succeed(
        Command::new("tar").arg("-C").arg(root.path("")).args(["--exclude=./base.tar", "-cf"]).arg(&archive).arg("."),
    );
    engine.client(&["import", archive.to_str().unwrap(), NAME]);
    NAME
}

#[test]
fn the_image_traces_logs_and_serves_as_an_ordinary_user_without_capabilities() {
    needs!("dockerd", "docker", "busybox", "curl", "nft", "python3", "strip", "ldd", "tar");
    let engine = Engine::docker();
    let context = Folder::new();
    context.write("Dockerfile", std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/Dockerfile")).unwrap());
    succeed(Command::new(tool("strip")).arg("-o").arg(context.path("netscript")).arg(NETSCRIPT));
    let base = format!("BASE={}", base(&engine));
    let folder = context.path("");
    let from = ["--build-arg", &base, "--build-arg", "BINARY=netscript", folder.to_str().unwrap()];
    engine.client(&[&["build", "--network", "none", "--tag", "egress-trace"], &from[..]].concat());

    // The host is what the container traces: a port is open, and a firewall is before another one.
    let drop = format!("tcp dport {FILTERED} drop");
    engine
        .host
        .nft(&format!("table inet firewall {{ chain input {{ type filter hook input priority 0; {drop}; }}; }};"));
    let mut server = engine.host.command("python3");
    let mut server = Running::spawn(server.args(["-m", "http.server", "--bind", "198.51.100.1", "443"]));
    server.listens(443);
    let locked = ["--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--read-only"];
    let variables = ["--env", "ENDPOINT=198.51.100.1", "--env", "ENDPOINT_TCP_PORT=443,5432"];
    let run = [&["run", "--detach", "--name", "egress"], &locked[..], &variables, &["egress-trace", "--interval=1s"]];
    engine.client(&run.concat());

    let process = engine.client(&["inspect", "--format", "{{.State.Pid}}", "egress"]);
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    assert!(status.contains("\nUid:\t65534\t65534\t65534\t65534\n"), "{status}");
    assert!(
        status.contains("\nCapEff:\t0000000000000000\n") && status.contains("\nCapBnd:\t0000000000000000\n"),
        "{status}"
    );
    let logged = until("the first round", || {
        let logged = engine.client(&["logs", "egress"]);
        logged.contains(" 198.51.100.1:5432 filtered: ").then_some(logged)
    });
    assert!(logged.contains(" 198.51.100.1:443 open: the target answers at hop 1\n   1  198.51.100.1"), "{logged}");
    let address = engine.client(&["inspect", "--format", "{{.NetworkSettings.IPAddress}}", "egress"]);
    let mut curl = engine.host.command("curl");
    let page = succeed(curl.args(["-sSf", &format!("http://{address}:8080/")]));
    assert!(page.contains("<title>1 of 2 open: Egress trace</title>"), "{page}");
    // What a platform does to end it.
    engine.client(&["stop", "egress"]);
    assert_eq!(engine.client(&["inspect", "--format", "{{.State.ExitCode}}", "egress"]), "1");
}
