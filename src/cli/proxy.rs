//! `proxy`: what runs in this network namespace, and what was left behind.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::Ended;
use super::arguments::ProxyCommand;
use super::list::print;
use crate::proxy::{Cleaned, Pinned, Presence, Running, clean, presence};
use crate::report::{Verdict, harmless};

/// Runs a command about proxies.
pub(super) fn run(command: &ProxyCommand) -> Ended {
    match command {
        ProxyCommand::Status { json } => status(*json),
        ProxyCommand::Clean => tidy(),
    }
}

fn status(json: bool) -> Ended {
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
    print(&if json { format!("{}\n", as_json(&presence)) } else { as_text(&presence) })
}

/// Says why it cannot be told how things are.
fn unseen(why: &str) -> Ended {
    eprintln!("netscript: {why}");
    Ok(Verdict::Inconclusive.exit_code())
}

fn as_json(Presence { namespace, running, pinned }: &Presence) -> Value {
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

fn as_text(Presence { namespace, running, pinned }: &Presence) -> String {
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
    match running.as_ref().map(|running| &running.status) {
        Some(Some(Value::Object(status))) if status.is_empty() => text.push_str("It is just beginning or ending.\n"),
        Some(Some(Value::Object(status))) => {
            for (key, value) in status {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                // Whoever has the name of the lock says what he likes.
                let _ = writeln!(text, "{}: {}", harmless(key), harmless(&value));
            }
        }
        Some(_) => text.push_str("It does not tell this user how it is.\n"),
        None => {}
    }
    text
}

fn foreign(path: &str, what: &str) -> String {
    format!("{path} is not of a proxy: {}; look at it, and remove or rename it.", harmless(what))
}

fn tidy() -> Ended {
    let Cleaned { removed, running, unknown, foreign: others } = match clean() {
        Ok(cleaned) => cleaned,
        Err(error) => return unseen(&error.to_string()),
    };
    let mut text = String::new();
    for path in &removed {
        let _ = writeln!(text, "Removed {}.", path.display());
    }
    for (path, pid) in &running {
        let _ = match pid {
            0 => writeln!(text, "Left {}: a process that cannot be seen from here uses it.", path.display()),
            pid => writeln!(text, "Left {}: process {pid} uses it.", path.display()),
        };
    }
    for path in &unknown {
        let why = "its network namespace cannot be looked into from here, and a proxy may run there";
        let _ = writeln!(text, "Left {}: {why}.", path.display());
    }
    if text.is_empty() && others.is_empty() {
        text.push_str("There is nothing to clean.\n");
    }
    let printed = print(&text)?;
    if others.is_empty() {
        return Ok(printed);
    }
    let told: Vec<_> = others.iter().map(|(path, what)| foreign(&path.display().to_string(), what)).collect();
    Err(told.join("\nnetscript: "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Namespace;

    fn presence(running: Option<Running>, pinned: Pinned) -> (Presence, String) {
        let namespace = Namespace::current().unwrap().id();
        (Presence { namespace, running, pinned }, namespace.to_string())
    }

    #[test]
    fn what_a_proxy_says_of_itself_is_shown_line_by_line_and_harmless() {
        let status = json!({ "dispatch": "kernel", "open": 7, "reason": null, "apps": [{ "name": "a\u{1b}[2J" }] });
        let running = Running { pid: Some(812), status: Some(status) };
        let (seen, here) = presence(Some(running), Pinned::Running("/sys/fs/bpf/netscript/proxy-7".into()));
        let expected = format!(
            "A proxy runs in this network namespace, {here}: process 812.\n\
             It is pinned at /sys/fs/bpf/netscript/proxy-7.\n\
             dispatch: kernel\nopen: 7\nreason: null\napps: [{{\"name\":\"a\\u001b[2J\"}}]\n"
        );
        assert_eq!(as_text(&seen), expected);
        let status = json!({ "news": "\u{1b}[2J" });
        let (seen, _) = presence(Some(Running { pid: None, status: Some(status) }), Pinned::Nothing);
        assert!(
            as_text(&seen).ends_with("its process cannot be seen from here.\nNothing is pinned.\nnews: \\x1b[2J\n")
        );
    }

    #[test]
    fn one_that_begins_is_not_said_to_keep_silent() {
        let running = Running { pid: Some(812), status: Some(json!({})) };
        let (seen, _) = presence(Some(running), Pinned::Nothing);
        assert!(as_text(&seen).ends_with("Nothing is pinned.\nIt is just beginning or ending.\n"));
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
