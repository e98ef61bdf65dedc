//! Attempts while they last: what the kernel tells of sockets, put together.

use std::collections::HashMap;
use std::sync::Arc;

use super::attempt::{Attempt, Reached, Whose, reached_of};
use super::event::{Happening, How, Step};
use super::hook::Counted;
use super::process::Process;
use crate::record::Time;

/// Attempts whose sockets are open, by socket.
#[derive(Debug, Default)]
pub(super) struct Open {
    by_socket: HashMap<u64, Vec<Attempt>>,
}

impl Open {
    /// Takes in what happened to a socket of a process, and gives the attempts that are over with it.
    pub(super) fn take(&mut self, happening: &Happening, process: &Arc<Process>, time: Time) -> Vec<Attempt> {
        match happening.step {
            Step::Begun(how) => {
                let attempt = begin(happening, process, time, how);
                let attempts = self.by_socket.entry(happening.cookie).or_default();
                // A TCP socket that connects again is done with the attempt before.
                let before = if attempt.is_tcp() { std::mem::take(attempts) } else { Vec::new() };
                attempts.push(attempt);
                before.into_iter().map(|attempt| ended(attempt, Some(time))).collect()
            }
            Step::Refused(how) => {
                let mut attempt = begin(happening, process, time, how);
                (attempt.reached, attempt.error) = (Reached::Blocked, happening.error);
                vec![ended(attempt, Some(time))]
            }
            Step::Connected => {
                if let Some(attempt) = self.attempt(happening) {
                    attempt.reached = if attempt.is_tcp() { Reached::Connected } else { Reached::Answered };
                    attempt.local = happening.local.or(attempt.local);
                    attempt.error = 0;
                }
                Vec::new()
            }
            Step::Dropped => {
                if let Some(attempt) = self.attempt(happening) {
                    attempt.fail(Reached::Dropped, happening.error);
                }
                Vec::new()
            }
            Step::Failed => self.failed(happening, time),
            Step::Closed { used } => self.closed(happening, used, time),
        }
    }

    fn attempt(&mut self, happening: &Happening) -> Option<&mut Attempt> {
        let attempts = self.by_socket.get_mut(&happening.cookie)?;
        let is_it = |attempt: &&mut Attempt| {
            attempt.is_tcp() || (attempt.peer == happening.peer && attempt.protocol == happening.protocol)
        };
        attempts.iter_mut().rev().find(is_it)
    }

    fn failed(&mut self, happening: &Happening, time: Time) -> Vec<Attempt> {
        let Some(attempt) = self.attempt(happening) else { return Vec::new() };
        // What a firewall dropped is also said to the process, in less words.
        if attempt.reached != Reached::Dropped {
            attempt.fail(reached_of(happening.error), happening.error);
        }
        if attempt.is_tcp() && attempt.reached != Reached::Connected {
            self.close(happening.cookie, time)
        } else {
            Vec::new()
        }
    }

    fn closed(&mut self, happening: &Happening, used: bool, time: Time) -> Vec<Attempt> {
        if let Some(attempt) = self.attempt(happening).filter(|attempt| attempt.is_tcp()) {
            attempt.bytes = used.then_some(happening.bytes);
            attempt.local = happening.local.or(attempt.local);
            match happening.error {
                _ if attempt.reached == Reached::Dropped => {}
                0 if used => attempt.fail(Reached::NoAnswer, 0),
                0 => {}
                error => attempt.fail(reached_of(error), error),
            }
        }
        self.close(happening.cookie, time)
    }

    fn close(&mut self, cookie: u64, time: Time) -> Vec<Attempt> {
        let attempts = self.by_socket.remove(&cookie).unwrap_or_default();
        attempts.into_iter().map(|attempt| ended(attempt, Some(time))).collect()
    }

    /// Closes what a process sent past the network stack, as there is no socket that says when; gives it with what stands
    /// for the socket.
    pub(super) fn exited(&mut self, pid: u32, time: Time) -> Vec<(u64, Attempt)> {
        let socket = packet_socket_of(pid);
        self.close(socket, time).into_iter().map(|attempt| (socket, attempt)).collect()
    }

    /// The attempts that are not over, with their sockets.
    pub(super) fn rest(&mut self) -> Vec<(u64, Attempt)> {
        let rest = std::mem::take(&mut self.by_socket);
        let mut rest: Vec<_> =
            rest.into_iter().flat_map(|(cookie, attempts)| attempts.into_iter().map(move |it| (cookie, it))).collect();
        rest.sort_by_key(|(_, attempt)| attempt.time);
        rest.iter_mut().for_each(|(_, attempt)| {
            if attempt.is_tcp() && attempt.reached == Reached::NotSent {
                attempt.reached = Reached::Pending;
            }
        });
        rest
    }
}

/// What the kernel side has for the packet sockets of a process, of which it knows no number.
const fn packet_socket_of(pid: u32) -> u64 {
    1 << 63 | pid as u64
}

fn begin(happening: &Happening, process: &Arc<Process>, time: Time, how: How) -> Attempt {
    Attempt {
        time,
        end: None,
        process: Some(Arc::clone(process)),
        container: None,
        whose: Whose::Descent,
        how,
        protocol: happening.protocol,
        peer: happening.peer,
        local: happening.local,
        reached: if matches!(how, How::Packet | How::PacketSocket) { Reached::Sent } else { Reached::NotSent },
        error: 0,
        packets: None,
        bytes: None,
        names: Vec::new(),
        server_name: None,
    }
}

fn ended(mut attempt: Attempt, end: Option<Time>) -> Attempt {
    attempt.end = end;
    attempt
}

impl Attempt {
    /// Takes in what was counted of its packets.
    pub(super) fn count(&mut self, counted: Counted) {
        self.packets = Some([counted.sent[0], counted.received[0]]);
        self.bytes = Some([counted.sent[1], counted.received[1]]);
        if counted.received[0] > 0 {
            self.reached = Reached::Answered;
        } else if counted.sent[0] > 0 && self.reached == Reached::NotSent {
            self.reached = Reached::Sent;
        }
    }
}
