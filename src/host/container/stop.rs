//! Stopping a container.

use std::io;

use super::{Container, KnownBy, engines};
use crate::host::HostError;

impl Container {
    /// Asks its engine to stop it, as `docker stop` does: it has 10 s to end before it is killed. Gives the container in the
    /// state that it is in then, which is `removed` if its engine removed it.
    ///
    /// # Errors
    ///
    /// [`HostError::System`] if no engine knows it, [`HostError::Engine`] if its engine refuses or does not answer within 25 s.
    pub fn stop(&self) -> Result<Self, HostError> {
        let KnownBy::Engine(socket) = &self.known_by else {
            return Err(HostError::System {
                doing: format!("stop the container {}", self.name),
                cause: io::Error::other(format!("no container engine that answers knows it ({})", self.runtime)),
            });
        };
        let state = engines::stop(socket, &self.id, &self.name)?;
        Ok(Self { state, pid: None, namespace: None, cgroup: None, ..self.clone() })
    }
}
