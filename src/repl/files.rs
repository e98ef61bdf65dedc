//! Names of files for completion.

use std::fs;

use rustyline::completion::Pair;

/// More would be no help.
const MOST: usize = 1000;

/// The files whose path begins as it is written in a text between `"`. A file closes the text unless it is `closed`.
pub(super) fn beginning_with(written: &str, closed: bool) -> Vec<Pair> {
    let (folder, beginning) = written.rfind('/').map_or(("", written), |slash| written.split_at(slash + 1));
    let entries = fs::read_dir(if folder.is_empty() { "." } else { folder }).into_iter().flatten().flatten();
    let mut pairs: Vec<Pair> = entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let offered = name.starts_with(beginning) && (beginning.starts_with('.') || !name.starts_with('.'));
            // What needs an escape in a text could not be typed as it is, and might steer the terminal.
            let plain = !name.contains(|c: char| c.is_control() || c == '"' || c == '\\');
            let (ending, close) = if entry.path().is_dir() { ("/", "") } else { ("", "\"") };
            (offered && plain).then(|| Pair {
                display: format!("{name}{ending}"),
                replacement: format!("{folder}{name}{ending}{}", if closed { "" } else { close }),
            })
        })
        .take(MOST)
        .collect();
    pairs.sort_by(|a, b| a.display.cmp(&b.display));
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_close_the_text_and_folders_go_on() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.pcap", "bb.pcap", ".hidden", "b\u{1b}[31m.pcap", "b\".pcap"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        fs::create_dir(folder.path().join("by-day")).unwrap();
        let path = |name: &str| format!("{}/{name}", folder.path().display());
        let found = |name: &str, closed| {
            beginning_with(&path(name), closed).into_iter().map(|p| (p.display, p.replacement)).collect::<Vec<_>>()
        };
        let both = |display: &str, replacement: &str| (display.to_owned(), path(replacement));
        assert_eq!(
            found("b", false),
            [both("b.pcap", "b.pcap\""), both("bb.pcap", "bb.pcap\""), both("by-day/", "by-day/")]
        );
        assert_eq!(found("bb", true), [both("bb.pcap", "bb.pcap")]);
        assert_eq!(found(".h", false), [both(".hidden", ".hidden\"")]);
        assert!(found("no/such/", false).is_empty());
    }
}
