//! Tests of the whole command line: help texts and parsing.

use super::*;
use clap::CommandFactory;

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

/// Help of each command in a terminal of 100 columns. Renewed with INSTA_UPDATE=always.
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
    // Text must be wrapped only by clap. A line that clap broke and that ends early was also
    // wrapped by hand.
    for (name, text) in &texts {
        let text = text.to_string();
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{name}: {text}");
        let (_, after) = text.split_once("Examples:\n").unwrap_or_default();
        let paragraphs = after.split_once("\n\n").map_or("", |(_, paragraphs)| paragraphs);
        for lines in paragraphs.lines().collect::<Vec<_>>().windows(2) {
            let next = lines[1].split(' ').next().map_or(0, |word| word.chars().count());
            let fits = lines[0].chars().count() + 1 + next <= 100;
            assert!(lines.contains(&"") || !fits, "{name}: {lines:?}");
        }
    }
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../tests/help");
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

/// Rust's own parsers do not say what is expected, so errors must do that.
#[test]
fn every_wrong_value_is_an_error_with_the_expected_form() {
    fn walk(command: &clap::Command, path: &[&str], answered: &mut usize) {
        for arg in command.get_arguments().filter(|arg| arg.get_long().is_some()) {
            let long = arg.get_long().unwrap_or_default();
            let wrong = format!("--{long}=,wrong,");
            let words = [path, &[&wrong[..]]].concat();
            let Err(error) = Cli::command().try_get_matches_from(words) else { continue };
            if error.get(clap::error::ContextKind::InvalidValue).is_some() {
                *answered += 1;
                let text = error.to_string();
                let says = ["expected", "Choose another", "possible values", "unexpected value", "needs"];
                assert!(says.iter().any(|words| text.contains(words)), "{path:?}: {text}");
                assert!(!text.contains("invalid digit") && !text.contains("syntax"), "{path:?}: {text}");
            }
        }
        for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
            walk(inner, &[path, &[inner.get_name()]].concat(), answered);
        }
    }
    let mut answered = 0;
    walk(&Cli::command(), &["memtap"], &mut answered);
    assert!(answered > 50, "{answered}");
}

#[test]
fn arguments_after_the_command_of_run_belong_to_the_command() {
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
