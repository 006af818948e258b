//! Threads, processes and address spaces of a traced command, and the effects of each stop of a
//! thread.

use std::collections::HashMap;
use std::sync::Arc;

use memtap_model::{Call, Comm, MemoryRequest, Observation, Outcome, SpaceId, Tid, WallClock, to_text};
use nix::libc::{self, pid_t};

use super::account::{Account, Cause, Space};
use super::held::{Held, MemoryCall, clone_flags};
use super::tracee::{self, Stop};
use crate::clock;
use crate::details::Details;
use crate::procfs::{self, ProcessReading};

/// A thread of the command.
#[derive(Debug)]
struct Thread {
    tgid: pid_t,
    name: Comm,
    /// True if it has asked for another name.
    is_renamed: bool,
    is_ending: bool,
    /// The call that the thread is in, and the name of the file that it maps.
    call: Option<(MemoryCall, Option<Arc<str>>)>,
}

/// Information from the parent of a new thread.
#[derive(Debug)]
struct Birth {
    /// The process that created it.
    by: pid_t,
    /// Flags of clone(2).
    flags: u64,
    /// Name of the parent, which is the child's first name.
    name: Comm,
}

/// Processes of the command.
pub(super) struct Tree {
    threads: HashMap<pid_t, Thread>,
    /// Information from the parents of threads that have not stopped yet.
    births: HashMap<pid_t, Birth>,
    accounts: HashMap<pid_t, Account>,
    spaces: HashMap<SpaceId, Space>,
    spaces_made: u64,
    details: Details,
    boot: WallClock,
    page: u64,
}

impl Tree {
    /// Creates the tree of a command. The first process has no account until it runs the command.
    pub(super) fn new(root: pid_t, page: u64) -> Self {
        let mut tree = Self {
            threads: HashMap::new(),
            births: HashMap::new(),
            accounts: HashMap::new(),
            spaces: HashMap::new(),
            spaces_made: 0,
            details: Details::default(),
            boot: clock::boot(),
            page,
        };
        tree.threads.insert(root, Thread::new(root, Comm::default()));
        tree
    }

    /// Handles the stop of a thread, and continues the thread.
    pub(super) fn handle_stop(&mut self, tid: pid_t, stop: Stop, out: &mut Vec<Observation>) {
        if !matches!(stop, Stop::Ended(_)) && !self.threads.contains_key(&tid) {
            self.handle_birth(tid, out);
        }
        match stop {
            Stop::Call => self.handle_call(tid, out),
            Stop::Return => self.handle_return(tid, out),
            Stop::Exec => self.handle_exec(tid, out),
            Stop::Exiting => self.handle_exiting(tid),
            Stop::Ended(_) => self.handle_end(tid, out),
            Stop::Halted(_) => tracee::stay_halted(tid),
            Stop::Signal(signal) => tracee::resume(tid, signal),
            Stop::Parent => self.handle_parent(tid),
            Stop::Born => tracee::resume(tid, 0),
        }
    }

    /// Adds the state of every process, for views while the command runs.
    pub(super) fn read_all(&mut self, out: &mut Vec<Observation>) {
        let time = clock::now();
        for (tgid, account) in &mut self.accounts {
            if let Some(reading) = procfs::read_process(tgid.cast_unsigned(), tgid.cast_unsigned(), self.boot)
            {
                account.update(&reading);
            }
            if let Some(space) = self.spaces.get(&account.space) {
                account.report(Observation::Snapshot, space, time, out);
            }
        }
        out.push(Observation::AllRead);
    }

    /// Handles a thread that has just created another. Its registers and memory contain the flags
    /// until it continues.
    fn handle_parent(&mut self, tid: pid_t) {
        if let (Some(child), Some(thread)) = (tracee::child(tid), self.threads.get(&tid))
            && !self.threads.contains_key(&child)
        {
            let name = if thread.is_renamed { read_name(tid) } else { thread.name };
            self.births.insert(child, Birth { by: thread.tgid, flags: read_clone_flags(tid), name });
        }
        tracee::resume(tid, 0);
    }

    /// Handles the first stop of an unknown thread. If it stops before its parent does, the parent
    /// is still waiting.
    fn handle_birth(&mut self, tid: pid_t, out: &mut Vec<Observation>) {
        let birth = self.births.remove(&tid);
        let flags = birth.as_ref().map_or_else(|| read_clone_flags(tid), |birth| birth.flags);
        let process = || procfs::process_of_thread(tid.cast_unsigned()).map_or(tid, u32::cast_signed);
        // The flags of clone3(2) are in memory, which not every tracer may read.
        if flags & libc::CLONE_THREAD as u64 != 0 || process() != tid {
            let (tgid, name) =
                birth.map_or_else(|| (process(), read_name(tid)), |birth| (birth.by, birth.name));
            self.threads.insert(tid, Thread::new(tgid, name));
            if let Some(account) = self.accounts.get_mut(&tgid) {
                account.threads += 1;
            }
            return;
        }
        self.threads.insert(tid, Thread::new(tid, Comm::default()));
        if let Some(reading) = self.read_process(tid, tid) {
            self.threads.insert(tid, Thread::new(tid, reading.state.name));
            let creator = birth.map_or(reading.state.parent.0.cast_signed(), |birth| birth.by);
            let parent = self.accounts.get(&creator).map(|parent| parent.space);
            let is_shared = flags & libc::CLONE_VM as u64 != 0;
            let brk = parent.and_then(|space| self.spaces.get(&space)?.brk);
            let space = parent.filter(|_| is_shared).unwrap_or_else(|| self.new_space(&reading, brk));
            self.open_account(tid, &reading, space, out);
        }
    }

    fn open_account(
        &mut self,
        tgid: pid_t,
        reading: &ProcessReading,
        space: SpaceId,
        out: &mut Vec<Observation>,
    ) {
        let Some(space) = self.spaces.get_mut(&space) else { return };
        let now = clock::now();
        let mut account = Account::open(reading, now, space);
        account.report(Observation::Fork, space, now, out);
        self.accounts.insert(tgid, account);
    }

    fn new_space(&mut self, reading: &ProcessReading, brk: Option<u64>) -> SpaceId {
        self.spaces_made += 1;
        let id = SpaceId(self.spaces_made);
        self.spaces.insert(id, Space::new(id, reading, brk));
        id
    }

    fn handle_call(&mut self, tid: pid_t, out: &mut Vec<Observation>) {
        let read = |address| tracee::word(tid, address);
        let held = tracee::call(tid).map_or(Held::Unknown, |(architecture, number, arguments)| {
            Held::decode(architecture, number, arguments, read)
        });
        match held {
            Held::Memory(call) if self.has_account(tid) => return self.begin_call(tid, call, out),
            Held::Exec => self.update_account(tid),
            Held::Rename => {
                if let Some(thread) = self.threads.get_mut(&tid) {
                    thread.is_renamed = true;
                }
            }
            Held::Escape => keep_child_traced(tid),
            Held::Memory(_) | Held::Unknown => {}
        }
        tracee::resume(tid, 0);
    }

    fn has_account(&self, tid: pid_t) -> bool {
        self.threads.get(&tid).is_some_and(|thread| self.accounts.contains_key(&thread.tgid))
    }

    /// Handles a memory call before it runs. Work that can wait is done while the call runs.
    fn begin_call(&mut self, tid: pid_t, call: MemoryCall, out: &mut Vec<Observation>) {
        if call.call.row().moves {
            self.book_other_changes(tid);
            if let Some((_, space)) = self.account_and_space(tid) {
                space.under_way += 1;
            }
        }
        tracee::resume_until_return(tid);
        let Some(thread) = self.threads.get_mut(&tid) else { return };
        let file = call.descriptor().and_then(|descriptor| file_name(tid, descriptor));
        thread.call = Some((call, file));
        if std::mem::take(&mut thread.is_renamed) {
            thread.name = read_name(tid);
            if thread.tgid == tid
                && let Some(account) = self.accounts.get_mut(&tid)
            {
                account.rename(thread.name, out);
            }
        }
    }

    /// Returns the account and the address space of a thread's process.
    fn account_and_space(&mut self, tid: pid_t) -> Option<(&mut Account, &mut Space)> {
        let account = self.accounts.get_mut(&self.threads.get(&tid)?.tgid)?;
        let space = self.spaces.get_mut(&account.space)?;
        Some((account, space))
    }

    /// Books changes since the last call returned. They do not belong to a request, unless one is
    /// in progress.
    fn book_other_changes(&mut self, tid: pid_t) {
        let (page, boot) = (self.page, self.boot);
        let Some((account, space)) = self.account_and_space(tid) else { return };
        if space.under_way > 0 {
            return;
        }
        let Some(pages) = account.sizes.pages(tid) else { return };
        let change = space.settle(pages * page);
        if change == 0 {
            return;
        }
        let pid = account.state.tgid.0;
        let stack = procfs::read_process(pid, tid.cast_unsigned(), boot)
            .map_or(space.stack, |reading| reading.stack_bytes);
        let by_stack = stack.cast_signed() - std::mem::replace(&mut space.stack, stack).cast_signed();
        account.book(space, Cause::Stack, by_stack);
        account.book(space, Cause::Kernel, change - by_stack);
    }

    fn handle_return(&mut self, tid: pid_t, out: &mut Vec<Observation>) {
        let Some((call, file)) = self.threads.get_mut(&tid).and_then(|thread| thread.call.take()) else {
            tracee::resume(tid, 0);
            return;
        };
        let page = self.page;
        let answer = tracee::return_value(tid);
        let moves = call.call.row().moves;
        let pages = match self.account_and_space(tid) {
            Some((account, _)) if moves => account.sizes.pages(tid),
            _ => None,
        };
        tracee::resume(tid, 0);
        let time = clock::now();
        let Some(name) = self.threads.get(&tid).map(|thread| thread.name) else { return };
        let Some((account, space)) = self.account_and_space(tid) else { return };
        space.under_way = space.under_way.saturating_sub(u32::from(moves));
        let Some(answer) = answer.map(|answer| call.answer(answer)) else { return };
        let outcome = Outcome::from_return_value(call.call, &call.arguments, answer);
        let delta_bytes = if moves { space.change_by(&call, outcome, pages, page) } else { 0 };
        account.book(space, Cause::Request, delta_bytes);
        let requested_bytes = call.requested_bytes(answer, space.brk, delta_bytes, page);
        let mut asked_bytes = requested_bytes;
        if call.call == Call::Brk {
            let shrinks = space.brk.replace(answer).map_or(delta_bytes < 0, |before| answer < before);
            asked_bytes = if shrinks { 0 } else { requested_bytes };
        }
        account.count(call.call, asked_bytes, outcome);
        out.push(Observation::Request(MemoryRequest {
            time,
            tgid: account.state.tgid,
            tid: Tid(tid.cast_unsigned()),
            name,
            call: call.call,
            whole: true,
            arguments: call.arguments,
            outcome,
            requested_bytes,
            delta_bytes,
            virtual_bytes: space.booked,
            file,
            lost: 0,
        }));
    }

    /// Handles exec. All other threads of the process have ended, and the thread that called exec
    /// is now the first one.
    fn handle_exec(&mut self, tgid: pid_t, out: &mut Vec<Observation>) {
        self.threads.retain(|tid, thread| thread.tgid != tgid || *tid == tgid);
        let Some(reading) = self.read_process(tgid, tgid) else { return tracee::resume(tgid, 0) };
        tracee::resume(tgid, 0);
        self.threads.insert(tgid, Thread::new(tgid, reading.state.name));
        let new = self.new_space(&reading, None);
        let old = self.accounts.get(&tgid).and_then(|account| self.spaces.remove(&account.space));
        match (self.accounts.get_mut(&tgid), self.spaces.get_mut(&new), old) {
            (Some(account), Some(space), Some(mut old)) => {
                account.exec(&reading, &mut old, space);
                account.report(Observation::Exec, space, clock::now(), out);
                if old.users > 0 {
                    self.spaces.insert(old.id, old);
                }
            }
            _ => self.open_account(tgid, &reading, new, out),
        }
        // The details can be read now, because the process stops before it ends.
        let mut waiting = HashMap::from([(reading.state.tgid, (reading.state.process(), reading.state.uid))]);
        self.details.read(&mut waiting, out);
    }

    /// Reads the final sizes and peaks when the last thread of a process is about to end.
    fn handle_exiting(&mut self, tid: pid_t) {
        if self.end_thread(tid) {
            self.book_other_changes(tid);
            self.update_account(tid);
        }
        tracee::resume(tid, 0);
    }

    /// Handles the end of a thread, which may be in the middle of a call. Returns whether it was
    /// the last one of its process.
    fn end_thread(&mut self, tid: pid_t) -> bool {
        let Some(thread) = self.threads.get_mut(&tid).filter(|thread| !thread.is_ending) else {
            return false;
        };
        thread.is_ending = true;
        let unfinished = thread.call.take().is_some_and(|(call, _)| call.call.row().moves);
        self.account_and_space(tid).is_some_and(|(account, space)| {
            space.under_way = space.under_way.saturating_sub(u32::from(unfinished));
            account.threads = account.threads.saturating_sub(1);
            account.threads == 0
        })
    }

    /// Reads the present sizes and peaks.
    fn update_account(&mut self, tid: pid_t) {
        let boot = self.boot;
        let Some((account, _)) = self.account_and_space(tid) else { return };
        if let Some(reading) = procfs::read_process(account.state.tgid.0, tid.cast_unsigned(), boot) {
            account.update(&reading);
        }
    }

    fn read_process(&self, tgid: pid_t, tid: pid_t) -> Option<ProcessReading> {
        procfs::read_process(tgid.cast_unsigned(), tid.cast_unsigned(), self.boot)
    }

    /// Handles a thread that has ended. The kernel reports the end of a process's first thread
    /// after that of all others.
    fn handle_end(&mut self, tid: pid_t, out: &mut Vec<Observation>) {
        // A thread that is killed a second time ends without the stop before its exit.
        self.end_thread(tid);
        self.threads.remove(&tid);
        let Some(mut account) = self.accounts.remove(&tid) else { return };
        if let Some(space) = self.spaces.get_mut(&account.space) {
            account.leave(space);
            account.report(Observation::Exit, space, clock::now(), out);
            if space.users == 0 {
                self.spaces.remove(&account.space);
            }
        }
        self.details.forget(account.state.process());
    }
}

impl Thread {
    fn new(tgid: pid_t, name: Comm) -> Self {
        Self { tgid, name, is_renamed: false, is_ending: false, call: None }
    }
}

fn read_name(tid: pid_t) -> Comm {
    let name = std::fs::read(format!("/proc/{tid}/comm")).unwrap_or_default();
    Comm::new(name.strip_suffix(b"\n").unwrap_or(&name))
}

/// Returns the name (without directories) of the file that a descriptor refers to, at most 63 bytes
/// as on the eBPF side.
fn file_name(tid: pid_t, descriptor: u32) -> Option<Arc<str>> {
    let path = std::fs::read_link(format!("/proc/{tid}/fd/{descriptor}")).ok()?;
    let bytes = std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str());
    let name = bytes.rsplit(|byte| *byte == b'/').next()?;
    // The kernel appends this note to the name of a deleted file.
    let name = name.strip_suffix(b" (deleted)").unwrap_or(name);
    Some(to_text(&name[..name.len().min(63)]).into())
}

/// Returns the flags of a new thread, from parent or child, before either of them continues.
fn read_clone_flags(tid: pid_t) -> u64 {
    let caller = tracee::architecture(tid).zip(tracee::registers(tid));
    caller.map_or(0, |(architecture, registers)| {
        clone_flags(architecture, &registers, |address| tracee::word(tid, address))
    })
}

/// Makes a child traceable. With CLONE_UNTRACED, it would have the filter but no tracer, and all
/// its memory calls would fail with ENOSYS. clone3 has its flags in memory.
fn keep_child_traced(tid: pid_t) {
    const UNTRACED: u64 = libc::CLONE_UNTRACED as u64;
    let Some(mut registers) = tracee::registers(tid) else { return };
    let is_32_bit = tracee::architecture(tid) == Some(super::filter::I386);
    let is_clone3 = registers.orig_rax & !u64::from(super::filter::X32) == u64::from(super::filter::CLONE3);
    let first = if is_32_bit { &mut registers.rbx } else { &mut registers.rdi };
    if !is_clone3 {
        *first &= !UNTRACED;
        return tracee::set_registers(tid, &registers);
    }
    if let Some(flags) = tracee::word(tid, *first).filter(|flags| flags & UNTRACED != 0) {
        tracee::set_word(tid, *first, flags & !UNTRACED);
    }
}
