//! Memory of the machine from /proc/meminfo and /proc/pressure/memory.

use std::collections::HashMap;
use std::{fs, io};

use memtap_model::{HostReading, Pressure, SwapReading};

/// Reads the memory of the machine.
///
/// # Errors
/// Fails if /proc/meminfo cannot be read.
pub fn read_host() -> io::Result<HostReading> {
    let meminfo = fs::read_to_string("/proc/meminfo")?;
    let pressure = fs::read_to_string("/proc/pressure/memory").ok();
    Ok(HostReading { pressure: pressure.as_deref().and_then(parse_pressure), ..parse_meminfo(&meminfo) })
}

/// Splits the total into parts that add up to it exactly. Memory that no field contains counts as
/// the kernel's.
fn parse_meminfo(text: &str) -> HostReading {
    let fields: HashMap<&str, u64> = text.lines().filter_map(field).collect();
    let bytes = |name: &str| fields.get(name).copied().unwrap_or(0);
    let total_bytes = bytes("MemTotal");
    let free_bytes = bytes("MemFree").min(total_bytes);
    let shared = bytes("Shmem");
    let mapped_files = bytes("Mapped").saturating_sub(shared);
    let mut remaining = total_bytes - free_bytes;
    let mut part = |bytes: u64| {
        let part = bytes.min(remaining);
        remaining -= part;
        part
    };
    let programs_bytes = part(bytes("AnonPages") + mapped_files + shared);
    let files = bytes("Cached") + bytes("Buffers") + bytes("SReclaimable");
    let cached_bytes = part(files.saturating_sub(shared + mapped_files));
    HostReading {
        total_bytes,
        available_bytes: bytes("MemAvailable"),
        free_bytes,
        cached_bytes,
        kernel_bytes: remaining,
        programs_bytes,
        swap: SwapReading { total_bytes: bytes("SwapTotal"), free_bytes: bytes("SwapFree") },
        pressure: None,
    }
}

/// Parses `MemTotal:  123 kB` and returns the name and the bytes.
fn field(line: &str) -> Option<(&str, u64)> {
    let (name, value) = line.split_once(':')?;
    let kilobytes: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some((name, kilobytes * 1024))
}

fn parse_pressure(text: &str) -> Option<Pressure> {
    let average = |kind: &str| {
        let line = text.lines().find(|line| line.starts_with(kind))?;
        line.split_whitespace().find_map(|word| word.strip_prefix("avg10="))?.parse().ok()
    };
    Some(Pressure { some_avg10: average("some")?, full_avg10: average("full")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_add_up_to_the_total() {
        for text in [
            "MemTotal: 1000 kB\nMemFree: 300 kB\nCached: 200 kB\nBuffers: 10 kB\nShmem: 50 kB\nMapped: 80 kB\nAnonPages: 100 kB\n",
            "MemTotal: 100 kB\nMemFree: 90 kB\nAnonPages: 100 kB\nCached: 100 kB\n",
            "",
        ] {
            let host = parse_meminfo(text);
            let sum = host.programs_bytes + host.cached_bytes + host.kernel_bytes + host.free_bytes;
            assert_eq!(sum, host.total_bytes, "{text}");
        }
    }

    #[test]
    fn pressure_is_read_where_the_kernel_has_it() {
        let text = "some avg10=1.50 avg60=0.00 avg300=0.00 total=1\nfull avg10=0.25 avg60=0.00 avg300=0.00 total=1\n";
        assert_eq!(parse_pressure(text), Some(Pressure { some_avg10: 1.5, full_avg10: 0.25 }));
        assert_eq!(parse_pressure("nonsense"), None);
    }

    #[test]
    fn this_machine_has_memory() {
        let host = read_host().unwrap();
        assert!(host.total_bytes > 0 && host.available_bytes <= host.total_bytes);
    }
}
