//! All endpoints, and what is said of them together.

use super::{History, Observation};

/// Endpoints that are shown. Each has a history of its own.
const ENDPOINTS: usize = 64;

/// Bytes that are kept of a reason and of a round as text: what is in them may come from the network.
const REASON: usize = 1 << 10;
const TEXT: usize = 64 << 10;

/// What is known of all endpoints.
#[derive(Debug)]
pub struct Status {
    title: String,
    /// In the order in which they came.
    endpoints: Vec<History>,
}

/// There are more endpoints than are kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a status page shows {ENDPOINTS} endpoints at most, and {0} is one more")]
pub struct TooMany(String);

impl Status {
    /// A page with this title, of which nothing is known yet.
    #[must_use]
    pub fn new(title: &str) -> Self {
        Self { title: title.to_owned(), endpoints: Vec::new() }
    }

    /// Adds what a round says.
    ///
    /// # Errors
    ///
    /// If it is about an endpoint for which there is no room.
    pub fn add(&mut self, mut observation: Observation) -> Result<(), TooMany> {
        cut(&mut observation.reason, REASON);
        cut(&mut observation.text, TEXT);
        match self.endpoints.iter().position(|known| known.last().endpoint == observation.endpoint) {
            Some(known) => self.endpoints[known].add(observation),
            None if self.endpoints.len() == ENDPOINTS => return Err(TooMany(observation.endpoint)),
            None => self.endpoints.push(History::new(observation)),
        }
        Ok(())
    }

    /// What it is about.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// What is known of each endpoint.
    #[must_use]
    pub fn endpoints(&self) -> &[History] {
        &self.endpoints
    }
}

fn cut(text: &mut String, most: usize) {
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most));
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::observation;
    use super::*;
    use crate::trace::Verdict;

    #[test]
    fn endpoints_and_texts_are_bounded() {
        let mut status = Status::new("egress");
        let of = |number: usize| Observation {
            endpoint: format!("db{number}:5432"),
            // The bound is in the middle of a character.
            reason: format!("a{}", "ü".repeat(REASON)),
            ..observation(Verdict::Open, 0)
        };
        for number in 0..ENDPOINTS {
            status.add(of(number)).unwrap();
        }
        assert_eq!(status.add(of(ENDPOINTS)), Err(TooMany(format!("db{ENDPOINTS}:5432"))));
        assert_eq!(status.add(of(0)), Ok(()));
        let kept = &status.endpoints()[0].last().reason;
        assert_eq!((kept.len(), kept.ends_with("ü…")), (REASON - 1 + '…'.len_utf8(), true));
    }
}
