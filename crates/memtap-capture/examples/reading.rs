//! Program for `cargo xtask bench`: prints the milliseconds of CPU time for one reading of all
//! processes, decoded (median of several readings).

use memtap_capture::{Settings, Source, SourceChoice, open};
use memtap_model::Observation;
use nix::time::{ClockId, clock_gettime};

const READINGS: usize = 5;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut source = open(&SourceChoice::Bpf, &Settings::default())?.source;
    // The first readings also read details from /proc, a limited number at a time.
    while read(source.as_mut())?.iter().any(|seen| matches!(seen, Observation::Details(_))) {}
    let mut took = Vec::new();
    for _ in 0..READINGS {
        let before = cpu_ms()?;
        read(source.as_mut())?;
        took.push(cpu_ms()? - before);
    }
    took.sort_by(f64::total_cmp);
    println!("{}", took[READINGS / 2]);
    Ok(())
}

fn read(source: &mut dyn Source) -> Result<Vec<Observation>, Box<dyn std::error::Error>> {
    source.tick()?;
    let mut observations = Vec::new();
    while observations.last() != Some(&Observation::AllRead) {
        source.poll(8192, &mut observations)?;
    }
    Ok(observations)
}

fn cpu_ms() -> Result<f64, Box<dyn std::error::Error>> {
    // This clock counts nanoseconds; getrusage may count whole clock ticks.
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?;
    Ok(time.tv_sec() as f64 * 1e3 + time.tv_nsec() as f64 / 1e6)
}
