//! Names of the memory calls' flags, as in C (values for x86-64 and asm-generic,
//! `include/uapi/asm-generic/mman*.h`).

const PROTECTION: &[(u64, &str)] = &[
    (0x1, "PROT_READ"),
    (0x2, "PROT_WRITE"),
    (0x4, "PROT_EXEC"),
    (0x0100_0000, "PROT_GROWSDOWN"),
    (0x0200_0000, "PROT_GROWSUP"),
];

const MAPPING: &[(u64, &str)] = &[
    (0x10, "MAP_FIXED"),
    (0x20, "MAP_ANONYMOUS"),
    (0x40, "MAP_32BIT"),
    (0x100, "MAP_GROWSDOWN"),
    (0x800, "MAP_DENYWRITE"),
    (0x1000, "MAP_EXECUTABLE"),
    (0x2000, "MAP_LOCKED"),
    (0x4000, "MAP_NORESERVE"),
    (0x8000, "MAP_POPULATE"),
    (0x1_0000, "MAP_NONBLOCK"),
    (0x2_0000, "MAP_STACK"),
    (0x4_0000, "MAP_HUGETLB"),
    (0x8_0000, "MAP_SYNC"),
    (0x10_0000, "MAP_FIXED_NOREPLACE"),
];

const REMAPPING: &[(u64, &str)] = &[(1, "MREMAP_MAYMOVE"), (2, "MREMAP_FIXED"), (4, "MREMAP_DONTUNMAP")];

const LOCK: &[(u64, &str)] = &[(1, "MLOCK_ONFAULT")];

const LOCK_ALL: &[(u64, &str)] = &[(1, "MCL_CURRENT"), (2, "MCL_FUTURE"), (4, "MCL_ONFAULT")];

const SHARED_MEMORY: &[(u64, &str)] =
    &[(0x1000, "SHM_RDONLY"), (0x2000, "SHM_RND"), (0x4000, "SHM_REMAP"), (0x8000, "SHM_EXEC")];

const MEMORY_FILE: &[(u64, &str)] = &[
    (1, "MFD_CLOEXEC"),
    (2, "MFD_ALLOW_SEALING"),
    (4, "MFD_HUGETLB"),
    (8, "MFD_NOEXEC_SEAL"),
    (0x10, "MFD_EXEC"),
];

const USERFAULT: &[(u64, &str)] =
    &[(1, "UFFD_USER_MODE_ONLY"), (0x800, "O_NONBLOCK"), (0x8_0000, "O_CLOEXEC")];

/// Advice is a number, not a set of flags.
const ADVICE: &[(u64, &str)] = &[
    (0, "MADV_NORMAL"),
    (1, "MADV_RANDOM"),
    (2, "MADV_SEQUENTIAL"),
    (3, "MADV_WILLNEED"),
    (4, "MADV_DONTNEED"),
    (8, "MADV_FREE"),
    (9, "MADV_REMOVE"),
    (10, "MADV_DONTFORK"),
    (11, "MADV_DOFORK"),
    (12, "MADV_MERGEABLE"),
    (13, "MADV_UNMERGEABLE"),
    (14, "MADV_HUGEPAGE"),
    (15, "MADV_NOHUGEPAGE"),
    (16, "MADV_DONTDUMP"),
    (17, "MADV_DODUMP"),
    (18, "MADV_WIPEONFORK"),
    (19, "MADV_KEEPONFORK"),
    (20, "MADV_COLD"),
    (21, "MADV_PAGEOUT"),
    (22, "MADV_POPULATE_READ"),
    (23, "MADV_POPULATE_WRITE"),
    (24, "MADV_DONTNEED_LOCKED"),
    (25, "MADV_COLLAPSE"),
    (100, "MADV_HWPOISON"),
    (101, "MADV_SOFT_OFFLINE"),
    (102, "MADV_GUARD_INSTALL"),
    (103, "MADV_GUARD_REMOVE"),
];

/// Set of names for the flags argument of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the flags of the call that its row names")]
pub enum Flags {
    Mapping,
    Remapping,
    Lock,
    LockAll,
    SharedMemory,
    MemoryFile,
    Userfault,
    Advice,
    Key,
}

impl Flags {
    /// Formats the flags as C writes them: `MAP_PRIVATE|MAP_ANONYMOUS`.
    #[must_use]
    pub fn decode(self, word: u64) -> String {
        match self {
            Self::Mapping => mapping(word),
            Self::Remapping => names(word, REMAPPING),
            Self::Lock => names(word, LOCK),
            Self::LockAll => names(word, LOCK_ALL),
            Self::SharedMemory => names(word, SHARED_MEMORY),
            Self::MemoryFile => names(word, MEMORY_FILE),
            Self::Userfault => names(word, USERFAULT),
            Self::Advice => {
                let known = ADVICE.iter().find(|(advice, _)| *advice == word);
                known.map_or_else(|| format!("advice {}", word as i32), |(_, name)| (*name).to_owned())
            }
            // The key is an int, and -1 means no key.
            Self::Key => format!("key {}", word as i32),
        }
    }
}

pub(crate) fn protection(word: u64) -> String {
    if word == 0 { "PROT_NONE".to_owned() } else { names(word, PROTECTION) }
}

fn mapping(word: u64) -> String {
    // The low four bits are a number, the kind of sharing, and not a set.
    let sharing = match word & 0xf {
        1 => "MAP_SHARED",
        2 => "MAP_PRIVATE",
        3 => "MAP_SHARED_VALIDATE",
        8 => "MAP_DROPPABLE",
        _ => "MAP_?",
    };
    let others = names(word & !0xf, MAPPING);
    if others == "0" { sharing.to_owned() } else { format!("{sharing}|{others}") }
}

/// Joins the names of the set bits with `|`. Bits without a name are added as one hexadecimal
/// number.
fn names(word: u64, table: &[(u64, &str)]) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut unnamed = word;
    for (bit, name) in table {
        if word & bit != 0 {
            parts.push((*name).to_owned());
            unnamed &= !bit;
        }
    }
    if unnamed != 0 {
        parts.push(format!("{unnamed:#x}"));
    }
    if parts.is_empty() { "0".to_owned() } else { parts.join("|") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_written_as_by_strace() {
        assert_eq!(protection(3), "PROT_READ|PROT_WRITE");
        assert_eq!(protection(0), "PROT_NONE");
        assert_eq!(mapping(0x22), "MAP_PRIVATE|MAP_ANONYMOUS");
        assert_eq!(mapping(0x32), "MAP_PRIVATE|MAP_FIXED|MAP_ANONYMOUS");
        assert_eq!(Flags::Remapping.decode(1), "MREMAP_MAYMOVE");
        assert_eq!(Flags::Advice.decode(4), "MADV_DONTNEED");
        assert_eq!(Flags::Advice.decode(77), "advice 77");
        assert_eq!(Flags::Key.decode(u64::MAX), "key -1");
        assert_eq!(Flags::LockAll.decode(3), "MCL_CURRENT|MCL_FUTURE");
        assert_eq!(mapping(0x8000_0002), "MAP_PRIVATE|0x80000000");
    }
}
