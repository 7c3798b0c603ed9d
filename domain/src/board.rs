//! What is shown in the cells, and who sits in them: indexes from H3 cells to small keys.
//!
//! Pure look-up tables. They route, they do not decide: whoever asks tests each candidate by distance. They know
//! neither promotions nor sessions, only their keys (slots of the caller's own tables).

use crate::geo::{CellHasher, Cover, SessionCells};
use h3o::CellIndex;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::BuildHasherDefault;

/// A map from cells to the keys that were put there; a cell without keys takes no memory.
///
/// The keys of a cell are kept sorted: adding the largest key costs O(1), any other change a binary search and a
/// move of at most the cell's keys, so that 25,000 promotions over one city stay cheap to start and to end.
#[derive(Clone, Debug)]
pub struct CellIndexMap<K> {
    cells: HashMap<CellIndex, Vec<K>, BuildHasherDefault<CellHasher>>,
}

impl<K> Default for CellIndexMap<K> {
    fn default() -> Self {
        Self { cells: HashMap::default() }
    }
}

impl<K: Copy + Ord> CellIndexMap<K> {
    /// Puts a key into a cell; returns whether it was not there before.
    pub fn insert(&mut self, cell: CellIndex, key: K) -> bool {
        let keys = self.cells.entry(cell).or_default();
        if keys.last().is_none_or(|last| *last < key) {
            keys.push(key);
            return true;
        }
        match keys.binary_search(&key) {
            Ok(_) => false,
            Err(place) => {
                keys.insert(place, key);
                true
            }
        }
    }

    /// Takes a key out of a cell; returns whether it was there.
    pub fn remove(&mut self, cell: CellIndex, key: K) -> bool {
        let Entry::Occupied(mut entry) = self.cells.entry(cell) else { return false };
        let keys = entry.get_mut();
        let Ok(place) = keys.binary_search(&key) else { return false };
        keys.remove(place);
        if keys.is_empty() {
            entry.remove();
        } else if keys.capacity() > 64 && keys.len() < keys.capacity() / 4 {
            // A sale that ended must not hold the memory of its best moment.
            keys.shrink_to(keys.len() * 2);
        }
        true
    }

    /// Returns the keys of a cell, ascending; empty if it has none.
    #[must_use]
    pub fn keys(&self, cell: CellIndex) -> &[K] {
        self.cells.get(&cell).map_or(&[], Vec::as_slice)
    }

    /// Returns how many cells have a key.
    #[must_use]
    pub fn cells(&self) -> usize {
        self.cells.len()
    }

    /// Returns whether no cell has a key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }
}

/// What is shown in the cells: the keys of promotions by their covers, looked up by where a session sits.
#[derive(Clone, Debug)]
pub struct CellBoard<K> {
    shown: CellIndexMap<K>,
}

impl<K> Default for CellBoard<K> {
    fn default() -> Self {
        Self { shown: CellIndexMap::default() }
    }
}

impl<K: Copy + Ord> CellBoard<K> {
    /// Puts a promotion's key into every cell of its cover. Doing so twice changes nothing.
    pub fn insert(&mut self, key: K, cover: &Cover) {
        for cell in &cover.cells {
            self.shown.insert(*cell, key);
        }
    }

    /// Takes a promotion's key out of every cell of the cover it was put in with.
    pub fn remove(&mut self, key: K, cover: &Cover) {
        for cell in &cover.cells {
            self.shown.remove(*cell, key);
        }
    }

    /// Calls `found` with the key of every promotion whose cover contains one of the session's cells: each once,
    /// since a cover has one resolution. All that are in reach are among them, and some that are not.
    pub fn candidates(&self, cells: &SessionCells, mut found: impl FnMut(K)) {
        for cell in cells.as_array() {
            self.shown.keys(*cell).iter().copied().for_each(&mut found);
        }
    }

    /// Returns how many cells show something.
    #[must_use]
    pub fn cells(&self) -> usize {
        self.shown.cells()
    }

    /// Returns whether nothing is shown anywhere.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shown.is_empty()
    }
}

/// Who sits in the cells: the keys of sessions by where they are, looked up by the cover of a promotion.
#[derive(Clone, Debug)]
pub struct OccupiedCells<K> {
    seated: CellIndexMap<K>,
}

impl<K> Default for OccupiedCells<K> {
    fn default() -> Self {
        Self { seated: CellIndexMap::default() }
    }
}

impl<K: Copy + Ord> OccupiedCells<K> {
    /// Seats a session in its cells. Doing so twice changes nothing.
    pub fn insert(&mut self, key: K, cells: &SessionCells) {
        for cell in cells.as_array() {
            self.seated.insert(*cell, key);
        }
    }

    /// Takes a session out of the cells it was seated in.
    pub fn remove(&mut self, key: K, cells: &SessionCells) {
        for cell in cells.as_array() {
            self.seated.remove(*cell, key);
        }
    }

    /// Moves a session; touches only the cells that differ.
    pub fn relocate(&mut self, key: K, from: &SessionCells, to: &SessionCells) {
        for (old, new) in from.as_array().iter().zip(to.as_array()) {
            if old != new {
                self.seated.remove(*old, key);
                self.seated.insert(*new, key);
            }
        }
    }

    /// Calls `found` with the key of every session that sits in a cell of the cover: each once, since a session
    /// has one cell per resolution.
    pub fn candidates(&self, cover: &Cover, mut found: impl FnMut(K)) {
        for cell in &cover.cells {
            self.seated.keys(*cell).iter().copied().for_each(&mut found);
        }
    }

    /// Returns how many cells are occupied, over all cover resolutions.
    #[must_use]
    pub fn cells(&self) -> usize {
        self.seated.cells()
    }

    /// Returns whether nobody sits anywhere.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.seated.is_empty()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::geo::{Location, cover_of_reach};
    use std::collections::{BTreeSet, HashSet};

    fn at(lat: f64, lng: f64) -> Location {
        Location::new(lat, lng).unwrap()
    }

    fn candidates(board: &CellBoard<u32>, place: Location) -> Vec<u32> {
        let mut keys = Vec::new();
        board.candidates(&SessionCells::of(place), |key| keys.push(key));
        keys
    }

    #[test]
    fn a_promotion_is_a_candidate_once_at_each_resolution() {
        let (mut board, place) = (CellBoard::default(), at(6.2442, -75.5812));
        let covers = [400, 5_000, 50_000].map(|reach_m| cover_of_reach(place, reach_m));
        assert_eq!(covers.iter().map(|c| c.resolution).collect::<HashSet<_>>().len(), 3);
        for (key, cover) in (0..).zip(&covers) {
            board.insert(key, cover);
            board.insert(key, cover);
        }
        assert_eq!(candidates(&board, place), [0, 1, 2]);
        assert_eq!(candidates(&board, at(6.5, -75.5812)), [2]);
        assert!(candidates(&board, at(4.7109, -74.0721)).is_empty());
        for (key, cover) in (0..).zip(&covers) {
            board.remove(key, cover);
            board.remove(key, cover);
        }
        assert!(board.is_empty() && board.cells() == 0);
    }

    #[test]
    fn sessions_are_found_by_cover_and_leave_nothing_behind() {
        let mut seats = OccupiedCells::default();
        let (home, away) = (at(6.2442, -75.5812), at(6.3, -75.6));
        let cover = cover_of_reach(home, 1_000);
        let found = |seats: &OccupiedCells<u32>| {
            let mut keys = Vec::new();
            seats.candidates(&cover, |key| keys.push(key));
            keys.sort_unstable();
            keys
        };
        for key in [3, 1, 2] {
            seats.insert(key, &SessionCells::of(home));
        }
        assert_eq!(found(&seats), [1, 2, 3]);
        seats.relocate(2, &SessionCells::of(home), &SessionCells::of(away));
        assert_eq!(found(&seats), [1, 3]);
        seats.relocate(2, &SessionCells::of(away), &SessionCells::of(home));
        assert_eq!(found(&seats), [1, 2, 3]);
        for key in 1..=3 {
            seats.remove(key, &SessionCells::of(home));
        }
        assert!(seats.is_empty() && seats.cells() == 0);
    }

    #[test]
    fn a_cell_is_a_sorted_set() {
        let cell = SessionCells::of(at(1.0, 2.0)).as_array()[0];
        let (mut map, mut model) = (CellIndexMap::default(), BTreeSet::new());
        let mut state = 7u32;
        for _ in 0..20_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let key = (state >> 8) % 500;
            if state >> 31 == 0 {
                assert_eq!(map.insert(cell, key), model.insert(key));
            } else {
                assert_eq!(map.remove(cell, key), model.remove(&key));
            }
            assert_eq!(map.keys(cell).len(), model.len());
        }
        assert!(map.keys(cell).iter().eq(&model));
    }

    #[test]
    fn twenty_five_thousand_promotions_of_one_city_come_and_go() {
        let mut board = CellBoard::default();
        let places: Vec<_> = (0..25u32)
            .map(|n| {
                cover_of_reach(at(6.2442 + f64::from(n) * 1e-3, -75.5812 + f64::from(n % 5) * 1e-3), 5_000)
            })
            .collect();
        let cover = |key: u32| &places[key as usize % places.len()];
        (0..25_000).for_each(|key| board.insert(key, cover(key)));
        assert_eq!(candidates(&board, at(6.2442, -75.5812)).len(), 25_000);
        (0..25_000).for_each(|key| board.remove(key, cover(key)));
        assert!(board.is_empty());
    }
}
