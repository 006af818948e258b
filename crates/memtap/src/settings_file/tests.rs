//! Tests of the settings file and its error messages.

use super::*;
use crate::cli::Cli;
use clap::{CommandFactory as _, FromArgMatches as _};

fn file(text: &str) -> anyhow::Result<SettingsFile> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".env");
    std::fs::write(&path, text).unwrap();
    SettingsFile::read(Some(&path))
}

#[test]
fn the_originals_port_is_honoured() {
    let listen = file("PORT=4000\nDB_PASS=secret\n").unwrap().listen().unwrap();
    assert_eq!(listen, "127.0.0.1:4000".parse().unwrap());
}

#[test]
fn its_values_are_defaults() {
    let file = file(
        "MEMTAP_MEMORY=128MiB\nMEMTAP_CORS_ORIGIN=http://a,http://b\nMEMTAP_STORE=none\nMEMTAP_MEMROY=1\n",
    )
    .unwrap();
    let command = file.as_defaults(Cli::command());
    assert_eq!(file.unknown(&command), ["MEMTAP_MEMROY"]);
    let parsed = |arguments: &[&str]| {
        let matches =
            command.clone().try_get_matches_from([&["memtap", "serve"], arguments].concat()).unwrap();
        match Cli::from_arg_matches(&matches).unwrap().command {
            Some(crate::cli::Command::Serve(serve)) => serve,
            other => panic!("{other:?}"),
        }
    };
    let serve = parsed(&[]);
    assert!(serve.memory == 128 << 20 && serve.store.is_none());
    assert_eq!(serve.cors_origin, ["http://a", "http://b"]);
    let serve = parsed(&["--memory=32MiB", "--cors-origin=http://c"]);
    assert_eq!((serve.memory, serve.cors_origin), (32 << 20, vec!["http://c".to_owned()]));
}

#[test]
fn it_is_named_on_the_command_line() {
    let named = |line: &str| SettingsFile::named(line.split(' ').map(OsString::from));
    assert_eq!(named("memtap serve --env-file a/b --x"), Some("a/b".into()));
    assert_eq!(named("memtap serve --env-file=a/b"), Some("a/b".into()));
    assert_eq!(named("memtap run -- env --env-file=a/b"), None);
    assert_eq!(named("memtap --env-file"), None);
}

/// The example contains every setting as a comment with its default, and no other setting.
#[test]
fn the_example_is_true() {
    let text = include_str!("../../../../packaging/memtap.env");
    let lines = text.lines().filter_map(|line| line.strip_prefix('#').unwrap_or(line).split_once('='));
    let lines: HashMap<&str, &str> =
        lines.filter(|(key, _)| key.starts_with("MEMTAP_") && !key.contains(' ')).collect();
    let known = keys(&Cli::command());
    let documented: BTreeSet<String> = lines.keys().map(|key| (*key).to_owned()).collect();
    assert_eq!(documented, known);
    let command = Cli::command();
    let serve = command.find_subcommand("serve").unwrap();
    for arg in serve.get_arguments() {
        let (Some(key), [default]) = (arg.get_env(), arg.get_default_values()) else { continue };
        assert_eq!(lines[key.to_str().unwrap()], default.to_str().unwrap(), "the default of {key:?}");
    }
    assert!(
        !text.lines().any(|line| !line.is_empty() && !line.starts_with('#')),
        "it sets nothing by itself"
    );
}

#[test]
fn the_originals_database_is_honoured() {
    let store = |text: &str| file(text).unwrap().store();
    let url = store("DB_HOST=db\nDB_PORT=3307\nDB_USER=me\nDB_PASS=s@cret\nDB_NAME=memory\nPORT=4000\n")
        .unwrap()
        .unwrap();
    assert_eq!(url.to_string(), "mysql://me@db:3307/memory");
    let url = store("DB_USER=me\nDB_NAME=memory\n").unwrap().unwrap();
    assert_eq!(url.to_string(), "mysql://me@127.0.0.1:3306/memory");
    assert!(store("DB_USER=me\nDB_NAME=memory\nMEMTAP_STORE=none\n").unwrap().unwrap().is_none());
    assert!(store("PORT=4000\n").unwrap().is_none());
    for half in [
        "DB_USER=me\nDB_PASS=secret",
        "DB_NAME=memory\nDB_PASS=secret",
        "DB_USER=me\nDB_NAME=m\nDB_PORT=many\nDB_PASS=secret",
    ] {
        let error = format!("{:#}", store(half).unwrap_err());
        assert!(error.contains("DB_") && !error.contains("secret"), "{error}");
    }
}

#[test]
fn a_wrong_line_is_named_by_its_number() {
    for (text, line) in [
        ("A=1\n\n# a comment\nsecret words\nB=2\n", 4),
        ("A=1\r\nsecret words\r\n", 2),
        ("A='two\nlines'\nB=secret words", 3),
        ("# secret words\nA=secret words\nB=1\n", 2),
        ("A=1\nB=2\n\nsecret", 4),
        ("A=1\nDB_PASS='secret\nB=1\n", 2),
    ] {
        let error = format!("{:#}", file(text).unwrap_err());
        assert!(error.contains(&format!(".env: line {line} is not of the form KEY=VALUE")), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
    let folder = tempfile::tempdir().unwrap();
    let error = format!("{:#}", SettingsFile::read(Some(folder.path())).unwrap_err());
    assert!(error.ends_with(" is a directory. Name a file with --env-file"), "{error}");
}

/// Uses the lines of the packaged file after removing the `#`.
#[test]
fn a_setting_without_a_value_has_its_default() {
    let text = include_str!("../../../../packaging/memtap.env");
    let empty = text.lines().filter_map(|line| line.strip_prefix('#')).filter(|line| line.ends_with('='));
    let empty: Vec<&str> =
        empty.chain(["MEMTAP_STORE=", "MEMTAP_MAX_SIZE=", "MEMTAP_CORS_ORIGIN="]).collect();
    assert!(empty.len() > 6, "{empty:?}");
    let file = file(&(empty.join("\n") + "\nPORT=\nDB_USER=\nDB_NAME=\nMEMTAP_LOG=\n")).unwrap();
    let command = file.as_defaults(Cli::command());
    let matches = command.try_get_matches_from(["memtap", "serve"]).unwrap();
    let Some(crate::cli::Command::Serve(serve)) = Cli::from_arg_matches(&matches).unwrap().command else {
        panic!("another command")
    };
    assert_eq!((serve.speed, serve.plan, serve.max_size), (None, None, 2 << 30));
    assert!(serve.user.is_none() && serve.priority.nice.is_none());
    assert_eq!(serve.cors_origin, ["http://localhost:5173"]);
    assert!(file.store().unwrap().is_none() && file.log_filter().is_none());
    assert_eq!(file.listen().unwrap(), "127.0.0.1:3000".parse().unwrap());
}

#[test]
fn a_damaged_file_is_an_error_that_keeps_its_secrets() {
    let error = format!("{:#}", file("DB_PASS='secret\n").unwrap_err());
    assert!(error.contains("KEY=VALUE") && !error.contains("secret"), "{error}");
    let error = format!("{:#}", file("PORT=many").unwrap().listen().unwrap_err());
    assert!(
        error.contains("PORT in ") && error.ends_with(".env must be a port number such as 3000"),
        "{error}"
    );
    assert!(SettingsFile::read(Some(Path::new("/nonexistent/.env"))).is_err());
}
