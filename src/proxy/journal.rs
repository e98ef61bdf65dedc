//! What workers tell: connections that ended, what a person should know, and what the owner of the proxy has to decide.

use std::fmt;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::balance::Target;
use super::error::ProxyError;
use super::log::Log;
use super::record::Connection;
use crate::mailbox::Bell;

/// Notices that wait for the owner. If there are more, he is busy with something else: connections get the target whose
/// turn it is, and news are counted.
const NOTICES: usize = 4096;

/// Something that the owner of a proxy is told.
#[derive(Debug)]
pub(super) enum Notice {
    /// For a person: a target went down, a limit was reached.
    News(String),
    /// For a script: who gets this connection?
    Pick(Box<Pick>),
}

/// A connection that waits for its target.
#[derive(Debug)]
pub(super) struct Pick {
    pub(super) connection: Connection,
    /// The targets that it may be brought to.
    pub(super) targets: Vec<Arc<Target>>,
    pub(super) answer: Answer,
}

/// Takes the answer to a [`Pick`]: which of the targets it is. Whoever drops it leaves the choice to others.
pub(super) struct Answer(Option<Box<dyn FnOnce(Option<usize>) + Send>>);

impl Answer {
    pub(super) fn new(take: impl FnOnce(Option<usize>) + Send + 'static) -> Self {
        Self(Some(Box::new(take)))
    }

    /// The target at this place.
    pub(super) fn give(mut self, place: usize) {
        if let Some(take) = self.0.take() {
            take(Some(place));
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(take) = self.0.take() {
            take(None);
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answer")
    }
}

/// Where workers tell things. When the last clone goes, everything that was logged has been written.
#[derive(Debug, Clone)]
pub(super) struct Journal {
    /// None: nobody wants to know of connections.
    log: Option<Arc<Log>>,
    owner: Owner,
}

/// The way to whoever owns the proxy.
#[derive(Debug, Clone)]
pub(super) struct Owner {
    queue: SyncSender<Notice>,
    bell: Bell,
    /// News for which there was no room.
    unheard: Arc<AtomicU64>,
}

impl Owner {
    pub(super) fn news(&self, text: String) {
        if !self.tell(Notice::News(text)) {
            self.unheard.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether there was room for it. Whoever does not listen any more does not want to know.
    fn tell(&self, notice: Notice) -> bool {
        let told = self.queue.try_send(notice).is_ok();
        self.bell.ring();
        told
    }
}

impl Journal {
    /// A journal that keeps a log in this file (`-` for standard error), if one is named; and what the owner reads.
    ///
    /// # Errors
    ///
    /// If the log cannot be written, or if there is no descriptor left.
    pub(super) fn new(log: Option<&Path>) -> Result<(Self, Notices), ProxyError> {
        let (queue, receiver) = sync_channel(NOTICES);
        let bell = Bell::new().map_err(|cause| ProxyError::System { doing: "begin".to_owned(), cause })?;
        let unheard = Arc::<AtomicU64>::default();
        let owner = Owner { queue, bell: bell.clone(), unheard: unheard.clone() };
        let opened = |path: &Path| {
            Log::open(path, owner.clone())
                .map_err(|cause| ProxyError::System { doing: format!("write the log {}", path.display()), cause })
        };
        let log = log.map(opened).transpose()?.map(Arc::new);
        Ok((Self { log, owner }, Notices { queue: Mutex::new(receiver), bell, unheard }))
    }

    /// Whether somebody wants to know of connections that ended.
    pub(super) const fn is_logging(&self) -> bool {
        self.log.is_some()
    }

    pub(super) fn ended(&self, connection: Connection) {
        if let Some(log) = &self.log {
            log.ended(connection);
        }
    }

    /// Goes on in a new file of the same name: the old one has been moved away.
    pub(super) fn reopen_log(&self) {
        if let Some(log) = &self.log {
            log.reopen();
        }
    }

    pub(super) fn news(&self, text: String) {
        self.owner.news(text);
    }

    /// Asks for a target. If there is no room for the question, the answer is none.
    pub(super) fn pick(&self, pick: Pick) {
        self.owner.tell(Notice::Pick(Box::new(pick)));
    }
}

/// What the owner of a proxy is told, in order.
#[derive(Debug)]
pub(super) struct Notices {
    queue: Mutex<Receiver<Notice>>,
    bell: Bell,
    unheard: Arc<AtomicU64>,
}

impl Notices {
    /// Is readable when there is something. It stays so until [`next`](Self::next) has given nothing.
    pub(super) const fn ready(&self) -> &Arc<OwnedFd> {
        self.bell.descriptor()
    }

    /// The next notice, if there is one.
    pub(super) fn next(&self) -> Option<Notice> {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(notice) = queue.try_recv() {
            return Some(notice);
        }
        self.bell.silence();
        // What was told before the bell was silenced is in the queue by now.
        queue.try_recv().ok().or_else(|| match self.unheard.swap(0, Ordering::Relaxed) {
            0 => None,
            count => Some(Notice::News(format!("{count} more things happened than could be told"))),
        })
    }

    /// Waits for the next notice, until the time is over or `cancel` is readable.
    ///
    /// # Errors
    ///
    /// If the system cannot wait.
    pub(super) fn wait(&self, timeout: Option<Duration>, cancel: BorrowedFd<'_>) -> io::Result<Option<Notice>> {
        let begun = Instant::now();
        loop {
            if let Some(notice) = self.next() {
                return Ok(Some(notice));
            }
            let left = timeout.map(|timeout| timeout.saturating_sub(begun.elapsed()));
            // Longer than a clock can count is without end.
            let left = left.and_then(|left| Timespec::try_from(left).ok());
            let mut ends = [PollFd::new(&self.bell, PollFlags::IN), PollFd::new(&cancel, PollFlags::IN)];
            match poll(&mut ends, left.as_ref()) {
                Ok(0) => return Ok(None),
                Ok(_) if !ends[1].revents().is_empty() => return Ok(self.next()),
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;
    use std::sync::Mutex;

    use super::*;

    fn journal() -> (Journal, Notices) {
        Journal::new(None).unwrap()
    }

    /// A descriptor that is readable, or not.
    fn event(readable: bool) -> Bell {
        let bell = Bell::new().unwrap();
        if readable {
            bell.ring();
        }
        bell
    }

    fn is_ready(notices: &Notices) -> bool {
        poll(&mut [PollFd::new(&**notices.ready(), PollFlags::IN)], Some(&Timespec::default())).unwrap() == 1
    }

    fn news(notice: Option<Notice>) -> Option<String> {
        match notice {
            Some(Notice::News(text)) => Some(text),
            Some(Notice::Pick(_)) => Some("a pick".to_owned()),
            None => None,
        }
    }

    #[test]
    fn news_come_in_order_and_the_descriptor_says_that_there_are_some() {
        let (journal, notices) = journal();
        assert!(!is_ready(&notices));
        journal.news("one".to_owned());
        journal.clone().news("two".to_owned());
        assert!(is_ready(&notices));
        assert_eq!([0; 3].map(|_| news(notices.next())), [Some("one".to_owned()), Some("two".to_owned()), None]);
        assert!(!is_ready(&notices));
    }

    #[test]
    fn waiting_ends_with_a_notice_with_the_descriptor_and_with_the_time() {
        let (journal, notices) = journal();
        let (quiet, asked) = (event(false), event(true));
        let teller = std::thread::spawn(move || journal.news("late".to_owned()));
        assert_eq!(news(notices.wait(None, quiet.as_fd()).unwrap()), Some("late".to_owned()));
        teller.join().unwrap();
        assert!(notices.wait(None, asked.as_fd()).unwrap().is_none());
        assert!(notices.wait(Some(Duration::ZERO), quiet.as_fd()).unwrap().is_none());
        assert!(notices.wait(Some(Duration::MAX), asked.as_fd()).unwrap().is_none());
    }

    #[test]
    fn an_owner_who_does_not_listen_costs_no_memory_and_is_told_how_much_he_missed() {
        let (journal, notices) = journal();
        for number in 0..NOTICES + 3 {
            journal.news(number.to_string());
        }
        let told: Vec<_> = std::iter::from_fn(|| news(notices.next())).collect();
        assert_eq!(told.len(), NOTICES + 1);
        assert_eq!(told[NOTICES], "3 more things happened than could be told");
    }

    #[test]
    fn every_pick_is_answered_also_one_that_nobody_hears_of() {
        let (journal, notices) = journal();
        let answers = Arc::new(Mutex::new(Vec::new()));
        let ask = |journal: &Journal| {
            let answers = answers.clone();
            let answer = Answer::new(move |place| answers.lock().unwrap().push(place));
            journal.pick(Pick { connection: Connection::sample("picking"), targets: Vec::new(), answer });
        };
        let taken = |notices: &Notices| match notices.next() {
            Some(Notice::Pick(pick)) => pick,
            other => panic!("{other:?}"),
        };
        ask(&journal);
        taken(&notices).answer.give(2);
        ask(&journal);
        drop(taken(&notices));
        for _ in 0..NOTICES {
            journal.news(String::new());
        }
        ask(&journal);
        drop(notices);
        ask(&journal);
        assert_eq!(*answers.lock().unwrap(), [Some(2), None, None, None]);
    }
}
