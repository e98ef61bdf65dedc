//! What is wrong with a policy: all of it at once, each with its place.

use std::fmt;

/// What is wrong with the rules of a policy.
#[derive(Debug, Clone, Default, PartialEq, Eq, thiserror::Error)]
pub struct PolicyError {
    faults: Vec<String>,
    /// Those that are not listed.
    more: usize,
}

/// A person reads no further than that.
const LISTED: usize = 20;

impl PolicyError {
    /// Adds what is wrong at a place.
    pub(super) fn add(&mut self, place: &str, what: &str) {
        if self.faults.len() < LISTED {
            self.faults.push(format!("{place}: {what}"));
        } else {
            self.more += 1;
        }
    }

    /// Adds what is wrong elsewhere.
    pub fn extend(&mut self, other: Self) {
        let free = LISTED - self.faults.len();
        self.more += other.more + other.faults.len().saturating_sub(free);
        self.faults.extend(other.faults.into_iter().take(free));
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }

    /// These rules, unless something is wrong.
    pub(super) fn or<T>(self, rules: T) -> Result<T, Self> {
        if self.is_empty() { Ok(rules) } else { Err(self) }
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.faults.join("\n"))?;
        if self.more > 0 {
            write!(f, "\nand {} more", self.more)?;
        }
        Ok(())
    }
}
