//! Ctrl-C and SIGTERM.

use std::io::Write as _;
use std::os::unix::fs::FileTypeExt as _;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::screen::{CTRL_C, CTRL_D, ENTER, Terminal, repl};
use crate::{pcap, segment};

/// Begins something, and waits until it says that it runs.
#[track_caller]
fn begin(terminal: &mut Terminal, line: &str) {
    terminal.press(&format!("print(\"it \" + \"runs\"); {line}"));
    terminal.press(ENTER);
    terminal.wait_for("it runs");
}

#[test]
fn ctrl_c_stops_a_loop_and_the_session_goes_on() {
    let (mut terminal, _state) = repl(&[]);
    terminal.ask("let kept = 42;");
    begin(&mut terminal, "loop {}");
    let pressed = Instant::now();
    terminal.press(CTRL_C);
    terminal.prompt();
    assert!(pressed.elapsed() < Duration::from_secs(2));
    assert!(terminal.answer().ends_with("\nstopped"), "{}", terminal.answer());
    assert_eq!(terminal.ask("kept"), "42");
    assert_eq!(terminal.ask("1 + 1"), "2", "what was stopped once is not stopped again");
}

#[test]
fn ctrl_c_ends_a_long_read_with_what_was_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("long.pcap");
    std::fs::write(&file, pcap((0..600_000).map(|_| segment(b"")))).unwrap();
    let (mut terminal, _state) = repl(&["-r", file.to_str().unwrap()]);
    terminal.press("capture().map(|p| { for i in 0..50 {} p.length }).count()\r");
    terminal.wait_for(" packets, ");
    terminal.press(CTRL_C);
    terminal.prompt();
    let answer = terminal.answer();
    let lines: Vec<_> = answer.lines().collect();
    let [progress, count, note] = lines[..] else { panic!("{answer}") };
    assert!(progress.contains(" %, ") && progress.ends_with("s left^C"), "{answer}");
    assert!((1..600_000).contains(&count.parse::<u32>().unwrap()), "{answer}");
    assert!(note.starts_with("note  interrupted after ") && note.ends_with(" packets"), "{answer}");
    assert_eq!(terminal.ask("capture().take(3).count()"), "3");
}

#[test]
fn ctrl_c_ends_a_read_that_waits_for_packets() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert!(std::fs::metadata(&pipe).unwrap().file_type().is_fifo());
    let (mut terminal, _state) = repl(&["-r", pipe.to_str().unwrap()]);
    terminal.press("capture().count()\r");
    // Opening it takes until the other end is opened, too.
    let mut other_end = std::fs::OpenOptions::new().write(true).open(&pipe).unwrap();
    other_end.write_all(&pcap([segment(b""), segment(b"")])).unwrap();
    terminal.press(CTRL_C);
    terminal.prompt();
    assert!(terminal.answer().contains("\nnote  interrupted after "), "{}", terminal.answer());
    assert!(terminal.answer().starts_with("^C\n"), "{}", terminal.answer());
    assert_eq!(terminal.ask("1 + 1"), "2");
}

#[test]
fn a_second_ctrl_c_stops_what_the_first_only_interrupts() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("short.pcap");
    std::fs::write(&file, pcap([segment(b"")])).unwrap();
    let (mut terminal, _state) = repl(&["-r", file.to_str().unwrap()]);
    terminal.press("capture().for_each(|p| { print(\"it \" + \"runs\"); loop {} })\r");
    terminal.wait_for("it runs");
    terminal.interrupt();
    terminal.interrupt();
    terminal.prompt();
    assert!(terminal.answer().ends_with("\nstopped"), "{}", terminal.answer());
    assert_eq!(terminal.ask("capture().count()"), "1");
}

#[test]
fn the_terminal_is_as_before_while_something_runs() {
    let (mut terminal, _state) = repl(&[]);
    begin(&mut terminal, "loop {}");
    assert!(terminal.is_restored());
    terminal.press(CTRL_C);
    terminal.prompt();
    terminal.press(CTRL_D);
    terminal.ended();
    assert!(terminal.is_restored());
}

#[test]
fn sigterm_leaves_the_terminal_as_it_was() {
    let (mut at_the_prompt, _state) = repl(&[]);
    assert!(!at_the_prompt.is_restored() && at_the_prompt.marks_pastes());
    at_the_prompt.kill(Signal::TERM);
    assert_eq!(at_the_prompt.ended().signal(), Some("Terminated"));
    assert!(at_the_prompt.is_restored());
    let (mut at_work, _state) = repl(&[]);
    begin(&mut at_work, "loop {}");
    at_work.kill(Signal::TERM);
    assert_eq!(at_work.ended().signal(), Some("Terminated"));
    assert!(at_work.is_restored());
}
