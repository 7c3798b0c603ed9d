//! The report for people: one HTML file with everything in it, charts as inline SVG, no script, nothing fetched.
//!
//! It draws what the figures say; it computes none.

mod chart;

use chart::{Axis, bars, lines, time};

use crate::figures::{ALL, Figures, OUTSIDE, Spread};
use crate::run::Report;
use crate::threshold::Compared;
use crate::timeline::Slice;

/// How much a figure may differ from the baseline's before it stands out.
const NOTABLE: f64 = 1.25;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:76rem;margin:2rem auto;padding:0 1rem;color:#111;\
background:#fff}table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:13px}\
td,th{padding:.25rem .6rem;border-bottom:1px solid #ddd;text-align:right;vertical-align:top}td.t,th.t{text-align:left}\
td.r{text-align:left;min-width:9rem}tr.all td{font-weight:600}h1{margin-bottom:.2rem}h2{margin-top:2rem}.bad{color:#b91c1c}\
.good{color:#15803d}.doubt{color:#92400e}.verdict{font-size:1.2rem;font-weight:600}.about{color:#444}\
.scroll{overflow-x:auto}.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,30rem),1fr));gap:0 2rem}\
figure{margin:1rem 0}figcaption{font-weight:600}figcaption span{margin-left:.9rem;font-weight:400;white-space:nowrap}\
svg{width:100%;height:auto}svg text{font:11px system-ui,sans-serif;fill:#444}code{overflow-wrap:anywhere}\
summary{cursor:pointer}@media(max-width:40rem){svg text{font-size:19px}svg .wide{display:none}body{margin-top:1rem}}";

/// Makes text safe inside an element or an attribute.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn charts(figures: &Figures) -> String {
    let line = &figures.timeline;
    let slice_s = line.slice_ms as f64 / 1e3;
    let marks: Vec<(String, f64)> =
        line.phases.iter().map(|(name, at_ms)| (name.clone(), *at_ms as f64 / 1e3)).collect();
    let axis = Axis { slice_s, marks: &marks };
    let of = |value: &dyn Fn(&Slice) -> Option<f64>| line.slices.iter().map(value).collect::<Vec<_>>();
    let rate = |count: u64| Some(count as f64 / slice_s);
    let ms = |us: u64| (us > 0).then_some(us as f64 / 1e3);
    let (offered, served) = (of(&|slice| rate(slice.offered)), of(&|slice| rate(slice.served)));
    let rates = [("offered", offered), ("served", served)];
    let mut out = lines("Operations offered against served", "per second", &axis, &rates);
    let (p50, p99) = (of(&|slice| ms(slice.p50_us)), of(&|slice| ms(slice.p99_us)));
    out += &lines("Latency, by when it was due", "ms", &axis, &[("p50", p50), ("p99", p99)]);
    if let Some(group) = &line.busiest {
        let units = |one: &dyn Fn(&crate::timeline::Units) -> u64| {
            of(&|slice| slice.units.as_ref().map(|units| one(units) as f64))
        };
        let all = [
            ("remaining", units(&|units| units.remaining)),
            ("held", units(&|units| units.held)),
            ("sold", units(&|units| units.sold)),
        ];
        out += &lines(&format!("Stock of the busiest sale: {group}"), "units", &axis, &all);
    }
    if line.slices.iter().any(|slice| slice.publications > 0) {
        let heard = of(&|slice| rate(slice.publications));
        out += &lines("Publications to live sessions", "per second", &axis, &[("received", heard)]);
    }
    if line.slices.iter().any(|slice| slice.lag_max_us > 0) {
        let lag = of(&|slice| ms(slice.lag_max_us));
        out += &lines("Delivery lag", "ms", &axis, &[("greatest", lag)]);
    }
    for (title, spread) in spreads(figures) {
        out += &bars(&format!("{title}: how late sessions heard"), "deliveries", spread);
    }
    for row in figures.rows.iter().filter(|row| row.phase == ALL && row.latency.count > 0) {
        out += &bars(&format!("Latency of {}", row.operation), "operations", &row.latency);
    }
    format!("<h2>Over time, and how it is distributed</h2><div class=charts>{out}</div>")
}

/// The distributions of delivery, with their names.
fn spreads(figures: &Figures) -> impl Iterator<Item = (&'static str, &Spread)> {
    let both = [("Update to session", &figures.delivery), ("Start to session", &figures.start)];
    both.into_iter().filter(|(_, spread)| spread.count > 0)
}

fn verdict(report: &Report) -> String {
    let mut out = String::from(match report.exit_code() {
        0 => r#"<p class="verdict good">Sound: no invariant is broken, no threshold crossed.</p>"#,
        1 => r#"<p class="verdict bad">Sound, but thresholds were crossed.</p>"#,
        _ => r#"<p class="verdict bad">Invariants are broken.</p>"#,
    });
    for crossed in &report.crossed {
        out += &format!(r#"<p class="bad">Threshold crossed: {}</p>"#, escape(crossed));
    }
    for violation in &report.verdict.violations {
        let named =
            escape(&format!("operations {:?}, sessions {:?}", violation.operations, violation.sessions));
        let (name, text) = (escape(&violation.invariant), escape(&violation.text));
        out += &format!(r#"<p class="bad">{name}: {text}<br><code>{named}</code></p>"#);
    }
    for warning in &report.warnings {
        out += &format!(r#"<p class="doubt">Warning: {}</p>"#, escape(warning));
    }
    out
}

fn invariants(report: &Report) -> String {
    let mut out = String::from(
        "<h2>What was judged</h2><div class=scroll><table><tr><th class=t>invariant</th><th>looked at</th><th>violations</th></tr>",
    );
    for (name, examined) in &report.verdict.examined {
        let found = report.verdict.counts.get(name).copied().unwrap_or(0);
        let class = if found > 0 { " class=bad" } else { "" };
        out +=
            &format!("<tr{class}><td class=t>{}</td><td>{examined}</td><td>{found}</td></tr>", escape(name));
    }
    out + "</table></div>"
}

fn rows(report: &Report) -> String {
    let mut out = String::from(
        "<h2>Operations</h2><div class=scroll><table><tr><th class=t>phase</th><th class=t>operation</th><th>due</th>\
         <th>due/s</th><th>served/s</th><th>ok</th><th class=t>refused</th><th>unknown</th><th>not sent</th><th>p50</th>\
         <th>p90</th><th>p99</th><th>p99.9</th><th>max</th></tr>",
    );
    for row in &report.figures.rows {
        let refused: Vec<String> =
            row.refused.iter().map(|(code, count)| format!("{count} {code}")).collect();
        let rate = |value: f64| if row.phase == OUTSIDE { String::new() } else { format!("{value:.0}") };
        let doubt = |count: u64| if count > 0 { " class=doubt" } else { "" };
        out += &format!(
            "<tr{}><td class=t>{}</td><td class=t>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td class=r>{}</td>\
             <td{}>{}</td><td{}>{}</td>",
            if row.phase == ALL { " class=all" } else { "" },
            escape(&row.phase),
            escape(&row.operation),
            row.due,
            rate(row.offered_per_second),
            rate(row.served_per_second),
            row.ok,
            escape(&refused.join(", ")),
            doubt(row.unknown),
            row.unknown,
            doubt(row.not_sent),
            row.not_sent
        );
        let latency = &row.latency;
        for us in [latency.p50_us, latency.p90_us, latency.p99_us, latency.p999_us, latency.max_us] {
            out += &format!("<td>{:.1}</td>", us as f64 / 1e3);
        }
        out += "</tr>";
    }
    out += "</table></div><p>Latencies in ms, from the moment an operation was due to its answer.</p>";
    for (title, spread) in spreads(&report.figures) {
        out += &format!(
            "<p>{title}: {} deliveries, p50 {}, p99 {}, p99.9 {}, at most {}.</p>",
            spread.count,
            time(spread.p50_us),
            time(spread.p99_us),
            time(spread.p999_us),
            time(spread.max_us)
        );
    }
    out
}

/// How a figure stands against the baseline: `bad`, `good`, or nothing of note.
fn class(one: &Compared) -> &'static str {
    // A rate is better the higher, a time the lower.
    let better = if one.what.ends_with(".rate") { one.ratio } else { 1.0 / one.ratio.max(f64::MIN_POSITIVE) };
    match better {
        _ if one.before <= 0.0 => "",
        ratio if ratio > NOTABLE => " class=good",
        ratio if ratio < 1.0 / NOTABLE => " class=bad",
        _ => "",
    }
}

fn compared(report: &Report) -> String {
    if report.compared.is_empty() {
        return String::new();
    }
    let mut out = String::from(
        "<h2>Against the baseline</h2><div class=scroll><table><tr><th class=t>figure</th><th>before</th><th>now</th>\
         <th>now / before</th></tr>",
    );
    for one in &report.compared {
        out += &format!(
            "<tr{}><td class=t>{}</td><td>{:.2}</td><td>{:.2}</td><td>{:.2}</td></tr>",
            class(one),
            escape(&one.what),
            one.before,
            one.now,
            one.ratio
        );
    }
    out + "</table></div>"
}

/// Draws the report.
#[must_use]
pub fn page(report: &Report) -> String {
    let (name, about) = (escape(&report.scenario), escape(&report.about));
    let knee = report.knee.as_ref().map(|knee| {
        let which = if knee.reached { "The knee is at" } else { "No knee up to" };
        format!("<p>{which} {:.0} claims per second (p99 {:.1} ms).</p>", knee.per_second, knee.p99_ms)
    });
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>Load test: {name}</title><style>{STYLE}</style><h1>{name}</h1><p class=about>{about}<br>\
         {} · seed {} · {} processors · generator {:.0} % of a core, 99 in 100 operations within {:.1} ms of their \
         time</p>{}{}{}{}{}{}</html>\n",
        escape(&report.began_at),
        report.seed,
        report.processors,
        report.effort.cpu_share * 100.0,
        report.effort.lateness_p99_us as f64 / 1e3,
        verdict(report),
        knee.unwrap_or_default(),
        rows(report),
        charts(&report.figures),
        compared(report),
        invariants(report)
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        assert_eq!(escape("<b a=\"1\">&"), "&lt;b a=&quot;1&quot;&gt;&amp;");
    }

    #[test]
    fn a_slower_or_rarer_run_stands_out() {
        let of = |what: &str, now| {
            class(&Compared { what: what.to_owned(), before: 10.0, now, ratio: now / 10.0 })
        };
        assert_eq!(
            ["all/claim.p99 ms", "all/claim.rate"].map(|what| of(what, 20.0)),
            [" class=bad", " class=good"]
        );
        assert_eq!(
            ["all/claim.p99 ms", "all/claim.rate"].map(|what| of(what, 5.0)),
            [" class=good", " class=bad"]
        );
        assert_eq!(of("all/claim.p99 ms", 10.5), "");
    }
}
