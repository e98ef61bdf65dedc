//! What may be reached: rules, and what is inside where no rule says anything.
//!
//! A [`Policy`] judges what was [`Observed`]: attempts to reach an address, and names that were asked for. It knows nothing
//! of the world: what it says depends on the rules, the networks and the resolvers that it was given.
//!
//! ```
//! use netscript::egress::policy::{Attempt, Observed, Policy, rules_of_file};
//!
//! let rules = rules_of_file("egress.rules", b"allow host *.debian.org port 443/tcp\n", 1 << 20)?;
//! let mut policy = Policy::new(rules);
//! let mut attempt = Attempt::new([192, 0, 2, 7].into());
//! assert_eq!(policy.judge(&Observed::Attempt(attempt.clone())).verdict(), "outside");
//! attempt.names = vec!["deb.debian.org".into()];
//! (attempt.port, attempt.protocol) = (Some(443), "tcp".parse().ok());
//! assert_eq!(policy.judge(&Observed::Attempt(attempt)).verdict(), "allowed");
//! # Ok::<(), netscript::egress::policy::PolicyError>(())
//! ```

mod error;
mod filter;
mod host;
mod inside;
mod item;
mod judge;
mod learn;
mod network;
mod observed;
mod parse;
mod port;
mod rule;
#[cfg(test)]
mod tests;
mod word;

pub use error::PolicyError;
pub use filter::{Entry, Filter};
pub use ipnetwork::IpNetwork;
pub use item::rules_of_items;
pub use judge::{Judgement, Policy};
pub use network::network;
pub use observed::{Attempt, Observed, Query};
pub use parse::rules_of_file;
pub use port::{Ports, Protocol, UnknownProtocol};
pub use rule::{Action, Rule};
