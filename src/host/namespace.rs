//! Network namespaces.

use std::collections::HashMap;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use rustix::ioctl::{Ioctl, IoctlOutput, Opcode, ioctl, opcode};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::HostError;

/// Where `ip netns add` and container engines keep the namespaces that they name.
const NAMED: [&str; 2] = ["/run/netns", "/run/docker/netns"];

/// Where `ip netns add` keeps them: the names that people use.
const BY_NAME: &str = "/run/netns";

/// Which namespace it is: the same for two handles of one namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NamespaceId {
    device: u64,
    /// The number that the kernel shows: `net:[4026531840]`.
    pub inode: u64,
}

impl fmt::Display for NamespaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "net:[{}]", self.inode)
    }
}

/// A network namespace, held open: it does not go away meanwhile.
#[derive(Debug, Clone)]
pub struct Namespace {
    file: Arc<OwnedFd>,
    id: NamespaceId,
    name: Option<Arc<str>>,
}

impl Namespace {
    /// The one that this process is in.
    ///
    /// # Errors
    ///
    /// [`HostError::System`] where `/proc` is not mounted.
    pub fn current() -> Result<Self, HostError> {
        Self::open(Path::new("/proc/thread-self/ns/net"))
            .map_err(|cause| HostError::System { doing: "look at the own network namespace".into(), cause })
    }

    /// The one that a process is in.
    ///
    /// # Errors
    ///
    /// [`HostError::Unknown`] if there is no such process, [`HostError::Permission`] if it may not be looked at.
    pub fn of_process(pid: u32) -> Result<Self, HostError> {
        let unknown = || HostError::unknown("process", &pid.to_string(), []);
        Self::open(Path::new(&format!("/proc/{pid}/ns/net"))).map_err(|cause| match cause.kind() {
            io::ErrorKind::NotFound => unknown(),
            io::ErrorKind::PermissionDenied => {
                HostError::permission(format!("look at the network namespace of process {pid}"), "CAP_SYS_PTRACE")
            }
            _ if cause.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => unknown(),
            _ => HostError::System { doing: format!("look at the network namespace of process {pid}"), cause },
        })
    }

    /// The one with that name (`ip netns add NAME`), or with that path, such as `/proc/1/ns/net`.
    ///
    /// # Errors
    ///
    /// [`HostError::Unknown`] with the nearest name, and what the system refuses.
    pub fn named(name_or_path: &str) -> Result<Self, HostError> {
        let path = if name_or_path.contains('/') {
            PathBuf::from(name_or_path)
        } else {
            Path::new(BY_NAME).join(name_or_path)
        };
        Self::open(&path).map_err(|cause| match cause.kind() {
            io::ErrorKind::NotFound => {
                let known = Self::names();
                HostError::unknown("network namespace", name_or_path, known.iter().map(String::as_str))
            }
            io::ErrorKind::PermissionDenied => {
                HostError::permission(format!("open the network namespace {name_or_path}"), "CAP_SYS_ADMIN")
            }
            _ => HostError::System { doing: format!("open the network namespace {name_or_path}"), cause },
        })
    }

    /// The names that `ip netns list` shows.
    #[must_use]
    pub fn names() -> Vec<String> {
        let mut names: Vec<_> = entries(Path::new(BY_NAME)).filter_map(|path| name_of(&path)).collect();
        names.sort();
        names
    }

    /// Every namespace that has a name or a process, the own one first, the others by number. What this user may not look
    /// at is left out.
    ///
    /// # Errors
    ///
    /// Those of [`current`](Self::current).
    pub fn all() -> Result<Vec<Self>, HostError> {
        let current = Self::current()?;
        let mut found: HashMap<NamespaceId, Self> = HashMap::from([(current.id, current.clone())]);
        let named = NAMED.iter().flat_map(|folder| entries(Path::new(folder)));
        let processes = entries(Path::new("/proc"))
            .filter(|path| name_of(path).is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit())))
            .map(|path| path.join("ns/net"));
        for path in named.chain(processes) {
            // Opening each would open thousands: most processes share a namespace.
            let Ok(id) = fs::metadata(&path).map(|metadata| NamespaceId::of(&metadata)) else { continue };
            if found.get(&id).is_none_or(|known| known.name.is_none() && path.starts_with(BY_NAME))
                && let Ok(namespace) = Self::open(&path)
            {
                found.insert(namespace.id, namespace);
            }
        }
        let mut all: Vec<_> = found.into_values().collect();
        all.sort_by_key(|namespace| (namespace.id != current.id, namespace.id));
        Ok(all)
    }

    fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let id = NamespaceId::of(&file.metadata()?);
        let file = OwnedFd::from(file);
        if ioctl_kind(&file) != Some(CLONE_NEWNET) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a network namespace"));
        }
        let name = (path.parent() == Some(Path::new(BY_NAME))).then(|| name_of(path)).flatten();
        Ok(Self { file: Arc::new(file), id, name: name.map(Arc::from) })
    }

    /// Which one it is.
    #[must_use]
    pub const fn id(&self) -> NamespaceId {
        self.id
    }

    /// Its name, if `ip netns` gave it one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Does something inside, on a thread of its own: the process stays where it is, whatever happens there. Sockets that
    /// were made inside belong to that namespace for ever, wherever they are used.
    ///
    /// # Errors
    ///
    /// [`HostError::Permission`] if this process may not enter it, [`HostError::System`] if there is no thread left.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, HostError> {
        if Self::current().is_ok_and(|current| current.id == self.id) {
            return Ok(work());
        }
        let doing = || format!("enter the network namespace {self}");
        let inside = || -> Result<T, HostError> {
            move_into_link_name_space(self.as_fd(), Some(LinkNameSpaceType::Network)).map_err(|errno| match errno {
                rustix::io::Errno::PERM => HostError::permission(doing(), "CAP_SYS_ADMIN"),
                errno => HostError::System { doing: doing(), cause: errno.into() },
            })?;
            Ok(work())
        };
        thread::scope(|scope| {
            let spawned = thread::Builder::new().name("namespace".into()).spawn_scoped(scope, inside);
            let thread = spawned.map_err(|cause| HostError::System { doing: doing(), cause })?;
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

impl NamespaceId {
    /// That of the namespace that a process is in, without holding it open.
    ///
    /// # Errors
    ///
    /// What the system says if there is no such process, or if it may not be looked at.
    pub fn of_process(pid: u32) -> io::Result<Self> {
        fs::metadata(format!("/proc/{pid}/ns/net")).map(|metadata| Self::of(&metadata))
    }

    /// The one with that number: all of them are on one file system.
    pub(super) const fn numbered(self, inode: u64) -> Self {
        Self { device: self.device, inode }
    }

    fn of(metadata: &fs::Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => f.write_str(name),
            None => self.id.fmt(f),
        }
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}

fn name_of(path: &Path) -> Option<String> {
    Some(path.file_name()?.to_str()?.to_owned())
}

/// The kind of namespace that `clone(2)` calls `CLONE_NEWNET`.
const CLONE_NEWNET: i32 = 0x4000_0000;

/// What kind of namespace a file is, if it is one: `NS_GET_NSTYPE` of ioctl_nsfs(2).
fn ioctl_kind(file: &OwnedFd) -> Option<i32> {
    struct GetKind;
    // SAFETY: this request has no argument, and its result is an integer.
    unsafe impl Ioctl for GetKind {
        type Output = i32;
        const IS_MUTATING: bool = false;

        fn opcode(&self) -> Opcode {
            opcode::none(0xb7, 3)
        }

        fn as_ptr(&mut self) -> *mut std::ffi::c_void {
            std::ptr::null_mut()
        }

        unsafe fn output_from_ptr(output: IoctlOutput, _: *mut std::ffi::c_void) -> rustix::io::Result<i32> {
            Ok(output)
        }
    }
    // SAFETY: as above; whatever the file is, it is not changed.
    unsafe { ioctl(file, GetKind) }.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_namespace_is_that_of_the_own_process() {
        let current = Namespace::current().unwrap();
        assert_eq!(current.id(), Namespace::of_process(std::process::id()).unwrap().id());
        assert_eq!(current.id().to_string(), fs::read_link("/proc/self/ns/net").unwrap().to_string_lossy());
        assert_eq!(Namespace::all().unwrap()[0].id(), current.id());
    }

    #[test]
    fn what_is_no_namespace_is_refused() {
        for (name, message) in [
            ("/proc/self/ns/mnt", "cannot open the network namespace /proc/self/ns/mnt: it is not a network namespace"),
            ("/etc/passwd", "cannot open the network namespace /etc/passwd: it is not a network namespace"),
            ("no-such-namespace", "there is no network namespace `no-such-namespace`"),
        ] {
            assert_eq!(Namespace::named(name).unwrap_err().to_string(), message);
        }
        assert_eq!(Namespace::of_process(u32::MAX).unwrap_err().to_string(), "there is no process `4294967295`");
    }

    #[test]
    fn a_panic_inside_comes_out() {
        let here = Namespace::current().unwrap();
        let caught = std::panic::catch_unwind(|| here.enter(|| panic!("inside")));
        assert!(caught.is_err());
    }
}
