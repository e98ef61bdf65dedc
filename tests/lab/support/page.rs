//! What pages of the project show of commands that only the lab can run.

use std::path::Path;

/// What a page shows below a command, up to the next command or the end of the block.
#[track_caller]
pub(crate) fn shown(page: &str, command: &str) -> String {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
    let begin = format!("\n```console\n$ {command}\n");
    let (_, below) = text.split_once(&begin).unwrap_or_else(|| panic!("{page} does not show `{command}`"));
    let shown = below.lines().take_while(|line| !line.starts_with("$ ") && *line != "```");
    shown.map(|line| format!("{line}\n")).collect()
}

/// A text with each of its words as it is told, for what is different each time; columns are as wide as their words.
pub(crate) fn by_words(text: &str, told: impl Fn(&str) -> String) -> String {
    let line = |line: &str| line.split_whitespace().map(&told).collect::<Vec<_>>().join(" ");
    text.lines().map(line).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}
