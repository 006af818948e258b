//! The kernel side, loaded and attached. Only this file uses aya.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use aya::maps::{HashMap, MapData, MapError, PerCpuArray, RingBuf};
use aya::programs::{BtfTracePoint, FExit, Iter, ProgramError};
use aya::{Btf, BtfError, Ebpf, EbpfError, EbpfLoader, Endianness};
use memtap_model::{CALL_ROWS, CALLS, Call, RawRecord, Tgid};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use super::types;
use crate::{CaptureError, Filter, Hook, Plan, Settings, facts};

/// The committed object, which `cargo xtask bpf` builds.
static OBJECT: &[u8] = aya::include_bytes_aligned!("../../bpf/memtap.bpf.o");

/// `NUMBERS` of call.h.
const NUMBERS: usize = 512;
/// Size of a thread's name, the last byte of which is always 0.
const COMM: usize = 16;
/// i386's ipc(), which combines many calls.
const IPC_I386: usize = 117;
const ITERATOR: &str = "read_processes";
/// Processes that one step of a reading puts into the ring.
const STEP: usize = 64;

/// Program and its tracepoint. It is attached before the programs that open accounts, so that the
/// exit of a process born in the meantime is not missed.
const EXIT: (&str, &str) = ("on_exit", "sched_process_exit");
/// Programs that open accounts. They are attached after the programs that follow calls: otherwise
/// the changes of a thread would add up until its first call is seen.
const TRACEPOINTS: [(&str, &str); 3] =
    [("on_exec", "sched_process_exec"), ("on_fork", "task_newtask"), ("on_rename", "task_rename")];
const CALLS_EXIT: (&str, &str) = ("on_sys_exit", "sys_exit");
/// Prefix of the programs for the exit of a function; the function's name follows.
const FUNCTION: &str = "fx_";
/// Calls without which requests cannot be followed.
const ESSENTIAL: [Call; 4] = [Call::Mmap, Call::Munmap, Call::Mremap, Call::Brk];
/// Attached in this order, so that a lock taken before is not mistaken for one that was just taken.
const LOCKS: [(&str, &str); 2] =
    [("on_released", "mmap_lock_released"), ("on_locked", "mmap_lock_acquire_returned")];
const OOM: (&str, &str) = ("on_oom", "mark_victim");

/// The kernel's description of its types, read once for all programs.
pub(crate) struct Types(Btf);

impl Types {
    pub(crate) fn read() -> Result<Self, CaptureError> {
        let path = "/sys/kernel/btf/vmlinux";
        let complete = std::fs::read(path).map_err(CaptureError::read(path))?;
        let reduced = types::reduce(&complete).unwrap_or(complete);
        Btf::parse(&reduced, Endianness::default())
            .map(Self)
            .map_err(|error| CaptureError::from_step("reading the kernel's BTF", &error))
    }
}

/// Records that did not fit since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Losses {
    pub(crate) requests: u64,
    pub(crate) lifecycle: u64,
    pub(crate) names: u64,
    pub(crate) no_account: u64,
}

/// The programs in the kernel. Dropping the driver detaches them.
pub(crate) struct Driver {
    ebpf: Ebpf,
    ring: RingBuf<MapData>,
    /// Reports when the kernel wakes readers of the ring. It does not report that the ring has
    /// records.
    wakeups: Epoll,
    lost: PerCpuArray<MapData, u64>,
    /// Pids that the kernel side watches, if the filter selects processes.
    watched: HashMap<MapData, u32, u8>,
    /// A reading in progress.
    reading: Option<File>,
    /// Error because of which OOM kills are not seen.
    pub(crate) without_oom: Option<CaptureError>,
}

impl Driver {
    /// Loads and attaches the programs.
    pub(crate) fn open(settings: &Settings, plan: Plan, Types(btf): &Types) -> Result<Self, CaptureError> {
        plan.possible(&facts::release())?;
        let mut ebpf = load(btf, settings, plan)?;
        let ring: RingBuf<MapData> = take_map(&mut ebpf, "ring")?;
        let wakeups =
            open_wakeups(&ring).map_err(|error| CaptureError::from_step("waiting for the ring", &error))?;
        let lost = take_map(&mut ebpf, "lost")?;
        let mut watched = take_map(&mut ebpf, "watched")?;
        for pid in &settings.filter.pids {
            watch(&mut watched, *pid)?;
        }
        // Attached before anything follows calls, because the first call must find the locks
        // watched.
        for (program, tracepoint) in LOCKS.iter().filter(|_| plan.locks) {
            attach(&mut ebpf, btf, program, tracepoint)?;
        }
        attach(&mut ebpf, btf, EXIT.0, EXIT.1)?;
        match plan.hook {
            Hook::Exit => attach(&mut ebpf, btf, CALLS_EXIT.0, CALLS_EXIT.1)?,
            Hook::Functions => attach_functions(&mut ebpf, btf)?,
        }
        for (program, tracepoint) in TRACEPOINTS {
            attach(&mut ebpf, btf, program, tracepoint)?;
        }
        let without_oom = attach(&mut ebpf, btf, OOM.0, OOM.1).err();
        load_iterator(&mut ebpf, btf)?;
        Ok(Self { ebpf, ring, wakeups, lost, watched, reading: None, without_oom })
    }

    /// Hooks one function and removes the hook. Returns how long that took.
    pub(crate) fn try_function(types: &Types) -> Result<Duration, CaptureError> {
        try_with(types, Hook::Functions, |ebpf, btf| {
            let function = kernel_function(Call::Brk);
            hook_function(program(ebpf, &format!("{FUNCTION}{function}"))?, &function, btf).map(drop)
        })
    }

    /// Attaches to one tracepoint and detaches again. Returns how long that took.
    pub(crate) fn try_tracepoint(types: &Types) -> Result<Duration, CaptureError> {
        let [.., (name, tracepoint)] = TRACEPOINTS;
        try_with(types, Hook::Exit, |ebpf, btf| attach(ebpf, btf, name, tracepoint))
    }

    /// Reads one step of all processes. Returns how long that took.
    pub(crate) fn try_iterator(types: &Types) -> Result<Duration, CaptureError> {
        try_with(types, Hook::Exit, |ebpf, btf| {
            load_iterator(ebpf, btf)?;
            let mut file = open_iterator(ebpf)?;
            file.read(&mut [0; STEP]).map(drop).map_err(|error| reading_failed(&error))
        })
    }

    /// Watches one more process.
    pub(crate) fn watch(&mut self, pid: Tgid) -> Result<(), CaptureError> {
        watch(&mut self.watched, pid)
    }

    /// Stops watching a process.
    pub(crate) fn unwatch(&mut self, pid: Tgid) -> Result<(), CaptureError> {
        match self.watched.remove(&pid.0) {
            // The process has ended in the meantime.
            Err(MapError::KeyNotFound) => Ok(()),
            removed => removed.map_err(|error| CaptureError::from_step("unwatching a process", &error)),
        }
    }

    /// Passes up to `room` records to `handle`, oldest first, until `handle` breaks. Returns their
    /// number.
    pub(crate) fn drain(
        &mut self,
        room: usize,
        mut handle: impl FnMut(Option<RawRecord<'_>>) -> ControlFlow<()>,
    ) -> usize {
        let mut count = 0;
        while count < room
            && let Some(item) = self.ring.next()
        {
            count += 1;
            if handle(RawRecord::read(&item)).is_break() {
                break;
            }
        }
        count
    }

    /// Waits until the ring contains so much that it should be read at once, but at most `most`.
    pub(crate) fn wait(&self, most: Duration) {
        let most = EpollTimeout::try_from(most).unwrap_or(EpollTimeout::MAX);
        // A signal may end the wait, which is harmless.
        let _ = self.wakeups.wait(&mut [EpollEvent::empty()], most);
    }

    /// Begins a reading of all processes.
    pub(crate) fn begin_reading(&mut self) -> Result<(), CaptureError> {
        self.reading = Some(open_iterator(&mut self.ebpf)?);
        Ok(())
    }

    /// Makes the kernel put the states of the next few processes into the ring. The program writes
    /// a byte for each process, so a short read is a short step. Returns whether the reading is
    /// still in progress.
    pub(crate) fn continue_reading(&mut self) -> Result<bool, CaptureError> {
        let Some(file) = &mut self.reading else { return Ok(false) };
        let mut bytes = [0; STEP];
        match file.read(&mut bytes) {
            Ok(0) => self.reading = None,
            Ok(_) => {}
            // The kernel visited a million threads that do not represent a process, or a signal
            // arrived.
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => return Err(reading_failed(&error)),
        }
        Ok(self.reading.is_some())
    }

    pub(crate) fn losses(&self) -> Result<Losses, CaptureError> {
        let sum = |index: u32| -> Result<u64, CaptureError> {
            let values = self.lost.get(&index, 0);
            Ok(values.map_err(|error| CaptureError::from_step("reading losses", &error))?.iter().sum())
        };
        Ok(Losses { requests: sum(0)?, lifecycle: sum(1)?, names: sum(2)?, no_account: sum(3)? })
    }
}

fn open_wakeups(ring: &RingBuf<MapData>) -> nix::Result<Epoll> {
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    epoll.add(ring, EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLET, 0))?;
    Ok(epoll)
}

fn watch(watched: &mut HashMap<MapData, u32, u8>, pid: Tgid) -> Result<(), CaptureError> {
    let step = || format!("watching process {}", pid.0);
    watched.insert(pid.0, 1, 0).map_err(|error| CaptureError::from_step(step(), &error))
}

/// Loads the programs with little memory, runs a trial and unloads them. Returns how long the trial
/// took, without the loading.
fn try_with(
    Types(btf): &Types,
    hook: Hook,
    attempt: impl FnOnce(&mut Ebpf, &Btf) -> Result<(), CaptureError>,
) -> Result<Duration, CaptureError> {
    let settings = &Settings { ring_bytes: 256 << 10, accounts: 64, ..Settings::default() };
    let mut ebpf = load(btf, settings, Plan { hook, locks: false })?;
    let begin = Instant::now();
    attempt(&mut ebpf, btf)?;
    drop(ebpf);
    Ok(begin.elapsed())
}

fn load_iterator(ebpf: &mut Ebpf, btf: &Btf) -> Result<(), CaptureError> {
    let iterator: &mut Iter = program(ebpf, ITERATOR)?;
    iterator.load("task", btf).map_err(|error| CaptureError::from_step(ITERATOR, &error))
}

/// Opens a file; reading it makes the kernel visit all processes.
fn open_iterator(ebpf: &mut Ebpf) -> Result<File, CaptureError> {
    let iterator: &mut Iter = program(ebpf, ITERATOR)?;
    let link = iterator.attach().map_err(|error| reading_failed(&error))?;
    let link = iterator.take_link(link).map_err(|error| reading_failed(&error))?;
    link.into_file().map_err(|error| reading_failed(&error))
}

fn reading_failed(error: &(dyn std::error::Error + 'static)) -> CaptureError {
    CaptureError::from_step("reading all processes", error)
}

fn load(btf: &Btf, settings: &Settings, plan: Plan) -> Result<Ebpf, CaptureError> {
    let filter = &settings.filter;
    let (calls_64, calls_32) = call_tables(filter);
    let (sizes, moves) = row_tables();
    let cpus = possible_cpus()?;
    let page = crate::clock::page_size().unwrap_or(4096);
    let row = |call: Call| call.index() as u32;
    let (name_part, name_part_length) = name_part(filter);
    let slots = slots_for(settings.accounts);
    // In a small ring, the requests of many processes between two reads of its fill level would
    // take the part reserved for forks and exits.
    let is_small = settings.ring_bytes < 1 << 20;
    EbpfLoader::new()
        .btf(Some(btf))
        // The loader does not support the map of changes in progress, which user space never reads.
        .allow_unsupported_maps()
        .map_max_entries("ring", settings.ring_bytes)
        .map_max_entries("slots", slots)
        .map_max_entries("accounts", settings.accounts)
        .map_max_entries("spaces", settings.accounts)
        .map_max_entries("watched", settings.accounts)
        .override_global("calls_64", &calls_64[..], true)
        .override_global("calls_32", &calls_32[..], true)
        .override_global("sizes", &sizes[..], true)
        .override_global("moves", &moves[..], true)
        .override_global("row_mmap", &row(Call::Mmap), true)
        .override_global("row_shmat", &row(Call::Shmat), true)
        .override_global("row_shmdt", &row(Call::Shmdt), true)
        .override_global("page_size", &page, true)
        .override_global("slot_mask", &(slots - 1), true)
        .override_global("looks_each_time", &u8::from(settings.exact_times || is_small), true)
        .override_global("own_changes", &u8::from(plan.locks), true)
        .override_global("room_for_requests", &u64::from(settings.request_bytes()), true)
        .override_global("wakes_from", &u64::from(settings.request_bytes() / 4), true)
        .override_global("cpus", &cpus, true)
        .override_global("only_watched", &u8::from(filter.is_of_some() || filter.by_name().is_some()), true)
        .override_global("children_join", &u8::from(filter.follow), true)
        .override_global("name_part", &name_part[..], true)
        .override_global("name_part_length", &name_part_length, true)
        .override_global("least_bytes", &filter.least_bytes, true)
        .override_global("refused_only", &u8::from(filter.refused), true)
        .override_global("some_rows", &u8::from(!filter.calls.is_empty()), true)
        .override_global("told_rows", &reported_rows(filter)[..], true)
        .load(OBJECT)
        .map_err(|error| not_loaded(&error))
}

/// Does not name the map when maps are not permitted: which one is created first is chance.
fn not_loaded(error: &EbpfError) -> CaptureError {
    match error {
        EbpfError::MapError(MapError::CreateError { io_error, .. })
            if io_error.kind() == ErrorKind::PermissionDenied =>
        {
            CaptureError::from_step("creating the eBPF maps", io_error)
        }
        error => CaptureError::from_step("loading the eBPF object", error),
    }
}

/// Number of slots. They are in addition to the accounts, and at most a quarter of their number:
/// enough for the few hundred processes of most machines.
fn slots_for(accounts: u32) -> u32 {
    1 << (accounts / 4).clamp(8, 8192).ilog2()
}

/// Returns the size rule of each row, and whether the call may change the virtual size.
fn row_tables() -> ([u8; CALL_ROWS], [u8; CALL_ROWS]) {
    let (mut sizes, mut moves) = ([0; CALL_ROWS], [0; CALL_ROWS]);
    for (index, row) in CALLS.iter().enumerate() {
        sizes[index] = row.size as u8;
        moves[index] = row.moves.into();
    }
    (sizes, moves)
}

/// Returns the text that names must contain (in lower case, cut to the length of a name) and its
/// length.
fn name_part(filter: &Filter) -> ([u8; COMM], u32) {
    let mut part = [0; COMM];
    let bytes = filter.by_name().unwrap_or_default().bytes().take(COMM - 1);
    let length = bytes.zip(&mut part).map(|(byte, place)| *place = byte.to_ascii_lowercase()).count();
    (part, length as u32)
}

/// Returns for each row whether its requests are reported.
fn reported_rows(filter: &Filter) -> [u8; CALL_ROWS] {
    let mut reported = [0; CALL_ROWS];
    for (reported, row) in reported.iter_mut().zip(CALLS) {
        *reported = filter.includes_call(row.call).into();
    }
    reported
}

/// Returns row + 1 by system call number, for 64-bit and for 32-bit callers, from the call table in
/// memtap-model. Calls that the filter excludes are included if they may change the virtual size,
/// because the books need them.
fn call_tables(filter: &Filter) -> ([u8; NUMBERS], [u8; NUMBERS]) {
    let (mut calls_64, mut calls_32) = ([0; NUMBERS], [0; NUMBERS]);
    let rows = (1..).zip(CALLS).filter(|(_, call)| call.moves || filter.includes_call(call.call));
    for (row, call) in rows {
        calls_64[usize::from(call.number_x86_64)] = row;
        for number in call.numbers_i386 {
            calls_32[usize::from(*number)] = row;
        }
        // i386's ipc() combines many calls, of which the kernel side selects these two. The number
        // must pass its first filter.
        if call.call == Call::Shmat {
            calls_32[IPC_I386] = row;
        }
    }
    (calls_64, calls_32)
}

/// Returns the number of possible CPUs (the highest number + 1).
fn possible_cpus() -> Result<u32, CaptureError> {
    let path = "/sys/devices/system/cpu/possible";
    let text = std::fs::read_to_string(path).map_err(CaptureError::read(path))?;
    let highest = text.trim().rsplit([',', '-']).next().and_then(|number| number.parse::<u32>().ok());
    Ok(highest.map_or(1, |highest| highest + 1))
}

fn take_map<T>(ebpf: &mut Ebpf, name: &str) -> Result<T, CaptureError>
where
    T: TryFrom<aya::maps::Map, Error = MapError>,
{
    let map = ebpf.take_map(name).ok_or_else(|| missing(name))?;
    T::try_from(map).map_err(|error| CaptureError::from_step(format!("map {name}"), &error))
}

fn program<'a, T>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut T, CaptureError>
where
    &'a mut T: TryFrom<&'a mut aya::programs::Program, Error = aya::programs::ProgramError>,
{
    let program = ebpf.program_mut(name).ok_or_else(|| missing(name))?;
    program.try_into().map_err(|error| CaptureError::from_step(format!("program {name}"), &error))
}

fn attach(ebpf: &mut Ebpf, btf: &Btf, name: &str, tracepoint: &str) -> Result<(), CaptureError> {
    let step = |error: &(dyn std::error::Error + 'static)| {
        CaptureError::from_step(format!("attaching to {tracepoint}"), error)
    };
    let program: &mut BtfTracePoint = program(ebpf, name)?;
    program.load(tracepoint, btf).map_err(|error| step(&error))?;
    program.attach().map_err(|error| step(&error))?;
    Ok(())
}

/// Hooks the exit of each function that the kernel has.
fn attach_functions(ebpf: &mut Ebpf, btf: &Btf) -> Result<(), CaptureError> {
    let mut hooked = Vec::new();
    for (name, program) in ebpf.programs_mut() {
        let Some(function) = name.strip_prefix(FUNCTION) else { continue };
        let program: &mut FExit = program
            .try_into()
            .map_err(|error: ProgramError| CaptureError::from_step(format!("program {name}"), &error))?;
        if hook_function(program, function, btf)? {
            hooked.push(function.to_owned());
        }
    }
    match ESSENTIAL.into_iter().map(kernel_function).find(|function| !hooked.contains(function)) {
        Some(function) => {
            let reason = "the kernel has no such function".to_owned();
            Err(CaptureError::Unsupported { step: function, reason })
        }
        None => Ok(()),
    }
}

/// Hooks the exit of a function. Returns false if the kernel does not have it, because it is older
/// than the call or has no 32-bit callers.
fn hook_function(program: &mut FExit, function: &str, btf: &Btf) -> Result<bool, CaptureError> {
    let step =
        |error: ProgramError| CaptureError::from_step(format!("hooking the exit of {function}"), &error);
    match program.load(function, btf) {
        Err(ProgramError::Btf(BtfError::UnknownBtfTypeName { .. })) => return Ok(false),
        loaded => loaded.map_err(step)?,
    }
    program.attach().map_err(step)?;
    Ok(true)
}

/// Name of the kernel function for a call of a 64-bit caller.
fn kernel_function(call: Call) -> String {
    format!("__x64_sys_{}", call.name())
}

fn missing(name: &str) -> CaptureError {
    CaptureError::Unsupported { step: name.to_owned(), reason: "not in memtap's eBPF object".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_of_the_table_has_a_program_for_its_function() {
        for row in CALLS {
            let name = format!("{FUNCTION}{}\0", kernel_function(row.call));
            let exists = OBJECT.windows(name.len()).any(|window| window == name.as_bytes());
            assert!(exists, "{name}: add it to the functions of memtap.bpf.c");
        }
    }
}
