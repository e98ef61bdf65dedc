//! Which processes have which sockets open.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags, RawDir, openat, readlinkat_raw};
use rustix::io::Errno;

/// The processes of every socket that a process has open, at one moment.
///
/// Reading `/proc` costs as much as there are open files, and says nothing of what the kernel does: read
/// [sockets](super::SocketTable) first, so that those of processes that begin meanwhile have their owners.
#[derive(Debug, Default)]
pub struct SocketOwners {
    /// Inodes of sockets with processes that have them open, sorted.
    entries: Vec<(u32, u32)>,
    unreadable: usize,
}

/// A line of `/proc/PID/fd` is not longer where it is a socket: `socket:[4294967295]`.
const LINK: usize = 32;

impl SocketOwners {
    /// Looks at the open files of every process.
    ///
    /// # Errors
    ///
    /// When `/proc` is not there.
    pub fn read() -> std::io::Result<Self> {
        let mut owners = Self::default();
        let proc = directory(CWD, c"/proc")?;
        let mut names = vec![MaybeUninit::uninit(); 32 << 10];
        let mut files = vec![MaybeUninit::uninit(); 32 << 10];
        let mut processes = RawDir::new(&proc, &mut names);
        while let Some(entry) = processes.next() {
            let entry = entry?;
            if let Some(pid) = number(entry.file_name().to_bytes()) {
                owners.add(&proc, pid, &mut files);
            }
        }
        owners.entries.sort_unstable();
        // A process may have a socket open twice.
        owners.entries.dedup();
        Ok(owners)
    }

    /// What a process has open; nothing if it ends meanwhile.
    fn add(&mut self, proc: &OwnedFd, pid: u32, buffer: &mut [MaybeUninit<u8>]) {
        let folder = match directory(proc, format!("{pid}/fd")) {
            Ok(folder) => folder,
            Err(Errno::ACCESS | Errno::PERM) => {
                self.unreadable += 1;
                return;
            }
            Err(_) => return,
        };
        let mut files = RawDir::new(&folder, buffer);
        while let Some(Ok(file)) = files.next() {
            let mut link = [MaybeUninit::uninit(); LINK];
            let read = readlinkat_raw(&folder, file.file_name(), &mut link);
            if let Some(inode) = read.ok().and_then(|(target, _)| inode(target)) {
                self.entries.push((inode, pid));
            }
        }
    }

    /// The processes that have a socket open, lowest number first.
    pub fn of(&self, inode: u32) -> impl Iterator<Item = u32> {
        let first = self.entries.partition_point(|(of, _)| *of < inode);
        self.entries[first..].iter().take_while(move |(of, _)| *of == inode).map(|(_, pid)| *pid)
    }

    /// How many processes this user may not look at.
    #[must_use]
    pub const fn unreadable(&self) -> usize {
        self.unreadable
    }
}

fn directory(parent: impl AsFd, path: impl rustix::path::Arg) -> rustix::io::Result<OwnedFd> {
    openat(parent, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// The inode of a socket in the target of a link: `socket:[12345]`.
fn inode(target: &[u8]) -> Option<u32> {
    number(target.strip_prefix(b"socket:[")?.strip_suffix(b"]")?)
}

/// A number in decimal, and nothing else.
fn number(text: &[u8]) -> Option<u32> {
    std::str::from_utf8(text).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_links_to_sockets_have_an_inode() {
        for (target, expected) in [
            ("socket:[4294967295]", Some(u32::MAX)),
            ("socket:[4294967296]", None),
            ("socket:[]", None),
            ("socket:[+1]", None),
            ("socket:[12", None),
            ("pipe:[12]", None),
        ] {
            assert_eq!(inode(target.as_bytes()), expected, "{target}");
        }
    }

    #[test]
    fn every_process_of_a_shared_socket_is_found_lowest_first() {
        let owners = SocketOwners { entries: vec![(6, 9), (7, 3), (7, 20), (8, 1)], unreadable: 0 };
        assert_eq!(owners.of(7).collect::<Vec<_>>(), [3, 20]);
        assert_eq!(owners.of(9).count() + owners.of(0).count(), 0);
    }
}
