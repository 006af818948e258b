//! Decoding: a pure function from the wire record to an observation.

use crate::{
    Call, Comm, Errno, MemoryRequest, Observation, Outcome, PageSize, ProcessId, ProcessState, RawRecord,
    Resident, SpaceId, StartTime, Tgid, Tid, WallClock,
};

/// Why a record is not an observation: the two sides of the wire disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodeError {
    /// No such kind of record.
    Kind(u8),
    /// No such row in the call table.
    Call(u16),
}

impl std::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Kind(kind) => write!(f, "unknown record kind {kind}"),
            Self::Call(call) => write!(f, "unknown call row {call}"),
        }
    }
}

impl std::error::Error for DecodeError {}

/// The facts that turn the kernel's units into ours.
#[derive(Debug, Clone, Copy)]
pub struct Decoder {
    /// The machine's page size.
    pub page: PageSize,
    /// The wall-clock time at which `CLOCK_BOOTTIME` was zero.
    pub boot: WallClock,
}

impl Decoder {
    /// The observation in `record`.
    ///
    /// # Errors
    /// When the kind or the call is unknown.
    pub fn decode(&self, record: &RawRecord) -> Result<Observation, DecodeError> {
        Ok(match record.kind {
            RawRecord::REQUEST => Observation::Request(self.request(record)?),
            RawRecord::SNAPSHOT => Observation::Snapshot(self.state(record)),
            RawRecord::FORK => Observation::Fork(self.state(record)),
            RawRecord::EXEC => Observation::Exec(self.state(record)),
            RawRecord::EXIT => {
                let process = ProcessId { tgid: Tgid(record.tgid), start: StartTime(record.payload[0]) };
                Observation::Exit { process, time: self.wall(record.time_ns) }
            }
            kind => return Err(DecodeError::Kind(kind)),
        })
    }

    fn request(&self, record: &RawRecord) -> Result<MemoryRequest, DecodeError> {
        let call = Call::from_index(record.call.into()).ok_or(DecodeError::Call(record.call))?;
        let [a, b, c, d, e, ret] = record.payload;
        let arguments = [a, b, c, d, e];
        Ok(MemoryRequest {
            time: self.wall(record.time_ns),
            tgid: Tgid(record.tgid),
            tid: Tid(record.tid),
            space: SpaceId(record.mm),
            name: Comm::new(&record.comm),
            call,
            arguments,
            outcome: outcome(call, &arguments, ret),
            virtual_bytes: self.page.to_bytes(record.total_vm),
            stack_bytes: self.page.to_bytes(record.stack_vm),
            brk: record.brk,
        })
    }

    fn state(&self, record: &RawRecord) -> ProcessState {
        let [start, parent, file, anonymous, swap, shmem] = record.payload;
        ProcessState {
            time: self.wall(record.time_ns),
            followed: true,
            tgid: Tgid(record.tgid),
            start: StartTime(start),
            started_at: self.wall(start),
            parent: Tgid((parent & u64::from(u32::MAX)) as u32),
            uid: record.uid,
            space: SpaceId(record.mm),
            name: Comm::new(&record.comm),
            virtual_bytes: self.page.to_bytes(record.total_vm),
            stack_bytes: self.page.to_bytes(record.stack_vm),
            brk: record.brk,
            resident: Resident {
                anonymous_bytes: self.page.to_bytes(anonymous),
                file_bytes: self.page.to_bytes(file),
                shmem_bytes: self.page.to_bytes(shmem),
                swap_bytes: self.page.to_bytes(swap),
            },
        }
    }

    fn wall(&self, boot_ns: u64) -> WallClock {
        WallClock::after_boot(self.boot, boot_ns)
    }
}

/// What the kernel answered. brk has no errno: it returns the break as it is now, so it was refused when that is not
/// what was asked for; brk(0) only asks where the break is (`mm/mmap.c`, all versions).
fn outcome(call: Call, arguments: &[u64; 5], ret: u64) -> Outcome {
    if call == Call::Brk {
        let asked = arguments[0];
        return if asked == 0 || asked == ret {
            Outcome::Granted(ret)
        } else {
            Outcome::Refused(Errno::ENOMEM)
        };
    }
    let negated = ret.wrapping_neg();
    if (1..=4095).contains(&negated) {
        Outcome::Refused(Errno(negated as u16))
    } else {
        Outcome::Granted(ret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> RawRecord {
        RawRecord {
            kind: RawRecord::REQUEST,
            compat: 0,
            call: Call::Mmap as u16,
            tgid: 7,
            tid: 8,
            uid: 0,
            time_ns: 5,
            mm: 1,
            total_vm: 10,
            stack_vm: 1,
            brk: 0,
            comm: *b"perl\0garbage\0\0\0\0",
            payload: [0, 8192, 3, 0x22, u64::MAX, 0x7000],
        }
    }

    fn decode(record: &RawRecord) -> Observation {
        let decoder = Decoder { page: PageSize::new(4096).unwrap(), boot: WallClock(1000) };
        decoder.decode(record).unwrap()
    }

    fn request(record: &RawRecord) -> MemoryRequest {
        match decode(record) {
            Observation::Request(request) => request,
            other => panic!("not a request: {other:?}"),
        }
    }

    #[test]
    fn a_granted_mmap() {
        let request = request(&record());
        assert_eq!(request.outcome, Outcome::Granted(0x7000));
        assert_eq!(request.virtual_bytes, 40960);
        assert_eq!(request.time, WallClock(1005));
        assert_eq!(request.name.to_text(), "perl");
    }

    #[test]
    fn a_refused_mmap_carries_its_errno() {
        let mut raw = record();
        raw.payload[5] = (-12_i64) as u64;
        assert_eq!(request(&raw).outcome, Outcome::Refused(Errno::ENOMEM));
    }

    #[test]
    fn brk_is_refused_when_the_break_is_not_what_was_asked() {
        for (asked, ret, granted) in [(0, 0x5000, true), (0x6000, 0x6000, true), (0x9000, 0x6000, false)] {
            let mut raw = record();
            raw.call = Call::Brk as u16;
            raw.payload = [asked, 0, 0, 0, 0, ret];
            assert_eq!(
                matches!(request(&raw).outcome, Outcome::Granted(_)),
                granted,
                "brk({asked:#x}) = {ret:#x}"
            );
        }
    }

    #[test]
    fn unknown_kinds_and_calls_are_errors() {
        let decoder = Decoder { page: PageSize::new(4096).unwrap(), boot: WallClock(0) };
        let mut raw = record();
        raw.call = 999;
        assert_eq!(decoder.decode(&raw), Err(DecodeError::Call(999)));
        raw.kind = 77;
        assert_eq!(decoder.decode(&raw), Err(DecodeError::Kind(77)));
    }

    #[test]
    fn a_record_of_another_length_is_none() {
        assert!(RawRecord::read(&[0; 119]).is_none());
        assert_eq!(RawRecord::read(bytemuck::bytes_of(&record())), Some(record()));
    }
}
