//! Lines that do not come from a terminal.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use crate::capture;

/// Answers to a text on standard input.
fn answers(input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_netscript"))
        .args(["repl", "-r"])
        .arg(capture())
        .env_remove("XDG_STATE_HOME")
        .env_remove("HOME")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn every_input_is_answered_without_prompts() {
    let output = answers("let n = capture()\n    .count();\nn\n\nif n > 1 {\n  `more\nthan one`\n}\nquit\n3\n");
    assert_eq!(text(&output.stdout), "1985\nmore\nthan one\n");
    assert_eq!(text(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn an_input_that_fails_does_not_keep_the_others_from_being_answered() {
    let output = answers("1\nflws()\n2\n{");
    assert_eq!(text(&output.stdout), "1\n2\n");
    let said = text(&output.stderr);
    assert!(said.starts_with("error: there is no function `flws`") && said.contains("error: expecting '}'"), "{said}");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_table_in_a_pipe_is_whole() {
    let output = answers("flows().take(1)");
    assert!(text(&output.stdout).contains("2019-11-12T08:40:11.090149000Z"), "{}", text(&output.stdout));
    assert!(!text(&output.stdout).contains('\x1b'));
}

#[test]
fn packets_and_lines_cannot_both_come_from_standard_input() {
    let output = Command::new(env!("CARGO_BIN_EXE_netscript")).args(["repl", "-r", "-"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("standard input"));
}
