//! What of the kernel's part has a name in the BPF file system.
//!
//! Pins outlive whoever made them: they are what is found of a proxy that was killed. Each network namespace has a folder
//! of its own, which is built aside and renamed when it is whole.

use std::error::Error;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use aya::maps::{MapInfo, MapType};
use aya::programs::ProgramInfo;
use aya::programs::links::{LinkType, PinnedLink};

use super::hook::{self, MAPS, PROGRAM};
use crate::host::bpf::Lookup;
use crate::proxy::error::ProxyError;

/// Where the BPF file system is mounted, if it is.
pub(super) const ROOT: &str = "/sys/fs/bpf";

/// `BPF_FS_MAGIC` of Linux.
const FILE_SYSTEM: u64 = 0xcafe_4a11;

/// `BPF_PROG_TYPE_SK_LOOKUP` of Linux.
const SK_LOOKUP: u32 = 30;

/// What the link is pinned as.
pub(super) const LINK: &str = "link";

/// How the name of a namespace's folder begins.
const PREFIX: &str = "proxy-";

/// How the name of one ends that is being built, and of one that is being replaced. This file system takes no dots.
const ASIDE: [&str; 2] = ["-new", "-old"];

/// The pins of a proxy that lives. They are removed with this value.
pub(super) struct Pins(Folders);

/// Where the pins of a network namespace are.
#[derive(Debug, Clone)]
pub(super) struct Folders {
    parent: PathBuf,
    pub(super) place: PathBuf,
    aside: [PathBuf; 2],
}

/// What is where a folder should be.
const NO_FOLDER: &str = "it is no folder";

/// What is somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    /// What a proxy pins, or some of it.
    Ours,
    /// Something else, and what.
    Foreign(String),
}

/// Whether there is a BPF file system at all.
pub(super) fn is_mounted() -> bool {
    rustix::fs::statfs(ROOT).is_ok_and(|mount| mount.f_type as u64 == FILE_SYSTEM)
}

/// The folder that has the folders of all network namespaces.
pub(super) fn parent() -> PathBuf {
    Path::new(ROOT).join("netscript")
}

/// The number of the network namespace that a folder is for.
pub(super) fn namespace_of(name: &str) -> Option<u64> {
    let number = name.strip_prefix(PREFIX)?;
    ASIDE.iter().find_map(|end| number.strip_suffix(end)).unwrap_or(number).parse().ok()
}

impl Folders {
    /// Those of the network namespace with this number.
    pub(super) fn of(inode: u64) -> Self {
        let parent = parent();
        let place = parent.join(format!("{PREFIX}{inode}"));
        let aside = ASIDE.map(|end| parent.join(format!("{PREFIX}{inode}{end}")));
        Self { parent, place, aside }
    }

    fn all(&self) -> impl Iterator<Item = &Path> {
        std::iter::once(&self.place).chain(&self.aside).map(PathBuf::as_path)
    }

    /// What is there: something foreign before what is ours.
    pub(super) fn look(&self) -> io::Result<(&Path, Found)> {
        if let Ok(metadata) = fs::symlink_metadata(&self.parent)
            && !metadata.is_dir()
        {
            return Ok((&self.parent, Found::Foreign(NO_FOLDER.to_owned())));
        }
        let mut found = (self.place.as_path(), Found::Nothing);
        for folder in self.all() {
            match look(folder)? {
                Found::Nothing => {}
                Found::Ours => found = (if found.1 == Found::Ours { found.0 } else { folder }, Found::Ours),
                foreign => return Ok((folder, foreign)),
            }
        }
        Ok(found)
    }

    /// Removes what a proxy left that was killed. The lock of the namespace must be held.
    pub(super) fn remove(&self) -> io::Result<()> {
        for folder in self.all() {
            remove(folder)?;
        }
        // Only if nobody else has anything there.
        let _ = fs::remove_dir(&self.parent);
        Ok(())
    }
}

impl Pins {
    /// Pins the kernel's part of a proxy, unless there is no BPF file system or this process may not write there. Also
    /// tells whether something was there that a proxy left. The lock of the namespace must be held.
    ///
    /// # Errors
    ///
    /// [`ProxyError::Foreign`] if something is there that is not of a proxy; nothing is changed then.
    pub(super) fn make(folders: Folders, lookup: Lookup) -> Result<(Lookup, Option<Self>, bool), ProxyError> {
        let failed = |cause| ProxyError::System { doing: format!("pin below {}", folders.place.display()), cause };
        let stale = match folders.look() {
            Ok((_, Found::Nothing)) => false,
            Ok((_, Found::Ours)) => true,
            Ok((path, Found::Foreign(what))) => {
                return Err(ProxyError::Foreign { path: path.display().to_string(), what });
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok((lookup, None, false)),
            Err(error) => return Err(failed(error)),
        };
        if !is_mounted() {
            return Ok((lookup, None, false));
        }
        let [new, old] = &folders.aside;
        for leftover in [new, old] {
            remove(leftover).map_err(failed)?;
        }
        match make_folder(new) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok((lookup, None, false)),
            made => made.map_err(failed)?,
        }
        let pinned = hook::pin(lookup, new).and_then(|lookup| {
            if look(&folders.place)? == Found::Ours {
                fs::rename(&folders.place, old)?;
            }
            fs::rename(new, &folders.place)?;
            remove(old)?;
            Ok(lookup)
        });
        match pinned {
            Ok(lookup) => Ok((lookup, Some(Self(folders)), stale)),
            Err(cause) => {
                let _ = remove(new);
                Err(failed(cause))
            }
        }
    }
}

impl Drop for Pins {
    fn drop(&mut self) {
        // What cannot be removed is found and told by whoever comes next.
        let _ = self.0.remove();
    }
}

/// Makes a folder in which only its owner may look, and the one above it.
fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    // Another proxy that ends may remove the one above meanwhile.
    let made = builder.recursive(true).create(folder);
    if made.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
        builder.create(folder)
    } else {
        made
    }
}

/// What a path leads to, which is followed nowhere.
fn look(folder: &Path) -> io::Result<Found> {
    let metadata = match fs::symlink_metadata(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        found => found?,
    };
    if !metadata.is_dir() {
        return Ok(Found::Foreign(NO_FOLDER.to_owned()));
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        // Asked of a folder, the kernel says that it may not be looked at.
        if !entry.file_type()?.is_file() || !is_ours(&name, &entry.path())? {
            return Ok(Found::Foreign(format!("`{name}` in it is something else")));
        }
    }
    Ok(Found::Ours)
}

/// Whether a pin is what a proxy pins under that name.
fn is_ours(name: &str, path: &Path) -> io::Result<bool> {
    let kind = match name {
        LINK => {
            let link = aya::programs::links::FdLink::from(PinnedLink::from_pin(path).map_err(refused)?);
            return Ok(link.info().and_then(|info| info.link_type()).is_ok_and(|kind| kind == LinkType::Netns));
        }
        PROGRAM => {
            let info = ProgramInfo::from_pin(path).map_err(refused)?;
            return Ok(info.name() == PROGRAM.as_bytes() && info.program_type() as u32 == SK_LOOKUP);
        }
        "ports" => MapType::LpmTrie,
        "sockets" => MapType::SockMap,
        "counters" => MapType::PerCpuArray,
        _ => return Ok(false),
    };
    let info = MapInfo::from_pin(path).map_err(refused)?;
    Ok(info.name() == name.as_bytes() && info.map_type().is_ok_and(|found| found == kind))
}

/// What the system said.
fn refused(error: impl Error + 'static) -> io::Error {
    let mut cause: &(dyn Error + 'static) = &error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let number = cause.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error);
    number.map_or_else(|| io::Error::other(cause.to_string()), io::Error::from_raw_os_error)
}

/// Removes a folder of ours, if it is one.
fn remove(folder: &Path) -> io::Result<()> {
    if look(folder)? != Found::Ours {
        return Ok(());
    }
    // The link first: what is half there leads nobody anywhere.
    for name in [LINK, PROGRAM].into_iter().chain(MAPS) {
        match fs::remove_file(folder.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    fs::remove_dir(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_says_for_which_namespace_it_is() {
        for (name, expected) in [
            ("proxy-4026531840", Some(4_026_531_840)),
            ("proxy-4026531840-new", Some(4_026_531_840)),
            ("proxy-7-old", Some(7)),
            ("proxy-", None),
            ("proxy-7-old-new", None),
            ("7", None),
        ] {
            assert_eq!(namespace_of(name), expected, "{name}");
        }
    }
}
