//! Control groups.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::leash::Leash;
use super::{succeed, tool};

/// A control group of version 2 below the root, removed when it goes out of scope, when those in it have to be gone.
pub(crate) struct Group {
    path: PathBuf,
    _leash: Leash,
}

impl Group {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("nslab-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let mounted = succeed(std::process::Command::new(tool("findmnt")).args(["-fnt", "cgroup2", "-o", "TARGET"]));
        let path = Path::new(mounted.trim()).join(name);
        std::fs::create_dir(&path).unwrap();
        let leash = Leash::new("", "rmdir $GROUP", &[("GROUP", path.to_str().unwrap())]);
        Self { path, _leash: leash }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn name(&self) -> &str {
        self.path.file_name().and_then(|name| name.to_str()).unwrap()
    }
}
