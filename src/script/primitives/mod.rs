//! What scripts can call: one thin file for each noun.

mod capture;
mod containers;
mod dns_queries;
mod flows;
mod helpers;
mod host;
mod http_requests;
mod place;
mod policy;
mod proxy;
mod rounds;
mod rows;
mod run;
mod status;
mod tls_handshakes;
mod trace;
mod trace_options;
mod verdict;

use std::rc::Rc;

use rhai::Engine;

use super::context::Context;
use super::docs::Entry;
use super::source::Noun;
use crate::host::container::{Container, Veth};
use crate::host::{Connection, Interface, InterfaceRate, Listener};
use crate::protocol::dns::ResourceRecord;
use crate::protocol::http1::Credential;
use crate::record::Kind;
use crate::trace::{Attempt, Comparison, Hop, Resolution, Trace};

/// What the primitives are called and how.
pub(crate) const ENTRIES: &[&[Entry]] = &[
    capture::ENTRIES,
    flows::ENTRIES,
    http_requests::ENTRIES,
    dns_queries::ENTRIES,
    tls_handshakes::ENTRIES,
    run::ENTRIES,
    containers::ENTRIES,
    host::ENTRIES,
    trace::ENTRIES,
    status::ENTRIES,
    policy::ENTRIES,
    proxy::ENTRIES,
    rows::ENTRIES,
    verdict::ENTRIES,
    rounds::ENTRIES,
    helpers::ENTRIES,
];

/// What a capture can give.
pub(crate) const NOUNS: &[&Noun] = &[
    &capture::PACKETS,
    &flows::FLOWS,
    &http_requests::HTTP_REQUESTS,
    &dns_queries::DNS_QUERIES,
    &tls_handshakes::TLS_HANDSHAKES,
    &run::ATTEMPTS,
];

/// Every kind of record that has fields of its own.
pub const KINDS: &[&Kind] = &[
    capture::PACKETS.kind,
    flows::FLOWS.kind,
    http_requests::HTTP_REQUESTS.kind,
    run::RUN.kind,
    Credential::KIND,
    dns_queries::DNS_QUERIES.kind,
    ResourceRecord::KIND,
    tls_handshakes::TLS_HANDSHAKES.kind,
    Container::KIND,
    Veth::KIND,
    Interface::KIND,
    InterfaceRate::KIND,
    Listener::KIND,
    Connection::KIND,
    Trace::KIND,
    Hop::KIND,
    Comparison::KIND,
    Attempt::KIND,
    Resolution::KIND,
    crate::proxy::Connection::KIND,
    crate::proxy::TargetState::KIND,
    crate::proxy::Stats::KIND,
    crate::proxy::AppStats::KIND,
];

/// Registers all primitives.
pub(crate) fn register(engine: &mut Engine, context: &Rc<Context>) {
    capture::register(engine, context);
    for noun in NOUNS {
        capture::register_noun(engine, context, noun);
    }
    containers::register(engine, context);
    host::register(engine, context);
    policy::register(engine, context);
    proxy::register(engine, context);
    rounds::register(engine, context);
    rows::register(engine, context);
    run::register(engine, context);
    status::register(engine, context);
    trace::register(engine, context);
    verdict::register(engine, context);
    helpers::register(engine, context);
}
