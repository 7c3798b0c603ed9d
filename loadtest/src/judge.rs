//! The judge: reads a history and says which invariants it breaks, naming the operations.
//!
//! Pure: no clock, no IO. It believes nothing but the history, and where the history leaves room (an operation in flight,
//! clocks that differ, a hold about to expire) it decides for the server: what it finds cannot be explained away.

mod claims;
pub mod delivery;
mod shoppers;
mod stock;
mod terms;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::history::History;

/// Violations of one invariant that are told in full; the rest is counted.
pub const TOLD_MAX: usize = 20;

/// Operations that one violation names.
pub const NAMED_MAX: usize = 12;

/// One broken invariant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// Which: a word that stays the same.
    pub invariant: String,
    /// What happened, for people.
    pub text: String,
    /// The operations that show it.
    pub operations: Vec<u64>,
    /// The live sessions that show it.
    pub sessions: Vec<u32>,
}

/// What the judge found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// How many cases of each invariant were looked at; 0 means that the run did not exercise it.
    pub examined: BTreeMap<String, u64>,
    /// How many violations of each there are.
    pub counts: BTreeMap<String, u64>,
    /// The violations, at most [`TOLD_MAX`] of each.
    pub violations: Vec<Violation>,
}

impl Verdict {
    /// Tells whether nothing was broken.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }

    /// Notes that `count` cases of an invariant were looked at.
    fn examine(&mut self, invariant: &str, count: usize) {
        *self.examined.entry(invariant.to_owned()).or_default() += count as u64;
    }

    /// Notes a violation.
    fn find(&mut self, invariant: &str, text: String, operations: Vec<u64>, sessions: Vec<u32>) {
        let count = self.counts.entry(invariant.to_owned()).or_default();
        *count += 1;
        if *count <= TOLD_MAX as u64 {
            let operations = operations.into_iter().take(NAMED_MAX).collect();
            self.violations.push(Violation { invariant: invariant.to_owned(), text, operations, sessions });
        }
    }

    /// Adds what somebody else found, as the server's own audit.
    pub fn add(&mut self, invariant: &str, problem: Option<String>) {
        self.examine(invariant, 1);
        if let Some(text) = problem {
            self.find(invariant, text, Vec::new(), Vec::new());
        }
    }
}

/// Judges a history.
#[must_use]
pub fn judge(history: &History) -> Verdict {
    let mut verdict = Verdict::default();
    let book = claims::Book::of(history);
    let terms = terms::Terms::of(history);
    claims::judge(history, &book, &terms, &mut verdict);
    stock::judge(history, &book, &terms, &mut verdict);
    shoppers::judge(history, &book, &terms, &mut verdict);
    terms::judge(history, &terms, &book.entries.values().collect::<Vec<_>>(), &mut verdict);
    if history.events_dropped == 0 {
        delivery::judge(history, &terms, &mut verdict);
    }
    verdict
}
