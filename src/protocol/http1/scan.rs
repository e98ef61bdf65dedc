//! Finding the end of a head that arrives in pieces, and on the way what decides how long the body is.

use memchr::memchr;

use super::flags::Flags;
use super::framing::{Framing, Method};
use super::start_line::{RequestLine, Sends, StatusLine, is_token, may_begin, without_line_end};

/// One pass over a head. Goes on where it stopped when more bytes have come; every byte is looked at once.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Where the current line begins; a field with folded lines counts as one.
    line: usize,
    /// Up to where line ends were looked for.
    searched: usize,
    /// Where the field lines begin; 0 until the start line is there.
    fields: usize,
    /// What the fields said so far about the body.
    framing: Framing,
}

/// How far a head is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// Its end has not come.
    Incomplete,
    /// It ends at this offset.
    Complete(usize),
    /// This is not the head of a message.
    Invalid,
}

impl Scan {
    /// Looks at what came since the last time; `head` begins with the same bytes as then.
    ///
    /// Where a message is certain to begin here (`in_sync`), it may be malformed in ways that servers accept.
    pub(super) fn advance(&mut self, head: &[u8], sends: Sends, in_sync: bool) -> Progress {
        loop {
            let Some(newline) = memchr(b'\n', &head[self.searched..]).map(|found| self.searched + found) else {
                self.searched = head.len();
                let plausible = self.fields > 0 || may_begin(head, sends);
                return if plausible { Progress::Incomplete } else { Progress::Invalid };
            };
            let line = without_line_end(&head[self.line..=newline]);
            if self.fields == 0 {
                if !self.start_line(line, sends, in_sync) {
                    return Progress::Invalid;
                }
                self.fields = newline + 1;
            } else if line.is_empty() {
                self.line_end(head, newline);
                return Progress::Complete(newline + 1);
            } else {
                match head.get(newline + 1) {
                    // Whether the field goes on in the next line is not known yet.
                    None => {
                        self.searched = newline;
                        return Progress::Incomplete;
                    }
                    Some(b' ' | b'\t') => {
                        self.framing.flags |= Flags::OBS_FOLD;
                        self.line_end(head, newline);
                        self.searched = newline + 1;
                        continue;
                    }
                    Some(_) => {
                        if !in_sync && self.line == self.fields && !is_field(line) {
                            return Progress::Invalid;
                        }
                        self.framing.field(line);
                    }
                }
            }
            self.line_end(head, newline);
            self.line = newline + 1;
            self.searched = newline + 1;
        }
    }

    /// Where the field lines begin, once the start line is there.
    pub(super) fn fields(&self) -> Option<usize> {
        (self.fields > 0).then_some(self.fields)
    }

    /// How many bytes of whole lines there are; a field counts when it is certain that it does not go on.
    pub(super) fn whole_lines(&self) -> usize {
        self.line
    }

    /// What the fields said so far about the body.
    pub(super) fn framing(&self) -> Framing {
        self.framing
    }

    fn start_line(&mut self, line: &[u8], sends: Sends, in_sync: bool) -> bool {
        match sends {
            Sends::Requests => {
                let Some(line) = RequestLine::parse(line) else { return false };
                if !line.is_well_formed() {
                    self.framing.flags |= Flags::MALFORMED_START_LINE;
                }
                self.framing.version_1_0 = line.version == b"HTTP/1.0";
                self.framing.method = match line.method {
                    b"HEAD" => Method::Head,
                    b"CONNECT" => Method::Connect,
                    _ => Method::Other,
                };
                in_sync || line.is_well_formed()
            }
            Sends::Responses => {
                let Some(line) = StatusLine::parse(line) else { return false };
                self.framing.version_1_0 = line.version == b"HTTP/1.0";
                self.framing.status = line.status;
                true
            }
        }
    }

    fn line_end(&mut self, head: &[u8], newline: usize) {
        if newline == 0 || head[newline - 1] != b'\r' {
            self.framing.flags |= Flags::BARE_LF;
        }
    }
}

/// Whether a line is a field line.
fn is_field(line: &[u8]) -> bool {
    memchr(b':', line).is_some_and(|colon| is_token(&line[..colon]))
}
