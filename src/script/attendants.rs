//! What a script has begun and what needs it from time to time, while the script does something else.

use std::cell::RefCell;
use std::os::fd::OwnedFd;
use std::rc::{Rc, Weak};
use std::sync::Arc;

/// Something that goes on beside a script and asks it things: which target a connection is brought to.
pub(crate) trait Attendant {
    /// Is readable when there is something to attend to; none if it does not go on.
    fn ready(&self) -> Option<Arc<OwnedFd>>;

    /// Attends to what there is.
    fn attend(&self);

    /// Ends it: the script is over.
    fn end(&self);
}

/// What goes on beside a script, for as long as the script has it.
#[derive(Default)]
pub(crate) struct Attendants(RefCell<Vec<Weak<dyn Attendant>>>);

impl Attendants {
    pub(crate) fn add(&self, attendant: Weak<dyn Attendant>) {
        let mut all = self.0.borrow_mut();
        all.retain(|known| known.strong_count() > 0);
        all.push(attendant);
    }

    /// Those that go on, with what is readable when they need the script.
    pub(crate) fn ready(&self) -> Vec<(Rc<dyn Attendant>, Arc<OwnedFd>)> {
        let all: Vec<_> = self.0.borrow().iter().filter_map(Weak::upgrade).collect();
        all.into_iter().filter_map(|attendant| attendant.ready().map(|ready| (attendant, ready))).collect()
    }

    /// Attends to all that there is.
    #[inline]
    pub(crate) fn attend(&self) {
        if self.0.borrow().is_empty() {
            return;
        }
        for (attendant, _) in self.ready() {
            attendant.attend();
        }
    }

    /// Ends all of them, also one whose closures hold it, so that it would never go by itself.
    pub(crate) fn end(&self) {
        for attendant in self.0.take().iter().filter_map(Weak::upgrade) {
            attendant.end();
        }
    }
}
