//! What help, completion and the reference know of every function: declared beside the function itself.

use super::permission::Permission;

/// Where a function belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Gives rows: packets, flows, requests.
    Noun,
    /// Works on streams and arrays of rows.
    Verb,
    /// Says what the run concludes.
    Verdict,
    /// Helps with values.
    Helper,
}

/// A function that scripts can call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// How it is called and what it gives: `take(n) -> stream`.
    pub signature: &'static str,
    /// Where it belongs.
    pub group: Group,
    /// What it does; the first sentence stands alone.
    pub doc: &'static str,
    /// A script that uses it, which runs as a test.
    pub example: &'static str,
    /// What has to be granted for it.
    pub needs: Option<Permission>,
}

impl Entry {
    /// What it gives, in the words of its signature: `stream of flow`, `array`, `integer`.
    #[must_use]
    pub fn gives(&self) -> Option<&'static str> {
        self.signature.rsplit_once("-> ").map(|(_, result)| result)
    }

    /// Whether there is one way to call it, with nothing between its brackets.
    #[must_use]
    pub fn takes_nothing(&self) -> bool {
        let calls = self.signature.strip_prefix(self.name).and_then(|rest| rest.strip_prefix("()"));
        calls.is_some_and(|rest| !rest.starts_with(" or "))
    }
}

/// Every function, in the order in which the reference shows them.
pub fn entries() -> impl Iterator<Item = &'static Entry> {
    super::primitives::ENTRIES.iter().chain(super::verbs::ENTRIES).copied().flatten()
}

/// The function with that name.
#[must_use]
pub fn entry(name: &str) -> Option<&'static Entry> {
    entries().find(|entry| entry.name == name)
}
