//! Programs that run beside a test.

use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};

use crate::program::{Ended, wait};

/// What has not happened by then does not happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// A program that runs beside the test, killed when it goes out of scope.
pub(crate) struct Running {
    /// None when it has been waited for.
    child: Option<Child>,
    what: String,
    /// What was read of its standard error so far.
    said: String,
}

impl Running {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let what = format!("{command:?}");
        Self {
            child: Some(child.unwrap_or_else(|error| panic!("{what} cannot be run: {error}"))),
            what,
            said: String::new(),
        }
    }

    /// Waits until it says a line with this in it on standard error, and gives that line.
    #[track_caller]
    pub(crate) fn says(&mut self, text: &str) -> String {
        let begin = Instant::now();
        let stderr = self.child.as_mut().and_then(|child| child.stderr.as_mut()).expect("it was not waited for");
        let mut line = Vec::new();
        loop {
            let left = Timespec::try_from(PATIENCE.saturating_sub(begin.elapsed())).unwrap();
            let ready = poll(&mut [PollFd::new(stderr, PollFlags::IN)], Some(&left)).unwrap();
            let mut byte = [0];
            // Byte by byte, so that nothing behind the line is taken away.
            if ready == 0 || stderr.read(&mut byte).unwrap() == 0 {
                panic!("{} does not say {text:?}, but: {}{}", self.what, self.said, String::from_utf8_lossy(&line));
            }
            line.extend(byte);
            if byte == *b"\n" {
                let said = String::from_utf8(std::mem::take(&mut line)).unwrap();
                self.said.push_str(&said);
                if said.contains(text) {
                    return said.trim_end().to_owned();
                }
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().expect("it was not waited for").id()
    }

    /// Waits until it listens on a TCP port, IPv4 or IPv6.
    #[track_caller]
    pub(crate) fn listens(&mut self, port: u16) {
        let listening = || {
            let child = self.child.as_mut().expect("it was not waited for");
            assert!(child.try_wait().unwrap().is_none(), "{} ended", self.what);
            listeners(child.id()).contains(&port).then_some(())
        };
        until(&format!("port {port}"), listening);
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(self.child.as_ref().expect("it was not waited for")), signal).unwrap();
    }

    /// Waits for its end, which is near.
    pub(crate) fn ended(mut self) -> Ended {
        let mut ended = wait(self.child.take().expect("it is waited for once"), &self.what);
        ended.stderr.insert_str(0, &self.said);
        ended
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended by itself.
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// The TCP ports that are listened on in the network namespace of a process.
pub(crate) fn listeners(pid: u32) -> Vec<u16> {
    /// `TCP_LISTEN` in proc_pid_net(5).
    const LISTEN: &str = "0A";
    let table = |name| std::fs::read_to_string(format!("/proc/{pid}/net/{name}")).unwrap_or_default();
    let [four, six] = ["tcp", "tcp6"].map(table);
    let sockets = four.lines().chain(six.lines()).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let listening = sockets.filter(|fields| fields.get(3) == Some(&LISTEN));
    listening.filter_map(|fields| u16::from_str_radix(fields[1].rsplit(':').next()?, 16).ok()).collect()
}

/// Asks again and again until there is an answer. For states that the kernel tells nobody about; what can be waited for
/// is waited for.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    const AGAIN: Duration = Duration::from_millis(2);
    let begin = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begin.elapsed() < PATIENCE, "waited {PATIENCE:?} for {what}");
        std::thread::park_timeout(AGAIN);
    }
}
