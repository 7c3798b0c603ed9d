//! Times on the wire: RFC 3339, UTC, milliseconds.

use flash_domain::time::UnixMillis;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A time in its wire form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireTime(pub UnixMillis);

/// The latest time that is accepted: 9999-12-31T23:59:59.999Z, the end of RFC 3339's years.
const LATEST_MS: i64 = 253_402_300_799_999;

/// Formats a time as `2026-11-24T17:00:00.000Z`.
pub fn format(at: UnixMillis) -> String {
    let at = Timestamp::from_millisecond(at.0.clamp(0, LATEST_MS)).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{at:.3}")
}

/// Understands any RFC 3339 time, whatever its offset; finer than milliseconds is cut off. `None` for anything else and
/// outside the years 1970 to 9999.
pub fn parse(text: &str) -> Option<UnixMillis> {
    let bytes = text.as_bytes();
    // RFC 3339 is stricter than what the library reads: a full date, T, a full time, an offset.
    let shaped = bytes.len() >= 20
        && bytes[4] == b'-'
        && matches!(bytes[10], b'T' | b't')
        && bytes[13] == b':'
        && bytes[16] == b':';
    if !shaped || text.contains('[') {
        return None;
    }
    let at: Timestamp = text.parse().ok()?;
    let ms = at.as_millisecond();
    (0..=LATEST_MS).contains(&ms).then_some(UnixMillis(ms))
}

impl Serialize for WireTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format(self.0))
    }
}

impl<'de> Deserialize<'de> for WireTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        parse(&text).map(Self).ok_or_else(|| serde::de::Error::custom("expected an RFC 3339 time"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_go_out_with_milliseconds_and_come_in_with_any_offset() {
        assert_eq!(format(UnixMillis(0)), "1970-01-01T00:00:00.000Z");
        assert_eq!(format(UnixMillis(1_795_539_600_120)), "2026-11-24T17:00:00.120Z");
        assert_eq!(parse("2026-11-24T12:00:00.120-05:00"), Some(UnixMillis(1_795_539_600_120)));
        assert_eq!(parse("2026-11-24T17:00:00Z"), Some(UnixMillis(1_795_539_600_000)));
        for bad in [
            "",
            "2026-11-24",
            "2026-11-24 17:00",
            "soon",
            "1795539600",
            "2026-02-30T00:00:00Z",
            "+10000-01-01T00:00:00Z",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
