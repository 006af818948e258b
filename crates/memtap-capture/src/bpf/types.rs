//! The kernel's description of its types (BTF), reduced to the types that our programs use. The
//! complete description has more than a hundred thousand types. Searching them for each of ours
//! takes longer than everything else that loading does in user space.
//!
//! Types are identified by their position, which is also passed to the kernel. Each omitted type is
//! therefore replaced by a placeholder (Documentation/bpf/btf.rst).

use std::collections::HashSet;

/// Our types: one line `struct NAME {` each. A suffix after three underscores distinguishes several
/// forms of one struct.
static KERNEL: &str = include_str!("../../bpf/kernel.h");

const HEADER: usize = 24;
/// Size of the fields that every type begins with: name, kind and number of members, size or
/// another type.
const COMMON: usize = 12;
const KIND_FORWARD: u32 = 7;

/// Reduces the kernel's BTF; `None` if its format is not the expected one.
pub(super) fn reduce(whole: &[u8]) -> Option<Vec<u8>> {
    let [head, types, types_length, names, names_length] = [4, 8, 12, 16, 20].map(|at| word(whole, at));
    let head = head?;
    let section = |from: Option<usize>, length: Option<usize>| {
        let from = head.checked_add(from?)?;
        whole.get(from..from.checked_add(length?)?)
    };
    let (types, names) = (section(types, types_length)?, section(names, names_length)?);
    let cut = reduce_types(types, names)?;
    let mut all = whole.get(..HEADER)?.to_vec();
    for (at, value) in [(4, HEADER), (8, 0), (12, cut.len()), (16, cut.len())] {
        all[at..at + 4].copy_from_slice(&u32::try_from(value).ok()?.to_le_bytes());
    }
    all.extend(cut);
    all.extend(names);
    Some(all)
}

fn reduce_types(mut types: &[u8], names: &[u8]) -> Option<Vec<u8>> {
    let our_types = our_types();
    let mut cut = Vec::with_capacity(types.len() / 2);
    while !types.is_empty() {
        let (name, info) = (word(types, 0)?, word(types, 4)?);
        let (kind, members) = (info >> 24 & 0x1f, info & 0xffff);
        // include/uapi/linux/btf.h
        let (more, is_wanted) = match kind {
            1 => (4, true),
            2 | 7..=12 | 16 | 18 => (0, true),
            3 => (12, true),
            4 | 5 => (12 * members, name == 0 || our_types.contains(name_at(names, name)?)),
            6 | 13 => (8 * members, false),
            14 | 17 => (4, false),
            15 | 19 => (12 * members, false),
            _ => return None,
        };
        let (one, following) = types.split_at_checked(COMMON + more)?;
        if is_wanted {
            cut.extend_from_slice(one);
        } else {
            cut.extend([0, KIND_FORWARD << 24, 0].into_iter().flat_map(u32::to_le_bytes));
        }
        types = following;
    }
    Some(cut)
}

fn our_types() -> HashSet<&'static [u8]> {
    let names = KERNEL.lines().filter_map(|line| line.strip_prefix("struct ")?.strip_suffix(" {"));
    names.map(|name| name.split("___").next().unwrap_or(name).as_bytes()).collect()
}

fn name_at(names: &[u8], at: usize) -> Option<&[u8]> {
    names.get(at..)?.split(|byte| *byte == 0).next()
}

fn word(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..at + 4)?.try_into().ok()?;
    usize::try_from(u32::from_le_bytes(bytes)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn btf(types: &[u32], names: &[u8]) -> Vec<u8> {
        let length = 4 * types.len() as u32;
        let head = [0x0001_eb9f, 24, 0, length, length, names.len() as u32];
        let words = head.iter().chain(types).flat_map(|word| word.to_le_bytes());
        words.chain(names.iter().copied()).collect()
    }

    #[test]
    fn our_types_keep_their_positions_and_others_become_placeholders() {
        let names = b"\0mm_struct\0other\0brk\0btf_trace_x\0";
        let [integer, typedef] = [[0, 1 << 24, 8, 64].as_slice(), &[21, 8 << 24, 1]];
        let ours = [1, 4 << 24 | 1, 8, 17, 1, 0].as_slice();
        let other = [11, 4 << 24 | 1, 8, 17, 1, 0].as_slice();
        let function = [0, 13 << 24 | 2, 1, 0, 1, 0, 1].as_slice();
        let whole = btf(&[integer, other, ours, function, typedef].concat(), names);
        let hole = [0, 7 << 24, 0].as_slice();
        assert_eq!(reduce(&whole), Some(btf(&[integer, hole, ours, hole, typedef].concat(), names)));
        assert_eq!(reduce(&whole[..40]), None);
        assert_eq!(reduce(&btf(&[0, 31 << 24, 0], names)), None, "a kind that is not known");
    }

    #[test]
    fn our_types_include_those_of_the_programs() {
        let our_types = our_types();
        for name in ["task_struct", "mm_rss_stat", "bpf_iter__task", "pid", "qstr"] {
            assert!(our_types.contains(name.as_bytes()), "{name}");
        }
    }
}
