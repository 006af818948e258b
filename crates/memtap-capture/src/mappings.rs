//! Mappings of one process (`/proc/PID/smaps`), read on demand, because the kernel visits all pages
//! for it.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::time::{Duration, Instant};

use memtap_model::{Mapped, MappingClass, Mappings, to_text};

/// Time after which the kernel's visit of the pages is abandoned, and only the lengths are read.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Maximum number of names in the result.
const MOST_FILES: usize = 200;

/// Reads the mappings of a process, without resident and swapped bytes if measuring them takes too
/// long.
///
/// # Errors
/// Fails if the process has ended or may not be read.
pub fn read_mappings(pid: u32) -> io::Result<Mappings> {
    let open = |name: &str| Ok::<_, io::Error>(BufReader::new(File::open(format!("/proc/{pid}/{name}"))?));
    let begin = Instant::now();
    match sum_mappings(open("smaps")?, || begin.elapsed() > TIMEOUT)? {
        Some(sums) => Ok(sums.into_mappings(true)),
        None => Ok(sum_mappings(open("maps")?, || false)?.unwrap_or_default().into_mappings(false)),
    }
}

#[derive(Debug, Default)]
struct Sums {
    classes: HashMap<MappingClass, Mapped>,
    files: HashMap<Vec<u8>, Mapped>,
}

impl Sums {
    fn add(&mut self, heading: Heading, mapped: Mapped) {
        // The gate page is the same for all processes and no part of the virtual size.
        if heading.name == b"[vsyscall]" {
            return;
        }
        self.classes.entry(heading.class).or_default().add(mapped);
        if matches!(heading.class, MappingClass::File | MappingClass::Shared) {
            self.files.entry(heading.name).or_default().add(mapped);
        }
    }

    fn into_mappings(mut self, has_resident: bool) -> Mappings {
        let classes = MappingClass::ALL.into_iter();
        let mut files: Vec<_> = self.files.into_iter().collect();
        files.sort_by(|(a_name, a), (b_name, b)| {
            (b.resident_bytes, b.virtual_bytes)
                .cmp(&(a.resident_bytes, a.virtual_bytes))
                .then(a_name.cmp(b_name))
        });
        let more_files = files.len().saturating_sub(MOST_FILES) as u64;
        files.truncate(MOST_FILES);
        Mappings {
            classes: classes.filter_map(|class| Some((class, self.classes.remove(&class)?))).collect(),
            files: files.into_iter().map(|(name, mapped)| (to_text(&name), mapped)).collect(),
            more_files,
            has_resident,
        }
    }
}

/// First line of a mapping.
struct Heading {
    class: MappingClass,
    /// Name as bytes, with line feeds that the kernel wrote as `\012`.
    name: Vec<u8>,
    length: u64,
}

/// Adds up all mappings; `None` if that takes too long.
fn sum_mappings(mut lines: impl BufRead, is_late: impl Fn() -> bool) -> io::Result<Option<Sums>> {
    let mut sums = Sums::default();
    let mut current: Option<(Heading, Mapped)> = None;
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        if let Some(heading) = heading(text) {
            let mapped = Mapped { mappings: 1, virtual_bytes: heading.length, ..Mapped::default() };
            if let Some((heading, mapped)) = current.replace((heading, mapped)) {
                sums.add(heading, mapped);
            }
            if is_late() {
                return Ok(None);
            }
        } else if let Some((_, mapped)) = &mut current {
            mapped.resident_bytes += kilobytes(text, "Rss:");
            mapped.swap_bytes += kilobytes(text, "Swap:");
        }
        line.clear();
    }
    if let Some((heading, mapped)) = current {
        sums.add(heading, mapped);
    }
    Ok(Some(sums))
}

/// Parses `55d0-55d1 r-xp 00000000 08:01 1234      /usr/bin/perl`; `None` for any other line.
fn heading(line: &[u8]) -> Option<Heading> {
    let mut remaining = line;
    let mut word = || {
        let begin = remaining.iter().position(|byte| *byte != b' ').unwrap_or(remaining.len());
        let end =
            remaining[begin..].iter().position(|byte| *byte == b' ').map_or(remaining.len(), |at| begin + at);
        let word = &remaining[begin..end];
        remaining = &remaining[end..];
        std::str::from_utf8(word).ok()
    };
    let (from, to) = word()?.split_once('-')?;
    let address = |text| u64::from_str_radix(text, 16).ok();
    let length = address(to)?.checked_sub(address(from)?)?;
    let is_shared = word()?.as_bytes().get(3)? == &b's';
    let (_offset, _device, _inode) = (word()?, word()?, word()?);
    let begin = remaining.iter().position(|byte| *byte != b' ').unwrap_or(remaining.len());
    let name = unescaped(&remaining[begin..]);
    Some(Heading { class: classify(&name, is_shared), name, length })
}

fn classify(name: &[u8], is_shared: bool) -> MappingClass {
    let begins = |with: &str| name.starts_with(with.as_bytes());
    match name {
        b"[heap]" => MappingClass::Heap,
        _ if begins("[stack") => MappingClass::Stack,
        _ if begins("[anon_shmem") => MappingClass::Shared,
        b"" if is_shared => MappingClass::Shared,
        b"" => MappingClass::Anonymous,
        _ if begins("[anon") => MappingClass::Anonymous,
        _ if ["/SYSV", "/memfd:", "/dev/shm/", "/dev/zero"].into_iter().any(begins) => MappingClass::Shared,
        [b'/', ..] => MappingClass::File,
        _ => MappingClass::Special,
    }
}

/// Restores line feeds, the only byte that the kernel escapes here (`show_map_vma`,
/// fs/proc/task_mmu.c).
fn unescaped(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len());
    let mut remaining = name;
    while let Some((first, after)) = remaining.split_first() {
        if let Some(after) = remaining.strip_prefix(b"\\012") {
            out.push(b'\n');
            remaining = after;
        } else {
            out.push(*first);
            remaining = after;
        }
    }
    out
}

/// Parses `Rss:      12 kB` and returns bytes; 0 for another line.
fn kilobytes(line: &[u8], name: &str) -> u64 {
    let number = || {
        let value = std::str::from_utf8(line.strip_prefix(name.as_bytes())?).ok()?;
        value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    };
    number().unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::process::{Child, Command, Stdio};

    use memtap_model::Resource;

    use super::*;
    use crate::read_limits;

    const SMAPS: &[u8] = b"1000-3000 r-xp 00000000 08:01 12                      /usr/bin/a b\nSize: 8 kB\nRss:                 4 kB\nSwap: 0 kB\n\
        3000-4000 rw-p 00000000 00:00 0                       [heap]\nRss: 4 kB\nSwap: 8 kB\nVmFlags: rd wr\n\
        5000-6000 rw-p 00000000 00:00 0 \nRss: 4 kB\n\
        6000-8000 rw-s 00000000 00:01 7  /memfd:<img src=x>\\012\xff (deleted)\nRss: 0 kB\n\
        8000-9000 rw-p 00000000 00:00 0  [anon:glibc: malloc]\n\
        9000-a000 r-xp 00000000 00:00 0  [vdso]\n\
        a000-b000 rw-p 00000000 00:00 0  [stack]\n\
        ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0  [vsyscall]\nRss: 4 kB\n";

    fn mapped(mappings: u64, virtual_bytes: u64, resident_bytes: u64, swap_bytes: u64) -> Mapped {
        Mapped { mappings, virtual_bytes, resident_bytes, swap_bytes }
    }

    #[test]
    fn mappings_are_summed_by_class_and_by_name() {
        let mappings = sum_mappings(SMAPS, || false).unwrap().unwrap().into_mappings(true);
        let expected = [
            (MappingClass::Heap, mapped(1, 4096, 4096, 8192)),
            (MappingClass::Stack, mapped(1, 4096, 0, 0)),
            (MappingClass::Anonymous, mapped(2, 8192, 4096, 0)),
            (MappingClass::File, mapped(1, 8192, 4096, 0)),
            (MappingClass::Shared, mapped(1, 8192, 0, 0)),
            (MappingClass::Special, mapped(1, 4096, 0, 0)),
        ];
        assert_eq!(mappings.classes, expected);
        let names: Vec<_> = mappings.files.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            ["/usr/bin/a b", "/memfd:<img src=x>\n\\xff (deleted)"],
            "strangers' bytes are text"
        );
        assert!(sum_mappings(SMAPS, || true).unwrap().is_none(), "there was no time");
    }

    /// A shell with known limits that waits for a line.
    struct Limited(Child);

    impl Limited {
        fn start() -> Self {
            let script = "ulimit -v 1048576; ulimit -Sl 32; echo ready; read line";
            let mut shell = Command::new("sh");
            let mut child =
                shell.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            child.stdout.as_mut().unwrap().read_exact(&mut [0; 6]).unwrap();
            Self(child)
        }
    }

    impl Drop for Limited {
        fn drop(&mut self) {
            let _ = self.0.stdin.as_mut().map(|stdin| stdin.write_all(b"\n"));
            let _ = self.0.wait();
        }
    }

    #[test]
    fn mappings_and_limits_of_a_real_process_are_exact() {
        let process = Limited::start();
        let pid = process.0.id();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let size = |name: &str| status.lines().map(|line| kilobytes(line.as_bytes(), name)).sum::<u64>();
        let mappings = read_mappings(pid).unwrap();
        assert!(mappings.has_resident);
        assert_eq!(mappings.total().virtual_bytes, size("VmSize:"));
        assert!(
            mappings.total().resident_bytes > 0
                && mappings.files.iter().any(|(name, _)| name.contains("libc")),
            "{mappings:?}"
        );

        let limits = read_limits(pid).unwrap();
        let limit = |resource| limits.resources.iter().find(|limit| limit.resource == resource).unwrap();
        let space = limit(Resource::AddressSpace);
        assert_eq!((space.soft_bytes, space.hard_bytes), (Some(1 << 30), Some(1 << 30)));
        assert_eq!(
            (space.used_bytes, limit(Resource::Locked).soft_bytes),
            (Some(size("VmSize:")), Some(32 << 10))
        );
        assert_eq!(
            limits.mappings.map(|counted| counted.used > mappings.total().mappings),
            Some(true),
            "with the gate page"
        );
        assert!(read_mappings(u32::MAX).is_err() && read_limits(u32::MAX).is_err());
    }
}
