//! Whom a notice is for: what one person's preferences, place, segment and day say about one notice.
//!
//! A function of its arguments; knows no store, no transport and no clock.

use crate::ports::inbox::{Candidate, DeliveryStatus, Verdict};
use flash_domain::geo::{Reach, UnitVector};
use flash_domain::notice::{LocalClock, Notice, QuietHours};
use flash_domain::time::UnixMillis;
use serde_json::{Map, Value};

/// A day is at most this long where clocks are set back, so whatever counts "today" is within it.
pub const DAY_MS_MAX: i64 = 26 * 3600 * 1000;

/// How many notices a person may get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// A day, of all stores; a person may want fewer (`max_per_day`).
    pub per_day: u32,
    /// A day, of one store.
    pub per_store_and_day: u32,
}

/// What a person wants, from the flat object that they keep in their profile. What is absent or not understood has its
/// default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preferences {
    fields: Map<String, Value>,
}

impl Preferences {
    /// Reads the stored JSON.
    pub fn parse(json: &str) -> Self {
        // Most people have none: no parser for them.
        if json == "{}" {
            return Self::default();
        }
        Self { fields: serde_json::from_str(json).unwrap_or_default() }
    }

    fn flag(&self, name: &str, default: bool) -> bool {
        self.fields.get(name).and_then(Value::as_bool).unwrap_or(default)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.fields.get(name).and_then(Value::as_str)
    }

    /// Whether the person does not want this at all: nothing (`enabled: false` or `mute: true`), nothing that reaches them
    /// this way (`followed_stores: false`, `nearby: false`), the kind (`sale_started: false`), or the store
    /// (`mute_store_<id>: true`).
    fn mutes(&self, notice: &Notice, follows: bool) -> bool {
        !self.fields.is_empty()
            && (!self.flag("enabled", true)
                || self.flag("mute", false)
                || !self.flag(if follows { "followed_stores" } else { "nearby" }, true)
                || !self.flag(notice.kind.as_str(), true)
                || self.flag(&format!("mute_store_{}", notice.store_id), false))
    }

    /// `quiet_from` and `quiet_to`, as in `"22:00"`.
    fn quiet_hours(&self) -> Option<QuietHours> {
        QuietHours::parse(self.text("quiet_from")?, self.text("quiet_to")?)
    }

    /// `timezone`, else the store's.
    fn timezone<'a>(&'a self, notice: &'a Notice) -> &'a str {
        self.text("timezone").unwrap_or(&notice.timezone)
    }

    fn per_day(&self, caps: Caps) -> u64 {
        let wanted = self.fields.get("max_per_day").and_then(Value::as_u64);
        wanted.map_or(u64::from(caps.per_day), |wanted| wanted.min(u64::from(caps.per_day)))
    }
}

/// A notice with what deciding about many people needs once.
pub struct Judge<'a> {
    notice: &'a Notice,
    store: UnitVector,
    reach: Reach,
    caps: Caps,
    now: UnixMillis,
    /// The clock of the store's zone, which is most people's.
    local: LocalClock,
}

impl<'a> Judge<'a> {
    /// Prepares a notice for a moment.
    pub fn new(notice: &'a Notice, caps: Caps, now: UnixMillis) -> Self {
        Self {
            notice,
            store: notice.location.unit_vector(),
            reach: Reach::new(f64::from(notice.reach_m)),
            caps,
            now,
            local: LocalClock::at(&notice.timezone, now),
        }
    }

    /// Decides about a person; `None` if it does not concern them (out of reach, another segment). `follows` = found as a
    /// follower, who is concerned wherever they are.
    pub fn verdict(&self, person: &Candidate, follows: bool) -> Option<Verdict> {
        let near = || person.place.is_some_and(|place| self.reach.within(&self.store, &place.unit_vector()));
        if !follows && !near() {
            return None;
        }
        if !self.notice.segments.is_everybody()
            && !person.segment.is_some_and(|segment| self.notice.segments.admits(segment))
        {
            return None;
        }
        let preferences = Preferences::parse(&person.preferences);
        let verdict = |status, push| Some(Verdict { user_id: person.user_id, status, push });
        if preferences.mutes(self.notice, follows) {
            return verdict(DeliveryStatus::Muted, false);
        }
        let zone = preferences.timezone(self.notice);
        let clock = if zone == self.notice.timezone { self.local } else { LocalClock::at(zone, self.now) };
        if preferences.quiet_hours().is_some_and(|hours| hours.contains(clock.minute)) {
            return verdict(DeliveryStatus::Quiet, false);
        }
        let today = || person.told.iter().filter(|(at, _)| *at >= clock.day_start);
        let of_store = today().filter(|(_, store)| *store == self.notice.store_id).count();
        if today().count() as u64 >= preferences.per_day(self.caps)
            || of_store as u64 >= u64::from(self.caps.per_store_and_day)
        {
            return verdict(DeliveryStatus::Capped, false);
        }
        verdict(DeliveryStatus::Stored, preferences.flag("push", true))
    }

    /// Whether the person's screen may light up when the notice comes: not in quiet hours.
    pub fn shows(verdict: &Verdict) -> bool {
        verdict.status == DeliveryStatus::Stored
    }
}
