//! The binary `memtap`: what was typed becomes settings, and the parts are wired. No logic of its own.

#[cfg(not(target_os = "linux"))]
compile_error!("memtap asks the Linux kernel; it builds and runs on Linux only");

mod budget;
mod cli;
mod clock_steps;
mod config;
mod confine;
mod doctor;
mod import;
mod limits;
mod manual;
mod moment;
mod output;
mod pipeline;
mod record;
mod replay;
mod report_command;
mod rows;
mod run_command;
mod serve;
mod settings_file;
mod store_command;
mod terminal;
mod top;
mod trace;
mod version;

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _};
use settings_file::SettingsFile;

/// Exit codes beyond success and clap's own 2 for wrong usage.
const FAILED: u8 = 1;
const NOT_PERMITTED: u8 = 3;

/// One heap for all threads. Batches are made in one thread and freed in another, which leaves a heap for each thread as large as the
/// largest backlog that it has ever had a part in.
#[cfg(target_env = "gnu")]
fn share_one_heap() {
    // SAFETY: no other thread is there yet, and the value is one that the C library knows.
    unsafe { nix::libc::mallopt(nix::libc::M_ARENA_MAX, 1) };
}

/// Gives free memory back to the system, wherever in the heap it is.
#[cfg(target_env = "gnu")]
fn give_back_heap() {
    // SAFETY: it touches only what nobody has.
    unsafe { nix::libc::malloc_trim(0) };
}

#[cfg(not(target_env = "gnu"))]
fn share_one_heap() {}

#[cfg(not(target_env = "gnu"))]
fn give_back_heap() {}

fn main() -> ExitCode {
    share_one_heap();
    let cli = understood();
    start_log(matches!(cli.command, Some(cli::Command::Top(_))));
    confine::raise();
    let done = match cli.command {
        // Its own status is the command's.
        Some(cli::Command::Run(arguments)) => match run_command::run(&arguments) {
            Ok(status) => return ExitCode::from(status),
            Err(error) => Err(error),
        },
        Some(cli::Command::Doctor(arguments)) => return ended(doctor::run(&arguments)),
        Some(cli::Command::Serve(arguments)) => serve::run(&arguments),
        Some(cli::Command::Top(arguments)) => top::run(&arguments),
        Some(cli::Command::Trace(arguments)) => trace::run(&arguments),
        Some(cli::Command::Import(arguments)) => import::run(&arguments),
        Some(cli::Command::Record(arguments)) => record::run(&arguments),
        Some(cli::Command::Report(arguments)) => report_command::run(&arguments),
        Some(cli::Command::Store(arguments)) => store_command::run(&arguments.command),
        Some(cli::Command::Completions { shell }) => manual::completions(shell),
        Some(cli::Command::Man { output }) => manual::man(output.as_deref()),
        None if cli.version => version::print(cli.verbose),
        None => serve::run(&cli.serve),
    };
    ended(done.map(|()| ExitCode::SUCCESS))
}

/// What went wrong is told, and gives the code.
fn ended(done: anyhow::Result<ExitCode>) -> ExitCode {
    done.unwrap_or_else(|error| {
        output::tell(format_args!("memtap: {error:#}"));
        ExitCode::from(exit_code(&error))
    })
}

/// What was typed, with what the environment and the settings file add to it; else ends with what is wrong, or with help.
fn understood() -> cli::Cli {
    let named = SettingsFile::named(std::env::args_os());
    // One that cannot be read is told by the commands that need it.
    let file = SettingsFile::read(named.as_deref()).unwrap_or_default();
    let command = file.as_defaults(cli::Cli::command());
    for key in file.unknown(&command) {
        output::tell(format_args!("memtap: {}: there is no setting {key}", file.path().display()));
    }
    let parsed = command.try_get_matches().and_then(|matches| cli::Cli::from_arg_matches(&matches));
    parsed.unwrap_or_else(|error| {
        if error.use_stderr() && !file.path().as_os_str().is_empty() {
            output::tell(format_args!("memtap: some settings come from {}", file.path().display()));
        }
        error.exit()
    })
}

fn exit_code(error: &anyhow::Error) -> u8 {
    let not_permitted = error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<memtap_capture::CaptureError>())
        .any(|e| e.not_permitted());
    if not_permitted { NOT_PERMITTED } else { FAILED }
}

/// To stderr; while the terminal is `drawn` on, to where it waits for the end.
fn start_log(drawn: bool) {
    // What is drawn already says the rest.
    let least = if drawn { "warn" } else { "info" };
    let filter = tracing_subscriber::EnvFilter::try_from_env("MEMTAP_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(least));
    let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_target(false);
    if drawn && terminal {
        log.with_writer(|| top::log::Writer).with_ansi(false).without_time().init();
    } else {
        log.with_writer(std::io::stderr).with_ansi(terminal).init();
    }
}
