//! The thread that looks after a watch: it listens to the kernel in time, and knows when the watch is over.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;

use super::attempt::{Attempt, Whose};
use super::attempts::Open;
use super::canary::Canary;
use super::command::{Course, Running};
use super::enforcement::Enforcement;
use super::engines::Engines;
use super::event::{Copied, Event, Reason, What};
use super::hook::Hook;
use super::introductions::Introductions;
use super::names::answer;
use super::process::{Process, Processes};
use super::watch::{Conclusion, Packet, Packets, Shared, Spec};
use crate::capture::Cancel;
use crate::clock::BootClock;
use crate::host::BpfError;

/// How often the kernel is listened to, at least.
const TICK: Duration = Duration::from_millis(10);

pub(super) struct Watcher {
    pub(super) hook: Hook,
    /// What the kernel told and was not taken in yet.
    pub(super) events: VecDeque<Event>,
    pub(super) packets: VecDeque<Copied>,
    pub(super) processes: Processes,
    pub(super) engines: Engines,
    pub(super) command: Option<Running>,
    pub(super) spec: Spec,
    pub(super) cancel: Cancel,
    pub(super) shared: Arc<Shared>,
    pub(super) open: Open,
    pub(super) introductions: Introductions,
    /// Attempts that are over, and of which it is not known yet whose they are or for whom.
    pub(super) held: Vec<(u64, Attempt)>,
    pub(super) enforcement: Option<Enforcement>,
    pub(super) canary: Canary,
}

impl Watcher {
    /// Has netscript reach for itself under watch.
    pub(super) fn sing(&mut self) -> Result<(), BpfError> {
        let own = std::process::id();
        self.hook.watch(own, Reason::CANARY)?;
        let sung = Canary::sing();
        self.hook.release(own);
        Ok(sung?)
    }

    /// The thread's work, until the watch is over.
    pub(super) fn run(mut self) {
        let begun = Instant::now();
        let mut course = Course::default();
        loop {
            self.wait();
            self.tick();
            let now = Instant::now();
            let is_told = self.shared.stopped.load(Ordering::Relaxed) || self.cancel.is_abort();
            let is_late = self.spec.duration.is_some_and(|duration| now - begun > duration);
            if (is_told || is_late)
                && course.stop(now)
                && let Some(command) = &mut self.command
            {
                command.end(Signal::TERM);
            }
            if self.has_command_ended() {
                course.end(now);
            }
            if course.is_over(now, self.command.is_some(), || self.has_rest(), self.spec.linger) {
                break;
            }
        }
        self.finish();
    }

    /// Waits for a packet that names somebody, for somebody who asks to stop, or for a moment.
    fn wait(&self) {
        let timeout = Timespec::try_from(TICK).unwrap_or_default();
        let mut watched = vec![PollFd::from_borrowed_fd(self.hook.as_fd(), PollFlags::IN)];
        if !self.cancel.is_requested() {
            watched.push(PollFd::from_borrowed_fd(self.cancel.as_fd(), PollFlags::IN));
        }
        // Whoever cannot wait looks again.
        let _ = poll(&mut watched, Some(&timeout));
    }

    fn has_command_ended(&mut self) -> bool {
        self.command.as_mut().is_some_and(|command| !matches!(command.ended(), Ok(None)))
    }

    /// Whether processes of the command are left, or containers that it began.
    fn has_rest(&self) -> bool {
        self.processes.of_command().next().is_some() || self.containers_left().next().is_some()
    }

    /// The containers that the command began and that run.
    fn containers_left(&self) -> impl Iterator<Item = &str> {
        self.processes.in_containers().filter(|id| self.engines.may_be_for_command(id))
    }

    /// Takes in what the kernel has told of by now. What it tells of while it is asked is for the next time: of two buffers
    /// that are read one after the other, the second would be ahead, and packets come before the processes that sent them.
    fn tick(&mut self) {
        self.take_until(BootClock::since_boot());
    }

    /// Takes in what the kernel has told, in order of time, as far as it happened until then.
    fn take_until(&mut self, end: u64) {
        let (events, packets) = self.hook.drain();
        self.events.extend(events);
        self.packets.extend(packets);
        let clock = BootClock::now();
        loop {
            let packet = self.packets.front().map(|packet| packet.time).filter(|time| *time <= end);
            let is_event = |event: &mut Event| event.time <= end && packet.is_none_or(|packet| event.time < packet);
            if let Some(event) = self.events.pop_front_if(is_event) {
                self.event(&event, &clock);
            } else if packet.is_some()
                && let Some(packet) = self.packets.pop_front()
            {
                self.packet(packet, &clock);
            } else {
                break;
            }
        }
    }

    fn packet(&mut self, packet: Copied, clock: &BootClock) {
        let time = clock.time(packet.time);
        let queries = self.introductions.take(&packet, time, self.processes.numbered(packet.pid));
        if let Some(enforcement) = &mut self.enforcement {
            for query in &queries {
                let (names, addresses) = answer(query);
                enforcement.learn(&names, &addresses, &mut self.hook);
            }
            if packet.is_answer {
                enforcement.looked(&mut self.hook);
            }
        }
        if self.spec.packets > Packets::None {
            self.shared.packet(Packet { time, length: packet.length, bytes: packet.bytes });
        }
    }

    fn event(&mut self, event: &Event, clock: &BootClock) {
        let time = clock.time(event.time);
        if event.pid == std::process::id() && !matches!(event.what, What::Asked(_)) {
            self.canary.hear(event);
            return;
        }
        if let Some(begun) = self.processes.take(event)
            && begun.reason.has(Reason::ENGINE)
            && let Some(id) = &begun.container
        {
            self.engines.saw(id);
        }
        let over = match &event.what {
            What::Socket(happening) => {
                let process = self.processes.get(event);
                let over = self.open.take(happening, &process, time);
                over.into_iter().map(|attempt| (happening.cookie, attempt)).collect()
            }
            What::Exited => self.open.exited(event.pid, time),
            What::Asked(service) => {
                self.asked(*service, event);
                Vec::new()
            }
            What::Forked { .. } | What::Executed { .. } => Vec::new(),
        };
        for (cookie, attempt) in over {
            self.over(cookie, attempt);
        }
    }

    fn asked(&mut self, service: u64, event: &Event) {
        if event.pid == std::process::id() {
            return;
        }
        let process = self.processes.get(event);
        let is_container = process.container.as_deref().is_some_and(|id| self.engines.may_be_for_command(id));
        let is_command = event.reason.has(Reason::COMMAND) || is_container;
        self.engines.asked(service, is_command, &event.name, event.pid);
    }

    /// Whether it is certain that a process is one of those that are watched.
    fn is_meant(&self, process: &Process) -> bool {
        process.reason.has(Reason::COMMAND) || self.engines.is_target(process.container.as_ref())
    }

    /// An attempt is over: tells it, unless more will be known of it.
    fn over(&mut self, cookie: u64, mut attempt: Attempt) {
        if !attempt.is_tcp() {
            attempt.count(self.hook.take_counted(cookie, attempt.protocol, attempt.peer));
        }
        let of_command = attempt.process.as_ref().is_none_or(|process| self.is_meant(process));
        attempt.server_name = self.introductions.server_name(cookie);
        let may_be_named = attempt.server_name.is_none() && attempt.reached.got_through() != Some(false);
        let is_full = self.held.len() >= self.spec.limits.rows;
        if of_command && (!may_be_named || is_full) {
            self.tell(attempt);
        } else if is_full {
            self.shared.lose();
        } else {
            self.held.push((cookie, attempt));
        }
    }

    /// Tells an attempt, with all that is known of it.
    fn tell(&mut self, mut attempt: Attempt) {
        let container = attempt.process.as_ref().and_then(|process| process.container.clone());
        attempt.names = self.introductions.names(&container, attempt.peer, attempt.time);
        attempt.container = container.map(|id| self.engines.name(&id));
        self.shared.row(attempt, self.spec.limits.rows);
    }

    fn finish(mut self) {
        // The programs saw before; they have to see still.
        self.canary = Canary::default();
        let sung = self.sing();
        self.take_until(u64::MAX);
        self.introductions.finish();
        self.engines.finish();
        let rest = self.open.rest();
        for (cookie, attempt) in rest {
            self.over(cookie, attempt);
        }
        for (cookie, mut attempt) in std::mem::take(&mut self.held) {
            attempt.server_name = attempt.server_name.take().or_else(|| self.introductions.server_name(cookie));
            let process = attempt.process.clone();
            if let Some(process) = process.filter(|process| !self.is_meant(process)) {
                if self.engines.is_of_others(process.container.as_ref()) {
                    continue;
                }
                attempt.whose = match self.engines.doubt(process.container.as_ref()) {
                    Some(why) => Whose::Unknown(why.into()),
                    None => Whose::Container,
                };
            }
            self.tell(attempt);
        }
        let conclusion = self.conclusion(sung.err());
        self.shared.end(conclusion, self.introductions.loss());
    }

    fn conclusion(&mut self, sung: Option<BpfError>) -> Conclusion {
        let mut unseen = Vec::new();
        if let Some(error) = sung {
            unseen.push(format!("it could not be proven that the kernel tells of everything: {error}"));
        } else if let Some(what) = self.canary.missing() {
            unseen.push(format!("the kernel did not tell of a canary: {what} was not seen"));
        }
        let lost = self.hook.lost();
        for (count, what) in [
            (lost.events, "things happened unseen: the kernel told more than there was room for"),
            (lost.processes, "processes were not watched: there were more than there is room for"),
            (lost.packets, "packets that may name somebody were not kept: there were more than there was room for"),
        ] {
            if count > 0 {
                unseen.push(format!("{count} {what}"));
            }
        }
        if let Some(resolver) = self.engines.resolver() {
            unseen.push(format!("names were looked up out of sight, by the service at {resolver}"));
        }
        let mut survivors: Vec<String> =
            self.processes.of_command().map(|process| format!("{} ({})", process.name, process.pid)).collect();
        let mut containers: Vec<Arc<str>> = self.containers_left().map(Arc::from).collect();
        containers.sort();
        containers.dedup();
        survivors.sort();
        survivors.extend(containers.iter().map(|id| format!("container {}", self.engines.name(id))));
        let exit = self.command.as_mut().and_then(|command| command.ended().ok().flatten());
        Conclusion { exit, unseen, survivors }
    }
}
