//! What is due when, and what time it is.
//!
//! It knows the kinds of tasks, not how they are done.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::{Instant, SystemTime};

use uuid::Uuid;

use crate::history::{Kind, Micros};

/// Wall time that does not jump: the wall clock at the start, and monotonic time from then on.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    wall_us: Micros,
    start: Instant,
}

impl Clock {
    /// Reads the wall clock.
    #[must_use]
    pub fn new() -> Self {
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { wall_us: Micros::try_from(wall.as_micros()).unwrap_or(0), start: Instant::now() }
    }

    /// Microseconds since the Unix epoch.
    #[must_use]
    pub fn now_us(&self) -> Micros {
        self.wall_us + Micros::try_from(self.start.elapsed().as_micros()).unwrap_or(0)
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

/// Something to do.
#[derive(Debug, Clone)]
pub enum Task {
    /// A phase begins.
    Phase(u16),
    /// An operation of a flow is due: the phase in the upper half, the flow in the lower.
    Flow(u64),
    /// A shopper acts on a claim.
    Follow {
        /// What is done.
        kind: Kind,
        /// To which claim.
        claim: Uuid,
        /// Who.
        shopper: u32,
        /// Of which sale.
        sale: u32,
    },
    /// A sale that was paused goes on.
    Resume {
        /// Which.
        sale: u32,
    },
    /// A session connects.
    Return(u32),
    /// A one-byte reader reads its byte.
    Drip(u32),
    /// The last phase is over.
    End,
}

impl Task {
    /// Tells whether it follows from another one, so that a run waits for it.
    fn follows(&self) -> bool {
        matches!(self, Self::Follow { .. } | Self::Resume { .. })
    }
}

#[derive(Debug)]
struct Due {
    at_us: Micros,
    order: u64,
    task: Task,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    /// The earliest is the greatest; at one moment, the first that was added.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at_us, other.order).cmp(&(self.at_us, self.order))
    }
}

/// The tasks, by when they are due.
#[derive(Debug, Default)]
pub struct Agenda {
    heap: BinaryHeap<Due>,
    order: u64,
    follows: usize,
}

impl Agenda {
    /// Adds a task.
    pub fn add(&mut self, at_us: Micros, task: Task) {
        self.follows += usize::from(task.follows());
        self.order += 1;
        self.heap.push(Due { at_us, order: self.order, task });
    }

    /// When the next task is due.
    #[must_use]
    pub fn next_us(&self) -> Option<Micros> {
        self.heap.peek().map(|due| due.at_us)
    }

    /// Takes the next task, if it is due, and when it was.
    pub fn pop(&mut self, now_us: Micros) -> Option<(Micros, Task)> {
        if self.next_us()? > now_us {
            return None;
        }
        let due = self.heap.pop()?;
        self.follows -= usize::from(due.task.follows());
        Some((due.at_us, due.task))
    }

    /// How many acts of shoppers are still to come.
    #[must_use]
    pub fn follows(&self) -> usize {
        self.follows
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn tasks_come_when_they_are_due_and_in_order() {
        let mut agenda = Agenda::default();
        agenda.add(20, Task::Return(2));
        agenda.add(10, Task::Return(1));
        agenda.add(20, Task::Return(3));
        assert_eq!(agenda.next_us(), Some(10));
        assert!(agenda.pop(9).is_none());
        let taken: Vec<_> =
            std::iter::from_fn(|| agenda.pop(20)).map(|(at, task)| (at, format!("{task:?}"))).collect();
        let expected = [(10, "Return(1)"), (20, "Return(2)"), (20, "Return(3)")];
        assert_eq!(taken, expected.map(|(at, text)| (at, text.to_owned())));
    }
}
