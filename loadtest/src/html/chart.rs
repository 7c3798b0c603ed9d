//! Charts as inline SVG: lines over time and histograms, readable on a desk and on a phone.
//!
//! It knows numbers and names, nothing of runs.

use super::escape;
use crate::figures::Spread;

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 22.0;
const TOP: f64 = 20.0;
const BOTTOM: f64 = 26.0;
const COLOURS: [&str; 3] = ["#1668b8", "#c2410c", "#15803d"];
/// About how many labels the axis of time has.
const TICKS: f64 = 6.0;
/// How wide a letter of a label is, at least.
const LETTER: f64 = 6.0;
/// How many labels fit below a histogram.
const LABELS: usize = 9;

/// A line: its name, and a value per slice (`None` = a gap).
pub type Line<'a> = (&'a str, Vec<Option<f64>>);

/// What lines are drawn over.
pub struct Axis<'a> {
    /// How long a slice is, in seconds.
    pub slice_s: f64,
    /// Names of phases, and after how many seconds each begins.
    pub marks: &'a [(String, f64)],
}

/// Rounds a greatest value up to a digit that divides well, times a power of ten.
pub fn round_up(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let power = 10f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    steps.into_iter().map(|step| step * power).find(|bound| *bound >= value).unwrap_or(value)
}

fn short(value: f64) -> String {
    match value {
        v if v >= 1e6 => format!("{:.1}M", v / 1e6),
        v if v >= 1e4 => format!("{:.0}k", v / 1e3),
        v if v >= 10.0 || v == 0.0 => format!("{v:.0}"),
        v => format!("{v:.2}"),
    }
}

/// Writes a time with the unit that suits it.
pub fn time(us: u64) -> String {
    let (value, unit) = match us {
        0..1_000 => return format!("{us} µs"),
        1_000..1_000_000 => (us as f64 / 1e3, "ms"),
        _ => (us as f64 / 1e6, "s"),
    };
    if value < 10.0 { format!("{value:.1} {unit}") } else { format!("{value:.0} {unit}") }
}

/// A distance between labels of an axis of time so long: 1, 2 or 5 times a power of ten.
fn tick_s(total_s: f64) -> f64 {
    let least = (total_s / TICKS).max(0.01);
    let power = 10f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0].into_iter().map(|step| step * power).find(|tick| *tick >= least).unwrap_or(10.0 * power)
}

/// A chart of lines over time.
pub fn lines(title: &str, unit: &str, axis: &Axis<'_>, all: &[Line<'_>]) -> String {
    let count = all.iter().map(|(_, values)| values.len()).max().unwrap_or(0).max(2);
    let top =
        round_up(all.iter().flat_map(|(_, values)| values.iter().flatten().copied()).fold(0.0, f64::max));
    let total_s = (count - 1) as f64 * axis.slice_s;
    let x = |at_s: f64| LEFT + (WIDTH - LEFT - RIGHT) * at_s / total_s;
    let y = |value: f64| TOP + (HEIGHT - BOTTOM - TOP) * (1.0 - value / top);
    let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
    let mut svg = frame(title, unit, &names, top, y);
    let (tick, below, mut nth) = (tick_s(total_s), HEIGHT - 8.0, 0);
    while f64::from(nth) * tick <= total_s * 1.001 {
        let at_s = f64::from(nth) * tick;
        let label = if tick < 1.0 { format!("{at_s:.1} s") } else { format!("{at_s:.0} s") };
        svg += &format!(
            r#"<text{} x="{:.1}" y="{below}" text-anchor="middle">{label}</text>"#,
            spared(nth % 2 == 1),
            x(at_s)
        );
        nth += 1;
    }
    svg += &marks(axis, total_s, x);
    for ((_, values), colour) in all.iter().zip(COLOURS.iter().cycle()) {
        let path = path(values, |index| x(index as f64 * axis.slice_s), y);
        svg += &format!(
            r#"<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.6" stroke-linecap="round"/>"#
        );
    }
    svg + "</svg></figure>"
}

/// What is left out where there is little room.
fn spared(is_spared: bool) -> &'static str {
    if is_spared { r#" class="wide""# } else { "" }
}

/// Where phases begin, with their names where those have room.
fn marks(axis: &Axis<'_>, total_s: f64, x: impl Fn(f64) -> f64) -> String {
    let mut svg = String::new();
    let shown: Vec<_> = axis.marks.iter().filter(|(_, at_s)| *at_s <= total_s).collect();
    for (nth, (name, at_s)) in shown.iter().enumerate() {
        let (at, bottom) = (x(*at_s), HEIGHT - BOTTOM);
        let until = shown.get(nth + 1).map_or(WIDTH, |(_, next_s)| x(*next_s));
        if *at_s > 0.0 {
            svg += &format!(
                r##"<line x1="{at:.1}" x2="{at:.1}" y1="{TOP}" y2="{bottom}" stroke="#999" stroke-dasharray="3 3"/>"##
            );
        }
        if until - at > name.chars().count() as f64 * LETTER {
            svg += &format!(r#"<text class="wide" x="{at:.1}" y="12">{}</text>"#, escape(name));
        }
    }
    svg
}

fn path(values: &[Option<f64>], x: impl Fn(usize) -> f64, y: impl Fn(f64) -> f64) -> String {
    let (mut path, mut pen) = (String::new(), 'M');
    for (index, value) in values.iter().enumerate() {
        let Some(value) = value else {
            pen = 'M';
            continue;
        };
        path += &format!("{pen}{:.1} {:.1}", x(index), y(*value));
        if pen == 'M' {
            // A point that stands alone shows, too.
            path += "h.01";
        }
        pen = 'L';
    }
    path
}

fn frame(title: &str, unit: &str, names: &[&str], top: f64, y: impl Fn(f64) -> f64) -> String {
    let title = escape(title);
    let mut legend = String::new();
    for (name, colour) in names.iter().zip(COLOURS.iter().cycle()) {
        legend += &format!(r#"<span style="color:{colour}">&#9644;&nbsp;{}</span>"#, escape(name));
    }
    let mut svg = format!(
        r#"<figure><figcaption>{title} ({unit}){legend}</figcaption><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">"#
    );
    for step in 0..=4 {
        let value = top * f64::from(step) / 4.0;
        let at = y(value);
        let (right, before, under) = (WIDTH - RIGHT, LEFT - 6.0, at + 4.0);
        svg += &format!(r##"<line x1="{LEFT}" x2="{right}" y1="{at:.1}" y2="{at:.1}" stroke="#e5e5e5"/>"##);
        svg += &format!(
            r#"<text{} x="{before}" y="{under:.1}" text-anchor="end">{}</text>"#,
            // On a phone it would touch the first label of the other axis.
            spared(step == 0 || step % 2 == 1),
            short(value)
        );
    }
    svg
}

/// A histogram over doublings of a time, from the first that holds any.
pub fn bars(title: &str, of: &str, spread: &Spread) -> String {
    let bars: Vec<(u64, u64)> =
        spread.doublings.iter().copied().skip_while(|(_, count)| *count == 0).collect();
    let top = round_up(bars.iter().map(|(_, count)| *count as f64).fold(0.0, f64::max));
    let y = |value: f64| TOP + (HEIGHT - BOTTOM - TOP) * (1.0 - value / top);
    let mut svg = frame(title, of, &[], top, y);
    let wide = (WIDTH - LEFT - RIGHT) / bars.len().max(1) as f64;
    let every = bars.len().div_ceil(LABELS).max(1);
    for (nth, (to_us, count)) in bars.iter().enumerate() {
        let (at, from) = (LEFT + wide * nth as f64, y(*count as f64));
        let (high, inner, right, below) = (HEIGHT - BOTTOM - from, wide - 2.0, at + wide - 1.0, HEIGHT - 8.0);
        let label = time(*to_us);
        svg += &format!(
            r#"<rect x="{at:.1}" y="{from:.1}" width="{inner:.1}" height="{high:.1}" fill="{}"><title>up to {label}: {count}</title></rect>"#,
            COLOURS[0]
        );
        // Below the right edge: it is the bound.
        if nth % every == 0 {
            svg += &format!(
                r#"<text{} x="{right:.1}" y="{below}" text-anchor="end">{label}</text>"#,
                spared(!(nth / every).is_multiple_of(3))
            );
        }
    }
    svg + "</svg></figure>"
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers() {
        assert_eq!(
            [0.0, 0.5, 1.0, 17.0, 50.0, 51.0, 5_600.0].map(round_up),
            [1.0, 0.5, 1.0, 20.0, 50.0, 60.0, 6e3]
        );
        assert_eq!([0.55, 3.0, 20.0, 178.0, 600.0].map(tick_s), [0.1, 0.5, 5.0, 50.0, 100.0]);
    }

    #[test]
    fn times_have_their_unit() {
        assert_eq!([64, 1_024, 16_384, 134_217_728].map(time), ["64 µs", "1.0 ms", "16 ms", "134 s"]);
    }

    #[test]
    fn a_gap_lifts_the_pen() {
        let axis = Axis { slice_s: 1.0, marks: &[] };
        let chart = lines("t", "u", &axis, &[("a", vec![Some(1.0), None, Some(2.0), Some(1.0)])]);
        let path = chart.split("<path d=\"").nth(1).unwrap().split('"').next().unwrap();
        assert_eq!(path.chars().filter(|c| c.is_alphabetic()).collect::<String>(), "MhMhL");
    }

    #[test]
    fn phases_are_named_where_there_is_room() {
        let mark = |name: &str, at_s| (name.to_owned(), at_s);
        let marks = [mark("morning", 0.0), mark("noon", 50.0), mark("a long evening", 99.0)];
        let chart = lines("t", "u", &Axis { slice_s: 1.0, marks: &marks }, &[("a", vec![Some(1.0); 101])]);
        assert_eq!(chart.matches("stroke-dasharray").count(), 2);
        assert!(chart.contains(">morning<") && chart.contains(">noon<") && !chart.contains("evening"));
    }

    #[test]
    fn bars_begin_where_there_is_something() {
        let doublings = vec![(64, 0), (128, 3), (256, 0), (512, 1)];
        let chart = bars("t", "operations", &Spread { doublings, ..Spread::default() });
        assert_eq!(chart.matches("<rect").count(), 3);
        assert!(chart.contains("up to 128 µs: 3") && !chart.contains("64 µs"));
    }
}
