//! Model of a kernel. It keeps the true sizes and the accounts of a few processes like the eBPF
//! side, and reports them in the same order: the account first, then the record.

use memtap_model::{
    Call, CallTotals, Causes, Comm, Errno, MemoryRequest, Observation, Outcome, ProcessId, ProcessState,
    Refusals, SpaceId, StartTime, Tally, Tgid, Tid, WallClock,
};

pub(crate) const PAGE: u64 = 4096;

/// One process of the model.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) start: u64,
    pub(crate) space: u64,
    pub(crate) name: &'static [u8],
    /// True virtual size.
    pub(crate) pages: u64,
    pub(crate) causes: Causes,
    pub(crate) lost: u64,
    pub(crate) calls: [CallTotals; Call::COUNT],
    pub(crate) refusals: Vec<Refusals>,
}

impl Process {
    pub(crate) fn new(pid: u32, pages: u64) -> Self {
        Self {
            pid,
            start: u64::from(pid) * 10,
            space: u64::from(pid),
            name: b"prog",
            pages,
            causes: Causes { opening_bytes: pages * PAGE, ..Causes::default() },
            lost: 0,
            calls: [CallTotals::default(); Call::COUNT],
            refusals: Vec::new(),
        }
    }

    /// Returns the current state, as in a record.
    pub(crate) fn state(&self) -> Box<ProcessState> {
        Box::new(ProcessState {
            time: WallClock(1),
            causes: Some(self.causes),
            lost: self.lost,
            tgid: Tgid(self.pid),
            start: StartTime(self.start),
            started_at: WallClock(1),
            parent: Tgid(1),
            space: SpaceId(self.space),
            name: Comm::new(self.name),
            virtual_bytes: Some(self.pages * PAGE),
            threads: 1,
            ..ProcessState::default()
        })
    }

    pub(crate) fn tally(&self) -> Observation {
        Observation::Tally(Box::new(Tally {
            process: ProcessId { tgid: Tgid(self.pid), start: StartTime(self.start) },
            calls: self.calls,
            refusals: self.refusals.clone(),
            refusals_beyond: 0,
        }))
    }

    /// Returns a reading: tally and state.
    pub(crate) fn read(&self) -> [Observation; 2] {
        [self.tally(), Observation::Snapshot(self.state())]
    }

    pub(crate) fn exit(&self) -> [Observation; 2] {
        [self.tally(), Observation::Exit(self.state())]
    }

    pub(crate) fn mmap(&mut self, pages: u64) -> Observation {
        self.pages += pages;
        self.causes.granted_bytes += pages * PAGE;
        self.count(Call::Mmap, pages * PAGE, None);
        self.request(Call::Mmap, pages * PAGE, Outcome::Granted(0x7000), (pages * PAGE).cast_signed())
    }

    /// Unmaps a range of `length` pages, of which `mapped` pages are mapped.
    pub(crate) fn munmap(&mut self, length: u64, mapped: u64) -> Observation {
        self.pages -= mapped;
        self.causes.released_bytes += mapped * PAGE;
        self.count(Call::Munmap, length * PAGE, None);
        self.request(Call::Munmap, length * PAGE, Outcome::Granted(0), -(mapped * PAGE).cast_signed())
    }

    pub(crate) fn refused_mmap(&mut self, bytes: u64) -> Observation {
        self.count(Call::Mmap, bytes, Some(Errno::ENOMEM));
        self.request(Call::Mmap, bytes, Outcome::Refused(Errno::ENOMEM), 0)
    }

    pub(crate) fn exec(&mut self, pages: u64, name: &'static [u8]) -> Vec<Observation> {
        let before = vec![self.tally(), Observation::Rename { tgid: Tgid(self.pid), name: Comm::new(name) }];
        self.causes.exec_bytes += (pages * PAGE).cast_signed() - self.causes.balance();
        (self.pages, self.name, self.space) = (pages, name, self.space + (1 << 32));
        before.into_iter().chain([Observation::Exec(self.state())]).collect()
    }

    pub(crate) fn stack(&mut self, pages: u64) {
        self.pages += pages;
        self.causes.stack_bytes += (pages * PAGE).cast_signed();
    }

    fn count(&mut self, call: Call, bytes: u64, errno: Option<Errno>) {
        let totals = &mut self.calls[call.index()];
        totals.count += 1;
        let Some(errno) = errno else {
            totals.requested_bytes += bytes;
            return;
        };
        totals.refused += 1;
        match self.refusals.iter_mut().find(|refusals| refusals.call == call && refusals.errno == errno) {
            Some(refusals) => refusals.count += 1,
            None => self.refusals.push(Refusals { call, errno, count: 1 }),
        }
    }

    fn request(&self, call: Call, bytes: u64, outcome: Outcome, delta_bytes: i64) -> Observation {
        Observation::Request(MemoryRequest {
            time: WallClock(2),
            tgid: Tgid(self.pid),
            tid: Tid(self.pid),
            name: Comm::new(self.name),
            call,
            whole: true,
            arguments: [0, bytes, 3, 0x22, 0],
            outcome,
            requested_bytes: bytes,
            delta_bytes,
            virtual_bytes: self.pages * PAGE,
            file: None,
            lost: self.lost as u32,
        })
    }
}
