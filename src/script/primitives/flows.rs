//! `flows()`: conversations.

use super::super::docs::{Entry, Group};
use super::super::permission::Permission;
use super::super::source::Noun;
use crate::capture::Stage;
use crate::egress::Packets;
use crate::flow::{Flow, Flows};

pub(crate) const ENTRIES: &[Entry] = &[Entry {
    name: "flows",
    signature: "flows() or flows(filter) or flows(filter, options) -> stream of flow",
    group: Group::Noun,
    doc: "Conversations: both directions in one row, when they end. Derive them with capture(…).flows(), too.",
    example: "flows(\"tcp\").filter(|f| f.state != \"closed\").table()",
    needs: Some(Permission::Capture),
}];

pub(crate) static FLOWS: Noun = Noun {
    name: "flows",
    kind: Flow::KIND,
    packets: Packets::All,
    stage: |_, _| Stage::Conversations(Box::new(Flows)),
};
