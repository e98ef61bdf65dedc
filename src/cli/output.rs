//! Where results go: the terminal or a pipe, and a report beside it.

use std::fs::File;
use std::io::{IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use rustix::stdio::stdout;
use rustix::termios::tcgetwinsize;

use super::arguments::{Color, OutputArguments};
use super::progress::ProgressLine;
use crate::report::{Format, Renderer, Style, Tee};

/// The format of standard output.
pub(super) fn format(arguments: &OutputArguments) -> Format {
    if arguments.json { Format::Json } else { arguments.format }
}

/// Standard output, above the progress line if both are seen at a terminal.
pub(super) fn stdout_above(progress: Option<&ProgressLine>) -> Box<dyn Write + Send> {
    match progress {
        Some(line) if std::io::stdout().is_terminal() => Box::new(line.above(std::io::stdout())),
        _ => Box::new(std::io::stdout()),
    }
}

/// The renderers that the command line asks for.
pub(super) fn renderer(
    arguments: &OutputArguments,
    style: &Style,
    progress: Option<&ProgressLine>,
) -> Result<Box<dyn Renderer>, String> {
    // Results do not get into the packets that go to standard output.
    let is_stdout = |path: &Option<PathBuf>| path.as_deref() == Some(Path::new("-"));
    let (to, terminal): (Box<dyn Write + Send>, bool) =
        match is_stdout(&arguments.write) || is_stdout(&arguments.evidence) {
            true => (Box::new(std::io::stderr()), std::io::stderr().is_terminal()),
            false => (stdout_above(progress), std::io::stdout().is_terminal()),
        };
    let shown =
        Style { color: colored(arguments.color, terminal), width: terminal.then(terminal_width), ..style.clone() };
    let mut renderers = vec![format(arguments).renderer(to, shown)];
    if let Some(path) = &arguments.report {
        let format = Format::from_path(path).map_err(|error| error.to_string())?;
        let file = File::create(path).map_err(|error| format!("cannot write `{}`: {error}", path.display()))?;
        renderers.push(format.renderer(Box::new(file), Style { color: false, width: None, ..style.clone() }));
    }
    Ok(match <[Box<dyn Renderer>; 1]>::try_from(renderers) {
        Ok([one]) => one,
        Err(several) => Box::new(Tee::new(several)),
    })
}

/// Whether to use colours; `NO_COLOR` counts if it is not empty (<https://no-color.org>).
pub(super) fn colored(color: Color, terminal: bool) -> bool {
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
            terminal && !dumb && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        }
    }
}

/// Columns of the terminal; `COLUMNS` counts where the terminal does not say.
pub(super) fn terminal_width() -> usize {
    let size = tcgetwinsize(stdout()).ok().map(|size| usize::from(size.ws_col)).filter(|&columns| columns > 0);
    let variable = || std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    size.or_else(variable).unwrap_or(80)
}
