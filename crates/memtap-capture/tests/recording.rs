//! Recordings: everything written is read back, and of a damaged file everything that is intact.

#![expect(clippy::unwrap_used, reason = "tests may panic")]

use std::path::Path;

use memtap_capture::{Batch, Machine, Opened, Recorder, Settings, SourceChoice};
use memtap_model::{
    Call, CallTotals, Comm, HostReading, LossCause, MemoryRequest, Observation, Outcome, ProcessId,
    ProcessState, StartTime, Tally, Tgid, Tid, WallClock,
};

/// Number of long-running processes in the test's recording.
const PROCESSES: u32 = 40;

fn machine() -> Machine {
    Machine {
        began: WallClock(1),
        hostname: "there".to_owned(),
        kernel: "6.1.0".to_owned(),
        boot_id: "b".to_owned(),
        page_size: 4096,
        cpus: 8,
    }
}

fn state(pid: u32, second: i64, bytes: u64) -> Box<ProcessState> {
    Box::new(ProcessState {
        time: WallClock(second),
        tgid: Tgid(pid),
        start: StartTime(u64::from(pid)),
        name: Comm::new(b"n\xc3(\x1b"),
        virtual_bytes: Some(bytes),
        ..ProcessState::default()
    })
}

fn request(pid: u32, second: i64) -> Observation {
    Observation::Request(MemoryRequest {
        time: WallClock(second),
        tgid: Tgid(pid),
        tid: Tid(pid),
        name: Comm::new(b"n\xc3(\x1b"),
        call: Call::Mmap,
        whole: true,
        arguments: [0, u64::MAX, 3, 0x22, 7],
        outcome: Outcome::Granted(0x7f00_0000_0000),
        requested_bytes: 4096,
        delta_bytes: 4096,
        virtual_bytes: second.unsigned_abs(),
        file: Some("libc.so.6".into()),
        lost: 0,
    })
}

/// Observations of one second: one process makes a request, one starts and ends, and all are read.
fn second(second: i64) -> Batch {
    let worker = 1 + second.unsigned_abs() as u32 % PROCESSES;
    let brief = 1000 + second.unsigned_abs() as u32;
    let mut observations = vec![request(worker, second), Observation::Fork(state(brief, second, 7))];
    let process = ProcessId { tgid: Tgid(worker), start: StartTime(u64::from(worker)) };
    let mut calls = [CallTotals::default(); Call::COUNT];
    calls[Call::Mmap.index()].count = second.unsigned_abs();
    observations.push(Observation::Tally(Box::new(Tally {
        process,
        calls,
        refusals: vec![],
        refusals_beyond: 0,
    })));
    for pid in 1..=PROCESSES {
        // Second of the process's last request.
        let last = second - (second - i64::from(pid) + 1).rem_euclid(i64::from(PROCESSES));
        observations.push(Observation::Snapshot(state(pid, second, last.max(0).unsigned_abs())));
    }
    observations.push(Observation::Exit(state(brief, second, 8)));
    observations.push(Observation::AllRead);
    observations
        .push(Observation::Host(HostReading { free_bytes: second.unsigned_abs(), ..HostReading::default() }));
    Batch { observations, tick: Some(WallClock(second)), ..Batch::default() }
}

fn recorded(seconds: i64) -> Vec<u8> {
    let mut recorder = Recorder::begin(Vec::new(), &machine()).unwrap();
    (1..=seconds).for_each(|at| recorder.take(second(at)).unwrap());
    let (file, recorded) = recorder.finish().unwrap();
    assert_eq!((recorded.requests, recorded.readings), (seconds.unsigned_abs(), seconds.unsigned_abs()));
    assert_eq!(recorded.bytes, file.len() as u64);
    file
}

/// Plays back a file. Returns a batch for each second, and one with observations after the last
/// reading.
fn played_back(path: &Path) -> Vec<Batch> {
    let Opened { mut source, machine: played, .. } =
        memtap_capture::open(&SourceChoice::Recording(path.to_owned()), &Settings::default()).unwrap();
    assert!(played.is_some_and(|played| played == machine() || played.hostname == "unknown"));
    let (mut batches, mut now) = (Vec::new(), Batch::default());
    while !source.is_over() {
        source.poll(7, &mut now.observations).unwrap();
        if now.observations.last() == Some(&Observation::AllRead) {
            now.observations.push(Observation::Host(source.host().unwrap()));
            now.tick = source.time();
            batches.push(std::mem::take(&mut now));
        }
    }
    batches.push(now);
    batches
}

/// Sorts readings by pid, because restored states come after written ones.
fn sorted(mut batch: Batch) -> Vec<Observation> {
    batch.observations.sort_by_key(|observation| match observation {
        Observation::Snapshot(state) => (1, state.tgid),
        Observation::AllRead | Observation::Host(_) | Observation::Exit(_) => (2, Tgid(0)),
        _ => (0, Tgid(0)),
    });
    batch.observations
}

fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    file
}

fn lost(batches: &[Batch]) -> u64 {
    let all = batches.iter().flat_map(|batch| &batch.observations);
    all.filter_map(|observation| match observation {
        Observation::Lost { cause: LossCause::DamagedRecording, count } => Some(*count),
        _ => None,
    })
    .sum()
}

fn requests(batches: &[Batch]) -> Vec<&MemoryRequest> {
    let all = batches.iter().flat_map(|batch| &batch.observations);
    all.filter_map(|observation| match observation {
        Observation::Request(request) => Some(request),
        _ => None,
    })
    .collect()
}

#[test]
fn a_recording_is_played_back() {
    let seconds = 200;
    let file = file(&recorded(seconds));
    let mut batches = played_back(file.path());
    assert!(batches.pop().unwrap().observations.is_empty());
    assert_eq!(batches.len() as i64, seconds);
    for (batch, at) in batches.into_iter().zip(1..) {
        assert_eq!(batch.tick, Some(WallClock(at)));
        assert_eq!(sorted(batch), sorted(second(at)), "second {at}");
    }
}

#[test]
fn unchanged_states_take_no_space() {
    let bytes = recorded(1000).len();
    // One state has about forty bytes.
    assert!(bytes < 1000 * 120, "{bytes} bytes for 40,000 states and 1,000 requests");
}

#[test]
fn the_intact_part_of_a_truncated_file_is_read() {
    let whole = recorded(30);
    let mut before = 0;
    for cut in (120..whole.len()).step_by(7) {
        let file = file(&whole[..cut]);
        let batches = played_back(file.path());
        let seconds = batches.iter().filter(|batch| batch.tick.is_some()).count();
        assert!(seconds >= before && seconds <= 30, "cut at {cut}: {seconds} after {before}");
        for (batch, at) in batches.into_iter().take(seconds).zip(1..) {
            assert_eq!(sorted(batch), sorted(second(at)), "cut at {cut}, second {at}");
        }
        before = seconds;
    }
    assert_eq!(before, 30, "the last frame ends the file and holds nothing of it");
}

#[test]
fn damage_is_counted_and_only_damaged_parts_are_lost() {
    let whole = recorded(200);
    // Skips the mark and the machine.
    for at in (200..whole.len()).step_by(101) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x24;
        let file = file(&bytes);
        let batches = played_back(file.path());
        let requests = requests(&batches);
        let times: Vec<i64> = requests.iter().map(|request| request.time.0).collect();
        assert!(times.is_sorted() && times.len() >= 190, "byte {at}: {} requests", times.len());
        // A damaged header does not reveal the number of requests in its frame.
        assert!(lost(&batches) == 0 || times.len() as u64 + lost(&batches) == 200, "byte {at}");
        let readings = batches.iter().filter(|batch| batch.tick.is_some());
        let readings: Vec<_> = readings.collect();
        assert!(readings.len() >= 200 - 65, "byte {at}: from the next fresh frame on all is known again");
        for batch in readings {
            let tick = batch.tick.unwrap().0;
            let states = |batch: &Batch| {
                let mut states: Vec<_> = batch
                    .observations
                    .iter()
                    .filter_map(|observation| match observation {
                        Observation::Snapshot(state) => Some((state.tgid, state.virtual_bytes)),
                        _ => None,
                    })
                    .collect();
                states.sort_unstable();
                states.dedup();
                states
            };
            let expected = states(&second(tick));
            assert!(
                states(batch).iter().all(|state| expected.contains(state)) || batch.observations.len() > 45,
                "byte {at}, second {tick}"
            );
            assert!(expected.iter().all(|state| states(batch).contains(state)), "byte {at}, second {tick}");
        }
    }
}

#[test]
fn other_files_are_rejected_with_their_names() {
    for bytes in [b"".as_slice(), b"mtrec", b"hello, I am a text file", b"mtrec\r\n\xfe and more of it"] {
        let file = file(bytes);
        let choice = SourceChoice::Recording(file.path().to_owned());
        let error = memtap_capture::open(&choice, &Settings::default()).err().unwrap();
        let text = format!("{error}: {}", std::error::Error::source(&error).unwrap());
        assert!(text.contains(&file.path().display().to_string()), "{text}");
        assert!(text.contains("not a memtap recording") || text.contains("format 254"), "{text}");
    }
}

#[test]
fn noise_is_skipped() {
    let mut bytes = recorded(3);
    let mut seed = 7_u64;
    for _ in 0..200_000 {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        bytes.push(seed as u8);
    }
    bytes.extend_from_slice(&recorded(3)[8..]);
    let file = file(&bytes);
    let batches = played_back(file.path());
    assert_eq!(requests(&batches).len(), 6, "what stands after the noise is found");
}

#[test]
fn the_filter_selects_processes() {
    let file = file(&recorded(50));
    let filter = memtap_capture::Filter { pids: vec![Tgid(7)], ..memtap_capture::Filter::default() };
    let settings = Settings { filter, ..Settings::default() };
    let choice = SourceChoice::Recording(file.path().to_owned());
    let mut source = memtap_capture::open(&choice, &settings).unwrap().source;
    let (mut requests, mut states) = (0, 0);
    let mut out = Vec::new();
    while !source.is_over() {
        source.poll(1000, &mut out).unwrap();
        for observation in out.drain(..) {
            match observation {
                Observation::Request(request) => {
                    assert_eq!(request.tgid, Tgid(7));
                    requests += 1;
                }
                Observation::Snapshot(state) => {
                    assert_eq!(state.tgid, Tgid(7));
                    states += 1;
                }
                Observation::Fork(state) | Observation::Exit(state) => panic!("{state:?}"),
                _ => {}
            }
        }
    }
    assert_eq!((requests, states), (2, 50), "seconds 6 and 46, and each reading");
}
