//! The call table: every memory system call that memtap follows, in one place. To add a call, add a
//! row. The kernel side's filter and sums, the decoding, the names, the API and the documentation
//! are derived from the table.

use serde::{Deserialize, Serialize};

use crate::flags::Flags;

/// Value that gives the number of bytes a call is about. The discriminants are `enum memtap_size`
/// of `record.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum SizeRule {
    /// The call has no size.
    None = 0,
    /// The second argument.
    Second = 1,
    /// The third argument.
    Third = 2,
    /// The distance by which the call asks to move the break.
    Break = 3,
    /// The change of the virtual size, because no argument contains the size.
    Delta = 4,
    /// The return value, which is a number of bytes.
    Answer = 5,
}

/// Value that contains the address of the memory a call is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The first argument.
    First,
    /// The return value of a granted call, or the first argument of a refused one.
    Answer,
    /// The return value of a granted call, or the second argument of a refused one.
    AnswerOrSecond,
    /// None: the call is about no single range.
    Nowhere,
}

/// A row of the call table.
#[derive(Debug, Clone, Copy)]
pub struct CallRow {
    /// The call of this row.
    pub call: Call,
    /// Name as in the manual page.
    pub name: &'static str,
    /// System call number for 64-bit callers on x86-64.
    pub number_x86_64: u16,
    /// System call numbers for 32-bit callers on x86 (`int 0x80`, compat).
    pub numbers_i386: &'static [u16],
    /// Value that gives the size.
    pub size: SizeRule,
    /// Value that contains the address.
    pub place: Place,
    /// True if the call may change the virtual size.
    pub moves: bool,
    /// True if the call asks for memory. Its requested bytes then count for the process and in the
    /// shares by name.
    pub asks: bool,
    /// Index of the argument that is a protection.
    pub protection: Option<usize>,
    /// Index of the argument that contains flags, and the names of the flags.
    pub flags: Option<(usize, Flags)>,
    /// Short description for users.
    pub about: &'static str,
}

macro_rules! calls {
    ($($call:ident $name:literal $x86_64:literal $i386:expr, $size:ident $place:ident, moves $moves:literal, asks $asks:literal,
       protection $protection:expr, flags $flags:expr, $about:literal;)*) => {
        /// A memory system call.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[repr(u16)]
        pub enum Call { $(#[doc = $about] $call,)* }

        /// All rows, in the order of [`Call::index`]. Databases store the index, so a row must
        /// never move.
        pub const CALLS: &[CallRow] = &[
            $(CallRow {
                call: Call::$call,
                name: $name,
                number_x86_64: $x86_64,
                numbers_i386: &$i386,
                size: SizeRule::$size,
                place: Place::$place,
                moves: $moves,
                asks: $asks,
                protection: $protection,
                flags: $flags,
                about: $about,
            },)*
        ];
    };
}

// Numbers: arch/x86/entry/syscalls/syscall_64.tbl and syscall_32.tbl. shmat and shmdt of 32-bit
// callers also come through ipc(), number 117, which the kernel side decodes.
#[rustfmt::skip]
calls! {
    Mmap "mmap" 9 [90, 192], Second Answer, moves true, asks true,
        protection Some(2), flags Some((3, Flags::Mapping)), "Map memory or a file.";
    Munmap "munmap" 11 [91], Second First, moves true, asks false,
        protection None, flags None, "Unmap a range.";
    Mremap "mremap" 25 [163], Third Answer, moves true, asks true,
        protection None, flags Some((3, Flags::Remapping)), "Grow, shrink or move a mapping.";
    Brk "brk" 12 [45], Break First, moves true, asks true,
        protection None, flags None, "Move the end of the heap.";
    Mprotect "mprotect" 10 [125], Second First, moves false, asks false,
        protection Some(2), flags None, "Change the protection of a range.";
    PkeyMprotect "pkey_mprotect" 329 [380], Second First, moves false, asks false,
        protection Some(2), flags Some((3, Flags::Key)), "Change the protection of a range, with a protection key.";
    Madvise "madvise" 28 [219], Second First, moves false, asks false,
        protection None, flags Some((2, Flags::Advice)), "Advise the kernel how a range will be used, or release its pages.";
    ProcessMadvise "process_madvise" 440 [440], Answer Nowhere, moves false, asks false,
        protection None, flags Some((3, Flags::Advice)), "Advise the kernel about ranges of another process.";
    Mlock "mlock" 149 [150], Second First, moves false, asks false,
        protection None, flags None, "Lock a range in RAM.";
    Mlock2 "mlock2" 325 [376], Second First, moves false, asks false,
        protection None, flags Some((2, Flags::Lock)), "Lock a range in RAM, with flags.";
    Munlock "munlock" 150 [151], Second First, moves false, asks false,
        protection None, flags None, "Unlock a range.";
    Mlockall "mlockall" 151 [152], None Nowhere, moves false, asks false,
        protection None, flags Some((0, Flags::LockAll)), "Lock the whole address space in RAM.";
    Munlockall "munlockall" 152 [153], None Nowhere, moves false, asks false,
        protection None, flags None, "Unlock the whole address space.";
    Shmat "shmat" 30 [397], Delta AnswerOrSecond, moves true, asks true,
        protection None, flags Some((2, Flags::SharedMemory)), "Attach a System V shared memory segment.";
    Shmdt "shmdt" 67 [398], Delta First, moves true, asks false,
        protection None, flags None, "Detach a System V shared memory segment.";
    RemapFilePages "remap_file_pages" 216 [257], Second First, moves true, asks false,
        protection Some(2), flags Some((4, Flags::Mapping)), "Rearrange the pages of a shared file mapping.";
    MemfdCreate "memfd_create" 319 [356], None Nowhere, moves false, asks false,
        protection None, flags Some((1, Flags::MemoryFile)), "Create a file in memory.";
    Userfaultfd "userfaultfd" 323 [374], None Nowhere, moves false, asks false,
        protection None, flags Some((0, Flags::Userfault)), "Handle page faults in user space.";
    Mseal "mseal" 462 [462], Second First, moves false, asks false,
        protection None, flags None, "Seal a range: forbid further changes.";
}

impl Call {
    /// Number of calls.
    pub const COUNT: usize = CALLS.len();

    /// Index of the call's row, as in the wire record.
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }

    /// Row of the call.
    #[must_use]
    pub fn row(self) -> &'static CallRow {
        &CALLS[self.index()]
    }

    /// Returns the call of the row with this index.
    #[must_use]
    pub fn from_index(index: usize) -> Option<Self> {
        CALLS.get(index).map(|row| row.call)
    }

    /// Name as in the manual page.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// Returns the call with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        CALLS.iter().find(|row| row.name == name).map(|row| row.call)
    }

    /// Returns whether the call asks for memory. Its requested bytes then count for the process and
    /// in the shares by name.
    #[must_use]
    pub fn asks(self) -> bool {
        self.row().asks
    }

    /// Returns the arguments that are a protection and flags, if the call has them.
    #[must_use]
    pub fn words(self, arguments: &[u64; 5]) -> (Option<u64>, Option<u64>) {
        let row = self.row();
        (row.protection.map(|index| arguments[index]), row.flags.map(|(index, _)| arguments[index]))
    }

    /// Formats protection and flags with their names; empty if the call has neither.
    #[must_use]
    pub fn describe(self, protection: Option<u64>, flags: Option<u64>) -> String {
        let protection = protection.filter(|_| self.row().protection.is_some()).map(crate::flags::protection);
        let flags = self.row().flags.and_then(|(_, names)| flags.map(|word| names.decode(word)));
        match (protection, flags) {
            (Some(protection), Some(flags)) => format!("{protection}, {flags}"),
            (one, other) => one.or(other).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn rows_are_in_index_order_and_numbers_are_unique() {
        let (mut numbers_64, mut numbers_32) = (HashSet::new(), HashSet::new());
        for (index, row) in CALLS.iter().enumerate() {
            assert_eq!(row.call.index(), index);
            assert_eq!(Call::from_name(row.name), Some(row.call));
            assert!(numbers_64.insert(row.number_x86_64), "{}", row.name);
            assert!(row.numbers_i386.iter().all(|number| numbers_32.insert(*number)), "{}", row.name);
        }
        assert_eq!(Call::from_index(CALLS.len()), None);
    }

    #[test]
    fn flags_are_found_and_decoded() {
        let arguments = [0, 4096, 3, 0x22, 0];
        let (protection, flags) = Call::Mmap.words(&arguments);
        assert_eq!(Call::Mmap.describe(protection, flags), "PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS");
        assert_eq!(Call::Madvise.describe(None, Some(4)), "MADV_DONTNEED");
        assert_eq!(Call::Mprotect.describe(Some(0), None), "PROT_NONE");
        assert_eq!(Call::Munmap.describe(Some(1), Some(1)), "");
    }
}
