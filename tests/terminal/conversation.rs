//! Asking, being helped, being told what went wrong.

use crate::capture;
use crate::screen::{CTRL_C, CTRL_D, CTRL_U, ENTER, Setup, TAB, Terminal, repl};

fn about_the_capture() -> (Terminal, tempfile::TempDir) {
    repl(&["-r", capture().to_str().unwrap()])
}

#[test]
fn the_first_lines_say_what_it_is_about_and_how_to_get_help_and_leave() {
    let (mut terminal, _state) = about_the_capture();
    let lines = terminal.lines();
    assert!(lines[0].starts_with("netscript 0.1.0  "), "{lines:?}");
    // A long path wraps.
    assert!(lines.concat().contains("40-http-packets.pcap (2.7 MB)"), "{lines:?}");
    assert!(lines.contains(&"help tells what there is, Tab completes, Ctrl-C stops, Ctrl-D leaves".to_owned()));
    terminal.press(CTRL_D);
    assert_eq!(terminal.ended().exit_code(), 0);
}

#[test]
fn rows_are_a_table_that_fits_the_terminal() {
    let (mut terminal, _state) = about_the_capture();
    let answer = terminal.ask("flows().take(2)");
    let lines: Vec<_> = answer.lines().collect();
    assert_eq!(lines.len(), 4, "{answer}");
    assert_eq!(lines[0], "2019-11-12 UTC");
    assert!(lines[1].starts_with("start ") && lines[1].ends_with(" bytes"), "{answer}");
    assert!(lines[2].contains("172.16.30.190:8868") && lines[2].ends_with("385,419"), "{answer}");
    terminal.resize(60);
    terminal.ask("1");
    let answer = terminal.ask("flows().take(2)");
    assert!(answer.lines().all(|line| line.chars().count() <= 60) && !terminal.is_wrapped(), "{answer}");
    assert!(answer.lines().nth(2).unwrap().contains("172.16.30.190:8868"), "{answer}");
}

#[test]
fn a_record_is_a_card_and_a_value_a_line() {
    let (mut terminal, _state) = about_the_capture();
    let card = terminal.ask("flows().first()");
    assert!(card.lines().any(|line| line == "client_port        8868"), "{card}");
    assert_eq!(terminal.ask("capture().count()"), "1985");
    assert_eq!(terminal.ask("it + 1"), "1986");
    assert_eq!(terminal.ask("let x = 1;"), "");
}

#[test]
fn input_goes_on_until_it_is_complete() {
    let (mut terminal, _state) = about_the_capture();
    assert_eq!(terminal.ask("capture(\r  \"tcp\"\r).\r  count()"), "  \"tcp\"\n).\n  count()\n1985");
    assert_eq!(terminal.ask("`two\rlines`"), "lines`\ntwo\nlines");
    assert_eq!(terminal.ask("1 + /* not\ryet */\r2"), "yet */\n2\n3");
}

#[test]
fn a_line_that_begins_with_a_dot_goes_on_with_the_line_before() {
    let (mut terminal, _state) = about_the_capture();
    terminal.ask("flows()");
    let row = terminal.ask(".filter(|f|\rf.client_port == 8868)");
    assert!(row.lines().count() == 4 && row.contains("172.16.30.190:8868"), "{row}");
    assert_eq!(terminal.ask(".count()"), "1");
    let error = terminal.ask(".nonsense()");
    assert!(error.starts_with("error: "), "{error}");
    assert_eq!(terminal.ask(".to_float() / 2"), "0.5", "a mistake is nothing to go on with");
}

#[test]
fn tab_completes_functions_verbs_fields_and_files() {
    let (mut terminal, _state) = about_the_capture();
    terminal.press("htt");
    terminal.press(TAB);
    terminal.wait_for("> http_requests(");
    terminal.press(").filter(|r| r.sta");
    terminal.press(TAB);
    terminal.wait_for("> http_requests().filter(|r| r.status");
    terminal.press(CTRL_U);
    terminal.press("flows().map(|f| f.b");
    terminal.press(TAB);
    terminal.wait_for("bytes_to_server");
    terminal.press(CTRL_U);
    terminal.press("flows().to");
    terminal.press(TAB);
    terminal.wait_for("to_array  top");
    terminal.press(CTRL_U);
    terminal.press("open(\"tests/captures/data/40");
    terminal.press(TAB);
    terminal.wait_for("open(\"tests/captures/data/40-http-packets.pcap\"");
    terminal.press(CTRL_U);
    terminal.press("help flow.community");
    terminal.press(TAB);
    terminal.wait_for("> help flow.community_id");
    terminal.press(CTRL_U);
    terminal.press("let threshold_of_today = 5;\r");
    terminal.prompt();
    terminal.press("threshold");
    terminal.press(TAB);
    terminal.wait_for("> threshold_of_today");
}

#[test]
fn help_explains_everything_within_the_terminal() {
    let (mut terminal, _state) = about_the_capture();
    terminal.ask("help");
    assert!(terminal.lines().iter().any(|line| line.starts_with("  Ctrl-D         Leaves")), "{:?}", terminal.lines());
    assert!(!terminal.is_wrapped());
    assert!(terminal.ask("help count_by").starts_with("count_by(key) -> array of rows"));
    assert!(terminal.ask("help flow.state").starts_with("  state  (text)"));
    assert_eq!(terminal.ask("help flws"), "error: there is nothing called `flws`; did you mean `flows`?");
}

#[test]
fn an_error_has_a_caret_under_its_place_and_ends_nothing() {
    let (mut terminal, _state) = about_the_capture();
    terminal.ask("let kept = 42;");
    assert_eq!(
        terminal.ask("1 + flws()"),
        "error: there is no function `flws` for (); did you mean `flows`?\n --> input:1:5\n  |\n1 | 1 + flws()\n  |     ^"
    );
    assert!(terminal.ask("flows().filter(|f| f.bytse > 1)").contains("did you mean `bytes`?"));
    assert!(terminal.ask("open(\"/no/such/file\")").starts_with("error: "));
    assert!(terminal.ask("let x = ) 1").contains("^"));
    assert!(terminal.ask("\"not closed").starts_with("error: open string is not terminated"));
    assert_eq!(terminal.ask("kept"), "42");
}

#[test]
fn what_was_not_seen_is_said_after_the_answer() {
    let (mut terminal, _state) = about_the_capture();
    let answer = terminal.ask("http_requests().count()");
    let mut lines = answer.lines();
    assert!(lines.next().unwrap().parse::<u32>().is_ok(), "{answer}");
    assert!(lines.clone().count() > 0 && lines.all(|line| line.starts_with("note  ")), "{answer}");
    assert_eq!(terminal.ask("capture().count()"), "1985", "nothing is said of what is complete");
}

#[test]
fn ctrl_c_at_the_prompt_gives_a_fresh_line() {
    let (mut terminal, _state) = about_the_capture();
    terminal.press("flows(");
    terminal.press(ENTER);
    terminal.press("at all");
    terminal.wait_for("at all");
    terminal.press(CTRL_C);
    terminal.prompt();
    assert_eq!(terminal.ask("1 + 1"), "2");
}

#[test]
fn what_is_typed_while_something_runs_is_not_lost() {
    let (mut terminal, _state) = about_the_capture();
    terminal.press("capture().count()\r1 + 1\r20 + 2\r");
    terminal.prompt();
    terminal.prompt();
    terminal.prompt();
    terminal.wait_for("\n22\n");
}

#[test]
fn every_way_out_leaves_the_terminal_as_it_was() {
    for way in [CTRL_D, "quit\r", "exit\r"] {
        let (mut terminal, _state) = about_the_capture();
        assert!(!terminal.is_restored(), "the line editor takes keys one by one");
        terminal.press(way);
        assert_eq!(terminal.ended().exit_code(), 0);
        assert!(terminal.is_restored(), "{way:?}");
    }
}

#[test]
fn a_file_that_is_no_capture_is_said_before_the_first_line() {
    for (file, message) in [("Cargo.toml", "Cargo.toml"), ("/no/such/file.pcap", "cannot read /no/such/file.pcap: ")] {
        let command = std::process::Command::new(env!("CARGO_BIN_EXE_netscript"))
            .args(["repl", "-r", file])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&command.stderr);
        assert!(said.starts_with("netscript: ") && said.contains(message), "{said}");
        assert_eq!(command.status.code(), Some(2));
    }
}

#[test]
fn colours_are_left_out_where_they_are_not_wanted() {
    let sgr = |bytes: &[u8]| bytes.windows(2).enumerate().any(|(i, two)| two == b"\x1b[" && is_sgr(&bytes[i + 2..]));
    let conversation = |setup: Setup| {
        let (mut terminal, _state) = setup.start();
        terminal.ask("flows().take(1)");
        terminal.ask("flows().first()");
        terminal.ask("flws()");
        terminal.press("flows().b");
        terminal.press(CTRL_U);
        terminal.press("(flows())");
        terminal.press(TAB);
        terminal.press(CTRL_U);
        terminal.press("flows().");
        terminal.press(TAB);
        terminal.wait_for("to_array");
        terminal.bytes()
    };
    let capture = capture();
    let arguments = ["-r", capture.to_str().unwrap()];
    assert!(sgr(&conversation(Setup::new(&arguments))));
    assert!(!sgr(&conversation(Setup::new(&arguments).env("NO_COLOR", "1"))));
    assert!(!sgr(&conversation(Setup::new(&[&arguments[..], &["--color", "never"]].concat()))));
}

/// Whether what stands behind `ESC [` selects a colour or a style (ECMA-48, SGR).
fn is_sgr(bytes: &[u8]) -> bool {
    bytes.iter().find(|byte| !byte.is_ascii_digit() && **byte != b';') == Some(&b'm')
}
