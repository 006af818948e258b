//! Followers of a load: none, memtap, the cheapest possible tracer, and memtap's peers.
//! [`Follower::start`] attaches a follower, and dropping the result detaches it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::run::run;
use crate::serving::Serving;

/// Memory calls that peers follow. They include the calls of all loops.
const CALLS: [&str; 4] = ["mmap", "munmap", "mremap", "brk"];
/// Time that a peer gets to attach its probes. A peer does not report when it is ready, so the
/// results include the share of calls that it printed.
const SETTLED: Duration = Duration::from_millis(2500);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Follower {
    Nothing,
    /// The example `attach` of memtap-capture with these arguments.
    Attached(&'static [&'static str]),
    /// `memtap serve` at its default settings, with its store.
    Serve,
    BpftraceCounting,
    BpftracePrinting,
    PerfTrace,
    Strace,
    StraceSeccomp,
}

impl Follower {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing attached",
            Self::Attached(["floor", "exit"]) => "floor of plan exit",
            Self::Attached(["floor", ..]) => "floor of plan exit+locks",
            Self::Attached(["unwatched", ..]) => "`memtap trace` of another process",
            Self::Attached(["exit"]) => "memtap, plan exit",
            Self::Attached(_) => "memtap, plan exit+locks",
            Self::Serve => "`memtap serve` with its history",
            Self::BpftraceCounting => "bpftrace, counting",
            Self::BpftracePrinting => "bpftrace, printing",
            Self::PerfTrace => "perf trace",
            Self::Strace => "strace",
            Self::StraceSeccomp => "strace --seccomp-bpf",
        }
    }

    /// Divisor for the number of rounds, so that all followers take about as long.
    pub(crate) fn slowness(self) -> u64 {
        match self {
            Self::BpftraceCounting => 4,
            Self::BpftracePrinting => 10,
            Self::PerfTrace => 30,
            Self::Strace | Self::StraceSeccomp => 100,
            _ => 1,
        }
    }

    pub(crate) fn start(self) -> anyhow::Result<Following> {
        let folder = tempfile::tempdir()?;
        let output = folder.path().join("output");
        let tracer = match self {
            Self::Nothing | Self::Strace | Self::StraceSeccomp => Tracer::None,
            Self::Attached(words) => Tracer::Attached(attach(words)?),
            Self::Serve => Tracer::Serve(Serving::start(true)?),
            Self::BpftraceCounting => Tracer::Peer(peer(
                Command::new("bpftrace").args(["-e", &script("@[probe, pid] = count();")]),
                &output,
            )?),
            Self::BpftracePrinting => {
                let print = "printf(\"%s %d %s %ld\\n\", probe, pid, comm, args->ret);";
                Tracer::Peer(peer(Command::new("bpftrace").args(["-e", &script(print)]), &output)?)
            }
            Self::PerfTrace => {
                let mut perf = Command::new("perf");
                perf.args(["trace", "-a", "-e", &CALLS.join(","), "-o"]).arg(&output);
                Tracer::Peer(peer(&mut perf, &folder.path().join("stdout"))?)
            }
        };
        Ok(Following { follower: self, tracer, output, _folder: folder })
    }
}

/// Mounts tracefs for the peers if it is not mounted, and unmounts it when dropped.
pub(crate) struct Tracefs {
    is_ours: bool,
}

const TRACEFS: &str = "/sys/kernel/tracing";

impl Tracefs {
    pub(crate) fn provide() -> anyhow::Result<Self> {
        let is_ours = !Path::new(TRACEFS).join("events").exists();
        if is_ours {
            run(Command::new("mount").args(["-t", "tracefs", "tracefs", TRACEFS]))?;
        }
        Ok(Self { is_ours })
    }
}

impl Drop for Tracefs {
    fn drop(&mut self) {
        if self.is_ours {
            let _ = run(Command::new("umount").arg(TRACEFS));
        }
    }
}

fn script(action: &str) -> String {
    let probes: Vec<String> =
        CALLS.iter().map(|call| format!("tracepoint:syscalls:sys_exit_{call}")).collect();
    format!("{} {{ {action} }}", probes.join(", "))
}

/// Starts a peer. SIGINT ends it later, so that it prints its results.
fn peer(command: &mut Command, out: &Path) -> anyhow::Result<Child> {
    let errors = File::create(out.with_extension("errors"))?;
    let mut child = command.stdin(Stdio::null()).stdout(File::create(out)?).stderr(errors).spawn()?;
    std::thread::sleep(SETTLED);
    if let Some(status) = child.try_wait()? {
        let message = std::fs::read_to_string(out.with_extension("errors"))?;
        bail!("{command:?} ended at once ({status}): {message}");
    }
    Ok(child)
}

fn attach(words: &[&str]) -> anyhow::Result<Child> {
    let program = crate::target().join("release/examples/attach");
    let mut child = Command::new(program).args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut ready = String::new();
    let mut out = std::io::BufReader::new(child.stdout.take().context("piped")?);
    std::io::BufRead::read_line(&mut out, &mut ready)?;
    if ready.trim() != "attached" {
        bail!("the programs did not attach: {words:?}");
    }
    Ok(child)
}

enum Tracer {
    None,
    Attached(Child),
    Serve(Serving),
    Peer(Child),
}

/// A follower that is attached.
pub(crate) struct Following {
    follower: Follower,
    tracer: Tracer,
    output: PathBuf,
    _folder: tempfile::TempDir,
}

impl Following {
    /// Returns the command that runs a program under this follower. strace starts the program
    /// itself; other followers run tracer it.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let seccomp: &[&str] =
            if self.follower == Follower::StraceSeccomp { &["--seccomp-bpf"] } else { &[] };
        match self.follower {
            Follower::Strace | Follower::StraceSeccomp => {
                let mut command = Command::new("strace");
                command
                    .args(["-f", "-A", "-e", "trace=%memory"])
                    .args(seccomp)
                    .arg("-o")
                    .arg(&self.output)
                    .arg(program);
                command
            }
            _ => Command::new(program),
        }
    }

    /// Detaches the follower. Returns the number of memory calls that it printed, or `None` if it
    /// does not print each call.
    pub(crate) fn end(mut self) -> anyhow::Result<Option<u64>> {
        self.stop();
        match self.follower {
            Follower::BpftracePrinting | Follower::PerfTrace | Follower::Strace | Follower::StraceSeccomp => {
                let text = std::fs::read(&self.output)?;
                Ok(Some(text.split(|byte| *byte == b'\n').filter(|line| reports_call(line)).count() as u64))
            }
            _ => Ok(None),
        }
    }

    fn stop(&mut self) {
        match std::mem::replace(&mut self.tracer, Tracer::None) {
            Tracer::None => {}
            // The example exits at the end of its stdin.
            Tracer::Attached(mut child) => {
                drop(child.stdin.take());
                let _ = child.wait();
            }
            Tracer::Serve(serving) => drop(serving),
            Tracer::Peer(mut child) => {
                let _ = kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT);
                let _ = child.wait();
            }
        }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.stop();
    }
}

fn reports_call(line: &[u8]) -> bool {
    let text = String::from_utf8_lossy(line);
    CALLS.iter().any(|call| text.contains(&format!("{call}(")) || text.contains(&format!("sys_exit_{call} ")))
}
