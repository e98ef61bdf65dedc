//! What a run listens on when it reads no file.

use crate::capture::Listen;
use crate::host::container::{Containers, Query};
use crate::host::{HostError, Namespace};
use crate::record::Duration;

/// How long a live capture goes on if nobody says so, by a time or by a number of packets.
pub const DEFAULT_DURATION: Duration = Duration::from_secs(10);

/// Interfaces of this host, or of places on it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Live {
    /// Names of interfaces; none for all that the places have.
    pub interfaces: Vec<String>,
    /// Network namespaces; none for that of this process.
    pub places: Vec<Place>,
}

/// A network namespace, by what a person knows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Name, identifier, or its beginning.
    Container(String),
    /// Name (`ip netns`) or path.
    Namespace(String),
    /// A process inside.
    Process(u32),
}

impl Live {
    /// Finds what is to be listened on.
    ///
    /// # Errors
    ///
    /// When there is no such place, or this process may not look at it.
    pub fn find(&self) -> Result<Vec<Listen>, HostError> {
        let is_container = |place: &Place| matches!(place, Place::Container(_));
        let containers = if self.places.iter().any(is_container) {
            // Also those that do not run: that is why nothing can be captured there.
            Containers::read(&Query { all: true, ..Query::default() })
        } else {
            Containers::default()
        };
        let mut places =
            self.places.iter().map(|place| place.find(&containers).map(Some)).collect::<Result<Vec<_>, _>>()?;
        if places.is_empty() {
            places.push(None);
        }
        let any = ["any".to_owned()];
        let interfaces = if self.interfaces.is_empty() { &any[..] } else { &self.interfaces[..] };
        let on = |place: Option<(Namespace, String)>| {
            interfaces.iter().map(move |interface| Listen { interface: interface.clone(), place: place.clone() })
        };
        Ok(places.into_iter().flat_map(on).collect())
    }
}

impl Place {
    /// Its namespace, and its name.
    pub(crate) fn find(&self, containers: &Containers) -> Result<(Namespace, String), HostError> {
        let namespace = match self {
            Self::Container(name) => {
                let container = containers.find(name)?;
                return Ok((container.network_namespace()?.clone(), container.name.clone()));
            }
            Self::Namespace(name) => Namespace::named(name)?,
            Self::Process(pid) => Namespace::of_process(*pid)?,
        };
        Ok((namespace, self.to_string()))
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Container(name) | Self::Namespace(name) => f.write_str(name.rsplit('/').next().unwrap_or(name)),
            Self::Process(pid) => pid.fmt(f),
        }
    }
}

impl std::fmt::Display for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = if self.interfaces.is_empty() { "any".to_owned() } else { self.interfaces.join(", ") };
        let places: Vec<_> = self.places.iter().map(ToString::to_string).collect();
        if places.is_empty() { f.write_str(&names) } else { write!(f, "{names} in {}", places.join(", ")) }
    }
}
