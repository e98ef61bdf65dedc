//! Earlier lines, kept in the state folder of the user (XDG Base Directory Specification 0.8).

use std::ffi::OsString;
use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustyline::history::{FileHistory, History as _};

/// How many lines are kept.
pub(super) const LINES: usize = 2000;

/// A longer input is in a file already.
const LONGEST: usize = 16 << 10;

/// The file of the history, as long as lines can be kept in it.
pub(super) struct Kept {
    path: Option<PathBuf>,
}

impl Kept {
    /// Reads the earlier lines. If there is nowhere to keep lines, it says why, once; everything else works without.
    pub(super) fn read(history: &mut FileHistory, path: Option<PathBuf>) -> (Self, Option<String>) {
        let Some(path) = path else {
            return (Self { path: None }, Some("lines are not kept: there is no home folder".to_owned()));
        };
        match make(&path)
            .map_err(|error| error.to_string())
            .and_then(|()| history.load(&path).map_err(|error| error.to_string()))
        {
            Ok(()) => (Self { path: Some(path) }, None),
            Err(error) => (Self { path: None }, Some(format!("lines are not kept in {}: {error}", path.display()))),
        }
    }

    /// Adds a line, and writes it down behind what other sessions may have written meanwhile.
    pub(super) fn add(&mut self, history: &mut FileHistory, line: &str) -> Option<String> {
        if line.len() > LONGEST || !history.add(line).unwrap_or(false) {
            return None;
        }
        let path = self.path.as_ref()?;
        let error = history.append(path).err()?;
        let note = format!("lines are no longer kept in {}: {error}", path.display());
        self.path = None;
        Some(note)
    }
}

/// Makes sure that there is a file that can be written, for nobody but the user.
fn make(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    OpenOptions::new().append(true).create(true).mode(0o600).open(path).map(drop)
}

/// Where the history is, given the variables of the environment.
pub(super) fn path(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
    Some(state.join("netscript/history"))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use rustyline::Config;

    use super::*;

    fn history() -> FileHistory {
        let config = Config::builder().history_ignore_space(true).max_history_size(3).unwrap().build();
        FileHistory::with_config(&config)
    }

    fn lines(path: &Path) -> Vec<String> {
        let mut history = history();
        history.load(path).unwrap();
        history.iter().cloned().collect()
    }

    #[test]
    fn the_history_is_in_the_state_folder() {
        let environment = |state: &'static str, home: &'static str| {
            path(|name| {
                Some(if name == "HOME" { home } else { state }).filter(|value| !value.is_empty()).map(Into::into)
            })
        };
        assert_eq!(environment("/state", "/home/me"), Some("/state/netscript/history".into()));
        assert_eq!(environment("", "/home/me"), Some("/home/me/.local/state/netscript/history".into()));
        assert_eq!(environment("relative", "/home/me"), Some("/home/me/.local/state/netscript/history".into()));
        assert_eq!(environment("", ""), None);
    }

    #[test]
    fn sessions_at_the_same_time_keep_the_lines_of_both_for_nobody_else_to_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state/netscript/history");
        let (mut one, mut other) = (history(), history());
        let (mut kept_one, note) = Kept::read(&mut one, Some(file.clone()));
        assert_eq!(note, None);
        let (mut kept_other, _) = Kept::read(&mut other, Some(file.clone()));
        for line in ["a", "a", " not this one"] {
            assert_eq!(kept_one.add(&mut one, line), None);
        }
        assert_eq!(kept_other.add(&mut other, "b\nof two lines \\n"), None);
        assert_eq!(kept_one.add(&mut one, "c"), None);
        assert_eq!(lines(&file), ["a", "b\nof two lines \\n", "c"]);
        assert_eq!(kept_other.add(&mut other, "d"), None);
        assert_eq!(lines(&file), ["b\nof two lines \\n", "c", "d"], "the oldest line goes");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(file.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn without_a_place_for_it_a_note_says_so_once() {
        let mut lines = history();
        let (mut kept, note) = Kept::read(&mut lines, None);
        assert_eq!(note.unwrap(), "lines are not kept: there is no home folder");
        assert_eq!(kept.add(&mut lines, "x"), None);
        let blocked = tempfile::NamedTempFile::new().unwrap();
        let (mut kept, note) = Kept::read(&mut lines, Some(blocked.path().join("netscript/history")));
        assert!(note.unwrap().starts_with("lines are not kept in /"));
        assert_eq!(kept.add(&mut lines, "y"), None);
    }

    #[test]
    fn a_history_that_is_no_text_is_left_as_it_is() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), b"#V2\n\xff\xfe\n").unwrap();
        let mut lines = history();
        let (mut kept, note) = Kept::read(&mut lines, Some(file.path().to_owned()));
        assert!(note.is_some());
        kept.add(&mut lines, "x");
        assert_eq!(fs::read(file.path()).unwrap(), b"#V2\n\xff\xfe\n");
    }
}
