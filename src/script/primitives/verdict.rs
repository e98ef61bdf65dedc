//! `finding()`, `pass()`, `inconclusive()`: what the run concludes.

use std::rc::Rc;

use rhai::{Array, Dynamic, Engine, EvalAltResult, Map};

use super::super::context::Context;
use super::super::docs::{Entry, Group};
use super::super::error::{ErrorKind, thrown};
use super::super::evidence::select;
use super::super::value::{from_dynamic, to_row};
use crate::nearest::suggestion;
use crate::record::Value;
use crate::report::{Finding, Severity};

pub(crate) const ENTRIES: &[Entry] = &[
    Entry {
        name: "finding",
        signature: "finding(id, #{ subject, title, severity, evidence, rows })",
        group: Group::Verdict,
        doc: "Reports trouble: the run ends with exit code 1. The subject is who, the title one sentence, the severity \
              info, low, medium, high or critical, the evidence the rows that show it. The packets behind `rows` are \
              what --evidence writes; without them, those behind the evidence.",
        example: "finding(\"unexpected-port\", #{ subject: \"203.0.113.9\", title: \"203.0.113.9 speaks HTTP on 8081\" })",
        needs: None,
    },
    Entry {
        name: "pass",
        signature: "pass(text)",
        group: Group::Verdict,
        doc: "Says what was checked and is right. It shows as a reason of a clean verdict.",
        example: "pass(\"no request was rejected\")",
        needs: None,
    },
    Entry {
        name: "inconclusive",
        signature: "inconclusive(reason)",
        group: Group::Verdict,
        doc: "Says why the run cannot tell: without findings it ends with exit code 3.",
        example: "inconclusive(\"no response was seen\")",
        needs: None,
    },
    Entry {
        name: "ignore_loss",
        signature: "ignore_loss()",
        group: Group::Verdict,
        doc: "Says that missing packets and cut input do not matter for this question: they are told, and a clean \
              verdict stays clean.",
        example: "ignore_loss()",
        needs: None,
    },
    Entry {
        name: "packet_counts",
        signature: "packet_counts() -> map",
        group: Group::Verdict,
        doc: "How many packets have been captured, received and dropped by now, as the summary of the run counts them.",
        example: "if packet_counts().dropped > 1000 { inconclusive(\"too many packets were dropped\") }",
        needs: None,
    },
];

pub(super) fn register(engine: &mut Engine, context: &Rc<Context>) {
    let this = context.clone();
    engine.register_fn("finding", move |id: &str, details: Map| finding(&this, id, &details));
    let this = context.clone();
    engine.register_fn("pass", move |text: &str| {
        this.ledger.borrow_mut().passed.push(text.to_owned());
        this.say(|out| out.pass(text))
    });
    let this = context.clone();
    engine.register_fn("inconclusive", move |reason: &str| {
        this.ledger.borrow_mut().inconclusive.push(reason.to_owned());
    });
    let this = context.clone();
    engine.register_fn("ignore_loss", move || this.ledger.borrow_mut().loss_ignored = true);
    let this = context.clone();
    engine.register_fn("packet_counts", move || packet_counts(&this));
}

fn packet_counts(context: &Context) -> Map {
    let ledger = context.ledger.borrow();
    let counts = [("captured", ledger.captured), ("received", ledger.received), ("dropped", ledger.loss.dropped)];
    counts.map(|(name, count)| (name.into(), i64::try_from(count).unwrap_or(i64::MAX).into())).into()
}

fn finding(context: &Context, id: &str, details: &Map) -> Result<(), Box<EvalAltResult>> {
    const DETAILS: [&str; 5] = ["subject", "title", "severity", "evidence", "rows"];
    if let Some(unknown) = details.keys().find(|name| !DETAILS.contains(&name.as_str())) {
        let hint = suggestion(unknown, DETAILS);
        let message = format!("a finding has no `{unknown}`; it has subject, title, severity, evidence and rows{hint}");
        return Err(thrown(ErrorKind::Usage, message));
    }
    let text = |name: &str| details.get(name).filter(|value| !value.is_unit()).map(ToString::to_string);
    let severity = match text("severity") {
        None => Severity::Medium,
        Some(name) => {
            name.parse().map_err(|error: crate::report::UnknownSeverity| thrown(ErrorKind::Usage, error.to_string()))?
        }
    };
    let evidence = list(details, "evidence");
    let rows = if details.contains_key("rows") { list(details, "rows") } else { evidence.clone() };
    let finding = Finding {
        id: id.to_owned(),
        subject: text("subject").unwrap_or_default(),
        title: text("title").unwrap_or_else(|| id.to_owned()),
        severity,
        evidence,
    };
    context.say(|out| out.finding(&finding))?;
    let mut ledger = context.ledger.borrow_mut();
    for row in rows {
        if let Value::Record(row) = row {
            select(&row, &mut ledger.evidence);
        }
    }
    ledger.findings.push(finding);
    Ok(())
}

/// The values of a detail: one, or several in an array. Maps become rows.
fn list(details: &Map, name: &str) -> Vec<Value<'static>> {
    let value = |value: &Dynamic| if value.is_map() { Value::Record(to_row(value)) } else { from_dynamic(value) };
    match details.get(name) {
        None => Vec::new(),
        Some(detail) if detail.is_unit() => Vec::new(),
        Some(detail) => match detail.read_lock::<Array>() {
            Some(values) => values.iter().map(value).collect(),
            None => vec![value(detail)],
        },
    }
}
