//! The trait that every source implements, and the choice of a source.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use memtap_model::{HostReading, Layout, Notice, Observation, WallClock};
use serde::{Deserialize, Serialize};

use crate::{CaptureError, Filter, Plan, bpf, error, procfs, read_host, recording, systemtap};

/// A source of observations, owned by one thread.
pub trait Source: Send {
    /// Kind of this source.
    fn kind(&self) -> SourceKind;

    /// Plan by which the source sees requests; `None` if it sees none.
    fn plan(&self) -> Option<Plan> {
        None
    }

    /// Begins a reading of all processes. Its observations are returned by [`Source::poll`], in
    /// order with all others, and end with [`Observation::AllRead`].
    ///
    /// # Errors
    /// Fails if the kernel denies the reading or does not support it.
    fn tick(&mut self) -> Result<(), CaptureError>;

    /// Adds about `room` available observations to `out` without waiting, and returns their number.
    /// An observation that ends a reading is the last one.
    ///
    /// # Errors
    /// Fails for the same reasons as [`Source::tick`].
    fn poll(&mut self, room: usize, out: &mut Vec<Observation>) -> Result<usize, CaptureError>;

    /// Waits until so much is pending that it should be read at once, but at most `most`. A source
    /// that cannot detect this waits for a short time.
    fn rest(&mut self, most: Duration) {
        std::thread::sleep(most.min(Settings::default().rest));
    }

    /// Time of the latest observation, if the source does not use this machine's clock.
    fn time(&self) -> Option<WallClock> {
        None
    }

    /// Memory of the machine at the end of a reading.
    ///
    /// # Errors
    /// Fails if it cannot be read.
    fn host(&mut self) -> std::io::Result<HostReading> {
        read_host()
    }

    /// Returns whether the source has ended, so that it never returns another observation.
    fn is_over(&self) -> bool {
        false
    }
}

/// Source that the user chooses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceChoice {
    /// eBPF, or /proc with a notice if eBPF is not possible.
    Auto,
    /// eBPF only.
    Bpf,
    /// Memory usage from /proc.
    Procfs,
    /// Lines of a SystemTap script, from a file, a pipe, or (`-`) standard input.
    SystemTap(PathBuf),
    /// A file written by `memtap record`.
    Recording(PathBuf),
}

impl SourceChoice {
    /// File that the source reads, unless it is standard input.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::SystemTap(path) | Self::Recording(path) if path != Path::new("-") => Some(path),
            _ => None,
        }
    }
}

impl FromStr for SourceChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            "bpf" => Ok(Self::Bpf),
            "procfs" => Ok(Self::Procfs),
            other => match other.split_once(':') {
                Some(("systemtap", path)) if !path.is_empty() => Ok(Self::SystemTap(path.into())),
                Some(("recording", path)) if !path.is_empty() => Ok(Self::Recording(path.into())),
                _ => Err(format!(
                    "unknown source '{other}'; expected auto, bpf, procfs, systemtap:FILE or recording:FILE (FILE can be - for standard input)"
                )),
            },
        }
    }
}

/// Kind of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// The kernel, through eBPF.
    Bpf,
    /// Memory usage from /proc, without requests.
    Procfs,
    /// Requests from a SystemTap script.
    SystemTap,
    /// Contents of a recording.
    Recording,
    /// Requests of one command, traced by memtap.
    Ptrace,
}

impl SourceKind {
    /// Name in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bpf => "bpf",
            Self::Procfs => "procfs",
            Self::SystemTap => "systemtap",
            Self::Recording => "recording",
            Self::Ptrace => "ptrace",
        }
    }
}

/// Options of a source and of its reader.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Processes and requests to report.
    pub filter: Filter,
    /// The file that the source reads, already open. memtap may have dropped the privilege to open
    /// it again.
    pub input: Option<Arc<File>>,
    /// Size of the kernel's ring, bytes: a power of two and a multiple of the page size.
    pub ring_bytes: u32,
    /// Bytes of the ring that requests may fill; `None` means three quarters. The last part is
    /// reserved for forks, execs, exits and readings.
    pub ring_requests: Option<u32>,
    /// Number of processes that may have accounts in the kernel.
    pub accounts: u32,
    /// Gives each request its own time, even if reading the clock is slow. Otherwise, requests of
    /// one process within a tick of the kernel's timer (1 to 10 ms) may share the time of the first
    /// one.
    pub exact_times: bool,
    /// Plan by which requests are seen; `None` chooses the best one for the kernel.
    pub plan: Option<Plan>,
    /// Columns of a SystemTap script's lines.
    pub columns: Layout,
    /// Seconds by which that script's clock was ahead of UTC.
    pub utc_offset: i64,
    /// Playback speed of a recording; `None` plays it as fast as it can be read.
    pub speed: Option<f64>,
    /// Time between two readings of all processes.
    pub tick: Duration,
    /// Shortest sleep after the ring was empty. The reader sleeps longer while few records arrive.
    pub poll: Duration,
    /// Longest sleep. Records are passed on at least this often, and earlier if many arrive.
    pub rest: Duration,
}

impl Settings {
    /// Bytes of the ring that requests may fill.
    #[must_use]
    pub fn request_bytes(&self) -> u32 {
        let most = self.ring_bytes / 4 * 3;
        self.ring_requests.map_or(most, |bytes| bytes.min(most))
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            filter: Filter::default(),
            input: None,
            ring_bytes: 16 << 20,
            ring_requests: None,
            accounts: 32_768,
            exact_times: false,
            plan: None,
            columns: Layout::default(),
            utc_offset: 0,
            speed: None,
            tick: Duration::from_secs(1),
            poll: Duration::from_millis(1),
            rest: Duration::from_millis(20),
        }
    }
}

/// An opened source.
pub struct Opened {
    /// The source.
    pub source: Box<dyn Source>,
    /// Problems that reduce what the source sees.
    pub notices: Vec<Notice>,
    /// The observed machine, if it is not the present state of this one.
    pub machine: Option<Machine>,
}

/// The machine that a recording was made on, and the time when it began.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Time when memtap started.
    pub began: WallClock,
    /// Host name.
    pub hostname: String,
    /// Kernel release.
    pub kernel: String,
    /// Id of the boot.
    pub boot_id: String,
    /// Page size, bytes.
    pub page_size: u64,
    /// Number of processors.
    pub cpus: usize,
}

/// Opens the chosen source.
///
/// # Errors
/// Fails if the source is not permitted or not possible. [`SourceChoice::Auto`] fails only if not
/// even /proc can be read.
pub fn open(choice: &SourceChoice, settings: &Settings) -> Result<Opened, CaptureError> {
    let with_bpf =
        |source: bpf::Bpf| Opened { notices: source.notices(), source: Box::new(source), machine: None };
    match choice {
        SourceChoice::Bpf => bpf::Bpf::open(settings).map(with_bpf),
        SourceChoice::Procfs => Ok(Opened {
            source: Box::new(procfs::Procfs::open(settings)?),
            notices: Vec::new(),
            machine: None,
        }),
        SourceChoice::SystemTap(path) => {
            let source = systemtap::SystemTap::open(path, settings)?;
            Ok(Opened { source: Box::new(source), notices: Vec::new(), machine: None })
        }
        SourceChoice::Recording(path) => recording::open(path, settings),
        SourceChoice::Auto => match bpf::Bpf::open(settings) {
            Ok(source) => Ok(with_bpf(source)),
            Err(reason) => Ok(Opened {
                source: Box::new(procfs::Procfs::open(settings)?),
                notices: vec![requests_are_missing(&reason)],
                machine: None,
            }),
        },
    }
}

fn requests_are_missing(reason: &CaptureError) -> Notice {
    let fix = match reason {
        CaptureError::NotPermitted { fix, .. } => fix.clone(),
        CaptureError::Locked => error::UNLOCK.to_owned(),
        _ => "memtap doctor".to_owned(),
    };
    let why = match reason {
        CaptureError::NotPermitted { step, reason, .. } => {
            format!("eBPF is not permitted ({step}: {reason})")
        }
        CaptureError::Unsupported { step, reason } => {
            format!("this kernel cannot run memtap's eBPF programs ({step}: {reason})")
        }
        other => other.summary(),
    };
    // The page recognizes this notice by its first words.
    Notice { what: format!("requests are not visible, only the memory usage from /proc: {why}"), fix }
}
