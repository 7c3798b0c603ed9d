//! One worker's occupied cells: which sessions sit where, and which offers are shown there. Cells are values, keyed by
//! H3 index; they route, and the caller decides by distance.

use flash_domain::board::{CellBoard, OccupiedCells};
use flash_domain::geo::{Cover, SessionCells};

/// The cells of one hub: offers and sessions by their keys in the hub's own tables.
#[derive(Debug, Default)]
pub struct Cells {
    offers: CellBoard<u32>,
    sessions: OccupiedCells<u32>,
}

impl Cells {
    /// Shows an offer in the cells of its cover.
    pub fn show(&mut self, offer: u32, cover: &Cover) {
        self.offers.insert(offer, cover);
    }

    /// Takes an offer out of the cells of the cover that it was shown with.
    pub fn hide(&mut self, offer: u32, cover: &Cover) {
        self.offers.remove(offer, cover);
    }

    /// Seats a session, moves it (`from` → `to`) or takes it out.
    pub fn seat(&mut self, session: u32, from: Option<&SessionCells>, to: Option<&SessionCells>) {
        match (from, to) {
            (Some(from), Some(to)) => self.sessions.relocate(session, from, to),
            (None, Some(to)) => self.sessions.insert(session, to),
            (Some(from), None) => self.sessions.remove(session, from),
            (None, None) => {}
        }
    }

    /// The offers that a session in these cells may see: all that are in reach, and some that are not.
    pub fn offers_for(&self, cells: &SessionCells) -> Vec<u32> {
        let mut found = Vec::new();
        self.offers.candidates(cells, |offer| found.push(offer));
        found
    }

    /// The sessions that may see an offer with this cover, ascending.
    pub fn sessions_for(&self, cover: &Cover) -> Vec<u32> {
        let mut found = Vec::new();
        self.sessions.candidates(cover, |session| found.push(session));
        found.sort_unstable();
        found
    }

    /// How many cells are occupied, over all cover resolutions.
    pub fn occupied(&self) -> usize {
        self.sessions.cells()
    }
}
