//! Program for `cargo xtask bench`: attaches and stays until stdin ends.
//!
//!     attach PLAN              the source as memtap runs it by that plan, read by its thread
//!     attach unwatched PLAN    the same with a filter for this process only: cost for all others
//!     attach floor PLAN        programs that return at once on the plan's hooks, and an empty
//!                              record in a ring for each memory call: least cost of such a tracer

use std::io::Read as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aya::maps::RingBuf;
use aya::programs::BtfTracePoint;
use aya::{Btf, EbpfLoader};
use memtap_capture::{Filter, Settings, SourceChoice, open, spawn};
use memtap_model::{CALLS, Tgid};

static FLOOR: &[u8] = aya::include_bytes_aligned!("../bpf/floor.bpf.o");

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["floor", plan] => floor(plan.contains("locks")),
        ["unwatched", plan] => {
            let pids = vec![Tgid(std::process::id())];
            memtap(plan, Filter { pids, ..Filter::default() })
        }
        [plan] => memtap(plan, Filter::default()),
        _ => Err("usage: attach [floor | unwatched] PLAN".into()),
    }
}

fn memtap(plan: &str, filter: Filter) -> Result<(), Box<dyn std::error::Error>> {
    let settings = Settings { plan: Some(plan.parse()?), filter, ..Settings::default() };
    let source = open(&SourceChoice::Bpf, &settings)?.source;
    let (sender, mut batches) = tokio::sync::mpsc::channel(16);
    let reader = spawn(source, &settings, sender)?;
    let consumer = std::thread::spawn(move || while batches.blocking_recv().is_some() {});
    until_stdin_ends()?;
    reader.stop();
    consumer.join().map_err(|_| "the consumer has panicked")?;
    Ok(())
}

fn floor(locks: bool) -> Result<(), Box<dyn std::error::Error>> {
    let mut followed = [0_u8; 512];
    for row in CALLS {
        followed[usize::from(row.number_x86_64)] = 1;
    }
    let btf = Btf::from_sys_fs()?;
    let mut ebpf =
        EbpfLoader::new().btf(Some(&btf)).override_global("followed", &followed[..], true).load(FLOOR)?;
    let hooks = [
        ("floor_exit", "sys_exit"),
        ("floor_locked", "mmap_lock_acquire_returned"),
        ("floor_released", "mmap_lock_released"),
    ];
    for (name, tracepoint) in &hooks[..if locks { 3 } else { 1 }] {
        let program: &mut BtfTracePoint = ebpf.program_mut(name).ok_or("no such program")?.try_into()?;
        program.load(tracepoint, &btf)?;
        program.attach()?;
    }
    let mut ring = RingBuf::try_from(ebpf.take_map("ring").ok_or("no ring")?)?;
    let is_over = Arc::new(AtomicBool::new(false));
    let stop_flag = Arc::clone(&is_over);
    let reader = std::thread::spawn(move || {
        while !stop_flag.load(Ordering::Relaxed) {
            while ring.next().is_some() {}
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    until_stdin_ends()?;
    is_over.store(true, Ordering::Relaxed);
    reader.join().map_err(|_| "the reader has panicked")?;
    Ok(())
}

fn until_stdin_ends() -> std::io::Result<()> {
    println!("attached");
    std::io::stdin().read_to_end(&mut Vec::new()).map(drop)
}
