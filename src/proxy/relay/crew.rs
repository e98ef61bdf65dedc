//! The threads of a relay, as they know each other.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::worker::Command;
use crate::mailbox::{Mailbox, Post, mailbox};

/// So many more connections than another a thread may have, beside an eighth. To hand one over costs some microseconds,
/// which counts where connections are short.
const SKEW: usize = 4;

/// All threads. Each is known by its place.
#[derive(Debug, Clone)]
pub(super) struct Crew(Arc<[Member]>);

#[derive(Debug)]
struct Member {
    post: Post<Command>,
    /// Connections that it has, and those that are on the way to it.
    load: AtomicUsize,
}

impl Crew {
    /// So many threads, and where each of them finds what it is told.
    pub(super) fn new(count: usize) -> io::Result<(Self, Vec<Mailbox<Command>>)> {
        let boxes = (0..count).map(|_| mailbox()).collect::<io::Result<Vec<_>>>()?;
        let (posts, boxes): (Vec<_>, Vec<_>) = boxes.into_iter().unzip();
        let member = |post| Member { post, load: AtomicUsize::new(0) };
        Ok((Self(posts.into_iter().map(member).collect()), boxes))
    }

    /// Tells one of them something.
    pub(super) fn tell(&self, place: usize, command: Command) {
        self.0[place].post.send(command);
    }

    /// Tells all of them.
    pub(super) fn tell_all(&self, command: impl Fn() -> Command) {
        self.0.iter().for_each(|member| member.post.send(command()));
    }

    /// Who shall have a connection that the thread at this place accepted: it is counted there. The kernel wakes whom it
    /// likes, and often the same one, so that others would have nothing to do.
    pub(super) fn take(&self, accepting: usize) -> usize {
        let loads = self.0.iter().map(|member| member.load.load(Ordering::Relaxed));
        let place = who_takes(loads, accepting);
        self.0[place].load.fetch_add(1, Ordering::Relaxed);
        place
    }

    /// Counts the end of a connection of the thread at this place.
    pub(super) fn ended(&self, place: usize) {
        self.0[place].load.fetch_sub(1, Ordering::Relaxed);
    }

    #[cfg(test)]
    pub(super) fn loads(&self) -> Vec<usize> {
        self.0.iter().map(|member| member.load.load(Ordering::Relaxed)).collect()
    }
}

/// Whoever has the least, unless that is hardly less than what the one has that accepts.
fn who_takes(loads: impl Iterator<Item = usize> + Clone, accepting: usize) -> usize {
    let own = loads.clone().nth(accepting).unwrap_or_default();
    let least = loads.enumerate().min_by_key(|&(_, load)| load);
    least.filter(|(_, load)| own > load + load / 8 + SKEW).map_or(accepting, |(place, _)| place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_goes_to_another_thread_if_that_has_much_less() {
        let taken = |loads: &[usize], accepting| who_takes(loads.iter().copied(), accepting);
        assert_eq!(taken(&[9], 0), 0);
        assert_eq!(taken(&[4, 0], 0), 0);
        assert_eq!(taken(&[5, 0], 0), 1);
        assert_eq!(taken(&[5, 0], 1), 1);
        assert_eq!(taken(&[9, 5, 4, 4], 0), 2);
        assert_eq!(taken(&[1129, 1000], 0), 0);
        assert_eq!(taken(&[1130, 1000], 0), 1);
    }
}
