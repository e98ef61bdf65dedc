//! Attempts while they last: what the kernel tells of sockets, put together.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use super::attempt::{Attempt, Reached, Whose, reached_of};
use super::event::{Happening, How, Step};
use super::hook::Counted;
use super::process::Process;
use crate::record::Time;

/// Attempts whose sockets are open, by socket, protocol and peer.
#[derive(Debug, Default)]
pub(super) struct Open(BTreeMap<Key, Attempt>);

type Key = (u64, u16, SocketAddr);

/// How many are kept; of others it is told at once what is known by then.
const MOST: usize = 1 << 20;

impl Open {
    /// Takes in what happened to a socket of a process, and gives the attempts that are over with it.
    pub(super) fn take(&mut self, happening: &Happening, process: &Arc<Process>, time: Time) -> Vec<Attempt> {
        match happening.step {
            Step::Begun(how) => {
                let attempt = begin(happening, process, time, how);
                // A TCP socket that connects again is done with the attempt before.
                let mut over = if attempt.is_tcp() { self.close(happening.cookie, time) } else { Vec::new() };
                if self.0.len() < MOST {
                    self.0.insert((happening.cookie, happening.protocol, happening.peer), attempt);
                } else {
                    over.push(attempt);
                }
                over
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
        let exact = (happening.cookie, happening.protocol, happening.peer);
        let key = if self.0.contains_key(&exact) {
            exact
        } else {
            // A TCP socket has one attempt, whatever is said of its peer.
            *self.of_socket(happening.cookie).find(|(_, attempt)| attempt.is_tcp())?.0
        };
        self.0.get_mut(&key)
    }

    fn of_socket(&self, cookie: u64) -> impl Iterator<Item = (&Key, &Attempt)> {
        let lowest = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0);
        self.0.range((cookie, 0, lowest)..).take_while(move |((of, ..), _)| *of == cookie)
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
        let keys: Vec<Key> = self.of_socket(cookie).map(|(key, _)| *key).collect();
        let closed = keys.iter().filter_map(|key| self.0.remove(key));
        closed.map(|attempt| ended(attempt, Some(time))).collect()
    }

    /// Closes what a process sent past the network stack, as there is no socket that says when; gives it with what stands
    /// for the socket.
    pub(super) fn exited(&mut self, pid: u32, time: Time) -> Vec<(u64, Attempt)> {
        let socket = packet_socket_of(pid);
        self.close(socket, time).into_iter().map(|attempt| (socket, attempt)).collect()
    }

    /// The attempts that are not over, with their sockets.
    pub(super) fn rest(&mut self) -> Vec<(u64, Attempt)> {
        let rest = std::mem::take(&mut self.0);
        let mut rest: Vec<_> = rest.into_iter().map(|((cookie, ..), attempt)| (cookie, attempt)).collect();
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
