//! A command without hooks in the kernel: what its packets say, where they can be captured, and nothing of what never
//! became one.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::captured::Captured;
use super::command::{Course, Running};
use super::watch::{Conclusion, Report, Shared, WatchError, descendants};
use crate::capture::{Arrival, Cancel, CaptureError, Interface, LiveCapture, PacketSource, Progress};
use crate::limits::{Limits, Loss};
use crate::packet::RawPacket;

/// How often processes are looked for. Those that begin and end between two looks are missed.
const LOOK: Duration = Duration::from_millis(5);

/// How long it waits before it says that nothing has arrived.
const MOMENT: Duration = Duration::from_millis(20);

/// A command that runs while packets are captured, or while nothing is.
pub struct Unhooked {
    capture: Option<LiveCapture>,
    command: Running,
    tree: Tree,
    looked: Instant,
    linger: Duration,
    duration: Option<Duration>,
    begun: Instant,
    course: Course,
    cancel: Cancel,
    shared: Arc<Shared>,
    why: String,
}

/// The processes that descend from a command, as far as they were seen, also those that have ended.
#[derive(Debug, Clone, Default)]
pub(super) struct Tree(Arc<Mutex<HashSet<u32>>>);

impl Tree {
    fn pids(&self) -> MutexGuard<'_, HashSet<u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn has(&self, pid: u32) -> bool {
        self.pids().contains(&pid)
    }

    /// Looks for processes; whether some of the command live.
    fn look(&self, command: u32) -> bool {
        let known: Vec<u32> = self.pids().iter().copied().collect();
        let roots = known.into_iter().chain([command]);
        let living: HashSet<u32> = descendants(roots).into_iter().collect();
        self.pids().extend(&living);
        // One that has ended and is not waited for yet is no process any more.
        !living.is_empty()
    }
}

impl Unhooked {
    /// Begins a command beside a capture that has begun, or beside none. `why` says why there are no hooks.
    ///
    /// # Errors
    ///
    /// [`WatchError::Command`] where it cannot be begun.
    pub fn begin(
        arguments: &[String],
        capture: Option<LiveCapture>,
        (linger, duration): (Duration, Option<Duration>),
        cancel: &Cancel,
        why: String,
    ) -> Result<Self, WatchError> {
        let command = Running::begin(arguments)?;
        let tree = Tree::default();
        tree.look(command.pid());
        let begun = Instant::now();
        Ok(Self {
            capture,
            command,
            tree,
            looked: begun,
            linger,
            duration,
            begun,
            course: Course::default(),
            cancel: cancel.clone(),
            shared: Arc::default(),
            why,
        })
    }

    /// Makes attempts out of the conversations of the command's processes.
    #[must_use]
    pub fn attempts(&self, limits: &Limits) -> Captured {
        Captured::new(limits).of(self.tree.clone())
    }

    /// Where the end of it is told.
    #[must_use]
    pub fn report(&self) -> Report {
        Report::of(&self.shared)
    }

    /// Looks after the command; whether it is over.
    fn look(&mut self) -> bool {
        let now = Instant::now();
        if now - self.looked < LOOK && !self.course.has_ended() {
            return false;
        }
        self.looked = now;
        let lives = self.tree.look(self.command.pid());
        if !matches!(self.command.ended(), Ok(None)) {
            self.course.end(now);
        }
        let is_late = self.duration.is_some_and(|duration| now - self.begun > duration);
        if is_late || self.cancel.is_abort() {
            self.end_command();
        }
        self.course.is_over(now, true, || lives, self.linger)
    }

    fn end_command(&mut self) {
        if self.course.stop(Instant::now()) {
            self.command.end(Signal::TERM);
        }
    }

    fn conclude(&mut self) {
        let exit = self.command.ended().ok().flatten();
        let survivors = match self.tree.look(self.command.pid()) && self.course.has_ended() {
            true => vec!["processes of it".to_owned()],
            false => Vec::new(),
        };
        let unseen = match self.capture {
            Some(_) => format!(
                "without hooks in the kernel ({}) only packets were seen: not what was stopped before it became one, nor what \
                 short processes and other network namespaces sent",
                self.why
            ),
            None => "nothing of what the command did was watched".to_owned(),
        };
        let unseen = vec![unseen];
        self.shared.end(Conclusion { exit, unseen, survivors }, Loss::default());
    }
}

impl PacketSource for Unhooked {
    fn advance(&mut self) -> Result<bool, CaptureError> {
        loop {
            match self.poll(true)? {
                Arrival::Packet => return Ok(true),
                Arrival::End => return Ok(false),
                Arrival::Nothing(_) => {}
            }
        }
    }

    fn poll(&mut self, wait: bool) -> Result<Arrival, CaptureError> {
        let is_over = self.look();
        let arrival = match &mut self.capture {
            Some(capture) => {
                if is_over {
                    capture.stop();
                }
                capture.poll(wait)?
            }
            None if is_over => Arrival::End,
            None => {
                if wait {
                    std::thread::park_timeout(MOMENT);
                }
                Arrival::Nothing(crate::clock::now())
            }
        };
        if arrival == Arrival::End {
            self.conclude();
        }
        Ok(arrival)
    }

    fn packet(&self) -> RawPacket<'_> {
        match &self.capture {
            Some(capture) => capture.packet(),
            None => super::watch::no_packet(),
        }
    }

    fn interfaces(&self) -> &[Interface] {
        self.capture.as_ref().map_or(&[], PacketSource::interfaces)
    }

    fn progress(&self) -> Progress {
        self.capture.as_ref().map_or_else(Progress::default, PacketSource::progress)
    }

    fn stop(&mut self) {
        self.end_command();
    }

    fn loss(&mut self) -> Loss {
        self.capture.as_mut().map_or_else(Loss::default, PacketSource::loss)
    }

    fn take_notes(&mut self) -> Vec<String> {
        self.capture.as_mut().map_or_else(Vec::new, PacketSource::take_notes)
    }
}
