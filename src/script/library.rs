//! Where scripts are found.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::header::{Header, HeaderError};
use crate::nearest::suggestion;

/// A script with its header.
#[derive(Debug, Clone)]
pub struct Script {
    /// What it is called in messages: its name in the library, or its path.
    pub name: String,
    /// Its text.
    pub source: String,
    /// What it says of itself.
    pub header: Header,
    /// Where it comes from.
    pub origin: Origin,
}

/// Where a script comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A file.
    File(PathBuf),
    /// The scripts inside the binary.
    Stock,
    /// Given as text.
    Text,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Stock => f.write_str("stock"),
            Self::Text => f.write_str("text"),
        }
    }
}

/// Why a script cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// There is none with that name.
    #[error("there is no script `{name}`{hint}")]
    NotFound {
        /// What was asked for.
        name: String,
        /// Which one was meant, or where to look.
        hint: String,
    },
    /// It cannot be read.
    #[error("cannot read the script {path}: {error}")]
    Unreadable {
        /// Where it is.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Its header is wrong.
    #[error("{name}:{}: {error}", error.line.unwrap_or(1))]
    Header {
        /// What it is called.
        name: String,
        /// What is wrong.
        error: HeaderError,
    },
}

/// The scripts inside the binary.
const STOCK: &[(&str, &str)] = &[
    ("egress-check", include_str!("../../scripts/egress-check.rhai")),
    ("egress-trace", include_str!("../../scripts/egress-trace.rhai")),
    ("expired-token-hunt", include_str!("../../scripts/expired-token-hunt.rhai")),
    ("noisy-container", include_str!("../../scripts/noisy-container.rhai")),
    ("proxy", include_str!("../../scripts/proxy.rhai")),
];

impl Script {
    /// A script given as text.
    ///
    /// # Errors
    ///
    /// When its header is wrong.
    pub fn new(name: &str, source: &str) -> Result<Self, LibraryError> {
        Self::from(name, source.to_owned(), Origin::Text)
    }

    fn from(name: &str, source: String, origin: Origin) -> Result<Self, LibraryError> {
        let header = Header::parse(&source).map_err(|error| LibraryError::Header { name: name.to_owned(), error })?;
        Ok(Self { name: name.to_owned(), source, header, origin })
    }

    /// A script in a file.
    ///
    /// # Errors
    ///
    /// When the file cannot be read as UTF-8, or its header is wrong.
    pub fn read(path: &Path) -> Result<Self, LibraryError> {
        let unreadable = |error| LibraryError::Unreadable { path: path.to_owned(), error };
        let source = fs::read_to_string(path).map_err(unreadable)?;
        Self::from(&path.display().to_string(), source, Origin::File(path.to_owned()))
    }
}

/// The folders in which scripts are looked for, and the scripts inside the binary behind them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Library {
    folders: Vec<PathBuf>,
}

/// A script in the library, and whether another of its name comes before it.
#[derive(Debug)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Where it comes from.
    pub origin: Origin,
    /// Whether another script of that name is found first.
    pub shadowed: bool,
    /// Its title, or what is wrong with it.
    pub title: Result<String, LibraryError>,
    /// What its command is for, if it takes one.
    pub command: Option<String>,
}

impl Library {
    /// A library of these folders, the first one first.
    #[must_use]
    pub const fn new(folders: Vec<PathBuf>) -> Self {
        Self { folders }
    }

    /// The folders that the environment names: `$NETSCRIPT_PATH`, the user's data folder (XDG), and the system's.
    /// Under sudo only the system's: what a user can write must not run as root by its name alone.
    #[must_use]
    pub fn from_environment(variable: impl Fn(&str) -> Option<std::ffi::OsString>) -> Self {
        let mut folders = Vec::new();
        if variable("SUDO_UID").is_none() {
            let path = variable("NETSCRIPT_PATH").unwrap_or_default();
            folders.extend(std::env::split_paths(&path).filter(|folder| !folder.as_os_str().is_empty()));
            let data = variable("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
            let home = || variable("HOME").map(|home| PathBuf::from(home).join(".local/share"));
            folders.extend(data.or_else(home).map(|data| data.join("netscript/scripts")));
        }
        folders.push("/etc/netscript/scripts".into());
        folders.push("/usr/share/netscript/scripts".into());
        Self { folders }
    }

    /// The script of that name; a name with a slash or an ending is a path.
    ///
    /// # Errors
    ///
    /// When there is none, or it cannot be used.
    pub fn find(&self, name: &str) -> Result<Script, LibraryError> {
        let path = Path::new(name);
        if name.contains('/') || path.extension() == Some(OsStr::new("rhai")) {
            return Script::read(path);
        }
        for folder in &self.folders {
            let path = folder.join(name).with_extension("rhai");
            if path.is_file() {
                return Script::read(&path);
            }
        }
        match STOCK.iter().find(|(stock, _)| *stock == name) {
            Some((stock, source)) => Script::from(stock, (*source).to_owned(), Origin::Stock),
            None => {
                let names: Vec<String> = self.list().into_iter().map(|listed| listed.name).collect();
                let hint = match suggestion(name, names.iter().map(String::as_str)) {
                    hint if hint.is_empty() => "; `netscript list` shows all of them".to_owned(),
                    hint => hint,
                };
                Err(LibraryError::NotFound { name: name.to_owned(), hint })
            }
        }
    }

    /// All scripts by name, those that are shadowed behind those that shadow them.
    #[must_use]
    pub fn list(&self) -> Vec<Listed> {
        let mut all: Vec<Listed> = Vec::new();
        let mut add = |name: String, origin: Origin, script: Result<Script, LibraryError>| {
            let shadowed = all.iter().any(|listed| listed.name == name);
            let command = script.as_ref().ok().and_then(|script| script.header.command.clone());
            let title = script.map(|script| script.header.title().to_owned());
            all.push(Listed { name, origin, shadowed, title, command });
        };
        for folder in &self.folders {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
            let mut paths: Vec<_> = entries.filter(|path| path.extension() == Some(OsStr::new("rhai"))).collect();
            paths.sort();
            for path in paths {
                let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                add(name, Origin::File(path.clone()), Script::read(&path));
            }
        }
        for (name, source) in STOCK {
            add((*name).to_owned(), Origin::Stock, Script::from(name, (*source).to_owned(), Origin::Stock));
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }
}
