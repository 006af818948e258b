//! Writes one recorded day into a store: what memtap would have stored yesterday (UTC) on a machine
//! with a database, a build, a nightly backup that grows large and ends, a worker that leaks, and a
//! reporter whose requests are refused. A second machine, `attic`, writes into the same store. Its
//! processes have the same PIDs and start times, one of them changes its name, and for six hours
//! memtap was not running.
//!
//! Usage: `day sqlite:PATH`. `day recording:PATH` writes the first machine's day as a recording
//! instead. `demo/day.mtrec` is such a recording.
//!
//! Everything goes through the real ledger and the real store or recorder. Only the kernel is
//! simulated.

#![expect(clippy::unwrap_used, reason = "a day that cannot be written says where")]

use std::sync::Arc;
use std::time::SystemTime;

use memtap_ledger::Ledger;
use memtap_model::{
    Call, CallTotals, Causes, Comm, Errno, Faults, HostReading, MemoryRequest, Observation, Outcome,
    Pressure, ProcessDetails, ProcessId, ProcessState, Refusals, Resident, SpaceId, StartTime, SwapReading,
    Tally, Tgid, Tid, WallClock,
};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;
/// Seconds between two ticks.
const TICK: u64 = 30;
/// Start of the recorded day: 2026-11-23, UTC.
const RECORDED: u64 = 1_795_392_000;
/// Name of the second machine.
const ATTIC: &str = "attic";

fn main() {
    let place = std::env::args().nth(1).expect("day STORE or day recording:PATH");
    let programs = [("systemd", 12), ("postgres", 320), ("worker", 60), ("reporter", 90), ("sshd", 8)];
    if let Some(path) = place.strip_prefix("recording:") {
        return record(std::fs::File::create(path).unwrap(), Day::new(RECORDED, &programs));
    }
    let url: memtap_store::StoreUrl = place.parse().unwrap();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let midnight = now / DAY * DAY - DAY;
    let own = nix::unistd::gethostname().unwrap().to_string_lossy().into_owned();
    write(&url, &own, Day::new(midnight, &programs), |_| true);
    let attic = Day::new(midnight, &[("systemd", 9), ("sh", 4)]);
    write(&url, ATTIC, attic, |second| !(6 * HOUR..12 * HOUR).contains(&second));
}

/// Writes the whole day as a recording.
fn record(file: std::fs::File, mut day: Day) {
    let machine = memtap_capture::Machine {
        began: at(day.midnight),
        hostname: "demo".to_owned(),
        kernel: "6.12.0".to_owned(),
        boot_id: "b1946ac9-2492-4d23-8a6e-0a9c2f0fbd53".to_owned(),
        page_size: 4096,
        cpus: 4,
    };
    let mut recorder = memtap_capture::Recorder::begin(file, &machine).unwrap();
    for second in (0..DAY).step_by(TICK as usize) {
        let observations = day.observations(second);
        recorder
            .take(memtap_capture::Batch {
                observations,
                tick: Some(at(day.midnight + second)),
                ..Default::default()
            })
            .unwrap();
    }
    println!("{:?}", recorder.finish().unwrap().1);
}

/// Writes a day of the machine `hostname`, for the times when memtap was running.
fn write(url: &memtap_store::StoreUrl, hostname: &str, mut day: Day, is_watched: fn(u64) -> bool) {
    let store =
        memtap_testing::wait(url.open(&memtap_history::Settings::default())).unwrap().expect("a store");
    let run = memtap_history::Run {
        id: memtap_history::Run::draw(),
        hostname: hostname.to_owned(),
        kernel: "6.12.0".to_owned(),
        boot_id: "b1946ac9-2492-4d23-8a6e-0a9c2f0fbd53".to_owned(),
        page_size: 4096,
        began: at(day.midnight),
    };
    let store = memtap_history::spawn(store, run, memtap_history::Limits::default()).unwrap();
    for second in (0..DAY).step_by(TICK as usize).filter(|second| is_watched(*second)) {
        while store.status().spooled > 50_000 {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        store.send(day.tick(second));
    }
    // The database may be slower than memtap would wait for it at exit.
    while store.status().spooled > 0 {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let status = store.finish();
    assert_eq!(
        (status.dropped_requests(), status.spooled, status.error),
        (0, 0, None),
        "all of the day is kept"
    );
    println!("{hostname}: the store has {} requests", status.rows);
}

fn at(second: u64) -> WallClock {
    WallClock(i64::try_from(second).unwrap() * 1_000_000_000)
}

/// The simulated machine.
struct Day {
    midnight: u64,
    ledger: Ledger,
    programs: Vec<Program>,
    next_pid: u32,
}

/// One process of the machine.
struct Program {
    pid: u32,
    name: &'static str,
    started: u64,
    virtual_bytes: u64,
    resident_bytes: u64,
    causes: Causes,
    faults: Faults,
    calls: [CallTotals; Call::COUNT],
    refusals: Vec<Refusals>,
}

impl Day {
    /// Creates a day with programs that run from its start, each with its size in MiB.
    fn new(midnight: u64, programs: &[(&'static str, u64)]) -> Self {
        let ledger = Ledger::new(memtap_ledger::Settings::default());
        let mut day = Self { midnight, ledger, programs: Vec::new(), next_pid: 300 };
        for (name, mib) in programs {
            let program = Program::new(day.pid(), name, midnight, mib * MIB);
            day.programs.push(program);
        }
        day
    }

    /// Returns whether this is the machine with the database.
    fn is_busy(&self) -> bool {
        self.programs.iter().any(|program| program.name == "postgres")
    }

    fn pid(&mut self) -> u32 {
        self.next_pid += 1;
        self.next_pid
    }

    /// Returns the batch for the store, with everything that happens up to `second` of the day.
    fn tick(&mut self, second: u64) -> memtap_history::Batch {
        let observations = self.observations(second);
        self.batch(self.midnight + second, observations)
    }

    /// Returns everything that happens up to `second` of the day.
    fn observations(&mut self, second: u64) -> Vec<Observation> {
        let now = self.midnight + second;
        let mut observations = Vec::new();
        if second == 2 * HOUR && self.is_busy() {
            let backup = Program::new(self.pid(), "nightly-backup", now, 20 * MIB);
            self.programs.push(backup);
        }
        // A new process must be known before its requests arrive.
        for program in self.programs.iter().filter(|program| program.started == now) {
            observations.extend(program.known(now));
        }
        for program in &mut self.programs {
            match program.name {
                "postgres" => {
                    observations.push(program.mmap(now, MIB));
                    observations.push(program.munmap(now, MIB));
                }
                // 40 MiB per hour, forever.
                "sh" if second < 3 * HOUR => observations.push(program.mmap(now, MIB / 64)),
                "sh" => observations.push(program.rename("mailer")),
                "mailer" => observations.push(program.mmap(now, MIB / 16)),
                "worker" => observations.push(program.mmap(now, 40 * MIB / (HOUR / TICK))),
                "reporter" if (14 * HOUR + 300..14 * HOUR + 390).contains(&second) => {
                    observations.push(program.refused(now, 8 * GIB));
                }
                // Up to 6 GiB in 25 minutes.
                "nightly-backup" if second <= 2 * HOUR + 1500 => {
                    observations.push(program.mmap(now, 6 * GIB / 50))
                }
                "nightly-backup" => observations.push(program.munmap(now, 200 * MIB)),
                _ => {}
            }
        }
        if (9 * HOUR..17 * HOUR).contains(&second) && self.is_busy() {
            let mut compiler = Program::new(self.pid(), "cc1", now, 10 * MIB);
            observations.extend(compiler.known(now));
            observations.push(compiler.mmap(now, 180 * MIB));
            observations.extend(compiler.ended(now));
        }
        let ended = |program: &Program| program.name == "nightly-backup" && second >= 2 * HOUR + 2400;
        for program in self.programs.iter().filter(|program| ended(program)) {
            observations.extend(program.ended(now));
        }
        self.programs.retain(|program| !ended(program));
        for program in &self.programs {
            observations.extend(program.read(now));
        }
        observations.extend([Observation::Host(self.host(second)), Observation::AllRead]);
        observations
    }

    fn batch(&mut self, now: u64, observations: Vec<Observation>) -> memtap_history::Batch {
        let requests =
            observations.into_iter().filter_map(|observation| self.ledger.apply(observation)).collect();
        let view = self.ledger.publish(at(now));
        let living = view.changed.iter().filter(|summary| summary.ended_at.is_none());
        let processes: Vec<Arc<_>> = living.chain(&view.closed).cloned().collect();
        memtap_history::Batch {
            requests,
            processes,
            oom_kills: Vec::new(),
            tick: Some(at(now)),
            all: Some((&view).into()),
        }
    }

    fn host(&self, second: u64) -> HostReading {
        let programs_bytes =
            self.programs.iter().map(|program| program.resident_bytes).sum::<u64>() + 500 * MIB;
        let (total_bytes, kernel_bytes) = (16 * GIB, 600 * MIB);
        let cached_bytes = (total_bytes - kernel_bytes - programs_bytes) / 2;
        let free_bytes = total_bytes - kernel_bytes - programs_bytes - cached_bytes;
        let busy = (2 * HOUR + 1200..2 * HOUR + 1800).contains(&second);
        HostReading {
            total_bytes,
            available_bytes: free_bytes + cached_bytes,
            free_bytes,
            cached_bytes,
            kernel_bytes,
            programs_bytes,
            swap: SwapReading::default(),
            pressure: Some(Pressure { some_avg10: if busy { 14.5 } else { 0.0 }, full_avg10: 0.0 }),
        }
    }
}

impl Program {
    fn new(pid: u32, name: &'static str, started: u64, bytes: u64) -> Self {
        Self {
            pid,
            name,
            started,
            virtual_bytes: 2 * bytes,
            resident_bytes: bytes,
            causes: Causes { opening_bytes: 2 * bytes, ..Causes::default() },
            faults: Faults::default(),
            calls: [CallTotals::default(); Call::COUNT],
            refusals: Vec::new(),
        }
    }

    fn process(&self) -> ProcessId {
        ProcessId { tgid: Tgid(self.pid), start: StartTime(self.started * 1_000_000_000) }
    }

    fn state(&self, now: u64) -> Box<ProcessState> {
        Box::new(ProcessState {
            time: at(now),
            causes: Some(self.causes),
            tgid: Tgid(self.pid),
            start: self.process().start,
            started_at: at(self.started),
            parent: Tgid(1),
            space: SpaceId(u64::from(self.pid)),
            name: Comm::new(self.name.as_bytes()),
            virtual_bytes: Some(self.virtual_bytes),
            resident: Resident { anonymous_bytes: self.resident_bytes, ..Resident::default() },
            peak_virtual_bytes: self.virtual_bytes,
            peak_resident_bytes: self.resident_bytes,
            faults: self.faults,
            threads: 1,
            ..ProcessState::default()
        })
    }

    /// Returns the observations that introduce the process.
    fn known(&self, now: u64) -> [Observation; 2] {
        let details = ProcessDetails {
            process: self.process(),
            command: format!("/usr/bin/{} --serve", self.name).into(),
            user: if self.name == "postgres" { "postgres" } else { "root" }.into(),
            runs_in: Arc::default(),
        };
        [Observation::Snapshot(self.state(now)), Observation::Details(details)]
    }

    fn tally(&self) -> Observation {
        Observation::Tally(Box::new(Tally {
            process: self.process(),
            calls: self.calls,
            refusals: self.refusals.clone(),
            refusals_beyond: 0,
        }))
    }

    fn read(&self, now: u64) -> [Observation; 2] {
        [self.tally(), Observation::Snapshot(self.state(now))]
    }

    fn ended(&self, now: u64) -> [Observation; 2] {
        [self.tally(), Observation::Exit(self.state(now))]
    }

    /// Changes the process's name.
    fn rename(&mut self, name: &'static str) -> Observation {
        self.name = name;
        Observation::Rename { tgid: Tgid(self.pid), name: Comm::new(name.as_bytes()) }
    }

    /// Maps `bytes` and touches all of them.
    fn mmap(&mut self, now: u64, bytes: u64) -> Observation {
        self.virtual_bytes += bytes;
        self.resident_bytes += bytes;
        self.causes.granted_bytes += bytes;
        self.faults.minor += bytes / 4096;
        self.request(now, Call::Mmap, bytes, Outcome::Granted(0x7f00_0000_0000), bytes.cast_signed())
    }

    fn munmap(&mut self, now: u64, bytes: u64) -> Observation {
        self.virtual_bytes -= bytes;
        self.resident_bytes -= bytes;
        self.causes.released_bytes += bytes;
        self.request(now, Call::Munmap, bytes, Outcome::Granted(0), -bytes.cast_signed())
    }

    fn refused(&mut self, now: u64, bytes: u64) -> Observation {
        match self.refusals.first_mut() {
            Some(refusals) => refusals.count += 1,
            None => self.refusals.push(Refusals { call: Call::Mmap, errno: Errno::ENOMEM, count: 1 }),
        }
        self.request(now, Call::Mmap, bytes, Outcome::Refused(Errno::ENOMEM), 0)
    }

    fn request(
        &mut self,
        now: u64,
        call: Call,
        bytes: u64,
        outcome: Outcome,
        delta_bytes: i64,
    ) -> Observation {
        let totals = &mut self.calls[call.index()];
        totals.count += 1;
        match outcome {
            Outcome::Granted(_) => totals.requested_bytes += bytes,
            Outcome::Refused(_) => totals.refused += 1,
        }
        Observation::Request(MemoryRequest {
            time: at(now),
            tgid: Tgid(self.pid),
            tid: Tid(self.pid),
            name: Comm::new(self.name.as_bytes()),
            call,
            whole: true,
            arguments: [0, bytes, 3, 0x22, 0],
            outcome,
            requested_bytes: bytes,
            delta_bytes,
            virtual_bytes: self.virtual_bytes,
            file: None,
            lost: 0,
        })
    }
}
