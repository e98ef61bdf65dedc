//! Container engines, each in a network namespace of its own.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::container::{Container, Image, Network};
use super::netns::Netns;
use super::running::until;
use super::{succeed, tool};
use crate::program::{Ended, Folder, run};

/// Docker Engine or Podman, with its own socket and folders, on a host of which the network is a namespace. At the end
/// its containers are killed and nothing of it is left. It starts in about half a second: every test has its own.
pub(crate) struct Engine {
    /// The network of the host that it runs on.
    pub(crate) host: Netns,
    folder: PathBuf,
}

/// Starts Docker Engine; its mounts are nobody else's, and neither is what containerd writes down when it is ended early.
const DOCKER: &str = r#"
mkdir "$FOLDER/tmp"
TMPDIR="$FOLDER/tmp" $NSENTER --net=/run/netns/$NAME -- unshare --mount "$PROGRAM" \
    --host "$DOCKER_HOST" --data-root "$FOLDER/data" --exec-root "$FOLDER/exec" --pidfile "$FOLDER/pid" \
    --ip-forward=false --bip 198.51.100.1/24 --default-address-pool base=203.0.113.0/24,size=28 >"$FOLDER/log" 2>&1 &
engine=$!
"#;

/// Starts the service of Podman. What it and its plugins would keep in /var/lib is nobody else's either, and it may not
/// be allowed the limits that it gives to containers.
const PODMAN: &str = r#"
cat >"$FOLDER/containers.conf" <<END
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[network]
default_subnet = "198.51.100.0/24"
default_subnet_pools = [{ "base" = "203.0.113.0/24", "size" = 28 }]
END
export CONTAINERS_CONF="$FOLDER/containers.conf"
$NSENTER --net=/run/netns/$NAME -- unshare --mount sh -c '
    mount -t tmpfs lab /var/lib
    exec "$PROGRAM" --root "$FOLDER/root" --runroot "$FOLDER/run" --tmpdir "$FOLDER/tmp" \
        --network-config-dir "$FOLDER/net" --cgroup-manager cgroupfs --events-backend file \
        system service --time 0 "$DOCKER_HOST"
' >"$FOLDER/log" 2>&1 &
engine=$!
"#;

/// Containers are killed, as the engine would wait for each of them to end.
const END: &str = r#"
timeout 20 docker rm --force $(timeout 20 docker ps --all --quiet)
kill $engine
wait $engine
rm -rf --one-file-system "$FOLDER"
"#;

impl Engine {
    /// Docker Engine.
    pub(crate) fn docker() -> Self {
        Self::start("dockerd", DOCKER)
    }

    /// Podman.
    pub(crate) fn podman() -> Self {
        Self::start("podman", PODMAN)
    }

    fn start(program: &str, begin: &str) -> Self {
        // Not below the temporary folder of the tests: the path of a socket has to be short.
        let folder = tempfile::Builder::new().prefix("nslab-").tempdir_in("/tmp").unwrap().keep();
        let variables = [
            ("DOCKER_HOST", &*address(&folder)),
            ("FOLDER", folder.to_str().unwrap()),
            ("NSENTER", &tool("nsenter")),
            ("PROGRAM", &tool(program)),
        ];
        let engine = Self { host: Netns::housing(begin, END, &variables), folder };
        until(program, || UnixStream::connect(engine.socket()).ok());
        // It answers when it is ready.
        engine.client(&["version"]);
        engine
    }

    /// The socket of its API.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join("engine.sock")
    }

    /// Runs docker(1), which understands both, and gives what it prints.
    #[track_caller]
    pub(crate) fn client(&self, arguments: &[&str]) -> String {
        let mut client = Command::new(tool("docker"));
        client.env("DOCKER_HOST", address(&self.folder));
        succeed(client.args(arguments)).trim_end().to_owned()
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
    pub(crate) fn import(&self, image: Image) -> &'static str {
        let name = image.name();
        if self.client(&["images", "--quiet", name]).is_empty() {
            let root = image.root();
            let archive = root.path().with_extension("tar");
            succeed(Command::new(tool("tar")).arg("-C").arg(root.path()).arg("-cf").arg(&archive).arg("."));
            self.client(&["import", archive.to_str().unwrap(), name]);
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
        netscript.env("DOCKER_HOST", address(&self.folder));
        netscript
    }
}

fn address(folder: &Path) -> String {
    format!("unix://{}/engine.sock", folder.display())
}
