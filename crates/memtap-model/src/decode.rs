//! Decoding of wire records into observations, by pure functions.

use crate::record::{RawOom, RawRequest, RawState, RawTally};
use crate::{
    CALLS, Call, CallTotals, Causes, Comm, Errno, Faults, MemoryRequest, Observation, OomKill, Outcome,
    PageSize, ProcessId, ProcessState, RawRecord, Refusals, Resident, SpaceId, StartTime, Tally, Tgid, Tid,
    WallClock, to_text,
};

/// Error for a record that is not an observation because kernel side and user space disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodeError {
    /// The call table has no such row.
    Call(u16),
}

impl std::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Call(call) => write!(f, "unknown call row {call}"),
        }
    }
}

impl std::error::Error for DecodeError {}

/// Page size and boot time, which convert the kernel's units into ours.
#[derive(Debug, Clone, Copy)]
pub struct Decoder {
    /// The machine's page size.
    pub page: PageSize,
    /// Wall-clock time at which `CLOCK_BOOTTIME` was zero.
    pub boot: WallClock,
}

impl Decoder {
    /// Decodes one record.
    ///
    /// # Errors
    /// Fails if the record's call is not in the call table.
    pub fn decode(&self, record: &RawRecord<'_>) -> Result<Observation, DecodeError> {
        Ok(match record {
            RawRecord::Request(request, file) => Observation::Request(self.request(request, file)?),
            RawRecord::Snapshot(state) => Observation::Snapshot(Box::new(self.state(state))),
            RawRecord::Fork(state) => Observation::Fork(Box::new(self.state(state))),
            RawRecord::Exec(state) => Observation::Exec(Box::new(self.state(state))),
            RawRecord::Exit(state) => Observation::Exit(Box::new(self.state(state))),
            RawRecord::Rename(rename) => {
                Observation::Rename { tgid: Tgid(rename.tgid), name: Comm::new(&rename.comm) }
            }
            RawRecord::Tally(tally) => Observation::Tally(Box::new(Self::tally(tally))),
            RawRecord::Oom(oom) => Observation::Oom(self.oom(oom)),
            RawRecord::AllRead => Observation::AllRead,
        })
    }

    fn request(&self, record: &RawRequest, file: &[u8]) -> Result<MemoryRequest, DecodeError> {
        let call = Call::from_index(record.call.into()).ok_or(DecodeError::Call(record.call))?;
        let file = file.split(|byte| *byte == 0).next().filter(|name| !name.is_empty());
        Ok(MemoryRequest {
            time: self.wall(record.time_ns),
            tgid: Tgid(record.tgid),
            tid: Tid(record.tid),
            name: Comm::new(&record.comm),
            call,
            whole: true,
            arguments: record.args,
            outcome: Outcome::from_return_value(call, &record.args, record.ret),
            requested_bytes: record.requested,
            delta_bytes: self.signed(record.delta),
            virtual_bytes: self.page.to_bytes(record.total_vm),
            file: file.map(|name| to_text(name).into()),
            lost: record.lost,
        })
    }

    fn state(&self, record: &RawState) -> ProcessState {
        let books = &record.books;
        let causes = Causes {
            opening_bytes: self.page.to_bytes(books.opening),
            granted_bytes: self.page.to_bytes(books.granted),
            released_bytes: self.page.to_bytes(books.released),
            exec_bytes: self.signed(books.exec),
            stack_bytes: self.signed(books.stack),
            kernel_bytes: self.signed(books.kernel),
            shared_bytes: self.signed(books.shared),
        };
        ProcessState {
            time: self.wall(record.time_ns),
            causes: (record.followed != 0).then_some(causes),
            lost: books.lost,
            tgid: Tgid(record.tgid),
            start: StartTime(record.start_ns),
            started_at: self.wall(record.start_ns),
            parent: Tgid(record.parent),
            uid: record.uid,
            space: SpaceId(record.mm),
            name: Comm::new(&record.comm),
            virtual_bytes: (record.mm != 0).then_some(self.page.to_bytes(record.total_vm)),
            resident: self.resident(&record.resident),
            peak_virtual_bytes: self.page.to_bytes(record.peak_virtual),
            peak_resident_bytes: self.page.to_bytes(record.peak_resident),
            faults: Faults { minor: record.minor_faults, major: record.major_faults },
            placement: record.placement,
            inner_pid: (record.depth > 0).then_some(record.inner_pid),
            session: record.session,
            threads: record.threads,
        }
    }

    fn tally(record: &RawTally) -> Tally {
        let mut calls = [CallTotals::default(); Call::COUNT];
        for (row, call) in calls.iter_mut().zip(&record.calls) {
            *row = CallTotals { count: call.count, requested_bytes: call.requested, refused: call.refused };
        }
        let refusals = record.refusals.iter().filter_map(|refusal| {
            let row = CALLS.get(usize::from(refusal.call).checked_sub(1)?)?;
            Some(Refusals { call: row.call, errno: Errno(refusal.errno), count: refusal.count.into() })
        });
        Tally {
            process: ProcessId { tgid: Tgid(record.tgid), start: StartTime(record.start_ns) },
            calls,
            refusals: refusals.collect(),
            refusals_beyond: record.refusals_beyond,
        }
    }

    fn oom(&self, record: &RawOom) -> OomKill {
        OomKill {
            time: self.wall(record.time_ns),
            victim: Tgid(record.tgid),
            victim_name: Comm::new(&record.comm),
            virtual_bytes: self.page.to_bytes(record.total_vm),
            resident: self.resident(&record.resident),
            asker: Tgid(record.asker),
            asker_name: Comm::new(&record.asker_comm),
        }
    }

    /// Converts the counters, which are in the kernel's order.
    fn resident(&self, [file, anonymous, swap, shmem]: &[u64; 4]) -> Resident {
        Resident {
            anonymous_bytes: self.page.to_bytes(*anonymous),
            file_bytes: self.page.to_bytes(*file),
            shmem_bytes: self.page.to_bytes(*shmem),
            swap_bytes: self.page.to_bytes(*swap),
        }
    }

    fn signed(&self, pages: i64) -> i64 {
        pages.saturating_mul(self.page.bytes().cast_signed())
    }

    fn wall(&self, boot_ns: u64) -> WallClock {
        WallClock::after_boot(self.boot, boot_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> RawRequest {
        RawRequest {
            kind: 1,
            compat: 0,
            call: Call::Mmap as u16,
            tgid: 7,
            tid: 8,
            lost: 3,
            time_ns: 5,
            total_vm: 10,
            delta: -2,
            requested: 8192,
            comm: *b"perl\0garbage\0\0\0\0",
            args: [0, 8192, 3, 0x22, u64::MAX],
            ret: 0x7000,
        }
    }

    fn decoder() -> Decoder {
        Decoder { page: PageSize::new(4096).unwrap(), boot: WallClock(1000) }
    }

    fn request(record: RawRequest, file: &[u8]) -> MemoryRequest {
        match decoder().decode(&RawRecord::Request(record, file)).unwrap() {
            Observation::Request(request) => request,
            other => panic!("not a request: {other:?}"),
        }
    }

    #[test]
    fn a_granted_mmap() {
        let request = request(record(), b"lib\xff.so\0\0");
        assert_eq!(request.outcome, Outcome::Granted(0x7000));
        assert_eq!(
            (request.virtual_bytes, request.delta_bytes, request.requested_bytes),
            (40960, -8192, 8192)
        );
        assert_eq!((request.time, request.lost), (WallClock(1005), 3));
        assert_eq!(request.name.to_text(), "perl");
        assert_eq!(request.file.as_deref(), Some("lib\\xff.so"));
    }

    #[test]
    fn a_refused_mmap_carries_its_errno() {
        let mut raw = record();
        raw.ret = (-12_i64) as u64;
        assert_eq!(request(raw, b"").outcome, Outcome::Refused(Errno::ENOMEM));
        assert_eq!(request(raw, b"").file, None);
    }

    #[test]
    fn brk_is_refused_when_the_break_is_not_what_was_asked() {
        for (asked, ret, granted) in [(0, 0x5000, true), (0x6000, 0x6000, true), (0x9000, 0x6000, false)] {
            let mut raw = record();
            raw.call = Call::Brk as u16;
            raw.args = [asked, 0, 0, 0, 0];
            raw.ret = ret;
            let granted_now = matches!(request(raw, b"").outcome, Outcome::Granted(_));
            assert_eq!(granted_now, granted, "brk({asked:#x}) = {ret:#x}");
        }
    }

    #[test]
    fn an_unknown_call_is_an_error() {
        let raw = RawRequest { call: 999, ..record() };
        assert_eq!(decoder().decode(&RawRecord::Request(raw, b"")), Err(DecodeError::Call(999)));
    }
}
