//! The wire record as the kernel side writes it: the Rust reading of `memtap-capture/bpf/record.h`.

use std::mem::{offset_of, size_of};

use bytemuck::{Pod, Zeroable};

/// One record of the ring, undecoded. Fields and units are those of `record.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
#[expect(missing_docs, reason = "record.h documents each field")]
pub struct RawRecord {
    pub kind: u8,
    pub compat: u8,
    pub call: u16,
    pub tgid: u32,
    pub tid: u32,
    pub uid: u32,
    pub time_ns: u64,
    pub mm: u64,
    pub total_vm: u64,
    pub stack_vm: u64,
    pub brk: u64,
    pub comm: [u8; 16],
    /// `request.args` and `request.ret`, or `state`: six words, by kind.
    pub payload: [u64; 6],
}

const _: () = {
    assert!(size_of::<RawRecord>() == 120);
    assert!(offset_of!(RawRecord, time_ns) == 16);
    assert!(offset_of!(RawRecord, mm) == 24);
    assert!(offset_of!(RawRecord, comm) == 56);
    assert!(offset_of!(RawRecord, payload) == 72);
};

impl RawRecord {
    /// `MEMTAP_REQUEST`.
    pub const REQUEST: u8 = 1;
    /// `MEMTAP_SNAPSHOT`.
    pub const SNAPSHOT: u8 = 2;
    /// `MEMTAP_FORK`.
    pub const FORK: u8 = 3;
    /// `MEMTAP_EXEC`.
    pub const EXEC: u8 = 4;
    /// `MEMTAP_EXIT`.
    pub const EXIT: u8 = 5;

    /// The record in `bytes`; `None` when they are not exactly one record.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        bytemuck::try_pod_read_unaligned(bytes).ok()
    }
}
