//! `list` and `eject`.

use std::fs::OpenOptions;
use std::io::{self, Write as _};

use super::Ended;
use super::arguments::ListArguments;
use super::run::library;
use crate::report::Verdict;
use crate::script::{Listed, Origin};

/// Lists all scripts.
pub(super) fn scripts(arguments: &ListArguments) -> Ended {
    let listed = library().list();
    let mut text = String::new();
    let widest = listed.iter().map(|script| script.name.len()).max().unwrap_or(0);
    for script in &listed {
        if arguments.json {
            text.push_str(&json(script));
        } else {
            let title = script.title.as_ref().map_or_else(ToString::to_string, Clone::clone);
            let shadowed = if script.shadowed { "  (shadowed)" } else { "" };
            text.push_str(&format!(
                "{:widest$}  {title}\n{:widest$}    {}{shadowed}\n",
                script.name, "", script.origin
            ));
        }
    }
    print(&text)
}

fn json(script: &Listed) -> String {
    let (title, error) = match &script.title {
        Ok(title) => (Some(title), None),
        Err(error) => (None, Some(error.to_string())),
    };
    let origin = script.origin.to_string();
    let shadowed = script.shadowed;
    let line = serde_json::json!({
        "name": script.name, "title": title, "origin": origin, "shadowed": shadowed, "error": error,
        "command": script.command,
    });
    format!("{line}\n")
}

/// Writes a stock script into the current folder, unless there is a file of that name.
pub(super) fn eject(name: &str) -> Ended {
    let script = library().find(name).map_err(|error| error.to_string())?;
    if script.origin != Origin::Stock {
        return Err(format!("`{name}` is not a stock script: it is {}", script.origin));
    }
    let path = format!("{name}.rhai");
    let created = OpenOptions::new().write(true).create_new(true).open(&path);
    let written = created.and_then(|mut file| file.write_all(script.source.as_bytes()));
    written.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            format!("cannot write `{path}`: there is such a file already; remove or rename it")
        }
        _ => format!("cannot write `{path}`: {error}"),
    })?;
    print(&format!("{path}\n"))
}

/// Prints to standard output.
pub(super) fn print(text: &str) -> Ended {
    let mut stdout = io::stdout();
    printed(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()))
}

/// What came of printing; a reader that left early has seen enough.
pub(super) fn printed(result: io::Result<()>) -> Ended {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(format!("the output cannot be written: {error}"))
        }
        _ => Ok(Verdict::Clean.exit_code()),
    }
}
