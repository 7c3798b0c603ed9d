//! Gathering: while several updates are applied, a session's writes wait, so that it gets all of them in one.
//!
//! One update alone is written to each session at once. If more arrive while that goes on, they are taken in before the
//! sessions that are left are written to. Knows neither promotions nor frames.

use super::inbox::Inbox;
use super::session::{Session, Sink};

/// Sessions that are written to between two looks at the inbox: a fraction of a millisecond.
pub(super) const LOOK_EVERY: usize = 32;

/// Which sessions' writes gather.
#[derive(Debug, Default)]
pub(super) struct Corks {
    mode: Mode,
    slots: Vec<u32>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mode {
    /// Each session is written to at once, whatever arrives.
    #[default]
    Off,
    /// Each session is written to at once, as long as nothing arrives.
    Looking,
    /// Writes gather.
    On,
}

impl Corks {
    /// Begins: with `several` updates at once, or with one that others may join.
    pub(super) fn begin(&mut self, several: bool) {
        if self.mode != Mode::On {
            self.mode = if several { Mode::On } else { Mode::Looking };
        }
    }

    /// Whether writes gather.
    pub(super) fn gather(&self) -> bool {
        self.mode == Mode::On
    }

    /// Whether the next [`LOOK_EVERY`] sessions' writes gather: from the moment on at which something arrives.
    pub(super) fn look(&mut self, inbox: &Inbox) -> bool {
        if self.mode == Mode::Looking && inbox.has_updates() {
            self.mode = Mode::On;
        }
        self.gather()
    }

    /// Lets a session's writes gather.
    pub(super) fn cork<S: Sink>(&mut self, slot: u32, session: &mut Session<S>, now: u64) {
        if session.cork(now) {
            self.slots.push(slot);
        }
    }

    /// Ends: gives the sessions to write to.
    pub(super) fn end(&mut self) -> Vec<u32> {
        self.mode = Mode::Off;
        std::mem::take(&mut self.slots)
    }
}
