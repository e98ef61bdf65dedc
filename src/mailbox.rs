//! What a thread is told that waits for descriptors.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};

use rustix::event::{EventfdFlags, eventfd};

/// Is readable from when it is rung until it is silenced.
#[derive(Debug, Clone)]
pub(crate) struct Bell(Arc<OwnedFd>);

impl Bell {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)))
    }

    pub(crate) fn ring(&self) {
        // It fails only if it was rung more often than can be counted, and then it is readable all the same.
        let _ = rustix::io::write(&*self.0, &1_u64.to_ne_bytes());
    }

    pub(crate) fn silence(&self) {
        // It fails only if it was not rung.
        let _ = rustix::io::read(&*self.0, &mut [0; 8]);
    }

    pub(crate) const fn descriptor(&self) -> &Arc<OwnedFd> {
        &self.0
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Where letters to a thread are posted.
pub(crate) struct Post<T> {
    /// None only while it is dropped.
    letters: Option<Sender<T>>,
    bell: Bell,
}

/// Where a thread finds its letters.
#[derive(Debug)]
pub(crate) struct Mailbox<T> {
    letters: Receiver<T>,
    bell: Bell,
}

/// A mailbox, and the way to it.
pub(crate) fn mailbox<T>() -> io::Result<(Post<T>, Mailbox<T>)> {
    let (sender, letters) = channel();
    let bell = Bell::new()?;
    Ok((Post { letters: Some(sender), bell: bell.clone() }, Mailbox { letters, bell }))
}

impl<T> Post<T> {
    /// Sends a letter. It is dropped if the thread is no more, as are those that it has not read.
    pub(crate) fn send(&self, letter: T) {
        if self.letters.as_ref().is_some_and(|letters| letters.send(letter).is_ok()) {
            self.bell.ring();
        }
    }
}

impl<T> Clone for Post<T> {
    fn clone(&self) -> Self {
        Self { letters: self.letters.clone(), bell: self.bell.clone() }
    }
}

impl<T> Drop for Post<T> {
    fn drop(&mut self) {
        self.letters = None;
        // It may have been the last one.
        self.bell.ring();
    }
}

impl<T> fmt::Debug for Post<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Post")
    }
}

impl<T> Mailbox<T> {
    /// The letters that have come; none if all were read and nobody can send any more. The bell is rung for what comes
    /// later, and when there is nobody any more.
    pub(crate) fn take(&self) -> Option<Vec<T>> {
        self.bell.silence();
        let mut letters = Vec::new();
        loop {
            match self.letters.try_recv() {
                Ok(letter) => letters.push(letter),
                Err(TryRecvError::Empty) => return Some(letters),
                Err(TryRecvError::Disconnected) if letters.is_empty() => return None,
                Err(TryRecvError::Disconnected) => {
                    self.bell.ring();
                    return Some(letters);
                }
            }
        }
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
        assert_eq!(mailbox.take().unwrap(), ["one", "two"]);
        assert!(!is_ready(&mailbox) && mailbox.take().unwrap().is_empty());
        post.send("last");
        drop(post);
        assert_eq!(mailbox.take().unwrap(), ["last"]);
        assert!(is_ready(&mailbox) && mailbox.take().is_none());
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
