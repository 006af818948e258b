//! Evidence built by hand for the tests of the rules: a quiet machine with 16 GiB, and processes
//! whose course each test defines.

use std::time::Duration;

use memtap_history::{MachinePoint, ProcessLifetime, Range, UsagePoint};
use memtap_model::{HostReading, Pressure, Tgid, WallClock};

use crate::evidence::{Evidence, Traced};
use crate::track::{Size, Track};

pub(crate) const MIB: u64 = 1 << 20;
pub(crate) const GIB: u64 = 1 << 30;
/// 2026-11-24, 00:00 UTC.
const BEGIN_S: i64 = 1_795_478_400;

pub(crate) struct Scene {
    pub(crate) evidence: Evidence,
    seconds: u64,
}

impl Scene {
    /// Creates a machine on which nothing happens for the given number of seconds.
    pub(crate) fn quiet(seconds: u64) -> Self {
        let mut scene = Self { evidence: Evidence::default(), seconds };
        scene.evidence.range =
            Range { host: Some("box".to_owned()), from: scene.at(0), to: scene.at(seconds) };
        scene.evidence.machine = (0..seconds)
            .map(|at| MachinePoint {
                from: scene.at(at),
                step: Duration::from_secs(1),
                host: HostReading {
                    total_bytes: 16 * GIB,
                    available_bytes: 10 * GIB,
                    pressure: Some(Pressure::default()),
                    ..HostReading::default()
                },
                least_available_bytes: 10 * GIB,
                ..MachinePoint::default()
            })
            .collect();
        scene
    }

    pub(crate) fn at(&self, second: u64) -> WallClock {
        WallClock((BEGIN_S + i64::try_from(second).unwrap()) * 1_000_000_000)
    }

    /// Adds a process whose resident set at each second is `course(second)` bytes, all of it
    /// anonymous and requested by calls.
    pub(crate) fn process(&mut self, name: &str, course: impl Fn(u64) -> u64) {
        let sizes: Vec<Size> = (0..self.seconds)
            .map(|at| {
                let bytes = course(at);
                Size {
                    virtual_bytes: bytes + 20 * MIB,
                    resident_bytes: bytes,
                    private_bytes: bytes,
                    peak_resident_bytes: bytes,
                }
            })
            .collect();
        let last = *sizes.last().unwrap();
        let first = sizes[0];
        let life = ProcessLifetime {
            host: "box".into(),
            pid: Tgid(1000 + u32::try_from(self.evidence.lives.len()).unwrap()),
            started_at: WallClock((BEGIN_S - 1000) * 1_000_000_000),
            seen: self.at(self.seconds),
            name: name.to_owned(),
            before_virtual_bytes: first.virtual_bytes,
            before_resident_bytes: first.resident_bytes,
            within: UsagePoint {
                from: self.at(0),
                step: Duration::from_secs(self.seconds),
                virtual_bytes: last.virtual_bytes,
                anonymous_bytes: last.private_bytes,
                peak_virtual_bytes: sizes.iter().map(|size| size.virtual_bytes).max().unwrap(),
                peak_resident_bytes: sizes.iter().map(|size| size.peak_resident_bytes).max().unwrap(),
                requests: 100,
                granted_bytes: last.virtual_bytes.saturating_sub(first.virtual_bytes),
                ..UsagePoint::default()
            },
            ..ProcessLifetime::default()
        };
        let track = Some(Track { from: self.at(0), step_s: 1.0, sizes });
        self.evidence.lives.push(Traced { life, track, ..Traced::default() });
    }

    pub(crate) fn last(&mut self) -> &mut Traced {
        self.evidence.lives.last_mut().unwrap()
    }
}
