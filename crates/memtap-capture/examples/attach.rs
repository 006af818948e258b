//! For `cargo xtask bench`: attaches and stays until stdin ends. `attach PLAN` is the source as memtap runs it by that plan, read by its
//! thread; `attach empty` has programs on the tracepoints of plan exit that return at once, as the table of calls is empty.

use std::io::Read as _;

use memtap_capture::{Settings, SourceChoice, open, spawn, without_calls};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let what = std::env::args().nth(1).ok_or("usage: attach PLAN | empty")?;
    let plan = if what == "empty" { "exit" } else { &what };
    let settings = Settings { plan: Some(plan.parse()?), ..Settings::default() };
    let source = match what.as_str() {
        "empty" => without_calls(&settings)?,
        _ => open(&SourceChoice::Bpf, &settings)?.source,
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
