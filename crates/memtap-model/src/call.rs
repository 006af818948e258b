//! The call table: every memory system call that memtap follows, in one place. Adding a call is one row here;
//! the kernel's filter, the decoding, the names and the order in the wire record all come from it.

use crate::flags;

/// A row of the call table.
#[derive(Debug, Clone, Copy)]
pub struct CallRow {
    /// The call.
    pub call: Call,
    /// Its name, as in its manual page.
    pub name: &'static str,
    /// Its system call number for 64-bit callers on x86-64.
    pub number_x86_64: u16,
    /// Its numbers for 32-bit callers on x86 (`int 0x80`, compat).
    pub numbers_i386: &'static [u16],
}

macro_rules! calls {
    ($($(#[$doc:meta])* $call:ident $name:literal $x86_64:literal $i386:expr;)*) => {
        /// Which memory system call.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        pub enum Call { $($(#[$doc])* $call,)* }

        /// All rows, in the order of [`Call::index`].
        pub const CALLS: &[CallRow] = &[
            $(CallRow { call: Call::$call, name: $name, number_x86_64: $x86_64, numbers_i386: &$i386 },)*
        ];
    };
}

calls! {
    /// Map memory or a file.
    Mmap "mmap" 9 [90, 192];
    /// Release a range.
    Munmap "munmap" 11 [91];
    /// Grow, shrink or move a mapping.
    Mremap "mremap" 25 [163];
    /// Move the end of the heap.
    Brk "brk" 12 [45];
}

impl Call {
    /// How many calls there are.
    pub const COUNT: usize = CALLS.len();

    /// Its row's index, as in the wire record.
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }

    /// The call of a row's index.
    #[must_use]
    pub fn from_index(index: usize) -> Option<Self> {
        CALLS.get(index).map(|row| row.call)
    }

    /// Its name, as in its manual page.
    #[must_use]
    pub fn name(self) -> &'static str {
        CALLS[self.index()].name
    }

    /// The call of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        CALLS.iter().find(|row| row.name == name).map(|row| row.call)
    }

    /// Whether it asks for memory, so that its requested bytes count for the process and for the share.
    #[must_use]
    pub fn asks(self) -> bool {
        !matches!(self, Self::Munmap)
    }

    /// The flag words of its arguments, decoded for people; empty when it has none.
    #[must_use]
    pub fn describe(self, args: &[u64; 5]) -> String {
        match self {
            Self::Mmap => format!("{}, {}", flags::protection(args[2]), flags::mapping(args[3])),
            Self::Mremap => flags::remapping(args[3]),
            Self::Munmap | Self::Brk => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_in_the_order_of_their_index() {
        for (index, row) in CALLS.iter().enumerate() {
            assert_eq!(row.call.index(), index);
            assert_eq!(Call::from_name(row.name), Some(row.call));
        }
        assert_eq!(Call::from_index(CALLS.len()), None);
    }
}
