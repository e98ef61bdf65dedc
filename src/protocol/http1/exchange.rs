//! The record of one request and its response.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};

use super::credential::{Credential, Credentials};
use super::flags::Flags;
use super::forwarded::{self, Hop};
use super::head::Fields;
use super::message::Message;
use super::target::Target;
use crate::flow::{Flow, Owners, Side, community_id};
use crate::record::secret::{is_secret_header, mask_text, mask_whole_text};
use crate::record::{Duration, Record, Time, Value};

/// A request and the response to it, or one of them where the other was not seen.
///
/// Holds the heads as they were sent; fields are read off them when they are asked for. Secrets are masked in every
/// field, unless the settings said to show them.
pub struct HttpExchange {
    /// When the first byte of the request was captured; of the response, if there is no request.
    pub time: Time,
    client: SocketAddr,
    server: SocketAddr,
    pub(super) request: Option<Message>,
    pub(super) response: Option<Message>,
    /// Status codes of interim responses.
    pub(super) informational: Vec<u16>,
    /// What is remarkable about the two together.
    pub(super) flags: Flags,
    show_secrets: bool,
    owners: Option<Arc<Owners>>,
    /// The credential, once somebody asked for it.
    credential: OnceLock<Option<Arc<Credential>>>,
}

impl fmt::Debug for HttpExchange {
    /// As its fields show it, so that no secret gets into a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpExchange({})", self.summary())
    }
}

crate::flow::record_with_owners! {
    /// A request and the response to it, or one of them where the other was not seen.
    impl Record for HttpExchange as "http_exchange" {
        /// When the first byte of the request was captured; of the response, if there is no request.
        time: Time, main => |x| x.time;
        /// When the last byte of the exchange was captured, as far as it was.
        end: Time => |x| x.end();
        /// Who sent the request.
        client: Address, main => |x| x.client.ip();
        /// TCP port of the client.
        client_port: Integer => |x| x.client.port();
        /// Who sent the response.
        server: Address => |x| x.server.ip();
        /// TCP port of the server.
        server_port: Integer => |x| x.server.port();
        /// Method of the request, as sent.
        method: Text, main => |x| x.target().map(|target| text(target.method));
        /// Host that the request is for, with its port if one was sent.
        /// It is that of an absolute target, else of the Host field (RFC 9112, section 3.3).
        host: Text => |x| x.target().and_then(|target| target.host).map(cow_text);
        /// Path of the target, without the query.
        /// `*` if the request is for the server as a whole; none for CONNECT.
        path: Text, main => |x| x.target().and_then(|target| target.path).map(text);
        /// Query of the target, without the question mark.
        query: Text => |x| x.target().and_then(|target| target.query).map(|query| x.masked(query.into()));
        /// Absolute URL as far as it is known (RFC 9110, section 7.1).
        /// The address of the server stands for a host that the client did not name; of CONNECT it is the authority.
        url: Text => |x| x.target().map(|target| x.masked(target.url(x.server).into()));
        /// Protocol version of the request, else of the response: `HTTP/1.1`.
        version: Text => |x| x.version().map(text);
        /// Status code of the final response.
        status: Integer, main => |x| x.status();
        /// Reason phrase of the final response.
        reason: Text => |x| x.reason().map(text);
        /// Time from the last byte of the request to the first byte of the final response.
        /// None where they were not both seen, or not in that order.
        latency: Duration, main => |x| x.latency();
        /// Status codes of the interim responses (1xx) that came before the final one.
        informational: List => |x| x.informational.clone();
        /// Length of the request's body as sent, without chunk headers.
        /// What is missing from the capture does not count.
        request_bytes: Integer in "bytes" => |x| x.request.as_ref().map(|request| request.body_seen);
        /// Length of the response's body as sent, without chunk headers.
        /// What is missing from the capture does not count.
        response_bytes: Integer in "bytes" => |x| x.response.as_ref().map(|response| response.body_seen);
        /// Header fields of the request in order, names in lower case.
        request_headers: Map => |x| x.headers(x.request.as_ref());
        /// Header fields of the response in order, names in lower case.
        response_headers: Map => |x| x.headers(x.response.as_ref());
        /// Body of the request without its codings.
        /// It ends at a limit or a gap, as `flags` say; none if bodies were not asked for.
        request_body: Bytes => |x| x.body(x.request.as_ref());
        /// Body of the response without its codings.
        /// It ends at a limit or a gap, as `flags` say; none if bodies were not asked for.
        response_body: Bytes => |x| x.body(x.response.as_ref());
        /// Trailer fields of the request, then of the response (RFC 9110, section 6.5), names in lower case.
        trailers: Map => |x| x.trailers();
        /// User-Agent of the request.
        user_agent: Text => |x| x.header(x.request.as_ref(), "user-agent");
        /// Content-Type of the response.
        content_type: Text => |x| x.header(x.response.as_ref(), "content-type");
        /// The credential that the request carries.
        credential: Record => |x| x.credential();
        /// Whom the request came from, the originating client first.
        /// That is what X-Forwarded-For and Forwarded (RFC 7239) say, and whoever sends a request can write it.
        forwarded_for: List => |x| x.forwarded_for();
        /// The originating client: the first of `forwarded_for`, else `client`.
        origin: Text => |x| x.origin();
        /// What is remarkable, as short names such as `obs-fold` or `gap-in-response-body`.
        flags: List => |x| x.flags().names().collect::<Vec<_>>();
        /// Whether request and response were both captured to their ends.
        complete: Bool => |x| x.is_complete();
    } owners {
        /// Community ID of the TCP conversation.
        flow: Text => |x| community_id(6, x.client, x.server, false);
    }
}

impl HttpExchange {
    /// An exchange of which nothing was seen yet.
    pub(super) fn new(time: Time, client: SocketAddr, server: SocketAddr, show_secrets: bool) -> Self {
        Self {
            time,
            client,
            server,
            request: None,
            response: None,
            informational: Vec::new(),
            flags: Flags::NONE,
            show_secrets,
            owners: None,
            credential: OnceLock::new(),
        }
    }

    /// Takes the credential from those that are known, because it will be asked for.
    pub(super) fn know_credential(&self, known: &mut Credentials) {
        if let Some(request) = &self.request {
            self.credential.get_or_init(|| known.of(&request.head, self.status(), self.show_secrets));
        }
    }

    /// Notes who on this host has the two ends of its conversation.
    pub(super) fn belongs_to(&mut self, flow: &Flow) {
        let as_it_is = flow.endpoint(Side::Originator) == self.client;
        self.owners = flow.owners().map(|owners| Arc::new(if as_it_is { owners.clone() } else { owners.swapped() }));
    }

    fn owners(&self) -> Option<&Owners> {
        self.owners.as_deref()
    }

    fn status(&self) -> Option<u16> {
        self.response.as_ref().map(|response| response.status)
    }

    fn end(&self) -> Time {
        let messages = [self.request.as_ref(), self.response.as_ref()].into_iter().flatten();
        messages.map(|message| message.end.unwrap_or(message.time)).fold(self.time, Time::max)
    }

    fn target(&self) -> Option<Target<'_>> {
        Target::of(&self.request.as_ref()?.head)
    }

    fn version(&self) -> Option<&[u8]> {
        match (&self.request, &self.response) {
            (Some(request), _) => request.head.request_line().map(|line| line.version),
            (None, Some(response)) => response.head.status_line().map(|line| line.version),
            (None, None) => None,
        }
    }

    fn reason(&self) -> Option<&[u8]> {
        Some(self.response.as_ref()?.head.status_line()?.reason)
    }

    fn latency(&self) -> Option<Duration> {
        let latency = self.response.as_ref()?.time - self.request.as_ref()?.end?;
        (latency >= Duration::ZERO).then_some(latency)
    }

    fn is_complete(&self) -> bool {
        [&self.request, &self.response].iter().all(|message| message.as_ref().is_some_and(Message::is_complete))
    }

    fn flags(&self) -> Flags {
        let messages = [&self.request, &self.response];
        messages.into_iter().flatten().fold(self.flags, |flags, message| {
            let malformed = message.head.fields().any(|field| !field.is_well_formed());
            flags | message.flags | if malformed { Flags::MALFORMED_FIELD } else { Flags::NONE }
        })
    }

    /// A text of which the secrets are masked.
    fn masked<'a>(&self, bytes: Cow<'a, [u8]>) -> Value<'a> {
        if self.show_secrets { cow_text(bytes) } else { cow_text(masked(bytes, mask_text)) }
    }

    fn body<'a>(&self, message: Option<&'a Message>) -> Option<Cow<'a, [u8]>> {
        let body = message?.body.as_deref()?;
        Some(if self.show_secrets { Cow::Borrowed(body) } else { mask_whole_text(body) })
    }

    fn header<'a>(&self, message: Option<&'a Message>, name: &str) -> Option<Value<'a>> {
        Some(self.masked(message?.head.field(name)?))
    }

    fn headers<'a>(&self, message: Option<&'a Message>) -> Value<'a> {
        message.map_or(Value::None, |message| Value::Map(self.named(message.head.fields()).collect()))
    }

    fn trailers(&self) -> Value<'_> {
        let messages = [&self.request, &self.response].into_iter().flatten();
        Value::Map(messages.flat_map(|message| self.named(Fields(&message.trailers))).collect())
    }

    /// Fields by name in lower case.
    fn named<'a>(&self, fields: Fields<'a>) -> impl Iterator<Item = (Cow<'a, str>, Value<'a>)> {
        fields.map(|field| {
            let name = String::from_utf8_lossy(field.name());
            let name = if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
                Cow::Owned(name.to_ascii_lowercase())
            } else {
                name
            };
            let value = if !self.show_secrets && is_secret_header(&name) {
                cow_text(masked_field(&name, &field.value))
            } else {
                self.masked(field.value)
            };
            (name, value)
        })
    }

    fn credential(&self) -> Option<Arc<Credential>> {
        let find = || Credential::of(&self.request.as_ref()?.head, self.status(), self.show_secrets).map(Arc::new);
        self.credential.get_or_init(find).clone()
    }

    fn hops(&self) -> Vec<Hop> {
        self.request.as_ref().map(|request| forwarded::hops(&request.head)).unwrap_or_default()
    }

    fn forwarded_for(&self) -> Vec<Value<'_>> {
        let value = |hop| match hop {
            Hop::Address(address) => Value::Address(address),
            Hop::Name(name) => self.masked(name.into()),
        };
        self.hops().into_iter().map(value).collect()
    }

    fn origin(&self) -> Value<'_> {
        match self.hops().into_iter().next() {
            Some(Hop::Address(address)) => address_text(address),
            Some(Hop::Name(name)) => self.masked(name.into()),
            None => address_text(self.client.ip()),
        }
    }
}

fn address_text(address: IpAddr) -> Value<'static> {
    Value::Text(Cow::Owned(address.to_string()))
}

/// A text where the bytes are one.
fn text(bytes: &[u8]) -> Value<'_> {
    cow_text(Cow::Borrowed(bytes))
}

fn cow_text(bytes: Cow<'_, [u8]>) -> Value<'_> {
    match bytes {
        Cow::Borrowed(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Value::Text(Cow::Borrowed(text)),
            Err(_) => Value::Bytes(Cow::Borrowed(bytes)),
        },
        Cow::Owned(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Value::Text(Cow::Owned(text)),
            Err(error) => Value::Bytes(Cow::Owned(error.into_bytes())),
        },
    }
}

/// What masking leaves, without a copy where there was nothing to mask.
fn masked<'a>(bytes: Cow<'a, [u8]>, mask: fn(&[u8]) -> Cow<'_, [u8]>) -> Cow<'a, [u8]> {
    match bytes {
        Cow::Borrowed(bytes) => mask(bytes),
        Cow::Owned(bytes) => Cow::Owned(mask(&bytes).into_owned()),
    }
}

/// The value of a field that carries a secret, as it may be shown.
fn masked_field(name: &str, value: &[u8]) -> Cow<'static, [u8]> {
    let line = [name.as_bytes(), b": ", value].concat();
    let masked = mask_text(&line);
    Cow::Owned(masked.get(name.len() + 2..).unwrap_or_default().to_vec())
}
