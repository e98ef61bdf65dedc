//! `dns_queries()`: DNS queries with their answers.

use super::super::docs::{Entry, Group};
use super::super::permission::Permission;
use super::super::source::Noun;
use crate::capture::Stage;
use crate::egress::Packets;
use crate::protocol::dns::{DnsQuery, Queries};

pub(crate) const ENTRIES: &[Entry] = &[Entry {
    name: "dns_queries",
    signature: "dns_queries() or dns_queries(filter) or dns_queries(filter, options) -> stream of dns_query",
    group: Group::Noun,
    doc: "DNS queries, each with its answer, over UDP and TCP on any port, multicast DNS and LLMNR: when they are \
          answered, or when no answer came in time.",
    example: "open(\"names.pcap\").dns_queries().filter(|q| q.rcode == \"NXDOMAIN\").take(3).table()",
    needs: Some(Permission::Capture),
}];

pub(crate) static DNS_QUERIES: Noun = Noun {
    name: "dns_queries",
    kind: DnsQuery::KIND,
    packets: Packets::Introductions,
    stage: |_, context| Stage::Conversations(Box::new(Queries::new(&context.options.limits))),
};
