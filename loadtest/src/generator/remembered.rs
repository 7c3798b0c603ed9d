//! Publications that were read a moment ago: the same bytes come on many sockets, and are read once.
//!
//! It knows nothing of sockets.

use super::exchange::{self, Publication};

/// How many are remembered.
const REMEMBERED: usize = 8;

/// The last publications, by their bytes.
#[derive(Debug, Default)]
pub struct Remembered {
    entries: Vec<(Vec<u8>, Option<Publication>)>,
    next: usize,
}

impl Remembered {
    /// Reads a push, or finds that the same bytes were read a moment ago; `None` = nothing on `nearby`.
    ///
    /// # Errors
    /// It cannot be read; the text says what it was.
    pub fn read(&mut self, message: &[u8]) -> Result<Option<Publication>, String> {
        if let Some((_, publication)) = self.entries.iter().find(|(bytes, _)| bytes == message) {
            return Ok(publication.clone());
        }
        let publication = exchange::publication(message)
            .map_err(|error| format!("{error}: {}", String::from_utf8_lossy(message)))?;
        let entry = (message.to_vec(), publication.clone());
        if self.entries.len() < REMEMBERED {
            self.entries.push(entry);
        } else if let Some(slot) = self.entries.get_mut(self.next) {
            *slot = entry;
            self.next = (self.next + 1) % REMEMBERED;
        }
        Ok(publication)
    }
}
