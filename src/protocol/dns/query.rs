//! The record of one query and its answer.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::data::Data;
use super::message::{AA, AD, CD, Message, Question, RA, RD, TC};
use super::name::Name;
use super::record::{ResourceRecord, Section};
use super::terms::{class_name, opcode_name, rcode_name, type_name};
use super::transport::Transport;
use crate::flow::{Flow, Owners, Side, community_id};
use crate::record::{Duration, Time, Value};

/// A question to a name server and the answer to it, or one of them where the other was not seen.
#[derive(Debug, Clone)]
pub struct DnsQuery {
    /// When the query was captured first; the answer, if there is no query.
    pub time: Time,
    /// When the last of its packets was captured.
    pub end: Time,
    client: SocketAddr,
    /// Who answered; whom the query went to, if nobody did.
    server: SocketAddr,
    /// The ends of the conversation that it belongs to.
    conversation: [SocketAddr; 2],
    pub(super) transport: Transport,
    pub(super) query: Option<Message>,
    pub(super) response: Option<Message>,
    /// When the answer was captured.
    answered: Option<Time>,
    pub(super) retries: u32,
    pub(super) remark: Option<Remark>,
    owners: Option<Arc<Owners>>,
}

/// What is remarkable about how a query and its answer belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remark {
    /// No answer was captured.
    NoAnswer,
    /// The capture ended before it was too late for an answer.
    Open,
    /// The limit did not let it wait for an answer.
    PendingLimit,
    /// The same query was answered before.
    Duplicate,
    /// A query with this identifier is open, and asks something else.
    OtherQuestion,
    /// It came after the query was given up.
    Late,
}

impl Remark {
    const fn name(self) -> &'static str {
        match self {
            Self::NoAnswer => "no-answer",
            Self::Open => "open",
            Self::PendingLimit => "pending-limit",
            Self::Duplicate => "duplicate",
            Self::OtherQuestion => "other-question",
            Self::Late => "late",
        }
    }
}

crate::flow::record_with_owners! {
    /// A DNS query and the answer to it, or one of them where the other was not seen.
    impl Record for DnsQuery as "dns_query" {
        /// When the query was captured first; the answer, if there is no query.
        time: Time, main => |x| x.time;
        /// When the last packet of it was captured: the answer, else the last time that it was asked.
        end: Time => |x| x.end;
        /// Who sent the query. Of an mDNS message to the group that answers, the group.
        client: Address, main => |x| x.client.ip();
        /// Port of the client.
        client_port: Integer => |x| x.client.port();
        /// Who answered; whom the query went to, if nobody did.
        server: Address => |x| x.server.ip();
        /// Port of the server.
        server_port: Integer => |x| x.server.port();
        /// How it was sent: `udp`, `tcp`, `mdns` (RFC 6762) or `llmnr` (RFC 4795).
        protocol: Text => |x| x.transport.name();
        /// Identifier that the answer has in common with the query.
        id: Integer => |x| x.id();
        /// What the message is for: `QUERY`, `NOTIFY`, `UPDATE`, …
        opcode: Text => |x| x.message().map(|message| opcode_name(message.opcode()));
        /// The name that is asked for, as sent, without the last dot; `.` is the root.
        /// Bytes that are no visible characters of ASCII are `\ddd` (RFC 4343). None in answers that do not repeat the
        /// question, as those of mDNS.
        name: Text, main => |x| x.question().map(|question| question.name.to_string());
        /// The type that is asked for: `A`, `AAAA`, `HTTPS`, …; `TYPE65280` if it has no name (RFC 3597).
        r#type: Text, main => |x| x.question().map(|question| type_name(question.kind));
        /// The class that is asked for, nearly always `IN`.
        class: Text => |x| x.question().map(|question| x.class_of(&question));
        /// All questions, if there are several, as in mDNS: `name`, `type` and `class` of each.
        questions: List => |x| x.questions();
        /// What the answer says: `NOERROR`, `NXDOMAIN`, `SERVFAIL`, …, those of EDNS among them.
        rcode: Text, main => |x| x.rcode().map(rcode_name);
        /// The data of each record in the answer section, in order, in the words of zone files.
        answers: List, main => |x| x.section(Section::Answer).map(|record| record.data.to_string()).collect::<Vec<_>>();
        /// All records of the answer, or of the query if there is none.
        records: List => |x| x.records().map(Arc::new).collect::<Vec<_>>();
        /// The addresses among the answers.
        addresses: List => |x| x.addresses().collect::<Vec<_>>();
        /// The names that the name is an alias of (CNAME, DNAME), in the order of the answers.
        aliases: List => |x| x.aliases().map(|name| name.to_string()).collect::<Vec<_>>();
        /// How long the answers may be kept: the smallest of their times to live.
        ttl: Integer in "seconds" => |x| x.section(Section::Answer).map(|record| record.ttl).min();
        /// Time from the first time that the query was sent to the answer: what the client had to wait.
        /// None where they were not both seen, or not in that order.
        latency: Duration, main => |x| x.latency();
        /// How often the client sent the same query again before the answer.
        retries: Integer => |x| x.retries;
        /// What the header of the answer says, or of the query if there is none: `aa` (of the authority), `tc` (cut off:
        /// ask over TCP), `rd` (recursion desired), `ra` (recursion available), `ad` (authentic data), `cd` (checking
        /// disabled); for LLMNR `conflict`, `tc` and `tentative`. `do`: the client takes signatures.
        /// Then what is remarkable: `no-answer` (none was captured); `open` (nor one, but what was
        /// captured ends soon after the query); `cut` (not captured whole); `malformed`; `trailing` (something stands
        /// behind the last record); `duplicate` (the query was answered before); `other-question` (a query with this
        /// identifier is open, and asks something else); `late` (the query was given up as `no-answer` before);
        /// `transfer` (of a zone, of which only the first message is shown); `pending-limit` (too many queries wait for
        /// an answer, so this one is told without).
        flags: List => |x| x.flags();
        /// Whether query and answer were both captured whole.
        complete: Bool => |x| [&x.query, &x.response].iter().all(|m| m.as_ref().is_some_and(Message::is_whole));
    } owners {
        /// Community ID of the conversation in which the query was sent, or the answer, if there is no query.
        flow: Text => |x| community_id(x.transport.number(), x.conversation[0], x.conversation[1], false);
    }
}

impl DnsQuery {
    /// A message that stands alone so far.
    pub(super) fn new(
        time: Time,
        client: SocketAddr,
        server: SocketAddr,
        transport: Transport,
        message: Message,
    ) -> Self {
        let is_response = message.is_response();
        let (query, response) = if is_response { (None, Some(message)) } else { (Some(message), None) };
        Self {
            time,
            end: time,
            client,
            server,
            conversation: [client, server],
            transport,
            query,
            response,
            answered: is_response.then_some(time),
            retries: 0,
            remark: None,
            owners: None,
        }
    }

    /// Notes who on this host has the two ends of its conversation.
    pub(super) fn belongs_to(&mut self, flow: &Flow) {
        let as_it_is = flow.endpoint(Side::Originator) == self.client;
        self.owners = flow.owners().map(|owners| Arc::new(if as_it_is { owners.clone() } else { owners.swapped() }));
    }

    /// Adds the answer, which was told apart before.
    pub(super) fn add(&mut self, answer: Self) {
        self.end = self.end.max(answer.end);
        self.server = answer.server;
        self.answered = answer.answered;
        self.response = answer.response;
        self.owners = answer.owners.or(self.owners.take());
    }

    /// Bytes of its messages.
    pub(super) fn bytes(&self) -> usize {
        [&self.query, &self.response].into_iter().flatten().map(|message| message.bytes().len()).sum()
    }

    /// Who asked.
    #[must_use]
    pub const fn client(&self) -> SocketAddr {
        self.client
    }

    /// Who answered; whom the query went to, if nobody did.
    #[must_use]
    pub const fn server(&self) -> SocketAddr {
        self.server
    }

    /// The name that is asked for.
    #[must_use]
    pub fn name(&self) -> Option<Name> {
        self.question().map(|question| question.name)
    }

    /// The type that is asked for, as a number.
    #[must_use]
    pub fn query_type(&self) -> Option<u16> {
        self.question().map(|question| question.kind)
    }

    /// What the answer says, as a number: 0 for `NOERROR`.
    #[must_use]
    pub fn rcode(&self) -> Option<u16> {
        self.response.as_ref().map(|response| response.rcode)
    }

    /// When the answer was captured.
    #[must_use]
    pub const fn answered(&self) -> Option<Time> {
        self.answered
    }

    /// All records of the answer, or of the query if there is none, that can be read.
    pub fn records(&self) -> impl Iterator<Item = ResourceRecord> {
        self.message().into_iter().flat_map(Message::records)
    }

    /// The addresses in the answer section.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.section(Section::Answer).filter_map(|record| match record.data {
            Data::A(address) => Some(address.into()),
            Data::Aaaa(address) => Some(address.into()),
            _ => None,
        })
    }

    /// The names in the answer section that the name is an alias of, in order.
    pub fn aliases(&self) -> impl Iterator<Item = Name> {
        self.section(Section::Answer).filter_map(|record| match record.data {
            Data::Cname(name) | Data::Dname(name) => Some(name),
            _ => None,
        })
    }

    /// Records of the answer, not those of a query.
    fn section(&self, section: Section) -> impl Iterator<Item = ResourceRecord> {
        let records = self.response.iter().flat_map(Message::records);
        records.filter(move |record| record.section == section)
    }

    pub(super) fn id(&self) -> Option<u16> {
        self.message().map(Message::id)
    }

    /// The answer, or the query if there is none.
    fn message(&self) -> Option<&Message> {
        self.response.as_ref().or(self.query.as_ref())
    }

    pub(super) fn question(&self) -> Option<Question> {
        self.query.as_ref().and_then(Message::question).or_else(|| self.response.as_ref()?.question())
    }

    /// Whether the answer to it may be many messages: a zone is transferred.
    pub(super) fn is_transfer(&self) -> bool {
        self.transport == Transport::Tcp && matches!(self.query_type(), Some(251 | 252))
    }

    fn owners(&self) -> Option<&Owners> {
        self.owners.as_deref()
    }

    fn latency(&self) -> Option<Duration> {
        let latency = self.answered? - self.query.as_ref().map(|_| self.time)?;
        (latency >= Duration::ZERO).then_some(latency)
    }

    /// In mDNS the upper bit of a class asks for an answer to the client alone (RFC 6762, section 5.4).
    fn class_of(&self, question: &Question) -> Cow<'static, str> {
        class_name(if self.transport == Transport::Mdns { question.class & 0x7fff } else { question.class })
    }

    fn questions(&self) -> Vec<Value<'static>> {
        let message = self.query.as_ref().or(self.response.as_ref());
        let questions: Vec<Question> = message.map(|message| message.questions().collect()).unwrap_or_default();
        if questions.len() < 2 {
            return Vec::new();
        }
        let value = |question: &Question| {
            Value::Map(vec![
                ("name".into(), question.name.to_string().into()),
                ("type".into(), type_name(question.kind).into()),
                ("class".into(), self.class_of(question).into()),
            ])
        };
        questions.iter().map(value).collect()
    }

    fn flags(&self) -> Vec<&'static str> {
        let bits = self.message().map_or(0, Message::bits);
        let header: &[(u16, &'static str)] = match self.transport {
            Transport::Llmnr => &[(AA, "conflict"), (TC, "tc"), (RD, "tentative")],
            // The others are to be ignored there (RFC 6762, section 18).
            Transport::Mdns => &[(AA, "aa"), (TC, "tc")],
            Transport::Udp | Transport::Tcp => {
                &[(AA, "aa"), (TC, "tc"), (RD, "rd"), (RA, "ra"), (AD, "ad"), (CD, "cd")]
            }
        };
        let mut flags: Vec<_> = header.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| *name).collect();
        let has = |what: fn(&Message) -> bool| [&self.query, &self.response].into_iter().flatten().any(what);
        let remarkable = [
            (self.query.as_ref().or(self.response.as_ref()).is_some_and(|message| message.dnssec_ok), "do"),
            (has(|message| message.is_cut), "cut"),
            (has(|message| message.is_malformed), "malformed"),
            (has(|message| message.has_rest), "trailing"),
            (self.is_transfer() && self.rcode() == Some(0), "transfer"),
        ];
        flags.extend(remarkable.iter().filter(|(holds, _)| *holds).map(|(_, name)| *name));
        flags.extend(self.remark.map(Remark::name));
        flags
    }
}
