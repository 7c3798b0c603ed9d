//! Keeps out of the log what libraries call errors and is a client's doing. Knows the libraries by name, and no setting.

use std::fmt;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Event, Metadata};
use tracing_subscriber::layer::{Context, Filter};

/// Passes everything but actix-http's line about a request that it could not read: anybody can have it written as often as
/// they like, at the level of our own faults. At its level `trace` actix-http tells the same in other words.
pub(super) struct NotClientsFaults;

const TARGET: &str = "actix_http::h1::dispatcher";
const UNREADABLE: &str = "stream error: ";

fn may_be_one(metadata: &Metadata<'_>) -> bool {
    metadata.target() == TARGET
}

impl<S> Filter<S> for NotClientsFaults {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if may_be_one(metadata) { Interest::sometimes() } else { Interest::always() }
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        if !may_be_one(event.metadata()) {
            return true;
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        !message.0.starts_with(UNREADABLE)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::TRACE)
    }
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}
