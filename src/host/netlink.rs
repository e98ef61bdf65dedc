//! Questions to the kernel over netlink (RFC 3549) and its answers.

use std::io;

use netlink_packet_core::{
    DecodeError, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkDeserializable, NetlinkMessage, NetlinkPayload,
    NetlinkSerializable,
};
use netlink_sys::{Socket, SocketAddr};

/// The kernel fills at most 32 KiB at a time when it lists something.
const BUFFER: usize = 64 << 10;

/// How often a list is read again that changed while it was read.
const ATTEMPTS: usize = 10;

/// A socket to the kernel, in the network namespace that the thread was in when it was opened.
pub(super) struct Netlink {
    socket: Socket,
    sequence: u32,
    buffer: Vec<u8>,
}

/// What an answer says of the question.
#[derive(Debug, PartialEq, Eq)]
enum Progress {
    /// More datagrams follow.
    More,
    /// That was all.
    Done,
}

impl Netlink {
    /// A socket of that protocol, such as [`NETLINK_ROUTE`](netlink_sys::protocols::NETLINK_ROUTE).
    pub(super) fn open(protocol: isize) -> io::Result<Self> {
        let mut socket = Socket::new(protocol)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Self { socket, sequence: 0, buffer: Vec::with_capacity(BUFFER) })
    }

    /// What `read` makes of everything that matches a request. Answers are held no longer than it takes to read them.
    pub(super) fn list<Q, A, T>(&mut self, request: &Q, read: impl Fn(A) -> Option<T>) -> io::Result<Vec<T>>
    where
        Q: NetlinkSerializable + Clone,
        A: NetlinkDeserializable,
    {
        let mut answers = Vec::new();
        for _ in 0..ATTEMPTS {
            self.send(request.clone(), NLM_F_REQUEST | NLM_F_DUMP)?;
            let (mut list, mut changed, mut progress) = (Vec::new(), false, Progress::More);
            while progress == Progress::More {
                progress = self.receive(&mut answers, &mut changed)?;
                list.extend(answers.drain(..).filter_map(&read));
            }
            if !changed {
                return Ok(list);
            }
        }
        Err(io::Error::other("the list changes faster than it can be read"))
    }

    /// The one answer to a request.
    pub(super) fn ask<M>(&mut self, request: M) -> io::Result<M>
    where
        M: NetlinkSerializable + NetlinkDeserializable,
    {
        self.send(request, NLM_F_REQUEST)?;
        let mut answers = Vec::new();
        // An answer that is no list has no end of its own.
        while answers.is_empty() && self.receive(&mut answers, &mut false)? == Progress::More {}
        answers.pop().ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "the kernel gave no answer"))
    }

    fn send<M: NetlinkSerializable>(&mut self, request: M, flags: u16) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut message = NetlinkMessage::new(<_>::default(), NetlinkPayload::InnerMessage(request));
        message.header.flags = flags;
        message.header.sequence_number = self.sequence;
        message.finalize();
        self.buffer.clear();
        self.buffer.resize(message.buffer_len(), 0);
        message.serialize(&mut self.buffer);
        self.socket.send(&self.buffer, 0).map(drop)
    }

    fn receive<M: NetlinkDeserializable>(&mut self, answers: &mut Vec<M>, changed: &mut bool) -> io::Result<Progress> {
        self.buffer.clear();
        while let Err(error) = self.socket.recv(&mut self.buffer, 0) {
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
        read(&self.buffer, self.sequence, answers, changed)
    }
}

/// The messages of a datagram that answer a request.
fn read<M: NetlinkDeserializable>(
    mut datagram: &[u8],
    sequence: u32,
    answers: &mut Vec<M>,
    changed: &mut bool,
) -> io::Result<Progress> {
    let invalid = |error: DecodeError| io::Error::new(io::ErrorKind::InvalidData, error.to_string());
    while !datagram.is_empty() {
        let message = NetlinkMessage::deserialize(datagram).map_err(invalid)?;
        // Messages are aligned to four bytes, the last one need not be.
        let length = (message.header.length as usize).next_multiple_of(4);
        datagram = datagram.get(length.max(4)..).unwrap_or_default();
        if message.header.sequence_number != sequence {
            continue;
        }
        *changed |= message.header.flags & NLM_F_DUMP_INTR != 0;
        match message.payload {
            NetlinkPayload::InnerMessage(answer) => answers.push(answer),
            NetlinkPayload::Error(error) if error.code.is_some() => return Err(error.to_io()),
            NetlinkPayload::Done(done) if done.code < 0 => return Err(io::Error::from_raw_os_error(-done.code)),
            NetlinkPayload::Done(_) | NetlinkPayload::Error(_) => return Ok(Progress::Done),
            NetlinkPayload::Overrun(_) => return Err(io::Error::other("the kernel's answer was lost")),
            _ => {}
        }
    }
    Ok(Progress::More)
}

#[cfg(test)]
mod tests {
    use netlink_packet_route::RouteNetlinkMessage;

    use super::*;

    /// A message with its header (RFC 3549, 2.2).
    fn message(kind: u16, flags: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(16 + body.len()).unwrap();
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend(sequence.to_ne_bytes());
        bytes.extend([0; 4]);
        bytes.extend(body);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    /// RTM_NEWNSID with the number 5.
    fn nsid(flags: u16, sequence: u32) -> Vec<u8> {
        message(88, flags, sequence, &[0, 0, 0, 0, 8, 0, 1, 0, 5, 0, 0, 0])
    }

    fn answers(datagram: &[u8]) -> io::Result<(usize, bool, Progress)> {
        let (mut answers, mut changed) = (Vec::<RouteNetlinkMessage>::new(), false);
        let progress = read(datagram, 2, &mut answers, &mut changed)?;
        Ok((answers.len(), changed, progress))
    }

    #[test]
    fn answers_to_another_question_are_passed_over() {
        assert_eq!(answers(&[nsid(0, 1), nsid(0, 2)].concat()).unwrap(), (1, false, Progress::More));
    }

    #[test]
    fn a_list_ends_and_says_whether_it_changed_meanwhile() {
        let done = message(3, 0, 2, &[0; 4]);
        assert_eq!(answers(&[nsid(0, 2), done.clone()].concat()).unwrap(), (1, false, Progress::Done));
        assert_eq!(answers(&[nsid(NLM_F_DUMP_INTR, 2), done].concat()).unwrap(), (1, true, Progress::Done));
    }

    #[test]
    fn a_refusal_is_an_error_wherever_it_stands() {
        let refused =
            [message(2, 0, 2, &[(-1i32).to_ne_bytes(), [0; 4]].concat()), message(3, 0, 2, &(-1i32).to_ne_bytes())];
        for refused in refused {
            assert_eq!(answers(&refused).unwrap_err().raw_os_error(), Some(1));
        }
    }

    #[test]
    fn what_is_cut_anywhere_is_refused_and_ends() {
        let whole = [nsid(0, 2), nsid(0, 2)].concat();
        for length in 1..whole.len() {
            if length != whole.len() / 2 {
                answers(&whole[..length]).unwrap_err();
            }
        }
    }
}
