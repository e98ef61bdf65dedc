//! What there is of proxies, seen from outside: whether one runs, and what one left behind that was killed.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use super::cannot;
use super::lock::{self, Lock};
use super::pins::{self, Folders, Found};
use crate::host::bpf::sees_all_process_numbers;
use crate::host::{Namespace, NamespaceId, sees_all_namespaces};
use crate::proxy::error::ProxyError;

/// What there is of a proxy in a network namespace.
#[derive(Debug)]
pub struct Presence {
    /// Which one.
    pub namespace: NamespaceId,
    /// The one that runs.
    pub running: Option<Running>,
    /// What is in the BPF file system.
    pub pinned: Pinned,
}

/// A proxy that runs.
#[derive(Debug, PartialEq, Eq)]
pub struct Running {
    /// Its process; none if it cannot be seen from here.
    pub pid: Option<u32>,
    /// What it says of itself, one JSON object; none if it does not speak with this user.
    pub status: Option<serde_json::Value>,
}

/// What is pinned of a proxy.
#[derive(Debug, PartialEq, Eq)]
pub enum Pinned {
    /// Nothing can be: there is no BPF file system.
    NotMounted,
    /// Nothing.
    Nothing,
    /// The kernel's part of the one that runs.
    Running(PathBuf),
    /// What one left behind that was killed.
    Stale(PathBuf),
    /// Something that is not of a proxy.
    Foreign {
        /// Where.
        path: PathBuf,
        /// What it is.
        what: String,
    },
    /// This user may not look.
    Hidden(io::ErrorKind),
}

/// What was tidied.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// What was removed.
    pub removed: Vec<PathBuf>,
    /// Of proxies that run, with their processes (0: one that cannot be seen from here). They were not touched.
    pub running: Vec<(PathBuf, u32)>,
    /// Of network namespaces that cannot be looked into, where proxies may run. They were not touched.
    pub unknown: Vec<PathBuf>,
    /// What is not of a proxy, and what it is instead. It was not touched.
    pub foreign: Vec<(PathBuf, String)>,
}

/// Looks for a proxy in the network namespace of this thread.
///
/// # Errors
///
/// If it cannot be looked at.
pub fn presence() -> Result<Presence, ProxyError> {
    let namespace = current()?;
    let holder = lock::ask().map_err(|error| cannot("ask whether a proxy runs", error))?;
    let running = holder.map(|holder| Running {
        pid: Some(holder.pid).filter(|pid| *pid != 0),
        status: serde_json::from_str(&holder.status).ok().filter(serde_json::Value::is_object),
    });
    let folders = Folders::of(namespace.inode);
    let pinned = match folders.look() {
        Err(error) => Pinned::Hidden(error.kind()),
        Ok((path, Found::Foreign(what))) => Pinned::Foreign { path: path.to_owned(), what },
        Ok((path, Found::Ours)) if running.is_some() => Pinned::Running(path.to_owned()),
        Ok((path, Found::Ours)) => Pinned::Stale(path.to_owned()),
        Ok((_, Found::Nothing)) if pins::is_mounted() => Pinned::Nothing,
        Ok((_, Found::Nothing)) => Pinned::NotMounted,
    };
    Ok(Presence { namespace, running, pinned })
}

/// Removes what proxies left behind that were killed, of all network namespaces. What belongs to a proxy that runs, or may
/// run, stays.
///
/// # Errors
///
/// If it cannot be looked at, or not be removed.
pub fn clean() -> Result<Cleaned, ProxyError> {
    let mut cleaned = Cleaned::default();
    let entries = match std::fs::read_dir(pins::parent()) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(cleaned);
        }
        entries => entries.map_err(|error| cannot("look at what is pinned", error))?,
    };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let inodes: BTreeSet<_> = names.filter_map(|name| pins::namespace_of(&name)).collect();
    let namespaces = Namespace::all().map_err(|error| cannot("look at network namespaces", error))?;
    for inode in inodes {
        let folders = Folders::of(inode);
        match folders.look().map_err(|error| cannot("look at what is pinned", error))? {
            (_, Found::Nothing) => {}
            (path, Found::Foreign(what)) => cleaned.foreign.push((path.to_owned(), what)),
            (path, Found::Ours) => {
                let path = path.to_owned();
                match owner(inode, &namespaces) {
                    Owner::Nobody(_lock) => {
                        folders.remove().map_err(|error| cannot("remove what is pinned", error))?;
                        cleaned.removed.push(path);
                    }
                    Owner::Running(pid) => cleaned.running.push((path, pid)),
                    Owner::Unknown => cleaned.unknown.push(path),
                }
            }
        }
    }
    Ok(cleaned)
}

/// Whose the pins of a network namespace are.
enum Owner {
    /// Nobody's, for as long as the lock is held that there is where somebody could come.
    Nobody(Option<Lock>),
    Running(u32),
    Unknown,
}

fn owner(inode: u64, namespaces: &[Namespace]) -> Owner {
    let Some(namespace) = namespaces.iter().find(|namespace| namespace.id().inode == inode) else {
        // A proxy is a process: where there is none, there is no proxy.
        return if is_deserted(inode) { Owner::Nobody(None) } else { Owner::Unknown };
    };
    match namespace.enter(|| Lock::take(Arc::new(|| "{}".to_owned()))) {
        Ok(Ok(lock)) => Owner::Nobody(Some(lock)),
        Ok(Err(ProxyError::Running { pid })) => Owner::Running(pid),
        _ => Owner::Unknown,
    }
}

/// Whether it is certain that no thread is in a network namespace.
fn is_deserted(inode: u64) -> bool {
    let entries = |path: PathBuf| std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut threads = entries("/proc".into()).flat_map(|process| entries(process.join("task")));
    let is_inside = |thread: PathBuf| std::fs::metadata(thread.join("ns/net")).is_ok_and(|found| found.ino() == inode);
    sees_all_namespaces() && sees_all_process_numbers().is_ok_and(|sees| sees) && !threads.any(is_inside)
}

fn current() -> Result<NamespaceId, ProxyError> {
    let namespace = Namespace::current().map_err(|error| cannot("look at this network namespace", error))?;
    Ok(namespace.id())
}
