//! `proxy status`: whether a proxy runs in this network namespace, how it is, and what is pinned.

use std::borrow::Cow;
use std::io::{self, IsTerminal as _};

use serde_json::{Value as Json, json};

use super::super::Ended;
use super::super::arguments::Color;
use super::super::list::{print, printed};
use super::super::output::{colored, terminal_width};
use super::{foreign, unseen};
use crate::proxy::{Pinned, Presence, Running, presence};
use crate::record::{Tuple, Value};
use crate::report::{Format, Renderer, Style};

/// What is told of each app and of each target.
const APP: &[&str] = &["app", "connections", "accepted", "failed", "retried", "limited", "dropped"];
const TARGET: &[&str] = &["app", "target", "state", "connections", "failed", "reason"];

pub(super) fn show(json: bool) -> Ended {
    let presence = match presence() {
        Ok(presence) => presence,
        Err(error) => return unseen(&error.to_string()),
    };
    if let (Pinned::Hidden(cause), None) = (&presence.pinned, &presence.running) {
        return unseen(&format!(
            "no proxy runs in {}, but what is pinned cannot be looked at: {cause}",
            presence.namespace
        ));
    }
    if json {
        return print(&format!("{}\n", as_json(&presence)));
    }
    let terminal = io::stdout().is_terminal();
    let style =
        Style { color: colored(Color::Auto, terminal), width: terminal.then(terminal_width), ..Style::default() };
    let mut to = Format::Table.renderer(Box::new(io::stdout()), style);
    printed(tell(&presence, to.as_mut()).and_then(|()| to.flush()))
}

fn as_json(Presence { namespace, running, pinned }: &Presence) -> Json {
    let (pins, path) = match pinned {
        Pinned::NotMounted => ("not mounted", None),
        Pinned::Nothing => ("none", None),
        Pinned::Running(path) => ("running", Some(path)),
        Pinned::Stale(path) => ("stale", Some(path)),
        Pinned::Foreign { path, .. } => ("foreign", Some(path)),
        Pinned::Hidden(_) => ("hidden", None),
    };
    json!({
        "netns": namespace.to_string(),
        "running": running.is_some(),
        "pid": running.as_ref().and_then(|running| running.pid),
        "pins": pins,
        "path": path.map(|path| path.display().to_string()),
        "status": running.as_ref().and_then(|running| running.status.as_ref()),
    })
}

/// Tells a person. Whoever has the name of the lock says what he likes.
fn tell(presence: &Presence, to: &mut dyn Renderer) -> io::Result<()> {
    to.text(seen(presence).trim_end())?;
    let Some(Running { status, .. }) = &presence.running else { return Ok(()) };
    let Some(status) = status else { return to.text("It does not tell this user how it is.") };
    let Some(stats) = status["stats"].as_object() else { return to.text("It is just beginning or ending.") };
    let said =
        |name: &str| stats.get(name).map_or_else(|| "?".to_owned(), |value| Value::from(value.clone()).to_string());
    let dispatch = match (stats.get("dispatch").and_then(Json::as_str), stats.get("dispatch_reason")) {
        (Some("kernel"), _) => "the kernel brings clients to it".to_owned(),
        (_, Some(Json::String(why))) => format!("it has bound each port: {why}"),
        _ => "it has bound each port".to_owned(),
    };
    to.text(&format!("Since {} {dispatch}.", said("start")))?;
    to.text(&format!("Connections and associations: {}, at most {}.", said("connections"), said("limit")))?;
    to.text("")?;
    for (columns, rows) in [(APP, stats.get("apps")), (TARGET, status.get("targets"))] {
        to.begin_table(&[])?;
        for row in rows.and_then(Json::as_array).into_iter().flatten() {
            let values = columns.iter().map(|name| row[name].clone().into()).collect();
            to.row(&Tuple::row("row", columns.iter().map(|&name| Cow::Borrowed(name)).collect(), values))?;
        }
        to.end_table()?;
    }
    Ok(())
}

/// What can be seen from outside.
fn seen(Presence { namespace, running, pinned }: &Presence) -> String {
    let mut text = match running {
        None => format!("No proxy runs in this network namespace, {namespace}.\n"),
        Some(Running { pid: Some(pid), .. }) => {
            format!("A proxy runs in this network namespace, {namespace}: process {pid}.\n")
        }
        Some(_) => {
            format!("A proxy runs in this network namespace, {namespace}; its process cannot be seen from here.\n")
        }
    };
    match pinned {
        Pinned::NotMounted => text.push_str("Nothing is pinned: no BPF file system is mounted at /sys/fs/bpf.\n"),
        Pinned::Nothing => text.push_str("Nothing is pinned.\n"),
        Pinned::Running(path) => text.push_str(&format!("It is pinned at {}.\n", path.display())),
        Pinned::Stale(path) => text.push_str(&format!(
            "One that was killed left {} behind: the next one takes it over, and `netscript proxy clean` removes it.\n",
            path.display()
        )),
        Pinned::Foreign { path, what } => {
            text.push_str(&foreign(&path.display().to_string(), what));
            text.push('\n');
        }
        Pinned::Hidden(cause) => text.push_str(&format!("What is pinned cannot be looked at: {cause}.\n")),
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Namespace;
    use crate::report::sample::rendered;

    fn presence(running: Option<Running>, pinned: Pinned) -> (Presence, String) {
        let namespace = Namespace::current().unwrap().id();
        (Presence { namespace, running, pinned }, namespace.to_string())
    }

    fn told(presence: &Presence) -> String {
        let style = Style { width: Some(80), ..Style::default() };
        rendered(Format::Table, style, |to| tell(presence, to))
    }

    #[test]
    fn apps_and_targets_are_tables() {
        let app = json!({
            "app": "web", "connections": 3, "accepted": 1200, "failed": 1, "retried": 2, "limited": 0, "dropped": 0,
        });
        let mut target = json!({
            "app": "web", "target": "192.0.2.1:5001", "state": "up", "connections": 3, "total": 600, "failed": 2,
            "bytes": 1_234_567, "reason": null, "weight": 1,
        });
        let up = target.clone();
        target["state"] = "down".into();
        target["reason"] = "connection refused".into();
        let status = json!({
            "stats": {
                "start": "2026-01-02T03:04:05Z", "dispatch": "kernel", "dispatch_reason": null, "connections": 3,
                "limit": 9872, "apps": [app],
            },
            "targets": [up, target],
        });
        let running = Running { pid: Some(812), status: Some(status) };
        let (seen, here) = presence(Some(running), Pinned::Running("/sys/fs/bpf/netscript/proxy-7".into()));
        let expected = format!(
            "A proxy runs in this network namespace, {here}: process 812.
It is pinned at /sys/fs/bpf/netscript/proxy-7.
Since 2026-01-02T03:04:05Z the kernel brings clients to it.
Connections and associations: 3, at most 9872.

app  connections  accepted  failed  retried  limited  dropped
web            3      1200       1        2        0        0

app  target          state  connections  failed  reason
web  192.0.2.1:5001  up               3       2  -
web  192.0.2.1:5001  down             3       2  connection refused
"
        );
        assert_eq!(told(&seen), expected);
    }

    #[test]
    fn what_a_stranger_says_is_harmless() {
        let status = json!({
            "stats": { "dispatch": 7, "start": "\u{1b}[2J", "apps": [{ "app": "a\u{1b}[2J" }, 5] }, "targets": "none",
        });
        let (seen, _) = presence(Some(Running { pid: None, status: Some(status) }), Pinned::Nothing);
        let told = told(&seen);
        assert!(told.contains("its process cannot be seen from here.\nNothing is pinned.\nSince \\x1b[2J"), "{told}");
        assert!(told.contains("a\\x1b[2J") && !told.contains('\u{1b}'), "{told}");
    }

    #[test]
    fn one_that_begins_is_not_said_to_keep_silent() {
        let (seen, _) = presence(Some(Running { pid: Some(812), status: Some(json!({})) }), Pinned::Nothing);
        assert!(told(&seen).ends_with("Nothing is pinned.\nIt is just beginning or ending.\n"));
        let (seen, _) = presence(Some(Running { pid: Some(812), status: None }), Pinned::Nothing);
        assert!(told(&seen).ends_with("Nothing is pinned.\nIt does not tell this user how it is.\n"));
    }

    #[test]
    fn the_json_of_nothing_has_every_key() {
        let (seen, here) = presence(None, Pinned::NotMounted);
        let expected = json!({
            "netns": here, "running": false, "pid": null, "pins": "not mounted", "path": null, "status": null,
        });
        assert_eq!(as_json(&seen), expected);
    }
}
