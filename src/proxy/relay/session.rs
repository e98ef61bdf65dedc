//! One connection of a client, from its acceptance to its end.

use std::cell::OnceCell;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;

use super::direction::{Broken, Direction, Kit, Stop};
use super::header::proxy_header;
use super::socket::{self, Accepted};
use crate::clock::now;
use crate::proxy::balance::{Failure, Target};
use crate::proxy::config::Replay;
use crate::proxy::failure::failure;
use crate::proxy::record::Connection;
use crate::proxy::service::Service;
use crate::record::Time;

/// Who is at a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Client = 0,
    Target = 1,
}

impl Side {
    /// The direction that begins there.
    const fn index(self) -> usize {
        self as usize
    }

    const fn other(self) -> Self {
        match self {
            Self::Client => Self::Target,
            Self::Target => Self::Client,
        }
    }
}

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// A script says to whom it goes.
    Picking,
    Connecting,
    Open,
}

/// Why a connection is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ending {
    pub(super) why: &'static str,
    /// Whether both sides are to learn that something went wrong.
    pub(super) reset: bool,
}

/// What goes on with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// It waits.
    Wait,
    /// There is more; others have their turn.
    Again,
    /// The target failed before it answered, or went away before it was asked: another one may serve.
    Retry(Option<Failure>),
    End(Ending),
}

/// One connection of a client. Times are since the proxy began.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) service: Arc<Service>,
    /// Which one of its thread it is.
    pub(super) number: u64,
    pub(super) state: State,
    client: OwnedFd,
    target: Option<Reached>,
    directions: [Direction; 2],
    /// Whether a side has ended, or failed: no further event tells of what is left.
    ended: [bool; 2],
    /// Sides of which more can be moved.
    turns: [bool; 2],
    /// Who ended first.
    first: Option<Side>,
    who: SocketAddr,
    /// Whom the client meant, once somebody wants to know.
    meant: OnceCell<SocketAddr>,
    start: Time,
    begin: Duration,
    /// When it was connected to its target: in which round of events.
    pub(super) round: u64,
    /// When something was moved last.
    pub(super) active: Duration,
    /// Whether events of the client's socket are told.
    pub(super) is_watched: bool,
    /// Ids of the targets that were tried.
    tried: Vec<u64>,
    /// Bytes that the target's counters know of.
    counted: [u64; 2],
}

/// A target that is connected to.
#[derive(Debug)]
struct Reached {
    target: Arc<Target>,
    socket: OwnedFd,
    address: SocketAddr,
}

impl Session {
    pub(super) fn new(service: Arc<Service>, accepted: Accepted, number: u64, at: Duration) -> Self {
        let Accepted { socket, client: who } = accepted;
        Self {
            service,
            number,
            state: State::Picking,
            client: socket,
            target: None,
            directions: Default::default(),
            ended: [false; 2],
            turns: [false; 2],
            first: None,
            who,
            meant: OnceCell::new(),
            start: now(),
            begin: at,
            round: 0,
            active: at,
            is_watched: false,
            tried: Vec::new(),
            counted: [0; 2],
        }
    }

    /// Whom the client meant.
    pub(super) fn meant(&self) -> SocketAddr {
        *self.meant.get_or_init(|| socket::meant(&self.client).unwrap_or((Ipv4Addr::UNSPECIFIED, 0).into()))
    }

    /// The ids of the targets that were tried.
    pub(super) fn tried(&self) -> &[u64] {
        &self.tried
    }

    pub(super) fn target(&self) -> Option<&Arc<Target>> {
        self.target.as_ref().map(|reached| &reached.target)
    }

    pub(super) fn socket(&self, side: Side) -> Option<BorrowedFd<'_>> {
        match side {
            Side::Client => Some(self.client.as_fd()),
            Side::Target => self.target.as_ref().map(|reached| reached.socket.as_fd()),
        }
    }

    /// Begins to connect to a target.
    pub(super) fn connect(&mut self, target: Arc<Target>, at: Duration) -> Result<(), Failure> {
        let address = target.socket_address(target.port().unwrap_or_else(|| self.meant().port()));
        self.tried.push(target.id());
        let socket =
            socket::begin(address, self.service.app.keepalive).map_err(|error| failure(&error.into(), address))?;
        target.begin();
        self.target = Some(Reached { target, socket, address });
        self.state = State::Connecting;
        self.active = at;
        Ok(())
    }

    /// Whether connecting is over already.
    pub(super) fn is_connected(&self) -> bool {
        self.target.as_ref().is_some_and(|reached| socket::is_connected(&reached.socket))
    }

    /// Why connecting has failed, if it has.
    pub(super) fn failure(&self, event: Event) -> Option<Failure> {
        let reached = self.target.as_ref().filter(|_| event.ended)?;
        socket::connected(&reached.socket).map_err(|error| failure(&error.into(), reached.address)).err()
    }

    /// Takes down that connecting is over. What the target is told first waits to be sent then.
    pub(super) fn connected(&mut self) {
        self.state = State::Open;
        let app = &self.service.app;
        let first = if app.proxy_protocol { proxy_header(self.who, self.meant()) } else { Vec::new() };
        let to_target = &mut self.directions[Side::Client.index()];
        if to_target.moved == 0 && !to_target.is_ended() {
            *to_target = Direction::beginning_with(first, app.replay != Replay::Never);
        } else {
            to_target.begin_again(first);
        }
    }

    /// Lets the target go, for another one to be tried.
    pub(super) fn disconnect(&mut self) {
        self.count();
        // What is sent once more is moved once more.
        self.counted = [0; 2];
        if let Some(reached) = self.target.take() {
            reached.target.end();
        }
        self.ended[Side::Target.index()] = false;
        self.turns = [false; 2];
        self.directions[Side::Target.index()] = Direction::default();
        self.first = None;
    }

    /// Something happened at a side.
    pub(super) fn ready(&mut self, side: Side, event: Event, at: Duration, kit: &mut Kit) -> Next {
        self.ended[side.index()] |= event.ended;
        let other = side.other();
        self.turns[side.index()] |= event.readable;
        self.turns[other.index()] |= event.writable && self.directions[other.index()].is_waiting();
        self.turn(at, kit)
    }

    /// Moves what sides have sent that have their turn.
    pub(super) fn turn(&mut self, at: Duration, kit: &mut Kit) -> Next {
        for side in [Side::Client, Side::Target] {
            if std::mem::take(&mut self.turns[side.index()]) {
                let next = self.pump(side, at, kit);
                if next != Next::Wait {
                    return next;
                }
            }
        }
        if self.turns.contains(&true) { Next::Again } else { Next::Wait }
    }

    /// Something happened at a side before it could be looked at.
    pub(super) fn remember(&mut self, side: Side, event: Event) -> Next {
        self.ended[side.index()] |= event.ended;
        Next::Wait
    }

    /// Tells the target what it is told first, and moves what the client has sent meanwhile.
    pub(super) fn resume(&mut self, at: Duration, kit: &mut Kit) -> Next {
        self.turns[Side::Client.index()] = true;
        self.turn(at, kit)
    }

    /// Moves what a side has sent.
    fn pump(&mut self, side: Side, at: Duration, kit: &mut Kit) -> Next {
        let direction = &mut self.directions[side.index()];
        let Some(reached) = self.target.as_ref().filter(|_| !direction.is_over()) else { return Next::Wait };
        let (client, target) = (self.client.as_fd(), reached.socket.as_fd());
        let (from, to) = if side == Side::Client { (client, target) } else { (target, client) };
        let before = direction.moved;
        let stopped = direction.pump(from, to, kit, self.ended[side.index()]);
        if direction.moved != before {
            self.active = at;
            if side == Side::Target && before == 0 {
                self.service.pool.succeeded(&reached.target, at);
                self.directions[Side::Client.index()].settle();
            }
        }
        match stopped {
            Ok(Stop::Blocked) => Next::Wait,
            Ok(Stop::Turn) => {
                self.turns[side.index()] = true;
                Next::Wait
            }
            Ok(Stop::Ended) => self.end_of(side, at, kit),
            Err(Broken::From(error)) => self.broken(side, error),
            Err(Broken::To(error)) => self.cannot_pass(side, error, at, kit),
        }
    }

    /// A side has ended what it sends.
    fn end_of(&mut self, side: Side, at: Duration, kit: &mut Kit) -> Next {
        if side == Side::Target && self.is_unanswered() && self.service.app.replay == Replay::Unanswered {
            // Whoever ends what nobody uses has not failed.
            let has_failed = self.directions[Side::Client.index()].moved > 0;
            return Next::Retry(has_failed.then_some(Failure::Reset));
        }
        self.first.get_or_insert(side);
        self.active = at;
        if self.directions[side.other().index()].is_over() {
            let why = if self.first == Some(Side::Client) { "client closed" } else { "target closed" };
            return Next::End(Ending { why, reset: false });
        }
        let to = match side {
            Side::Client => self.target.as_ref().map(|reached| reached.socket.as_fd()),
            Side::Target => Some(self.client.as_fd()),
        };
        match self.directions[side.index()].pass_end(to) {
            Ok(()) => Next::Wait,
            Err(Broken::From(error) | Broken::To(error)) => self.cannot_pass(side, error, at, kit),
        }
    }

    /// The other side takes no more of what this one sends. What it had sent itself before is still passed on.
    fn cannot_pass(&mut self, side: Side, error: Errno, at: Duration, kit: &mut Kit) -> Next {
        let gone = side.other();
        if !self.ended[gone.index()] {
            self.ended[gone.index()] = true;
            match self.pump(gone, at, kit) {
                // Even what it sends is more than one turn; the rest comes first.
                Next::Wait if self.turns[gone.index()] => return Next::Again,
                Next::Wait => {}
                next => return next,
            }
        }
        self.broken(gone, error)
    }

    /// Whether the target answered nothing, and what the client has sent or will send can be passed to another.
    fn is_unanswered(&self) -> bool {
        let [to_target, to_client] = &self.directions;
        let is_asked = to_target.moved > 0 || !to_target.is_ended();
        to_client.moved == 0 && is_asked && to_target.can_begin_again()
    }

    fn broken(&self, side: Side, error: Errno) -> Next {
        if side == Side::Client {
            return Next::End(Ending { why: "client reset", reset: true });
        }
        let nothing_passed = self.directions.iter().all(|direction| direction.moved == 0);
        if nothing_passed || self.service.app.replay != Replay::Never && self.is_unanswered() {
            return Next::Retry(self.target.as_ref().map(|reached| failure(&error.into(), reached.address)));
        }
        let why = if error == Errno::TIMEDOUT { "target timeout" } else { "target reset" };
        Next::End(Ending { why, reset: true })
    }

    /// What is due because time has passed.
    pub(super) fn overdue(&self, at: Duration) -> Next {
        let timeouts = &self.service.app.timeouts;
        let silent = at.saturating_sub(self.active);
        let half = self.directions.iter().any(Direction::is_over);
        match self.state {
            State::Connecting if silent >= timeouts.connect => Next::Retry(Some(Failure::Timeout)),
            // The script is busy with something else.
            State::Picking if silent >= timeouts.connect => Next::Retry(None),
            State::Open if half && silent >= timeouts.linger => {
                Next::End(Ending { why: "linger timeout", reset: true })
            }
            State::Open if silent >= timeouts.idle => Next::End(Ending { why: "idle timeout", reset: true }),
            _ => Next::Wait,
        }
    }

    /// Tells the target's counters what was moved since they were told last.
    pub(super) fn count(&mut self) {
        let moved = [self.directions[0].moved, self.directions[1].moved];
        if let Some(reached) = &self.target
            && moved != self.counted
        {
            reached.target.moved(moved[0] - self.counted[0], moved[1] - self.counted[1]);
            self.counted = moved;
        }
    }

    /// What is known of it, as a row.
    pub(super) fn record(&self, at: Duration, end: Option<&'static str>) -> Connection {
        let state = match self.state {
            _ if end.is_some() => "ended",
            State::Picking => "picking",
            State::Connecting => "connecting",
            State::Open if self.directions.iter().any(Direction::is_over) => "half-closed",
            State::Open => "open",
        };
        Connection {
            start: self.start,
            duration: at.saturating_sub(self.begin).into(),
            app: self.service.app.name.as_str().into(),
            protocol: "tcp",
            client: self.who,
            meant: self.meant(),
            target: self.target().cloned(),
            target_address: self.target.as_ref().map(|reached| reached.address),
            tries: u32::try_from(self.tried.len()).unwrap_or(u32::MAX),
            bytes_to_target: self.directions[0].moved,
            bytes_to_client: self.directions[1].moved,
            state,
            end,
        }
    }

    /// Closes both sides.
    pub(super) fn close(mut self, ending: Ending, at: Duration, kit: &mut Kit) {
        self.count();
        if let Some(reached) = self.target.as_ref().filter(|_| self.directions[Side::Target.index()].moved == 0) {
            let pool = &self.service.pool;
            match ending.why {
                "target reset" => pool.failed(&reached.target, Failure::Reset, at),
                "target timeout" => pool.failed(&reached.target, Failure::Timeout, at),
                _ if self.state == State::Open => pool.succeeded(&reached.target, at),
                _ => {}
            }
        }
        self.directions.iter_mut().for_each(|direction| direction.leave(kit));
        let target = self.target.take().map(|reached| {
            reached.target.end();
            reached.socket
        });
        if ending.reset {
            socket::reset(self.client);
            target.into_iter().for_each(socket::reset);
        }
    }
}

/// What epoll tells of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) readable: bool,
    pub(super) writable: bool,
    /// Nothing comes behind what is there.
    pub(super) ended: bool,
}
