//! A terminal with a program on it.

use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, ExitStatus, PtyPair, PtySize, native_pty_system};
use rustix::process::{Pid, Signal, kill_process};

/// What nobody waits longer for; a loaded machine may need it.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const ENTER: &str = "\r";
pub(crate) const TAB: &str = "\t";
pub(crate) const UP: &str = "\x1b[A";
pub(crate) const CTRL_C: &str = "\x03";
pub(crate) const CTRL_D: &str = "\x04";
pub(crate) const CTRL_U: &str = "\x15";

/// A terminal of 80 columns and 24 rows, until it is resized.
pub(crate) struct Terminal {
    pair: PtyPair,
    writer: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    seen: Arc<Seen>,
    /// How many prompts have been waited for.
    prompts: usize,
    /// The terminal as it was before the program began.
    before: String,
}

struct Seen {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    parser: vt100::Parser,
    bytes: Vec<u8>,
}

/// How a program is to be started.
pub(crate) struct Setup {
    command: CommandBuilder,
    /// Where the program keeps its state; removed with it.
    state: tempfile::TempDir,
}

impl Setup {
    /// `netscript repl` with these arguments, in an environment with a state folder of its own and nothing else.
    pub(crate) fn new(arguments: &[&str]) -> Self {
        let state = tempfile::tempdir().expect("there is room for a folder");
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_netscript"));
        command.env_clear();
        command.env("TERM", "xterm-256color");
        command.env("XDG_STATE_HOME", state.path());
        command.arg("repl");
        command.args(arguments);
        command.cwd(env!("CARGO_MANIFEST_DIR"));
        Self { command, state }
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Starts the program and waits for its first prompt.
    pub(crate) fn start(self) -> (Terminal, tempfile::TempDir) {
        let size = PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("there is a pseudo-terminal");
        let before = mode(&pair);
        let child = pair.slave.spawn_command(self.command).expect("the program starts");
        let mut reader = pair.master.try_clone_reader().expect("the terminal can be read");
        let writer = pair.master.take_writer().expect("the terminal can be written");
        let parser = vt100::Parser::new(vt100::Parser::DEFAULT_ROWS, vt100::Parser::DEFAULT_COLS, 0);
        let seen = Arc::new(Seen { state: Mutex::new(State { parser, bytes: Vec::new() }), changed: Condvar::new() });
        let shown = seen.clone();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = reader.read(&mut buffer) {
                let mut state = shown.state.lock().unwrap_or_else(PoisonError::into_inner);
                state.parser.process(&buffer[..read]);
                state.bytes.extend_from_slice(&buffer[..read]);
                shown.changed.notify_all();
            }
        });
        let mut terminal = Terminal { pair, writer, child, seen, prompts: 0, before };
        terminal.prompt();
        (terminal, self.state)
    }
}

/// A conversation about a capture.
pub(crate) fn repl(arguments: &[&str]) -> (Terminal, tempfile::TempDir) {
    Setup::new(arguments).start()
}

impl Terminal {
    /// Presses keys.
    pub(crate) fn press(&mut self, keys: &str) {
        self.writer.write_all(keys.as_bytes()).expect("the terminal takes keys");
    }

    /// Types a line, and waits for the next prompt. Gives what is shown between the two.
    #[track_caller]
    pub(crate) fn ask(&mut self, line: &str) -> String {
        self.press(line);
        self.press(ENTER);
        self.prompt();
        self.answer()
    }

    /// What stands between the last two prompts on the screen, without the first line of what was typed.
    pub(crate) fn answer(&self) -> String {
        let lines = self.lines();
        let prompts: Vec<_> = (0..lines.len()).filter(|&i| lines[i].starts_with('>')).collect();
        let [.., from, to] = prompts[..] else { return lines.join("\n") };
        lines[from + 1..to].join("\n")
    }

    /// Waits for a prompt that was not there before.
    #[track_caller]
    pub(crate) fn prompt(&mut self) {
        self.prompts += 1;
        let prompts = self.prompts;
        self.wait("a prompt", |state| {
            // Each time the editor takes over it asks for marks around what is pasted.
            let begun = state.bytes.windows(8).filter(|bytes| bytes == b"\x1b[?2004h").count();
            let (row, column) = state.parser.screen().cursor_position();
            let line = state.parser.screen().rows(0, u16::MAX).nth(row.into()).unwrap_or_default();
            begun >= prompts && column == 2 && line.trim_end() == ">"
        });
    }

    /// Waits until the screen shows a text.
    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str) {
        self.wait(text, |state| state.parser.screen().contents().contains(text));
    }

    /// Presses Ctrl-C and waits until it has been seen: then what follows has a line of its own.
    #[track_caller]
    pub(crate) fn interrupt(&mut self) {
        let pressed = |state: &State| state.bytes.windows(4).filter(|bytes| bytes == b"^C\r\n").count();
        let before = pressed(&self.seen.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.press(CTRL_C);
        self.wait("an answer to Ctrl-C", |state| pressed(state) > before);
    }

    #[track_caller]
    fn wait(&self, what: &str, is_there: impl Fn(&State) -> bool) {
        let end = Instant::now() + PATIENCE;
        let mut state = self.seen.state.lock().unwrap_or_else(PoisonError::into_inner);
        while !is_there(&state) {
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{what} does not come; the screen shows:\n{}", state.parser.screen().contents());
            state = self.seen.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The rows of the screen, without what is empty at their ends.
    pub(crate) fn lines(&self) -> Vec<String> {
        let state = self.seen.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.parser.screen().rows(0, u16::MAX).map(|row| row.trim_end().to_owned()).collect()
    }

    /// Whether any row goes on in the next one, because it was too wide.
    pub(crate) fn is_wrapped(&self) -> bool {
        let state = self.seen.state.lock().unwrap_or_else(PoisonError::into_inner);
        (0..24).any(|row| state.parser.screen().row_wrapped(row))
    }

    /// Everything that the program wrote.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.seen.state.lock().unwrap_or_else(PoisonError::into_inner).bytes.clone()
    }

    /// Makes the terminal narrower or wider.
    pub(crate) fn resize(&self, columns: u16) {
        let size = PtySize { rows: 24, cols: columns, pixel_width: 0, pixel_height: 0 };
        self.pair.master.resize(size).expect("a terminal can be resized");
        let mut state = self.seen.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.parser.set_size(vt100::Parser::DEFAULT_ROWS, NonZeroU16::new(columns).expect("a terminal has columns"));
    }

    pub(crate) fn kill(&self, signal: Signal) {
        let pid = self.child.process_id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
        kill_process(pid.expect("the program runs"), signal).expect("the program takes signals");
    }

    /// Whether lines are edited as before the program began, and not by the program.
    pub(crate) fn is_restored(&self) -> bool {
        mode(&self.pair) == self.before
    }

    /// Whether what is pasted comes with marks around it.
    pub(crate) fn marks_pastes(&self) -> bool {
        self.seen.state.lock().unwrap_or_else(PoisonError::into_inner).parser.screen().bracketed_paste()
    }

    /// Waits for the program to end, and for all it said.
    #[track_caller]
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("the program can be waited for") {
                return status;
            }
            assert!(Instant::now() < end, "the program does not end:\n{}", self.lines().join("\n"));
            thread::yield_now();
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It has ended already, unless a test failed.
        let _ = self.child.kill();
    }
}

/// How the terminal treats what is typed.
fn mode(pair: &PtyPair) -> String {
    format!("{:?}", pair.master.get_termios().expect("a terminal has a mode"))
}
