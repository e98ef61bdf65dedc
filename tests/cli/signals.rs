//! Ctrl-C, SIGTERM and SIGHUP.

use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStderr, ChildStdin, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::incident::incident;
use crate::support::program::{Ended, Folder, NETSCRIPT, wait};

/// A run whose standard input is a pipe that stays open.
struct Waiting {
    child: Child,
    stdin: ChildStdin,
    stderr: ChildStderr,
    folder: Folder,
}

impl Waiting {
    fn begin(script: &str) -> Self {
        let folder = Folder::new();
        let command = folder.command(NETSCRIPT);
        Self::spawn(folder, command, script)
    }

    /// As nohup does it.
    fn begin_without_hang_up(script: &str) -> Self {
        let folder = Folder::new();
        let mut command = folder.command("sh");
        command.args(["-c", "trap '' HUP; exec \"$@\"", "sh", NETSCRIPT]);
        Self::spawn(folder, command, script)
    }

    fn spawn(folder: Folder, mut command: Command, script: &str) -> Self {
        command.args(["eval", "-r", "-", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (stdin, stderr) = (child.stdin.take().unwrap(), child.stderr.take().unwrap());
        Self { child, stdin, stderr, folder }
    }

    /// Sends it packets; it is reading them when this comes back, because they are more than a pipe holds.
    fn feed(&mut self) {
        let packets = incident().pcap();
        self.stdin.write_all(&packets).unwrap();
        for _ in 0..20 {
            self.stdin.write_all(&packets[24..]).unwrap();
        }
    }

    /// Waits until the script calls `debug`.
    fn debugged(&mut self) {
        let mut line = Vec::new();
        while line.last() != Some(&b'\n') {
            let mut byte = [0];
            self.stderr.read_exact(&mut byte).unwrap();
            line.extend(byte);
        }
        assert!(line.starts_with(b"debug "), "{}", String::from_utf8_lossy(&line));
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn end(mut self) -> Ended {
        self.child.stderr = Some(self.stderr);
        let ended = wait(self.child, "a run that got a signal");
        drop((self.stdin, self.folder));
        ended
    }
}

#[test]
fn ctrl_c_ends_what_is_read_and_the_script_goes_on_with_it() {
    let mut run =
        Waiting::begin("let n = capture().count(); let sum = 0; for i in 0..100 { sum += 1; } print(sum); n > 0");
    run.feed();
    run.signal(Signal::INT);
    let ended = run.end();
    assert_eq!((ended.stdout.as_str(), ended.code), ("100\ntrue\n", Some(3)), "{}", ended.stderr);
    assert!(ended.stderr.starts_with("netscript: interrupted after "), "{}", ended.stderr);
    assert!(!ended.stderr.contains("damaged"), "what was interrupted is not damaged: {}", ended.stderr);
}

#[test]
fn a_second_ctrl_c_stops_the_script() {
    let mut run = Waiting::begin("print(capture().count() > 0); debug(\"read\"); loop {}");
    run.feed();
    run.signal(Signal::INT);
    run.debugged();
    run.signal(Signal::INT);
    let ended = run.end();
    assert_eq!((ended.stdout.as_str(), ended.code), ("true\n", Some(3)), "{}", ended.stderr);
    assert!(ended.stderr.starts_with("error: stopped\n"), "{}", ended.stderr);
}

#[test]
fn sigterm_stops_the_script_wherever_it_is() {
    let mut run = Waiting::begin("capture().count(); print(\"not reached\")");
    run.feed();
    run.signal(Signal::TERM);
    let ended = run.end();
    assert_eq!((ended.stdout.as_str(), ended.code), ("", Some(3)), "{}", ended.stderr);
    assert!(ended.stderr.starts_with("error: "), "{}", ended.stderr);
}

#[test]
fn sighup_ends_a_run_unless_it_was_begun_to_go_on_without_its_terminal() {
    let mut run = Waiting::begin("capture().count()");
    run.feed();
    run.signal(Signal::HUP);
    let ended = run.end();
    assert_eq!((ended.stdout.as_str(), ended.code), ("", None), "{}", ended.stderr);

    let mut run = Waiting::begin_without_hang_up("capture().count() > 0");
    run.feed();
    run.signal(Signal::HUP);
    run.signal(Signal::INT);
    let ended = run.end();
    assert_eq!((ended.stdout.as_str(), ended.code), ("true\n", Some(3)), "{}", ended.stderr);
}
