//! The binary `memtap`: parses the command line and connects the parts. It has no logic of its own.

#![deny(clippy::print_stdout, clippy::print_stderr, reason = "they panic where the stream is closed")]

#[cfg(not(target_os = "linux"))]
compile_error!("memtap needs the Linux kernel; it builds and runs on Linux only");

mod budget;
mod cli;
mod clock_steps;
mod config;
mod confine;
mod deadline;
mod doctor;
mod engine;
mod import;
mod limits;
mod log;
mod manual;
mod moment;
mod output;
mod panics;
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
mod wrong_value;

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory as _, FromArgMatches as _};
use memtap_model::without_password;
use settings_file::{SettingsFile, WrongSetting};

/// Exit codes other than success. clap also uses 2 for wrong usage.
const FAILED: u8 = 1;
const WRONG_USAGE: u8 = 2;
const NOT_PERMITTED: u8 = 3;

/// Time limit for writing the last log lines when their reader has stopped.
const LOG_ENDS_WITHIN: Duration = Duration::from_millis(200);

/// Makes all threads share one heap. Batches are allocated in one thread and freed in another, so
/// per-thread heaps would each keep the size of the largest backlog they ever held.
#[cfg(target_env = "gnu")]
fn share_one_heap() {
    // SAFETY: no other thread exists yet, and the parameter is valid.
    unsafe { nix::libc::mallopt(nix::libc::M_ARENA_MAX, 1) };
}

/// Returns free memory anywhere in the heap to the system.
#[cfg(target_env = "gnu")]
fn give_back_heap() {
    // SAFETY: the call touches only free memory.
    unsafe { nix::libc::malloc_trim(0) };
}

#[cfg(not(target_env = "gnu"))]
fn share_one_heap() {}

#[cfg(not(target_env = "gnu"))]
fn give_back_heap() {}

fn main() -> ExitCode {
    share_one_heap();
    panics::watch();
    let (cli, file) = match understood() {
        Ok(understood) => understood,
        Err(code) => return code,
    };
    log::start(
        matches!(cli.command, Some(cli::Command::Top(_))),
        file.as_ref().ok().and_then(SettingsFile::log_filter),
    );
    confine::raise();
    // The panic hook has already logged the panic.
    let done = catch_unwind(AssertUnwindSafe(|| run(cli, file))).unwrap_or(Ok(ExitCode::from(FAILED)));
    let code = done.unwrap_or_else(|error| {
        output::tell(format_args!("memtap: {error:#}"));
        ExitCode::from(exit_code(&error))
    });
    log::flush(LOG_ENDS_WITHIN);
    if panics::first().is_some() { ExitCode::from(FAILED) } else { code }
}

/// Runs the command. An unreadable settings file is an error only for commands that need it.
fn run(cli: cli::Cli, file: anyhow::Result<SettingsFile>) -> anyhow::Result<ExitCode> {
    let needs_file = match &cli.command {
        Some(command) => command.uses_settings(),
        None => !cli.version,
    };
    let file = match file {
        Err(error) if needs_file => return Err(error),
        file => file.unwrap_or_default(),
    };
    let logs_in_background = match &cli.command {
        Some(command) => command.logs_in_background(),
        None => !cli.version,
    };
    if logs_in_background {
        log::hold();
    }
    file.log(needs_file);
    match cli.command {
        // `run` exits with its command's status.
        Some(cli::Command::Run(arguments)) => return run_command::run(&arguments).map(ExitCode::from),
        Some(cli::Command::Doctor(arguments)) => return doctor::run(&arguments, &file),
        Some(cli::Command::Serve(arguments)) => serve::run(&arguments, &file),
        Some(cli::Command::Top(arguments)) => top::run(&arguments),
        Some(cli::Command::Trace(arguments)) => trace::run(&arguments),
        Some(cli::Command::Import(arguments)) => import::run(&arguments, &file),
        Some(cli::Command::Record(arguments)) => record::run(&arguments),
        Some(cli::Command::Report(arguments)) => report_command::run(&arguments, &file),
        Some(cli::Command::Store(arguments)) => store_command::run(&arguments.command, &file),
        Some(cli::Command::Completions { shell }) => manual::completions(shell),
        Some(cli::Command::Man { output }) => manual::man(output.as_deref()),
        None if cli.version => version::print(cli.verbose),
        None => serve::run(&cli.serve, &file),
    }
    .map(|()| ExitCode::SUCCESS)
}

/// Parses the command line, with defaults from the environment and the settings file. If it is
/// wrong or asks for help, prints that and returns the exit code.
fn understood() -> Result<(cli::Cli, anyhow::Result<SettingsFile>), ExitCode> {
    let named = SettingsFile::named(std::env::args_os());
    let read = SettingsFile::read(named.as_deref());
    let none = SettingsFile::default();
    let file = read.as_ref().unwrap_or(&none);
    let command = cli::Cli::command();
    for key in file.unknown(&command) {
        output::tell(format_args!("memtap: {}: unknown setting {key}", file.path().display()));
    }
    let typed = help_of_help(std::env::args_os().collect(), &command);
    let parsed = file.as_defaults(command.clone()).try_get_matches_from(&typed);
    match parsed.and_then(|matches| cli::Cli::from_arg_matches(&matches)) {
        Ok(cli) => Ok((cli, read)),
        Err(error) => Err(print_usage(&wrong_value::name_setting(error, &command, file, &typed))),
    }
}

/// Removes --help and -h from `help --help`: clap would take the option for the name of a command.
fn help_of_help(typed: Vec<OsString>, command: &clap::Command) -> Vec<OsString> {
    let mut parent = command;
    for (at, word) in typed.iter().enumerate().skip(1) {
        if word == "help" && parent.has_subcommands() {
            let (start, names) = typed.split_at(at);
            let names = names.iter().filter(|name| *name != "--help" && *name != "-h");
            return start.iter().chain(names).cloned().collect();
        }
        let Some(inner) = parent.find_subcommand(word) else { break };
        parent = inner;
    }
    typed
}

/// Prints clap's error or help, without passwords. A user may have typed a URL with a password in a
/// wrong place.
fn print_usage(error: &clap::Error) -> ExitCode {
    let text = error.to_string();
    let typed = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    let hidden = typed.fold(text.clone(), |text, word| text.replace(&word, &without_password(&word)));
    if hidden == text {
        let _ = error.print();
    } else {
        output::tell(hidden.trim_end());
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(WRONG_USAGE))
}

fn exit_code(error: &anyhow::Error) -> u8 {
    let not_permitted = error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<memtap_capture::CaptureError>())
        .any(|e| e.not_permitted());
    let wrong_usage = error.downcast_ref::<WrongSetting>().is_some();
    match () {
        () if not_permitted => NOT_PERMITTED,
        () if wrong_usage => WRONG_USAGE,
        () => FAILED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_for_the_command_help_is_help() {
        let words = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
        for (typed, understood) in [
            ("memtap help --help", "memtap help"),
            ("memtap help -h store", "memtap help store"),
            ("memtap store help --help info", "memtap store help info"),
            ("memtap run help --help", "memtap run help --help"),
            ("memtap run -- memtap help --help", "memtap run -- memtap help --help"),
            ("memtap store info --help", "memtap store info --help"),
        ] {
            assert_eq!(help_of_help(words(typed), &cli::Cli::command()), words(understood));
        }
    }
}
