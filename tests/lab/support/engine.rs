//! A Docker Engine in a network namespace of its own.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::docker::{Container, Image, Network};
use super::netns::Netns;
use super::running::until;
use super::{succeed, tool};
use crate::program::{Ended, Folder, run};

/// A Docker Engine, with its own socket and folders, on a host of which the network is a namespace. At the end its
/// containers are killed and nothing of it is left. It starts in about half a second: every test has its own.
pub(crate) struct Docker {
    /// The network of the host that it runs on.
    pub(crate) host: Netns,
    folder: PathBuf,
}

/// Starts the engine; its mounts are nobody else's.
const BEGIN: &str = r#"
$NSENTER --net=/run/netns/$NAME -- unshare --mount "$DOCKERD" \
    --host "unix://$FOLDER/docker.sock" --data-root "$FOLDER/data" --exec-root "$FOLDER/exec" \
    --pidfile "$FOLDER/pid" --ip-forward=false \
    --bip 198.51.100.1/24 --default-address-pool base=203.0.113.0/24,size=28 >"$FOLDER/log" 2>&1 &
engine=$!
"#;

/// Containers are killed, as the engine would wait for each of them to end.
const END: &str = r#"
timeout 20 docker kill $(timeout 20 docker ps --quiet)
kill $engine
wait $engine
rm -rf --one-file-system "$FOLDER"
"#;

impl Docker {
    pub(crate) fn start() -> Self {
        // The path of a socket has to be short.
        let folder = tempfile::Builder::new().prefix("nslab-").tempdir().unwrap().keep();
        let host = Netns::housing(
            BEGIN,
            END,
            &[
                ("DOCKER_HOST", &socket_address(&folder)),
                ("FOLDER", folder.to_str().unwrap()),
                ("NSENTER", tool("nsenter").get_program().to_str().unwrap()),
                ("DOCKERD", tool("dockerd").get_program().to_str().unwrap()),
            ],
        );
        let docker = Self { host, folder };
        until("the Docker Engine", || UnixStream::connect(docker.socket()).ok());
        // It answers when it is ready.
        docker.docker(&["version"]);
        docker
    }

    /// The socket of its API.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join("docker.sock")
    }

    /// Runs docker(1), and gives what it prints.
    #[track_caller]
    pub(crate) fn docker(&self, arguments: &[&str]) -> String {
        let mut docker = tool("docker");
        docker.env("DOCKER_HOST", socket_address(&self.folder));
        succeed(docker.args(arguments)).trim_end().to_owned()
    }

    /// Makes a network of the driver `bridge`.
    pub(crate) fn network(&self, name: &str) -> Network<'_> {
        Network::create(self, name)
    }

    /// Runs a container in the background; options are those of `docker run`.
    #[track_caller]
    pub(crate) fn run(&self, image: Image, name: &str, options: &[&str], command: &[&str]) -> Container<'_> {
        Container::run(self, image, name, options, command)
    }

    /// Imports an image, unless it is there.
    pub(super) fn import(&self, image: Image) -> &'static str {
        let name = image.name();
        if self.docker(&["images", "--quiet", name]).is_empty() {
            let root = image.root();
            let archive = root.path().with_extension("tar");
            succeed(tool("tar").arg("-C").arg(root.path()).arg("-cf").arg(&archive).arg("."));
            self.docker(&["import", archive.to_str().unwrap(), name]);
            std::fs::remove_file(archive).unwrap();
        }
        name
    }

    /// Runs netscript on the host of this engine, which it finds as `docker` does.
    pub(crate) fn netscript(&self, folder: &Folder, arguments: &[&str]) -> Ended {
        run(self.netscript_command(folder).args(arguments))
    }

    /// netscript, to be run on the host of this engine.
    pub(crate) fn netscript_command(&self, folder: &Folder) -> Command {
        let mut netscript = self.host.netscript_command(folder);
        netscript.env("DOCKER_HOST", socket_address(&self.folder));
        netscript
    }
}

fn socket_address(folder: &Path) -> String {
    format!("unix://{}/docker.sock", folder.display())
}
