//! Random points and an independent great-circle distance for the geo tests. Uses nothing of the engine but
//! `Location` itself.
#![allow(dead_code, reason = "each test binary uses its own part")]

use flash_domain::geo::Location;

/// The radius of DESIGN section 2, written down again on purpose.
pub const RADIUS_M: f64 = 6_371_008.8;

/// A seeded generator (xorshift64*): the same points in every run.
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn bits(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// From 0 to 1, without 1.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    pub fn below(&mut self, count: usize) -> usize {
        (self.unit() * count as f64) as usize
    }

    /// Evenly spread over the sphere.
    pub fn anywhere(&mut self) -> Location {
        location(self.between(-1.0, 1.0).asin(), self.between(-1.0, 1.0) * std::f64::consts::PI)
    }

    /// Evenly spread over the disk around a point.
    pub fn near(&mut self, center: Location, radius_m: f64) -> Location {
        let (bearing, distance_m) = (self.between(0.0, std::f64::consts::TAU), radius_m * self.unit().sqrt());
        travel(center, bearing, distance_m)
    }

    /// At a distance from a point, in any direction.
    pub fn away(&mut self, center: Location, distance_m: f64) -> Location {
        let bearing = self.between(0.0, std::f64::consts::TAU);
        travel(center, bearing, distance_m)
    }
}

/// A location from radians; a longitude beyond ±π comes round, a rounding error beyond a pole is cut.
pub fn location(lat: f64, lng: f64) -> Location {
    let mut lng = lng.to_degrees();
    if lng > 180.0 {
        lng -= 360.0;
    } else if lng < -180.0 {
        lng += 360.0;
    }
    Location::new(lat.to_degrees().clamp(-90.0, 90.0), lng.clamp(-180.0, 180.0)).unwrap()
}

/// Where one gets from a point by going a distance along a great circle; bearing in radians from north.
pub fn travel(from: Location, bearing: f64, distance_m: f64) -> Location {
    let (lat, lng, angle) = (from.lat().to_radians(), from.lng().to_radians(), distance_m / RADIUS_M);
    let sin_lat = lat.sin() * angle.cos() + lat.cos() * angle.sin() * bearing.cos();
    let turn = (bearing.sin() * angle.sin() * lat.cos()).atan2(angle.cos() - lat.sin() * sin_lat);
    location(sin_lat.clamp(-1.0, 1.0).asin(), lng + turn)
}

/// The great-circle distance by the haversine formula.
pub fn haversine_m(a: Location, b: Location) -> f64 {
    let (lat_a, lat_b) = (a.lat().to_radians(), b.lat().to_radians());
    let sin_lat = ((b.lat() - a.lat()).to_radians() / 2.0).sin();
    let sin_lng = ((b.lng() - a.lng()).to_radians() / 2.0).sin();
    let h = sin_lat * sin_lat + lat_a.cos() * lat_b.cos() * sin_lng * sin_lng;
    2.0 * RADIUS_M * h.sqrt().atan2((1.0 - h).max(0.0).sqrt())
}

/// The middle of the great-circle arc between two points.
pub fn middle(a: Location, b: Location) -> Location {
    let vector = |p: Location| {
        let (lat, lng) = (p.lat().to_radians(), p.lng().to_radians());
        [lat.cos() * lng.cos(), lat.cos() * lng.sin(), lat.sin()]
    };
    let (p, q) = (vector(a), vector(b));
    let [x, y, z] = [0, 1, 2].map(|axis| p[axis] + q[axis]);
    location(z.atan2(x.hypot(y)), y.atan2(x))
}

/// The vertices of the icosahedron: the centres of the twelve pentagons of every resolution.
pub fn pentagons() -> Vec<Location> {
    let centers: Vec<_> = h3o::CellIndex::base_cells()
        .filter(|cell| cell.is_pentagon())
        .map(h3o::LatLng::from)
        .map(|center| location(center.lat_radians(), center.lng_radians()))
        .collect();
    assert_eq!(centers.len(), 12);
    centers
}

/// Points on the edges of the icosahedron, where H3 changes its face: all 30 middles, 60 quarters.
pub fn face_edges() -> Vec<Location> {
    let vertices = pentagons();
    let mut points = Vec::new();
    for (n, a) in vertices.iter().enumerate() {
        for b in &vertices[n + 1..] {
            // Neighbouring vertices are 63.4° apart, the next nearest 116.6°.
            if haversine_m(*a, *b) < RADIUS_M * 80f64.to_radians() {
                let half = middle(*a, *b);
                points.extend([half, middle(*a, half), middle(half, *b)]);
            }
        }
    }
    assert_eq!(points.len(), 90);
    points
}

/// The places that break geo code: poles, the antimeridian, the null meridian, pentagons, face edges; and some
/// that do not: cities, and random ones.
pub fn places(rng: &mut Rng, random: usize) -> Vec<(&'static str, Location)> {
    let at = |lat, lng| Location::new(lat, lng).unwrap();
    let mut places = vec![
        ("north pole", at(90.0, 0.0)),
        ("north pole", at(90.0, -135.0)),
        ("near the north pole", at(89.9, 30.0)),
        ("south pole", at(-90.0, 77.0)),
        ("near the south pole", at(-89.95, -120.0)),
        ("equator", at(0.0, 0.0)),
        ("Medellin", at(6.2442, -75.5812)),
        ("Bogota", at(4.7109, -74.0721)),
        ("Cali", at(3.4516, -76.5320)),
        ("Greenwich", at(51.4779, 0.0)),
    ];
    for lat in [-80.0, -45.0, -16.8, 0.0, 27.5, 52.0, 70.9, 85.0] {
        places.push(("antimeridian, east", at(lat, 180.0)));
        places.push(("antimeridian, west", at(lat, -180.0)));
    }
    places.extend(pentagons().into_iter().map(|p| ("pentagon", p)));
    places.extend(face_edges().into_iter().map(|p| ("face edge", p)));
    places.extend((0..random).map(|_| ("anywhere", rng.anywhere())));
    places
}
