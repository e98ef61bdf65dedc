//! The program as a user runs it: in a folder of its own, with a watchdog.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tempfile::TempDir;

/// The program that is tested.
pub(crate) const NETSCRIPT: &str = env!("CARGO_BIN_EXE_netscript");

/// What runs longer hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// An empty folder, gone with the value, in which programs are run.
pub(crate) struct Folder(TempDir);

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Its exit code; none if a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// The most memory that it had at a time, in bytes: resident, sampled every millisecond.
    pub(crate) peak: u64,
}

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A folder with this file in it.
    pub(crate) fn with(name: &str, content: impl AsRef<[u8]>) -> Self {
        let folder = Self::new();
        folder.write(name, content);
        folder
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Whether there is a file of that name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// Lets every user look into it.
    pub(crate) fn make_public(&self) {
        std::fs::set_permissions(self.0.path(), PermissionsExt::from_mode(0o755)).unwrap();
    }

    /// A program to be run here. Nothing of the environment but `PATH` reaches it, and `netscript` is the one that is
    /// tested.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        let own = Path::new(NETSCRIPT).parent().unwrap();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths([own.to_owned()].into_iter().chain(std::env::split_paths(&path))).unwrap();
        command.current_dir(self.0.path()).env_clear().env("PATH", path).env("HOME", self.0.path());
        command
    }

    /// Runs netscript with these arguments.
    pub(crate) fn netscript(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Ended {
        run(self.command(NETSCRIPT).args(arguments))
    }

    /// Runs netscript, with this on its standard input.
    pub(crate) fn netscript_reading(
        &self,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
        input: impl FnOnce(&mut dyn Write) -> std::io::Result<()> + Send,
    ) -> Ended {
        run_reading(self.command(NETSCRIPT).args(arguments), input)
    }

    /// Runs a line of shell.
    pub(crate) fn shell(&self, line: &str) -> Ended {
        run(self.command("sh").args(["-c", line]))
    }

    /// Runs another program, which has to succeed, and gives what it prints.
    pub(crate) fn tool(&self, program: &str, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> String {
        let ended = run(self.command(program).args(arguments));
        assert_eq!(ended.code, Some(0), "{program}: {}", ended.stderr);
        ended.stdout
    }
}

/// Runs a program to its end.
pub(crate) fn run(command: &mut Command) -> Ended {
    run_reading(command, |_| Ok(()))
}

pub(crate) fn run_reading(
    command: &mut Command,
    input: impl FnOnce(&mut dyn Write) -> std::io::Result<()> + Send,
) -> Ended {
    let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = started.unwrap_or_else(|error| panic!("{command:?} cannot be run: {error}"));
    let mut stdin = child.stdin.take().unwrap();
    thread::scope(|scope| {
        // Whoever stops reading has seen enough; what it says of it is what a test looks at.
        scope.spawn(move || drop(input(&mut stdin)));
        wait(child, &format!("{command:?}"))
    })
}

/// Waits for a child whose output goes into pipes, and ends it when it hangs.
pub(crate) fn wait(mut child: Child, what: &str) -> Ended {
    let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    thread::scope(|scope| {
        let (stdout, stderr) = (scope.spawn(|| read(stdout)), scope.spawn(|| read(stderr)));
        let (code, peak) = watch(&mut child, what);
        Ended { code, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap(), peak }
    })
}

fn read(mut from: impl Read) -> String {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Gives the exit code of a child and the most memory that it had.
fn watch(child: &mut Child, what: &str) -> (Option<i32>, u64) {
    const SAMPLE: Timespec = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };
    let start = Instant::now();
    let mut peak = 0;
    let descriptor = pidfd_open(Pid::from_child(child), PidfdFlags::empty()).unwrap();
    loop {
        peak = high_water_mark(child.id()).unwrap_or(peak).max(peak);
        let ended = poll(&mut [PollFd::new(&descriptor, PollFlags::IN)], Some(&SAMPLE)).unwrap() > 0;
        if ended {
            return (child.wait().unwrap().code(), peak);
        }
        if start.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("{what} hangs: it ran for {PATIENCE:?}");
        }
    }
}

/// The most memory that a process had so far: `VmHWM` of proc_pid_status(5).
fn high_water_mark(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? << 10)
}
