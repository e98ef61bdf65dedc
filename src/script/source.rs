//! One capture of a script, and the streams that are derived from it: it is read once for all of them.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::path::Path;
use std::rc::{Rc, Weak};

use rhai::{EvalAltResult, FnPtr};

use super::context::{Context, Recorded, RunProgress, Source};
use super::error::{ErrorKind, thrown};
use super::error::{capture_error, filter_error, pipeline_error};
use super::live::{DEFAULT_DURATION, Live};
use super::plan::{Caller, Fields, Item};
use super::watched::{Begun, Watched};
use crate::capture::{
    CaptureError, CaptureFile, FilterSet, LiveCapture, PacketSource, Pipeline, PipelineError, Recording, Stage, Until,
};
use crate::egress::{Attempt, Packets, Report};
use crate::flow::{Analyzer, Attributor, Owners};
use crate::host::{Attribution, Method, Namespace, Query};
use crate::record::{Duration, Kind, Row};

/// A kind of row that a capture can give.
#[derive(Debug)]
pub(crate) struct Noun {
    /// The function that gives them, and the method that derives them from a capture.
    pub(crate) name: &'static str,
    pub(crate) kind: &'static Kind,
    /// The packets that it takes, of a source that can leave some out.
    pub(crate) packets: Packets,
    /// The stage that makes them, given which of their fields are read.
    pub(crate) stage: fn(&Fields, &Context) -> Stage,
}

/// What a script asks to capture.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) source: Source,
    pub(crate) filter: String,
    pub(crate) until: Until,
}

/// A capture that a script asked for. Nothing is opened until one of its streams is read.
pub(crate) struct Capture {
    request: Request,
    streams: Vec<Derived>,
    state: State,
}

/// A stream of a capture.
struct Derived {
    noun: &'static Noun,
    fields: Fields,
    /// What its rows have to pass before they are kept.
    filters: Vec<FnPtr>,
    /// Whether its own rows are wanted: not if others are derived from it and nothing else is done with it.
    wanted: bool,
    /// Gone when the script dropped the stream: nobody will take its rows.
    alive: Weak<()>,
    rows: VecDeque<Row>,
}

enum State {
    Planned,
    Open(Box<Reading>),
    Ended,
}

/// A pipeline with a stage for each noun.
struct Reading {
    pipeline: Pipeline,
    nouns: Vec<&'static Noun>,
    /// Where a watch tells its end.
    report: Option<Report>,
    /// What of it is in the ledger already.
    captured: u64,
    received: u64,
}

/// One of the streams of a capture.
#[derive(Clone)]
pub(crate) struct Tap {
    pub(crate) capture: Rc<RefCell<Capture>>,
    index: usize,
    _alive: Rc<()>,
}

impl Capture {
    pub(crate) fn new(request: Request) -> Rc<RefCell<Self>> {
        Rc::new(RefCell::new(Self { request, streams: Vec::new(), state: State::Planned }))
    }

    /// Adds a stream of rows of that noun.
    pub(crate) fn derive(capture: &Rc<RefCell<Self>>, noun: &'static Noun) -> Result<Tap, Box<EvalAltResult>> {
        let mut this = capture.borrow_mut();
        this.still_planned(noun)?;
        let alive = Rc::new(());
        let weak = Rc::downgrade(&alive);
        this.streams.push(Derived {
            noun,
            fields: Fields::All,
            filters: Vec::new(),
            wanted: true,
            alive: weak,
            rows: VecDeque::new(),
        });
        Ok(Tap { capture: capture.clone(), index: this.streams.len() - 1, _alive: alive })
    }

    /// Nothing can be added to a capture once it is being read.
    fn still_planned(&self, noun: &Noun) -> Result<(), Box<EvalAltResult>> {
        if matches!(self.state, State::Planned) {
            return Ok(());
        }
        Err(thrown(
            ErrorKind::Usage,
            format!(
                "this capture has been read already; ask for all its streams ({}() too) before the first of them is \
                 read, or capture again",
                noun.name
            ),
        ))
    }

    /// Opens the source, with a stage for each stream that is still wanted.
    fn open(&mut self, context: &Context) -> Result<(), Box<EvalAltResult>> {
        let mut wanted: Vec<(&'static Noun, Fields)> = Vec::new();
        for stream in self.streams.iter().filter(|stream| stream.wanted) {
            match wanted.iter_mut().find(|(noun, _)| std::ptr::eq(*noun, stream.noun)) {
                Some((_, fields)) => fields.add(stream.fields.clone()),
                None => wanted.push((stream.noun, stream.fields.clone())),
            }
        }
        let is_evidence = self.request.is_live() && context.options.evidence.is_some();
        let is_recorded = (context.options.write.is_some() || is_evidence) && !context.written.get();
        let asks_owners = wanted.iter().any(|(noun, fields)| {
            let asks = |field: &&str| noun.kind.index(field).is_some() && fields.contains(field);
            Owners::FIELDS.iter().any(asks)
        });
        let packets = if is_recorded { Packets::All } else { Packets::None };
        let packets = wanted.iter().map(|(noun, _)| noun.packets).fold(packets, Packets::max);
        let asks = Asks { owners: is_recorded || asks_owners, packets };
        let Some(Opened { source, filter, until, attributor, report, mut attempts }) =
            self.request.open(asks, context)?
        else {
            self.state = State::Ended;
            interrupted(0, context);
            return Ok(());
        };
        let stage = |(noun, fields): &(&'static Noun, Fields)| match ((noun.stage)(fields, context), attempts.take()) {
            (Stage::Source, Some(attempts)) => Stage::Conversations(attempts),
            (stage, rest) => {
                attempts = rest;
                stage
            }
        };
        let stages = wanted.iter().map(stage).collect();
        let limits = &context.options.limits;
        let mut pipeline = Pipeline::new(source, filter, until, stages, limits);
        if let Some(attributor) = attributor {
            pipeline.attribute_by(attributor, limits);
        }
        if is_recorded && !context.written.replace(true) {
            self.request.record(&mut pipeline, context)?;
        }
        let nouns = wanted.into_iter().map(|(noun, _)| noun).collect();
        self.state = State::Open(Box::new(Reading { pipeline, nouns, report, captured: 0, received: 0 }));
        Ok(())
    }

    /// Reads on, for stream `index`. Gives whether there was more to read.
    fn advance(&mut self, index: usize, context: &Context, caller: &Caller<'_>) -> Result<bool, Box<EvalAltResult>> {
        if matches!(self.state, State::Planned) {
            self.open(context)?;
        }
        let State::Open(reading) = &mut self.state else { return Ok(false) };
        let pipeline = &mut reading.pipeline;
        if context.memory.is_short() {
            pipeline.shrink();
        }
        if context.cancel.is_requested() {
            pipeline.stop();
        }
        let more = pipeline.advance().map_err(|error| explain(&error, context))?;
        reading.count(context);
        if reading.pipeline.is_idle() {
            // Whoever looks at the rows sees those that are there, while nothing more comes.
            context.say(|out| out.flush())?;
        }
        for (stage, noun) in reading.nouns.iter().enumerate() {
            let mut readers = self.streams.iter_mut().enumerate().filter(|(_, stream)| {
                std::ptr::eq(stream.noun, *noun) && stream.wanted && stream.alive.strong_count() > 0
            });
            let mut rows = reading.pipeline.take_rows(stage);
            let last = readers.next_back();
            for (i, reader) in readers {
                reader.keep(rows.clone(), i == index, context, caller)?;
            }
            if let Some((i, reader)) = last {
                reader.keep(std::mem::take(&mut rows), i == index, context, caller)?;
            }
        }
        if !more {
            // A source that was waiting for packets ends by itself then.
            if context.cancel.is_requested() {
                // That is how one ends a live capture.
                match self.request.is_live() && !context.cancel.is_abort() {
                    true => context.cancel.obeyed(),
                    false => interrupted(reading.pipeline.received(), context),
                }
            }
            self.end(context)?;
        }
        Ok(true)
    }

    /// Closes the source and notes what it could not see.
    fn end(&mut self, context: &Context) -> Result<(), Box<EvalAltResult>> {
        let State::Open(mut reading) = std::mem::replace(&mut self.state, State::Ended) else { return Ok(()) };
        reading.count(context);
        let mut ledger = context.ledger.borrow_mut();
        let loss = reading.pipeline.loss();
        reading.pipeline.attribution_notes().iter().for_each(|note| (context.announce.borrow_mut())(note));
        ledger.loss += &loss;
        // As for tcpdump, what was dropped had been received by the filter.
        ledger.received += loss.dropped;
        if let Some(error) = reading.pipeline.take_error().filter(CaptureError::is_truncation) {
            ledger.loss.truncated_inputs += 1;
            ledger.notes.push(error.to_string());
        }
        drop(ledger);
        // That nobody was reached for is known of a watch that tells of none, but not where nothing was captured.
        let is_captured = !matches!(self.request.source, Source::Watched(_));
        if is_captured
            && reading.captured == 0
            && reading.nouns.iter().any(|noun| std::ptr::eq(noun.kind, Attempt::KIND))
        {
            context.note("no packet was captured");
        }
        let recorded = reading.pipeline.end_recording().map_err(|error| explain(&error, context));
        let report = reading.report.take();
        // A watch that is closed before its end ends here.
        drop(reading);
        if let (Source::Watched(watched), Some(report)) = (&self.request.source, report) {
            watched.conclude(&report, context);
        }
        recorded
    }
}

/// A source that has been opened.
struct Opened {
    source: Box<dyn PacketSource>,
    filter: FilterSet,
    until: Until,
    attributor: Option<Box<dyn Attributor>>,
    report: Option<Report>,
    /// What makes attempts out of its packets, if it does not tell them by itself.
    attempts: Option<Box<dyn Analyzer>>,
}

/// What of a source is wanted.
#[derive(Debug, Clone, Copy)]
struct Asks {
    /// Who packets belong to.
    owners: bool,
    /// Which packets, of a source that can leave some out.
    packets: Packets,
}

impl Request {
    /// Opens the source. Nothing if somebody asked to stop meanwhile. Who packets belong to can be known of live ones only.
    fn open(&self, asks: Asks, context: &Context) -> Result<Option<Opened>, Box<EvalAltResult>> {
        let filters = [context.options.filter.as_deref().unwrap_or(""), &self.filter];
        let filter = join_filters(filters);
        let path = match &self.source {
            Source::Live(live) => return self.listen(live, &filter, asks.owners, context).map(Some),
            Source::Watched(watched) => return self.watch(watched, filter, asks.packets, context).map(Some),
            Source::File(path) => path,
            Source::Stdin if context.stdin_used.replace(true) => {
                return Err(thrown(
                    ErrorKind::Usage,
                    "standard input can be read once; derive the streams from one capture(): \
                     let c = capture(\"\"); let f = c.flows(); let h = c.http_requests();",
                ));
            }
            Source::Stdin => Path::new("-"),
        };
        let source = match CaptureFile::open(path, &context.cancel) {
            Err(CaptureError::Cancelled { .. }) => return Ok(None),
            opened => opened.map_err(|error| capture_error(&error))?,
        };
        let mut filter = FilterSet::new(filter);
        for interface in source.interfaces() {
            filter.prepare(interface.link).map_err(|error| filter_error(&error))?;
        }
        let source = Box::new(source);
        Ok(Some(Opened { source, filter, until: self.until, attributor: None, report: None, attempts: None }))
    }

    /// Listens on interfaces. The kernel filters, and the source ends by its own clock.
    fn listen(
        &self,
        live: &Live,
        filter: &str,
        attribute: bool,
        context: &Context,
    ) -> Result<Opened, Box<EvalAltResult>> {
        let listen = live.find().map_err(|error| capture_error(&error.into()))?;
        // Before the first packet, so that it is known whose it is.
        let attribution = attribute.then(|| {
            let captured = listen.iter().filter_map(|listen| Some(listen.place.as_ref()?.0.id()));
            let here = Namespace::current().ok().map(|namespace| namespace.id());
            let here = here.filter(|_| listen.iter().any(|listen| listen.place.is_none()));
            let captured: Vec<_> = captured.chain(here).collect();
            Attribution::start(&captured, Query::default(), Method::Best)
        });
        let duration = match self.until {
            Until { packets: None, duration: None } => Some(DEFAULT_DURATION),
            Until { duration, .. } => duration.filter(|&duration| duration != Duration::MAX),
        };
        let settings = &context.options.live;
        let opened = LiveCapture::open(&listen, filter, duration, settings, &context.cancel);
        let source = opened.map_err(|error| pipeline_error(&error))?;
        let mut announce = context.announce.borrow_mut();
        announce(&source.banner(duration));
        context.ledger.borrow_mut().listened = true;
        let attribution = match attribution.transpose() {
            Ok(attribution) => attribution,
            Err(error) => {
                announce(&format!("processes and containers stay unknown: {error}"));
                None
            }
        };
        if let Some(why) = attribution.as_ref().and_then(Attribution::shortcoming) {
            announce(why);
        }
        let until = Until { duration: None, ..self.until };
        let filter = FilterSet::new("");
        let attributor = attribution.map(|attribution| Box::new(attribution) as Box<dyn Attributor>);
        Ok(Opened { source: Box::new(source), filter, until, attributor, report: None, attempts: None })
    }

    /// Watches a command, or processes that run.
    fn watch(
        &self,
        watched: &Watched,
        filter: String,
        packets: Packets,
        context: &Context,
    ) -> Result<Opened, Box<EvalAltResult>> {
        let Begun { source, report, attributor, attempts } = watched.start(packets, context)?;
        let filter = FilterSet::new(filter);
        Ok(Opened { source, filter, until: self.until, attributor, report: Some(report), attempts })
    }

    /// Has the packets recorded: where somebody wants them, or in a temporary file where live ones are to be read again.
    fn record(&self, pipeline: &mut Pipeline, context: &Context) -> Result<(), Box<EvalAltResult>> {
        let recorded = match &context.options.write {
            Some(path) => Recorded::Kept(path.clone()),
            None => {
                let file = tempfile::Builder::new().prefix("netscript-").suffix(".pcapng").tempfile();
                let refused = |error| thrown(ErrorKind::Output, format!("cannot record for --evidence: {error}"));
                Recorded::Temporary(file.map_err(refused)?.into_temp_path())
            }
        };
        let recording = Recording::create(recorded.path(), context.options.rotation);
        pipeline.record(recording.map_err(|error| capture_error(&error))?);
        context.recorded.replace(Some(recorded));
        Ok(())
    }

    const fn is_live(&self) -> bool {
        matches!(self.source, Source::Live(_) | Source::Watched(_))
    }
}

impl Derived {
    /// Keeps the rows that pass its filters. For a stream that is not being read yet there is a limit.
    fn keep(
        &mut self,
        rows: Vec<Row>,
        is_read: bool,
        context: &Context,
        caller: &Caller<'_>,
    ) -> Result<(), Box<EvalAltResult>> {
        'rows: for row in rows {
            for filter in &self.filters {
                if !caller.test(filter, Item::Row(row.clone()))? {
                    continue 'rows;
                }
            }
            if is_read || context.may_keep(self.rows.len()) {
                self.rows.push_back(row);
            }
        }
        Ok(())
    }
}

/// Notes that somebody asked to stop, and has been obeyed.
fn interrupted(packets: u64, context: &Context) {
    context.cancel.obeyed();
    context.ledger.borrow_mut().notes.push(format!("interrupted after {packets} packets"));
}

impl Reading {
    /// Brings the ledger up to date, and tells whoever waits.
    fn count(&mut self, context: &Context) {
        let (captured, received) = (self.pipeline.captured(), self.pipeline.received());
        let mut ledger = context.ledger.borrow_mut();
        ledger.captured += captured - self.captured;
        ledger.received += received - self.received;
        (self.captured, self.received) = (captured, received);
        for note in self.pipeline.take_notes() {
            (context.announce.borrow_mut())(&note);
            ledger.incidents.push(note);
        }
        drop(ledger);
        (context.progress.borrow_mut())(RunProgress { source: self.pipeline.progress(), packets: received });
    }
}

impl Tap {
    /// A stream of other rows of the same capture. This one is not kept for later unless something is done with it.
    pub(crate) fn derive(&self, noun: &'static Noun) -> Result<Self, Box<EvalAltResult>> {
        let derived = Capture::derive(&self.capture, noun)?;
        self.capture.borrow_mut().streams[self.index].wanted = false;
        Ok(derived)
    }

    /// Says which fields will be read, before the first row is.
    pub(crate) fn want(&self, fields: Fields) -> Result<(), Box<EvalAltResult>> {
        let mut capture = self.capture.borrow_mut();
        let noun = capture.streams[self.index].noun;
        if !capture.streams[self.index].wanted {
            capture.still_planned(noun)?;
        }
        let stream = &mut capture.streams[self.index];
        stream.wanted = true;
        stream.fields = fields;
        Ok(())
    }

    /// Adds a condition that rows have to pass before they are kept.
    pub(crate) fn filter_by(&self, closure: FnPtr) {
        let stream = &mut self.capture.borrow_mut().streams[self.index];
        stream.filters.push(closure);
        stream.wanted = true;
    }

    /// What its rows are.
    pub(crate) fn noun(&self) -> &'static Noun {
        self.capture.borrow().streams[self.index].noun
    }

    /// Whether they are captured while they are read.
    pub(crate) fn is_live(&self) -> bool {
        self.capture.borrow().request.is_live()
    }

    /// The filter that the script gave.
    pub(crate) fn filter(&self) -> String {
        self.capture.borrow().request.filter.clone()
    }

    /// The next row.
    #[inline]
    pub(crate) fn next(&self, context: &Context, caller: &Caller<'_>) -> Result<Option<Row>, Box<EvalAltResult>> {
        loop {
            let mut capture = self.capture.borrow_mut();
            if let Some(row) = capture.streams[self.index].rows.pop_front() {
                return Ok(Some(row));
            }
            if !capture.advance(self.index, context, caller)? {
                return Ok(None);
            }
            drop(capture);
            context.attendants.attend();
        }
    }

    /// Closes the source before its end, if no other stream of the capture may want more of it.
    pub(crate) fn close(&self, context: &Context) -> Result<(), Box<EvalAltResult>> {
        let mut capture = self.capture.borrow_mut();
        let others = capture.streams.iter().enumerate();
        if others.filter(|(i, _)| *i != self.index).all(|(_, stream)| stream.alive.strong_count() == 0) {
            capture.end(context)?;
        }
        Ok(())
    }
}

/// What is wrong with a pipeline; nothing is where packets go into a pipe whose reader has seen enough of them.
fn explain(error: &PipelineError, context: &Context) -> Box<EvalAltResult> {
    if error.is_broken_pipe() {
        context.leave();
    }
    pipeline_error(error)
}

/// A filter that holds where all of these hold.
fn join_filters(filters: [&str; 2]) -> String {
    let given: Vec<_> = filters.iter().map(|filter| filter.trim()).filter(|filter| !filter.is_empty()).collect();
    match given[..] {
        [] => String::new(),
        [one] => one.to_owned(),
        _ => given.iter().map(|filter| format!("({filter})")).collect::<Vec<_>>().join(" and "),
    }
}
