//! Calls that the filter stops: which call, with arguments in the order of the 64-bit call. On the
//! eBPF side, `call.h` does the same.

use memtap_model::{CALLS, Call, SizeRule};
use nix::libc;

use super::filter::{CLONE3, I386, IPC_I386, IPC_SHMAT, IPC_SHMDT, NUMBERS_I386, NUMBERS_X86_64, X32};

/// i386's old mmap, which takes its arguments in memory (arch/x86/kernel/sys_ia32.c).
const OLD_MMAP_I386: u64 = 90;

/// Action that a thread is about to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    /// Make a memory call.
    Memory(MemoryCall),
    /// Replace its image.
    Exec,
    /// Rename itself.
    Rename,
    /// Create a child that might not be traced.
    Escape,
    /// Unknown: another filter, installed by the command, stops it.
    Unknown,
}

/// A memory call before it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MemoryCall {
    pub(super) call: Call,
    pub(super) arguments: [u64; 5],
    is_32_bit: bool,
}

impl Held {
    /// Decodes a stopped call. `read` reads eight bytes of the caller's memory.
    pub(super) fn decode(
        architecture: u32,
        number: u64,
        arguments: [u64; 6],
        read: impl Fn(u64) -> Option<u64>,
    ) -> Self {
        let is_32_bit = architecture == I386;
        let number = if is_32_bit { number } else { number & !u64::from(X32) };
        if let Some((call, arguments)) = memory_call(is_32_bit, number, arguments, read) {
            return Self::Memory(MemoryCall { call, arguments, is_32_bit });
        }
        let numbers = if is_32_bit { &NUMBERS_I386 } else { &NUMBERS_X86_64 };
        match u32::try_from(number) {
            Ok(number) if number == numbers.execve || number == numbers.execveat => Self::Exec,
            Ok(number) if number == numbers.prctl => Self::Rename,
            Ok(number) if number == numbers.clone || number == CLONE3 => Self::Escape,
            _ => Self::Unknown,
        }
    }
}

impl MemoryCall {
    /// Converts a return value to that of a 64-bit call, in which an address is never negative.
    pub(super) fn answer(&self, answer: i64) -> u64 {
        let short = answer as i32;
        match (self.is_32_bit, short) {
            (false, _) => answer.cast_unsigned(),
            (true, -4095..=-1) => i64::from(short).cast_unsigned(),
            (true, _) => u64::from(short.cast_unsigned()),
        }
    }

    /// Returns the requested bytes. `brk` is the previous break, if it is known.
    pub(super) fn requested_bytes(&self, answer: u64, brk: Option<u64>, delta: i64, page: u64) -> u64 {
        let [first, second, third, ..] = self.arguments;
        match self.call.row().size {
            SizeRule::None => 0,
            SizeRule::Second => whole_pages(second, page),
            SizeRule::Third => whole_pages(third, page),
            SizeRule::Break if first == 0 => 0,
            SizeRule::Break => brk.map_or(delta.unsigned_abs(), |brk| {
                whole_pages(first, page).abs_diff(whole_pages(brk, page))
            }),
            SizeRule::Delta => delta.unsigned_abs(),
            SizeRule::Answer if answer.cast_signed() > 0 => answer,
            SizeRule::Answer => 0,
        }
    }

    /// Returns the delta of the call if it is granted, where the arguments alone determine it: for
    /// a new mapping that does not replace others.
    pub(super) fn certain_delta(&self, page: u64) -> Option<i64> {
        // A huge page may be larger than the requested length.
        let elsewhere = self.arguments[3] & (libc::MAP_FIXED | libc::MAP_HUGETLB) as u64;
        (self.call == Call::Mmap && elsewhere == 0)
            .then(|| whole_pages(self.arguments[1], page).cast_signed())
    }

    /// Returns the descriptor of the file that the call maps.
    pub(super) fn descriptor(&self) -> Option<u32> {
        let maps_file = self.call == Call::Mmap && self.arguments[3] & libc::MAP_ANONYMOUS as u64 == 0;
        let descriptor = self.arguments[4] as u32;
        (maps_file && descriptor.cast_signed() >= 0).then_some(descriptor)
    }
}

fn memory_call(
    is_32_bit: bool,
    number: u64,
    arguments: [u64; 6],
    read: impl Fn(u64) -> Option<u64>,
) -> Option<(Call, [u64; 5])> {
    let [a, b, c, d, e, _] = arguments;
    if !is_32_bit {
        return Some((Call::from_index(row(&ROWS_64, number)?)?, [a, b, c, d, e]));
    }
    if number == u64::from(IPC_I386) {
        // ipc(which, id, flags, ., address), decoded as shmat(id, address, flags) or
        // shmdt(address).
        return match a as u32 & 0xffff {
            IPC_SHMAT => Some((Call::Shmat, [b, e, c, 0, 0])),
            IPC_SHMDT => Some((Call::Shmdt, [e, 0, 0, 0, 0])),
            _ => None,
        };
    }
    let call = Call::from_index(row(&ROWS_32, number)?)?;
    if number != OLD_MMAP_I386 {
        return Some((call, [a, b, c, d, e]));
    }
    let pairs = [0, 8, 16].map(|offset| read(a + offset).unwrap_or(0));
    let half = |index: usize| pairs[index / 2] >> (index % 2 * 32) & 0xffff_ffff;
    Some((call, [0, 1, 2, 3, 4].map(half)))
}

/// Returns the flags of clone(2) with which a thread was created, from the registers of parent or
/// child: the child's registers are a copy of its parent's.
pub(super) fn clone_flags(
    architecture: u32,
    registers: &libc::user_regs_struct,
    read: impl Fn(u64) -> Option<u64>,
) -> u64 {
    let is_32_bit = architecture == I386;
    let first = if is_32_bit { registers.rbx & 0xffff_ffff } else { registers.rdi };
    let vfork = (libc::CLONE_VM | libc::CLONE_VFORK) as u64;
    match (registers.orig_rax & !u64::from(X32), is_32_bit) {
        (number, _) if number == u64::from(CLONE3) => read(first).unwrap_or(0),
        (56, false) | (120, true) => first,
        (58, false) | (190, true) => vfork,
        _ => 0,
    }
}

/// A length is unchanged if rounding it up would overflow; the kernel refuses such a call.
fn whole_pages(bytes: u64, page: u64) -> u64 {
    bytes.checked_next_multiple_of(page).unwrap_or(bytes)
}

const NUMBERS: usize = 512;
/// Row + 1 by system call number.
type Rows = [u8; NUMBERS];

const ROWS_64: Rows = {
    let (mut rows, mut index) = ([0; NUMBERS], 0);
    while index < CALLS.len() {
        rows[CALLS[index].number_x86_64 as usize] = index as u8 + 1;
        index += 1;
    }
    rows
};

const ROWS_32: Rows = {
    let (mut rows, mut index) = ([0; NUMBERS], 0);
    while index < CALLS.len() {
        let mut position = 0;
        while position < CALLS[index].numbers_i386.len() {
            rows[CALLS[index].numbers_i386[position] as usize] = index as u8 + 1;
            position += 1;
        }
        index += 1;
    }
    rows
};

fn row(rows: &'static Rows, number: u64) -> Option<usize> {
    let row = rows.get(usize::try_from(number).ok()?)?;
    usize::from(*row).checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::super::filter::X86_64;
    use super::*;

    fn held(architecture: u32, number: u64, arguments: [u64; 6]) -> Held {
        // Memory in which each byte is the last byte of its address.
        Held::decode(architecture, number, arguments, |address| {
            Some(u64::from_le_bytes([0, 1, 2, 3, 4, 5, 6, 7].map(|byte| (address as u8) + byte)))
        })
    }

    fn memory(architecture: u32, number: u64, arguments: [u64; 6]) -> (Call, [u64; 5]) {
        match held(architecture, number, arguments) {
            Held::Memory(MemoryCall { call, arguments, .. }) => (call, arguments),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn calls_are_decoded_by_the_kind_of_caller() {
        let six = [1, 2, 3, 4, 5, 6];
        assert_eq!(memory(X86_64, 9, six), (Call::Mmap, [1, 2, 3, 4, 5]));
        assert_eq!(memory(X86_64, 9 | 0x4000_0000, six), (Call::Mmap, [1, 2, 3, 4, 5]), "an x32 caller");
        assert_eq!(memory(I386, 91, six), (Call::Munmap, [1, 2, 3, 4, 5]));
        assert_eq!(memory(I386, 117, [0x0001_0015, 2, 3, 4, 5, 0]), (Call::Shmat, [2, 5, 3, 0, 0]));
        assert_eq!(memory(I386, 117, [22, 2, 3, 4, 5, 0]), (Call::Shmdt, [5, 0, 0, 0, 0]));
        assert_eq!(held(X86_64, 59, six), Held::Exec);
        assert_eq!(held(I386, 11, six), Held::Exec);
        assert_eq!((held(X86_64, 157, six), held(X86_64, 56, six)), (Held::Rename, Held::Escape));
        assert_eq!((held(X86_64, 435, six), held(I386, 435, six)), (Held::Escape, Held::Escape));
        assert_eq!((held(X86_64, 39, six), held(X86_64, u64::MAX, six)), (Held::Unknown, Held::Unknown));
    }

    #[test]
    fn the_old_mmap_of_i386_has_its_arguments_in_memory() {
        let word = |byte: u64| byte | (byte + 1) << 8 | (byte + 2) << 16 | (byte + 3) << 24;
        let expected = [0x10, 0x14, 0x18, 0x1c, 0x20].map(word);
        assert_eq!(memory(I386, 90, [0x10, 0, 0, 0, 0, 0]), (Call::Mmap, expected));
    }

    #[test]
    fn return_values_and_sizes_are_those_of_the_64_bit_call() {
        let call = |call, arguments, is_32_bit| MemoryCall {
            call,
            arguments: [arguments, 5000, 9000, 0, 0],
            is_32_bit,
        };
        assert_eq!(call(Call::Mmap, 0, true).answer(0xf7c0_0000_u32.into()), 0xf7c0_0000);
        assert_eq!(call(Call::Mmap, 0, true).answer(-12), (-12_i64).cast_unsigned());
        assert_eq!(call(Call::Mmap, 0, false).answer(0x7f00_0000_0000), 0x7f00_0000_0000);
        for (which, first, answer, brk, delta, expected) in [
            (Call::Mmap, 0, 0, None, 0, 8192),
            (Call::Mremap, 0, 0, None, 0, 12288),
            (Call::Brk, 0x6001, 0x6001, Some(0x3000), 0x4000, 0x4000),
            (Call::Brk, 0x6000, 0x6000, Some(0x9000), 0, 0x3000),
            (Call::Brk, 0x6000, 0x6000, None, -0x2000, 0x2000),
            (Call::Brk, 0, 0x6000, Some(0x3000), 0, 0),
            (Call::Shmdt, 0, 0, None, -4096, 4096),
            (Call::ProcessMadvise, 0, 77, None, 0, 77),
            (Call::Mlockall, 0, 0, None, 0, 0),
        ] {
            assert_eq!(
                call(which, first, false).requested_bytes(answer, brk, delta, 4096),
                expected,
                "{which:?}"
            );
        }
    }
}
