//! A message: header, questions and records.

use super::data::Data;
use super::layout::OPT;
use super::name::{Name, Read, Reader, Unreadable};
use super::record::{ResourceRecord, Section};

/// A message whose header and questions can be read.
///
/// Holds the bytes as they were sent; records are read off them when they are asked for, so that a small message cannot
/// take much memory.
#[derive(Debug, Clone)]
pub(super) struct Message {
    bytes: Box<[u8]>,
    /// Questions that were read, and where they end.
    questions: u16,
    records_at: usize,
    /// With the upper bits that EDNS adds.
    pub(super) rcode: u16,
    /// Whether the sender takes signatures (DO of EDNS).
    pub(super) dnssec_ok: bool,
    /// Its end was not captured.
    pub(super) is_cut: bool,
    /// A record is not as the standard has it.
    pub(super) is_malformed: bool,
    /// Something stands behind the last record.
    pub(super) has_rest: bool,
}

/// What a message asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) name: Name,
    pub(super) kind: u16,
    pub(super) class: u16,
}

/// Bytes of the header.
const HEADER: usize = 12;

/// Bits of the header, as they stand in its second word.
pub(super) const QR: u16 = 0x8000;
pub(super) const AA: u16 = 0x0400;
pub(super) const TC: u16 = 0x0200;
pub(super) const RD: u16 = 0x0100;
pub(super) const RA: u16 = 0x0080;
pub(super) const Z: u16 = 0x0040;
pub(super) const AD: u16 = 0x0020;
pub(super) const CD: u16 = 0x0010;

impl Message {
    /// Reads a message, of which the end may be missing.
    pub(super) fn read(bytes: &[u8], is_cut: bool) -> Option<Self> {
        let mut reader = Reader::new(bytes, HEADER);
        if bytes.len() < HEADER {
            return None;
        }
        let mut message = Self {
            bytes: Box::default(),
            questions: 0,
            records_at: HEADER,
            rcode: word(bytes, 1) & 0xf,
            dnssec_ok: false,
            is_cut,
            is_malformed: false,
            has_rest: false,
        };
        for number in 0..word(bytes, 2) {
            match Question::read(&mut reader) {
                Ok(_) => (message.questions, message.records_at) = (number + 1, reader.at),
                // What is asked cannot be told.
                Err(_) if number == 0 => return None,
                Err(why) => {
                    message.is_malformed = why == Unreadable::Malformed || !is_cut;
                    message.bytes = bytes.into();
                    return Some(message);
                }
            }
        }
        // Where a server left out what does not fit, it may stop anywhere.
        let may_end = is_cut || word(bytes, 1) & TC != 0;
        let mut records = Records::new(bytes, reader.at);
        while let Some(record) = records.read() {
            match record {
                Ok((record, is_well_formed)) => {
                    message.is_malformed |= !is_well_formed;
                    if record.kind == OPT && record.section == Section::Additional {
                        message.rcode |= u16::from(record.ttl.to_be_bytes()[0]) << 4;
                        message.dnssec_ok = record.ttl & 0x8000 != 0;
                    }
                }
                Err(why) => {
                    message.is_malformed |= why == Unreadable::Malformed || !may_end;
                    message.bytes = bytes.into();
                    return Some(message);
                }
            }
        }
        message.has_rest = records.reader.at < bytes.len();
        message.bytes = bytes.into();
        Some(message)
    }

    /// Whether a message of which that is the beginning may be [certain](Self::is_certain).
    pub(super) fn may_be_certain(begun: &[u8]) -> bool {
        begun.len() < HEADER || word(begun, 1) & Z == 0 && word(begun, 2) == 1
    }

    /// Whether this is nothing but an ordinary message, so that something else is hardly taken for it: for ports that
    /// say nothing.
    pub(super) fn is_certain(&self) -> bool {
        const OPCODES: [u8; 3] = [0, 4, 5];
        let [answers, authorities, additional] = [3, 4, 5].map(|place| word(&self.bytes, place));
        let is_asked = |question: &Question| {
            let labels = question.name.labels().flatten();
            matches!(question.class, 1 | 3 | 254 | 255) && labels.into_iter().all(u8::is_ascii_graphic)
        };
        let is_small = match self.opcode() {
            // An incremental transfer brings the state that the client has (RFC 1995).
            0 => answers == 0 && authorities <= 1 && additional <= 2,
            _ => additional <= 2,
        };
        !(self.is_cut || self.is_malformed || self.has_rest)
            && OPCODES.contains(&self.opcode())
            && Self::may_be_certain(&self.bytes)
            && self.question().as_ref().is_some_and(is_asked)
            && (self.is_response() || self.rcode == 0 && is_small)
    }

    pub(super) fn id(&self) -> u16 {
        word(&self.bytes, 0)
    }

    /// The bits of the header.
    pub(super) fn bits(&self) -> u16 {
        word(&self.bytes, 1)
    }

    pub(super) fn is_response(&self) -> bool {
        self.bits() & QR != 0
    }

    pub(super) fn opcode(&self) -> u8 {
        self.bits().to_be_bytes()[0] >> 3 & 0xf
    }

    /// Whether all of it was captured and can be read.
    pub(super) const fn is_whole(&self) -> bool {
        !self.is_cut && !self.is_malformed
    }

    /// The first question.
    pub(super) fn question(&self) -> Option<Question> {
        self.questions().next()
    }

    pub(super) fn questions(&self) -> impl Iterator<Item = Question> {
        let mut reader = Reader::new(&self.bytes, HEADER);
        (0..self.questions).map_while(move |_| Question::read(&mut reader).ok())
    }

    /// The records of all sections that can be read.
    pub(super) fn records(&self) -> impl Iterator<Item = ResourceRecord> {
        let mut records = Records::new(&self.bytes, self.records_at);
        let all_asked = self.questions == word(&self.bytes, 2);
        std::iter::from_fn(move || records.read().filter(|_| all_asked)?.ok().map(|(record, _)| record))
    }

    /// Its bytes, as far as they were captured.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// A word of the header.
fn word(bytes: &[u8], place: usize) -> u16 {
    Reader::new(bytes, 2 * place).u16().unwrap_or_default()
}

impl Question {
    fn read(reader: &mut Reader<'_>) -> Read<Self> {
        Ok(Self { name: reader.name()?, kind: reader.u16()?, class: reader.u16()? })
    }
}

/// The records of a message, one after another.
struct Records<'a> {
    reader: Reader<'a>,
    /// How many are left in each section.
    left: [u16; 3],
}

impl<'a> Records<'a> {
    fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { reader: Reader::new(bytes, at), left: [3, 4, 5].map(|place| word(bytes, place)) }
    }

    /// The next record, and whether its data is as its type has it.
    fn read(&mut self) -> Option<Read<(ResourceRecord, bool)>> {
        let place = self.left.iter().position(|left| *left > 0)?;
        self.left[place] -= 1;
        Some(self.record(Section::ALL[place]))
    }

    fn record(&mut self, section: Section) -> Read<(ResourceRecord, bool)> {
        let reader = &mut self.reader;
        let (name, kind, class, ttl) = (reader.name()?, reader.u16()?, reader.u16()?, reader.u32()?);
        let length = reader.u16()?;
        let bytes = reader.part(length.into())?;
        // The upper bit of a class says something else in mDNS (RFC 6762, section 10.2).
        let read = match length {
            // An update names what it removes, or asks for, without data (RFC 2136).
            0 if kind != OPT => Ok(Data::unknown(&bytes)),
            _ => Data::read(kind, if kind == OPT { class } else { class & 0x7fff }, bytes.clone()),
        };
        let is_well_formed = read.is_ok();
        let data = read.unwrap_or_else(|_| Data::unknown(&bytes));
        Ok((ResourceRecord { section, name, kind, class, ttl, data }, is_well_formed))
    }
}
