//! What a thread is told that waits for descriptors.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use rustix::event::{EventfdFlags, eventfd};

/// Is readable from when it is rung until it is silenced.
#[derive(Debug, Clone)]
pub(super) struct Bell(Arc<OwnedFd>);

impl Bell {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self(Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)))
    }

    pub(super) fn ring(&self) {
        // It fails only if it was rung more often than can be counted, and then it is readable all the same.
        let _ = rustix::io::write(&*self.0, &1_u64.to_ne_bytes());
    }

    pub(super) fn silence(&self) {
        // It fails only if it was not rung.
        let _ = rustix::io::read(&*self.0, &mut [0; 8]);
    }

    pub(super) const fn descriptor(&self) -> &Arc<OwnedFd> {
        &self.0
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Where letters to a thread are posted.
pub(super) struct Post<T> {
    letters: Sender<T>,
    bell: Bell,
}

/// Where a thread finds its letters.
#[derive(Debug)]
pub(super) struct Mailbox<T> {
    letters: Receiver<T>,
    bell: Bell,
}

/// A mailbox, and the way to it.
pub(super) fn mailbox<T>() -> io::Result<(Post<T>, Mailbox<T>)> {
    let (sender, letters) = channel();
    let bell = Bell::new()?;
    Ok((Post { letters: sender, bell: bell.clone() }, Mailbox { letters, bell }))
}

impl<T> Post<T> {
    /// Sends a letter. It is dropped if the thread is no more, as are those that it has not read.
    pub(super) fn send(&self, letter: T) {
        if self.letters.send(letter).is_ok() {
            self.bell.ring();
        }
    }
}

impl<T> Clone for Post<T> {
    fn clone(&self) -> Self {
        Self { letters: self.letters.clone(), bell: self.bell.clone() }
    }
}

impl<T> fmt::Debug for Post<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Post")
    }
}

impl<T> Mailbox<T> {
    /// The letters that have come. The bell is rung for those that come later.
    pub(super) fn take(&self) -> impl Iterator<Item = T> {
        self.bell.silence();
        self.letters.try_iter()
    }
}

impl<T> AsFd for Mailbox<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::*;

    fn is_ready(mailbox: &Mailbox<&str>) -> bool {
        poll(&mut [PollFd::new(mailbox, PollFlags::IN)], Some(&Timespec::default())).unwrap() == 1
    }

    #[test]
    fn the_bell_rings_until_letters_are_taken() {
        let (post, mailbox) = mailbox().unwrap();
        assert!(!is_ready(&mailbox));
        post.send("one");
        post.clone().send("two");
        assert!(is_ready(&mailbox));
        assert_eq!(mailbox.take().collect::<Vec<_>>(), ["one", "two"]);
        assert!(!is_ready(&mailbox));
    }

    #[test]
    fn nobody_waits_for_an_answer_to_a_letter_that_nobody_reads() {
        let (post, mailbox) = mailbox().unwrap();
        let (answer, answers) = channel::<()>();
        post.send(answer.clone());
        drop(mailbox);
        post.send(answer);
        assert!(answers.recv().is_err());
    }
}
