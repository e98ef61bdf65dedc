//! One direction of a connection: bytes and gaps in, parts of messages out.

use super::chunked::{Chunk, Chunked};
use super::framing::{BodyLength, Framing};
use super::head::Head;
use super::scan::{Progress, Scan};
use super::start_line::{Opening, Sends, opening};
use crate::record::Time;

/// Reads the messages that one side sends.
#[derive(Debug)]
pub(super) struct Reader {
    sends: Sends,
    state: State,
    /// A head that has not come whole.
    buffer: Vec<u8>,
    /// How far the head is.
    scan: Scan,
    /// When the first byte of the head was captured.
    started: Time,
    /// Whether bytes or a gap before the next message were passed over.
    passed_over: bool,
}

/// What is known of the first byte that a reader is given.
#[derive(Debug, Clone, Copy)]
pub(super) struct Beginning {
    /// Whether a message begins with it for certain.
    pub(super) in_sync: bool,
    /// Whether there were bytes or a gap before it.
    pub(super) passed_over: bool,
}

#[derive(Debug)]
enum State {
    /// A message begins here, or is in its head. In sync it is certain that one does; otherwise it looks like it.
    Head { in_sync: bool },
    /// In a body with that many bytes left.
    Fixed(u64),
    /// In a chunked body.
    Chunked(Chunked),
    /// In a body that ends with the connection.
    UntilClose,
    /// Somewhere: the next message is looked for at the beginning of each segment.
    Lost,
}

/// Bytes that were captured together.
#[derive(Debug)]
pub(super) struct Segment<'a> {
    /// What is left of them.
    rest: &'a [u8],
    /// Whether nothing was taken off yet.
    at_start: bool,
    time: Time,
}

impl<'a> Segment<'a> {
    pub(super) fn new(bytes: &'a [u8], time: Time) -> Self {
        Self { rest: bytes, at_start: true, time }
    }

    /// When they were captured.
    pub(super) fn time(&self) -> Time {
        self.time
    }

    /// What was not taken off yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// That many bytes off the front; nothing if that is none.
    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.rest.split_at_checked(length).filter(|_| length > 0)?;
        self.rest = rest;
        self.at_start = false;
        Some(front)
    }

    /// Everything that is left; nothing if that is nothing.
    pub(super) fn take_all(&mut self) -> Option<&'a [u8]> {
        self.take(self.rest.len())
    }
}

/// A part of what one side sends.
#[derive(Debug)]
pub(super) enum Part<'a> {
    /// A whole head; [`Reader::begin_body`] has to be told what follows.
    Head(Start),
    /// The beginning of a head that is longer than allowed. What follows cannot be read.
    CutHead(Start),
    /// Bytes of the body.
    Body(&'a [u8]),
    /// The end of a message, and its trailer fields.
    End(Vec<u8>),
    /// The trailer fields are longer than allowed. What follows cannot be read.
    CutTrailers,
    /// The chunks make no sense. What follows cannot be read.
    BadChunk,
    /// No message begins where one should. What follows cannot be read.
    NoMessage,
    /// That many bytes were passed over.
    Skipped(usize),
}

/// How a message begins.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) head: Head,
    pub(super) framing: Framing,
    /// When its first byte was captured.
    pub(super) time: Time,
    /// Whether bytes or a gap before it were passed over.
    pub(super) resynchronised: bool,
}

/// What a gap does to a message.
#[derive(Debug)]
pub(super) enum Missing {
    /// It is in a body and does not reach beyond its end, if that is known.
    InBody,
    /// It reaches out of a body; `beyond` if certainly into another message.
    EndOfBody {
        /// Whether a message began in the gap.
        beyond: bool,
    },
    /// It is in a head, of which these lines are there.
    InHead(Start),
    /// It hides how a message begins.
    Beginning,
    /// Nothing was known there before.
    Nothing,
}

impl Reader {
    /// A reader of one side.
    pub(super) fn new(sends: Sends, beginning: Beginning) -> Self {
        let Beginning { in_sync, passed_over } = beginning;
        let state = if in_sync { State::Head { in_sync } } else { State::Lost };
        Self { sends, state, buffer: Vec::new(), scan: Scan::default(), started: Time::default(), passed_over }
    }

    /// The next part of what the side sends, taken off the segment; none if more bytes are needed.
    pub(super) fn next<'a>(&mut self, segment: &mut Segment<'a>, head_limit: usize) -> Option<Part<'a>> {
        loop {
            match &mut self.state {
                State::Head { in_sync } => {
                    let in_sync = *in_sync;
                    match self.head(segment, in_sync, head_limit) {
                        Step::Part(part) => return Some(part),
                        Step::Wait => return None,
                        Step::Lost => {}
                    }
                }
                State::Fixed(0) => return Some(self.end(Vec::new())),
                State::Fixed(left) => {
                    let length = usize::try_from(*left).unwrap_or(usize::MAX).min(segment.rest.len());
                    *left -= length as u64;
                    return segment.take(length).map(Part::Body);
                }
                State::Chunked(chunked) => {
                    segment.at_start &= segment.rest.is_empty();
                    return Some(match chunked.next(&mut segment.rest, head_limit)? {
                        Chunk::Data(data) => Part::Body(data),
                        Chunk::End(trailers) => self.end(trailers),
                        Chunk::TrailersTooLong => {
                            self.lose();
                            Part::CutTrailers
                        }
                        Chunk::Bad => {
                            self.lose();
                            Part::BadChunk
                        }
                    });
                }
                State::UntilClose => return segment.take_all().map(Part::Body),
                State::Lost => {
                    if !self.buffer.is_empty() {
                        return Some(Part::Skipped(self.discard()));
                    }
                    if segment.rest.is_empty() {
                        return None;
                    }
                    if segment.at_start && opening(segment.rest, self.sends) != Opening::No {
                        self.state = State::Head { in_sync: false };
                        continue;
                    }
                    self.passed_over = true;
                    return segment.take_all().map(|skipped| Part::Skipped(skipped.len()));
                }
            }
        }
    }

    fn head<'a>(&mut self, segment: &mut Segment<'a>, in_sync: bool, limit: usize) -> Step<'a> {
        let before = self.buffer.len();
        if before == 0 {
            // Empty lines before a start line are passed over (RFC 9112, section 2.2).
            let blank = segment.rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            segment.take(blank);
            if segment.rest.is_empty() {
                return Step::Wait;
            }
            self.started = segment.time;
        } else if !in_sync
            && segment.at_start
            && self.scan.fields().is_none()
            && opening(segment.rest, self.sends) == Opening::Yes
        {
            // What looked like the beginning of a start line was not; this one is.
            self.lose();
            return Step::Lost;
        }
        let new = &segment.rest[..segment.rest.len().min(limit.saturating_sub(before))];
        if before > 0 {
            self.buffer.extend_from_slice(new);
        }
        let head = if before > 0 { &self.buffer } else { new };
        match self.scan.advance(head, self.sends, in_sync) {
            Progress::Complete(end) => {
                let start = self.start(&head[..end]);
                segment.take(end.saturating_sub(before));
                self.buffer = Vec::new();
                self.scan = Scan::default();
                self.passed_over = false;
                Step::Part(Part::Head(start))
            }
            Progress::Incomplete if head.len() < limit => {
                if before == 0 {
                    self.buffer.extend_from_slice(new);
                }
                segment.take_all();
                Step::Wait
            }
            Progress::Incomplete if self.scan.fields().is_some() => {
                let start = self.start(&head[..self.scan.whole_lines()]);
                self.buffer = Vec::new();
                self.lose();
                segment.take(new.len());
                Step::Part(Part::CutHead(start))
            }
            Progress::Incomplete | Progress::Invalid => {
                // The bytes of this segment are still in it; where nothing came before them, they were looked at.
                self.buffer.truncate(before);
                segment.at_start &= before > 0;
                self.lose();
                if in_sync { Step::Part(Part::NoMessage) } else { Step::Lost }
            }
        }
    }

    fn start(&self, head: &[u8]) -> Start {
        Start {
            head: Head::new(head, self.scan.fields().unwrap_or_default()),
            framing: self.scan.framing(),
            time: self.started,
            resynchronised: self.passed_over,
        }
    }

    fn end<'a>(&mut self, trailers: Vec<u8>) -> Part<'a> {
        self.state = State::Head { in_sync: true };
        Part::End(trailers)
    }

    /// Where the next message begins is not known any more.
    fn lose(&mut self) {
        self.state = State::Lost;
        self.scan = Scan::default();
        self.passed_over = true;
    }

    /// What follows the head that was just read.
    pub(super) fn begin_body(&mut self, length: BodyLength) {
        match length {
            BodyLength::Fixed(length) => self.state = State::Fixed(length),
            BodyLength::Chunked => self.state = State::Chunked(Chunked::default()),
            BodyLength::UntilClose => self.state = State::UntilClose,
            BodyLength::Tunnel | BodyLength::Unknown => self.lose(),
        }
    }

    /// The message had no body after all: another one begins at the next byte.
    pub(super) fn end_without_body(&mut self) {
        self.state = State::Head { in_sync: true };
    }

    /// Whether the body ends with the connection.
    pub(super) fn is_until_close(&self) -> bool {
        matches!(self.state, State::UntilClose)
    }

    /// That many bytes are missing here.
    pub(super) fn gap(&mut self, missing: u64) -> Missing {
        let effect = match &mut self.state {
            State::Fixed(left) if missing <= *left => {
                *left -= missing;
                return Missing::InBody;
            }
            State::Fixed(_) => Missing::EndOfBody { beyond: true },
            State::Chunked(chunked) => {
                if chunked.skip(missing) {
                    return Missing::InBody;
                }
                Missing::EndOfBody { beyond: false }
            }
            State::UntilClose => return Missing::InBody,
            State::Head { .. } => self.unfinished().map_or(Missing::Beginning, Missing::InHead),
            State::Lost => Missing::Nothing,
        };
        self.lose();
        effect
    }

    /// Gives up what looked like the beginning of a head; tells how many bytes that is.
    pub(super) fn discard(&mut self) -> usize {
        std::mem::take(&mut self.buffer).len()
    }

    /// The head that has begun to come, where at least its start line is there. Nothing more comes of it.
    pub(super) fn unfinished(&mut self) -> Option<Start> {
        if !matches!(self.state, State::Head { .. }) || self.scan.fields().is_none() {
            return None;
        }
        let head = std::mem::take(&mut self.buffer);
        let start = self.start(&head[..self.scan.whole_lines()]);
        self.lose();
        Some(start)
    }
}

/// What became of a head.
#[derive(Debug)]
enum Step<'a> {
    Part(Part<'a>),
    /// More bytes are needed.
    Wait,
    /// What looked like a message is none.
    Lost,
}
