//! Live interfaces as a source of packets.

mod session;
mod tap;

use std::os::fd::AsFd as _;
use std::time::Duration as Span;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{Arrival, Cancel, CaptureError, Interface, PacketSource, PipelineError, Progress};
use crate::clock::now;
use crate::host::Namespace;
use crate::limits::{ByteSize, Loss};
use crate::packet::RawPacket;
use crate::record::{Duration, Time};
pub use session::RemoteShell;
use tap::{Fetched, Tap};

/// After this time the kernel hands over packets even where a block of the ring is not full. Each time that takes a block
/// (256 KiB, as libpcap has it), so that this and the size of the ring say for how long a reader may be busy with something
/// else: 2.5 s.
const BLOCK_TIMEOUT: Span = Span::from_millis(20);

/// Behind its end a source waits that long for the blocks that the kernel has not handed over.
const LAST_BLOCKS: Duration = Duration::from_nanos(50_000_000);

/// Packets of different interfaces that are further apart than this are in order.
const HOLD_BACK: Duration = LAST_BLOCKS;

/// How long a source waits before it says that nothing has arrived.
const MOMENT: Duration = Duration::from_nanos(100_000_000);

/// An interface to listen on.
#[derive(Debug, Clone)]
pub struct Listen {
    /// Its name; `any` for all of its namespace.
    pub interface: String,
    /// Where it is, if not in the namespace of this process, and what to call that.
    pub place: Option<(Namespace, String)>,
}

/// How to listen.
#[derive(Debug, Clone)]
pub struct LiveSettings {
    /// Bytes kept of each packet, at most.
    pub snaplen: u32,
    /// Whether to ask the interface for packets that are for others, too.
    pub promiscuous: bool,
    /// Size of the kernel's ring, for each interface.
    pub ring: ByteSize,
    /// Whether the remote shell of whoever runs this is captured, too.
    pub remote_shell: bool,
}

impl Default for LiveSettings {
    fn default() -> Self {
        Self { snaplen: 262_144, promiscuous: true, ring: ByteSize(32 << 20), remote_shell: false }
    }
}

/// Listens on one or several interfaces, in the order of the packets' times.
///
/// What the kernel has captured by the end is delivered, too: its ring is read to the last packet. An interface that goes
/// down or disappears ends alone, with a note. Nothing is sent and nothing stays behind, whatever happens to the process.
///
/// # Errors
///
/// [`CaptureError::Listen`] where the kernel refuses, with the privilege that is missing.
pub struct LiveCapture {
    taps: Vec<Tap>,
    interfaces: Vec<Interface>,
    /// Whose packet was delivered last, if one was.
    current: Option<usize>,
    cancel: Cancel,
    /// Packets that were captured later are not delivered.
    end: Time,
    /// Of taps that have ended.
    dropped: u64,
    bytes: u64,
    notes: Vec<String>,
    /// The remote shell that is left out.
    shell: Option<RemoteShell>,
}

impl LiveCapture {
    /// Opens the interfaces. Packets that match the filter are kept from now on, for `duration`.
    ///
    /// # Errors
    ///
    /// As said above, and a filter that libpcap does not accept.
    pub fn open(
        listen: &[Listen],
        filter: &str,
        duration: Option<Duration>,
        settings: &LiveSettings,
        cancel: &Cancel,
    ) -> Result<Self, PipelineError> {
        let mut this = Self {
            taps: Vec::new(),
            interfaces: Vec::new(),
            current: None,
            cancel: cancel.clone(),
            end: Time::MAX,
            dropped: 0,
            bytes: 0,
            notes: Vec::new(),
            shell: None,
        };
        if !settings.remote_shell && listen.iter().any(|listen| listen.place.is_none()) {
            this.shell = RemoteShell::own();
        }
        for listen in listen {
            let shell = this.shell.as_ref().filter(|_| listen.place.is_none());
            let tap = Tap::open(listen, filter, shell, settings, &mut this.interfaces)?;
            this.taps.push(tap);
        }
        if let Some(duration) = duration {
            this.end = now() + duration;
        }
        Ok(this)
    }

    /// What is being listened on and for how long, in the words of tcpdump.
    #[must_use]
    pub fn banner(&self, duration: Option<Duration>) -> String {
        let taps = self.taps.iter().map(Tap::describe).collect::<Vec<_>>().join("; ");
        let until = duration.map_or_else(|| "until Ctrl-C".to_owned(), |duration| format!("for {duration}"));
        let shell = self.shell.as_ref();
        let shell = shell.map_or_else(String::new, |shell| format!("; without the SSH connection from {shell}"));
        format!("listening on {taps}, {until}{shell}")
    }

    /// Has every tap look for its next packet, and gives the one whose packet is the next of all.
    fn fetch(&mut self) -> Option<usize> {
        let mut next: Option<usize> = None;
        let mut is_waiting = false;
        let mut place = 0;
        while place < self.taps.len() {
            match self.taps[place].fetch(&mut self.interfaces) {
                Fetched::Packet(time) if time > self.end => {}
                Fetched::Packet(time) => {
                    if next.is_none_or(|next| Some(time) < self.taps[next].time()) {
                        next = Some(place);
                    }
                }
                Fetched::Nothing => is_waiting = true,
                Fetched::Ended(why) => {
                    self.close(place, &why);
                    continue;
                }
            }
            place += 1;
        }
        // Where nothing has arrived yet, something earlier may be on its way.
        next.filter(|&next| {
            let held = is_waiting && self.taps.len() > 1;
            !held || self.taps[next].time().is_none_or(|time| now() - time > HOLD_BACK)
        })
    }

    /// Ends one tap; the others go on.
    fn close(&mut self, place: usize, why: &str) {
        let mut tap = self.taps.remove(place);
        self.dropped += tap.dropped();
        self.notes.push(format!("capturing on {} ended: {why}", tap.name()));
    }

    /// Ends the taps whose interfaces have gone down, once what the kernel had of them is read.
    fn close_what_is_down(&mut self, now: Time) {
        for place in (0..self.taps.len()).rev() {
            if self.taps[place].is_down_for(now).is_some_and(|time| time > LAST_BLOCKS) {
                self.close(place, "it went down");
            }
        }
    }

    /// Waits for packets, for somebody who asks to stop, or for the end; a moment at most.
    fn wait(&self) {
        let rest = ((self.end + LAST_BLOCKS) - now()).min(MOMENT).max(Duration::from_nanos(1_000_000));
        let timeout = Timespec { tv_sec: 0, tv_nsec: rest.as_nanos() };
        let taps = self.taps.iter().map(|tap| PollFd::from_borrowed_fd(tap.as_fd(), PollFlags::IN));
        let mut watched: Vec<_> = taps.collect();
        if !self.cancel.is_requested() {
            watched.push(PollFd::from_borrowed_fd(self.cancel.as_fd(), PollFlags::IN));
        }
        // Whoever cannot wait looks again.
        let _ = poll(&mut watched, Some(&timeout));
    }
}

impl PacketSource for LiveCapture {
    fn advance(&mut self) -> Result<bool, CaptureError> {
        loop {
            match self.poll(true)? {
                Arrival::Packet => return Ok(true),
                Arrival::End => return Ok(false),
                Arrival::Nothing(_) if self.cancel.is_requested() => self.stop(),
                Arrival::Nothing(_) => {}
            }
        }
    }

    #[inline]
    fn poll(&mut self, wait: bool) -> Result<Arrival, CaptureError> {
        if let Some(current) = self.current.take() {
            self.taps[current].consume();
        }
        for attempt in [wait, false] {
            let mut next = self.fetch();
            let is_over = next.is_none() && (self.taps.is_empty() || now() > self.end + LAST_BLOCKS);
            if is_over {
                // Nothing is held back any more.
                next = self.fetch();
            }
            if let Some(next) = next {
                self.current = Some(next);
                self.bytes += u64::from(self.taps[next].packet().length);
                return Ok(Arrival::Packet);
            }
            if is_over {
                return Ok(Arrival::End);
            }
            if !attempt {
                break;
            }
            self.wait();
        }
        let now = now();
        self.close_what_is_down(now);
        Ok(Arrival::Nothing(now))
    }

    fn packet(&self) -> RawPacket<'_> {
        self.taps[self.current.unwrap_or_default()].packet()
    }

    fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }

    fn progress(&self) -> Progress {
        Progress { bytes: self.bytes, total: None }
    }

    fn stop(&mut self) {
        self.end = self.end.min(now());
    }

    fn loss(&mut self) -> Loss {
        let dropped = self.dropped + self.taps.iter_mut().map(Tap::dropped).sum::<u64>();
        Loss { dropped, ..Loss::default() }
    }

    fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }
}
