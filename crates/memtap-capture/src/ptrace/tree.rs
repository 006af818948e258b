//! The threads, processes and address spaces of a traced command, and what each stop of a thread does to them.

use std::collections::HashMap;
use std::sync::Arc;

use memtap_model::{Call, Comm, MemoryRequest, Observation, Outcome, SpaceId, Tid, WallClock, to_text};
use nix::libc::{self, pid_t};

use super::account::{Account, Cause, Space};
use super::held::{Held, MemoryCall, birth_flags};
use super::tracee::{self, Stop};
use crate::clock;
use crate::details::Details;
use crate::procfs::{self, Life};

/// A thread of the command.
#[derive(Debug)]
struct Thread {
    tgid: pid_t,
    name: Comm,
    /// It has asked for another name.
    is_renamed: bool,
    is_ending: bool,
    /// The call that it is in.
    call: Option<(MemoryCall, Option<Arc<str>>)>,
}

/// What a parent tells of a thread that it has borne.
#[derive(Debug)]
struct Birth {
    /// By which process.
    by: pid_t,
    /// With which flags of clone(2).
    flags: u64,
    /// The parent's own name, which the child begins with.
    name: Comm,
}

/// The command's tree.
pub(super) struct Tree {
    threads: HashMap<pid_t, Thread>,
    /// Threads whose parents told of them before they did.
    births: HashMap<pid_t, Birth>,
    accounts: HashMap<pid_t, Account>,
    spaces: HashMap<SpaceId, Space>,
    spaces_made: u64,
    details: Details,
    boot: WallClock,
    page: u64,
}

impl Tree {
    /// The first process has no account until it runs the command.
    pub(super) fn of(root: pid_t, page: u64) -> Self {
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

    /// A thread has stopped: what that means is noted, and the thread goes on.
    pub(super) fn stopped(&mut self, tid: pid_t, stop: Stop, out: &mut Vec<Observation>) {
        if !matches!(stop, Stop::Gone(_)) && !self.threads.contains_key(&tid) {
            self.born(tid, out);
        }
        match stop {
            Stop::Call => self.call(tid, out),
            Stop::Answer => self.answer(tid, out),
            Stop::Exec => self.exec(tid, out),
            Stop::Exiting => self.exiting(tid),
            Stop::Gone(_) => self.gone(tid, out),
            Stop::Halted(_) => tracee::stay_halted(tid),
            Stop::Signal(signal) => tracee::go_on(tid, signal),
            Stop::Parent => self.bears(tid),
            Stop::Born => tracee::go_on(tid, 0),
        }
    }

    /// The state of every process, for those who look while it runs.
    pub(super) fn read_all(&mut self, out: &mut Vec<Observation>) {
        let time = clock::now();
        for (tgid, account) in &mut self.accounts {
            if let Some(life) = procfs::life(tgid.cast_unsigned(), tgid.cast_unsigned(), self.boot) {
                account.note(&life);
            }
            if let Some(space) = self.spaces.get(&account.space) {
                account.tell(Observation::Snapshot, space, time, out);
            }
        }
        out.push(Observation::AllRead);
    }

    /// A thread is about to go on that has just borne another. How, stands in its registers and its memory, as long as it waits.
    fn bears(&mut self, tid: pid_t) {
        if let (Some(child), Some(thread)) = (tracee::child(tid), self.threads.get(&tid))
            && !self.threads.contains_key(&child)
        {
            let name = if thread.is_renamed { name_of(tid) } else { thread.name };
            self.births.insert(child, Birth { by: thread.tgid, flags: flags_of_birth(tid), name });
        }
        tracee::go_on(tid, 0);
    }

    /// The first stop of a thread that was not known. If it is told before its parent's, the parent waits still.
    fn born(&mut self, tid: pid_t, out: &mut Vec<Observation>) {
        let told = self.births.remove(&tid);
        let flags = told.as_ref().map_or_else(|| flags_of_birth(tid), |birth| birth.flags);
        let of = || procfs::process_of(tid.cast_unsigned()).map_or(tid, u32::cast_signed);
        // The flags of clone3(2) are in memory, which not every tracer may read.
        if flags & libc::CLONE_THREAD as u64 != 0 || of() != tid {
            let (tgid, name) = told.map_or_else(|| (of(), name_of(tid)), |birth| (birth.by, birth.name));
            self.threads.insert(tid, Thread::new(tgid, name));
            if let Some(account) = self.accounts.get_mut(&tgid) {
                account.threads += 1;
            }
            return;
        }
        self.threads.insert(tid, Thread::new(tid, Comm::default()));
        if let Some(life) = self.life(tid, tid) {
            self.threads.insert(tid, Thread::new(tid, life.state.name));
            let maker = told.map_or(life.state.parent.0.cast_signed(), |birth| birth.by);
            let parent = self.accounts.get(&maker).map(|parent| parent.space);
            let is_shared = flags & libc::CLONE_VM as u64 != 0;
            let brk = parent.and_then(|space| self.spaces.get(&space)?.brk);
            let space = parent.filter(|_| is_shared).unwrap_or_else(|| self.new_space(&life, brk));
            self.open(tid, &life, space, out);
        }
    }

    fn open(&mut self, tgid: pid_t, life: &Life, space: SpaceId, out: &mut Vec<Observation>) {
        let Some(space) = self.spaces.get_mut(&space) else { return };
        let now = clock::now();
        let mut account = Account::open(life, now, space);
        account.tell(Observation::Fork, space, now, out);
        self.accounts.insert(tgid, account);
    }

    fn new_space(&mut self, life: &Life, brk: Option<u64>) -> SpaceId {
        self.spaces_made += 1;
        let id = SpaceId(self.spaces_made);
        self.spaces.insert(id, Space::new(id, life, brk));
        id
    }

    fn call(&mut self, tid: pid_t, out: &mut Vec<Observation>) {
        let read = |address| tracee::word(tid, address);
        let held = tracee::call(tid).map_or(Held::Unknown, |(architecture, number, arguments)| {
            Held::of(architecture, number, arguments, read)
        });
        match held {
            Held::Memory(call) if self.has_account(tid) => return self.begin(tid, call, out),
            Held::Exec => self.note_life(tid),
            Held::Rename => {
                if let Some(thread) = self.threads.get_mut(&tid) {
                    thread.is_renamed = true;
                }
            }
            Held::Escape => keep_child(tid),
            Held::Memory(_) | Held::Unknown => {}
        }
        tracee::go_on(tid, 0);
    }

    fn has_account(&self, tid: pid_t) -> bool {
        self.threads.get(&tid).is_some_and(|thread| self.accounts.contains_key(&thread.tgid))
    }

    /// A memory call is about to be made. What can wait is done while it runs.
    fn begin(&mut self, tid: pid_t, call: MemoryCall, out: &mut Vec<Observation>) {
        if call.call.row().moves {
            self.find_other_changes(tid);
            if let Some((_, space)) = self.books_of(tid) {
                space.under_way += 1;
            }
        }
        tracee::go_to_answer(tid);
        let Some(thread) = self.threads.get_mut(&tid) else { return };
        let file = call.descriptor().and_then(|descriptor| file_name(tid, descriptor));
        thread.call = Some((call, file));
        if std::mem::take(&mut thread.is_renamed) {
            thread.name = name_of(tid);
            if thread.tgid == tid
                && let Some(account) = self.accounts.get_mut(&tid)
            {
                account.rename(thread.name, out);
            }
        }
    }

    /// The account and the space of a thread's process.
    fn books_of(&mut self, tid: pid_t) -> Option<(&mut Account, &mut Space)> {
        let account = self.accounts.get_mut(&self.threads.get(&tid)?.tgid)?;
        let space = self.spaces.get_mut(&account.space)?;
        Some((account, space))
    }

    /// What has changed since the last call came back was no request, unless one is under way.
    fn find_other_changes(&mut self, tid: pid_t) {
        let (page, boot) = (self.page, self.boot);
        let Some((account, space)) = self.books_of(tid) else { return };
        if space.under_way > 0 {
            return;
        }
        let Some(pages) = account.sizes.pages(tid) else { return };
        let change = space.settle(pages * page);
        if change == 0 {
            return;
        }
        let pid = account.state.tgid.0;
        let stack = procfs::life(pid, tid.cast_unsigned(), boot).map_or(space.stack, |life| life.stack_bytes);
        let by_stack = stack.cast_signed() - std::mem::replace(&mut space.stack, stack).cast_signed();
        account.book(space, Cause::Stack, by_stack);
        account.book(space, Cause::Kernel, change - by_stack);
    }

    fn answer(&mut self, tid: pid_t, out: &mut Vec<Observation>) {
        let Some((call, file)) = self.threads.get_mut(&tid).and_then(|thread| thread.call.take()) else {
            tracee::go_on(tid, 0);
            return;
        };
        let page = self.page;
        let answer = tracee::answer(tid);
        let moves = call.call.row().moves;
        let pages = match self.books_of(tid) {
            Some((account, _)) if moves => account.sizes.pages(tid),
            _ => None,
        };
        tracee::go_on(tid, 0);
        let time = clock::now();
        let Some(name) = self.threads.get(&tid).map(|thread| thread.name) else { return };
        let Some((account, space)) = self.books_of(tid) else { return };
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

    /// A new image. All other threads of the process are gone, and whichever thread it was is the first now.
    fn exec(&mut self, tgid: pid_t, out: &mut Vec<Observation>) {
        self.threads.retain(|tid, thread| thread.tgid != tgid || *tid == tgid);
        let Some(life) = self.life(tgid, tgid) else { return tracee::go_on(tgid, 0) };
        tracee::go_on(tgid, 0);
        self.threads.insert(tgid, Thread::new(tgid, life.state.name));
        let new = self.new_space(&life, None);
        let old = self.accounts.get(&tgid).and_then(|account| self.spaces.remove(&account.space));
        match (self.accounts.get_mut(&tgid), self.spaces.get_mut(&new), old) {
            (Some(account), Some(space), Some(mut old)) => {
                account.exec(&life, &mut old, space);
                account.tell(Observation::Exec, space, clock::now(), out);
                if old.users > 0 {
                    self.spaces.insert(old.id, old);
                }
            }
            _ => self.open(tgid, &life, new, out),
        }
        // Until it is let go at its end, there is something to read.
        let mut waiting = HashMap::from([(life.state.tgid, (life.state.process(), life.state.uid))]);
        self.details.read(&mut waiting, out);
    }

    /// The last thread that is about to end tells what the process has come to.
    fn exiting(&mut self, tid: pid_t) {
        if self.leaves(tid) {
            self.find_other_changes(tid);
            self.note_life(tid);
        }
        tracee::go_on(tid, 0);
    }

    /// A thread ends, maybe in the middle of a call; gives whether none is left of its process.
    fn leaves(&mut self, tid: pid_t) -> bool {
        let Some(thread) = self.threads.get_mut(&tid).filter(|thread| !thread.is_ending) else {
            return false;
        };
        thread.is_ending = true;
        let unfinished = thread.call.take().is_some_and(|(call, _)| call.call.row().moves);
        self.books_of(tid).is_some_and(|(account, space)| {
            space.under_way = space.under_way.saturating_sub(u32::from(unfinished));
            account.threads = account.threads.saturating_sub(1);
            account.threads == 0
        })
    }

    /// Sizes and peaks as they are now.
    fn note_life(&mut self, tid: pid_t) {
        let boot = self.boot;
        let Some((account, _)) = self.books_of(tid) else { return };
        if let Some(life) = procfs::life(account.state.tgid.0, tid.cast_unsigned(), boot) {
            account.note(&life);
        }
    }

    fn life(&self, tgid: pid_t, tid: pid_t) -> Option<Life> {
        procfs::life(tgid.cast_unsigned(), tid.cast_unsigned(), self.boot)
    }

    /// The kernel tells the end of a process's first thread when no other is left.
    fn gone(&mut self, tid: pid_t, out: &mut Vec<Observation>) {
        // One that was killed twice has not said that it is about to.
        self.leaves(tid);
        self.threads.remove(&tid);
        let Some(mut account) = self.accounts.remove(&tid) else { return };
        if let Some(space) = self.spaces.get_mut(&account.space) {
            account.leave(space);
            account.tell(Observation::Exit, space, clock::now(), out);
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

fn name_of(tid: pid_t) -> Comm {
    let name = std::fs::read(format!("/proc/{tid}/comm")).unwrap_or_default();
    Comm::new(name.strip_suffix(b"\n").unwrap_or(&name))
}

/// The own name of the file that a descriptor is of, without folders; at most 63 bytes, as from the eBPF side.
fn file_name(tid: pid_t, descriptor: u32) -> Option<Arc<str>> {
    let path = std::fs::read_link(format!("/proc/{tid}/fd/{descriptor}")).ok()?;
    let bytes = std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str());
    let name = bytes.rsplit(|byte| *byte == b'/').next()?;
    // The kernel's note on a file that has no name any more is not part of the name.
    let name = name.strip_suffix(b" (deleted)").unwrap_or(name);
    Some(to_text(&name[..name.len().min(63)]).into())
}

/// Of parent or child, as long as neither has gone on.
fn flags_of_birth(tid: pid_t) -> u64 {
    let found = tracee::architecture(tid).zip(tracee::registers(tid));
    found.map_or(0, |(architecture, registers)| {
        birth_flags(architecture, &registers, |address| tracee::word(tid, address))
    })
}

/// A child born with CLONE_UNTRACED would have the filter and no tracer: each of its memory calls would fail with ENOSYS. clone3 has its
/// flags in memory.
fn keep_child(tid: pid_t) {
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
