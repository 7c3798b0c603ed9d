//! The actors of Flash Promos: mailboxes, timers and ports around the pure core. No HTTP and no SQL here.

pub mod feed;
pub mod ports;
