//! Places on the sphere and the decision "is it in reach": coordinates, unit vectors, great-circle distances and
//! the exact test by squared chord, with the hysteresis against jitter of positions.
//!
//! Cells only *route* ([`Cover`], [`SessionCells`]); whoever routes by them decides here, by distance. This
//! module knows nothing of promotions, sessions or time.

mod cover;
mod hash;

pub use cover::{
    COVER_CELLS_MAX, COVER_MARGIN_M, COVER_RESOLUTIONS, Cover, SessionCells, cover, cover_of_reach,
};
pub use hash::CellHasher;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;

/// Radius of the sphere on which all distances are great circles, in metres (DESIGN section 2).
pub const EARTH_RADIUS_M: f64 = 6_371_008.8;

/// Relative part of the hysteresis: a deal is left beyond `r` plus this share of `r`.
const LEAVE_SHARE: f64 = 0.05;

/// Absolute part of the hysteresis in metres, for small reaches.
const LEAVE_SLACK_MIN_M: f64 = 50.0;

/// A point on the sphere: latitude −90 to 90 and longitude −180 to 180, in degrees, both finite.
///
/// Serialises as `{"lat": 6.2442, "lng": -75.5812}`; reading checks the ranges and refuses unknown members. Its
/// `Debug` form hides the coordinates, so that no log line can carry them by accident (I31).
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RawLocation")]
pub struct Location {
    lat: f64,
    lng: f64,
}

impl Eq for Location {}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Location(hidden)")
    }
}

/// A location as it was written down, not yet checked: for callers that report every bad field at once.
#[derive(Clone, Copy, PartialEq)]
pub struct RawLocation {
    /// Latitude in degrees, any number.
    pub lat: f64,
    /// Longitude in degrees, any number.
    pub lng: f64,
}

impl<'de> Deserialize<'de> for RawLocation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // A derived one would also take `[6.2, -75.5]`, whose order people guess differently.
        deserializer.deserialize_map(Members)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = RawLocation;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with lat and lng")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<RawLocation, A::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct LatLng {
            lat: f64,
            lng: f64,
        }
        let LatLng { lat, lng } = LatLng::deserialize(MapAccessDeserializer::new(members))?;
        Ok(RawLocation { lat, lng })
    }
}

impl fmt::Debug for RawLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RawLocation(hidden)")
    }
}

/// Why two numbers are not a [`Location`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLocation {
    /// The latitude is not a finite number from −90 to 90.
    #[error("latitude must be a number from -90 to 90")]
    Latitude,
    /// The longitude is not a finite number from −180 to 180.
    #[error("longitude must be a number from -180 to 180")]
    Longitude,
    /// Neither is in its range.
    #[error("latitude must be a number from -90 to 90 and longitude one from -180 to 180")]
    Both,
}

impl InvalidLocation {
    /// Names the members at fault, as JSON pointers relative to the location.
    #[must_use]
    pub const fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Latitude => &["/lat"],
            Self::Longitude => &["/lng"],
            Self::Both => &["/lat", "/lng"],
        }
    }
}

impl Location {
    /// Checks a latitude and a longitude in degrees; −0.0 becomes 0.0.
    ///
    /// # Errors
    ///
    /// [`InvalidLocation`] when a component is not finite or out of its range.
    pub fn new(lat: f64, lng: f64) -> Result<Self, InvalidLocation> {
        // A range never contains NaN or an infinity.
        match ((-90.0..=90.0).contains(&lat), (-180.0..=180.0).contains(&lng)) {
            // Adding 0.0 turns −0.0 into 0.0 and changes nothing else.
            (true, true) => Ok(Self { lat: lat + 0.0, lng: lng + 0.0 }),
            (false, true) => Err(InvalidLocation::Latitude),
            (true, false) => Err(InvalidLocation::Longitude),
            (false, false) => Err(InvalidLocation::Both),
        }
    }

    /// Returns the latitude in degrees, −90 to 90.
    #[must_use]
    pub const fn lat(self) -> f64 {
        self.lat
    }

    /// Returns the longitude in degrees, −180 to 180.
    #[must_use]
    pub const fn lng(self) -> f64 {
        self.lng
    }

    /// Returns the point as a vector of length 1.
    #[must_use]
    pub fn unit_vector(self) -> UnitVector {
        UnitVector::from(self)
    }

    /// Returns the great-circle distance to another point, in metres.
    #[must_use]
    pub fn distance_m(self, other: Self) -> f64 {
        distance_m(&self.into(), &other.into())
    }
}

impl TryFrom<RawLocation> for Location {
    type Error = InvalidLocation;

    fn try_from(raw: RawLocation) -> Result<Self, InvalidLocation> {
        Self::new(raw.lat, raw.lng)
    }
}

/// A [`Location`] as a vector of length 1 from the centre of the sphere: computed once, compared often.
#[derive(Clone, Copy, PartialEq)]
pub struct UnitVector([f64; 3]);

impl fmt::Debug for UnitVector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UnitVector(hidden)")
    }
}

impl From<Location> for UnitVector {
    fn from(location: Location) -> Self {
        Self::from_radians(location.lat.to_radians(), location.lng.to_radians())
    }
}

impl UnitVector {
    fn from_radians(lat: f64, lng: f64) -> Self {
        let (sin_lat, cos_lat) = lat.sin_cos();
        let (sin_lng, cos_lng) = lng.sin_cos();
        Self([cos_lat * cos_lng, cos_lat * sin_lng, sin_lat])
    }

    /// Returns the squared length of the straight line to another point, 0 to 4, in units of the radius.
    ///
    /// Differences are taken before squaring: unlike 1 − dot this keeps its precision at a few metres.
    #[must_use]
    pub fn chord_squared(&self, other: &Self) -> f64 {
        let [x, y, z] = [0, 1, 2].map(|axis| self.0[axis] - other.0[axis]);
        x * x + y * y + z * z
    }

    fn dot(&self, other: &Self) -> f64 {
        self.0[0] * other.0[0] + self.0[1] * other.0[1] + self.0[2] * other.0[2]
    }

    fn cross(&self, other: &Self) -> Self {
        let ([a, b, c], [x, y, z]) = (self.0, other.0);
        Self([b * z - c * y, c * x - a * z, a * y - b * x])
    }
}

/// Returns the great-circle distance of two points in metres, 0 to πR: 2R · asin(chord / 2).
///
/// Good to a few nanometres for what is in anybody's reach; to some centimetres near the antipode.
#[must_use]
pub fn distance_m(a: &UnitVector, b: &UnitVector) -> f64 {
    chord_to_m(a.chord_squared(b))
}

fn chord_to_m(chord_squared: f64) -> f64 {
    2.0 * EARTH_RADIUS_M * (chord_squared.sqrt() / 2.0).min(1.0).asin()
}

/// Returns the squared chord of a distance in metres: infinite from half the circumference on, −1 (nothing is in
/// reach) for what is no distance.
fn m_to_chord_squared(distance_m: f64) -> f64 {
    let half_angle = distance_m / (2.0 * EARTH_RADIUS_M);
    if half_angle >= std::f64::consts::FRAC_PI_2 {
        f64::INFINITY
    } else if half_angle >= 0.0 {
        (2.0 * half_angle.sin()).powi(2)
    } else {
        -1.0
    }
}

/// Returns the radius beyond which a shopper leaves a deal of radius `radius_m`: r + max(5 %, 50 m).
#[must_use]
pub fn leave_radius_m(radius_m: f64) -> f64 {
    radius_m + (radius_m * LEAVE_SHARE).max(LEAVE_SLACK_MIN_M)
}

/// A radius made ready for the exact decision: the squared chords at which a deal is entered and left.
///
/// The decision is min(promotion reach, shopper radius): take the [`narrower`](Self::narrower) of the two.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reach {
    enter: f64,
    leave: f64,
}

impl Reach {
    /// Prepares a radius in metres. Negative or not a number: nothing is within.
    #[must_use]
    pub fn new(radius_m: f64) -> Self {
        let leave_m = if radius_m >= 0.0 { leave_radius_m(radius_m) } else { radius_m };
        Self { enter: m_to_chord_squared(radius_m), leave: m_to_chord_squared(leave_m) }
    }

    /// Returns the reach of the smaller radius of the two.
    #[must_use]
    pub fn narrower(self, other: Self) -> Self {
        // The leave radius grows with the radius, so both bounds may be taken by themselves.
        Self { enter: self.enter.min(other.enter), leave: self.leave.min(other.leave) }
    }

    /// Decides d ≤ r: claims, fresh subscriptions and entering.
    #[must_use]
    pub fn within(&self, a: &UnitVector, b: &UnitVector) -> bool {
        a.chord_squared(b) <= self.enter
    }

    /// Decides d ≤ r + max(5 %, 50 m): whether what is shown stays shown.
    #[must_use]
    pub fn stays(&self, a: &UnitVector, b: &UnitVector) -> bool {
        a.chord_squared(b) <= self.leave
    }

    /// Decides whether a deal is shown now, given whether it was shown until now.
    #[must_use]
    pub fn shows(&self, shown: bool, a: &UnitVector, b: &UnitVector) -> bool {
        a.chord_squared(b) <= if shown { self.leave } else { self.enter }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn at(lat: f64, lng: f64) -> Location {
        Location::new(lat, lng).unwrap()
    }

    #[test]
    fn location_checks_its_ranges() {
        for (lat, lng) in [(90.0, 180.0), (-90.0, -180.0), (0.0, 0.0)] {
            assert_eq!((at(lat, lng).lat(), at(lat, lng).lng()), (lat, lng));
        }
        let above = f64::from_bits(90f64.to_bits() + 1);
        for bad in [above, -above, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300] {
            assert_eq!(Location::new(bad, 0.0), Err(InvalidLocation::Latitude));
        }
        assert_eq!(Location::new(0.0, 180.000_000_1), Err(InvalidLocation::Longitude));
        assert_eq!(Location::new(0.0, f64::NAN), Err(InvalidLocation::Longitude));
        assert_eq!(Location::new(91.0, f64::NAN).unwrap_err().fields(), ["/lat", "/lng"]);
        assert!(at(-0.0, -0.0).lat().is_sign_positive() && at(-0.0, -0.0).lng().is_sign_positive());
    }

    #[test]
    fn location_json_is_the_contract() {
        let read: Location = serde_json::from_str(r#"{"lat": 6.2442, "lng": -75.5812}"#).unwrap();
        assert_eq!(read, at(6.2442, -75.5812));
        assert_eq!(serde_json::to_string(&read).unwrap(), r#"{"lat":6.2442,"lng":-75.5812}"#);
        assert_eq!(serde_json::from_str::<Location>(r#"{"lat": 6, "lng": -75}"#).unwrap(), at(6.0, -75.0));
        for bad in [
            r#"{"lat": 91, "lng": 0}"#,
            r#"{"lat": 1}"#,
            r#"{"lat": 1, "lng": 2, "alt": 3}"#,
            r#"{"lat": "1", "lng": 2}"#,
            r#"{"lat": null, "lng": 2}"#,
            r#"{"lat": 1e999, "lng": 2}"#,
            r#"{"lat": 1, "lat": 1, "lng": 2}"#,
            "[6.2442, -75.5812]",
        ] {
            assert!(serde_json::from_str::<Location>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn i31_debug_hides_coordinates() {
        let place = at(6.2442, -75.5812);
        let shown = format!("{place:?} {:?} {:?}", place.unit_vector(), SessionCells::of(place));
        assert!(!shown.contains(|c: char| c.is_ascii_digit()), "{shown}");
    }

    #[test]
    fn distances_of_known_pairs() {
        let quarter = std::f64::consts::FRAC_PI_2 * EARTH_RADIUS_M;
        assert!((at(0.0, 0.0).distance_m(at(90.0, 123.0)) - quarter).abs() < 1e-6);
        assert!((at(0.0, 0.0).distance_m(at(0.0, 180.0)) - 2.0 * quarter).abs() < 0.2);
        assert!(at(45.0, 180.0).distance_m(at(45.0, -180.0)) < 1e-6);
        assert!(at(90.0, 0.0).distance_m(at(90.0, 77.0)) < 1e-6);
        let (medellin, bogota) = (at(6.2442, -75.5812), at(4.7109, -74.0721));
        assert!((medellin.distance_m(bogota) / 1000.0 - 238.6).abs() < 2.0);
    }

    #[test]
    fn i13_the_boundary_is_inside() {
        let store = at(0.0, 0.0).unit_vector();
        for metres in [50u32, 2_000, 50_000] {
            let shopper = at(0.0, (f64::from(metres) / EARTH_RADIUS_M).to_degrees()).unit_vector();
            let exact = distance_m(&store, &shopper);
            assert!((exact - f64::from(metres)).abs() < 1e-8);
            assert!(Reach::new(exact + 1e-6).within(&store, &shopper));
            assert!(!Reach::new(exact - 1e-6).within(&store, &shopper));
        }
        assert!(Reach::new(0.0).within(&store, &store));
        assert!(Reach::new(3e7).within(&store, &at(0.0, 180.0).unit_vector()));
        for nothing in [-1.0, f64::NAN, f64::NEG_INFINITY] {
            assert!(
                !Reach::new(nothing).within(&store, &store) && !Reach::new(nothing).stays(&store, &store)
            );
        }
    }

    #[test]
    fn i25_hysteresis_enters_at_r_and_leaves_beyond_it() {
        assert_eq!((leave_radius_m(50.0), leave_radius_m(1_000.0)), (100.0, 1_050.0));
        assert_eq!((leave_radius_m(5_000.0), leave_radius_m(50_000.0)), (5_250.0, 52_500.0));
        let store = at(0.0, 0.0).unit_vector();
        let away = |metres: f64| at((metres / EARTH_RADIUS_M).to_degrees(), 0.0).unit_vector();
        let reach = Reach::new(5_000.0);
        for (metres, enters, stays) in
            [(4_999.9, true, true), (5_100.0, false, true), (5_250.1, false, false)]
        {
            assert_eq!(reach.shows(false, &store, &away(metres)), enters, "{metres}");
            assert_eq!(reach.shows(true, &store, &away(metres)), stays, "{metres}");
        }
        let narrow = reach.narrower(Reach::new(1_000.0));
        assert_eq!(narrow, Reach::new(1_000.0));
        assert_eq!(Reach::new(1_000.0).narrower(reach), narrow);
    }
}
