//! Verbs that show rows, or write them down.

use std::path::Path;

use rhai::{Dynamic, NativeCallContext};

use super::super::context::Context;
use super::super::docs::{Entry, Group};
use super::super::error::{ErrorKind, capture_error, thrown};
use super::super::permission::Permission;
use super::super::plan::{Caller, Fields, Item, Step, texts};
use super::super::stream::{Plan, RowSource, Stream};
use super::super::value::to_row;
use super::{Result, Verbs};
use crate::capture::{Interface, Writer};
use crate::flow::Owners;
use crate::packet::{Packet, RawPacket};
use crate::record::{Row, Value};
use crate::report::Chart;

pub(crate) const ENTRIES: &[Entry] = &[
    Entry {
        name: "table",
        signature: "table() or table([fields])",
        group: Group::Verb,
        doc: "Prints the rows in the run's output format: a table, NDJSON, CSV, … Fields may be dotted: \"credential.fingerprint\".",
        example: "http_requests().table([\"client\", \"status\", \"credential.fingerprint\"])",
        needs: None,
    },
    Entry {
        name: "chart",
        signature: "chart() or chart(title)",
        group: Group::Verb,
        doc: "Draws counted rows: bars for count_by, sum_by and histogram, a line for rate.",
        example: "http_requests().count_by(\"status\").chart()",
        needs: None,
    },
    Entry {
        name: "save",
        signature: "save(\"file.pcapng\") -> integer",
        group: Group::Verb,
        doc: "Writes packets to a capture file and gives their number.",
        example: "capture(\"tcp port 8000\").save(\"web.pcapng\")",
        needs: Some(Permission::Write),
    },
    Entry {
        name: "explain",
        signature: "explain() -> text",
        group: Group::Verb,
        doc: "What a stream will do when it is read: its source, its steps, and the fields that each step reads.",
        example: "print(http_requests(\"tcp port 8000\").filter(|r| r.status == 401).explain())",
        needs: None,
    },
];

pub(super) fn register(verbs: &mut Verbs<'_>) {
    verbs.plain("table", |context: &Context, call: &NativeCallContext<'_>, stream: &Stream| {
        table(context, &Caller::Native(call), stream, &[], "table")
    });
    verbs.with_one("table", |context: &Context, call: &NativeCallContext<'_>, stream: &Stream, columns: Dynamic| {
        let columns = texts(columns);
        let columns = columns.ok_or_else(|| {
            thrown(ErrorKind::Usage, "table takes an array of fields, such as table([\"client\", \"status\"])")
        })?;
        table(context, &Caller::Native(call), stream, &columns, "table")
    });
    verbs.plain("chart", |context: &Context, call: &NativeCallContext<'_>, stream: &Stream| {
        chart(context, call, stream, "")
    });
    verbs.with_one("chart", |context: &Context, call: &NativeCallContext<'_>, stream: &Stream, title: Dynamic| {
        chart(context, call, stream, &title.to_string())
    });
    verbs.with_one("save", |context: &Context, call: &NativeCallContext<'_>, stream: &Stream, path: Dynamic| {
        save(context, call, stream, &path.to_string())
    });
    let context = verbs.context.clone();
    verbs.engine.register_fn("explain", move |stream: &mut Stream| stream.with_plan(|plan| explain(plan, &context)));
}

/// Prints the rows of a stream.
pub(crate) fn table(
    context: &Context,
    caller: &Caller<'_>,
    stream: &Stream,
    columns: &[String],
    verb: &'static str,
) -> Result<()> {
    let plan = stream.consume(verb)?;
    let wanted = match (columns, plan.kind()) {
        ([], Some(kind)) if !context.out.borrow().shows_all_fields() => {
            let main = kind.fields.iter().filter(|field| field.main).map(|field| field.name.as_ref());
            let live = if plan.is_live() { &Owners::SHOWN[..] } else { &[] };
            Fields::of(main.chain(live.iter().copied()))
        }
        ([], _) => Fields::All,
        (columns, _) => Fields::of(columns.iter().map(|column| column.split('.').next().unwrap_or(column))),
    };
    let mut run = plan.run(wanted, context)?;
    let mut begun = false;
    let result = run.for_each(context, caller, |item| {
        if !std::mem::replace(&mut begun, true) {
            context.say(|out| out.begin_table(columns))?;
        }
        let row = match item {
            Item::Row(row) => row,
            Item::Value(value) => to_row(&value),
        };
        context.say(|out| out.row(&row)).map(|()| true)
    });
    // What was read before an error is shown; of a source that cannot be read there is no table to show.
    if !begun && result.is_ok() {
        context.say(|out| out.begin_table(columns))?;
        begun = true;
    }
    if begun {
        context.say(|out| out.end_table())?;
    }
    result
}

fn chart(context: &Context, call: &NativeCallContext<'_>, stream: &Stream, title: &str) -> Result<()> {
    let mut points = Vec::new();
    let mut unit = String::new();
    let mut over_time = false;
    let mut run = stream.consume("chart")?.run(Fields::All, context)?;
    run.for_each(context, &Caller::Native(call), |item| {
        let row: Row = to_row(&item.into_dynamic());
        let kind = row.kind();
        over_time = kind.name == "rate";
        let measure = if over_time { kind.index("count") } else { kind.fields.len().checked_sub(1) };
        #[expect(clippy::cast_precision_loss, reason = "a number to draw")]
        let number = match measure.map(|field| row.value(field)) {
            Some(Value::Integer(x)) => x as f64,
            Some(Value::Float(x)) => x,
            Some(Value::Duration(x)) => x.as_secs_f64(),
            _ => {
                let message = "chart draws counted rows: put count_by(), sum_by(), rate() or histogram() before it";
                return Err(thrown(ErrorKind::Usage, message));
            }
        };
        if let Some(field) = measure {
            unit = kind.fields[field].name.to_string();
        }
        let labels: Vec<_> = match kind.name.as_ref() {
            "rate" => vec![row.value(0).to_string()],
            "histogram" => vec![format!("{} – {}", row.value(0), row.value(1))],
            _ => (0..kind.fields.len() - 1).map(|field| row.value(field).to_string()).collect(),
        };
        points.push((labels.join(" "), number));
        Ok(true)
    })?;
    let unit = if unit == "count" { String::new() } else { unit };
    let chart = Chart { title: title.to_owned(), unit, over_time, points };
    context.say(|out| out.chart(&chart))
}

fn save(context: &Context, call: &NativeCallContext<'_>, stream: &Stream, path: &str) -> Result<i64> {
    let path = Path::new(path);
    if context.options.write.as_deref() != Some(path) {
        context.require(Permission::Write, &format!("save(\"{}\")", path.display()))?;
    }
    let plan = stream.consume("save")?;
    let mut run = plan.run(Fields::of([RAW]), context)?;
    let mut writer = Writer::create(path).map_err(|error| capture_error(&error))?;
    let mut packets = 0;
    let mut interfaces: Vec<Interface> = Vec::new();
    run.for_each(context, &Caller::Native(call), |item| {
        let Item::Row(row) = &item else { return Err(not_packets()) };
        let packet = packet_of(row).ok_or_else(not_packets)?;
        let raw = packet.raw().ok_or_else(not_packets)?;
        // Rows of several captures may come together, so interfaces are numbered anew.
        let name = packet.interface().map(str::to_owned);
        let interface = Interface { name, link: raw.link, snaplen: 0 };
        let place = interfaces.iter().position(|known| *known == interface).unwrap_or_else(|| {
            interfaces.push(interface);
            interfaces.len() - 1
        });
        let raw = RawPacket { interface: place as u32, ..raw };
        writer.write(&raw, &interfaces, None).map_err(|error| capture_error(&error))?;
        packets += 1;
        Ok(true)
    })?;
    writer.finish(&interfaces).map_err(|error| capture_error(&error))?;
    Ok(packets)
}

/// What `save` reads of a packet besides its fields.
pub(crate) const RAW: &str = "(bytes)";

fn packet_of(row: &Row) -> Option<&Packet> {
    let any: &dyn std::any::Any = row.as_ref();
    any.downcast_ref()
}

fn not_packets() -> Box<rhai::EvalAltResult> {
    thrown(ErrorKind::Usage, "save writes packets: capture(\"tcp port 80\").save(\"web.pcapng\")")
}

/// The plan in words, a line for each part.
pub(crate) fn explain(plan: &Plan, context: &Context) -> String {
    let mut lines = vec![match &plan.source {
        RowSource::Capture(tap) => {
            let packets = match tap.filter().as_str() {
                "" => "all packets".to_owned(),
                filter => format!("packets that match `{filter}` (libpcap)"),
            };
            format!("read     {} from {packets}", tap.noun().name)
        }
        RowSource::Array(rows) => format!("read     {} rows of an array", rows.len()),
        RowSource::Rows(_) => "read     rows of a file".to_owned(),
    }];
    for step in &plan.steps {
        lines.push(match step {
            Step::Filter(closure) => {
                format!("filter   interpreted, reads {}", super::super::plan::fields_read(closure, context))
            }
            Step::Map(closure) => {
                format!("map      interpreted, reads {}", super::super::plan::fields_read(closure, context))
            }
            Step::Take(rows) => format!("take     {rows}"),
            Step::Distinct(key) => format!("distinct by {}", key.fields(context)),
        });
    }
    lines.join("\n")
}
