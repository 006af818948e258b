//! How long the reader rests before it looks into the ring again: the longer, the less comes.

use std::time::Duration;

use crate::Settings;

/// Observations that a rest should bring: enough to be worth the waking, and half of what goes on together.
const WELCOME: usize = 4096;
/// Nobody sees any later what comes within it.
const UNNOTICED: Duration = Duration::from_millis(20);
/// A request in the ring, with the kernel's header.
const RECORD_BYTES: u64 = 120;
/// One CPU makes no more requests a second: the cheapest of them, brk(0), takes longer than 500 ns where memtap watches.
const A_CPU_MAKES: u64 = 2_000_000;
/// More does not go through a ring, which has one lock for all CPUs: measured were 10.8 million smaller records a second, by one producer that
/// did nothing else.
const A_RING_TAKES: u64 = 10_000_000;

/// The rests of one reader.
#[derive(Debug)]
pub(crate) struct Rest {
    shortest: Duration,
    longest: Duration,
    last: Duration,
    came: usize,
}

impl Rest {
    /// The longest is one in which not even the most that this machine can make fills what requests have of the ring. By default that is
    /// 12 MiB, or 104,857 requests: two CPUs take 26 ms to make them, five and more CPUs 10 ms.
    pub(crate) fn of(settings: &Settings) -> Self {
        let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self::on(cpus, settings)
    }

    fn on(cpus: usize, settings: &Settings) -> Self {
        let records = u64::from(settings.request_bytes()) / RECORD_BYTES;
        let lasts = Duration::from_secs(records) / most_a_second(cpus);
        let longest = lasts.min(UNNOTICED).max(settings.poll);
        Self { shortest: settings.poll, longest, last: settings.poll, came: 0 }
    }

    /// So many observations were there.
    pub(crate) fn came(&mut self, count: usize) {
        self.came += count;
    }

    /// As long as would bring what is welcome, if it goes on coming as in the last rest; at most twice that one.
    pub(crate) fn next(&mut self) -> Duration {
        let came = std::mem::take(&mut self.came).max(WELCOME / 2);
        self.last = self.last.mul_f64(WELCOME as f64 / came as f64).clamp(self.shortest, self.longest);
        self.last
    }

    /// While something else than the ring is waited for.
    pub(crate) fn shortest(&self) -> Duration {
        self.shortest
    }
}

fn most_a_second(cpus: usize) -> u32 {
    let most = (cpus as u64).saturating_mul(A_CPU_MAKES).min(A_RING_TAKES);
    u32::try_from(most).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    #[test]
    fn it_grows_while_little_comes_and_is_short_at_once_when_much_comes() {
        let mut rest = Rest::on(2, &Settings::default());
        let rests = [0, 1, 100, 2000, 0, 0].map(|count| {
            rest.came(count);
            rest.next().as_millis()
        });
        assert_eq!(rests, [2, 4, 8, 16, 20, 20]);
        // In many pieces, as it is taken.
        (0..10).for_each(|_| rest.came(8192));
        assert_eq!(rest.next(), MILLISECOND);
    }

    #[test]
    fn at_a_steady_rate_each_brings_what_is_welcome() {
        for (a_second, expected) in [(10_000.0, 200.0), (100_000.0, 2000.0), (1e6, 4096.0), (3e6, 4096.0)] {
            let mut rest = Rest::on(2, &Settings::default());
            let mut brings = 0.0;
            for _ in 0..10 {
                brings = rest.next().as_secs_f64() * a_second;
                rest.came(brings as usize);
            }
            assert!((brings - expected).abs() <= 10.0, "{a_second}: {brings}");
        }
    }

    #[test]
    fn not_even_the_most_fills_the_ring_meanwhile() {
        for (ring_bytes, ring_requests) in
            [(16 << 20, None), (1 << 30, None), (4 << 20, None), (16 << 20, Some(2 << 20))]
        {
            for cpus in [1, 2, 5, 64] {
                let settings = Settings { ring_bytes, ring_requests, ..Settings::default() };
                let longest = Rest::on(cpus, &settings).longest;
                let most = longest.as_secs_f64() * f64::from(most_a_second(cpus)) * RECORD_BYTES as f64;
                assert!(longest >= MILLISECOND && most <= f64::from(settings.request_bytes()), "{longest:?}");
            }
        }
        assert_eq!(Rest::on(64, &Settings::default()).longest.as_millis(), 10);
        let small = Settings { ring_bytes: 256 << 10, ..Settings::default() };
        assert_eq!(Rest::on(2, &small).longest, MILLISECOND);
    }
}
