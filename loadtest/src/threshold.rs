//! What fails a run besides the judge: bounds on figures, and a comparison with a saved run.
//!
//! `[phase/]operation.figure` is compared with a number: `claim.p99>20ms`, `slow/update.max>1s`, `claim.unknown>0`. The
//! run fails where the sentence is true. It knows figures, not how they came about.

use crate::error::{Error, Result};
use crate::figures::{ALL, Figures, Spread};

/// One bound.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    text: String,
    phase: String,
    subject: String,
    figure: String,
    above: bool,
    or_equal: bool,
    value: f64,
}

impl std::str::FromStr for Threshold {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong =
            || Error::Setup(format!("not a threshold: {text} (expected something like claim.p99>20ms)"));
        let at = text.find(['<', '>']).ok_or_else(wrong)?;
        let (left, right) = text.split_at(at);
        let above = right.starts_with('>');
        let right = right.get(1..).unwrap_or_default();
        let (or_equal, right) = match right.strip_prefix('=') {
            Some(rest) => (true, rest),
            None => (false, right),
        };
        let left = left.trim();
        let (phase, rest) = left.split_once('/').unwrap_or((ALL, left));
        let (subject, figure) = rest.split_once('.').ok_or_else(wrong)?;
        let value = number(right.trim()).ok_or_else(wrong)?;
        let known = ["p50", "p90", "p99", "p99.9", "max", "rate", "ok", "refused", "unknown", "not_sent"];
        if !known.contains(&figure) {
            return Err(wrong());
        }
        let (phase, subject, figure) = (phase.to_owned(), subject.to_owned(), figure.to_owned());
        Ok(Self { text: text.to_owned(), phase, subject, figure, above, or_equal, value })
    }
}

/// Reads a number; times become milliseconds.
fn number(text: &str) -> Option<f64> {
    for (unit, factor) in [("ms", 1.0), ("us", 0.001), ("µs", 0.001), ("s", 1_000.0), ("", 1.0)] {
        if let Some(number) = text.strip_suffix(unit).and_then(|number| number.trim().parse::<f64>().ok()) {
            return Some(number * factor);
        }
    }
    None
}

fn of_spread(spread: &Spread, figure: &str) -> Option<f64> {
    let us = match figure {
        "p50" => spread.p50_us,
        "p90" => spread.p90_us,
        "p99" => spread.p99_us,
        "p99.9" => spread.p999_us,
        "max" => spread.max_us,
        _ => return None,
    };
    Some(us as f64 / 1e3)
}

impl Threshold {
    /// Looks whether a run is beyond the bound; `Some` says how.
    ///
    /// # Errors
    /// The run has no such figure.
    pub fn failure(&self, figures: &Figures) -> Result<Option<String>> {
        let missing =
            || Error::Setup(format!("{}: the run has no {}/{}", self.text, self.phase, self.subject));
        let found = match self.subject.as_str() {
            "delivery" | "start" => {
                let spread = if self.subject == "start" { &figures.start } else { &figures.delivery };
                of_spread(spread, &self.figure).filter(|_| spread.count > 0).ok_or_else(missing)?
            }
            subject => {
                let row = figures.row(&self.phase, subject).ok_or_else(missing)?;
                match self.figure.as_str() {
                    "rate" => row.served_per_second,
                    "ok" => row.ok as f64,
                    "refused" => row.refused.values().sum::<u64>() as f64,
                    "unknown" => row.unknown as f64,
                    "not_sent" => row.not_sent as f64,
                    figure => of_spread(&row.latency, figure).ok_or_else(missing)?,
                }
            }
        };
        let beyond = if self.above { found > self.value } else { found < self.value };
        let beyond = beyond || (self.or_equal && found == self.value);
        Ok(beyond.then(|| format!("{}: it is {found:.3}", self.text)))
    }
}

/// One figure beside the same one of a saved run.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Compared {
    /// Phase, operation and figure.
    pub what: String,
    /// In the saved run.
    pub before: f64,
    /// In this one.
    pub now: f64,
    /// Now over before; 0 where there was nothing before.
    pub ratio: f64,
}

/// Compares the rows that both runs have, and how late sessions heard.
#[must_use]
pub fn compare(before: &Figures, now: &Figures) -> Vec<Compared> {
    let mut all = Vec::new();
    for row in &now.rows {
        let Some(old) = before.row(&row.phase, &row.operation) else { continue };
        let mut add = |figure: &str, before: f64, now: f64| {
            let what = format!("{}/{}.{figure}", row.phase, row.operation);
            let ratio = if before > 0.0 { now / before } else { 0.0 };
            all.push(Compared { what, before, now, ratio });
        };
        for figure in ["p50", "p99", "p99.9"] {
            if let (Some(before), Some(now)) =
                (of_spread(&old.latency, figure), of_spread(&row.latency, figure))
            {
                add(&format!("{figure} ms"), before, now);
            }
        }
        if row.served_per_second > 0.0 {
            add("rate", old.served_per_second, row.served_per_second);
        }
    }
    for (name, old, new) in
        [("delivery", &before.delivery, &now.delivery), ("start", &before.start, &now.start)]
    {
        if old.count == 0 || new.count == 0 {
            continue;
        }
        for figure in ["p50", "p99", "p99.9"] {
            if let (Some(before), Some(now)) = (of_spread(old, figure), of_spread(new, figure)) {
                let ratio = if before > 0.0 { now / before } else { 0.0 };
                all.push(Compared { what: format!("{name}.{figure} ms"), before, now, ratio });
            }
        }
    }
    all
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::figures::Row;

    fn figures(p99_us: u64) -> Figures {
        let latency = Spread { count: 10, p99_us, ..Spread::default() };
        let row = Row {
            phase: ALL.to_owned(),
            operation: "claim".to_owned(),
            due: 10,
            offered_per_second: 10.0,
            served_per_second: 9.0,
            ok: 9,
            refused: [("sold_out".to_owned(), 1)].into(),
            unknown: 0,
            not_sent: 0,
            latency,
        };
        Figures { rows: vec![row], ..Figures::default() }
    }

    fn fails(text: &str, figures: &Figures) -> bool {
        text.parse::<Threshold>().unwrap().failure(figures).unwrap().is_some()
    }

    #[test]
    fn a_bound_fails_where_its_sentence_is_true() {
        let figures = figures(20_001);
        assert!(fails("claim.p99>20ms", &figures) && fails("claim.p99 > 0.02s", &figures));
        assert!(!fails("claim.p99>21ms", &figures) && !fails("claim.unknown>0", &figures));
        assert!(fails("claim.rate<10", &figures) && fails("all/claim.refused>=1", &figures));
    }

    #[test]
    fn what_is_not_there_is_an_error_and_not_a_pass() {
        assert!("confirm.p99>1ms".parse::<Threshold>().unwrap().failure(&figures(1)).is_err());
        assert!("start.p99>1ms".parse::<Threshold>().unwrap().failure(&figures(1)).is_err());
        for text in ["claim.p99", "claim.p98>1ms", "p99>1ms", "claim.p99>fast"] {
            assert!(text.parse::<Threshold>().is_err(), "{text}");
        }
    }

    #[test]
    fn runs_are_compared_row_by_row() {
        let compared = compare(&figures(10_000), &figures(20_000));
        let p99 = compared.iter().find(|one| one.what == "all/claim.p99 ms").unwrap();
        assert_eq!((p99.before, p99.now, p99.ratio), (10.0, 20.0, 2.0));
    }
}
