//! Proportional memory of one process, which divides shared pages among the processes that share
//! them (`/proc/PID/smaps_rollup`, since Linux 4.14). The kernel visits all pages for it, so it is
//! read for one process at a time.

use std::collections::HashMap;
use std::{fs, io};

use memtap_model::Proportional;

/// Reads the proportional memory of one process.
///
/// # Errors
/// Fails if the process has ended or may not be read.
pub fn read_proportional(pid: u32) -> io::Result<Proportional> {
    Ok(parse(&fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?))
}

fn parse(text: &str) -> Proportional {
    let field = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_owned(), value.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024))
    };
    let fields: HashMap<String, u64> = text.lines().filter_map(field).collect();
    let bytes = |name: &str| fields.get(name).copied().unwrap_or(0);
    Proportional {
        pss_bytes: bytes("Pss"),
        uss_bytes: bytes("Private_Clean") + bytes("Private_Dirty"),
        swap_pss_bytes: bytes("SwapPss"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_and_the_heading_is_skipped() {
        let text = "55d0-7ffd ---p 00000000 00:00 0    [rollup]\nRss: 800 kB\nPss: 300 kB\nPrivate_Clean: 8 kB\n\
            Private_Dirty: 200 kB\nSwapPss: 4 kB\n";
        let expected =
            Proportional { pss_bytes: 300 * 1024, uss_bytes: 208 * 1024, swap_pss_bytes: 4 * 1024 };
        assert_eq!(parse(text), expected);
    }

    #[test]
    fn this_process_has_proportional_memory() {
        let own = read_proportional(std::process::id()).unwrap();
        assert!(own.uss_bytes > 0 && own.pss_bytes >= own.uss_bytes, "{own:?}");
    }
}
