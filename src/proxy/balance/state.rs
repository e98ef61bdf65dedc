//! How targets are, and what is told of it.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::Target;

/// How a target is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It gets connections.
    Up,
    /// It gets none: checks or connections failed.
    Down,
    /// It gets connections, and nothing is known of it yet.
    Unchecked,
    /// It gets none for a while, because too many of its connections failed.
    Ejected,
    /// It gets none, because somebody said so.
    Draining,
    /// Its name has no address.
    Unresolved,
}

impl State {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Unchecked => "unchecked",
            Self::Ejected => "ejected",
            Self::Draining => "draining",
            Self::Unresolved => "unresolved",
        }
    }
}

/// How one address of a target is, or a target that has none. Times are since the proxy began.
#[derive(Debug, Clone)]
pub struct Status {
    /// What the configuration calls it.
    pub name: String,
    /// The address; none: its name has none.
    pub target: Option<Arc<Target>>,
    /// Its port; none: the one that the client meant.
    pub port: Option<u16>,
    /// How it is.
    pub state: State,
    /// Since when.
    pub since: Duration,
    /// Why; none for those that are up.
    pub reason: Option<String>,
    /// Its share of the connections.
    pub weight: u32,
    /// How long the last check that succeeded took.
    pub latency: Option<Duration>,
}

/// A target is not as it was. Shown as a sentence for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The app that it serves.
    pub app: Arc<str>,
    /// What the configuration calls it.
    pub target: String,
    /// Which address of it; none: its name has none.
    pub address: Option<IpAddr>,
    /// How it was.
    pub from: State,
    /// How it is.
    pub to: State,
    /// Why.
    pub why: Option<String>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "target {}", self.target)?;
        // Where the configuration has the address, it is said already.
        let address = self.address.map(|address| address.to_string());
        if let Some(address) = address.filter(|address| !self.target.contains(address.as_str())) {
            write!(f, " ({address})")?;
        }
        let what = match self.to {
            State::Up => "is up again",
            State::Down => "is down",
            State::Unchecked => "has an address again",
            State::Ejected => "is ejected",
            State::Draining => "is drained",
            State::Unresolved => "has no address",
        };
        write!(f, " of app {} {what}", self.app)?;
        self.why.as_ref().map_or(Ok(()), |why| write!(f, ": {why}"))
    }
}

/// Who is told of changes, in their order. Must not ask the pool anything, which waits until it has been told.
#[derive(Clone)]
pub struct Tell(Arc<dyn Fn(Change) + Send + Sync>);

impl Tell {
    /// Tells this function.
    #[must_use]
    pub fn new(tell: impl Fn(Change) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    pub(super) fn tell(&self, change: Change) {
        (self.0)(change);
    }
}

impl fmt::Debug for Tell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tell")
    }
}
