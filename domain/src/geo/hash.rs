//! A hash for cells: fast, and the same in every process. Knows only their 64 bits.

use std::hash::Hasher;

/// Hashes a cell's 64 bits by one folded multiplication: the low digits of coarse cells are all ones, so the bits
/// that differ must reach both ends of the hash.
#[derive(Clone, Copy, Debug, Default)]
pub struct CellHasher(u64);

/// 2⁶⁴ divided by the golden ratio, made odd (Fibonacci hashing).
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

impl Hasher for CellHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, value: u64) {
        let product = u128::from(self.0 ^ value) * u128::from(GOLDEN);
        #[expect(clippy::cast_possible_truncation, reason = "both halves are folded together")]
        let folded = (product as u64) ^ ((product >> 64) as u64);
        self.0 = folded;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::hash::{BuildHasher, BuildHasherDefault};

    #[test]
    fn hashes_of_near_cells_spread() {
        let hash = BuildHasherDefault::<CellHasher>::default();
        for resolution in crate::geo::COVER_RESOLUTIONS {
            let center = h3o::LatLng::new(6.2442, -75.5812).unwrap().to_cell(resolution);
            let cells = center.grid_disk::<Vec<_>>(36);
            // hashbrown takes the bucket from the low bits and the tag from the top seven.
            let low = cells.iter().map(|c| hash.hash_one(c) % 4_096).collect::<HashSet<_>>().len();
            let top = cells.iter().map(|c| hash.hash_one(c) >> 57).collect::<HashSet<_>>().len();
            assert!(low > 1_800 && top > 100, "{resolution}: {low} buckets, {top} tags of {}", cells.len());
        }
    }
}
