//! Text that a person can read and a test holds the program to.
//!
//! A transcript has commands and what they print, as a terminal shows them: standard output, then standard error, and
//! the exit code where it is asked for.
//!
//! ```console
//! $ netscript eval 'no_such_function()'
//! error: there is no function `no_such_function` for ()
//! …
//! $ echo $?
//! 2
//! ```
//!
//! Commands are lines of shell, and may continue behind a backslash. What ends with another code than 0 has to be
//! followed by `echo $?`. With `NETSCRIPT_BLESS=1` in the environment the text is written anew from what was printed.

use std::fmt::Write as _;
use std::path::Path;

use super::program::Folder;

/// Holds what was found against a file.
pub(crate) fn golden(path: &Path, actual: &str) {
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    if expected == actual {
        return;
    }
    let differences = diff(&expected, actual);
    if is_blessed() {
        std::fs::write(path, actual).unwrap();
        eprintln!("{} is now:\n{differences}", path.display());
        return;
    }
    panic!("{} says something else (NETSCRIPT_BLESS=1 accepts it):\n{differences}", path.display());
}

/// Whether what was found is to become what is expected.
pub(crate) fn is_blessed() -> bool {
    let blessed = std::env::var_os("NETSCRIPT_BLESS").is_some_and(|bless| bless == "1");
    assert!(
        !blessed || std::env::var_os("CI").is_none(),
        "CI holds the program to what is expected, and changes nothing"
    );
    blessed
}

/// Runs the commands of a transcript in a folder, and holds what they print against it.
pub(crate) fn check(path: &Path, folder: &Folder) {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    golden(path, &replay(&text, folder));
}

/// The transcript of these commands.
pub(crate) fn of_commands<'a>(commands: impl IntoIterator<Item = &'a str>, folder: &Folder) -> String {
    let mut text = String::new();
    for command in commands {
        run(command, folder, true, &mut text);
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// A transcript with what its commands print now. Lines before the first command and empty lines between an output and
/// the next command stay.
pub(crate) fn replay(text: &str, folder: &Folder) -> String {
    let mut actual = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next_if(|line| !line.starts_with("$ ")) {
        actual += &format!("{line}\n");
    }
    while let Some(line) = lines.next() {
        let mut command = line.strip_prefix("$ ").unwrap_or_default().to_owned();
        while command.ends_with('\\') {
            command += &format!("\n{}", lines.next().unwrap_or_default());
        }
        let mut blank = 0;
        while let Some(line) = lines.next_if(|line| !line.starts_with("$ ")) {
            blank = if line.is_empty() { blank + 1 } else { 0 };
        }
        let asks = lines.next_if_eq(&"$ echo $?").is_some();
        while asks && let Some(line) = lines.next_if(|line| !line.starts_with("$ ")) {
            blank = if line.is_empty() { blank + 1 } else { 0 };
        }
        run(&command, folder, asks, &mut actual);
        actual += &"\n".repeat(blank);
    }
    actual
}

/// Runs a command, and adds it and what it prints. Its exit code is added when that is asked for or is not 0.
fn run(command: &str, folder: &Folder, asks: bool, text: &mut String) {
    let ended = folder.shell(command);
    let _ = writeln!(text, "$ {command}");
    for output in [&ended.stdout, &ended.stderr] {
        text.push_str(output);
        if !output.is_empty() && !output.ends_with('\n') {
            // As if the prompt stood on a line of its own.
            text.push('\n');
        }
    }
    text.truncate(text.trim_end_matches('\n').len());
    text.push('\n');
    match ended.code {
        Some(0) if !asks => {}
        Some(code) => {
            let _ = writeln!(text, "$ echo $?\n{code}");
        }
        None => panic!("`{command}` was ended by a signal: {}", ended.stderr),
    }
}

/// The lines that differ, with two lines around them; nothing where none do.
pub(crate) fn diff(expected: &str, actual: &str) -> String {
    const AROUND: usize = 2;
    if expected == actual {
        return String::new();
    }
    let (old, new): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), actual.lines().collect());
    // Length of the longest common subsequence of what is behind each pair of places.
    let mut common = vec![vec![0_u32; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i][j] = match old[i] == new[j] {
                true => common[i + 1][j + 1] + 1,
                false => common[i + 1][j].max(common[i][j + 1]),
            };
        }
    }
    let mut lines = Vec::new();
    let (mut i, mut j) = (0, 0);
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            lines.push((' ', old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || (i < old.len() && common[i + 1][j] >= common[i][j + 1]) {
            lines.push(('-', old[i]));
            i += 1;
        } else {
            lines.push(('+', new[j]));
            j += 1;
        }
    }
    let differs: Vec<usize> = (0..lines.len()).filter(|&at| lines[at].0 != ' ').collect();
    let near = |at: usize| differs.iter().any(|&other| other.abs_diff(at) <= AROUND);
    let mut text = String::new();
    let mut skipped = false;
    for (at, (mark, line)) in lines.iter().enumerate() {
        if near(at) {
            let _ = writeln!(text, "{}{mark} {line}", if skipped { "  …\n" } else { "" });
        }
        skipped = !near(at);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transcript_is_played_again_with_what_commands_print_now() {
        let folder = Folder::with("name", "there");
        let text =
            "Two commands.\n\n$ printf 'a\\nb'; echo c >&2\nold\n\n$ cat \\\n  name; \\\n  exit 3\n$ echo $?\n0\n";
        let expected = "Two commands.\n\n$ printf 'a\\nb'; echo c >&2\na\nb\nc\n\n$ cat \\\n  name; \\\n  exit 3\nthere\n$ echo $?\n3\n";
        let actual = replay(text, &folder);
        assert_eq!(actual, expected);
        assert_eq!(replay(&actual, &folder), actual);
    }

    #[test]
    fn an_exit_code_that_nobody_asked_for_shows() {
        assert_eq!(replay("$ exit 4\n", &Folder::new()), "$ exit 4\n$ echo $?\n4\n");
    }

    #[test]
    fn differences_are_shown_with_the_lines_around_them() {
        assert_eq!(diff("1\n2\n3\n4\n5\n6\n", "1\n2\n3\n4\nfive\n6\n"), "  …\n  3\n  4\n- 5\n+ five\n  6\n");
        assert_eq!(diff("a\n", ""), "- a\n");
    }
}
