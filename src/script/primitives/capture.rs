//! `capture()` and `open()`: packets, and what every noun of a capture has in common.

use std::path::Path;
use std::rc::Rc;

use rhai::{Dynamic, Engine, EvalAltResult, Map};

use super::super::context::{Context, Source};
use super::super::docs::{Entry, Group};
use super::super::error::{ErrorKind, thrown};
use super::super::live::Live;
use super::super::permission::Permission;
use super::super::plan::Fields;
use super::super::source::{Capture, Noun, Request};
use super::super::stream::{RowSource, Stream};
use super::super::verbs::RAW;
use super::place::{each, places, text, wrong};
use crate::capture::Stage;
use crate::egress::Packets;
use crate::nearest::suggestion;
use crate::packet::{Keep, Packet};
use crate::record::Duration;

pub(crate) const ENTRIES: &[Entry] = &[
    Entry {
        name: "capture",
        signature: "capture() or capture(filter) or capture(filter, options) -> stream of packet",
        group: Group::Noun,
        doc: "Packets of the run's source that match a filter in tcpdump's language. Options: packets (how many), \
              duration (for how long: of a file in packet time; \"forever\" for until Ctrl-C), and where to listen: \
              interface, container, netns, pid, each of them one or an array. Streams derived from one capture read it once.",
        example: "capture(\"tcp port 8000\", #{ packets: 3 }).table()",
        needs: Some(Permission::Capture),
    },
    Entry {
        name: "open",
        signature: "open(path) or open(path, filter) -> stream of packet",
        group: Group::Noun,
        doc: "Packets of a capture file, whatever the run's source is; rows of a file of NDJSON that netscript wrote.",
        example: "open(\"incident.pcap\").flows().table()",
        needs: Some(Permission::Capture),
    },
];

pub(crate) static PACKETS: Noun = Noun {
    name: "capture",
    kind: Packet::KIND,
    packets: Packets::All,
    stage: |fields, context| {
        Stage::Packets(match fields {
            Fields::Only(names) if names.is_empty() => None,
            _ => Some(Keep {
                payload: fields.contains("payload"),
                bytes: matches!(fields, Fields::Only(names) if names.contains(RAW)),
                secrets: context.options.show_secrets,
            }),
        })
    },
};

type Result<T = Stream> = std::result::Result<T, Box<EvalAltResult>>;

/// A stream of the run's source.
pub(crate) fn from_source(context: &Context, noun: &'static Noun, filter: &str, options: &Map) -> Result {
    context.require(Permission::Capture, &format!("{}()", noun.name))?;
    start(context, noun, context.options.source.clone(), filter, options)
}

/// What can stand in the options of a capture.
const OPTIONS: [&str; 6] = ["packets", "duration", "interface", "container", "netns", "pid"];

fn start(context: &Context, noun: &'static Noun, source: Option<Source>, filter: &str, options: &Map) -> Result {
    let mut until = context.options.until;
    let mut live = Live::default();
    for (name, value) in options {
        if let Some(places) = places(name, value)? {
            live.places.extend(places);
            continue;
        }
        match name.as_str() {
            "interface" => live.interfaces.extend(each(value, text, name, "the name of an interface")?),
            "packets" => {
                let packets = value.as_int().ok().and_then(|packets| u64::try_from(packets).ok());
                until.packets = Some(packets.ok_or_else(|| wrong("packets", "a number of packets", value))?);
            }
            "duration" => until.duration = Some(duration(name, value)?),
            _ => {
                let (known, hint) = (OPTIONS.join(", "), suggestion(name, OPTIONS));
                let message = format!("{}() has no option `{name}`; there are {known}{hint}", noun.name);
                return Err(thrown(ErrorKind::Usage, message));
            }
        }
    }
    let source = if live == Live::default() {
        source.ok_or_else(|| {
            let message = "has no source; name a capture file with -r FILE, or an interface with -i NAME";
            thrown(ErrorKind::Usage, format!("{}() {message}", noun.name))
        })?
    } else if matches!(source, Some(Source::File(_) | Source::Stdin)) {
        let message = "names what to listen on, but this run reads a file";
        return Err(thrown(ErrorKind::Usage, format!("{}() {message}", noun.name)));
    } else {
        Source::Live(live)
    };
    let capture = Capture::new(Request { source, filter: filter.to_owned(), until });
    Ok(Stream::new(RowSource::Capture(Capture::derive(&capture, noun)?)))
}

pub(super) fn duration(option: &str, value: &Dynamic) -> Result<Duration> {
    if let Some(duration) = value.read_lock::<Duration>() {
        return Ok(*duration);
    }
    let text = value.clone().into_string().ok();
    text.and_then(|text| text.parse().ok()).ok_or_else(|| wrong(option, "a duration such as \"10s\"", value))
}

/// Registers `noun()`, `noun(filter)`, `noun(filter, options)`, and the method that derives it from a capture.
pub(crate) fn register_noun(engine: &mut Engine, context: &Rc<Context>, noun: &'static Noun) {
    let this = context.clone();
    engine.register_fn(noun.name, move || from_source(&this, noun, "", &Map::new()));
    let this = context.clone();
    engine.register_fn(noun.name, move |filter: &str| from_source(&this, noun, filter, &Map::new()));
    let this = context.clone();
    engine.register_fn(noun.name, move |filter: &str, options: Map| from_source(&this, noun, filter, &options));
    if noun.name != PACKETS.name {
        engine.register_fn(noun.name, move |stream: &mut Stream| stream.derive(noun));
    }
}

/// Registers `open`.
pub(crate) fn register(engine: &mut Engine, context: &Rc<Context>) {
    let this = context.clone();
    engine.register_fn("open", move |path: &str| open(&this, path, ""));
    let this = context.clone();
    engine.register_fn("open", move |path: &str, filter: &str| open(&this, path, filter));
}

fn open(context: &Context, path: &str, filter: &str) -> Result {
    context.require(Permission::Capture, "open()")?;
    let path = Path::new(path);
    if filter.is_empty() && super::rows::is_ndjson(path) {
        return super::rows::read(path);
    }
    start(context, &PACKETS, Some(Source::File(path.to_owned())), filter, &Map::new())
}
