//! The kernel side loaded and attached. This file alone touches aya.

use std::io::Read as _;

use aya::maps::{MapData, PerCpuArray, RingBuf};
use aya::programs::{BtfTracePoint, Iter};
use aya::{Btf, Ebpf, EbpfLoader};
use memtap_model::{CallRow, RawRecord};

use crate::CaptureError;

/// The committed object: `cargo xtask bpf` makes it.
static OBJECT: &[u8] = aya::include_bytes_aligned!("../../bpf/memtap.bpf.o");

/// `NUMBERS` of memtap.bpf.c.
const NUMBERS: usize = 512;
const ITERATOR: &str = "read_processes";
/// Program and the tracepoint it is for. Exit comes first: what is born while we attach is then never missed in going.
const TRACEPOINTS: [(&str, &str); 4] = [
    ("on_exit", "sched_process_exit"),
    ("on_exec", "sched_process_exec"),
    ("on_fork", "task_newtask"),
    ("on_sys_exit", "sys_exit"),
];

/// Records that did not fit into the ring, since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Losses {
    pub(crate) requests: u64,
    pub(crate) lifecycle: u64,
}

/// The programs in the kernel; dropping it detaches them.
pub(crate) struct Driver {
    ebpf: Ebpf,
    ring: RingBuf<MapData>,
    lost: PerCpuArray<MapData, u64>,
}

impl Driver {
    /// Loads and attaches with a ring of `ring_bytes`, following `calls`.
    pub(crate) fn open(ring_bytes: u32, calls: &[CallRow]) -> Result<Self, CaptureError> {
        let btf =
            Btf::from_sys_fs().map_err(|error| CaptureError::of_step("reading the kernel's BTF", &error))?;
        let mut ebpf = load(&btf, ring_bytes, calls)?;
        let ring = take(&mut ebpf, "ring")?;
        let lost = take(&mut ebpf, "lost")?;
        for (program, tracepoint) in TRACEPOINTS {
            attach(&mut ebpf, &btf, program, tracepoint)?;
        }
        let iterator: &mut Iter = program(&mut ebpf, ITERATOR)?;
        iterator.load("task", &btf).map_err(|error| CaptureError::of_step(ITERATOR, &error))?;
        Ok(Self { ebpf, ring, lost })
    }

    /// Hands up to `room` records, oldest first, to `take`; gives how many.
    pub(crate) fn drain(&mut self, room: usize, mut take: impl FnMut(Option<RawRecord>)) -> usize {
        let mut count = 0;
        while count < room
            && let Some(item) = self.ring.next()
        {
            take(RawRecord::read(&item));
            count += 1;
        }
        count
    }

    /// Makes the kernel put the state of every process into the ring.
    pub(crate) fn read_processes(&mut self) -> Result<(), CaptureError> {
        let failed =
            |error: &(dyn std::error::Error + 'static)| CaptureError::of_step("reading all processes", error);
        let iterator: &mut Iter = program(&mut self.ebpf, ITERATOR)?;
        let link = iterator.attach().map_err(|error| failed(&error))?;
        let link = iterator.take_link(link).map_err(|error| failed(&error))?;
        let mut file = link.into_file().map_err(|error| failed(&error))?;
        // The program writes nothing here: reading to the end is what runs it.
        let mut nothing = [0; 64];
        while file.read(&mut nothing).map_err(|error| failed(&error))? > 0 {}
        Ok(())
    }

    pub(crate) fn losses(&self) -> Result<Losses, CaptureError> {
        let sum = |index: u32| -> Result<u64, CaptureError> {
            let values = self.lost.get(&index, 0);
            Ok(values.map_err(|error| CaptureError::of_step("reading losses", &error))?.iter().sum())
        };
        Ok(Losses { requests: sum(0)?, lifecycle: sum(1)? })
    }
}

fn load(btf: &Btf, ring_bytes: u32, calls: &[CallRow]) -> Result<Ebpf, CaptureError> {
    let (calls_64, calls_32) = call_tables(calls);
    let cpus = possible_cpus()?;
    // The last eighth is for fork, exec, exit and readings.
    let room_for_requests = u64::from(ring_bytes) / 8 * 7;
    EbpfLoader::new()
        .btf(Some(btf))
        .map_max_entries("ring", ring_bytes)
        .override_global("calls_64", &calls_64[..], true)
        .override_global("calls_32", &calls_32[..], true)
        .override_global("room_for_requests", &room_for_requests, true)
        .override_global("cpus", &cpus, true)
        .load(OBJECT)
        .map_err(|error| CaptureError::of_step("loading the eBPF object", &error))
}

/// Row + 1 by system call number, for 64-bit and for 32-bit callers: the table in memtap-model is the only list.
fn call_tables(calls: &[CallRow]) -> ([u8; NUMBERS], [u8; NUMBERS]) {
    let (mut calls_64, mut calls_32) = ([0; NUMBERS], [0; NUMBERS]);
    for (row, call) in (1..).zip(calls) {
        calls_64[usize::from(call.number_x86_64)] = row;
        for number in call.numbers_i386 {
            calls_32[usize::from(*number)] = row;
        }
    }
    (calls_64, calls_32)
}

/// The highest CPU number that there may ever be, plus 1.
fn possible_cpus() -> Result<u32, CaptureError> {
    let path = "/sys/devices/system/cpu/possible";
    let text = std::fs::read_to_string(path).map_err(CaptureError::read(path))?;
    let highest = text.trim().rsplit([',', '-']).next().and_then(|number| number.parse::<u32>().ok());
    Ok(highest.map_or(1, |highest| highest + 1))
}

fn take<T>(ebpf: &mut Ebpf, name: &str) -> Result<T, CaptureError>
where
    T: TryFrom<aya::maps::Map, Error = aya::maps::MapError>,
{
    let map = ebpf.take_map(name).ok_or_else(|| missing(name))?;
    T::try_from(map).map_err(|error| CaptureError::of_step(format!("map {name}"), &error))
}

fn program<'a, T>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut T, CaptureError>
where
    &'a mut T: TryFrom<&'a mut aya::programs::Program, Error = aya::programs::ProgramError>,
{
    let program = ebpf.program_mut(name).ok_or_else(|| missing(name))?;
    program.try_into().map_err(|error| CaptureError::of_step(format!("program {name}"), &error))
}

fn attach(ebpf: &mut Ebpf, btf: &Btf, name: &str, tracepoint: &str) -> Result<(), CaptureError> {
    let step = |error: &(dyn std::error::Error + 'static)| {
        CaptureError::of_step(format!("attaching to {tracepoint}"), error)
    };
    let program: &mut BtfTracePoint = program(ebpf, name)?;
    program.load(tracepoint, btf).map_err(|error| step(&error))?;
    program.attach().map_err(|error| step(&error))?;
    Ok(())
}

fn missing(name: &str) -> CaptureError {
    CaptureError::Unsupported { step: name.to_owned(), reason: "not in the committed eBPF object".to_owned() }
}
