//! Where the sockets of container engines are.

use std::collections::HashSet;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The sockets to ask.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EngineSockets {
    /// Those that somebody named: it is a trouble if nobody answers there.
    pub named: Vec<Arc<Path>>,
    /// Where engines usually are, if there are any.
    pub usual: Vec<Arc<Path>>,
    /// Addresses of engines that cannot be asked, with the reason.
    pub unsupported: Vec<(String, &'static str)>,
}

impl EngineSockets {
    /// Those of `DOCKER_HOST` and `CONTAINER_HOST`, which stand for Docker and for Podman as their own programs read them;
    /// for what is not set, where engines usually are.
    #[must_use]
    pub fn from_environment() -> Self {
        Self::from_variables(|name| env::var_os(name))
    }

    fn from_variables(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let mut sockets = Self::default();
        match set("DOCKER_HOST") {
            Some(address) => sockets.name(&address.to_string_lossy()),
            None => {
                sockets.usual.extend(["/run/docker.sock", "/var/run/docker.sock"].map(|path| Path::new(path).into()))
            }
        }
        match set("CONTAINER_HOST") {
            Some(address) => sockets.name(&address.to_string_lossy()),
            None => {
                sockets.usual.push(Path::new("/run/podman/podman.sock").into());
                sockets.usual.extend(
                    set("XDG_RUNTIME_DIR").map(|folder| PathBuf::from(folder).join("podman/podman.sock").into()),
                );
            }
        }
        sockets
    }

    fn name(&mut self, address: &str) {
        match address.strip_prefix("unix://") {
            Some(path) => self.named.push(Path::new(path).into()),
            // Asking over the network would be traffic that nobody expects of a program that looks at this host.
            None => self.unsupported.push((address.to_owned(), "is not asked: only unix:// addresses are supported")),
        }
    }

    /// Each socket once, however many ways lead to it, with whether somebody named it.
    pub(super) fn each(&self) -> Vec<(Arc<Path>, bool)> {
        let named = self.named.iter().map(|path| (path.clone(), true));
        let usual = self.usual.iter().map(|path| (path.clone(), false));
        let mut seen = HashSet::new();
        named
            .chain(usual)
            .filter(|(path, _)| seen.insert(fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf())))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sockets(variables: &[(&str, &str)]) -> EngineSockets {
        EngineSockets::from_variables(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
        })
    }

    fn paths(list: &[Arc<Path>]) -> Vec<&str> {
        list.iter().filter_map(|path| path.to_str()).collect()
    }

    #[test]
    fn engines_are_looked_for_where_they_usually_are() {
        let found = sockets(&[("DOCKER_HOST", ""), ("XDG_RUNTIME_DIR", "/run/user/1000")]);
        let usual = [
            "/run/docker.sock",
            "/var/run/docker.sock",
            "/run/podman/podman.sock",
            "/run/user/1000/podman/podman.sock",
        ];
        assert_eq!((paths(&found.named), paths(&found.usual)), (vec![], usual.to_vec()));
    }

    #[test]
    fn a_socket_that_somebody_names_stands_for_the_usual_ones_of_that_engine() {
        let found = sockets(&[("DOCKER_HOST", "unix:///tmp/docker.sock")]);
        assert_eq!(
            (paths(&found.named), paths(&found.usual)),
            (vec!["/tmp/docker.sock"], vec!["/run/podman/podman.sock"])
        );
        let found = sockets(&[("CONTAINER_HOST", "unix:///tmp/podman.sock")]);
        let usual = vec!["/run/docker.sock", "/var/run/docker.sock"];
        assert_eq!((paths(&found.named), paths(&found.usual)), (vec!["/tmp/podman.sock"], usual));
    }

    #[test]
    fn an_engine_on_another_host_is_not_contacted() {
        let found = sockets(&[("DOCKER_HOST", "tcp://192.0.2.1:2375"), ("CONTAINER_HOST", "ssh://root@192.0.2.1")]);
        let addresses: Vec<&str> = found.unsupported.iter().map(|(address, _)| address.as_str()).collect();
        assert_eq!((found.each().len(), addresses), (0, vec!["tcp://192.0.2.1:2375", "ssh://root@192.0.2.1"]));
    }

    #[test]
    fn two_paths_to_one_socket_are_one() {
        let folder = tempfile::tempdir().unwrap();
        let (socket, link) = (folder.path().join("docker.sock"), folder.path().join("link.sock"));
        fs::write(&socket, "").unwrap();
        std::os::unix::fs::symlink(&socket, &link).unwrap();
        let sockets = EngineSockets { usual: vec![socket.as_path().into(), link.into()], ..EngineSockets::default() };
        assert_eq!(sockets.each(), [(socket.into(), false)]);
    }
}
