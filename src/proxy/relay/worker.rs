//! One thread that relays many connections.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;
use slab::Slab;

use super::crew::Crew;
use super::direction::Kit;
use super::session::{Ending, Event, Next, Session, Side, State};
use super::socket::{self, Accepted};
use super::{DESCRIPTORS, Which};
use crate::mailbox::Mailbox;
use crate::proxy::balance::{Failure, Target};
use crate::proxy::config::Balance;
use crate::proxy::journal::{Answer, Pick};
use crate::proxy::record::Connection;
use crate::proxy::service::{Service, Shared};

/// Events that are taken at once.
const EVENTS: usize = 256;

/// How often it is looked at most what is overdue.
const SHORTEST_TICK: Duration = Duration::from_millis(10);

/// What a worker is told to do.
#[derive(Debug)]
pub(super) enum Command {
    Serve(Arc<Service>, Vec<Arc<OwnedFd>>),
    Forget(String),
    Report(Sender<Vec<Connection>>),
    End(Which, &'static str),
    /// To be dropped when listeners that were left are closed.
    Settle(Sender<()>),
    /// A client that another thread has accepted.
    Take(Arc<Service>, Accepted),
    /// To whom a connection goes that a script picks for; none leaves it to the balance.
    Picked(usize, u64, Option<Arc<Target>>),
    Stop,
}

/// A socket whose clients are accepted.
#[derive(Debug)]
struct Listener {
    service: Arc<Service>,
    socket: Arc<OwnedFd>,
    /// Nobody is accepted until something is free again.
    paused: bool,
}

/// What an event is about, as the number that epoll keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Session(usize, Side),
    Listener(usize),
    Commands,
}

impl Token {
    const fn data(self) -> EventData {
        EventData::new_u64(match self {
            Self::Session(key, side) => (key as u64) << 2 | side as u64,
            Self::Listener(key) => (key as u64) << 2 | 2,
            Self::Commands => 3,
        })
    }

    fn of(data: EventData) -> Self {
        let (key, kind) = ((data.u64() >> 2) as usize, data.u64() & 3);
        match kind {
            0 => Self::Session(key, Side::Client),
            1 => Self::Session(key, Side::Target),
            2 => Self::Listener(key),
            _ => Self::Commands,
        }
    }
}

/// A thread's sockets.
#[derive(Debug)]
pub(super) struct Worker {
    epoll: OwnedFd,
    commands: Mailbox<Command>,
    crew: Crew,
    /// Its own one there.
    place: usize,
    shared: Arc<Shared>,
    listeners: Slab<Listener>,
    /// Listeners at which nobody is accepted for a while.
    paused: usize,
    /// None while something is done with it, and when it is over.
    sessions: Slab<Option<Box<Session>>>,
    /// Listeners and sessions that are over; their keys are given away behind all events that may name them.
    left: Vec<usize>,
    over: Vec<usize>,
    /// Of those who wait until that is done.
    settled: Vec<Sender<()>>,
    /// Sessions that have more to move.
    again: Vec<usize>,
    kit: Kit,
    /// Counts how often events were waited for.
    round: u64,
    /// Counts sessions.
    accepted: u64,
    /// Now, since the proxy began.
    now: Duration,
    /// From one look at what is overdue to the next.
    tick: Duration,
    next_tick: Duration,
    stopped: bool,
}

impl Worker {
    /// The one at this place of the crew, which obeys these commands.
    pub(super) fn new(crew: Crew, place: usize, commands: Mailbox<Command>, shared: Arc<Shared>) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &commands, Token::Commands.data(), EventFlags::IN)?;
        Ok(Self {
            epoll,
            commands,
            crew,
            place,
            now: shared.now(),
            shared,
            listeners: Slab::new(),
            paused: 0,
            sessions: Slab::new(),
            left: Vec::new(),
            over: Vec::new(),
            settled: Vec::new(),
            again: Vec::new(),
            kit: Kit::new(),
            round: 0,
            accepted: 0,
            tick: Duration::from_secs(1),
            next_tick: Duration::ZERO,
            stopped: false,
        })
    }

    /// Works until it is told to stop, and resets the connections that there are then. Gives how many.
    pub(super) fn run(mut self) -> usize {
        let mut events = Vec::with_capacity(EVENTS);
        while !self.stopped {
            let timeout = self.timeout();
            match epoll::wait(&self.epoll, spare_capacity(&mut events), timeout.as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                // Only a wrong descriptor could be the reason, and it is ours.
                Err(error) => {
                    self.shared.journal.news(format!("a thread of the proxy ended: {error}"));
                    break;
                }
            }
            self.now = self.shared.now();
            self.round += 1;
            for event in events.drain(..) {
                match Token::of(event.data) {
                    Token::Session(key, side) => self.happened(key, side, event.flags),
                    Token::Listener(key) => _ = self.accept(key),
                    Token::Commands => {
                        // It can always post something itself.
                        let commands = self.commands.take().unwrap_or_default();
                        commands.into_iter().for_each(|command| self.obey(command));
                    }
                }
            }
            for key in std::mem::take(&mut self.again) {
                self.with(key, |session, worker| session.turn(worker.now, &mut worker.kit));
            }
            if self.now >= self.next_tick {
                self.tick();
            }
            self.over.drain(..).for_each(|key| drop(self.sessions.remove(key)));
            self.left.drain(..).for_each(|key| drop(self.listeners.remove(key)));
            self.settled.clear();
        }
        self.end(&Which::All, "stopped")
    }

    /// How long nothing has to be done if nothing happens; none: for ever.
    fn timeout(&self) -> Option<Timespec> {
        if !self.again.is_empty() {
            return Some(Timespec::default());
        }
        if self.sessions.is_empty() && self.paused == 0 {
            return None;
        }
        Timespec::try_from(self.next_tick.saturating_sub(self.shared.now())).ok()
    }

    /// Does something with a session that is not over, and what follows from it.
    fn with(&mut self, key: usize, work: impl FnOnce(&mut Session, &mut Self) -> Next) {
        if let Some(mut session) = self.sessions.get_mut(key).and_then(Option::take) {
            let next = work(&mut session, self);
            self.go_on(key, session, next);
        }
    }

    fn happened(&mut self, key: usize, side: Side, flags: EventFlags) {
        let failed = EventFlags::ERR | EventFlags::HUP;
        let event = Event {
            readable: flags.intersects(EventFlags::IN | EventFlags::RDHUP | failed),
            writable: flags.contains(EventFlags::OUT),
            ended: flags.intersects(EventFlags::RDHUP | failed),
        };
        self.with(key, |session, worker| match (session.state, side) {
            // It is about the target that was tried before.
            (_, Side::Target) if session.round == worker.round => Next::Wait,
            (State::Open, _) => session.ready(side, event, worker.now, &mut worker.kit),
            (State::Connecting, Side::Target) if !event.writable && !event.ended => Next::Wait,
            (State::Connecting, Side::Target) => {
                if let Some(failure) = session.failure(event) {
                    return Next::Retry(Some(failure));
                }
                match worker.connected(key, session) {
                    // The same event may tell of what came right behind.
                    Next::Wait | Next::Again => session.ready(side, event, worker.now, &mut worker.kit),
                    next => next,
                }
            }
            // What it has sent waits for the target.
            (State::Picking | State::Connecting, _) => session.remember(side, event),
        });
    }

    fn connected(&mut self, key: usize, session: &mut Session) -> Next {
        session.connected();
        // Most clients have sent something by now.
        let next = session.resume(self.now, &mut self.kit);
        if !session.is_watched && matches!(next, Next::Wait | Next::Again) {
            session.is_watched = true;
            if let Err(failure) = self.watch(key, session, Side::Client) {
                return Next::Retry(Some(failure));
            }
        }
        next
    }

    fn watch(&self, key: usize, session: &Session, side: Side) -> Result<(), Failure> {
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        session.socket(side).map_or(Ok(()), |socket| {
            let watched = epoll::add(&self.epoll, socket, Token::Session(key, side).data(), flags);
            watched.map_err(|_| Failure::Local)
        })
    }

    fn go_on(&mut self, key: usize, mut session: Box<Session>, next: Next) {
        match next {
            Next::Wait => self.sessions[key] = Some(session),
            Next::Again => {
                self.again.push(key);
                self.sessions[key] = Some(session);
            }
            Next::Retry(failure) => {
                self.let_go(&mut session, failure);
                self.choose(key, session);
            }
            Next::End(ending) => self.finish(key, session, ending),
        }
    }

    /// Lets the target of a session go, which may have failed.
    fn let_go(&self, session: &mut Session, failure: Option<Failure>) {
        if let (Some(failure), Some(target)) = (failure, session.target()) {
            session.service.pool.failed(target, failure, self.now);
        }
        session.disconnect();
    }

    /// Asks the script for a target.
    fn ask(&mut self, key: usize, session: Box<Session>) {
        let targets = session.service.pool.candidates(self.now);
        let (crew, own, number, among) = (self.crew.clone(), self.place, session.number, targets.clone());
        let answer = Answer::new(move |place| {
            let target = place.and_then(|place| among.get(place).cloned());
            crew.tell(own, Command::Picked(key, number, target));
        });
        let connection = session.record(self.now, None);
        self.sessions[key] = Some(session);
        self.shared.journal.pick(Pick { connection, targets, answer });
    }

    fn picked(&mut self, key: usize, number: u64, target: Option<Arc<Target>>) {
        // It may be over, and its place another's.
        let is_meant = |session: &Session| session.number == number && session.state == State::Picking;
        let place = self.sessions.get_mut(key).filter(|place| place.as_deref().is_some_and(is_meant));
        let Some(mut session) = place.and_then(Option::take) else { return };
        match target.map(|target| self.connect(key, &mut session, target)) {
            Some(Ok(next)) => self.go_on(key, session, next),
            _ => self.choose(key, session),
        }
    }

    /// Finds a target that can be connected to.
    fn choose(&mut self, key: usize, mut session: Box<Session>) {
        while let Some(target) = session.service.pool.pick(session.tried(), self.now) {
            if !session.tried().is_empty() {
                session.service.counters.retried.fetch_add(1, Ordering::Relaxed);
            }
            match self.connect(key, &mut session, target) {
                Ok(Next::Retry(failure)) => self.let_go(&mut session, failure),
                Ok(next) => return self.go_on(key, session, next),
                Err(_) => {}
            }
        }
        self.finish(key, session, Ending { why: "no target", reset: true });
    }

    fn connect(&mut self, key: usize, session: &mut Session, target: Arc<Target>) -> Result<Next, Failure> {
        session.round = self.round;
        let begun = session.connect(target.clone(), self.now).and_then(|()| self.watch(key, session, Side::Target));
        if let Err(failure) = begun {
            session.disconnect();
            session.service.pool.failed(&target, failure, self.now);
            if failure == Failure::Local {
                self.shared.exhausted();
            }
            return Err(failure);
        }
        // A target on this host has answered by now.
        if session.is_connected() {
            return Ok(self.connected(key, session));
        }
        Ok(Next::Wait)
    }

    fn finish(&mut self, key: usize, session: Box<Session>, ending: Ending) {
        self.over.push(key);
        if ending.why == "no target" {
            session.service.counters.failed.fetch_add(1, Ordering::Relaxed);
        }
        if self.shared.journal.is_logging() {
            self.shared.journal.ended(session.record(self.now, Some(ending.why)));
        }
        let service = session.service.clone();
        session.close(ending, self.now, &mut self.kit);
        self.crew.ended(self.place);
        self.shared.ended(&service, DESCRIPTORS);
        if self.paused > 0 {
            // Somebody may be accepted again.
            self.next_tick = self.now;
        }
    }

    /// Accepts a client of a listener. Whether there may be another one: it is told again if so, and looking costs more.
    fn accept(&mut self, key: usize) -> bool {
        let Some(listener) = self.listeners.get(key).filter(|listener| !listener.paused) else { return false };
        let service = listener.service.clone();
        let Some(place) = self.shared.admit(&service, DESCRIPTORS) else {
            // What is missing may be a place that another thread keeps for this very client.
            if self.shared.is_full(&service, DESCRIPTORS) && socket::has_client(&listener.socket) {
                self.shared.waits(&service);
            }
            self.pause(key);
            return false;
        };
        let error = match socket::accept(&listener.socket) {
            Ok(accepted) => {
                place.take();
                match self.crew.take(self.place) {
                    own if own == self.place => self.take(service, accepted),
                    other => self.crew.tell(other, Command::Take(service, accepted)),
                }
                return true;
            }
            Err(error) => error,
        };
        drop(place);
        if matches!(error, Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) {
            self.shared.exhausted();
            self.pause(key);
            return false;
        }
        // Else that client has gone already.
        error != Errno::AGAIN
    }

    /// Begins the session of a client.
    fn take(&mut self, service: Arc<Service>, accepted: Accepted) {
        self.accepted += 1;
        let is_scripted = service.app.balance == Balance::Script;
        let session = Box::new(Session::new(service, accepted, self.accepted, self.now));
        if self.shared.journal.is_logging() {
            // A client that resets its connection takes this with it.
            session.meant();
        }
        let key = self.sessions.insert(None);
        if is_scripted {
            self.ask(key, session);
        } else {
            self.choose(key, session);
        }
    }

    /// Accepts nobody until the next tick.
    fn pause(&mut self, key: usize) {
        let listener = &mut self.listeners[key];
        listener.paused = true;
        self.paused += 1;
        // It is watched: nothing can fail.
        let _ = epoll::delete(&self.epoll, &listener.socket);
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Serve(service, sockets) => self.serve(&service, &sockets),
            Command::Forget(app) => self.forget(&app, &[]),
            Command::Report(to) => {
                let sessions = self.sessions.iter().filter_map(|(_, session)| session.as_ref());
                // Whoever asked may have gone.
                let _ = to.send(sessions.map(|session| session.record(self.now, None)).collect());
            }
            Command::End(which, why) => _ = self.end(&which, why),
            Command::Settle(settled) => self.settled.push(settled),
            Command::Take(service, accepted) => self.take(service, accepted),
            Command::Picked(key, number, target) => self.picked(key, number, target),
            Command::Stop => self.stopped = true,
        }
    }

    fn serve(&mut self, service: &Arc<Service>, sockets: &[Arc<OwnedFd>]) {
        self.forget(&service.app.name, sockets);
        for socket in sockets {
            let known = self.listeners.iter_mut().find(|(_, listener)| Arc::ptr_eq(&listener.socket, socket));
            if let Some((_, listener)) = known {
                listener.service = service.clone();
                continue;
            }
            let listener = Listener { service: service.clone(), socket: socket.clone(), paused: false };
            let key = self.listeners.insert(listener);
            if let Err(error) = self.listen(key) {
                let name = &service.app.name;
                self.shared.journal.news(format!("a thread of the proxy cannot accept clients of app {name}: {error}"));
            }
        }
        let timeouts = &service.app.timeouts;
        let shortest = timeouts.connect.min(timeouts.idle).min(timeouts.linger) / 8;
        self.tick = self.tick.min(shortest.max(SHORTEST_TICK));
        self.next_tick = self.now;
    }

    fn listen(&self, key: usize) -> Result<(), Errno> {
        // One thread is woken for a client, not all of them.
        let flags = EventFlags::IN | EventFlags::EXCLUSIVE;
        epoll::add(&self.epoll, &self.listeners[key].socket, Token::Listener(key).data(), flags)
    }

    /// Accepts who waits at the listeners of an app and nobody behind them, but for those that are kept.
    fn forget(&mut self, app: &str, kept: &[Arc<OwnedFd>]) {
        let is_left = |(key, listener): &(usize, &Listener)| {
            let is_kept = kept.iter().any(|kept| Arc::ptr_eq(kept, &listener.socket));
            listener.service.app.name == app && !is_kept && !self.left.contains(key)
        };
        let keys = self.listeners.iter().filter(is_left).map(|(key, _)| key);
        for key in keys.collect::<Vec<_>>() {
            while self.accept(key) {}
            if !self.listeners[key].paused {
                self.pause(key);
            }
            self.paused -= 1;
            self.left.push(key);
        }
    }

    /// Resets connections. Gives how many.
    fn end(&mut self, which: &Which, why: &'static str) -> usize {
        let is_meant = |session: &Session| match which {
            Which::All => true,
            Which::Target(id) => session.target().is_some_and(|target| target.id() == *id),
        };
        let meant =
            |(key, session): (usize, &Option<Box<Session>>)| session.as_deref().is_some_and(is_meant).then_some(key);
        let keys: Vec<_> = self.sessions.iter().filter_map(meant).collect();
        for &key in &keys {
            self.with(key, |_, _| Next::End(Ending { why, reset: true }));
        }
        keys.len()
    }

    /// Looks what is overdue, and whether somebody can be accepted again.
    fn tick(&mut self) {
        let now = self.now;
        let due = |(key, session): (usize, &mut Option<Box<Session>>)| {
            let session = session.as_mut()?;
            session.count();
            let next = session.overdue(now);
            (next != Next::Wait).then_some((key, next))
        };
        for (key, next) in self.sessions.iter_mut().filter_map(due).collect::<Vec<_>>() {
            self.with(key, |session, worker| {
                if session.state == State::Picking {
                    worker.shared.unanswered(&session.service);
                }
                next
            });
        }
        let paused = self.listeners.iter().filter(|(key, listener)| listener.paused && !self.left.contains(key));
        for key in paused.map(|(key, _)| key).collect::<Vec<_>>() {
            if self.listen(key).is_ok() {
                self.listeners[key].paused = false;
                self.paused -= 1;
            }
        }
        self.next_tick = now + self.tick;
    }
}
