//! What is wrong with a configuration.

use std::fmt;

/// Everything that is wrong with a configuration, each with the app and the setting that it is about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    pub(super) problems: Vec<String>,
}

/// Nobody reads more than so many at once.
const SHOWN: usize = 20;

impl ConfigError {
    /// One line each: `app "web": ports: 70000 is no port; ports are 1 to 65535`.
    #[must_use]
    pub fn problems(&self) -> &[String] {
        &self.problems
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.problems[..self.problems.len().min(SHOWN)];
        f.write_str(&shown.join("\n"))?;
        match self.problems.len() - shown.len() {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}
