//! Reads apps.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::{Map, Value};

use super::section::Section;
use super::value::{self, SPAN, count, flag, part, port_of, shown, span, word};
use super::{App, Balance, Check, ConfigError, Outlier, Passive, Ports, Replay, TargetSpec, Timeouts, overlap};

/// Apps of a proxy, at most.
const APPS: usize = 1_000;
/// Ports and ranges of all apps, and targets of all apps, at most.
const ITEMS: usize = 65_535;
/// Characters of the name of an app, at most.
const NAME: usize = 64;
/// The largest weight.
const WEIGHT: u32 = 256;
/// Checks or failures in a row, at most.
const ROW: u32 = 1_000;
/// Connections of an app, at most.
const CONNECTIONS: u32 = 10_000_000;
/// What TCP takes as a time of keepalive (tcp(7)).
const KEEPALIVE: (Duration, Duration, &str) = (Duration::from_secs(1), Duration::from_secs(32_767), "1s to 9h");
/// Also none at all.
const OR_ZERO: (Duration, Duration, &str) = (Duration::ZERO, SPAN.1, "0s to 30d");

/// Reads apps: a list of maps, or a map that has it as `apps`. Settings may be written in any case, with `_`, `-` or
/// neither; what is null is not set. Durations are texts such as `"2s"` or numbers of seconds, parts of the whole
/// numbers such as `0.5` or texts such as `"50%"`.
///
/// | setting | what it is | without it |
/// | --- | --- | --- |
/// | `name` | what the app is called: 1 to 64 characters | |
/// | `ports` | where clients reach it, one or a list | |
/// | `targets` | who serves it, one or a list | |
/// | `protocol` | `"tcp"`, `"udp"` or `"both"` | `"tcp"` |
/// | `balance` | `"round-robin"` or `"least-connections"` | `"round-robin"` |
/// | `check` | `true`, `false`, or `interval`, `timeout`, `rise`, `fall`, `jitter` (0 to 0.5), `port` | TCP, every 2s |
/// | `passive` | `false`, or `fall` (failures in a row of connections) and `retry` (where nothing checks) | 3, 10s |
/// | `outlier` | `true`, `false`, or `failures` (0.01 to 1), `window`, `least`, `eject` | `false` |
/// | `slow_start` | in which time a target that came back gets its whole share again | at once |
/// | `connect_timeout` | how long connecting to one target may take | 3s |
/// | `idle_timeout` | how long a connection may be silent | 1h |
/// | `linger` | how long it may be once one side has ended | 1m |
/// | `udp_timeout` | how long a UDP association may be silent | 1m |
/// | `connections` | connections and associations at the same time | as many as all may have |
/// | `proxy_protocol` | whether targets are told who the client is | `false` |
/// | `keepalive` | `true` (1m), `false`, or the silence before TCP keepalive begins | `false` |
/// | `replay` | `"never"`, `"reset"`, `"unanswered"`: whether what was sent is sent to another target | `"never"` |
///
/// Ports are `5001`, `"5200-5300"`, `"192.0.2.1:80"`, `"[2001:db8::1]:8000-8100"`, or all of an address,
/// `"192.0.2.1:*"`. A port of an address goes before the same of every address, and before all of its address. Targets
/// are `"host:port"`, `"[2001:db8::1]:443"`, `"host"` for the port that the client meant, or `{"target": "host:port",
/// "weight": 3}` with a weight of 1 to 256.
///
/// # Errors
///
/// If anything is wrong: all of it.
pub fn apps(value: &Value) -> Result<Vec<App>, ConfigError> {
    let list = list(value).map_err(|problems| ConfigError { problems })?;
    let mut problems = Vec::new();
    let mut labels = Vec::new();
    let mut apps: Vec<App> = Vec::new();
    let mut names = HashSet::new();
    let (mut ports, mut targets) = (0, 0);
    for (place, value) in list.iter().enumerate() {
        let Value::Object(map) = value else {
            problems.push(format!("app {}: {} is no map of settings", place + 1, shown(value)));
            continue;
        };
        let (label, app, wrong) = app(place, map);
        problems.extend(wrong);
        if !app.name.is_empty() && !names.insert(app.name.clone()) {
            problems.push(format!("{label}: name: another app has it"));
        }
        (ports, targets) = (ports + app.ports.len(), targets + app.targets.len());
        for (setting, count) in [("ports", ports), ("targets", targets)] {
            if count > ITEMS {
                problems.push(format!("{label}: {setting}: those of all apps are more than {ITEMS}"));
                return Err(ConfigError { problems });
            }
        }
        labels.push(label);
        apps.push(app);
    }
    problems.extend(overlap::problems(&apps, &labels));
    if problems.is_empty() { Ok(apps) } else { Err(ConfigError { problems }) }
}

/// The list of apps.
fn list(value: &Value) -> Result<&[Value], Vec<String>> {
    let list = match value {
        Value::Object(map) => {
            let mut section = Section::new(String::new(), map);
            let list = section.take("apps");
            let mut problems = section.close();
            if list.is_none() {
                problems.insert(0, "apps: there are none".to_owned());
            }
            if !problems.is_empty() {
                return Err(problems);
            }
            list.unwrap_or(value)
        }
        other => other,
    };
    match list {
        Value::Array(list) if list.is_empty() => Err(vec!["apps: there are none".to_owned()]),
        Value::Array(list) if list.len() > APPS => Err(vec![format!("apps: {} are more than {APPS}", list.len())]),
        Value::Array(list) => Ok(list),
        other => Err(vec![format!("apps: {} is no list of apps", shown(other))]),
    }
}

/// Reads an app: what it is called in messages, the app with what could be read, and what is wrong with it.
fn app(place: usize, map: &Map<String, Value>) -> (String, App, Vec<String>) {
    let known = |(key, value): (&String, &Value)| (value::plain(key) == "name").then(|| name(value).ok()).flatten();
    let label = map
        .iter()
        .find_map(known)
        .map_or_else(|| format!("app {}", place + 1), |name: String| format!("app \"{}\"", value::escaped(&name)));
    let mut section = Section::new(format!("{label}: "), map);
    let settings = &mut section;
    let name = required(settings, "name", name).unwrap_or_default();
    let ports = required(settings, "ports", |value| items(value, ports_of)).unwrap_or_default();
    let targets = targets(settings);
    let (tcp, udp) = settings.read("protocol", protocol).unwrap_or((true, false));
    let balance = [("round-robin", Balance::RoundRobin), ("least-connections", Balance::LeastConnections)];
    let balance = settings.read("balance", |value| word(value, &balance)).unwrap_or_default();
    let check = check(settings, tcp, &ports, &targets);
    let passive = passive(settings);
    let outlier = outlier(settings);
    let slow_start = settings.read("slow_start", |value| span(value, OR_ZERO)).unwrap_or_default();
    let mut timeouts = Timeouts::default();
    settings.set("connect_timeout", &mut timeouts.connect, |value| span(value, SPAN));
    settings.set("idle_timeout", &mut timeouts.idle, |value| span(value, SPAN));
    settings.set("linger", &mut timeouts.linger, |value| span(value, SPAN));
    settings.set("udp_timeout", &mut timeouts.udp, |value| span(value, SPAN));
    let connections = settings.read("connections", |value| count(value, 1, CONNECTIONS));
    let proxy_protocol = settings.read("proxy_protocol", flag).unwrap_or_default();
    let keepalive = settings.read("keepalive", keepalive).flatten();
    let replay = [("never", Replay::Never), ("reset", Replay::Reset), ("unanswered", Replay::Unanswered)];
    let replay = settings.read("replay", |value| word(value, &replay)).unwrap_or_default();
    if !tcp {
        settings.rules_out(
            &["connect_timeout", "idle_timeout", "linger", "proxy_protocol", "keepalive", "replay"],
            "is for TCP, which the app does not take",
        );
    }
    if !udp {
        settings.rules_out(&["udp_timeout"], "is for UDP, which the app does not take");
    }
    let app = App {
        name,
        ports,
        tcp,
        udp,
        targets,
        balance,
        check,
        passive,
        outlier,
        slow_start,
        timeouts,
        connections: connections.map(|connections| connections as usize),
        proxy_protocol,
        keepalive,
        replay,
    };
    (label, app, section.close())
}

/// A setting that has to be there.
fn required<'a, T>(
    settings: &mut Section<'a>,
    key: &'static str,
    parse: impl FnOnce(&'a Value) -> Result<T, String>,
) -> Option<T> {
    if !settings.has(key) {
        settings.wrong(key, "is missing");
    }
    settings.read(key, parse)
}

fn name(value: &Value) -> Result<String, String> {
    let name = value.as_str().ok_or_else(|| format!("{} is no text", shown(value)))?;
    let is_name = (1..=NAME).contains(&name.chars().count()) && !name.contains(char::is_control);
    if is_name && name.trim() == name {
        Ok(name.to_owned())
    } else {
        Err(format!("{} is no name; it has 1 to {NAME} characters that can be seen", shown(value)))
    }
}

/// One, or a list that is not empty.
fn items<'a, T>(value: &'a Value, read: impl FnMut(&'a Value) -> Result<T, String>) -> Result<Vec<T>, String> {
    match value {
        Value::Array(list) if list.is_empty() => Err("there are none".to_owned()),
        Value::Array(list) if list.len() > ITEMS => Err(format!("{} are more than {ITEMS}", list.len())),
        Value::Array(list) => list.iter().map(read).collect(),
        value => std::iter::once(value).map(read).collect(),
    }
}

fn ports_of(value: &Value) -> Result<Ports, String> {
    match value {
        Value::String(text) => Ports::parse(text.trim()),
        other => port_of(other).map(Ports::of),
    }
}

fn targets(settings: &mut Section<'_>) -> Vec<TargetSpec> {
    let Some(values) = required(settings, "targets", |value| items(value, Ok)) else { return Vec::new() };
    let mut targets: Vec<TargetSpec> = Vec::new();
    let mut seen = HashSet::new();
    for value in values {
        let target = match value {
            Value::Object(map) => settings.below("targets", map, |settings| {
                let target = required(settings, "target", target);
                let weight = settings.read("weight", |value| count(value, 1, WEIGHT)).unwrap_or(1);
                target.map(|target| TargetSpec { weight, ..target })
            }),
            text => target(text).map_err(|why| settings.wrong("targets", &why)).ok(),
        };
        let Some(target) = target else { continue };
        if seen.insert((target.host.to_ascii_lowercase(), target.port)) {
            targets.push(target);
        } else {
            settings.wrong("targets", &format!("{target} is named twice; a weight gives it a larger share"));
        }
    }
    targets
}

fn target(value: &Value) -> Result<TargetSpec, String> {
    let text = value.as_str().ok_or_else(|| format!("{} is no text such as \"a.example:5001\"", shown(value)))?;
    TargetSpec::parse(text)
}

/// Whether TCP is taken, and UDP.
fn protocol(value: &Value) -> Result<(bool, bool), String> {
    let words = [("tcp", (true, false)), ("udp", (false, true)), ("both", (true, true))];
    let all = items(value, |value| word(value, &words))?;
    Ok((all.iter().any(|(tcp, _)| *tcp), all.iter().any(|(_, udp)| *udp)))
}

/// How targets are checked. Where no port is known that would answer, they are not, unless that is asked for.
fn check(settings: &mut Section<'_>, tcp: bool, ports: &[Ports], targets: &[TargetSpec]) -> Option<Check> {
    let mut check = Check::default();
    let is_asked_for = match settings.take("check") {
        None => false,
        Some(Value::Bool(false)) => return None,
        Some(Value::Bool(true)) => true,
        Some(Value::Object(map)) => {
            settings.below("check", map, |settings| {
                settings.set("interval", &mut check.interval, |value| span(value, SPAN));
                check.timeout = check.timeout.min(check.interval);
                settings.set("timeout", &mut check.timeout, |value| span(value, SPAN));
                settings.set("rise", &mut check.rise, |value| count(value, 1, ROW));
                settings.set("fall", &mut check.fall, |value| count(value, 1, ROW));
                settings.set("jitter", &mut check.jitter, |value| part(value, 0, 50));
                check.port = settings.read("port", port_of);
                if check.timeout > check.interval {
                    let interval = crate::record::Duration::from(check.interval);
                    settings.wrong("timeout", &format!("is longer than the interval, {interval}"));
                }
            });
            true
        }
        Some(other) => {
            settings.wrong("check", &format!("{} is neither true nor false nor a map of settings", shown(other)));
            return None;
        }
    };
    let is_any = ports.first().is_some_and(Ports::is_all) && targets.iter().any(|target| target.port.is_none());
    let why_not = match () {
        () if check.port.is_some() => return Some(check),
        () if !tcp => "checks connect over TCP, which the app does not take; name the port to check",
        () if is_any => "the app has all ports; name the port to check",
        () => return Some(check),
    };
    if is_asked_for {
        settings.wrong("check", why_not);
    }
    None
}

fn passive(settings: &mut Section<'_>) -> Passive {
    let mut passive = Passive::default();
    match settings.take("passive") {
        None | Some(Value::Bool(true)) => {}
        Some(Value::Bool(false)) => passive.fall = 0,
        Some(Value::Object(map)) => settings.below("passive", map, |settings| {
            settings.set("fall", &mut passive.fall, |value| count(value, 0, ROW));
            settings.set("retry", &mut passive.retry, |value| span(value, SPAN));
        }),
        Some(other) => {
            settings.wrong("passive", &format!("{} is neither true nor false nor a map of settings", shown(other)));
        }
    }
    passive
}

fn outlier(settings: &mut Section<'_>) -> Option<Outlier> {
    let mut outlier = Outlier::default();
    match settings.take("outlier") {
        None | Some(Value::Bool(false)) => return None,
        Some(Value::Bool(true)) => {}
        Some(Value::Object(map)) => settings.below("outlier", map, |settings| {
            settings.set("failures", &mut outlier.failures, |value| part(value, 1, 100));
            settings.set("window", &mut outlier.window, |value| span(value, SPAN));
            settings.set("least", &mut outlier.least, |value| count(value, 1, 1_000_000));
            settings.set("eject", &mut outlier.ejected, |value| span(value, SPAN));
        }),
        Some(other) => {
            settings.wrong("outlier", &format!("{} is neither true nor false nor a map of settings", shown(other)));
        }
    }
    Some(outlier)
}

fn keepalive(value: &Value) -> Result<Option<Duration>, String> {
    match value {
        Value::Bool(true) => Ok(Some(Duration::from_secs(60))),
        Value::Bool(false) => Ok(None),
        other => span(other, KEEPALIVE).map(Some),
    }
}
