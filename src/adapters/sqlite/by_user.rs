//! From shoppers to their claims: an index whose newest part is in memory.
//!
//! Shoppers come in no order, so an index by shopper that each commit keeps up costs a page of log per claim, more than
//! everything else in the commit together. Here a commit only notes its claims in memory; what piled up is sorted and
//! merged into `claims_by_user` in order, a slice with each later commit. `claims_by_user_mark` says up to where the
//! table is complete; at the start the claims beyond it are read again. Relies on one serving process per file
//! (`super::super::lock`).

use super::bulk::Bulk;
use flash_actors::ports::PortError;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use uuid::Uuid;

/// Claims in memory before they are sorted into a run: some megabytes, and a run long enough that its neighbours meet
/// in the same pages.
const RUN: usize = 100_000;
/// Entries merged with each commit for each of its claims, so that a run is gone before the next one is full.
const MERGED_PER_CLAIM: usize = 2;
/// Entries merged with a commit at least.
const MERGED_MIN: usize = 16;

/// The part of the index that is in memory.
#[derive(Default)]
pub struct ByUser {
    recent: Mutex<Recent>,
}

#[derive(Default)]
struct Recent {
    /// Since the last run was made: shopper → positions, ascending.
    fresh: HashMap<Uuid, Vec<i64>>,
    fresh_claims: usize,
    /// The run that is being merged, sorted; all of it stays visible until its last slice is committed.
    run: Vec<(Uuid, i64)>,
    /// How much of the run is committed.
    merged: usize,
}

/// The next entries to merge.
pub struct Slice {
    /// Shopper and position, ascending.
    pub entries: Vec<(Uuid, i64)>,
    /// Where the mark stands once they are committed, if they are the last ones of a run.
    pub mark: Option<i64>,
}

impl ByUser {
    /// Reads the claims beyond the mark.
    ///
    /// # Errors
    /// The database's.
    pub async fn load(bulk: &Bulk) -> Result<Self, PortError> {
        let by_user = Self::default();
        by_user.note(&bulk.beyond_the_mark().await?);
        Ok(by_user)
    }

    /// Notes claims that are committed.
    pub fn note(&self, made: &[(Uuid, i64)]) {
        let mut recent = self.lock();
        for (user, position) in made {
            recent.fresh.entry(*user).or_default().push(*position);
        }
        recent.fresh_claims += made.len();
        if recent.fresh_claims >= RUN && recent.run.is_empty() {
            let fresh = std::mem::take(&mut recent.fresh);
            recent.fresh_claims = 0;
            recent.run =
                fresh.into_iter().flat_map(|(user, at)| at.into_iter().map(move |at| (user, at))).collect();
            recent.run.sort_unstable();
        }
    }

    /// What to merge beside a commit of that many claims.
    pub fn slice(&self, claims: usize) -> Option<Slice> {
        let recent = self.lock();
        let rest = recent.run.get(recent.merged..).filter(|rest| !rest.is_empty())?;
        let size = rest.len().min((claims * MERGED_PER_CLAIM).max(MERGED_MIN));
        let mark = if size == rest.len() { recent.run.iter().map(|(_, at)| *at).max() } else { None };
        Some(Slice { entries: rest[..size].to_vec(), mark })
    }

    /// Takes note that a slice is committed.
    pub fn merged(&self, slice: &Slice) {
        let mut recent = self.lock();
        recent.merged += slice.entries.len();
        if slice.mark.is_some() {
            recent.run = Vec::new();
            recent.merged = 0;
        }
    }

    /// The positions of a shopper's claims that the table may not have yet, as a JSON array. Ask this before the
    /// database: a claim leaves memory only after it is committed there.
    pub fn recent(&self, user: Uuid) -> String {
        let recent = self.lock();
        let start = recent.run.partition_point(|(of, _)| *of < user);
        let in_run = recent.run[start..].iter().take_while(|(of, _)| *of == user).map(|(_, at)| *at);
        let fresh = recent.fresh.get(&user).into_iter().flatten().copied();
        let positions: Vec<String> = in_run.chain(fresh).map(|at| at.to_string()).collect();
        format!("[{}]", positions.join(","))
    }

    fn lock(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_claim_is_in_memory_until_its_whole_run_is_committed() {
        let by_user = ByUser::default();
        let user = |n: usize| Uuid::from_u128((n % 997) as u128);
        let made: Vec<_> = (0..RUN).map(|n| (user(n), n as i64 + 1)).collect();
        assert!(by_user.slice(1).is_none());
        by_user.note(&made[..10]);
        assert!(by_user.slice(1).is_none(), "a handful waits");
        by_user.note(&made[10..]);
        let mut table = Vec::new();
        loop {
            assert_eq!(
                by_user.recent(user(3)).split(',').count(),
                made.iter().filter(|m| m.0 == user(3)).count()
            );
            let slice = by_user.slice(1_000).unwrap();
            // A commit that failed merges nothing: the same slice comes again.
            assert_eq!(by_user.slice(1_000).unwrap().entries, slice.entries);
            table.extend(slice.entries.iter().copied());
            by_user.merged(&slice);
            if let Some(mark) = slice.mark {
                assert_eq!(mark, RUN as i64);
                break;
            }
        }
        assert!(table.is_sorted());
        assert_eq!(table.len(), RUN);
        assert_eq!(by_user.recent(user(3)), "[]");
        by_user.note(&[(user(3), 99_999)]);
        assert_eq!(by_user.recent(user(3)), "[99999]");
    }
}
