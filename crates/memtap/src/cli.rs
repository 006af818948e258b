//! What may be typed. These types stop here; `config.rs` says what they mean.

mod chosen;
mod priority;
mod record;
mod report;
mod run;
mod store;
mod store_url;
mod top;
mod trace;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use memtap_capture::{Plan, SourceChoice};
use memtap_model::{CALLS, Call};
use memtap_store::StoreUrl;

use crate::confine::User;
use store_url::StoreUrlParser;

pub(crate) use chosen::ChosenRequests;
pub(crate) use priority::PriorityArguments;
pub(crate) use record::RecordArguments;
pub(crate) use report::{Compared, ReportArguments};
pub(crate) use run::{RunArguments, RunFormat};
pub(crate) use store::{ExportArguments, ExportFormat, StoreArguments, StoreCommand, WhichStore};
pub(crate) use top::{SERVED_AT, TopArguments};
pub(crate) use trace::{TraceArguments, TraceFormat};

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

/// Show every memory request of every Linux process, live and in history: what was requested, what the kernel
/// answered, and where the memory went
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
        /// Output directory for memtap.1, memtap-serve.1 and so on [default: memtap.1 to standard output]
        #[arg(short, long, value_name = "DIR")]
        output: Option<PathBuf>,
    },
}

impl Command {
    /// Whether the settings file decides what the command does: where the history is, above all.
    pub(crate) fn uses_settings(&self) -> bool {
        matches!(self, Self::Serve(_) | Self::Import(_) | Self::Report(_) | Self::Store(_) | Self::Doctor(_))
    }

    /// Whether the command writes its log in a thread of its own, once it may start one.
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
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub(crate) from_line: u64,

    /// File to write damaged lines to, unchanged; a line longer than 1 MiB is cut to its first MiB
    #[arg(long, value_name = "FILE")]
    pub(crate) rejects: Option<PathBuf>,
}

/// What an imported file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum ImportFormat {
    /// Lines of a SystemTap script
    #[default]
    Systemtap,
    /// Recording made with memtap record; it contains the machine name
    Recording,
}

/// How a SystemTap script's lines are to be read.
#[derive(Debug, Args)]
pub(crate) struct LineArguments {
    /// Columns of a SystemTap script's lines, in order, with their separator: a comma, a semicolon, | or \t, or a blank for any number
    /// of blanks and tabs. The name may contain the separator; it takes whatever the other columns do not
    #[arg(long, env = "MEMTAP_COLUMNS", value_name = "COLUMNS", default_value = "call,pid,name,length,time")]
    pub(crate) columns: memtap_model::Layout,

    /// Offset of the script's clock from UTC: seconds, or +HH:MM (for the original script: -21600)
    #[arg(long, env = "MEMTAP_UTC_OFFSET", value_name = "OFFSET", default_value = "0", allow_hyphen_values = true, value_parser = utc_offset)]
    pub(crate) utc_offset: i64,
}

#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    /// Address and port of the dashboard [default: 127.0.0.1:3000]
    #[arg(long, env = "MEMTAP_LISTEN", value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<SocketAddr>,

    /// Store of the history: sqlite:PATH, mysql://USER:PASSWORD@HOST:PORT/DATABASE (MySQL or MariaDB) or none. All users can see
    /// a password on the command line; MEMTAP_STORE and the settings file keep it secret
    /// [default: memtap.db in STATE_DIRECTORY if that is set, else in /var/lib/memtap for root and in ~/.local/share/memtap for others]
    #[arg(long, env = "MEMTAP_STORE", value_name = "URL", hide_env_values = true, value_parser = StoreUrlParser)]
    pub(crate) store: Option<StoreUrl>,

    /// How long to keep requests: 12h, 7d, 8w, 2y
    #[arg(long, env = "MEMTAP_KEEP_REQUESTS", value_name = "AGE", default_value = "7d", value_parser = age)]
    pub(crate) keep_requests: Duration,

    /// How long to keep samples of memory usage; memtap merges older samples into longer steps
    #[arg(long, env = "MEMTAP_KEEP_SAMPLES", value_name = "AGE", default_value = "2y", value_parser = age)]
    pub(crate) keep_samples: Duration,

    /// Size limit of the history; beyond it memtap deletes the oldest requests
    #[arg(long, env = "MEMTAP_MAX_SIZE", value_name = "SIZE", default_value = "2GiB", value_parser = bytes)]
    pub(crate) max_size: u64,

    /// Source of the observations: auto, bpf, procfs, systemtap:FILE (lines of a SystemTap script) or recording:FILE (from memtap
    /// record). FILE - is a pipe. A recording uses a temporary history that is deleted on exit, unless --store is given
    #[arg(long, env = "MEMTAP_SOURCE", value_name = "SOURCE", default_value = "auto")]
    pub(crate) source: SourceChoice,

    /// Playback speed of a recording: 1 is real time, 60 plays one minute per second [default: as fast as possible]
    #[arg(long, env = "MEMTAP_SPEED", value_name = "TIMES", value_parser = speed)]
    pub(crate) speed: Option<f64>,

    #[command(flatten)]
    pub(crate) lines: LineArguments,

    /// Settings file with KEY=VALUE lines. Keys are the environment variables of the options (MEMTAP_LISTEN, MEMTAP_STORE) and those
    /// of the original system (PORT, DB_HOST, DB_PORT, DB_USER, DB_PASS, DB_NAME). As root, memtap reads a default file only if nobody
    /// except root can write to it and its directory [default: .env or /etc/memtap/memtap.env]
    #[arg(long, value_name = "FILE")]
    pub(crate) env_file: Option<PathBuf>,

    /// Memory that memtap may use, including its buffers in the kernel but not the database's page cache. It determines the
    /// size of all buffers and queues
    #[arg(long, env = "MEMTAP_MEMORY", value_name = "SIZE", default_value = "64MiB", value_parser = memory)]
    pub(crate) memory: u64,

    /// Spool directory: data waits here while the database is not available
    /// [default: beside the database file; for a server, beside the default database file]
    #[arg(long, env = "MEMTAP_SPOOL", value_name = "DIR")]
    pub(crate) spool: Option<PathBuf>,

    /// Size limit of the spool; with 0 there is no spool, and memtap drops what does not fit in memory
    #[arg(long, env = "MEMTAP_SPOOL_SIZE", value_name = "SIZE", default_value = "1GiB", value_parser = bytes)]
    pub(crate) spool_size: u64,

    /// Size of the kernel's ring buffer, a power of two; a larger one absorbs longer bursts [default: a quarter of --memory]
    #[arg(long, env = "MEMTAP_RING_SIZE", value_name = "SIZE", value_parser = ring_size)]
    pub(crate) ring_size: Option<u32>,

    /// Part of the ring buffer that requests may fill [default: three quarters]. The remainder is reserved for forks, execs, exits
    /// and readings. A request that does not fit is missing from the stream. memtap counts it as lost, and the sums include it
    #[arg(long, env = "MEMTAP_RING_REQUESTS", value_name = "SIZE", value_parser = size)]
    pub(crate) ring_requests: Option<u32>,

    /// Maximum number of processes with accounts in the kernel, about 1.25 KiB each [default: a quarter of --memory]
    #[arg(long, env = "MEMTAP_ACCOUNTS", value_name = "COUNT", value_parser = clap::value_parser!(u32).range(64..=4_194_304))]
    pub(crate) accounts: Option<u32>,

    /// Read the clock for each request. Otherwise up to sixteen requests of one process within one tick of the kernel's timer (1 to
    /// 10 ms) have the time of the first one, which saves about 80 ns per system call
    #[arg(long, env = "MEMTAP_EXACT_TIMES")]
    pub(crate) exact_times: bool,

    /// How to observe requests in the kernel: functions+locks, exit+locks, functions or exit (memtap doctor explains them)
    /// [default: the best plan that this kernel allows]
    #[arg(long, env = "MEMTAP_PLAN", value_name = "PLAN")]
    pub(crate) plan: Option<Plan>,

    /// User that memtap becomes when root starts it: a name or a number; `root` stays root. memtap creates missing directories of the
    /// history for that user, and keeps only the privileges that it needs [default: the user memtap if it exists, else an unused user
    /// ID. That user becomes the owner of the history's directory if only memtap uses it; otherwise memtap stays root and reports why]
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
        default_value = "http://localhost:5173"
    )]
    pub(crate) cors_origin: Vec<String>,
}

/// An age such as `7d`.
pub(crate) fn age(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let seconds = match &text[digits.len()..] {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        "y" => 365 * 86_400,
        _ => 0_u64,
    };
    let number = digits.parse::<u64>().ok().filter(|_| seconds > 0);
    let age = number.and_then(|number| number.checked_mul(seconds)).map(Duration::from_secs);
    age.ok_or_else(|| {
        format!("'{text}' is not a length of time; expected for example 90s, 10m, 12h, 7d or 2y")
    })
}

/// How many times faster: a number above 0.
fn speed(text: &str) -> Result<f64, String> {
    let speed = text.parse::<f64>().ok().filter(|speed| speed.is_finite() && *speed > 0.0);
    speed.ok_or_else(|| format!("invalid speed '{text}'; expected for example 1, 0.5 or 60"))
}

/// `-21600` or `+05:30`, in seconds.
fn utc_offset(text: &str) -> Result<i64, String> {
    let seconds = match text.split_once(':') {
        None => text.parse().ok(),
        Some((hours, minutes)) => {
            hours.parse::<i64>().ok().zip(minutes.parse::<i64>().ok()).and_then(|(hours, minutes)| {
                let sign = if hours < 0 || text.starts_with('-') { -1 } else { 1 };
                (0..60).contains(&minutes).then_some(hours * 3600 + sign * minutes * 60)
            })
        }
    };
    let seconds = seconds.filter(|seconds: &i64| seconds.abs() <= 24 * 3600);
    seconds.ok_or_else(|| format!("invalid offset '{text}'; expected seconds such as -21600, or +05:30"))
}

/// A ring size such as `16MiB`: a power of two from 256 KiB to 1 GiB.
fn ring_size(text: &str) -> Result<u32, String> {
    let bytes = size(text)?;
    if bytes.is_power_of_two() && (256 << 10..=1 << 30).contains(&bytes) {
        Ok(bytes)
    } else {
        Err("the ring size must be a power of two from 256KiB to 1GiB".to_owned())
    }
}

/// What memtap may take: from 32 MiB on.
fn memory(text: &str) -> Result<u64, String> {
    let bytes = bytes(text)?;
    if bytes < 32 << 20 { Err("memtap needs at least 32MiB".to_owned()) } else { Ok(bytes) }
}

/// A size such as `64KiB`, below 4 GiB.
fn size(text: &str) -> Result<u32, String> {
    u32::try_from(bytes(text)?).map_err(|_| format!("'{text}' is too large; expected less than 4GiB"))
}

/// The call of that name.
pub(crate) fn call(name: &str) -> Result<Call, String> {
    let known = || CALLS.iter().map(|row| row.name).collect::<Vec<_>>().join(", ");
    Call::from_name(name.trim()).ok_or_else(|| format!("unknown call '{name}'; expected one of {}", known()))
}

/// A size such as `64KiB`.
fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let number: u64 =
        digits.parse().map_err(|_| format!("invalid size '{text}'; expected for example 16MiB"))?;
    let unit = match text[digits.len()..].trim() {
        "" | "B" => 1,
        "KiB" | "K" => 1 << 10,
        "MiB" | "M" => 1 << 20,
        "GiB" | "G" => 1 << 30,
        "TiB" | "T" => 1_u64 << 40,
        other => return Err(format!("unknown unit '{other}'; expected KiB, MiB, GiB or TiB")),
    };
    Ok(number.saturating_mul(unit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    /// Each command's help, as it is read in a terminal of a hundred columns. Renewed with INSTA_UPDATE=always.
    #[test]
    fn help_texts() {
        let mut command = Cli::command().term_width(100);
        command.build();
        let mut texts = vec![("memtap".to_owned(), command.render_long_help())];
        for name in command.clone().get_subcommands().map(|inner| inner.get_name().to_owned()) {
            let inner = command.find_subcommand_mut(&name).unwrap();
            texts.push((format!("memtap-{name}"), inner.render_long_help()));
            for deeper in inner.clone().get_subcommands().map(|deeper| deeper.get_name().to_owned()) {
                let text = inner.find_subcommand_mut(&deeper).unwrap().render_long_help();
                texts.push((format!("memtap-{name}-{deeper}"), text));
            }
        }
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path("../tests/help");
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| {
            for (name, text) in
                texts.into_iter().filter(|(name, _)| !name.ends_with("-help") && !name.contains("-help-"))
            {
                insta::assert_snapshot!(name, text.to_string());
            }
        });
    }

    #[test]
    fn ring_sizes() {
        assert_eq!(ring_size("16MiB"), Ok(16 << 20));
        assert_eq!(ring_size("256K"), Ok(256 << 10));
        assert!(ring_size("3MiB").is_err(), "no power of two");
        assert!(ring_size("lots").is_err());
        assert!(ring_size("99999999999999999999GiB").is_err());
        assert!(ring_size("4TiB").is_err());
    }

    #[test]
    fn ages() {
        assert_eq!(age("12h"), Ok(Duration::from_secs(43_200)));
        assert_eq!(age("2y"), Ok(Duration::from_secs(730 * 86_400)));
        for wrong in ["", "7", "d", "7 days", "-1d", "99999999999999999999y"] {
            assert!(age(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn offsets() {
        assert_eq!(utc_offset("-21600"), Ok(-21_600));
        assert_eq!(utc_offset("+05:30"), Ok(19_800));
        assert_eq!(utc_offset("-00:30"), Ok(-1_800));
        for wrong in ["", "noon", "+25:00", "05:75", "100000"] {
            assert!(utc_offset(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_stands_behind_the_command_of_run_is_the_commands() {
        let parse = |words: &[&str]| Cli::try_parse_from([&["memtap", "run"], words].concat());
        for words in [
            &["-o", "x.html", "ls", "-l", "--format", "json"][..],
            &["-o", "x.html", "--", "ls", "-l", "--format", "json"],
        ] {
            let Some(Command::Run(run)) = parse(words).unwrap().command else { panic!("another command") };
            assert_eq!(run.command, ["ls", "-l", "--format", "json"]);
            assert_eq!((run.format, run.output), (None, Some("x.html".into())));
        }
        assert!(parse(&[]).is_err() && parse(&["--source", "procfs", "ls"]).is_err());
    }

    #[test]
    fn serve_is_the_default_command() {
        let cli = Cli::try_parse_from(["memtap", "--listen", "127.0.0.1:1", "--source", "procfs"]).unwrap();
        assert!(cli.command.is_none());
        assert_eq!(cli.serve.listen, Some("127.0.0.1:1".parse().unwrap()));
        assert!(Cli::try_parse_from(["memtap", "--source", "magic"]).is_err());
    }
}
