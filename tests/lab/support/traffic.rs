//! Programs that make traffic: a slow web server, those who ask it, and one that reaches for others in many ways.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use tempfile::TempDir;

use super::container::{Container, Image};
use super::engine::Engine;
use super::running::{listeners, until};
use super::succeed;

/// `programs/traffic.rs` as one static program.
pub(crate) fn program() -> &'static Path {
    const FLAGS: [&str; 4] = ["--edition=2024", "-O", "-Ctarget-feature=+crt-static", "-Cstrip=symbols"];
    static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| built("traffic.rs", "rustc", &FLAGS));
    &PROGRAM
}

/// `programs/reach.c` as one static program.
pub(crate) fn reach() -> &'static str {
    static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| built("reach.c", "cc", &["-O", "-static", "-w"]));
    PROGRAM.to_str().unwrap()
}

/// Builds a program of the lab, and says where it is.
fn built(source: &str, compiler: &str, flags: &[&str]) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/programs").join(source);
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (program, folder) = (target.join(source.file_stem().unwrap()), tempfile::tempdir_in(target).unwrap());
    let built = folder.path().join("program");
    succeed(Command::new(compiler).args(flags).arg("-o").arg(&built).arg(source));
    // Another process may build it, too.
    std::fs::rename(built, &program).unwrap();
    program
}

/// A web server in a container that takes its time, and listens when this returns.
pub(crate) fn slow_web_server<'a>(engine: &'a Engine, name: &str, options: &[&str], port: u16) -> Container<'a> {
    let server = engine.run(Image::Busybox, name, options, &["/traffic", "serve", &port.to_string(), "20"]);
    let pid = server.pid();
    until(&format!("{name} to listen"), || listeners(pid).contains(&port).then_some(()));
    server
}

/// How many requests containers send a second, each on a new connection.
pub(crate) struct Rates(TempDir);

impl Rates {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Takes hold within a few hundredths of a second. 0 is silence.
    pub(crate) fn set(&self, sender: &str, rate: u32) {
        std::fs::write(self.file(sender), rate.to_string()).unwrap();
    }

    /// Where the rate of a sender stands.
    pub(crate) fn file(&self, sender: &str) -> PathBuf {
        self.0.path().join(sender)
    }

    /// A container that sends requests to a server, `address:port`, as often as is set.
    pub(crate) fn sender<'a>(
        &self,
        engine: &'a Engine,
        image: Image,
        name: &str,
        options: &[&str],
        server: &str,
    ) -> Container<'a> {
        let rates = format!("{}:/rates:ro", self.0.path().display());
        let options = [&["--volume", &rates], options].concat();
        engine.run(image, name, &options, &["/traffic", "send", server, &format!("/rates/{name}")])
    }
}
