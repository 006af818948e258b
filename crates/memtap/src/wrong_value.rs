//! Errors for invalid values from the environment or the settings file. clap's error names only the
//! option, but the user must look for the variable or the file.

use std::ffi::{OsStr, OsString};

use clap::Command;
use clap::error::{ContextKind, ContextValue};

use crate::settings_file::SettingsFile;

/// Adds the variable or the file that the value comes from to the error, unless the value was
/// typed.
pub(crate) fn name_setting(
    mut error: clap::Error,
    command: &Command,
    file: &SettingsFile,
    typed: &[OsString],
) -> clap::Error {
    let Some(ContextValue::String(option)) = error.get(ContextKind::InvalidArg) else { return error };
    if error.get(ContextKind::InvalidValue).is_none() {
        return error;
    }
    // The option has the form `--max-size <SIZE>`.
    let Some(long) = option.strip_prefix("--").and_then(|option| option.split([' ', '[', '.']).next()) else {
        return error;
    };
    let Some(key) = variable(command, long) else { return error };
    if is_typed(long, typed) {
        return error;
    }
    if let Some(place) = file.place(&key) {
        let option = format!("{key} in {place} ({option})");
        error.insert(ContextKind::InvalidArg, ContextValue::String(option));
    }
    error
}

/// Returns the environment variable of an option.
fn variable(command: &Command, long: &str) -> Option<String> {
    let mut own = command.get_arguments().filter(|arg| arg.get_long() == Some(long));
    let own = own.find_map(|arg| arg.get_env().and_then(OsStr::to_str).map(str::to_owned));
    own.or_else(|| command.get_subcommands().find_map(|inner| variable(inner, long)))
}

fn is_typed(long: &str, typed: &[OsString]) -> bool {
    let option = format!("--{long}");
    typed.iter().take_while(|word| *word != "--").any(|word| {
        let suffix = word.to_str().and_then(|word| word.strip_prefix(&option));
        suffix.is_some_and(|suffix| suffix.is_empty() || suffix.starts_with('='))
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::Cli;

    /// Returns the error for a settings file with this line.
    fn error_for(line: &str, typed: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("memtap.env");
        std::fs::write(&path, line).unwrap();
        let file = SettingsFile::read(Some(&path)).unwrap();
        let typed: Vec<OsString> = typed.split(' ').map(OsString::from).collect();
        let error = file.as_defaults(Cli::command()).try_get_matches_from(&typed).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        name_setting(error, &Cli::command(), &file, &typed).to_string()
    }

    #[test]
    fn an_error_names_the_variable_of_a_value_in_the_file() {
        for (line, typed, option) in [
            ("MEMTAP_MAX_SIZE=abc", "memtap serve", "--max-size <SIZE>"),
            ("MEMTAP_MAX_SIZE=abc", "memtap", "--max-size <SIZE>"),
            ("MEMTAP_LISTEN=abc", "memtap serve", "--listen <ADDRESS:PORT>"),
            ("MEMTAP_CORS_ORIGIN=http://a,abc", "memtap serve --max-size 1MiB", "--cors-origin <ORIGIN>"),
            ("MEMTAP_EXACT_TIMES=abc", "memtap serve", "--exact-times"),
            ("MEMTAP_NICE=abc", "memtap trace", "--nice <NICE>"),
        ] {
            let (key, _) = line.split_once('=').unwrap();
            let text = error_for(line, typed);
            let named = format!("invalid value 'abc' for '{key} in ");
            assert!(text.contains(&named) && text.contains(&format!("memtap.env ({option})'")), "{text}");
        }
    }

    #[test]
    fn an_error_names_the_option_of_a_typed_value() {
        for typed in ["memtap serve --max-size=abc", "memtap serve --max-size abc"] {
            let text = error_for("MEMTAP_MAX_SIZE=1MiB", typed);
            assert!(text.contains("invalid value 'abc' for '--max-size <SIZE>'"), "{text}");
        }
    }
}
