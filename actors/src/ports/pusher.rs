//! What makes a device ring.

use super::Answer;
use crate::ports::inbox::Push;

/// How a push went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushResult {
    /// The platform's service accepted it; whether it arrives is not known.
    Sent,
    /// Not now: trying again may help.
    Later,
    /// Never: what was asked for can't be done.
    GivenUp,
    /// Never: the platform does not know the device any more.
    Disabled,
}

/// Sends pushes. May send one twice when it is asked twice: devices fold them by the notice's id.
pub trait Pusher: Send + Sync + 'static {
    /// Sends a push; gives the device's endpoint too, if one had to be made.
    fn push<'a>(&'a self, push: &'a Push) -> Answer<'a, (PushResult, Option<String>)>;
}
