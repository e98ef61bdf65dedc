//! A proxy while it serves: what its owner is told and asked, and how it ends.

use std::cell::RefCell;
use std::collections::HashSet;
use std::os::fd::OwnedFd;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rhai::{Dynamic, EvalAltResult};

use super::super::super::attendants::Attendant;
use super::super::super::context::{Context, Farewell};
use super::super::super::error::Failure;
use super::super::super::stream::Reading;
use super::apps::Told;
use super::options::span;
use super::{pick, proxy_error};
use crate::capture::HangUps;
use crate::proxy::{Awaited, Pick, Proxy, Settings};
use crate::record::{self, Row};

type Result<T> = std::result::Result<T, Box<EvalAltResult>>;

/// Notices that are attended to at a time while a script waits for something else.
const NOTICES: usize = 256;

/// A proxy with what its script knows of it.
pub(super) struct Served {
    pub(super) proxy: Proxy,
    pub(super) context: Rc<Context>,
    pub(super) told: RefCell<Told>,
    drain: Duration,
    /// The apps of which it was said that their closure does not choose.
    complained: RefCell<HashSet<String>>,
}

impl Served {
    pub(super) fn new(context: &Rc<Context>, told: Told, settings: Settings) -> Self {
        Self {
            drain: settings.drain,
            proxy: Proxy::new(told.apps.clone(), settings),
            context: context.clone(),
            told: RefCell::new(told),
            complained: RefCell::default(),
        }
    }

    /// Begins to serve, unless it does already.
    pub(super) fn start(self: &Rc<Self>) -> Result<()> {
        if self.proxy.is_running() {
            return Ok(());
        }
        self.proxy.start().map_err(|error| proxy_error(&error))?;
        let this: Weak<Self> = Rc::downgrade(self);
        self.context.attendants.add(this);
        if let Some(address) = self.proxy.metrics() {
            self.announce(&format!("serving http://{address}/metrics"));
        }
        Ok(())
    }

    /// Serves until the time is over or somebody asks to stop, and lets the connections end that there are.
    pub(super) fn serve(self: &Rc<Self>, within: Option<record::Duration>) -> Result<Row> {
        let context = &self.context;
        // An interruption ends this, and not the script; and what the script says behind it is waited for.
        let _reading = Reading::new(&context.reading);
        context.farewell.set(Farewell::Granted);
        let hang_ups = context.cancel.await_hang_ups();
        self.start()?;
        // Whoever looks sees what was said before, while nothing more is.
        context.say(|out| out.flush())?;
        let begun = Instant::now();
        while !context.cancel.is_requested() {
            if hang_ups.came() {
                self.hung_up();
            }
            let left = within.map(|within| span(within).saturating_sub(begun.elapsed()));
            if left.is_some_and(|left| left.is_zero()) {
                break;
            }
            self.attend_once(left);
        }
        self.finish(&hang_ups, self.drain);
        Ok(Arc::new(self.proxy.stats()))
    }

    /// Stops. Gives how many connections did not end in time.
    pub(super) fn stop(&self, within: Option<record::Duration>) -> i64 {
        let _reading = Reading::new(&self.context.reading);
        let hang_ups = self.context.cancel.await_hang_ups();
        self.finish(&hang_ups, within.map_or(self.drain, span))
    }

    /// Lets connections end. A further request to stop ends them at once, so the first one is taken back; and it is made
    /// again behind that, if everything is to stop.
    fn finish(&self, hang_ups: &HangUps<'_>, within: Duration) -> i64 {
        hang_ups.ignore();
        let context = &self.context;
        let is_abort = context.cancel.reset();
        let open = self.proxy.close();
        if open > 0 && !within.is_zero() {
            let (open, most) = (counted(open), record::Duration::from(within));
            self.announce(&format!("waiting for {open} to end, {most} at most; Ctrl-C or SIGTERM ends that at once"));
        }
        let cut = self.proxy.stop(within, context.cancel.as_fd());
        self.attend();
        if cut > 0 {
            self.announce(&format!("reset {} that had not ended", counted(cut)));
        }
        context.cancel.obeyed();
        if is_abort {
            context.cancel.abort();
        }
        context.farewell.set(Farewell::Granted);
        i64::try_from(cut).unwrap_or(i64::MAX)
    }

    /// Goes on with other apps.
    pub(super) fn reload(&self, given: &Dynamic) -> Result<()> {
        self.go_on(Told::read(&self.context, "reload()", given)?)
    }

    fn go_on(&self, told: Told) -> Result<()> {
        self.proxy.reload(told.apps.clone()).map_err(|error| proxy_error(&error))?;
        self.told.replace(told);
        self.complained.borrow_mut().clear();
        Ok(())
    }

    /// Brings nobody to a target any more. Gives how many connections it still has.
    pub(super) fn drain(&self, target: &str, within: Option<record::Duration>) -> Result<i64> {
        let open = self.proxy.drain(target, within.map_or(self.drain, span)).map_err(|error| proxy_error(&error))?;
        Ok(i64::try_from(open).unwrap_or(i64::MAX))
    }

    /// Opens the log anew, and goes on with what the file says now. If that cannot be, nothing changes.
    fn hung_up(&self) {
        self.proxy.reopen_log();
        let Some(path) = self.told.borrow().file.clone() else { return };
        let told = Told::of_file(&self.context, "proxy()", &path).and_then(|told| self.go_on(told));
        match told {
            Ok(()) => self.announce(&format!("{path} was read again")),
            Err(error) => {
                let why = Failure::evaluation(error, "", "").message;
                self.announce(&format!("{why}\n{path} was read again, and nothing changes"));
            }
        }
    }

    /// Waits for something to attend to, and does.
    fn attend_once(&self, timeout: Option<Duration>) -> bool {
        match self.proxy.wait(timeout, self.context.cancel.as_fd()) {
            Awaited::News(text) => self.announce(&text),
            Awaited::Pick(pick) => self.answer(*pick),
            Awaited::Nothing => return false,
        }
        true
    }

    fn answer(&self, pick: Pick) {
        let app = pick.connection.app().to_owned();
        let closure = self.told.borrow().picks.get(&app).cloned();
        // One of its targets may have gone meanwhile, or the app.
        let Some(closure) = closure.filter(|_| !pick.targets.is_empty()) else { return };
        match pick::ask(&self.context, &closure, &pick) {
            Ok(place) => pick.to(place),
            // What was stopped did not go wrong.
            Err(_) if self.context.cancel.is_requested() => {}
            Err(why) => {
                drop(pick);
                if self.complained.borrow_mut().insert(app.clone()) {
                    self.announce(&format!(
                        "app {app}: pick {why}; where it does not choose, each target has its turn"
                    ));
                }
            }
        }
    }

    /// Says something to a person at once.
    fn announce(&self, text: &str) {
        text.lines().for_each(|line| (self.context.announce.borrow_mut())(line));
    }
}

impl Attendant for Served {
    fn ready(&self) -> Option<Arc<OwnedFd>> {
        self.proxy.ready()
    }

    fn attend(&self) {
        for _ in 0..NOTICES {
            if !self.attend_once(Some(Duration::ZERO)) {
                break;
            }
        }
    }

    fn end(&self) {
        self.told.borrow_mut().picks.clear();
        self.proxy.stop(Duration::ZERO, self.context.cancel.as_fd());
    }
}

fn counted(connections: usize) -> String {
    format!("{connections} connection{}", if connections == 1 { "" } else { "s" })
}
