//! The outcome of a run: one row per comparison, one table at the end, the same as JSON for machines.
//!
//! It deliberately knows nothing of how a figure came about.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

/// Which way a figure must go.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// The figure must reach this.
    AtLeast(f64),
    /// The figure must not exceed this.
    AtMost(f64),
}

impl Target {
    /// Tells whether `figure` is good enough.
    #[must_use]
    pub fn is_met(self, figure: f64) -> bool {
        match self {
            Self::AtLeast(least) => figure >= least,
            Self::AtMost(most) => figure <= most,
        }
    }
}

/// One comparison.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// What was done.
    pub work: String,
    /// Under which settings.
    pub setting: String,
    /// What the server did, with its unit.
    pub ours: String,
    /// What the limit did, with its unit; empty where the figure is absolute.
    pub limit: String,
    /// The figure that counts: a ratio, or an absolute number.
    pub figure: f64,
    /// The smallest and the largest figure of a slice.
    pub spread: (f64, f64),
    /// What the figure must reach in this issue; `None` = for information.
    pub target: Option<Target>,
    /// Everything else that was measured.
    pub detail: Value,
}

/// Returns the median; 0 for an empty list.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match (sorted.get(middle), sorted.len() % 2) {
        (Some(&value), 1) => value,
        (Some(&value), _) => (value + sorted.get(middle - 1).copied().unwrap_or(value)) / 2.0,
        (None, _) => 0.0,
    }
}

/// Returns the smallest and the largest value; zeros for an empty list.
#[must_use]
pub fn spread(values: &[f64]) -> (f64, f64) {
    let pair = |found: Option<(f64, f64)>, value: f64| match found {
        Some((low, high)) => Some((low.min(value), high.max(value))),
        None => Some((value, value)),
    };
    values.iter().copied().fold(None, pair).unwrap_or_default()
}

/// Lays the rows out as a table.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    let titles =
        ["work", "setting", "ours", "limit", "figure", "slices", "must reach", ""].map(str::to_owned);
    let mut cells = vec![titles];
    for row in rows {
        let (must, verdict) = match row.target {
            Some(target @ Target::AtLeast(least)) => (format!(">= {least:.2}"), verdict(target, row.figure)),
            Some(target @ Target::AtMost(most)) => (format!("<= {most:.2}"), verdict(target, row.figure)),
            None => (String::new(), ""),
        };
        cells.push([
            row.work.clone(),
            row.setting.clone(),
            row.ours.clone(),
            row.limit.clone(),
            format!("{:.2}", row.figure),
            format!("{:.2} to {:.2}", row.spread.0, row.spread.1),
            must,
            verdict.to_owned(),
        ]);
    }
    let width = |column: usize| cells.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 8] = std::array::from_fn(width);
    let mut out = String::new();
    for line in &cells {
        let mut text = String::new();
        for (cell, width) in line.iter().zip(widths) {
            let _ = write!(text, "{cell:<width$}  ");
        }
        out.push_str(text.trim_end());
        out.push('\n');
    }
    out
}

fn verdict(target: Target, figure: f64) -> &'static str {
    if target.is_met(figure) { "ok" } else { "MISSED" }
}

/// Returns which share of the machine's processor time others use, watching for `period`; 0 when it cannot be told.
#[must_use]
pub fn busy_share(period: Duration) -> f64 {
    let read = || -> Option<(f64, f64)> {
        let stat = std::fs::read_to_string("/proc/stat").ok()?;
        let ticks: Vec<f64> = stat
            .lines()
            .next()?
            .split_whitespace()
            .skip(1)
            .take(8)
            .filter_map(|field| field.parse().ok())
            .collect();
        // proc_stat(5): user, nice, system, idle, iowait, …
        Some((ticks.iter().sum(), ticks.get(3)? + ticks.get(4)?))
    };
    let before = read();
    std::thread::sleep(period);
    match (before, read()) {
        (Some((all_before, idle_before)), Some((all, idle))) if all > all_before => {
            1.0 - (idle - idle_before) / (all - all_before)
        }
        _ => 0.0,
    }
}

/// Returns the run as JSON: where, when, how busy the machine was with other things before, and every row.
#[must_use]
pub fn to_json(rows: &[Row], busy_before: f64) -> Value {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    json!({
        "at": format!("{:.3}", jiff::Timestamp::now()),
        "cores": std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
        "cpu": model.trim_start_matches([' ', '\t', ':']),
        "kernel": kernel.trim(),
        "busy_before": busy_before,
        "rows": rows,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_spreads() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(&[]), 0.0);
        assert_eq!(spread(&[0.5, 0.4, 0.9]), (0.4, 0.9));
    }

    #[test]
    fn a_missed_target_is_shown() {
        let row = Row {
            work: "claims".to_owned(),
            setting: "sqlite, 256".to_owned(),
            ours: "9,000/s".to_owned(),
            limit: "20,000/s".to_owned(),
            figure: 0.45,
            spread: (0.44, 0.46),
            target: Some(Target::AtLeast(0.52)),
            detail: Value::Null,
        };
        let text = table(&[row]);
        assert!(text.lines().nth(1).unwrap().ends_with(">= 0.52     MISSED"), "{text}");
    }
}
