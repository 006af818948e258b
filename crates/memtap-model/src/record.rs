//! Wire records as the kernel side writes them. The structs mirror `memtap-capture/bpf/record.h`.

use std::mem::{offset_of, size_of};

use bytemuck::{Pod, Zeroable};

use crate::CALLS;

/// `MEMTAP_CALLS`: maximum number of rows in the call table.
pub const CALL_ROWS: usize = 24;
/// `MEMTAP_REFUSALS`: pairs of call and errno that are counted for each process.
pub const REFUSALS: usize = 12;
const FILE_BYTES: usize = 64;

/// `struct memtap_request`. `record.h` describes its fields and their units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
#[expect(missing_docs, reason = "record.h documents each field")]
pub struct RawRequest {
    pub kind: u8,
    pub compat: u8,
    pub call: u16,
    pub tgid: u32,
    pub tid: u32,
    pub lost: u32,
    pub time_ns: u64,
    pub total_vm: u64,
    pub delta: i64,
    pub requested: u64,
    pub comm: [u8; 16],
    pub args: [u64; 5],
    pub ret: u64,
}

/// `struct memtap_books`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
#[expect(missing_docs, reason = "record.h documents each field")]
pub struct RawBooks {
    pub opening: u64,
    pub granted: u64,
    pub released: u64,
    pub exec: i64,
    pub stack: i64,
    pub kernel: i64,
    pub shared: i64,
    pub lost: u64,
}

/// `struct memtap_state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
#[expect(missing_docs, reason = "record.h documents each field")]
pub struct RawState {
    pub kind: u8,
    pub followed: u8,
    pub unused: u16,
    pub tgid: u32,
    pub parent: u32,
    pub uid: u32,
    pub time_ns: u64,
    pub start_ns: u64,
    pub mm: u64,
    pub total_vm: u64,
    pub resident: [u64; 4],
    pub peak_virtual: u64,
    pub peak_resident: u64,
    pub minor_faults: u64,
    pub major_faults: u64,
    pub placement: u64,
    pub inner_pid: u32,
    pub session: u32,
    pub threads: u32,
    pub depth: u32,
    pub comm: [u8; 16],
    pub books: RawBooks,
}

/// `struct memtap_rename`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
#[expect(missing_docs, reason = "record.h documents each field")]
pub struct RawRename {
    pub kind: u8,
    pub unused: [u8; 3],
    pub tgid: u32,
    pub comm: [u8; 16],
}

/// `struct memtap_call`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct RawCall {
    pub count: u64,
    pub requested: u64,
    pub refused: u64,
}

/// `struct memtap_refusal`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct RawRefusal {
    pub call: u16,
    pub errno: u16,
    pub count: u32,
}

/// `struct memtap_tally`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
#[expect(missing_docs, reason = "record.h documents each field")]
pub struct RawTally {
    pub kind: u8,
    pub unused: [u8; 3],
    pub tgid: u32,
    pub start_ns: u64,
    pub refusals_beyond: u64,
    pub refusals: [RawRefusal; REFUSALS],
    pub calls: [RawCall; CALL_ROWS],
}

/// `struct memtap_oom`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
#[expect(missing_docs, reason = "record.h documents each field")]
pub struct RawOom {
    pub kind: u8,
    pub unused: [u8; 3],
    pub tgid: u32,
    pub asker: u32,
    pub unused2: u32,
    pub time_ns: u64,
    pub total_vm: u64,
    pub resident: [u64; 4],
    pub comm: [u8; 16],
    pub asker_comm: [u8; 16],
}

const _: () = {
    assert!(CALLS.len() <= CALL_ROWS);
    assert!(size_of::<RawRequest>() == 112);
    assert!(offset_of!(RawRequest, args) == 64);
    assert!(size_of::<RawBooks>() == 64);
    assert!(size_of::<RawState>() == 216);
    assert!(offset_of!(RawState, resident) == 48);
    assert!(offset_of!(RawState, books) == 152);
    assert!(size_of::<RawRename>() == 24);
    assert!(size_of::<RawTally>() == 696);
    assert!(offset_of!(RawTally, calls) == 120);
    assert!(size_of::<RawOom>() == 96);
};

/// One record of the ring, before decoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RawRecord<'a> {
    /// A request. If it maps a file, the bytes are the file's name, padded with NUL; otherwise they
    /// are empty.
    Request(RawRequest, &'a [u8]),
    /// State of a process at a reading.
    Snapshot(RawState),
    /// State of a new process.
    Fork(RawState),
    /// State of a process after exec.
    Exec(RawState),
    /// Last state of a process.
    Exit(RawState),
    /// New name of a process.
    Rename(RawRename),
    /// Totals of a process's calls.
    Tally(Box<RawTally>),
    /// An OOM kill.
    Oom(RawOom),
    /// End of a reading of all processes.
    AllRead,
}

impl<'a> RawRecord<'a> {
    /// Reads one record. Returns `None` if the length or the kind is not that of a record.
    #[must_use]
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let state = || bytemuck::try_pod_read_unaligned(bytes).ok();
        match bytes.first()? {
            1 => Self::request(bytes),
            2 => state().map(Self::Snapshot),
            3 => state().map(Self::Fork),
            4 => state().map(Self::Exec),
            5 => state().map(Self::Exit),
            6 => bytemuck::try_pod_read_unaligned(bytes).ok().map(Self::Rename),
            7 => (bytes.len() == size_of::<RawTally>())
                .then(|| Self::Tally(Box::new(bytemuck::pod_read_unaligned(bytes)))),
            8 => bytemuck::try_pod_read_unaligned(bytes).ok().map(Self::Oom),
            9 => Some(Self::AllRead),
            _ => None,
        }
    }

    fn request(bytes: &'a [u8]) -> Option<Self> {
        let (request, file) = bytes.split_at_checked(size_of::<RawRequest>())?;
        let whole = file.is_empty() || file.len() == FILE_BYTES;
        let request = bytemuck::try_pod_read_unaligned(request).ok()?;
        whole.then_some(Self::Request(request, file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_unknown_length_or_kind_are_rejected() {
        let mut bytes = [0; 176];
        assert!(RawRecord::read(&bytes).is_none());
        bytes[0] = 1;
        assert!(matches!(RawRecord::read(&bytes[..112]), Some(RawRecord::Request(_, []))));
        assert!(matches!(RawRecord::read(&bytes), Some(RawRecord::Request(_, file)) if file.len() == 64));
        assert!(RawRecord::read(&bytes[..120]).is_none() && RawRecord::read(&bytes[..20]).is_none());
        bytes[0] = 2;
        assert!(RawRecord::read(&bytes).is_none() && RawRecord::read(&[]).is_none());
    }
}
