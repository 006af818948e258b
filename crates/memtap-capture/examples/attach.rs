//! For `cargo xtask bench`: attaches and stays until stdin ends. `attach full` is the source as memtap runs it, read by its thread;
//! `attach empty` has programs on the same tracepoints that return at once, as the table of calls is empty.

use std::io::Read as _;

use memtap_capture::{Settings, SourceChoice, open, spawn, without_calls};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let settings = Settings::default();
    let source = match std::env::args().nth(1).as_deref() {
        Some("full") => open(SourceChoice::Bpf, &settings)?.source,
        Some("empty") => without_calls(&settings)?,
        _ => return Err("usage: attach full | empty".into()),
    };
    let (sender, mut batches) = tokio::sync::mpsc::channel(16);
    let reader = spawn(source, settings, sender)?;
    let consumer = std::thread::spawn(move || while batches.blocking_recv().is_some() {});
    println!("attached");
    std::io::stdin().read_to_end(&mut Vec::new())?;
    reader.stop();
    consumer.join().map_err(|_| "the consumer has panicked")?;
    Ok(())
}
