//! What Prometheus reads of a proxy.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use super::record::{AppStats, Stats, TargetState};
use crate::web::metrics::{TYPE, head, label};
use crate::web::{self, Method, PLAIN, Server, ServerError};

/// Gives the metrics as they are now.
pub(super) type Metrics = Arc<dyn Fn() -> String + Send + Sync>;

/// Serves metrics at an address; with port 0 the system chooses one.
pub(super) fn serve(address: SocketAddr, metrics: Metrics) -> Result<Server, ServerError> {
    let answer = move |method: &Method, path: &str| {
        web::reply(method, "/metrics and /healthz", || match path {
            "/metrics" => Some((TYPE, metrics())),
            "/healthz" => Some((PLAIN, "ok\n".to_owned())),
            _ => None,
        })
    };
    Server::start(address, Arc::new(answer))
}

/// All metrics.
pub(super) fn text(stats: &Stats, targets: &[TargetState]) -> String {
    let mut text = String::new();
    of_apps(&mut text, stats);
    of_targets(&mut text, targets);
    head(&mut text, "netscript_proxy_connections_limit", "gauge", "Connections and associations that there may be.");
    let _ = writeln!(text, "netscript_proxy_connections_limit {}", stats.most);
    let verdicts = [
        ("dispatched", stats.dispatched),
        ("missed", stats.missed),
        ("no_socket", stats.no_socket),
        ("refused", stats.refused),
    ];
    if verdicts.iter().any(|(_, count)| count.is_some()) {
        let help = "What the kernel did with what clients meant: brought to an app, for none, for one that did not listen, for none at the port of a listener.";
        head(&mut text, "netscript_proxy_dispatch_total", "counter", help);
        for (verdict, count) in verdicts.into_iter().filter_map(|(verdict, count)| Some((verdict, count?))) {
            let _ = writeln!(text, "netscript_proxy_dispatch_total{{verdict=\"{verdict}\"}} {count}");
        }
    }
    text
}

fn of_apps(text: &mut String, stats: &Stats) {
    type Count = fn(&AppStats) -> u64;
    let metrics: [(&str, &str, &str, Count); 6] = [
        ("connections", "gauge", "Connections and associations that an app has.", |app| app.open as u64),
        ("accepted_total", "counter", "Connections and associations that were accepted.", |app| app.accepted),
        ("failed_total", "counter", "Connections and associations that got no target.", |app| app.failed),
        ("retried_total", "counter", "How often a further target was tried.", |app| app.retried),
        ("limited_total", "counter", "How often one had to wait because of a limit.", |app| app.limited),
        ("dropped_total", "counter", "Datagrams that could not be passed on.", |app| app.dropped),
    ];
    for (name, kind, help, count) in metrics {
        let name = format!("netscript_proxy_{name}");
        head(text, &name, kind, help);
        for app in &stats.apps {
            let _ = writeln!(text, "{name}{{app=\"{}\"}} {}", label(&app.name), count(app));
        }
    }
}

fn of_targets(text: &mut String, targets: &[TargetState]) {
    let labels = |target: &TargetState| {
        let address = target.address.map(|address| address.to_string()).unwrap_or_default();
        format!("app=\"{}\",target=\"{}\",address=\"{address}\"", label(&target.app), label(&target.target))
    };
    type Number = fn(&TargetState) -> Option<f64>;
    #[expect(clippy::cast_precision_loss, reason = "Prometheus counts in 64-bit floats, too")]
    let metrics: [(&str, &str, &str, Number); 5] = [
        ("up", "gauge", "1 for an address of a target that gets connections, 0 for others.", |target| {
            Some(if matches!(target.state, "up" | "unchecked") { 1.0 } else { 0.0 })
        }),
        ("connections", "gauge", "Connections and associations that it has.", |target| Some(target.open as f64)),
        ("connections_total", "counter", "Connections and associations that it got.", |target| {
            Some(target.total as f64)
        }),
        ("failed_total", "counter", "Connections that could not be made or were reset before a byte came.", |target| {
            Some(target.failed as f64)
        }),
        ("check_seconds", "gauge", "How long the last check took to connect.", |target| {
            target.latency.map(|latency| latency.as_secs_f64())
        }),
    ];
    for (name, kind, help, number) in metrics {
        let name = format!("netscript_proxy_target_{name}");
        head(text, &name, kind, help);
        for (target, number) in targets.iter().filter_map(|target| Some((target, number(target)?))) {
            let _ = writeln!(text, "{name}{{{}}} {number}", labels(target));
        }
    }
    head(text, "netscript_proxy_bytes_total", "counter", "Moved to and from targets.");
    for target in targets {
        for (direction, bytes) in [("to_target", target.bytes_to_target), ("to_client", target.bytes_to_client)] {
            let labels = labels(target);
            let _ = writeln!(text, "netscript_proxy_bytes_total{{{labels},direction=\"{direction}\"}} {bytes}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(app: &str, state: &'static str) -> TargetState {
        TargetState { app: app.into(), state, ..TargetState::sample(1) }
    }

    fn stats(app: &str) -> Stats {
        let app = AppStats { name: app.into(), open: 2, accepted: 9, failed: 1, retried: 4, limited: 0, dropped: 0 };
        Stats { most: 1000, apps: vec![app.into()], ..Stats::default() }
    }

    #[test]
    fn metrics_say_what_apps_and_targets_did() {
        let unresolved = TargetState { address: None, latency: None, ..target("web", "unresolved") };
        let stats = Stats { dispatched: Some(9), missed: Some(70), no_socket: Some(0), ..stats("web") };
        let text = text(&stats, &[target("web", "up"), unresolved]);
        for line in [
            "# HELP netscript_proxy_accepted_total Connections and associations that were accepted.",
            "# TYPE netscript_proxy_accepted_total counter",
            "netscript_proxy_connections{app=\"web\"} 2",
            "netscript_proxy_accepted_total{app=\"web\"} 9",
            "netscript_proxy_retried_total{app=\"web\"} 4",
            "netscript_proxy_target_up{app=\"web\",target=\"a.example:5001\",address=\"192.0.2.1\"} 1",
            "netscript_proxy_target_up{app=\"web\",target=\"a.example:5001\",address=\"\"} 0",
            "netscript_proxy_target_connections_total{app=\"web\",target=\"a.example:5001\",address=\"\"} 1000000007",
            "netscript_proxy_target_check_seconds{app=\"web\",target=\"a.example:5001\",address=\"192.0.2.1\"} 0.0015",
            "netscript_proxy_bytes_total{app=\"web\",target=\"a.example:5001\",address=\"\",direction=\"to_client\"} \
             17179869180",
            "netscript_proxy_connections_limit 1000",
            "# TYPE netscript_proxy_dispatch_total counter",
            "netscript_proxy_dispatch_total{verdict=\"missed\"} 70",
        ] {
            assert!(text.lines().any(|other| other == line), "{line}: {text}");
        }
        assert!(!text.contains("check_seconds{app=\"web\",target=\"a.example:5001\",address=\"\""), "no check: {text}");
    }

    #[test]
    fn every_metric_is_declared_once_before_its_values() {
        let text = text(&Stats { missed: Some(0), ..stats("web") }, &[target("web", "up"), target("api", "down")]);
        let mut declared = Vec::new();
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("# TYPE ") {
                declared.push(name.split(' ').next().unwrap());
            } else if !line.starts_with('#') {
                assert_eq!(line.split(['{', ' ']).next(), declared.last().copied(), "{line}");
            }
        }
        let mut once = declared.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), declared.len(), "{declared:?}");
    }

    #[test]
    fn ports_that_are_bound_have_no_counters_of_the_kernel() {
        assert!(!text(&stats("web"), &[]).contains("dispatch"));
    }

    #[test]
    fn labels_cannot_be_left_by_what_is_in_them() {
        let text = text(&stats("a\"} 1\nevil{x=\""), &[target("b\\", "up")]);
        assert!(text.contains(r#"netscript_proxy_connections{app="a\"} 1\nevil{x=\""} 2"#), "{text}");
        assert!(text.contains(r#"netscript_proxy_target_up{app="b\\",target="#), "{text}");
        assert!(text.lines().all(|line| line.starts_with('#') || line.starts_with("netscript_proxy_")), "{text}");
    }

    #[test]
    fn metrics_are_served_as_they_are_now() {
        use std::io::{Read as _, Write as _};
        use std::sync::atomic::{AtomicU32, Ordering};

        let count = AtomicU32::new(0);
        let metrics: Metrics = Arc::new(move || format!("x {}\n", count.fetch_add(1, Ordering::Relaxed)));
        let server = serve(([127, 0, 0, 1], 0).into(), metrics).unwrap();
        let ask = |path: &str| {
            let mut stream = std::net::TcpStream::connect(server.address()).unwrap();
            write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer.split_once("\r\n\r\n").unwrap().1.to_owned()
        };
        let answers = ["/metrics", "/metrics", "/healthz", "/"].map(ask);
        assert_eq!(answers, ["x 0\n", "x 1\n", "ok\n", "there are /metrics and /healthz\n"]);
    }
}
