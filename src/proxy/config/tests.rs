//! What may be said, and what is answered to the rest.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;

fn problems(value: &Value) -> Vec<String> {
    apps(value).unwrap_err().problems().to_vec()
}

/// What is wrong with an app of which nothing else is said.
fn wrong_with(settings: &Value) -> String {
    let mut app = json!({"name": "web", "ports": [80], "targets": ["a:80"]});
    for (key, value) in settings.as_object().unwrap() {
        app[key] = value.clone();
    }
    problems(&json!([app])).join("\n")
}

fn read(settings: &Value) -> App {
    let mut app = json!({"name": "web", "ports": [80], "targets": ["a:80"]});
    for (key, value) in settings.as_object().unwrap() {
        app[key] = value.clone();
    }
    apps(&json!([app])).unwrap().remove(0)
}

#[test]
fn the_story_is_read_as_it_is() {
    let story = json!({"Apps": [
        {"Name": "five-thousand", "Ports": [5001, 5200, 5300, 5400],
         "Targets": ["tcp-echo.example:5001", "bad.target.for.testing:5001"]},
        {"Name": "six-thousand", "Ports": [6001, 6200], "Targets": ["tcp-echo.example:6001"]},
    ]});
    let mut first = App::sample(
        "five-thousand",
        &[5001, 5200, 5300, 5400],
        &["tcp-echo.example:5001", "bad.target.for.testing:5001"],
    );
    let mut second = App::sample("six-thousand", &[6001, 6200], &["tcp-echo.example:6001"]);
    (first.check, second.check) = (Some(Check::default()), Some(Check::default()));
    assert_eq!(apps(&story).unwrap(), [first, second]);
}

#[test]
fn settings_are_known_in_any_spelling() {
    for key in ["connect_timeout", "connectTimeout", "ConnectTimeout", "CONNECT-TIMEOUT", "connecttimeout"] {
        assert_eq!(read(&json!({ key: "5s" })).timeouts.connect, Duration::from_secs(5), "{key}");
    }
    assert_eq!(read(&json!({"balance": "LeastConnections"})).balance, Balance::LeastConnections);
    assert_eq!(read(&json!({"protocol": "UDP"})).check, None);
}

#[test]
fn every_setting_arrives() {
    let app = read(&json!({
        "ports": [80, "5200-5300", "192.0.2.1:*", "[2001:db8::1]:443", "192.0.2.1:81"],
        "targets": ["a.example:80", "[2001:db8::2]:81", "b", {"target": "192.0.2.9:82", "weight": 3}],
        "protocol": ["tcp", "udp"],
        "balance": "least-connections",
        "check": {"interval": 0.5, "timeout": "250ms", "rise": 1, "fall": 2, "jitter": "20%", "port": 8080},
        "passive": {"fall": 5, "retry": "1m"},
        "outlier": {"failures": 0.25, "window": "5s", "least": 20, "eject": "1m"},
        "slow_start": "30s", "connect_timeout": "1s", "idle_timeout": "2s", "linger": "3s", "udp_timeout": "4s",
        "connections": 1000, "proxy_protocol": true, "keepalive": true, "replay": "unanswered",
    }));
    let ports: Vec<String> = app.ports.iter().map(ToString::to_string).collect();
    assert_eq!(ports, ["80", "5200-5300", "192.0.2.1:*", "[2001:db8::1]:443", "192.0.2.1:81"]);
    let targets: Vec<(String, u32)> = app.targets.iter().map(|target| (target.to_string(), target.weight)).collect();
    let written = [("a.example:80", 1), ("[2001:db8::2]:81", 1), ("b", 1), ("192.0.2.9:82", 3)];
    assert_eq!(targets, written.map(|(target, weight)| (target.to_owned(), weight)));
    let seconds = Duration::from_secs;
    let expected = App {
        name: "web".into(),
        ports: app.ports.clone(),
        tcp: true,
        udp: true,
        targets: app.targets.clone(),
        balance: Balance::LeastConnections,
        check: Some(Check {
            interval: Duration::from_millis(500),
            timeout: Duration::from_millis(250),
            rise: 1,
            fall: 2,
            jitter: 20,
            port: Some(8080),
        }),
        passive: Passive { fall: 5, retry: seconds(60) },
        outlier: Some(Outlier { failures: 25, window: seconds(5), least: 20, ejected: seconds(60) }),
        slow_start: seconds(30),
        timeouts: Timeouts { connect: seconds(1), idle: seconds(2), linger: seconds(3), udp: seconds(4) },
        connections: Some(1000),
        proxy_protocol: true,
        keepalive: Some(seconds(60)),
        replay: Replay::Unanswered,
    };
    assert_eq!(app, expected);
}

#[test]
fn what_is_wrong_with_an_app_is_said_with_its_name_and_the_setting() {
    for (settings, expected) in [
        (json!({"ports": 70000}), "ports: 70000 is no port; ports are 1 to 65535"),
        (json!({"ports": [0]}), "ports: 0 is no port; ports are 1 to 65535"),
        (json!({"ports": -1}), "ports: -1 is no port; ports are 1 to 65535"),
        (json!({"ports": [80.5]}), "ports: 80.5 is no port; ports are 1 to 65535"),
        (json!({"ports": "http"}), "ports: http is no port; ports are 1 to 65535"),
        (json!({"ports": []}), "ports: there are none"),
        (json!({"ports": null}), "ports: is missing"),
        (json!({"ports": "90-80"}), "ports: 90-80 ends before it begins"),
        (json!({"ports": "*"}), "ports: all ports are those of one address: write 192.0.2.1:*"),
        (json!({"ports": "1-65535"}), "ports: all ports are those of one address: write 192.0.2.1:*"),
        (json!({"ports": "0.0.0.0:80"}), "ports: 0.0.0.0 is every address: leave it out"),
        (json!({"ports": "2001:db8::1:80"}), "ports: 2001:db8::1 has to be in brackets: [2001:db8::1]:443"),
        (json!({"ports": "web:80"}), "ports: web is no address; write 192.0.2.1:80"),
        (json!({"ports": [80, 80]}), "ports: 80 is named twice"),
        (json!({"ports": ["80-90", 85]}), "ports: 85 overlaps 80-90"),
        (json!({"targets": []}), "targets: there are none"),
        (json!({"targets": ["a:b:c"]}), "targets: a:b:c is no target; write host:port, or [address]:port for IPv6"),
        (json!({"targets": ["a b:1"]}), "targets: a b:1 is no target; write host:port, or [address]:port for IPv6"),
        (json!({"targets": ["1.2.3:1"]}), "targets: 1.2.3:1 is no target; write host:port, or [address]:port for IPv6"),
        (json!({"targets": [""]}), "targets: \"\" is no target; write host:port, or [address]:port for IPv6"),
        (json!({"targets": ["http://a"]}), "targets: http://a is a URL; write host:port"),
        (json!({"targets": ["a:0"]}), "targets: a:0: 0 is no port; ports are 1 to 65535"),
        (json!({"targets": ["::1"]}), "targets: ::1 has to be in brackets: [::1]:5001"),
        (json!({"targets": ["0.0.0.0:80"]}), "targets: 0.0.0.0:80 is the address of no host"),
        (json!({"targets": ["[::ffff:0.0.0.0]:80"]}), "targets: [::ffff:0.0.0.0]:80 is the address of no host"),
        (json!({"targets": ["a:1", "A:1"]}), "targets: A:1 is named twice; a weight gives it a larger share"),
        (json!({"targets": [5001]}), "targets: 5001 is no text such as \"a.example:5001\""),
        (json!({"targets": {"target": "a:1", "weight": 0}}), "targets.weight: 0 is no whole number from 1 to 256"),
        (json!({"targets": {"weight": 1}}), "targets.target: is missing"),
        (json!({"protocol": "sctp"}), "protocol: \"sctp\" is none of \"tcp\", \"udp\", \"both\""),
        (json!({"balance": 1}), "balance: 1 is none of \"round-robin\", \"least-connections\""),
        (json!({"prots": 1}), "prots: there is no such setting; did you mean `ports`?"),
        (json!({"xyzzy": 1}), "xyzzy: there is no such setting"),
        (json!({"Ports": 81}), "ports: is given twice"),
        (json!({"check": {"intervall": 1}}), "check.intervall: there is no such setting; did you mean `interval`?"),
        (json!({"check": {"jitter": 0.7}}), "check.jitter: 0.7 is not from 0% to 50%"),
        (json!({"check": {"timeout": "5s"}}), "check.timeout: is longer than the interval, 2s"),
        (json!({"check": 5}), "check: 5 is neither true nor false nor a map of settings"),
        (
            json!({"check": true, "protocol": "udp"}),
            "check: checks connect over TCP, which the app does not take; name the port to check",
        ),
        (
            json!({"check": true, "ports": "192.0.2.1:*", "targets": "a"}),
            "check: the app has all ports; name the port to check",
        ),
        (json!({"outlier": {"failures": 2}}), "outlier.failures: 2 is not from 1% to 100%"),
        (
            json!({"idle_timeout": "ten"}),
            "idle_timeout: \"ten\" is no duration; write a number and a unit, such as \"2s\"",
        ),
        (json!({"idle_timeout": "0s"}), "idle_timeout: \"0s\" is not within 1ms to 30d"),
        (json!({"idle_timeout": "-1s"}), "idle_timeout: \"-1s\" is not within 1ms to 30d"),
        (json!({"idle_timeout": "forever"}), "idle_timeout: \"forever\" is not within 1ms to 30d"),
        (json!({"linger": []}), "linger: a list is no duration; write \"2s\", or a number of seconds"),
        (json!({"keepalive": "10h"}), "keepalive: \"10h\" is not within 1s to 9h"),
        (json!({"udp_timeout": 1}), "udp_timeout: is for UDP, which the app does not take"),
        (json!({"protocol": "udp", "replay": "reset"}), "replay: is for TCP, which the app does not take"),
        (json!({"proxy_protocol": "v2"}), "proxy_protocol: \"v2\" is neither true nor false"),
        (json!({"connections": 0}), "connections: 0 is no whole number from 1 to 10000000"),
    ] {
        assert_eq!(wrong_with(&settings), format!("app \"web\": {expected}"), "{settings}");
    }
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let value = json!([
        {"name": "api", "ports": [5001, "6000-6100"], "targets": "a"},
        {"ports": 5002, "targets": "a"},
        {"name": "web", "ports": ["70000"], "targets": ["a:b:c"], "slow_start": true},
        {"name": "web", "ports": [5001, 6050], "targets": "a"},
        7,
    ]);
    let expected = [
        "app 2: name: is missing",
        "app \"web\": ports: 70000 is no port; ports are 1 to 65535",
        "app \"web\": targets: a:b:c is no target; write host:port, or [address]:port for IPv6",
        "app \"web\": slow_start: true is no duration; write \"2s\", or a number of seconds",
        "app \"web\": name: another app has it",
        "app 5: 7 is no map of settings",
        "app \"web\": ports: 5001 is also a port of app \"api\"",
        "app \"web\": ports: 6050 overlaps 6000-6100 of app \"api\"",
    ];
    assert_eq!(problems(&value), expected);
    assert_eq!(apps(&value).unwrap_err().to_string(), expected.join("\n"));
}

#[test]
fn what_is_no_list_of_apps_is_said() {
    for (value, expected) in [
        (json!([]), "apps: there are none"),
        (json!({"apps": []}), "apps: there are none"),
        (json!({}), "apps: there are none"),
        (json!({"app": [1]}), "apps: there are none\napp: there is no such setting; did you mean `apps`?"),
        (json!("x"), "apps: \"x\" is no list of apps"),
        (json!(null), "apps: nothing is no list of apps"),
        (Value::Array(vec![Value::Null; 1001]), "apps: 1001 are more than 1000"),
    ] {
        assert_eq!(problems(&value).join("\n"), expected);
    }
}

#[test]
fn ports_of_an_address_and_of_another_protocol_get_in_nobodys_way() {
    fn app(name: &str, ports: Value, protocol: &str) -> Value {
        json!({"name": name, "ports": ports, "targets": "a:1", "protocol": protocol})
    }
    let fine = json!([
        app("a", json!([80, "192.0.2.1:80", "192.0.2.1:*", "[2001:db8::1]:80"]), "tcp"),
        app("b", json!([80]), "udp"),
        app("c", json!(["192.0.2.2:80"]), "both"),
    ]);
    assert_eq!(apps(&fine).map(|apps| apps.len()), Ok(3));
    let both = json!([app("a", json!([80]), "both"), app("b", json!([80]), "both")]);
    assert_eq!(problems(&both), ["app \"b\": ports: 80 is also a port of app \"a\""]);
    let all = json!([app("a", json!("192.0.2.1:*"), "tcp"), app("b", json!("192.0.2.1:*"), "tcp")]);
    assert_eq!(problems(&all), ["app \"b\": ports: 192.0.2.1:* is also a port of app \"a\""]);
}

#[test]
fn all_ports_are_not_checked_unless_one_is_named() {
    let any = json!({"ports": "192.0.2.1:*", "targets": "a"});
    assert_eq!(read(&any).check, None);
    let one = json!({"ports": "192.0.2.1:*", "targets": "a", "check": {"port": 80}});
    assert_eq!(read(&one).check, Some(Check { port: Some(80), ..Check::default() }));
}

#[test]
fn a_short_interval_shortens_the_timeout() {
    let check = read(&json!({"check": {"interval": "200ms"}})).check.unwrap();
    assert_eq!(check.timeout, Duration::from_millis(200));
}

#[test]
fn messages_stay_short_and_on_their_lines() {
    let long = wrong_with(&json!({"targets": ["\u{1b}[2J\n".repeat(100_000)]}));
    assert!(long.len() < 800 && !long.contains(['\u{1b}', '\n']), "{long}");
    for short in [json!({"targets": "\u{1b}[2J\n"}), json!({"\u{1b}[2J\n": 1}), json!({"ports": "\u{1b}\n:80"})] {
        let short = wrong_with(&short);
        assert!(!short.contains(['\u{1b}', '\n']), "{short}");
    }
    let many: Vec<Value> = (0..50).map(Value::from).collect();
    let text = apps(&Value::Array(many)).unwrap_err().to_string();
    assert!(text.ends_with("app 20: 19 is no map of settings\nand 30 more"), "{text}");
}

#[test]
fn hostile_values_are_refused_in_peace() {
    let odd = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1e308),
        json!(u64::MAX),
        json!(""),
        json!("[]:"),
        json!("]["),
        json!("[::1"),
        json!("-"),
        json!(":"),
        json!("1-"),
        json!("%"),
        json!("NaN%"),
        json!("é:1"),
        json!(".:1"),
        json!("[::1%lo]:1"),
        json!(["x", null]),
        json!({"": ""}),
        json!([[[[]]]]),
        json!("\u{202e}"),
    ];
    let keys = [
        "name",
        "ports",
        "targets",
        "protocol",
        "balance",
        "check",
        "passive",
        "outlier",
        "slow_start",
        "connect_timeout",
        "idle_timeout",
        "linger",
        "udp_timeout",
        "connections",
        "proxy_protocol",
        "keepalive",
        "replay",
    ];
    for key in keys {
        for value in &odd {
            let mut app = json!({"name": "web", "ports": [80], "targets": ["a:80"]});
            app[key] = value.clone();
            let _ = apps(&json!([app]));
        }
    }
    for inner in ["interval", "timeout", "rise", "fall", "jitter", "port", "retry", "failures", "window", "eject"] {
        for value in &odd {
            let app =
                json!({"name": "w", "ports": 1, "targets": "a", "check": {inner: value}, "outlier": {inner: value}});
            assert!(apps(&json!([app])).is_err(), "{inner} {value}");
        }
    }
}

#[test]
fn what_is_written_is_read_back() {
    for text in ["80", "1-65534", "192.0.2.1:80", "192.0.2.1:1000-2000", "[2001:db8::1]:*"] {
        assert_eq!(Ports::parse(text).unwrap().to_string(), text);
    }
    for text in ["a", "a.example:80", "192.0.2.1", "[2001:db8::1]", "[2001:db8::1]:80", "a_b-c.example.:1"] {
        assert_eq!(TargetSpec::parse(text).unwrap().to_string(), text);
    }
    assert_eq!(TargetSpec::parse("[::ffff:192.0.2.1]:80").unwrap().to_string(), "192.0.2.1:80");
}
