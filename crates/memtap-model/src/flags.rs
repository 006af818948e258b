//! Flag words of the memory calls as their C names (x86-64 and asm-generic values, `include/uapi/asm-generic/mman*.h`).

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

pub(crate) fn protection(word: u64) -> String {
    if word == 0 { "PROT_NONE".to_owned() } else { names(word, PROTECTION) }
}

pub(crate) fn mapping(word: u64) -> String {
    // The low four bits are a number (the sharing), not a set.
    let sharing = match word & 0xf {
        1 => "MAP_SHARED",
        2 => "MAP_PRIVATE",
        3 => "MAP_SHARED_VALIDATE",
        8 => "MAP_DROPPABLE",
        _ => "MAP_?",
    };
    let rest = names(word & !0xf, MAPPING);
    if rest == "0" { sharing.to_owned() } else { format!("{sharing}|{rest}") }
}

pub(crate) fn remapping(word: u64) -> String {
    names(word, REMAPPING)
}

/// The names of the set bits joined by `|`; bits without a name as one hexadecimal number.
fn names(word: u64, table: &[(u64, &str)]) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut rest = word;
    for (bit, name) in table {
        if word & bit != 0 {
            parts.push((*name).to_owned());
            rest &= !bit;
        }
    }
    if rest != 0 {
        parts.push(format!("{rest:#x}"));
    }
    if parts.is_empty() { "0".to_owned() } else { parts.join("|") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_like_strace() {
        assert_eq!(protection(3), "PROT_READ|PROT_WRITE");
        assert_eq!(protection(0), "PROT_NONE");
        assert_eq!(mapping(0x22), "MAP_PRIVATE|MAP_ANONYMOUS");
        assert_eq!(mapping(0x32), "MAP_PRIVATE|MAP_FIXED|MAP_ANONYMOUS");
        assert_eq!(remapping(1), "MREMAP_MAYMOVE");
        assert_eq!(mapping(0x8000_0002), "MAP_PRIVATE|0x80000000");
    }
}
