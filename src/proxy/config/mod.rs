//! What a proxy is told to do: apps with their ports and targets.

mod app;
mod error;
mod overlap;
mod ports;
mod section;
mod target;
#[cfg(test)]
mod tests;
mod value;

use std::time::Duration;

pub use app::apps;
pub use error::ConfigError;
pub use ports::Ports;
pub use target::TargetSpec;

/// A service that is made reachable.
#[derive(Debug, Clone, PartialEq)]
pub struct App {
    /// What it is called; no two have the same name.
    pub name: String,
    /// Where clients reach it.
    pub ports: Vec<Ports>,
    /// Whether TCP is taken.
    pub tcp: bool,
    /// Whether UDP is taken.
    pub udp: bool,
    /// Who serves it.
    pub targets: Vec<TargetSpec>,
    /// Who of them gets the next connection.
    pub balance: Balance,
    /// How targets are checked; none: only what becomes of connections tells.
    pub check: Option<Check>,
    /// How many failures in a row of connections take a target out, and for how long where nothing checks it.
    pub passive: Passive,
    /// When a target is taken out that fails more often than others; none: only failures in a row count.
    pub outlier: Option<Outlier>,
    /// How long a target that came back gets fewer connections than its share; zero: its whole share at once.
    pub slow_start: Duration,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// Connections and associations at the same time; none: as many as all may have.
    pub connections: Option<usize>,
    /// Whether targets are told who the client is, with the PROXY protocol, version 2.
    pub proxy_protocol: bool,
    /// TCP keepalive on both sides, begun after so much silence; none: off.
    pub keepalive: Option<Duration>,
    /// Whether what a client sent is sent once more, to another target, when one ends without having answered a byte.
    pub replay: Replay,
}

/// Who gets the next connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Balance {
    /// Each in turn, as often as its weight says.
    #[default]
    RoundRobin,
    /// Who has the fewest connections for its weight; of several, each in turn.
    LeastConnections,
    /// Whom a closure of the script names.
    Script,
}

/// How targets are checked: by connecting to them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// From the begin of one check to that of the next.
    pub interval: Duration,
    /// How long connecting may take.
    pub timeout: Duration,
    /// Successes in a row after which a target is up.
    pub rise: u32,
    /// Failures in a row after which it is down.
    pub fall: u32,
    /// By how much of the interval each check is moved at random, in hundredths.
    pub jitter: u32,
    /// The port that is checked; none: that of the target, or the first port of the app.
    pub port: Option<u16>,
}

impl Default for Check {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(2),
            timeout: Duration::from_secs(1),
            rise: 2,
            fall: 3,
            jitter: 10,
            port: None,
        }
    }
}

/// What becomes of connections tells of targets, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passive {
    /// Failures in a row after which a target is down; 0: never.
    pub fall: u32,
    /// How long it is, where nothing checks it.
    pub retry: Duration,
}

impl Default for Passive {
    fn default() -> Self {
        Self { fall: 3, retry: Duration::from_secs(10) }
    }
}

/// When a target that fails too often is taken out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outlier {
    /// Which part of its connections must have failed, in hundredths.
    pub failures: u32,
    /// In how long.
    pub window: Duration,
    /// Of how many at least.
    pub least: u32,
    /// How long it is taken out.
    pub ejected: Duration,
}

impl Default for Outlier {
    fn default() -> Self {
        Self { failures: 50, window: Duration::from_secs(10), least: 10, ejected: Duration::from_secs(30) }
    }
}

/// How long things may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// Connecting to one target.
    pub connect: Duration,
    /// Silence of a connection.
    pub idle: Duration,
    /// Silence of a connection that one side has ended.
    pub linger: Duration,
    /// Silence of a UDP association.
    pub udp: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            idle: Duration::from_secs(3600),
            linger: Duration::from_secs(60),
            udp: Duration::from_secs(60),
        }
    }
}

/// Whether what a client sent is sent once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Replay {
    /// Never: it may have been acted upon.
    #[default]
    Never,
    /// If the target reset the connection without having answered, as systems do for what nobody has read.
    Reset,
    /// Also if it closed the connection without having answered.
    Unanswered,
}

#[cfg(test)]
impl App {
    /// An app with these ports and targets, such as `127.0.0.1:9001`.
    pub(crate) fn sample(name: &str, ports: &[u16], targets: &[&str]) -> Self {
        let target = |text: &&str| {
            let (host, port) = text.rsplit_once(':').unwrap();
            TargetSpec { host: host.trim_matches(['[', ']']).to_owned(), port: Some(port.parse().unwrap()), weight: 1 }
        };
        Self {
            name: name.to_owned(),
            ports: ports.iter().map(|&port| Ports::of(port)).collect(),
            tcp: true,
            udp: false,
            targets: targets.iter().map(target).collect(),
            balance: Balance::default(),
            check: None,
            passive: Passive::default(),
            outlier: None,
            slow_start: Duration::ZERO,
            timeouts: Timeouts::default(),
            connections: None,
            proxy_protocol: false,
            keepalive: None,
            replay: Replay::default(),
        }
    }
}
