//! From a source to rows: filter, decode, follow conversations, hand out.

use std::io;
use std::sync::Arc;

use super::{Arrival, CaptureError, FilterError, FilterSet, Interface, PacketSource, Progress, Recording};
use crate::flow::{Analyzer, Attributor, Event, Flow, FlowId, Interest, Observer, Table};
use crate::limits::{Limits, Loss};
use crate::packet::{Decoder, Keep, Packet};
use crate::record::{Duration, Row, Time, Tuple};

/// What to make of the packets.
pub enum Stage {
    /// A row for each packet, with what it should keep. Without that the rows are empty: they only count.
    Packets(Option<Keep>),
    /// The rows that an analyzer makes of conversations.
    Conversations(Box<dyn Analyzer>),
    /// The rows that the source makes by itself.
    Source,
}

/// When to stop before the end of the source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Until {
    /// After so many packets that the filter let through.
    pub packets: Option<u64>,
    /// So long after the first packet, in packet time.
    pub duration: Option<Duration>,
}

/// Reads a source once and makes rows of it for any number of stages.
pub struct Pipeline {
    source: Box<dyn PacketSource>,
    filter: FilterSet,
    until: Until,
    decoder: Decoder,
    table: Option<Table>,
    /// Whether a stage of packets needs them decoded.
    decoded: bool,
    packets: Vec<Packets>,
    interfaces: InterfaceNames,
    conversations: Conversations,
    /// Whether a stage wants the rows that the source makes, and those that it made.
    takes_rows: bool,
    rows: Vec<Row>,
    /// Where the stages' rows are: in the order in which the stages were given.
    places: Vec<Place>,
    recording: Option<Recording>,
    captured: u64,
    received: u64,
    first: Option<Time>,
    ended: bool,
    is_idle: bool,
    is_attributed: bool,
    error: Option<CaptureError>,
}

/// What is wrong with a request to read packets.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// A filter does not compile.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// A file cannot be written.
    #[error(transparent)]
    Capture(#[from] CaptureError),
}

impl PipelineError {
    /// Whether packets were written into a pipe whose reader has left.
    #[must_use]
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Capture(CaptureError::Write { cause, .. }) if cause.kind() == io::ErrorKind::BrokenPipe)
    }
}

#[derive(Debug, Clone, Copy)]
enum Place {
    Packets(usize),
    Conversations(usize),
    Source,
}

struct Packets {
    keep: Option<Keep>,
    /// What stands for a packet that only counts.
    empty: Row,
    rows: Vec<Row>,
}

/// The names of a source's interfaces, shared by the rows of their packets.
#[derive(Default)]
struct InterfaceNames(Vec<Option<Arc<str>>>);

impl InterfaceNames {
    /// The name of an interface; a source may add some while it is read.
    fn name(&mut self, interfaces: &[Interface], interface: u32) -> Option<Arc<str>> {
        let known = self.0.len();
        self.0.extend(interfaces.iter().skip(known).map(|interface| interface.name.as_deref().map(Arc::from)));
        self.0.get(interface as usize).cloned().flatten()
    }
}

/// Every analyzer with its rows, and which of them want the payload of which conversation.
#[derive(Default)]
struct Conversations {
    analyzers: Vec<(Box<dyn Analyzer>, Vec<Row>)>,
    /// A bit for each analyzer, by conversation; kept only if there are several.
    interested: Vec<u32>,
}

/// Packets, or rows that they give, between two looks at whether to stop. A packet may give many rows, and none of them
/// waits for long, so that they do not add up.
const BATCH: usize = 1024;

impl Pipeline {
    /// A pipeline that has not read anything yet.
    #[must_use]
    pub fn new(
        source: Box<dyn PacketSource>,
        filter: FilterSet,
        until: Until,
        stages: Vec<Stage>,
        limits: &Limits,
    ) -> Self {
        let mut pipeline = Self {
            source,
            filter,
            until,
            decoder: Decoder::new(limits),
            table: None,
            decoded: stages.iter().any(|stage| matches!(stage, Stage::Packets(Some(_)))),
            packets: Vec::new(),
            interfaces: InterfaceNames::default(),
            conversations: Conversations::default(),
            takes_rows: false,
            rows: Vec::new(),
            places: Vec::new(),
            recording: None,
            captured: 0,
            received: 0,
            first: None,
            ended: false,
            is_idle: false,
            is_attributed: false,
            error: None,
        };
        for stage in stages {
            pipeline.places.push(match stage {
                Stage::Packets(keep) => {
                    pipeline.packets.push(Packets {
                        keep,
                        empty: Tuple::row("packet", Vec::new(), Vec::new()),
                        rows: Vec::new(),
                    });
                    Place::Packets(pipeline.packets.len() - 1)
                }
                Stage::Conversations(analyzer) => {
                    pipeline.table.get_or_insert_with(|| Table::new(limits));
                    pipeline.conversations.analyzers.push((analyzer, Vec::new()));
                    Place::Conversations(pipeline.conversations.analyzers.len() - 1)
                }
                Stage::Source => {
                    pipeline.takes_rows = true;
                    Place::Source
                }
            });
        }
        pipeline
    }

    /// Writes every packet that the filter lets through, too.
    pub fn record(&mut self, recording: Recording) {
        self.recording = Some(recording);
    }

    /// Reads some packets, and closes some conversations behind the last one. Gives `false` once that is done; all rows are
    /// there then. A live source that has nothing new is waited for, but only for a moment, and not while there are rows.
    ///
    /// # Errors
    ///
    /// What is wrong with the request: a filter that does not compile for a link type of the source, or a file that
    /// cannot be written. What is wrong with the source ends it and is in [`take_error`](Self::take_error).
    pub fn advance(&mut self) -> Result<bool, PipelineError> {
        self.is_idle = false;
        for _ in 0..BATCH {
            self.take_source_rows();
            match if self.ended { Arrival::End } else { self.packet()? } {
                Arrival::Packet => {}
                Arrival::Nothing(now) => {
                    self.is_idle = !self.has_rows();
                    if let Some(recording) = &mut self.recording {
                        recording.flush()?;
                    }
                    if let Some(table) = &mut self.table {
                        table.pass(now, &mut self.conversations);
                    }
                    return Ok(true);
                }
                Arrival::End => {
                    self.take_source_rows();
                    self.end()?;
                    let more = self.table.as_mut().map(|table| table.finish(BATCH, &mut self.conversations));
                    return Ok(more.unwrap_or(false));
                }
            }
            if self.conversations.rows() >= BATCH {
                break;
            }
        }
        Ok(true)
    }

    #[inline]
    fn take_source_rows(&mut self) {
        if self.takes_rows {
            self.rows.append(&mut self.source.take_rows());
        }
    }

    /// Takes in one packet, if there is one.
    #[inline]
    fn packet(&mut self) -> Result<Arrival, PipelineError> {
        if self.until.packets.is_some_and(|packets| self.captured >= packets) {
            return Ok(Arrival::End);
        }
        let wait = !self.has_rows();
        match self.source.poll(wait) {
            Ok(Arrival::Packet) => {}
            Ok(other) => return Ok(other),
            Err(error) => {
                self.error = Some(error);
                return Ok(Arrival::End);
            }
        }
        let packet = self.source.packet();
        self.received += 1;
        if !self.filter.is_empty() && !self.filter.matches(&packet)? {
            return Ok(Arrival::Packet);
        }
        if let Some(duration) = self.until.duration {
            let first = *self.first.get_or_insert(packet.time);
            if packet.time - first > duration {
                return Ok(Arrival::End);
            }
        }
        if self.table.is_some() || self.decoded {
            let frame = self.decoder.decode(&packet);
            if let Some(table) = &mut self.table {
                table.ingest(&frame, packet.time, packet.length, &mut self.conversations);
            }
            if let Some(recording) = &mut self.recording {
                let table = self.table.as_mut().filter(|_| self.is_attributed);
                let owners = table.and_then(|table| table.owners(&frame)).map(ToString::to_string);
                let comment = owners.as_deref().filter(|owners| !owners.is_empty());
                if !recording.write(&packet, self.source.interfaces(), comment)? {
                    return Ok(Arrival::End);
                }
            }
            if !self.packets.is_empty() {
                let interface = self.interfaces.name(self.source.interfaces(), packet.interface);
                for stage in &mut self.packets {
                    stage.rows.push(match stage.keep {
                        Some(keep) => Arc::new(Packet::new(self.received, interface.clone(), &packet, &frame, keep)),
                        None => stage.empty.clone(),
                    });
                }
            }
        } else {
            if let Some(recording) = &mut self.recording
                && !recording.write(&packet, self.source.interfaces(), None)?
            {
                return Ok(Arrival::End);
            }
            self.packets.iter_mut().for_each(|stage| stage.rows.push(stage.empty.clone()));
        }
        self.captured += 1;
        Ok(Arrival::Packet)
    }

    /// Reads no further than this. What is left to [`advance`](Self::advance) is to take in what a live source has captured
    /// by now, and to close the conversations that are open.
    pub fn stop(&mut self) {
        self.source.stop();
    }

    fn end(&mut self) -> Result<(), PipelineError> {
        if !std::mem::replace(&mut self.ended, true) {
            self.decoder.finish();
        }
        self.end_recording()
    }

    /// Asks who conversations belong to, and notes it in the comments of what is recorded.
    pub fn attribute_by(&mut self, attributor: Box<dyn Attributor>, limits: &Limits) {
        self.table.get_or_insert_with(|| Table::new(limits)).attribute_by(attributor);
        self.is_attributed = true;
    }

    /// Whether the last [`advance`](Self::advance) waited for a live source in vain.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        self.is_idle
    }

    fn has_rows(&self) -> bool {
        !self.rows.is_empty()
            || self.conversations.rows() > 0
            || self.packets.iter().any(|stage| !stage.rows.is_empty())
    }

    /// Gives up some conversations and keeps fewer from now on, because there is too little memory for so many.
    pub fn shrink(&mut self) {
        if let Some(table) = &mut self.table {
            table.shrink(&mut self.conversations);
        }
    }

    /// Completes the file that packets are written to. What is read behind this is not written.
    ///
    /// # Errors
    ///
    /// When the file cannot be completed.
    pub fn end_recording(&mut self) -> Result<(), PipelineError> {
        if let Some(mut recording) = self.recording.take() {
            recording.finish(self.source.interfaces())?;
        }
        Ok(())
    }

    /// Takes the rows of a stage that are there.
    #[must_use]
    pub fn take_rows(&mut self, stage: usize) -> Vec<Row> {
        std::mem::take(match self.places[stage] {
            Place::Source => &mut self.rows,
            Place::Packets(i) => &mut self.packets[i].rows,
            Place::Conversations(i) => &mut self.conversations.analyzers[i].1,
        })
    }

    /// What happened to the source that somebody should know, said once.
    #[must_use]
    pub fn take_notes(&mut self) -> Vec<String> {
        self.source.take_notes()
    }

    /// What could not be found out of who conversations belong to, in words.
    #[must_use]
    pub fn attribution_notes(&self) -> Vec<String> {
        self.table.as_ref().map_or_else(Vec::new, Table::notes)
    }

    /// What ended the source early, if something did.
    pub fn take_error(&mut self) -> Option<CaptureError> {
        self.error.take()
    }

    /// Packets that the filter let through.
    #[must_use]
    pub const fn captured(&self) -> u64 {
        self.captured
    }

    /// Packets that the source delivered.
    #[must_use]
    pub const fn received(&self) -> u64 {
        self.received
    }

    /// How far the source is.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.source.progress()
    }

    /// What was not seen so far.
    #[must_use]
    pub fn loss(&mut self) -> Loss {
        let mut loss = self.decoder.loss();
        loss += &self.source.loss();
        if let Some(table) = &self.table {
            loss += table.loss();
        }
        for (analyzer, _) in &self.conversations.analyzers {
            loss += &analyzer.loss();
        }
        loss
    }
}

impl Conversations {
    /// How many rows wait at one analyzer, at most.
    #[inline]
    fn rows(&self) -> usize {
        self.analyzers.iter().map(|(_, rows)| rows.len()).max().unwrap_or(0)
    }
}

impl Observer for Conversations {
    fn event(&mut self, id: FlowId, flow: &Flow, event: Event<'_>) -> Interest {
        if let [(analyzer, rows)] = &mut self.analyzers[..] {
            return analyzer.event(id, flow, event, rows);
        }
        if self.interested.len() <= id.index() {
            self.interested.resize(id.index() + 1, 0);
        }
        let everyone = matches!(event, Event::Opened | Event::Closed(_));
        let mut interested = if everyone { 0 } else { self.interested[id.index()] };
        for (bit, (analyzer, rows)) in self.analyzers.iter_mut().enumerate() {
            let mask = 1 << bit;
            if everyone || interested & mask != 0 {
                match analyzer.event(id, flow, event, rows) {
                    Interest::Payload => interested |= mask,
                    Interest::Flow => interested &= !mask,
                }
            }
        }
        self.interested[id.index()] = interested;
        if interested == 0 { Interest::Flow } else { Interest::Payload }
    }
}
