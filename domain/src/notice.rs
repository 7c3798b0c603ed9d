//! Notices: what people are told about a sale when they are not looking, and the arithmetic of their days and quiet hours.
//! Says nothing of channels, transports and storage.

use crate::event::Event;
use crate::geo::Location;
use crate::ids::{EventId, PromotionId, StoreId};
use crate::money::Money;
use crate::promotion::PromotionRecord;
use crate::segment::Segments;
use crate::time::UnixMillis;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// Why people are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// A sale has started.
    SaleStarted,
    /// A sale is about to end.
    EndingSoon,
    /// A unit came free after there was none.
    BackInStock,
}

impl NoticeKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::SaleStarted, Self::EndingSoon, Self::BackInStock];

    /// The stored and JSON form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SaleStarted => "sale_started",
            Self::EndingSoon => "ending_soon",
            Self::BackInStock => "back_in_stock",
        }
    }

    /// The kind from its stored form.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// The kind of notice that an event causes, if any.
    pub fn of(event: &Event) -> Option<Self> {
        match event {
            Event::Started => Some(Self::SaleStarted),
            Event::EndingSoon => Some(Self::EndingSoon),
            Event::BackInStock => Some(Self::BackInStock),
            _ => None,
        }
    }
}

/// One thing to tell, to everybody whom it concerns: a copy of the sale as it was then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// The event that caused it; a person is told of it once. A UUID of version 7: it carries the time.
    pub id: EventId,
    /// Why.
    pub kind: NoticeKind,
    /// About which sale.
    pub promotion_id: PromotionId,
    /// At which store.
    pub store_id: StoreId,
    /// The store's name.
    pub store_name: String,
    /// Where the store is.
    pub location: Location,
    /// The store's IANA time zone: what days and quiet hours are in for people who named no zone.
    pub timezone: String,
    /// The product's name.
    pub product_name: String,
    /// The product's picture.
    pub image_url: Option<String>,
    /// The price of the sale.
    pub price: Money,
    /// The price otherwise.
    pub original_price: Money,
    /// When it ends.
    pub ends_at: UnixMillis,
    /// How far from the store people are concerned, in metres.
    pub reach_m: u32,
    /// Who may claim.
    pub segments: Segments,
    /// When the event happened.
    pub created_at: UnixMillis,
}

impl Notice {
    /// Copies what people are told out of a promotion's record.
    pub fn about(
        record: &PromotionRecord,
        id: EventId,
        kind: NoticeKind,
        timezone: String,
        at: UnixMillis,
    ) -> Self {
        Self {
            id,
            kind,
            promotion_id: record.id,
            store_id: record.store.id,
            store_name: record.store.name.clone(),
            location: record.store.location,
            timezone,
            product_name: record.product.name.clone(),
            image_url: record.product.image_url.clone(),
            price: record.terms.price,
            original_price: record.terms.original_price,
            ends_at: record.terms.ends_at,
            reach_m: record.terms.reach_m,
            segments: record.terms.segments,
            created_at: at,
        }
    }
}

/// A person's wall clock in an IANA time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalClock {
    /// When the local day began.
    pub day_start: UnixMillis,
    /// Minutes since local midnight as the clock on the wall shows them, 0 to 1,439.
    pub minute: u16,
}

impl LocalClock {
    /// Reads the clock of a zone; of UTC where the zone is not known.
    pub fn at(zone: &str, at: UnixMillis) -> Self {
        let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
        let timestamp = Timestamp::from_millisecond(at.0).unwrap_or_default();
        let local = timestamp.to_zoned_datetime(zone);
        let day_start = local.start_of_day().map_or(at.0, |start| start.timestamp().as_millisecond());
        let minute = u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs());
        Self { day_start: UnixMillis(day_start), minute }
    }
}

/// Hours in which a person is left alone, by the clock on their wall; may run over midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuietHours {
    /// First quiet minute of the day.
    pub from: u16,
    /// First minute that is not quiet any more.
    pub to: u16,
}

impl QuietHours {
    /// Understands `HH:MM`.
    pub fn parse(from: &str, to: &str) -> Option<Self> {
        Some(Self { from: minute(from)?, to: minute(to)? })
    }

    /// Whether a minute of the day is quiet. `from` = `to` is no quiet at all.
    pub fn contains(self, minute: u16) -> bool {
        if self.from <= self.to {
            (self.from..self.to).contains(&minute)
        } else {
            minute >= self.from || minute < self.to
        }
    }
}

fn minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let digits =
        |part: &str| (part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit())).then_some(());
    digits(hours).and(digits(minutes))?;
    let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn quiet_hours_run_over_midnight() {
        let night = QuietHours::parse("22:00", "07:30").unwrap();
        assert!([22 * 60, 23 * 60 + 59, 0, 7 * 60 + 29].into_iter().all(|minute| night.contains(minute)));
        assert!([7 * 60 + 30, 12 * 60, 21 * 60 + 59].into_iter().all(|minute| !night.contains(minute)));
        let lunch = QuietHours::parse("12:00", "13:00").unwrap();
        assert!(lunch.contains(12 * 60) && !lunch.contains(13 * 60) && !lunch.contains(0));
        assert!((0..1440).all(|minute| !QuietHours { from: 60, to: 60 }.contains(minute)));
        for bad in ["24:00", "7:30", "07:60", "0730", "-1:00", "+1:00", "aa:bb", ""] {
            assert_eq!(QuietHours::parse(bad, "08:00"), None, "{bad}");
        }
    }

    #[test]
    fn a_day_is_the_zone_s_own() {
        // 2026-03-08 is the day on which New York's clocks go forward: 23 hours.
        let noon = UnixMillis(1_772_985_600_000); // 16:00Z = 12:00 in New York (EDT)
        let clock = LocalClock::at("America/New_York", noon);
        assert_eq!(clock.minute, 12 * 60);
        assert_eq!(noon - clock.day_start, 11 * 3600 * 1000);
        let bogota = LocalClock::at("America/Bogota", noon);
        assert_eq!((bogota.minute, noon - bogota.day_start), (11 * 60, 11 * 3600 * 1000));
        assert_eq!(LocalClock::at("No/Where", noon).minute, 16 * 60);
    }
}
