//! Terminals that are not 80 columns wide.

use crate::capture;
use crate::screen::repl;

#[test]
fn no_width_is_too_small_or_too_large() {
    let (mut terminal, _state) = repl(&["-r", capture().to_str().unwrap()]);
    for columns in [200, 40, 12] {
        terminal.resize(columns);
        terminal.ask("1");
        for question in ["flows().take(1)", "help flow.state", "flws()"] {
            terminal.ask(question);
        }
        let answer = terminal.ask("capture().count()");
        assert_eq!(answer.lines().last(), Some("1985"), "{columns} columns: {answer}");
    }
}
