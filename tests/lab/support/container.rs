//! Containers, the images that they are made from, and their networks.

use std::os::unix::fs::symlink;
use std::process::Command;

use tempfile::TempDir;

use super::engine::Engine;
use super::{succeed, tool, traffic};

/// What a container is made from.
#[derive(Clone, Copy)]
pub(crate) enum Image {
    /// A shell and the usual commands: Busybox. And `/traffic`.
    Busybox,
    /// Nothing but one static program, [`/traffic`](traffic).
    Scratch,
}

impl Image {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Busybox => "lab/busybox",
            Self::Scratch => "lab/scratch",
        }
    }

    /// The files of the image.
    pub(super) fn root(self) -> TempDir {
        let root = tempfile::tempdir().unwrap();
        std::fs::copy(traffic::program(), root.path().join("traffic")).unwrap();
        if let Self::Busybox = self {
            let commands = root.path().join("bin");
            std::fs::create_dir_all(&commands).unwrap();
            std::fs::copy(tool("busybox"), commands.join("busybox")).unwrap();
            for name in succeed(Command::new(tool("busybox")).arg("--list")).lines().filter(|name| *name != "busybox") {
                symlink("busybox", commands.join(name)).unwrap();
            }
        }
        root
    }
}

/// A network of containers, with a bridge.
pub(crate) struct Network<'a> {
    engine: &'a Engine,
    /// What `docker` calls it.
    pub(crate) name: String,
}

impl<'a> Network<'a> {
    pub(super) fn create(engine: &'a Engine, name: &str) -> Self {
        engine.client(&["network", "create", name]);
        Self { engine, name: name.to_owned() }
    }

    /// The interface of the host that joins the containers.
    pub(crate) fn bridge(&self) -> String {
        let id = self.engine.client(&["network", "inspect", "--format", "{{.Id}}", &self.name]);
        format!("br-{}", &id[..12])
    }
}

/// A container, removed when it goes out of scope.
pub(crate) struct Container<'a> {
    engine: &'a Engine,
    /// What `docker` calls it.
    pub(crate) name: String,
}

impl<'a> Container<'a> {
    #[track_caller]
    pub(super) fn run(engine: &'a Engine, image: Image, name: &str, options: &[&str], command: &[&str]) -> Self {
        let image = engine.import(image);
        engine.client(&[&["run", "--detach", "--name", name], options, &[image], command].concat());
        Self { engine, name: name.to_owned() }
    }

    /// What the engine knows of it, by a Go template: `{{.State.Pid}}`.
    pub(crate) fn inspect(&self, template: &str) -> String {
        self.engine.client(&["inspect", "--format", template, &self.name])
    }

    /// Its first process, as the host numbers it.
    pub(crate) fn pid(&self) -> u32 {
        self.inspect("{{.State.Pid}}").parse().unwrap()
    }

    /// All 64 digits.
    pub(crate) fn id(&self) -> String {
        self.inspect("{{.Id}}")
    }

    /// Its address in a network.
    pub(crate) fn address(&self, network: &str) -> String {
        self.inspect(&format!("{{{{(index .NetworkSettings.Networks \"{network}\").IPAddress}}}}"))
    }

    /// Runs a command inside to its end, and gives what it prints.
    #[track_caller]
    pub(crate) fn exec(&self, command: &[&str]) -> String {
        self.engine.client(&[&["exec", &self.name], command].concat())
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        // It may be gone, and a test that fails has said why.
        if !std::thread::panicking() {
            self.engine.client(&["rm", "--force", &self.name]);
        }
    }
}
