//! The report for people: one HTML file with everything in it, charts as inline SVG, no script, nothing fetched.
//!
//! It draws what the figures say; it computes none.

use crate::figures::{ALL, Figures, Spread};
use crate::run::Report;

const WIDTH: f64 = 760.0;
const RIGHT: f64 = 26.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 64.0;
const BOTTOM: f64 = 26.0;
const COLOURS: [&str; 3] = ["#1668b8", "#c2410c", "#15803d"];

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#111;\
background:#fff}table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:13px;width:100%}\
td,th{padding:.25rem .6rem;border-bottom:1px solid #ddd;text-align:right}td:nth-child(-n+2),th:nth-child(-n+2)\
{text-align:left}h2{margin-top:2rem}.bad{color:#b91c1c}.good{color:#15803d}svg{width:100%;height:auto}\
svg text{font:11px system-ui,sans-serif;fill:#444}code{overflow-wrap:anywhere}.scroll{overflow-x:auto}";

/// Makes text safe inside an element or an attribute.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Rounds a greatest value up to 1, 2 or 5 times a power of ten.
fn round_up(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let power = 10f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|step| step * power).find(|bound| *bound >= value).unwrap_or(value)
}

fn short(value: f64) -> String {
    match value {
        v if v >= 1e6 => format!("{:.1}M", v / 1e6),
        v if v >= 1e4 => format!("{:.0}k", v / 1e3),
        v if v >= 10.0 || v == 0.0 => format!("{v:.0}"),
        v => format!("{v:.2}"),
    }
}

/// A chart of lines over seconds; each line has a name and a value per second (`None` = a gap).
fn lines(title: &str, unit: &str, all: &[(&str, Vec<Option<f64>>)]) -> String {
    let count = all.iter().map(|(_, values)| values.len()).max().unwrap_or(0).max(2);
    let top =
        round_up(all.iter().flat_map(|(_, values)| values.iter().flatten().copied()).fold(0.0, f64::max));
    let x = |index: usize| LEFT + (WIDTH - LEFT - RIGHT) * index as f64 / (count - 1) as f64;
    let y = |value: f64| 10.0 + (HEIGHT - BOTTOM - 10.0) * (1.0 - value / top);
    let mut svg = frame(title, unit, top, y);
    for step in 0..=4 {
        let index = (count - 1) * step / 4;
        let (at, below) = (x(index), HEIGHT - 8.0);
        svg += &format!(r#"<text x="{at:.1}" y="{below}" text-anchor="middle">{index} s</text>"#);
    }
    for (nth, (name, values)) in all.iter().enumerate() {
        let colour = COLOURS[nth % COLOURS.len()];
        let mut path = String::new();
        let mut pen = 'M';
        for (index, value) in values.iter().enumerate() {
            match value {
                Some(value) => {
                    path += &format!("{pen}{:.1} {:.1}", x(index), y(*value));
                    if pen == 'M' {
                        // A point that stands alone shows, too.
                        path += "h.01";
                    }
                    pen = 'L';
                }
                None => pen = 'M',
            }
        }
        let at = LEFT + 8.0 + 130.0 * nth as f64;
        svg += &format!(
            r#"<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.6" stroke-linecap="round"/>"#
        );
        svg += &format!(r#"<text x="{at}" y="22" style="fill:{colour}">{}</text>"#, escape(name));
    }
    svg + "</svg></figure>"
}

fn frame(title: &str, unit: &str, top: f64, y: impl Fn(f64) -> f64) -> String {
    let title = escape(title);
    let mut svg = format!(
        r#"<figure><figcaption>{title} ({unit})</figcaption><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">"#
    );
    for step in 0..=4 {
        let value = top * f64::from(step) / 4.0;
        let at = y(value);
        let (right, before, under) = (WIDTH - RIGHT, LEFT - 6.0, at + 4.0);
        svg += &format!(r##"<line x1="{LEFT}" x2="{right}" y1="{at:.1}" y2="{at:.1}" stroke="#e5e5e5"/>"##);
        svg += &format!(r#"<text x="{before}" y="{under:.1}" text-anchor="end">{}</text>"#, short(value));
    }
    svg
}

/// A histogram over doublings of the latency.
fn bars(title: &str, spread: &Spread) -> String {
    let top = round_up(spread.doublings.iter().map(|(_, count)| *count as f64).fold(0.0, f64::max));
    let y = |value: f64| 10.0 + (HEIGHT - BOTTOM - 10.0) * (1.0 - value / top);
    let mut svg = frame(title, "operations", top, y);
    let wide = (WIDTH - LEFT - RIGHT) / spread.doublings.len().max(1) as f64;
    for (nth, (to_us, count)) in spread.doublings.iter().enumerate() {
        let (at, from) = (LEFT + wide * nth as f64, y(*count as f64));
        let (high, inner, middle, below) =
            (HEIGHT - BOTTOM - from, wide - 3.0, at + wide / 2.0, HEIGHT - 8.0);
        let label = if *to_us < 1_000 {
            format!("{to_us} µs")
        } else {
            format!("{} ms", short(*to_us as f64 / 1e3))
        };
        svg += &format!(
            r#"<rect x="{at:.1}" y="{from:.1}" width="{inner:.1}" height="{high:.1}" fill="{}"/>"#,
            COLOURS[0]
        );
        svg += &format!(r#"<text x="{middle:.1}" y="{below}" text-anchor="middle">{label}</text>"#);
    }
    svg + "</svg></figure>"
}

fn charts(figures: &Figures) -> String {
    let of =
        |value: &dyn Fn(&crate::figures::Second) -> Option<f64>| figures.seconds.iter().map(value).collect();
    let ms = |us: u64| (us > 0).then_some(us as f64 / 1e3);
    let offered: Vec<Option<f64>> = of(&|second| Some(second.offered as f64));
    let served = of(&|second| Some(second.served as f64));
    let mut out =
        lines("Rate offered against served", "per second", &[("offered", offered), ("served", served)]);
    let (p50, p99) = (of(&|second| ms(second.p50_us)), of(&|second| ms(second.p99_us)));
    out += &lines("Latency of the operations due in each second", "ms", &[("p50", p50), ("p99", p99)]);
    if let Some(row) = figures.row(ALL, "claim").or_else(|| figures.rows.iter().find(|row| row.phase == ALL))
    {
        out += &bars(&format!("Latency of {}", row.operation), &row.latency);
    }
    if figures.seconds.iter().any(|second| second.left.is_some()) {
        let left = of(&|second| second.left.map(|left| left as f64));
        out += &lines("Units of the busiest sale not yet acknowledged", "units", &[("left", left)]);
    }
    if figures.seconds.iter().any(|second| second.publications > 0) {
        let told = of(&|second| Some(second.publications as f64));
        out += &lines("Publications received by live sessions", "per second", &[("publications", told)]);
    }
    if figures.seconds.iter().any(|second| second.lag_max_us > 0) {
        let lag = of(&|second| ms(second.lag_max_us));
        out += &lines("Greatest delivery lag in each second", "ms", &[("lag", lag)]);
    }
    out
}

fn verdict(report: &Report) -> String {
    let mut out = String::from("<h2>Verdict</h2>");
    out += match report.exit_code() {
        0 => r#"<p class="good">Sound: no invariant is broken, no threshold crossed.</p>"#,
        1 => r#"<p class="bad">Sound, but thresholds were crossed.</p>"#,
        _ => r#"<p class="bad">Invariants are broken.</p>"#,
    };
    for crossed in &report.crossed {
        out += &format!(r#"<p class="bad">Threshold crossed: {}</p>"#, escape(crossed));
    }
    for warning in &report.warnings {
        out += &format!("<p>Warning: {}</p>", escape(warning));
    }
    out += "<table><tr><th>invariant</th><th></th><th>looked at</th><th>violations</th></tr>";
    for (name, examined) in &report.verdict.examined {
        let found = report.verdict.counts.get(name).copied().unwrap_or(0);
        out += &format!("<tr><td>{}</td><td></td><td>{examined}</td><td>{found}</td></tr>", escape(name));
    }
    out += "</table>";
    for violation in &report.verdict.violations {
        let named =
            escape(&format!("operations {:?}, sessions {:?}", violation.operations, violation.sessions));
        let (name, text) = (escape(&violation.invariant), escape(&violation.text));
        out += &format!(r#"<p class="bad">{name}: {text}<br><code>{named}</code></p>"#);
    }
    out
}

fn rows(report: &Report) -> String {
    let mut out = String::from(
        "<h2>Operations</h2><div class=scroll><table><tr><th>phase</th><th>operation</th><th>due</th><th>served/s</th>\
         <th>ok</th><th>refused</th><th>unknown</th><th>not sent</th><th>p50</th><th>p90</th><th>p99</th><th>p99.9</th>\
         <th>max</th></tr>",
    );
    for row in &report.figures.rows {
        let refused: Vec<String> =
            row.refused.iter().map(|(code, count)| format!("{count} {code}")).collect();
        out += &format!(
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{:.0}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>",
            escape(&row.phase),
            escape(&row.operation),
            row.due,
            row.served_per_second,
            row.ok,
            escape(&refused.join(", ")),
            row.unknown,
            row.not_sent
        );
        let latency = &row.latency;
        for us in [latency.p50_us, latency.p90_us, latency.p99_us, latency.p999_us, latency.max_us] {
            out += &format!("<td>{:.1}</td>", us as f64 / 1e3);
        }
        out += "</tr>";
    }
    out + "</table></div><p>Latencies in ms, from the moment an operation was due to its answer.</p>"
}

fn compared(report: &Report) -> String {
    if report.compared.is_empty() {
        return String::new();
    }
    let mut out = String::from(
        "<h2>Against the baseline</h2><table><tr><th>figure</th><th></th><th>before</th><th>now</th><th>ratio</th></tr>",
    );
    for one in &report.compared {
        let what = escape(&one.what);
        out += &format!(
            "<tr><td>{what}</td><td></td><td>{:.2}</td><td>{:.2}</td><td>{:.2}</td></tr>",
            one.before, one.now, one.ratio
        );
    }
    out + "</table>"
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
         <title>Load test: {name}</title><style>{STYLE}</style><h1>{name}</h1><p>{about}</p>\
         <p>{} · seed {} · {} processors · generator {:.0} % of a core, 99 in 100 operations within {:.1} ms of their \
         time</p>{}{}<h2>Over time</h2>{}{}{}</html>\n",
        escape(&report.began_at),
        report.seed,
        report.processors,
        report.effort.cpu_share * 100.0,
        report.effort.lateness_p99_us as f64 / 1e3,
        knee.unwrap_or_default(),
        verdict(report),
        charts(&report.figures),
        rows(report),
        compared(report)
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers() {
        assert_eq!([0.0, 0.3, 1.0, 17.0, 50.0, 51.0].map(round_up), [1.0, 0.5, 1.0, 20.0, 50.0, 100.0]);
    }

    #[test]
    fn a_gap_lifts_the_pen() {
        let chart = lines("t", "u", &[("a", vec![Some(1.0), None, Some(2.0), Some(1.0)])]);
        let path = chart.split("<path d=\"").nth(1).unwrap().split('"').next().unwrap();
        assert_eq!(path.chars().filter(|c| c.is_alphabetic()).collect::<String>(), "MhMhL");
    }

    #[test]
    fn text_stays_text() {
        assert_eq!(escape("<b a=\"1\">&"), "&lt;b a=&quot;1&quot;&gt;&amp;");
    }
}
