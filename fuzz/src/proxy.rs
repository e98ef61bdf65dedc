//! Any bytes as the apps of a proxy.

use std::collections::HashSet;
use std::net::IpAddr;
use std::time::Duration;

use netscript::proxy::config::{self, App, Balance, ConfigError, Ports, Replay, TargetSpec};
use serde_json::{Value, json};

const DAY: Duration = Duration::from_secs(86_400);

/// Reads the input as a file, and its lines as texts that settings of an app may be.
pub fn check(input: &[u8]) {
    if let Ok(value) = serde_json::from_slice(input) {
        judge(&value);
    }
    let text = String::from_utf8_lossy(input);
    let lines: Value = text.lines().collect();
    let text = Value::from(text);
    for settings in [
        json!({"ports": lines}),
        json!({"targets": lines}),
        json!({"name": text}),
        json!({"idle_timeout": text}),
        json!({"keepalive": text}),
        json!({"outlier": {"failures": text}}),
    ] {
        let mut app = json!({"name": "web", "ports": 80, "targets": "a.example:80"});
        for (key, value) in settings.as_object().unwrap() {
            app[key] = value.clone();
        }
        judge(&json!([app]));
    }
}

/// What is accepted keeps the rules, and is accepted again as it is; what is refused is refused with a place.
fn judge(value: &Value) {
    match config::apps(value) {
        Ok(apps) => {
            keep_the_rules(&apps);
            let written: Value = apps.iter().map(written).collect();
            assert_eq!(config::apps(&written), Ok(apps), "{written}");
        }
        Err(error) => names_its_places(value, &error),
    }
}

fn names_its_places(value: &Value, error: &ConfigError) {
    assert!(!error.problems().is_empty());
    let apps = match value {
        Value::Object(map) => map.values().find_map(Value::as_array),
        other => other.as_array(),
    };
    let apps = apps.map(Vec::as_slice).unwrap_or_default();
    for problem in error.problems() {
        assert!(problem.len() < 2_500 && !problem.contains(char::is_control), "{problem:?}");
        let number = problem.strip_prefix("app ").and_then(|rest| rest.split_once(": ")?.0.parse::<usize>().ok());
        let is_of_app = match number {
            Some(number) => (1..=apps.len()).contains(&number),
            None => names(apps).any(|name| problem.starts_with(&format!("app \"{}\": ", name.escape_debug()))),
        };
        // Of a map of apps also what stands beside them.
        let is_of_file = apps.is_empty() || apps.len() > 1_000 || value.is_object();
        assert!(is_of_app || (is_of_file && problem.contains(": ")), "{problem:?} is of no app");
    }
}

/// What may be the names of apps.
fn names(apps: &[Value]) -> impl Iterator<Item = &str> {
    apps.iter().filter_map(Value::as_object).flat_map(|app| app.values()).filter_map(Value::as_str)
}

fn keep_the_rules(apps: &[App]) {
    assert!((1..=1_000).contains(&apps.len()));
    let mut names = HashSet::new();
    for app in apps {
        assert!(names.insert(&app.name), "two are called {}", app.name);
        assert!((1..=64).contains(&app.name.chars().count()) && !app.name.contains(char::is_control), "{app:?}");
        assert!(app.tcp || app.udp, "{app:?}");
        assert!(!app.ports.is_empty() && !app.targets.is_empty(), "{app:?}");
        let mut targets = HashSet::new();
        for target in &app.targets {
            assert!(targets.insert((target.host.to_ascii_lowercase(), target.port)), "{target} twice");
            assert!(target.port != Some(0) && (1..=256).contains(&target.weight), "{target:?}");
            assert!(target.host.parse().map_or_else(|_| is_name(&target.host), is_of_one_host), "{target:?}");
        }
        if let Some(check) = &app.check {
            assert!(check.timeout <= check.interval && check.jitter <= 50 && check.port != Some(0), "{check:?}");
            assert!(check.rise > 0 && check.fall > 0, "{check:?}");
            assert!(app.tcp || check.port.is_some(), "{app:?}");
        }
        assert!(app.outlier.as_ref().is_none_or(|outlier| (1..=100).contains(&outlier.failures)), "{app:?}");
        assert!(app.connections != Some(0) && app.balance != Balance::Script, "{app:?}");
        assert!(app.keepalive.is_none_or(|span| (1..=32_767).contains(&span.as_secs())), "{app:?}");
        for span in spans(app) {
            assert!((Duration::from_millis(1)..=30 * DAY).contains(&span), "{app:?}");
        }
    }
    for takes in [|app: &App| app.tcp, |app: &App| app.udp] {
        let ports: Vec<Ports> = apps.iter().filter(|app| takes(app)).flat_map(|app| app.ports.clone()).collect();
        for (place, one) in ports.iter().enumerate() {
            assert!(0 < one.first && one.first <= one.last, "{one}");
            assert!(one.address.is_none_or(is_of_one_host) && !(one.address.is_none() && one.is_all()), "{one}");
            let rival = ports[..place].iter().find(|other| overlap(one, other));
            assert!(rival.is_none(), "{one} overlaps {rival:?}");
        }
    }
}

fn is_name(host: &str) -> bool {
    !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// An address that a host may have, in the form of its own family.
fn is_of_one_host(address: IpAddr) -> bool {
    !address.is_unspecified() && !address.is_multicast() && address == address.to_canonical()
}

/// All ports of an address leave single ones of it to others.
fn overlap(one: &Ports, other: &Ports) -> bool {
    let is_same = one.address == other.address && one.is_all() == other.is_all();
    is_same && one.first <= other.last && other.first <= one.last
}

/// Everything that takes time and takes some.
fn spans(app: &App) -> impl Iterator<Item = Duration> {
    let timeouts = &app.timeouts;
    let always = [timeouts.connect, timeouts.idle, timeouts.linger, timeouts.udp, app.passive.retry];
    let check = app.check.iter().flat_map(|check| [check.interval, check.timeout]);
    let outlier = app.outlier.iter().flat_map(|outlier| [outlier.window, outlier.ejected]);
    always.into_iter().chain(check).chain(outlier)
}

/// An app with all of its settings.
fn written(app: &App) -> Value {
    let protocols = [("tcp", app.tcp), ("udp", app.udp)].into_iter().filter_map(|(name, takes)| takes.then_some(name));
    let target = |target: &TargetSpec| json!({"target": target.to_string(), "weight": target.weight});
    let check = app.check.as_ref().map(|check| {
        let times = (span(check.interval), span(check.timeout));
        json!({"interval": times.0, "timeout": times.1, "rise": check.rise, "fall": check.fall,
            "jitter": percent(check.jitter), "port": check.port})
    });
    let outlier = app.outlier.as_ref().map(|outlier| {
        json!({"failures": percent(outlier.failures), "window": span(outlier.window), "least": outlier.least,
            "eject": span(outlier.ejected)})
    });
    let mut settings = json!({
        "name": app.name,
        "ports": app.ports.iter().map(Ports::to_string).collect::<Vec<_>>(),
        "targets": app.targets.iter().map(target).collect::<Vec<_>>(),
        "protocol": protocols.collect::<Vec<_>>(),
        "balance": if app.balance == Balance::RoundRobin { "round-robin" } else { "least-connections" },
        "check": check.unwrap_or(Value::Bool(false)),
        "passive": {"fall": app.passive.fall, "retry": span(app.passive.retry)},
        "outlier": outlier,
        "slow_start": span(app.slow_start),
        "connections": app.connections,
    });
    if app.tcp {
        settings["connect_timeout"] = span(app.timeouts.connect);
        settings["idle_timeout"] = span(app.timeouts.idle);
        settings["linger"] = span(app.timeouts.linger);
        settings["proxy_protocol"] = app.proxy_protocol.into();
        settings["keepalive"] = app.keepalive.map_or(Value::Bool(false), span);
        settings["replay"] = match app.replay {
            Replay::Never => "never".into(),
            Replay::Reset => "reset".into(),
            Replay::Unanswered => "unanswered".into(),
        };
    }
    if app.udp {
        settings["udp_timeout"] = span(app.timeouts.udp);
    }
    settings
}

fn span(span: Duration) -> Value {
    format!("{}ns", span.as_nanos()).into()
}

fn percent(hundredths: u32) -> Value {
    format!("{hundredths}%").into()
}
