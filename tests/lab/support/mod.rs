//! What lab tests build their hosts and networks from.

pub(crate) mod chain;
mod container;
mod engine;
mod group;
mod internet;
mod leash;
mod netns;
mod page;
mod running;
mod server;
pub(crate) mod traffic;

pub(crate) use container::{Container, Image};
pub(crate) use engine::Engine;
pub(crate) use group::Group;
pub(crate) use internet::{Internet, name_server};
pub(crate) use netns::{Netns, connect};
pub(crate) use page::{by_words, shown};
pub(crate) use running::{Running, listeners, until};
pub(crate) use server::Server;
pub(crate) use traffic::{Rates, reach, slow_web_server};

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use crate::program::{Ended, run};

/// Ends the test here, as skipped, unless it runs as root and these programs are installed.
macro_rules! needs {
    ($($program:literal),*) => {
        if let Err(reason) = $crate::support::prerequisites(&["ip", "nsenter", $($program),*]) {
            $crate::support::skip(concat!(module_path!(), ":", line!()), &reason);
            return;
        }
    };
}
pub(crate) use needs;

/// What setpriv(1) makes of root: `nobody`, who may nothing and cannot get more.
pub(crate) const UNPRIVILEGED: [&str; 6] =
    ["--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"];

/// Where the programs of a system administrator are, which a user's `PATH` may lack.
const FOLDERS: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// Whether the lab can be built, and if not, why.
pub(crate) fn prerequisites(programs: &[&str]) -> Result<(), String> {
    if !rustix::process::geteuid().is_root() {
        return Err("it needs root".into());
    }
    let missing: Vec<_> = programs.iter().copied().filter(|program| path_of(program).is_none()).collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("it needs {}", missing.join(", "))) }
}

/// Says why a test cannot run, where `./dev test` counts it.
///
/// # Panics
///
/// Where the lab is required.
pub(crate) fn skip(test: &str, reason: &str) {
    assert!(std::env::var_os("NETSCRIPT_LAB").is_none_or(|lab| lab != "required"), "the lab is required, and {reason}");
    // Not eprintln!, which the harness keeps to itself when a test passes.
    writeln!(std::io::stderr(), "skipped: {test}: {reason}").expect("standard error can be written to");
}

fn path_of(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(FOLDERS.iter().map(PathBuf::from));
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Where a program is, found also where a user's `PATH` does not look.
pub(crate) fn tool(program: &str) -> String {
    let path = path_of(program).unwrap_or_else(|| panic!("{program} is not installed"));
    path.into_os_string().into_string().unwrap()
}

/// Runs something that has to succeed, and gives what it prints.
#[track_caller]
pub(crate) fn succeed(command: &mut Command) -> String {
    let Ended { code, stdout, stderr, .. } = run(command);
    assert_eq!(code, Some(0), "{command:?}: {stdout}{stderr}");
    stdout
}
