//! The kernel side loaded and attached. This file alone touches aya.

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

/// The committed object: `cargo xtask bpf` makes it.
static OBJECT: &[u8] = aya::include_bytes_aligned!("../../bpf/memtap.bpf.o");

/// `NUMBERS` of memtap.bpf.c.
const NUMBERS: usize = 512;
/// Bytes of a thread's name, the last of which is always 0.
const COMM: usize = 16;
/// i386's ipc(), many calls in one.
const IPC_I386: usize = 117;
const ITERATOR: &str = "read_processes";
/// Processes put into the ring by one step of a reading.
const STEP: usize = 64;

/// Program and the tracepoint it is for. It is attached before those that open accounts: what is born while we attach is then never missed
/// in going.
const EXIT: (&str, &str) = ("on_exit", "sched_process_exit");
/// These open accounts, and come after what follows calls: what a thread changes would else add up until its first call is told.
const TRACEPOINTS: [(&str, &str); 3] =
    [("on_exec", "sched_process_exec"), ("on_fork", "task_newtask"), ("on_rename", "task_rename")];
const CALLS_EXIT: (&str, &str) = ("on_sys_exit", "sys_exit");
/// Programs for the exit of one function each: this and the function's name.
const FUNCTION: &str = "fx_";
/// Without these there is no following of requests.
const ESSENTIAL: [Call; 4] = [Call::Mmap, Call::Munmap, Call::Mremap, Call::Brk];
/// A lock that was taken before we came is then never taken for one that has just been taken.
const LOCKS: [(&str, &str); 2] =
    [("on_released", "mmap_lock_released"), ("on_locked", "mmap_lock_acquire_returned")];
const OOM: (&str, &str) = ("on_oom", "mark_victim");

/// The kernel's description of its types, read once for all that needs it.
pub(crate) struct Types(Btf);

impl Types {
    pub(crate) fn read() -> Result<Self, CaptureError> {
        let path = "/sys/kernel/btf/vmlinux";
        let whole = std::fs::read(path).map_err(CaptureError::read(path))?;
        let some = types::cut_down(&whole).unwrap_or(whole);
        Btf::parse(&some, Endianness::default())
            .map(Self)
            .map_err(|error| CaptureError::of_step("reading the kernel's BTF", &error))
    }
}

/// What did not fit, since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Losses {
    pub(crate) requests: u64,
    pub(crate) lifecycle: u64,
    pub(crate) names: u64,
    pub(crate) no_account: u64,
}

/// The programs in the kernel; dropping it detaches them.
pub(crate) struct Driver {
    ebpf: Ebpf,
    ring: RingBuf<MapData>,
    /// Tells when the kernel wakes whoever waits for the ring, and not that there is anything in it.
    woken: Epoll,
    lost: PerCpuArray<MapData, u64>,
    /// Whom the filter is of, where it is of some processes only.
    watched: HashMap<MapData, u32, u8>,
    /// A reading under way.
    reading: Option<File>,
    /// Why OOM kills are not seen.
    pub(crate) without_oom: Option<CaptureError>,
}

impl Driver {
    /// Loads and attaches.
    pub(crate) fn open(settings: &Settings, plan: Plan, Types(btf): &Types) -> Result<Self, CaptureError> {
        plan.possible(&facts::release())?;
        let mut ebpf = load(btf, settings, plan)?;
        let ring: RingBuf<MapData> = take(&mut ebpf, "ring")?;
        let woken = woken_by(&ring).map_err(|error| CaptureError::of_step("waiting for the ring", &error))?;
        let lost = take(&mut ebpf, "lost")?;
        let mut watched = take(&mut ebpf, "watched")?;
        for pid in &settings.filter.pids {
            watch(&mut watched, *pid)?;
        }
        // Before anything follows calls: the first call must find the locks watched.
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
        Ok(Self { ebpf, ring, woken, lost, watched, reading: None, without_oom })
    }

    /// Hooks one function and lets it go again; gives how long that took.
    pub(crate) fn try_function(types: &Types) -> Result<Duration, CaptureError> {
        try_with(types, Hook::Functions, |ebpf, btf| {
            let function = function_of(Call::Brk);
            hook(program(ebpf, &format!("{FUNCTION}{function}"))?, &function, btf).map(drop)
        })
    }

    /// Attaches to one tracepoint and lets it go again; gives how long that took.
    pub(crate) fn try_tracepoint(types: &Types) -> Result<Duration, CaptureError> {
        let [.., (name, tracepoint)] = TRACEPOINTS;
        try_with(types, Hook::Exit, |ebpf, btf| attach(ebpf, btf, name, tracepoint))
    }

    /// Reads one step of all processes; gives how long that took.
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

    /// Watches a process no longer.
    pub(crate) fn unwatch(&mut self, pid: Tgid) -> Result<(), CaptureError> {
        match self.watched.remove(&pid.0) {
            // It has ended meanwhile.
            Err(MapError::KeyNotFound) => Ok(()),
            removed => removed.map_err(|error| CaptureError::of_step("unwatching a process", &error)),
        }
    }

    /// Hands up to `room` records, oldest first, to `take`, until that breaks; gives how many.
    pub(crate) fn drain(
        &mut self,
        room: usize,
        mut take: impl FnMut(Option<RawRecord<'_>>) -> ControlFlow<()>,
    ) -> usize {
        let mut count = 0;
        while count < room
            && let Some(item) = self.ring.next()
        {
            count += 1;
            if take(RawRecord::read(&item)).is_break() {
                break;
            }
        }
        count
    }

    /// Waits, at most so long, until so much is in the ring that it should be read at once.
    pub(crate) fn rest(&self, most: Duration) {
        let most = EpollTimeout::try_from(most).unwrap_or(EpollTimeout::MAX);
        // A signal is no harm.
        let _ = self.woken.wait(&mut [EpollEvent::empty()], most);
    }

    /// Begins a reading of all processes.
    pub(crate) fn begin_reading(&mut self) -> Result<(), CaptureError> {
        self.reading = Some(open_iterator(&mut self.ebpf)?);
        Ok(())
    }

    /// Makes the kernel put the states of the next few processes into the ring. The program writes a byte for each, so that a
    /// short read takes a short step. Gives whether a reading is under way still.
    pub(crate) fn read_on(&mut self) -> Result<bool, CaptureError> {
        let Some(file) = &mut self.reading else { return Ok(false) };
        let mut bytes = [0; STEP];
        match file.read(&mut bytes) {
            Ok(0) => self.reading = None,
            Ok(_) => {}
            // A million threads in a row that stand for no process of their own, or a signal.
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => return Err(reading_failed(&error)),
        }
        Ok(self.reading.is_some())
    }

    pub(crate) fn losses(&self) -> Result<Losses, CaptureError> {
        let sum = |index: u32| -> Result<u64, CaptureError> {
            let values = self.lost.get(&index, 0);
            Ok(values.map_err(|error| CaptureError::of_step("reading losses", &error))?.iter().sum())
        };
        Ok(Losses { requests: sum(0)?, lifecycle: sum(1)?, names: sum(2)?, no_account: sum(3)? })
    }
}

fn woken_by(ring: &RingBuf<MapData>) -> nix::Result<Epoll> {
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    epoll.add(ring, EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLET, 0))?;
    Ok(epoll)
}

fn watch(watched: &mut HashMap<MapData, u32, u8>, pid: Tgid) -> Result<(), CaptureError> {
    let step = || format!("watching process {}", pid.0);
    watched.insert(pid.0, 1, 0).map_err(|error| CaptureError::of_step(step(), &error))
}

/// Loads the programs with little memory, tries something, and lets all of it go; gives how long that took without the loading.
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
    iterator.load("task", btf).map_err(|error| CaptureError::of_step(ITERATOR, &error))
}

/// What a reading of it makes the kernel walk over the processes.
fn open_iterator(ebpf: &mut Ebpf) -> Result<File, CaptureError> {
    let iterator: &mut Iter = program(ebpf, ITERATOR)?;
    let link = iterator.attach().map_err(|error| reading_failed(&error))?;
    let link = iterator.take_link(link).map_err(|error| reading_failed(&error))?;
    link.into_file().map_err(|error| reading_failed(&error))
}

fn reading_failed(error: &(dyn std::error::Error + 'static)) -> CaptureError {
    CaptureError::of_step("reading all processes", error)
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
    // What many processes ask for between two looks would fill what forks and exits have of it.
    let is_small = settings.ring_bytes < 1 << 20;
    EbpfLoader::new()
        .btf(Some(btf))
        // User space never reads what threads have under way.
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
        .override_global("told_rows", &told_rows(filter)[..], true)
        .load(OBJECT)
        .map_err(|error| not_loaded(&error))
}

/// A map that is not permitted stands for all of them: which one comes first is chance.
fn not_loaded(error: &EbpfError) -> CaptureError {
    match error {
        EbpfError::MapError(MapError::CreateError { io_error, .. })
            if io_error.kind() == ErrorKind::PermissionDenied =>
        {
            CaptureError::of_step("creating the eBPF maps", io_error)
        }
        error => CaptureError::of_step("loading the eBPF object", error),
    }
}

/// On top of the accounts, at most a quarter of them: the few hundred processes that most machines have find one free.
fn slots_for(accounts: u32) -> u32 {
    1 << (accounts / 4).clamp(8, 8192).ilog2()
}

/// How large a call is, and whether it may change the virtual size, by row.
fn row_tables() -> ([u8; CALL_ROWS], [u8; CALL_ROWS]) {
    let (mut sizes, mut moves) = ([0; CALL_ROWS], [0; CALL_ROWS]);
    for (index, row) in CALLS.iter().enumerate() {
        sizes[index] = row.size as u8;
        moves[index] = row.moves.into();
    }
    (sizes, moves)
}

/// In small letters, as much of it as a name has room for; and its length.
fn name_part(filter: &Filter) -> ([u8; COMM], u32) {
    let mut part = [0; COMM];
    let bytes = filter.by_name().unwrap_or_default().bytes().take(COMM - 1);
    let length = bytes.zip(&mut part).map(|(byte, place)| *place = byte.to_ascii_lowercase()).count();
    (part, length as u32)
}

/// Whether its requests are told, by row.
fn told_rows(filter: &Filter) -> [u8; CALL_ROWS] {
    let mut told = [0; CALL_ROWS];
    for (told, row) in told.iter_mut().zip(CALLS) {
        *told = filter.is_of_call(row.call).into();
    }
    told
}

/// Row + 1 by system call number, for 64-bit and for 32-bit callers: the table in memtap-model is the only list. Of calls that are not
/// wanted, those are followed all the same that may change the virtual size: the books need them.
fn call_tables(filter: &Filter) -> ([u8; NUMBERS], [u8; NUMBERS]) {
    let (mut calls_64, mut calls_32) = ([0; NUMBERS], [0; NUMBERS]);
    let rows = (1..).zip(CALLS).filter(|(_, call)| call.moves || filter.is_of_call(call.call));
    for (row, call) in rows {
        calls_64[usize::from(call.number_x86_64)] = row;
        for number in call.numbers_i386 {
            calls_32[usize::from(*number)] = row;
        }
        // Of the many calls in i386's ipc() the kernel side picks these two; the number must pass its first filter.
        if call.call == Call::Shmat {
            calls_32[IPC_I386] = row;
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
    T: TryFrom<aya::maps::Map, Error = MapError>,
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

/// Hooks the exit of each function that the kernel has.
fn attach_functions(ebpf: &mut Ebpf, btf: &Btf) -> Result<(), CaptureError> {
    let mut hooked = Vec::new();
    for (name, program) in ebpf.programs_mut() {
        let Some(function) = name.strip_prefix(FUNCTION) else { continue };
        let program: &mut FExit = program
            .try_into()
            .map_err(|error: ProgramError| CaptureError::of_step(format!("program {name}"), &error))?;
        if hook(program, function, btf)? {
            hooked.push(function.to_owned());
        }
    }
    match ESSENTIAL.into_iter().map(function_of).find(|function| !hooked.contains(function)) {
        Some(function) => {
            let reason = "the kernel has no such function".to_owned();
            Err(CaptureError::Unsupported { step: function, reason })
        }
        None => Ok(()),
    }
}

/// Gives whether the kernel has the function: one that is older than the call, or has no 32-bit callers, has not.
fn hook(program: &mut FExit, function: &str, btf: &Btf) -> Result<bool, CaptureError> {
    let step = |error: ProgramError| CaptureError::of_step(format!("hooking the exit of {function}"), &error);
    match program.load(function, btf) {
        Err(ProgramError::Btf(BtfError::UnknownBtfTypeName { .. })) => return Ok(false),
        loaded => loaded.map_err(step)?,
    }
    program.attach().map_err(step)?;
    Ok(true)
}

/// The function behind a call of a 64-bit caller.
fn function_of(call: Call) -> String {
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
            let name = format!("{FUNCTION}{}\0", function_of(row.call));
            let found = OBJECT.windows(name.len()).any(|window| window == name.as_bytes());
            assert!(found, "{name}: add it to the functions of memtap.bpf.c");
        }
    }
}
