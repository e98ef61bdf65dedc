//! Processes and users of this host.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read as _;

use crate::record::secret::command_line;

/// A process at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its number, as this host sees it.
    pub pid: u32,
    /// Its name (`comm`), at most 15 bytes.
    pub name: String,
    /// Its command line: the arguments with spaces between them, at most 4 KiB, and its secrets masked unless
    /// they are to be shown.
    pub command: String,
    /// The user whose rights it has.
    pub uid: u32,
}

/// How much of a command line is kept, in bytes.
const COMMAND: u64 = 4096;

impl Process {
    /// Looks at a process. None if it has ended.
    #[must_use]
    pub fn read(pid: u32, show_secrets: bool) -> Option<Self> {
        let name = fs::read(format!("/proc/{pid}/comm")).ok()?;
        let mut arguments = Vec::new();
        File::open(format!("/proc/{pid}/cmdline")).ok()?.take(COMMAND).read_to_end(&mut arguments).ok()?;
        let status = fs::read(format!("/proc/{pid}/status")).ok()?;
        Some(Self {
            pid,
            name: String::from_utf8_lossy(name.strip_suffix(b"\n").unwrap_or(&name)).into_owned(),
            command: command(&arguments, show_secrets),
            uid: effective_uid(&status)?,
        })
    }
}

/// The second number of the line `Uid:` (proc_pid_status(5)).
fn effective_uid(status: &[u8]) -> Option<u32> {
    let line = status.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"Uid:"))?;
    std::str::from_utf8(line).ok()?.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// A command line from its arguments, each with a zero behind it.
fn command(arguments: &[u8], show_secrets: bool) -> String {
    let arguments = arguments.strip_suffix(b"\0").unwrap_or(arguments).split(|byte| *byte == 0);
    let arguments: Vec<_> = arguments.map(String::from_utf8_lossy).collect();
    command_line(&arguments, show_secrets)
}

/// The names of users, as `/etc/passwd` of this host has them.
#[derive(Debug, Default)]
pub struct Users(HashMap<u32, String>);

impl Users {
    /// Reads `/etc/passwd`; without one there are no names.
    #[must_use]
    pub fn read() -> Self {
        Self::parse(&fs::read("/etc/passwd").unwrap_or_default())
    }

    fn parse(passwd: &[u8]) -> Self {
        let mut users = HashMap::new();
        for line in String::from_utf8_lossy(passwd).lines() {
            let mut fields = line.split(':');
            if let (Some(name), Some(Ok(uid))) = (fields.next(), fields.nth(1).map(str::parse)) {
                // Where several share a number, the first is its name.
                users.entry(uid).or_insert_with(|| name.to_owned());
            }
        }
        Self(users)
    }

    /// The name of a user; the number if it has none here.
    #[must_use]
    pub fn name(&self, uid: u32) -> String {
        self.0.get(&uid).cloned().unwrap_or_else(|| uid.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_what_it_says_of_itself() {
        let process = Process::read(std::process::id(), true).unwrap();
        let comm = fs::read_to_string("/proc/self/comm").unwrap();
        let arguments: Vec<_> = std::env::args().collect();
        assert_eq!((process.name.as_str(), process.command), (comm.trim_end(), arguments.join(" ")));
        assert_eq!(process.uid, rustix::process::geteuid().as_raw());
        assert_eq!(Process::read(u32::MAX, true), None);
    }

    #[test]
    fn the_zeros_between_arguments_become_spaces_and_secrets_are_masked() {
        assert_eq!(command(b"nginx: master process\0", false), "nginx: master process");
        assert_eq!(command(b"agent\0--password\0a b\0-v\0", false), "agent --password **** -v");
        assert_eq!(command(b"mysqld\0--password=hunter2\0", true), "mysqld --password=hunter2");
        assert_eq!(command(b"", false), "");
    }

    #[test]
    fn users_without_a_name_are_numbers() {
        let users = Users::parse(b"root:x:0:0:root:/root:/bin/sh\ntoor:x:0:0::/:/bin/sh\nbroken\nx:y:z:0\n");
        assert_eq!((users.name(0).as_str(), users.name(7).as_str()), ("root", "7"));
    }

    #[test]
    fn the_rights_of_a_process_are_those_of_its_effective_user() {
        assert_eq!(effective_uid(b"Name:\tpasswd\nUid:\t1000\t0\t1000\t1000\n"), Some(0));
        assert_eq!(effective_uid(b"Name:\tUid:\n"), None);
    }
}
