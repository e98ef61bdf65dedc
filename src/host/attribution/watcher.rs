//! What is done beside answering: the kernel is listened to in time, containers are looked up, sockets are listed.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::home::{Home, HostNamespaces};
use super::hook::Hook;
use super::known::Known;
use super::lookup::{End, Finding};
use super::places::Places;
use super::survey::survey;
use crate::clock::{BootClock, now};
use crate::flow::Ownership;
use crate::host::{Containers, Namespace, Query};

/// How often the kernel is listened to. What it tells in that time must fit into the ring, and a container must not be gone
/// before it was looked up.
const TICK: Duration = Duration::from_millis(25);

/// How long a question waits for a container to be looked up, which happens once for each.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long questions do not wait any more when that was in vain.
const IMPATIENCE: Duration = Duration::from_secs(5);

/// Looking for containers takes one part in so many of the time at most, and pauses no longer than questions wait.
const LOOKING: u32 = 4;
const LONGEST: Duration = Duration::from_millis(150);

/// Listing sockets takes this part of the time at most, one in…: where sockets come and go, and where nothing changes.
const LISTING: u32 = 25;
const LISTING_IDLE: u32 = 200;

/// The same where somebody asks for what is not in the last list.
const LISTING_ASKED: u32 = 10;

/// Sockets are not listed more often.
const SHORTEST: Duration = Duration::from_millis(100);

/// Addresses are not looked at more often only because somebody asks for one that nobody has.
const PLACES: Duration = Duration::from_secs(2);

/// What the thread and those who ask share.
pub(super) struct Watcher {
    state: Mutex<State>,
    /// Something was looked up.
    changed: Condvar,
    stopped: AtomicBool,
    /// Which containers to look for.
    query: Query,
}

struct State {
    hook: Option<Hook>,
    known: Known,
    /// Those that nobody has looked at yet.
    homes: Vec<Arc<Home>>,
    /// Until when questions do not wait.
    impatient: Option<Instant>,
    /// Whether somebody asked for an address that nobody on this host has, as far as is known.
    is_address_unknown: bool,
    /// When places may be looked at for that.
    next_places: Instant,
    /// When sockets may be listed again: by the thread, and for a question.
    next_listing: Instant,
    next_asked_listing: Instant,
}

impl Watcher {
    /// Looks at what is there.
    ///
    /// # Errors
    ///
    /// When `/proc` is not there.
    pub(super) fn new(hook: Option<Hook>, host: HostNamespaces, captured: Vec<u64>, query: Query) -> io::Result<Self> {
        let complete_since = hook.as_ref().map(|_| now());
        let known = Known::new(host, captured, complete_since);
        let at = Instant::now();
        let state = State {
            hook,
            known,
            homes: Vec::new(),
            impatient: None,
            is_address_unknown: false,
            next_places: at,
            next_listing: at,
            next_asked_listing: at,
        };
        let watcher =
            Self { state: Mutex::new(state), changed: Condvar::new(), stopped: AtomicBool::new(false), query };
        // What the hook tells meanwhile is taken afterwards: it is newer.
        watcher.list()?;
        watcher.look();
        Ok(watcher)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing is half done in there that a panic elsewhere could leave.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    pub(super) fn losses(&self) -> (u64, u64) {
        self.state().known.losses()
    }

    /// The thread's work, until it is stopped.
    pub(super) fn run(&self) {
        let mut next_look = Instant::now();
        while !self.stopped.load(Ordering::Relaxed) {
            thread::park_timeout(TICK);
            let mut state = self.state();
            state.drain();
            let (has_hook, next_listing) = (state.hook.is_some(), state.next_listing);
            drop(state);
            if !has_hook && Instant::now() >= next_listing {
                // Without /proc there is nothing to be known, until it is back.
                let _ = self.list();
            }
            if Instant::now() >= next_look
                && let Some(took) = self.look()
            {
                next_look = Instant::now() + took.min(LONGEST) * (LOOKING - 1);
            }
        }
    }

    /// Looks up containers and addresses, if somebody is where nobody has looked. How long it took.
    fn look(&self) -> Option<Duration> {
        let begun = Instant::now();
        let (homes, arrivals, looks_at_places) = {
            let mut state = self.state();
            let new = state.known.take_unresolved();
            state.homes.extend(new);
            let is_due = state.is_address_unknown && begun >= state.next_places;
            (state.homes.clone(), state.known.arrivals(), is_due || state.known.are_places_old())
        };
        if homes.is_empty() && !looks_at_places {
            return None;
        }
        let containers = Containers::read(&self.query);
        let host = self.state().known.host();
        for home in &homes {
            home.resolve(&containers, &host);
        }
        self.state().homes.retain(|home| home.residence().is_none());
        self.changed.notify_all();
        if looks_at_places && let Ok(namespaces) = Namespace::all() {
            let places = Places::read(&namespaces, &containers);
            let mut state = self.state();
            state.known.take_places(places, arrivals);
            (state.is_address_unknown, state.next_places) = (false, Instant::now() + PLACES);
            self.changed.notify_all();
        }
        Some(begun.elapsed())
    }

    /// Lists sockets.
    fn list(&self) -> io::Result<()> {
        let open = self.state().known.open();
        let begun = now();
        let namespaces = Namespace::all().map_err(io::Error::other)?;
        let survey = survey(&namespaces, |cookie| open.get(&cookie) == Some(&true))?;
        let mut state = self.state();
        let took = survey.took;
        let is_new = state.known.take_survey(survey, begun);
        let at = Instant::now();
        let pause = took * if is_new { LISTING } else { LISTING_IDLE };
        state.next_listing = at + pause.clamp(SHORTEST, Duration::from_secs(2));
        state.next_asked_listing = at + took * LISTING_ASKED;
        Ok(())
    }

    /// Who has an end of a conversation.
    pub(super) fn owner(&self, end: &End, thread: &Thread) -> Ownership {
        let deadline = Instant::now() + PATIENCE;
        let mut may_list = true;
        let mut state = self.state();
        state.drain();
        loop {
            let finding = state.known.knowledge().owner(end);
            if may_list && finding.may_be_better() && state.may_list() {
                may_list = false;
                drop(state);
                let listed = self.list();
                state = self.state();
                if listed.is_ok() {
                    continue;
                }
            }
            let waits = match &finding {
                Finding::Is(Ownership::Elsewhere) => state.known.are_places_old(),
                Finding::Is(_) => false,
                Finding::NotLookedUp => true,
            };
            let now = Instant::now();
            if waits && now < deadline && state.impatient.is_none_or(|until| until <= now) {
                thread.unpark();
                let waited = self.changed.wait_timeout(state, deadline - now).unwrap_or_else(PoisonError::into_inner);
                state = waited.0;
                if waited.1.timed_out() {
                    state.impatient = Some(Instant::now() + IMPATIENCE);
                }
                continue;
            }
            state.is_address_unknown |= matches!(finding, Finding::Is(Ownership::Elsewhere));
            return match finding {
                Finding::Is(ownership) => ownership,
                Finding::NotLookedUp => Ownership::Unknown("its container is being looked up".into()),
            };
        }
    }
}

impl State {
    /// Takes what the kernel has told.
    fn drain(&mut self) {
        let Some(hook) = &mut self.hook else { return };
        let clock = BootClock::now();
        hook.drain(|event| self.known.take(&event, clock.time(event.time)));
        self.known.set_lost(hook.lost());
    }

    fn may_list(&self) -> bool {
        self.hook.is_none() && Instant::now() >= self.next_asked_listing
    }
}
