//! `proxy`: what runs in this network namespace, and what was left behind.

mod status;

use std::fmt::Write as _;

use super::Ended;
use super::arguments::ProxyCommand;
use super::list::print;
use crate::proxy::{Cleaned, clean};
use crate::report::{Verdict, harmless};

/// Runs a command about proxies.
pub(super) fn run(command: &ProxyCommand) -> Ended {
    match command {
        ProxyCommand::Status { json } => status::show(*json),
        ProxyCommand::Clean => tidy(),
    }
}

/// Says why it cannot be told how things are.
fn unseen(why: &str) -> Ended {
    eprintln!("netscript: {why}");
    Ok(Verdict::Inconclusive.exit_code())
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
