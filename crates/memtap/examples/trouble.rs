//! Programs with memory problems that memtap reports as findings, for the tests and for
//! demonstration. Each prints `ready`, waits for a line, prints `done` once the problem is
//! visible, and waits for the end of stdin:
//!
//!     trouble leak BYTES       grows by BYTES per second and releases nothing
//!     trouble churn BYTES      maps, touches and unmaps a buffer of BYTES, 500 times per second
//!     trouble heap BYTES       moves the end of its heap up and down by BYTES, as often as
//!                              possible, half of the time
//!     trouble refused          requests more than its limit on address space, and continues
//!     trouble reserved BYTES   reserves BYTES of writable memory and uses one page of it
//!     trouble limit            fills its address space up to its limit
//!     trouble peak BYTES       uses little memory for a while, then BYTES for one second
//!     trouble waits FILE       writes 128 MiB to FILE and reads it repeatedly: in a control group
//!                              with less memory it waits for memory
//!     trouble asleep           does nothing
//!
//! The process name is `trouble-leak` and so on. To try it:
//! `(echo; sleep 60) | cargo run --release -p memtap --example trouble -- leak 2000000`

use std::io::{BufRead as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const PAGE: usize = 4096;
const MIB: usize = 1 << 20;
/// True once stdin has ended.
static OVER: AtomicBool = AtomicBool::new(false);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let file = words.get(1).filter(|_| words[0] == "waits");
    let size = words.get(1).filter(|_| file.is_none()).map(|bytes| bytes.parse::<usize>()).transpose()?;
    name(words.first().unwrap_or(&"asleep"))?;
    say("ready")?;
    std::io::stdin().lock().read_line(&mut String::new())?;
    std::thread::spawn(|| {
        for line in std::io::stdin().lock().lines() {
            drop(line);
        }
        OVER.store(true, Ordering::Relaxed);
    });
    match (words.first().copied(), size) {
        (Some("leak"), Some(bytes)) => leak(bytes),
        (Some("churn"), Some(bytes)) => churn(bytes),
        (Some("heap"), Some(bytes)) => heap(bytes),
        (Some("refused"), None) => refused(),
        (Some("reserved"), Some(bytes)) => reserved(bytes),
        (Some("limit"), None) => limit(),
        (Some("peak"), Some(bytes)) => peak(bytes),
        (Some("waits"), None) => waits(file.ok_or("which file?")?),
        (Some("asleep"), None) => stay(),
        _ => {
            Err("usage: trouble leak|churn|heap|reserved|peak BYTES, trouble waits FILE, or trouble refused|limit|asleep".into())
        }
    }
}

fn say(word: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{word}")?;
    out.flush()
}

fn name(kind: &str) -> Result<(), Box<dyn std::error::Error>> {
    let name = std::ffi::CString::new(format!("trouble-{kind}"))?;
    // SAFETY: the name ends with NUL and is valid until the call returns.
    let done = unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr(), 0, 0, 0) };
    if done == 0 { Ok(()) } else { Err(std::io::Error::last_os_error().into()) }
}

fn is_over() -> bool {
    OVER.load(Ordering::Relaxed)
}

type Done = Result<(), Box<dyn std::error::Error>>;

/// Prints `done` and waits for the end of stdin.
fn stay() -> Done {
    say("done")?;
    while !is_over() {
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Prints `done` and then runs a round after each pause.
fn again(pause: Duration, mut round: impl FnMut()) -> Done {
    say("done")?;
    while !is_over() {
        round();
        std::thread::sleep(pause);
    }
    Ok(())
}

/// Maps private writable memory.
fn map(length: usize) -> std::io::Result<*mut u8> {
    let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: anonymous memory at an address that the kernel chooses.
    let address = unsafe { libc::mmap(std::ptr::null_mut(), length, protection, flags, -1, 0) };
    if address == libc::MAP_FAILED { Err(std::io::Error::last_os_error()) } else { Ok(address.cast()) }
}

fn touch(address: *mut u8, length: usize) {
    for at in (0..length).step_by(PAGE) {
        // SAFETY: callers pass their own mapping with its length.
        unsafe { address.add(at).write_volatile(1) };
    }
}

fn unmap(address: *mut u8, length: usize) {
    // SAFETY: callers pass their own whole mapping, and nothing uses it any more.
    let done = unsafe { libc::munmap(address.cast(), length) };
    assert_eq!(done, 0);
}

fn leak(per_second: usize) -> Done {
    const PIECES: u32 = 10;
    let piece = (per_second / PIECES as usize).next_multiple_of(PAGE);
    again(Duration::from_secs(1) / PIECES, || {
        if let Ok(address) = map(piece) {
            touch(address, piece);
        }
    })
}

fn churn(size: usize) -> Done {
    again(Duration::from_millis(2), || {
        if let Ok(address) = map(size) {
            touch(address, size);
            unmap(address, size);
        }
    })
}

fn heap(size: usize) -> Done {
    let by = i64::try_from(size)?;
    again(Duration::from_millis(1), || {
        for _ in 0..10 {
            // SAFETY: the end of the heap is moved up and then back, within one thread. Nothing
            // uses the memory between.
            unsafe {
                let before = libc::syscall(libc::SYS_brk, 0);
                if libc::syscall(libc::SYS_brk, before + by) == before + by {
                    touch(std::ptr::with_exposed_provenance_mut(usize::try_from(before).unwrap_or(0)), size);
                }
                libc::syscall(libc::SYS_brk, before);
            }
        }
    })
}

/// Limits this process's address space.
fn limit_address_space(bytes: u64) -> std::io::Result<()> {
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
    // SAFETY: the limit is only read.
    let done = unsafe { libc::setrlimit(libc::RLIMIT_AS, &raw const limit) };
    if done == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

fn refused() -> Done {
    limit_address_space(512 * MIB as u64)?;
    for _ in 0..3 {
        assert!(map(1024 * MIB).is_err(), "the limit refuses it");
    }
    stay()
}

fn reserved(size: usize) -> Done {
    touch(map(size)?, PAGE);
    stay()
}

fn limit() -> Done {
    limit_address_space(512 * MIB as u64)?;
    // Existing mappings (program, libraries, a thread's stack and arena) take at most about 200
    // MiB.
    let mut piece = 64 * MIB;
    while piece >= MIB {
        if map(piece).is_err() {
            piece /= 2;
        }
    }
    stay()
}

fn peak(size: usize) -> Done {
    std::thread::sleep(Duration::from_secs(8));
    let address = map(size)?;
    touch(address, size);
    std::thread::sleep(Duration::from_secs(1));
    unmap(address, size);
    stay()
}

/// Reads a file that does not fit into the control group, so that its pages are dropped and read
/// again each time.
fn waits(file: &str) -> Done {
    let mut written = std::fs::File::create(file)?;
    for _ in 0..128 {
        written.write_all(&[1; MIB])?;
        // Pages that are not yet on disk could not be dropped.
        written.sync_data()?;
    }
    again(Duration::ZERO, || {
        let read =
            std::fs::File::open(file).and_then(|mut file| std::io::copy(&mut file, &mut std::io::sink()));
        if let Err(error) = read {
            eprintln!("{file}: {error}");
        }
    })
}
