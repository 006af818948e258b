//! A program that makes known memory requests, for the tests and the benchmark. It speaks on stdin and stdout: it prints
//! `ready`, waits for a line, makes its requests, prints `done`, and stays until stdin ends.
//!
//!     fixture known            one request of each kind that the books must tell apart
//!     fixture pairs N          N pairs of mmap and munmap of 64 KiB
//!     fixture named HEX SIZE   takes the bytes as its name and maps SIZE bytes
//!     fixture loop KIND N      N rounds of `pair`, `brk`, `fault` (the first touch of a page) or `other` (an unrelated call); prints nanoseconds
//!     fixture rate N SECONDS   N requests a second for so long, evenly, in pairs of mmap and munmap; then ends
//!     fixture child SIZE       maps SIZE bytes and ends at once
//!     fixture children N       N children, one after the other, that run /bin/true
//!     fixture spike SIZE       maps SIZE bytes, touches all of it, and releases it, in one go
//!     fixture beyond           makes the kernel change the size outside any followed call: a stack that grows, an AIO ring

use std::io::{BufRead as _, Write as _};
use std::time::{Duration, Instant};

/// Sizes of `known`, each unlike any other, so that a test finds its request by size.
mod size {
    pub(crate) const PLAIN: usize = 1_234_567;
    pub(crate) const REFUSED: usize = 1 << 50;
    pub(crate) const NEVER_MAPPED: usize = 7 * 4096;
    pub(crate) const OVERLAID: usize = 64 * 4096;
    pub(crate) const OVERLAY: usize = 16 * 4096;
    pub(crate) const GROWS_FROM: usize = 33 * 4096;
    pub(crate) const GROWS_TO: usize = 333 * 4096;
    pub(crate) const BRK: usize = 1 << 20;
    pub(crate) const THREADS: [usize; 2] = [41 * 4096, 43 * 4096];
    pub(crate) const CHILD: usize = 555 * 4096;
}

const PAIR: usize = 64 << 10;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["known"] => told(known),
        ["pairs", count] => {
            let count: u64 = count.parse()?;
            told(|| (0..count).for_each(|_| pair()))
        }
        ["named", hex, size] => {
            let size = size.parse()?;
            rename(hex)?;
            told(|| {
                map(size);
            })
        }
        ["loop", "fault", count] => say(&faults(count.parse()?).to_string()).map_err(Into::into),
        ["loop", kind, count] => measured(kind, count.parse()?),
        ["rate", count, seconds] => {
            rate(count.parse()?, Duration::from_secs(seconds.parse()?));
            Ok(())
        }
        ["children", count] => {
            let count: u32 = count.parse()?;
            told(|| (0..count).for_each(|_| true_child()))
        }
        ["spike", size] => {
            let size = size.parse()?;
            told(|| spike(size))
        }
        ["beyond"] => told(beyond),
        ["child", size] => {
            map(size.parse()?);
            Ok(())
        }
        _ => Err("usage: fixture known | pairs N | named HEX SIZE | loop KIND N | rate N SECONDS | child SIZE | children N | spike SIZE | beyond".into()),
    }
}

/// `ready`, a line, the work, `done`, the end of stdin.
fn told(work: impl FnOnce()) -> Result<(), Box<dyn std::error::Error>> {
    let mut lines = std::io::stdin().lock().lines();
    say("ready")?;
    lines.next().transpose()?;
    work();
    say("done")?;
    for line in lines {
        line?;
    }
    Ok(())
}

fn say(word: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{word}")?;
    out.flush()
}

fn known() {
    map(size::PLAIN);
    refused(size::REFUSED);
    never_mapped(size::NEVER_MAPPED);
    overlay();
    grow_and_move();
    brk_up_and_down();
    let threads = size::THREADS.map(|size| std::thread::spawn(move || map(size)));
    for thread in threads {
        thread.join().expect("the thread only maps");
    }
    fork_exec_exit();
}

fn rename(hex: &str) -> Result<(), Box<dyn std::error::Error>> {
    let mut name: Vec<u8> = (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16))
        .collect::<Result<_, _>>()?;
    name.push(0);
    // SAFETY: the name ends with NUL and lives until the call returns.
    let done = unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr(), 0, 0, 0) };
    if done == 0 { Ok(()) } else { Err(std::io::Error::last_os_error().into()) }
}

fn request(address: usize, length: usize, flags: i32) -> *mut libc::c_void {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | flags;
    // SAFETY: anonymous memory; a fixed address is only ever given inside a mapping that `overlay` made itself.
    unsafe { libc::mmap(address as *mut libc::c_void, length, protection, flags, -1, 0) }
}

fn map(length: usize) -> usize {
    let address = request(0, length, 0);
    assert_ne!(address, libc::MAP_FAILED, "mmap of {length} bytes");
    address as usize
}

fn unmap(address: usize, length: usize) {
    // SAFETY: the range is one that this program mapped and uses no more, or one that nothing is mapped in.
    let done = unsafe { libc::munmap(address as *mut libc::c_void, length) };
    assert_eq!(done, 0, "munmap of {length} bytes");
}

fn pair() {
    unmap(map(PAIR), PAIR);
}

fn refused(length: usize) {
    assert_eq!(request(0, length, 0), libc::MAP_FAILED, "no machine has so much address space");
}

/// A range in a hole that was just made: nothing is mapped there any more.
fn never_mapped(length: usize) {
    let hole = map(size::OVERLAID);
    unmap(hole, size::OVERLAID);
    unmap(hole, length);
}

fn overlay() {
    let below = map(size::OVERLAID);
    let over = request(below + size::OVERLAY, size::OVERLAY, libc::MAP_FIXED);
    assert_eq!(over as usize, below + size::OVERLAY);
}

/// A mapping that cannot grow in place, since its second half is in use.
fn grow_and_move() {
    let from = map(2 * size::GROWS_FROM);
    // SAFETY: the range is this function's own and holds nothing.
    let moved = unsafe {
        libc::mremap(from as *mut libc::c_void, size::GROWS_FROM, size::GROWS_TO, libc::MREMAP_MAYMOVE)
    };
    assert_ne!(moved, libc::MAP_FAILED);
    assert_ne!(moved as usize, from, "it had to move");
}

fn brk_up_and_down() {
    // SAFETY: brk(0) only asks; the C library's heap is below the break that is moved up and back to where it was.
    let (before, up, down) = unsafe {
        let before = libc::syscall(libc::SYS_brk, 0);
        let up = libc::syscall(libc::SYS_brk, before + size::BRK as i64);
        (before, up, libc::syscall(libc::SYS_brk, before))
    };
    assert_eq!((up, down), (before + size::BRK as i64, before));
}

fn fork_exec_exit() {
    let program = std::env::current_exe().expect("own path");
    let status = std::process::Command::new(program).args(["child", &size::CHILD.to_string()]).status();
    assert!(status.expect("the child starts").success());
}

/// Rounds as fast as can be; prints the nanoseconds that they took.
fn measured(kind: &str, count: u64) -> Result<(), Box<dyn std::error::Error>> {
    let round: fn() = match kind {
        "pair" => pair,
        "brk" => || {
            // SAFETY: brk(0) only asks.
            let _ = unsafe { libc::syscall(libc::SYS_brk, 0) };
        },
        "other" => || {
            // SAFETY: getppid takes nothing and cannot fail.
            let _ = unsafe { libc::syscall(libc::SYS_getppid) };
        },
        _ => return Err("KIND is pair, brk, fault or other".into()),
    };
    let start = Instant::now();
    for _ in 0..count {
        round();
    }
    say(&start.elapsed().as_nanos().to_string())?;
    Ok(())
}

/// Nanoseconds that the first touches of so many pages took; mapping and releasing them is not among it.
fn faults(count: usize) -> u128 {
    const PAGES: usize = 4096;
    let mut took = Duration::ZERO;
    let mut left = count;
    while left > 0 {
        let pages = left.min(PAGES);
        let address = map(pages * 4096);
        // SAFETY: the range was just mapped by this function; with huge pages there would be one fault for 512 pages.
        let done =
            unsafe { libc::madvise(address as *mut libc::c_void, pages * 4096, libc::MADV_NOHUGEPAGE) };
        assert_eq!(done, 0, "madvise");
        let begin = Instant::now();
        for page in 0..pages {
            // SAFETY: inside the mapping that was just made, which nobody else uses.
            unsafe { ((address + page * 4096) as *mut u8).write_volatile(1) };
        }
        took += begin.elapsed();
        unmap(address, pages * 4096);
        left -= pages;
    }
    took.as_nanos()
}

fn rate(count: u64, duration: Duration) {
    let begin = Instant::now();
    let mut pairs_made = 0;
    while begin.elapsed() < duration {
        let due = (begin.elapsed().as_secs_f64() * count as f64 / 2.0) as u64;
        while pairs_made < due {
            pair();
            pairs_made += 1;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn true_child() {
    let status = std::process::Command::new("/bin/true").status();
    assert!(status.expect("/bin/true starts").success());
}

fn spike(length: usize) {
    let address = map(length);
    for page in (0..length).step_by(4096) {
        // SAFETY: inside the mapping that was just made, which nobody else uses.
        unsafe { ((address + page) as *mut u8).write_volatile(1) };
    }
    // SAFETY: the whole mapping, of which nothing is used any more.
    let done = unsafe { libc::munmap(address as *mut libc::c_void, length) };
    assert_eq!(done, 0);
}

fn beyond() {
    // The first thread's stack is the one that grows; a test program's main is in it.
    assert!(deep(200) > 0);
    let mut ring: libc::c_ulong = 0;
    // SAFETY: the kernel writes the ring's address; the ring is used for nothing.
    let done = unsafe { libc::syscall(libc::SYS_io_setup, 64, &raw mut ring) };
    assert_eq!(done, 0, "io_setup");
}

/// Uses 8 KiB of stack for each level.
#[inline(never)]
fn deep(levels: u32) -> u64 {
    let room = std::hint::black_box([1_u8; 8192]);
    let below = if levels == 0 { 0 } else { deep(levels - 1) };
    below + u64::from(room[usize::try_from(levels).unwrap_or(0)])
}
