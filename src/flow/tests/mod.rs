//! Tests of what the parts do together.

mod community_id;
mod owner;
mod stream;
mod stream_property;
mod table;
mod tcp;

use super::sample::Segment;
use super::{Closed, Event, Flow, FlowId, Interest, Observer, Side, Table};
use crate::limits::{Limits, Loss};
use crate::packet::Frame;
use crate::record::{Record, Time};

/// What an observer is told, in the order in which it is told: `+0` for a conversation that opens, `0>text` for bytes
/// of its originator, `0<text` for bytes of its responder, `[7]` in their place for bytes that are missing, `|` for the
/// end of a side, `0>(text)/4` for a datagram and its length on the wire, `-0:idle` for a conversation that leaves.
struct Recorder {
    /// What it answers.
    interest: fn(&Event<'_>) -> Interest,
    told: Vec<String>,
    closed: Vec<Flow>,
}

impl Observer for Recorder {
    fn event(&mut self, id: FlowId, flow: &Flow, event: Event<'_>) -> Interest {
        let number = id.index();
        let from = |side| if side == Side::Originator { '>' } else { '<' };
        self.told.push(match event {
            Event::Opened => format!("+{number}"),
            Event::Data(side, bytes, _) => format!("{number}{}{}", from(side), String::from_utf8_lossy(bytes)),
            Event::Gap(side, bytes, _) => format!("{number}{}[{bytes}]", from(side)),
            Event::End(side, _) => format!("{number}{}|", from(side)),
            Event::Datagram(datagram) => {
                let (from, text) = (from(datagram.from), String::from_utf8_lossy(datagram.bytes));
                format!("{number}{from}({text})/{}", datagram.length)
            }
            Event::Closed(why) => {
                self.closed.push(flow.clone());
                let why = match why {
                    Closed::Ended => "ended",
                    Closed::Idle => "idle",
                    Closed::Reused => "reused",
                    Closed::Evicted => "evicted",
                    Closed::EndOfInput => "end-of-input",
                };
                format!("-{number}:{why}")
            }
        });
        (self.interest)(&event)
    }
}

/// A table that is shown one frame after the other.
struct Scene {
    table: Table,
    recorder: Recorder,
    time: Time,
}

impl Scene {
    /// With these limits; the observer wants payload.
    fn within(limits: &Limits) -> Self {
        let recorder = Recorder { interest: |_| Interest::Payload, told: Vec::new(), closed: Vec::new() };
        Self { table: Table::new(limits), recorder, time: Time::from_nanos(0) }
    }

    fn new() -> Self {
        Self::within(&Limits::default())
    }

    /// The next frame was captured so many milliseconds after the beginning, those after it one microsecond later each.
    fn at(mut self, milliseconds: i64) -> Self {
        self.time = Time::from_nanos(milliseconds * 1_000_000);
        self
    }

    /// Shows a frame of 54 bytes and its payload.
    fn frame(mut self, frame: &Frame<'_>) -> Self {
        self.table.ingest(frame, self.time, 54 + frame.payload_length, &mut self.recorder);
        self.time = Time::from_nanos(self.time.as_nanos() + 1000);
        self
    }

    fn segment(self, segment: Segment<'_>) -> Self {
        self.frame(&segment.frame())
    }

    fn segments<'a>(self, segments: impl IntoIterator<Item = Segment<'a>>) -> Self {
        segments.into_iter().fold(self, Self::segment)
    }

    /// What the observer was told since this was last asked, with a blank between.
    fn told(&mut self) -> String {
        std::mem::take(&mut self.recorder.told).join(" ")
    }

    fn finish(mut self) -> Self {
        while self.table.finish(1, &mut self.recorder) {}
        assert!(self.table.is_empty());
        self
    }

    fn loss(&self) -> &Loss {
        self.table.loss()
    }

    /// Fields of the conversations, in the order in which they left the table: `a b` for each.
    fn fields(self, names: &[&str]) -> Vec<String> {
        let scene = self.finish();
        let value = |flow: &Flow, name| flow.get(name).expect("there is such a field").to_string();
        let row = |flow| names.iter().map(|name| value(flow, name)).collect::<Vec<_>>().join(" ");
        scene.recorder.closed.iter().map(row).collect()
    }
}

/// A connection of [`Segment::from`] port 40000 that is open: its numbers are 100 and 500.
fn handshake() -> [Segment<'static>; 3] {
    [client().syn(99), server().syn_ack(499, 100), client().ack(100, 500)]
}

fn client() -> Segment<'static> {
    Segment::from(40_000).ack(100, 500)
}

fn server() -> Segment<'static> {
    Segment::from(40_000).answer().ack(500, 100)
}
