//! What the demo is made of: places, products, chance. Pure but for the clock.

use jiff::{SignedDuration, Timestamp};

const CITIES: &str = include_str!("cities.csv");
/// Cities per merchant: an owner of several stores is a normal case.
const CITIES_PER_MERCHANT: usize = 12;

/// Where a store of the demo is.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// The store's name.
    pub name: String,
    /// Its address.
    pub address: String,
    /// Degrees.
    pub lat: f64,
    /// Degrees.
    pub lng: f64,
    /// IANA.
    pub timezone: String,
    /// ISO 4217.
    pub currency: String,
    /// Whose it is.
    pub merchant: usize,
}

/// The three stores of the system that this one replaces, then one in each city of the list.
pub fn places() -> Vec<Place> {
    let techshop = [
        ("TechShop Medellín Centro", "Carrera 49 #52-20, Medellín", 6.2442, -75.5812),
        ("TechShop Bogotá Norte", "Calle 116 #15-40, Bogotá", 4.7109, -74.0721),
        ("TechShop Cali Sur", "Avenida Pasoancho #80-10, Cali", 3.4516, -76.5320),
    ];
    let mut places: Vec<Place> = techshop
        .into_iter()
        .map(|(name, address, lat, lng)| Place {
            name: name.to_owned(),
            address: address.to_owned(),
            lat,
            lng,
            timezone: "America/Bogota".to_owned(),
            currency: "COP".to_owned(),
            merchant: 0,
        })
        .collect();
    for (number, line) in CITIES.lines().skip(1).enumerate() {
        let fields = fields(line);
        let [name, country, lat, lng, timezone, currency] = fields.as_slice() else { continue };
        let (Ok(lat), Ok(lng)) = (lat.parse(), lng.parse()) else { continue };
        places.push(Place {
            name: format!("Flash Market {name}"),
            address: format!("City centre, {name}, {country}"),
            lat,
            lng,
            timezone: timezone.clone(),
            currency: currency.clone(),
            merchant: 1 + number / CITIES_PER_MERCHANT,
        });
    }
    places
}

/// The fields of a line of CSV, quoted where they hold a comma.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            c => {
                if let Some(field) = fields.last_mut() {
                    field.push(c);
                }
            }
        }
    }
    fields
}

/// What a store sells: name and price in minor units.
pub fn products(place: &Place, random: &mut Random) -> Vec<(&'static str, i64)> {
    const ALL: [(&str, i64); 8] = [
        ("Wireless headphones", 4_999),
        ("Mechanical keyboard", 8_900),
        ("27-inch monitor", 21_900),
        ("Portable SSD 1 TB", 9_900),
        ("Smart watch", 14_900),
        ("Coffee and croissant", 590),
        ("Running shoes", 7_900),
        ("Cinema ticket", 1_100),
    ];
    // Roughly what a dollar cent is in the currency's minor units; only plausible, never a rate.
    let factor = match place.currency.as_str() {
        "COP" => 4_000,
        "JPY" | "KRW" | "CLP" | "VND" => 2,
        "INR" | "NGN" | "PKR" | "IDR" => 80,
        _ => 1,
    };
    let first = random.below(ALL.len() as u64) as usize;
    (0..3)
        .map(|step| ALL[(first + step * 3) % ALL.len()])
        .map(|(name, price)| (name, price * factor))
        .collect()
}

/// The time in so many seconds, as the API writes it.
pub fn in_seconds(seconds: u64) -> String {
    let at = Timestamp::now().saturating_add(SignedDuration::from_secs(seconds as i64));
    at.map_or_else(|_| String::new(), |at| format!("{at:.3}"))
}

/// A small repeatable generator (splitmix64).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Begins with a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound.max(1)
    }

    /// A number from −1 to 1.
    pub fn signed(&mut self) -> f64 {
        self.below(2_000_001) as f64 / 1_000_000.0 - 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_places_are_the_three_stores_and_about_a_hundred_cities() {
        let places = places();
        assert_eq!(places[1].name, "TechShop Bogotá Norte");
        assert!(places.len() > 100);
        for place in &places {
            assert!(flash_domain::geo::Location::new(place.lat, place.lng).is_ok(), "{}", place.name);
            assert!(
                flash_domain::series::canonical_timezone(&place.timezone).is_some(),
                "{}",
                place.timezone
            );
            assert!(place.currency.parse::<flash_domain::money::Currency>().is_ok(), "{}", place.currency);
        }
        let mut names: Vec<&str> = places.iter().map(|place| place.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), places.len());
    }
}
