//! The stream under overload: more runnable threads than processors, and all of them make memory
//! requests.

use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

use crate::serving::Serving;

/// Stressors of stress-ng with the number of workers and further options. There are 25 workers in
/// total.
const STRESSORS: [(&str, &str, &[&str]); 17] = [
    ("mmap", "2", &["--mmap-bytes=32M"]),
    ("mremap", "2", &["--mremap-bytes=16M"]),
    ("vm", "2", &["--vm-bytes=32M"]),
    ("brk", "2", &[]),
    ("fork", "2", &[]),
    ("munmap", "2", &[]),
    ("madvise", "2", &[]),
    ("memfd", "2", &[]),
    ("shm-sysv", "1", &["--shm-sysv-bytes=8M"]),
    ("vfork", "1", &[]),
    ("clone", "1", &[]),
    ("pthread", "1", &[]),
    ("stack", "1", &[]),
    ("mlock", "1", &[]),
    ("stackmmap", "1", &[]),
    ("aio", "1", &[]),
    ("userfaultfd", "1", &[]),
];
const SECONDS: u64 = 20;
const ROUNDS: usize = 3;
/// Limit for lost requests at the default priority, in percent of the requests made.
const MOST_LOST: f64 = 1.0;

/// Runs the same load with memtap at nice value 0 and at its default priority, in turn.
pub(super) fn check() -> anyhow::Result<()> {
    let mut worst = 0.0_f64;
    for round in 1..=ROUNDS {
        for (arguments, name) in [(&["--nice=0"][..], "nice 0"), (&[], "default")] {
            let (made, lost) = measure(arguments)?;
            let percent = 100.0 * lost / made;
            println!("  round {round}, {name}: {made} requests, {percent:.2} % lost in the stream");
            if arguments.is_empty() {
                worst = worst.max(percent);
            }
        }
    }
    if worst > MOST_LOST {
        bail!("{worst:.2} % lost at the default priority, more than {MOST_LOST} %");
    }
    Ok(())
}

/// Returns the numbers of requests made and lost while stress-ng runs.
fn measure(arguments: &[&str]) -> anyhow::Result<(f64, f64)> {
    let serving = Serving::start_with(arguments)?;
    let folder = tempfile::tempdir()?;
    let mut stress = Command::new("stress-ng");
    stress.arg("--temp-path").arg(folder.path()).arg(format!("--timeout={SECONDS}s"));
    for (stressor, count, sizes) in STRESSORS {
        stress.arg(format!("--{stressor}={count}")).args(sizes);
    }
    stress.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    stress.status().context("cannot start stress-ng (apt-get install stress-ng)")?;
    // The last records are counted after up to two ticks.
    std::thread::sleep(std::time::Duration::from_secs(3));
    let requests = serving.health()?["requests"].clone();
    let number = |name: &str| requests[name].as_f64().with_context(|| format!("no {name} in {requests}"));
    Ok((number("made")?, number("lost")?))
}
