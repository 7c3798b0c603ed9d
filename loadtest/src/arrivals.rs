//! When operations are due: an open loop's schedule, which does not know what becomes of them.
//!
//! The rate may change linearly over a phase. With N(t) = r₀t + (r₁ − r₀)t²/2T operations due until t, the next arrival is
//! where N has grown by 1 (even) or by an exponentially distributed number of mean 1 (Poisson).

use rand::{Rng, RngExt};

use crate::history::Micros;
use crate::scenario::{Arrivals, Flow};

/// The arrivals of one flow in one phase.
#[derive(Debug, Clone)]
pub struct Schedule {
    from_us: Micros,
    seconds: f64,
    rate: f64,
    rate_to: f64,
    even: bool,
    /// N at the last arrival.
    due: f64,
}

impl Schedule {
    /// Plans a flow from a moment on; `shoppers` come once each where the flow says so.
    #[must_use]
    pub fn new(flow: &Flow, from_us: Micros, duration_ms: u64, shoppers: usize) -> Self {
        let seconds = duration_ms as f64 / 1e3;
        let once = flow.each_shopper_once.then_some(shoppers as f64 / seconds);
        let rate = once.unwrap_or(flow.rate);
        let rate_to = once.unwrap_or(flow.rate_to.unwrap_or(flow.rate));
        let even = flow.each_shopper_once || flow.arrivals == Arrivals::Even;
        // Even arrivals stand in the middle of their intervals: so a phase has exactly as many as it should.
        Self { from_us, seconds, rate, rate_to, even, due: if even { -0.5 } else { 0.0 } }
    }

    /// When the next operation is due; `None` at the end of the phase.
    pub fn next(&mut self, rng: &mut impl Rng) -> Option<Micros> {
        self.due += if self.even { 1.0 } else { -(1.0 - rng.random_range(0.0..1.0f64)).ln() };
        let slope = (self.rate_to - self.rate) / (2.0 * self.seconds);
        let at = if slope.abs() < 1e-9 {
            self.due / self.rate
        } else {
            let root = self.rate.powi(2) + 4.0 * slope * self.due;
            (root.sqrt() - self.rate) / (2.0 * slope)
        };
        // Not a number where a falling rate never gets that far.
        (at < self.seconds).then(|| self.from_us + (at * 1e6) as Micros)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    fn flow(text: &str) -> Flow {
        toml::from_str(text).unwrap()
    }

    fn all(schedule: &mut Schedule, seed: u64) -> Vec<Micros> {
        let mut rng = StdRng::seed_from_u64(seed);
        std::iter::from_fn(|| schedule.next(&mut rng)).collect()
    }

    #[test]
    fn each_shopper_comes_once_within_the_phase() {
        let flow = flow("operation = 'claim'\neach_shopper_once = true");
        let times = all(&mut Schedule::new(&flow, 1_000, 1_000, 5_000), 1);
        assert_eq!(times.len(), 5_000);
        assert!(times.iter().all(|at| (1_000..1_001_000).contains(at)));
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] <= 201));
    }

    #[test]
    fn a_ramp_has_its_mean_rate_and_grows() {
        let flow = flow("operation = 'claim'\nrate = 100.0\nrate_to = 300.0\narrivals = 'even'");
        let times = all(&mut Schedule::new(&flow, 0, 10_000, 1), 1);
        assert_eq!(times.len(), 2_000);
        let first_half = times.iter().filter(|at| **at < 5_000_000).count();
        assert_eq!(first_half, 750);
        let falling = flow_falling();
        assert_eq!(all(&mut Schedule::new(&falling, 0, 10_000, 1), 1).len(), 500);
    }

    fn flow_falling() -> Flow {
        flow("operation = 'claim'\nrate = 100.0\nrate_to = 0.0\narrivals = 'even'")
    }

    #[test]
    fn a_seed_gives_the_same_arrivals_and_poisson_has_its_spread() {
        let flow = flow("operation = 'claim'\nrate = 1000.0");
        let mut schedule = Schedule::new(&flow, 0, 20_000, 1);
        let times = all(&mut schedule.clone(), 7);
        assert_eq!(times, all(&mut schedule, 7));
        // 20,000 ± 5 standard deviations.
        assert!((19_290..20_710).contains(&times.len()), "{}", times.len());
        let gaps: Vec<f64> = times.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        let spread = variance.sqrt() / mean;
        assert!((0.95..1.05).contains(&spread), "{spread}");
    }
}
