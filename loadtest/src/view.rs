//! What a person sees while a run goes on, and the table after it.
//!
//! On a terminal there are live lines; elsewhere a line every few seconds. It knows how a run stands, not how it works.

use std::cell::Cell;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::figures::{ALL, Row};
use crate::generator::plan::Tick;
use crate::run::{Report, Watch};

/// Between lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Operations of a violation that are shown in full; the JSON has all that are named.
const SHOWN_MAX: usize = 3;

/// Shows a run on standard error.
pub struct View {
    bar: Option<ProgressBar>,
    last: Cell<Option<(Instant, u64, u64)>>,
    rate: Cell<(f64, f64)>,
    line: Cell<Option<Instant>>,
    silent: bool,
}

impl View {
    /// Makes a view of a run of this length.
    #[must_use]
    pub fn new(duration_ms: u64, silent: bool) -> Self {
        let live = std::io::stderr().is_terminal() && !silent;
        let bar = live.then(|| {
            let bar = ProgressBar::new(duration_ms);
            let template = "{prefix:>10} [{bar:40}] {percent:>3} %\n{msg}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("=> "));
            }
            bar
        });
        Self { bar, last: Cell::new(None), rate: Cell::new((0.0, 0.0)), line: Cell::new(None), silent }
    }

    /// Ends the live lines.
    pub fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Watch for View {
    fn step(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(text.to_owned()),
            None if !self.silent => eprintln!("{text}"),
            None => {}
        }
    }

    fn tick(&self, tick: &Tick) {
        let now = Instant::now();
        let answered = tick.ok + tick.refused;
        match self.last.get() {
            Some((at, begun, before)) if now - at >= Duration::from_secs(1) => {
                let seconds = (now - at).as_secs_f64();
                let per_second = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
                self.rate.set((per_second(tick.begun, begun), per_second(answered, before)));
                self.last.set(Some((now, tick.begun, answered)));
            }
            Some(_) => {}
            None => self.last.set(Some((now, tick.begun, answered))),
        }
        let (offered, served) = self.rate.get();
        let ms = |us: u64| us as f64 / 1e3;
        let text = format!(
            "offered {offered:.0}/s  served {served:.0}/s  p50 {:.1} ms  p99 {:.1} ms\n\
             ok {}  refused {}  unknown {}  not sent {}  sessions {}  publications {}",
            ms(tick.recent_us.0),
            ms(tick.recent_us.1),
            tick.ok,
            tick.refused,
            tick.unknown,
            tick.not_sent,
            tick.sessions,
            tick.publications
        );
        if let Some(bar) = &self.bar {
            bar.set_prefix(tick.phase.clone());
            bar.set_position(u64::try_from(tick.elapsed_ms).unwrap_or(0));
            bar.set_message(text);
        } else if !self.silent && self.line.get().is_none_or(|line| now - line >= LINE_EVERY) {
            self.line.set(Some(now));
            eprintln!(
                "{:>5.1} s  {}  {}",
                tick.elapsed_ms as f64 / 1e3,
                tick.phase,
                text.replace('\n', "  ")
            );
        }
    }
}

/// The table of a run and its verdict, for standard output.
#[must_use]
pub fn table(report: &Report) -> String {
    let mut out = format!("{} (seed {}): {}\n\n", report.scenario, report.seed, report.about);
    let head = [
        "phase",
        "operation",
        "due",
        "/s",
        "ok",
        "refused",
        "unknown",
        "not sent",
        "p50",
        "p90",
        "p99",
        "p99.9",
        "max",
    ];
    let mut lines: Vec<Vec<String>> = vec![head.map(str::to_owned).to_vec()];
    lines.extend(report.figures.rows.iter().map(cells));
    let widths: Vec<usize> = (0..head.len())
        .map(|column| lines.iter().filter_map(|line| line.get(column)).map(String::len).max().unwrap_or(0))
        .collect();
    for line in &lines {
        for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
            out += &if column < 2 { format!("{cell:<width$}  ") } else { format!("{cell:>width$}  ") };
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
    }
    out += "latencies in ms, from the moment an operation was due\n";
    for (name, spread) in
        [("update to session", &report.figures.delivery), ("start to session", &report.figures.start)]
    {
        if spread.count > 0 {
            let ms = |us: u64| us as f64 / 1e3;
            out += &format!(
                "{name}: {} deliveries, p50 {:.1}  p99 {:.1}  p99.9 {:.1}  max {:.1} ms\n",
                spread.count,
                ms(spread.p50_us),
                ms(spread.p99_us),
                ms(spread.p999_us),
                ms(spread.max_us)
            );
        }
    }
    let effort = &report.effort;
    out += &format!(
        "generator: {:.0} % of a core, 99 in 100 operations begun within {:.1} ms of their time, {} waited for a connection\n",
        effort.cpu_share * 100.0,
        effort.lateness_p99_us as f64 / 1e3,
        effort.waited
    );
    for warning in &report.warnings {
        out += &format!("warning: {warning}\n");
    }
    if let Some(knee) = &report.knee {
        let which = if knee.reached { "knee" } else { "no knee up to" };
        out += &format!(
            "{which}: {:.0} claims/s ({}, p99 {:.1} ms)\n",
            knee.per_second, knee.phase, knee.p99_ms
        );
    }
    for one in report.compared.iter().filter(|one| one.what.starts_with(ALL)) {
        out += &format!(
            "against the baseline: {} {:.2} -> {:.2} (x{:.2})\n",
            one.what, one.before, one.now, one.ratio
        );
    }
    out + &verdict(report)
}

fn verdict(report: &Report) -> String {
    let mut out = String::new();
    for crossed in &report.crossed {
        out += &format!("threshold crossed: {crossed}\n");
    }
    let looked: Vec<String> = report
        .verdict
        .examined
        .iter()
        .filter(|(_, n)| **n > 0)
        .map(|(name, n)| format!("{name} {n}"))
        .collect();
    out += &format!("judged: {}\n", looked.join(", "));
    for violation in &report.verdict.violations {
        out += &format!("VIOLATION {}: {}", violation.invariant, violation.text);
        if !violation.operations.is_empty() {
            out += &format!(" (operations {:?})", violation.operations);
        }
        out.push('\n');
        let shown = report.named.iter().filter(|operation| violation.operations.contains(&operation.id));
        for operation in shown.take(SHOWN_MAX) {
            let took_ms = operation.latency_us() as f64 / 1e3;
            out += &format!(
                "  operation {}: {} by shopper {}, sent at {} µs, {took_ms:.1} ms: {:?}\n",
                operation.id,
                operation.kind.name(),
                operation.shopper,
                operation.sent_us,
                operation.outcome
            );
        }
    }
    let total: u64 = report.verdict.counts.values().sum();
    out += &match (total, report.crossed.len()) {
        (0, 0) => "verdict: sound\n".to_owned(),
        (0, crossed) => format!("verdict: sound, {crossed} thresholds crossed\n"),
        (total, _) => format!("verdict: {total} violations\n"),
    };
    out
}

fn cells(row: &Row) -> Vec<String> {
    let ms = |us: u64| format!("{:.1}", us as f64 / 1e3);
    let latency = &row.latency;
    vec![
        row.phase.clone(),
        row.operation.clone(),
        row.due.to_string(),
        format!("{:.0}", row.served_per_second),
        row.ok.to_string(),
        row.refused.values().sum::<u64>().to_string(),
        row.unknown.to_string(),
        row.not_sent.to_string(),
        ms(latency.p50_us),
        ms(latency.p90_us),
        ms(latency.p99_us),
        ms(latency.p999_us),
        ms(latency.max_us),
    ]
}
