//! The port: what a source must do, and which one is opened.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use memtap_model::{HostReading, Layout, Notice, Observation, WallClock};
use serde::{Deserialize, Serialize};

use crate::{CaptureError, Filter, Plan, bpf, error, procfs, read_host, recording, systemtap};

/// A source of observations; one thread owns it.
pub trait Source: Send {
    /// Which one it is.
    fn kind(&self) -> SourceKind;

    /// By which plan it sees requests; `None` when it sees none.
    fn plan(&self) -> Option<Plan> {
        None
    }

    /// Begins a reading of all processes; it comes through [`Source::poll`], in order with everything else, and ends with
    /// [`Observation::AllRead`].
    ///
    /// # Errors
    /// When the kernel denies or lacks what is needed.
    fn tick(&mut self) -> Result<(), CaptureError>;

    /// Takes about `room` observations that are there already, without waiting; gives how many. One that ends a reading is the last.
    ///
    /// # Errors
    /// As [`Source::tick`].
    fn poll(&mut self, room: usize, out: &mut Vec<Observation>) -> Result<usize, CaptureError>;

    /// Waits, at most so long, until so much has come that it should be taken at once. A source that cannot tell looks again soon.
    fn rest(&mut self, most: Duration) {
        std::thread::sleep(most.min(Settings::default().rest));
    }

    /// The time of what it observes, where that is not this machine's clock.
    fn time(&self) -> Option<WallClock> {
        None
    }

    /// The machine's memory as a reading ends.
    ///
    /// # Errors
    /// When it cannot be read.
    fn host(&mut self) -> std::io::Result<HostReading> {
        read_host()
    }

    /// Whether nothing will ever come any more.
    fn is_over(&self) -> bool {
        false
    }
}

/// What may be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceChoice {
    /// eBPF, else /proc with a notice.
    Auto,
    /// eBPF or nothing.
    Bpf,
    /// What /proc shows.
    Procfs,
    /// Lines of a SystemTap script, from a file, a pipe, or (`-`) standard input.
    SystemTap(PathBuf),
    /// What `memtap record` wrote.
    Recording(PathBuf),
}

impl SourceChoice {
    /// The file that the source reads, where it is not standard input.
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

/// Which source it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// The kernel, by eBPF.
    Bpf,
    /// Usage from /proc, no requests.
    Procfs,
    /// Requests from a SystemTap script.
    SystemTap,
    /// What a recording holds.
    Recording,
    /// Requests of one command, whose tracer memtap is.
    Ptrace,
}

impl SourceKind {
    /// Its name in the API.
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

/// How to read.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What is wanted.
    pub filter: Filter,
    /// The file that the source reads, already open: whoever opened it may have given up the right to open it again.
    pub input: Option<Arc<File>>,
    /// Size of the kernel's ring, bytes: a power of two and a multiple of the page size.
    pub ring_bytes: u32,
    /// How much of it requests may fill, bytes; `None`: three quarters. The rest is for forks, execs, exits and readings.
    pub ring_requests: Option<u32>,
    /// How many processes may have accounts in the kernel.
    pub accounts: u32,
    /// Each request has a time of its own, where it costs much to read the clock. Else those of one process within a tick of the kernel's
    /// timer (1 to 10 ms) may have the time of the first of them.
    pub exact_times: bool,
    /// How requests are seen; `None`: as the facts speak for.
    pub plan: Option<Plan>,
    /// The columns of a SystemTap script's lines.
    pub columns: Layout,
    /// What that script's clock was ahead of UTC, seconds.
    pub utc_offset: i64,
    /// How much faster than it was a recording is told; `None`: as fast as it can be read.
    pub speed: Option<f64>,
    /// Time between two readings of all processes.
    pub tick: Duration,
    /// The shortest sleep when the ring was empty; the reader sleeps longer while little comes.
    pub poll: Duration,
    /// The longest: what comes is told no later, unless there is much of it.
    pub rest: Duration,
}

impl Settings {
    /// What requests may fill of the ring, bytes.
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
    /// What is missing.
    pub notices: Vec<Notice>,
    /// Whose memory it is, where that is not this machine as it is now.
    pub machine: Option<Machine>,
}

/// The machine that a recording was made on, and when it began.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// When memtap came.
    pub began: WallClock,
    /// Its name.
    pub hostname: String,
    /// Its kernel's release.
    pub kernel: String,
    /// Its boot's identity.
    pub boot_id: String,
    /// Bytes of a page.
    pub page_size: u64,
    /// Processors.
    pub cpus: usize,
}

/// Opens the chosen source.
///
/// # Errors
/// When it is denied or not possible; with [`SourceChoice::Auto`] only when not even /proc can be read.
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
        other => other.found(),
    };
    // The page finds this notice by its first words.
    Notice { what: format!("requests are not visible, only the memory usage from /proc: {why}"), fix }
}
