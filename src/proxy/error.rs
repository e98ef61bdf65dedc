//! Why a proxy cannot be.

use std::io;

/// Why a proxy cannot begin, or go on differently.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// An app cannot listen.
    #[error("app {app} cannot listen on port {port}: {cause}")]
    Listen {
        /// Its name.
        app: String,
        /// The port, as the configuration has it.
        port: String,
        /// Why not.
        cause: io::Error,
    },
    /// Another proxy has this network namespace.
    #[error("a proxy runs already in this network namespace: {}; stop it first", process(*.pid))]
    Running {
        /// Its process; 0 if it is in a process namespace that cannot be seen from here.
        pid: u32,
    },
    /// Ports are to be dispatched in the kernel, and cannot be.
    #[error("ports cannot be dispatched in the kernel: {why}")]
    Kernel {
        /// What is missing.
        why: String,
    },
    /// Something is where the kernel's part would be pinned, and is not ours.
    #[error("{path} is not of a proxy: {what}; look at it, and remove or rename it")]
    Foreign {
        /// Where.
        path: String,
        /// What it is.
        what: String,
    },
    /// The proxy does not run.
    #[error("the proxy does not run: start() or serve() it first")]
    NotRunning,
    /// There is no such target.
    #[error("no app has the target {0}")]
    UnknownTarget(String),
    /// The system refuses.
    #[error("cannot {doing}: {cause}")]
    System {
        /// What was tried.
        doing: String,
        /// Why not.
        cause: io::Error,
    },
}

/// A process, as a person is told of it.
pub(super) fn process(pid: u32) -> String {
    match pid {
        0 => "a process that cannot be seen from here".to_owned(),
        pid => format!("process {pid}"),
    }
}
