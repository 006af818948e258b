//! Virtual size of a process, read before and after each of its memory calls.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use nix::libc::pid_t;

/// An open /proc/TID/statm, which is read without being opened each time.
#[derive(Debug, Default)]
pub(super) struct SizeReader {
    file: Option<File>,
}

impl SizeReader {
    /// Returns the virtual size, in pages, of the process of this thread; `None` if it cannot be
    /// read.
    pub(super) fn pages(&mut self, tid: pid_t) -> Option<u64> {
        // A thread that has ended reports no memory, although others of its process may have it.
        // The file of the present thread is then opened.
        if let Some(pages) = self.file.as_ref().and_then(read).filter(|pages| *pages > 0) {
            return Some(pages);
        }
        self.file = File::open(format!("/proc/{tid}/statm")).ok();
        self.file.as_ref().and_then(read)
    }
}

/// Reads the first number: total_vm (fs/proc/array.c, proc_pid_statm).
fn read(file: &File) -> Option<u64> {
    let mut bytes = [0; 24];
    let length = file.read_at(&mut bytes, 0).ok()?;
    let digits = bytes[..length].iter().take_while(|byte| byte.is_ascii_digit());
    Some(digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_its_own_size_again_and_again() {
        let pid = std::process::id().cast_signed();
        let mut reader = SizeReader::default();
        let first = reader.pages(pid).unwrap();
        let more = std::hint::black_box(vec![0_u8; 64 << 20]);
        // Other tests of this program may release memory in the meantime.
        assert!(reader.pages(pid).unwrap() >= first + (32 << 20 >> 12));
        drop(more);
        assert_eq!(SizeReader::default().pages(i32::MAX), None);
    }
}
