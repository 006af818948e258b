//! Command line types. They are used only while parsing: `config.rs` resolves them to settings.

mod chosen;
mod number;
mod priority;
mod record;
mod report;
mod run;
mod store;
mod store_url;
mod top;
mod trace;
mod value;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use memtap_capture::{Plan, SourceChoice};
use memtap_store::StoreUrl;

use crate::confine::User;
use store_url::StoreUrlParser;
use value::{bytes, memory, origin, ring_size, size, speed, time_span, utc_offset};

pub(crate) use chosen::ChosenRequests;
pub(crate) use priority::PriorityArguments;
pub(crate) use record::RecordArguments;
pub(crate) use report::{Compared, ReportArguments};
pub(crate) use run::{RunArguments, RunFormat};
pub(crate) use store::{ExportArguments, ExportFormat, StoreArguments, StoreCommand, WhichStore};
pub(crate) use top::{SERVED_AT, TopArguments};
pub(crate) use trace::{TraceArguments, TraceFormat};
pub(crate) use value::{age, call};

const EXAMPLES: &str = "\
Examples:
  sudo memtap                                capture everything; dashboard on http://127.0.0.1:3000
  memtap                                     without root: what /proc lets you see, no requests
  sudo memtap serve --listen 127.0.0.1:8080  use another port
  sudo memtap serve --store none             keep no history
  sudo MEMTAP_STORE=mysql://me:secret@db/memtap memtap
                                             history in MySQL or MariaDB; several machines can share it
  memtap serve --source recording:FILE       open a recording (sudo memtap record -o FILE)
  memtap top                                 show the same in a terminal
  sudo memtap trace -p 1234 --follow         print the requests of a process and its descendants
  memtap report -o report.html               report on the last hour
  memtap run -- COMMAND                      report what a command requested; needs no root
  memtap doctor                              check what this kernel and your permissions allow";

const IMPORT_EXAMPLES: &str = "\
Examples:
  memtap import lines.csv                        lines of the original system's script
  memtap import --utc-offset -21600 lines.csv    the same, from a clock six hours behind UTC
  memtap import --columns 'time\\tpid\\tname\\tcall\\tlength' lines.tsv
  memtap import --columns 'pid call length time name' lines.txt
  stap script.stp | memtap import -              from a pipe
  memtap import --format recording morning.mtrec a recording made with memtap record

memtap counts damaged lines and prints the first ones with their numbers. They never stop an import.";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  memtap completions bash > ~/.local/share/bash-completion/completions/memtap
  memtap completions zsh > ~/.zfunc/_memtap
  memtap completions fish > ~/.config/fish/completions/memtap.fish";

const DOCTOR_EXIT: &str = "\
Exit code: 0 if memtap can see all requests, 1 if it sees memory usage only, 3 if a permission is missing.";

/// Show every memory request of every Linux process, live and in history: what was requested, what
/// the kernel answered, and where the memory went
#[derive(Debug, Parser)]
#[command(name = "memtap", version, disable_version_flag = true, after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    /// Print the version; with --verbose, also the components of memtap and their licences
    #[arg(short = 'V', long)]
    pub(crate) version: bool,
    #[arg(long, requires = "version", hide = true)]
    pub(crate) verbose: bool,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) serve: ServeArguments,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Capture requests, keep the history, and serve the dashboard (the default command)
    #[command(after_help = EXAMPLES)]
    Serve(ServeArguments),
    /// Show processes, their memory ledgers and their requests live in the terminal
    #[command(after_help = top::EXAMPLES)]
    Top(TopArguments),
    /// Run a command and report what memory it and its descendants requested
    #[command(after_help = run::EXAMPLES)]
    Run(RunArguments),
    /// Print requests as they return from the kernel, like strace
    #[command(after_help = trace::EXAMPLES)]
    Trace(TraceArguments),
    /// Import output of the original SystemTap script, or a recording, into the history
    #[command(after_help = IMPORT_EXAMPLES)]
    Import(ImportArguments),
    /// Record what memtap observes to a file, for playback on any machine
    #[command(after_help = record::EXAMPLES)]
    Record(RecordArguments),
    /// Report on a range of the history, in the terminal or as a file
    #[command(after_help = report::EXAMPLES)]
    Report(Box<ReportArguments>),
    /// Show, check, compact or export the history
    Store(StoreArguments),
    /// Check what this kernel and your permissions allow, and how to fix problems
    #[command(after_help = DOCTOR_EXIT)]
    Doctor(DoctorArguments),
    /// Print a script that completes memtap's commands and options in a shell
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions {
        /// Shell to write the script for
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write all manual pages to a directory
    Man {
        /// Output directory for memtap.1, memtap-serve.1 and so on [default: memtap.1 to standard
        /// output]
        #[arg(short, long, value_name = "DIR")]
        output: Option<PathBuf>,
    },
}

impl Command {
    /// Returns whether the command uses the settings file, above all for the place of the history.
    pub(crate) fn uses_settings(&self) -> bool {
        matches!(self, Self::Serve(_) | Self::Import(_) | Self::Report(_) | Self::Store(_) | Self::Doctor(_))
    }

    /// Returns whether the command writes its log in a separate thread.
    pub(crate) fn logs_in_background(&self) -> bool {
        matches!(self, Self::Serve(_) | Self::Trace(_) | Self::Record(_))
    }
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    #[command(flatten)]
    pub(crate) which: WhichStore,

    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: DoctorFormat,
}

/// The output format of `memtap doctor`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum DoctorFormat {
    /// Text for reading
    Text,
    /// One JSON object
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArguments {
    /// Input file; - is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    pub(crate) file: PathBuf,

    #[command(flatten)]
    pub(crate) which: WhichStore,

    /// Format of the input
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub(crate) format: ImportFormat,

    #[command(flatten)]
    pub(crate) lines: LineArguments,

    /// Machine name to store with the rows
    #[arg(long, value_name = "NAME", default_value = "imported")]
    pub(crate) host: String,

    /// First line to import, to continue an interrupted import
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = number::whole::<u64>(0..=i64::MAX))]
    pub(crate) from_line: u64,

    /// File to write damaged lines to, unchanged; a line longer than 1 MiB is cut to its first MiB
    #[arg(long, value_name = "FILE")]
    pub(crate) rejects: Option<PathBuf>,
}

/// Format of an imported file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum ImportFormat {
    /// Lines of a SystemTap script
    #[default]
    Systemtap,
    /// Recording made with memtap record; it contains the machine name
    Recording,
}

/// Layout of the lines of a SystemTap script.
#[derive(Debug, Args)]
pub(crate) struct LineArguments {
    /// Columns of a SystemTap script's lines, in order, with their separator: a comma, a semicolon,
    /// | or \t, or a blank for any number of blanks and tabs. The name may contain the separator;
    /// it takes whatever the other columns do not
    #[arg(long, env = "MEMTAP_COLUMNS", value_name = "COLUMNS", default_value = "call,pid,name,length,time")]
    pub(crate) columns: memtap_model::Layout,

    /// Offset of the script's clock from UTC: seconds, or +HH:MM (for the original script: -21600)
    #[arg(long, env = "MEMTAP_UTC_OFFSET", value_name = "OFFSET", default_value = "0", allow_hyphen_values = true, value_parser = utc_offset)]
    pub(crate) utc_offset: i64,
}

#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    /// Address and port of the dashboard [default: 127.0.0.1:3000]
    #[arg(long, env = "MEMTAP_LISTEN", value_name = "ADDRESS:PORT", value_parser = number::address)]
    pub(crate) listen: Option<SocketAddr>,

    /// Store of the history: sqlite:PATH, mysql://USER:PASSWORD@HOST:PORT/DATABASE (MySQL or
    /// MariaDB) or none. All users can see a password on the command line; MEMTAP_STORE and the
    /// settings file keep it secret [default: memtap.db in STATE_DIRECTORY if that is set, else in
    /// /var/lib/memtap for root and in ~/.local/share/memtap for others]
    #[arg(long, env = "MEMTAP_STORE", value_name = "URL", hide_env_values = true, value_parser = StoreUrlParser)]
    pub(crate) store: Option<StoreUrl>,

    /// How long to keep requests: 12h, 7d, 8w, 2y
    #[arg(long, env = "MEMTAP_KEEP_REQUESTS", value_name = "AGE", default_value = "7d", value_parser = time_span)]
    pub(crate) keep_requests: Duration,

    /// How long to keep samples of memory usage; memtap merges older samples into longer steps
    #[arg(long, env = "MEMTAP_KEEP_SAMPLES", value_name = "AGE", default_value = "2y", value_parser = time_span)]
    pub(crate) keep_samples: Duration,

    /// Size limit of the history; beyond it memtap deletes the oldest requests
    #[arg(long, env = "MEMTAP_MAX_SIZE", value_name = "SIZE", default_value = "2GiB", value_parser = bytes)]
    pub(crate) max_size: u64,

    /// Source of the observations: auto, bpf, procfs, systemtap:FILE (lines of a SystemTap script)
    /// or recording:FILE (from memtap record). FILE - is a pipe. A recording uses a temporary
    /// history that is deleted on exit, unless --store is given
    #[arg(long, env = "MEMTAP_SOURCE", value_name = "SOURCE", default_value = "auto")]
    pub(crate) source: SourceChoice,

    /// Playback speed of a recording: 1 is real time, 60 plays one minute per second [default: as
    /// fast as possible]
    #[arg(long, env = "MEMTAP_SPEED", value_name = "TIMES", value_parser = speed)]
    pub(crate) speed: Option<f64>,

    #[command(flatten)]
    pub(crate) lines: LineArguments,

    /// Settings file with KEY=VALUE lines. Keys are the environment variables of the options
    /// (MEMTAP_LISTEN, MEMTAP_STORE) and those of the original system (PORT, DB_HOST, DB_PORT,
    /// DB_USER, DB_PASS, DB_NAME). As root, memtap reads a default file only if nobody except root
    /// can write to it and its directory [default: .env or /etc/memtap/memtap.env]
    #[arg(long, value_name = "FILE")]
    pub(crate) env_file: Option<PathBuf>,

    /// Memory that memtap may use, including its buffers in the kernel but not the database's page
    /// cache. It determines the size of all buffers and queues
    #[arg(long, env = "MEMTAP_MEMORY", value_name = "SIZE", default_value = "64MiB", value_parser = memory)]
    pub(crate) memory: u64,

    /// Spool directory: data waits here while the database is not available
    /// [default: beside the database file; for a server, beside the default database file]
    #[arg(long, env = "MEMTAP_SPOOL", value_name = "DIR")]
    pub(crate) spool: Option<PathBuf>,

    /// Size limit of the spool; with 0 there is no spool, and memtap drops what does not fit in
    /// memory
    #[arg(long, env = "MEMTAP_SPOOL_SIZE", value_name = "SIZE", default_value = "1GiB", value_parser = bytes)]
    pub(crate) spool_size: u64,

    /// Size of the kernel's ring buffer, a power of two; a larger one absorbs longer bursts
    /// [default: a quarter of --memory]
    #[arg(long, env = "MEMTAP_RING_SIZE", value_name = "SIZE", value_parser = ring_size)]
    pub(crate) ring_size: Option<u32>,

    /// Part of the ring buffer that requests may fill [default: three quarters]. The remainder is
    /// reserved for forks, execs, exits and readings. A request that does not fit is missing from
    /// the stream. memtap counts it as lost, and the sums include it
    #[arg(long, env = "MEMTAP_RING_REQUESTS", value_name = "SIZE", value_parser = size)]
    pub(crate) ring_requests: Option<u32>,

    /// Maximum number of processes with accounts in the kernel, about 1.25 KiB each [default: a
    /// quarter of --memory]
    #[arg(long, env = "MEMTAP_ACCOUNTS", value_name = "COUNT", value_parser = number::whole::<u32>(64..=4_194_304))]
    pub(crate) accounts: Option<u32>,

    /// Read the clock for each request. Otherwise up to sixteen requests of one process within one
    /// tick of the kernel's timer (1 to 10 ms) have the time of the first one, which saves about 80
    /// ns per system call
    #[arg(long, env = "MEMTAP_EXACT_TIMES")]
    pub(crate) exact_times: bool,

    /// How to observe requests in the kernel: functions+locks, exit+locks, functions or exit
    /// (memtap doctor explains them) [default: the best plan that this kernel allows]
    #[arg(long, env = "MEMTAP_PLAN", value_name = "PLAN")]
    pub(crate) plan: Option<Plan>,

    /// User that memtap becomes when root starts it: a name or a number; `root` stays root. memtap
    /// creates missing directories of the history for that user, and keeps only the privileges that
    /// it needs [default: the user memtap if it exists, else an unused user ID. That user becomes
    /// the owner of the history's directory if only memtap uses it; otherwise memtap stays root and
    /// reports why]
    #[arg(long, env = "MEMTAP_USER", value_name = "USER")]
    pub(crate) user: Option<User>,

    #[command(flatten)]
    pub(crate) priority: PriorityArguments,

    /// Origin from which browsers may call the API (CORS); may be given several times
    #[arg(
        long,
        env = "MEMTAP_CORS_ORIGIN",
        value_name = "ORIGIN",
        value_delimiter = ',',
        default_value = "http://localhost:5173",
        value_parser = origin
    )]
    pub(crate) cors_origin: Vec<String>,
}

#[cfg(test)]
mod tests;
