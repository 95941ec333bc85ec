//! Times of ticks: how long each took, the last ones to the microsecond and all of them in buckets.

use std::time::Duration;

/// Ticks whose times are kept.
const KEPT: usize = 1024;

/// Upper bounds of the buckets, seconds: from a tick of a few rows to one that an operator should hear of.
pub const BUCKETS: [f64; 16] =
    [1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// Times as ticks go by. One costs a store and a search of sixteen numbers.
#[derive(Clone, Debug)]
pub struct TickTimes {
    /// Seconds, by tick modulo [`KEPT`].
    last: Box<[f32; KEPT]>,
    all: Times,
}

/// What is told of the times of a process' ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Times {
    /// Ticks.
    pub count: u64,
    /// Their time, seconds.
    pub sum: f64,
    /// Ticks of up to so long, by bucket; longer ones are only in `count`.
    pub buckets: [u64; BUCKETS.len()],
    /// What half of the last 1024 ticks took at most, seconds.
    pub p50: f64,
    /// 95 of a hundred.
    pub p95: f64,
    /// 99 of a hundred.
    pub p99: f64,
    /// All of them.
    pub max: f64,
}

impl Default for TickTimes {
    fn default() -> Self {
        Self { last: Box::new([0.0; KEPT]), all: Times::default() }
    }
}

impl TickTimes {
    /// Notes a tick.
    pub fn note(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        self.last[(self.all.count % KEPT as u64) as usize] = seconds as f32;
        self.all.count += 1;
        self.all.sum += seconds;
        if let Some(bucket) = BUCKETS.iter().position(|bound| seconds <= *bound) {
            self.all.buckets[bucket] += 1;
        }
    }

    /// Ticks so far.
    pub fn count(&self) -> u64 {
        self.all.count
    }

    /// What there is to tell.
    pub fn told(&self) -> Times {
        let count = self.all.count.min(KEPT as u64) as usize;
        let mut last = *self.last;
        let last = &mut last[..count];
        last.sort_unstable_by(f32::total_cmp);
        // The nearest rank.
        let at = |share: f64| -> f64 {
            let rank = (share * count as f64).ceil() as usize;
            last.get(rank.max(1) - 1).copied().unwrap_or_default().into()
        };
        Times { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1.0), ..self.all }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_last_1024_ticks_and_buckets_those_of_all() {
        let mut times = TickTimes::default();
        assert_eq!(times.told(), Times::default());
        times.note(Duration::from_millis(7));
        assert_eq!(times.told().p99, f64::from(0.007f32));
        (0..10_000).for_each(|_| times.note(Duration::from_secs(40)));
        (1..=1024).for_each(|ms| times.note(Duration::from_millis(ms)));
        let told = times.told();
        let ms = |seconds: f64| (seconds * 1e3).round() as u64;
        assert_eq!([told.p50, told.p95, told.p99, told.max].map(ms), [512, 973, 1014, 1024]);
        assert_eq!((told.count, told.buckets.iter().sum::<u64>()), (11_025, 1025));
        assert_eq!(told.buckets[BUCKETS.iter().position(|b| *b == 0.01).unwrap()], 1 + 5);
    }
}
