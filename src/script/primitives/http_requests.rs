//! `http_requests()`: HTTP/1.x requests with their responses.

use super::super::docs::{Entry, Group};
use super::super::permission::Permission;
use super::super::source::Noun;
use crate::capture::Stage;
use crate::egress::Packets;
use crate::protocol::http1::{Exchanges, HttpExchange, Settings};

pub(crate) const ENTRIES: &[Entry] = &[Entry {
    name: "http_requests",
    signature: "http_requests() or http_requests(filter) or http_requests(filter, options) -> stream of http_exchange",
    group: Group::Noun,
    doc: "HTTP/1.x requests, each with its response, on any port, when they are complete.",
    example: "http_requests().filter(|r| r.status >= 400).table()",
    needs: Some(Permission::Capture),
}];

pub(crate) static HTTP_REQUESTS: Noun = Noun {
    name: "http_requests",
    kind: HttpExchange::KIND,
    packets: Packets::All,
    stage: |fields, context| {
        Stage::Conversations(Box::new(Exchanges::new(Settings {
            limits: context.options.limits.clone(),
            bodies: fields.contains("request_body") || fields.contains("response_body"),
            credentials: fields.contains("credential"),
            show_secrets: context.options.show_secrets,
        })))
    },
};
