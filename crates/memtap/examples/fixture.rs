//! A program that makes known memory requests, for the tests and the benchmark. It communicates
//! through stdin and stdout: it prints `ready`, waits for a line, makes its requests, prints
//! `done`, and waits for the end of stdin.
//!
//!     fixture known            one request of each kind that the ledger must distinguish
//!     fixture pairs N          N pairs of mmap and munmap of 64 KiB
//!     fixture named HEX SIZE   uses the bytes as its name and maps SIZE bytes
//!     fixture loop KIND N      N rounds of `pair`, `brk`, `fault` (the first touch of a page) or
//!                              `other` (an unrelated call); prints nanoseconds
//!     fixture rate N SECONDS   N requests per second, evenly spaced, in pairs of mmap and munmap;
//!                              exits after SECONDS
//!     fixture child SIZE       maps SIZE bytes and exits
//!     fixture children N       N children, one after the other, that run /bin/true
//!     fixture spike SIZE       maps SIZE bytes, touches all of them, and unmaps them immediately
//!     fixture beyond           makes the kernel change the size outside any observed call: stack
//!                              growth, an AIO ring

use std::io::{BufRead as _, Write as _};
use std::time::{Duration, Instant};

/// Sizes used by `known`. All are different, so that a test finds each request by its size.
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
        ["known"] => run_protocol(known),
        ["pairs", count] => {
            let count: u64 = count.parse()?;
            run_protocol(|| (0..count).for_each(|_| pair()))
        }
        ["named", hex, size] => {
            let size = size.parse()?;
            rename(hex)?;
            run_protocol(|| {
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
            run_protocol(|| (0..count).for_each(|_| true_child()))
        }
        ["spike", size] => {
            let size = size.parse()?;
            run_protocol(|| spike(size))
        }
        ["beyond"] => run_protocol(beyond),
        ["child", size] => {
            map(size.parse()?);
            Ok(())
        }
        _ => Err("usage: fixture known | pairs N | named HEX SIZE | loop KIND N | rate N SECONDS | child SIZE | children N | spike SIZE | beyond".into()),
    }
}

/// Runs the protocol: prints `ready`, waits for a line, works, prints `done`, and waits for the end
/// of stdin.
fn run_protocol(work: impl FnOnce()) -> Result<(), Box<dyn std::error::Error>> {
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
    // SAFETY: the name ends with NUL and is valid until the call returns.
    let done = unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr(), 0, 0, 0) };
    if done == 0 { Ok(()) } else { Err(std::io::Error::last_os_error().into()) }
}

fn request(address: usize, length: usize, flags: i32) -> *mut libc::c_void {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | flags;
    // SAFETY: the memory is anonymous. A fixed address is used only inside a mapping that `overlay`
    // made itself.
    unsafe { libc::mmap(address as *mut libc::c_void, length, protection, flags, -1, 0) }
}

fn map(length: usize) -> usize {
    let address = request(0, length, 0);
    assert_ne!(address, libc::MAP_FAILED, "mmap of {length} bytes");
    address as usize
}

fn unmap(address: usize, length: usize) {
    // SAFETY: this program mapped the range and no longer uses it, or nothing is mapped there.
    let done = unsafe { libc::munmap(address as *mut libc::c_void, length) };
    assert_eq!(done, 0, "munmap of {length} bytes");
}

fn pair() {
    unmap(map(PAIR), PAIR);
}

fn refused(length: usize) {
    assert_eq!(request(0, length, 0), libc::MAP_FAILED, "no machine has so much address space");
}

/// Unmaps a range where nothing is mapped any more.
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

/// Grows a mapping that cannot grow in place, since its second half is in use.
fn grow_and_move() {
    let from = map(2 * size::GROWS_FROM);
    // SAFETY: the range belongs to this function and holds no data.
    let moved = unsafe {
        libc::mremap(from as *mut libc::c_void, size::GROWS_FROM, size::GROWS_TO, libc::MREMAP_MAYMOVE)
    };
    assert_ne!(moved, libc::MAP_FAILED);
    assert_ne!(moved as usize, from, "it had to move");
}

fn brk_up_and_down() {
    // SAFETY: brk(0) only queries. The C library's heap is below the break, which is moved up and
    // then back.
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

/// Runs the rounds as fast as possible, and prints the nanoseconds that they took.
fn measured(kind: &str, count: u64) -> Result<(), Box<dyn std::error::Error>> {
    let round: fn() = match kind {
        "pair" => pair,
        "brk" => || {
            // SAFETY: brk(0) only queries.
            let _ = unsafe { libc::syscall(libc::SYS_brk, 0) };
        },
        "other" => || {
            // SAFETY: getppid has no arguments and cannot fail.
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

/// Returns the nanoseconds for the first touches of `count` pages, without mapping and releasing
/// them.
fn faults(count: usize) -> u128 {
    const PAGES: usize = 4096;
    let mut took = Duration::ZERO;
    let mut left = count;
    while left > 0 {
        let pages = left.min(PAGES);
        let address = map(pages * 4096);
        // SAFETY: this function just mapped the range. Huge pages would cause only one fault per
        // 512 pages.
        let done =
            unsafe { libc::madvise(address as *mut libc::c_void, pages * 4096, libc::MADV_NOHUGEPAGE) };
        assert_eq!(done, 0, "madvise");
        let begin = Instant::now();
        for page in 0..pages {
            // SAFETY: inside the mapping that was just made, which no other code uses.
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
        // SAFETY: inside the mapping that was just made, which no other code uses.
        unsafe { ((address + page) as *mut u8).write_volatile(1) };
    }
    // SAFETY: this is the whole mapping, and nothing uses it any more.
    let done = unsafe { libc::munmap(address as *mut libc::c_void, length) };
    assert_eq!(done, 0);
}

fn beyond() {
    // Only the first thread's stack grows, and this runs in the first thread.
    assert!(deep(200) > 0);
    let mut ring: libc::c_ulong = 0;
    // SAFETY: the kernel writes the ring's address. The ring is not used.
    let done = unsafe { libc::syscall(libc::SYS_io_setup, 64, &raw mut ring) };
    assert_eq!(done, 0, "io_setup");
}

/// Uses 8 KiB of stack per level.
#[inline(never)]
fn deep(levels: u32) -> u64 {
    let room = std::hint::black_box([1_u8; 8192]);
    let below = if levels == 0 { 0 } else { deep(levels - 1) };
    below + u64::from(room[usize::try_from(levels).unwrap_or(0)])
}
