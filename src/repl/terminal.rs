//! A conversation at a terminal.

use std::io;

use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{ColorMode, CompletionType, Config, Editor};

use super::assistant::Assistant;
use super::history::{self, Kept};
use super::{Answers, Then, aside};

/// Asks for lines and answers them, until somebody leaves.
pub(super) fn converse(answers: &mut Answers<'_>) -> io::Result<()> {
    let color = answers.console.color;
    let mut editor = Editor::<Assistant<'_>, FileHistory>::with_config(config(color)?).map_err(other)?;
    editor.set_helper(Some(Assistant::new(answers.session, color)));
    let (mut kept, note) = Kept::read(editor.history_mut(), history::path(|name| std::env::var_os(name)));
    greet(&answers.console.source, color);
    note.into_iter().for_each(|note| eprintln!("{note}"));
    let prompt = ("> ", "\x1b[1;36m>\x1b[0m ");
    // A terminal that cannot move its cursor has none.
    let way = editor.create_external_printer().ok().map(aside::way).transpose()?;
    loop {
        let input = match answers.console.aside.above(way.as_ref(), || editor.readline(&prompt)) {
            Ok(input) => input,
            // Ctrl-C: a fresh line.
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => return Ok(()),
            Err(error) => return Err(other(error)),
        };
        if input.trim().is_empty() {
            continue;
        }
        if let Some(note) = kept.add(editor.history_mut(), &input) {
            eprintln!("{note}");
        }
        if answers.answer(&input)? == Then::Leave {
            return Ok(());
        }
        if let Some(assistant) = editor.helper_mut() {
            assistant.previous.clone_from(&answers.previous);
        }
    }
}

fn config(color: bool) -> io::Result<Config> {
    let config = Config::builder().max_history_size(history::LINES).map_err(other)?;
    Ok(config
        .history_ignore_space(true)
        .completion_type(CompletionType::List)
        .completion_show_all_if_ambiguous(true)
        .color_mode(if color { ColorMode::Forced } else { ColorMode::Disabled })
        .build())
}

fn greet(source: &str, color: bool) {
    let (bold, dim, plain) = if color { ("\x1b[1m", "\x1b[2m", "\x1b[0m") } else { ("", "", "") };
    eprintln!("{bold}netscript {}{plain}  {source}", env!("CARGO_PKG_VERSION"));
    eprintln!("{dim}help tells what there is, Tab completes, Ctrl-C stops, Ctrl-D leaves{plain}");
}

fn other(error: ReadlineError) -> io::Error {
    match error {
        ReadlineError::Io(error) => error,
        error => io::Error::other(error),
    }
}
