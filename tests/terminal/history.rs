//! Earlier lines.

use std::os::unix::fs::PermissionsExt as _;

use crate::screen::{CTRL_D, Setup, UP, repl};

#[test]
fn a_line_is_found_again_in_the_next_session() {
    let (mut first, state) = repl(&[]);
    first.ask("let first_of_all = 1;");
    first.ask("[1,\r2]");
    first.ask(" let secret = 2;");
    first.press(CTRL_D);
    first.ended();
    let (mut second, _own) = Setup::new(&[]).env("XDG_STATE_HOME", state.path()).start();
    second.press(UP);
    second.wait_for("> [1,\n2]");
    second.press(UP);
    second.press(UP);
    second.wait_for("> let first_of_all = 1;");
    let file = state.path().join("netscript/history");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!std::fs::read_to_string(&file).unwrap().contains("secret"));
}

#[test]
fn a_line_is_kept_even_if_the_session_is_killed() {
    let (mut first, state) = repl(&[]);
    first.ask("let kept = 1;");
    first.kill(rustix::process::Signal::KILL);
    first.ended();
    assert!(std::fs::read_to_string(state.path().join("netscript/history")).unwrap().contains("let kept = 1;"));
}

#[test]
fn without_a_place_for_it_everything_else_works() {
    let (mut homeless, _state) = Setup::new(&[]).without("XDG_STATE_HOME").without("HOME").start();
    assert!(homeless.lines().contains(&"lines are not kept: there is no home folder".to_owned()));
    assert_eq!(homeless.ask("1 + 1"), "2");
    let (mut blocked, _state) = Setup::new(&[]).env("XDG_STATE_HOME", "/proc/no/such/folder").start();
    assert!(
        blocked.lines().iter().any(|line| line.starts_with("lines are not kept in /proc/no/such/folder/netscript"))
    );
    assert_eq!(blocked.ask("1 + 1"), "2");
}
