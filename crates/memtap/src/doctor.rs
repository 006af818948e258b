//! `memtap doctor`: checks what this kernel and these permissions allow, and says how to fix each
//! problem.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use memtap_capture::{
    Attachment, Check, Facts, Group, Plan, Verdict, attempt, attempt_check, checks, facts, folder_check,
    folder_facts, trial, trial_check,
};
use memtap_history::StoreError;
use memtap_store::StoreUrl;
use serde::Serialize;

use crate::cli::{DoctorArguments, DoctorFormat};
use crate::engine;
use crate::output::unless_closed;
use crate::settings_file::SettingsFile;
use crate::{FAILED, NOT_PERMITTED, config, confine};

/// Line width without a terminal, and the maximum width.
const WIDTH: usize = 80;
const WIDEST: usize = 110;
/// Column where the finding starts.
const COLUMN: usize = 29;
/// Indentation of the fix.
const INDENT: &str = "        ";

/// Results of all checks.
#[derive(Serialize)]
struct Findings {
    version: &'static str,
    /// True if memtap can see every request.
    requests: bool,
    /// Plan with which memtap would see them.
    plan: Option<&'static str>,
    user: String,
    capabilities: Vec<String>,
    checks: Vec<Check>,
}

/// Prints the checks. The exit code is 0 if memtap can see all requests, otherwise it depends on
/// what is missing: a permission or a kernel feature.
pub(crate) fn run(arguments: &DoctorArguments, file: &SettingsFile) -> anyhow::Result<ExitCode> {
    let trial = trial();
    let facts = Facts { reads_kernel: trial.is_ok(), ..facts() };
    let mut results = checks(&facts);
    for what in [Attachment::Tracepoint, Attachment::Iterator, Attachment::Function] {
        results.push(attempt_check(&facts, what, &attempt(what)));
    }
    results.push(trial_check(&facts, &trial));
    let store = config::store(arguments.which.store.as_ref(), file)?;
    results.extend(folder(&store).map(|folder| folder_check(&facts.user, &folder_facts(folder))));
    results.extend(own_user(&store)?);
    results.extend(database(&store));
    let runs_as = confine::runs_as();
    let findings = Findings {
        version: env!("CARGO_PKG_VERSION"),
        requests: trial.is_ok(),
        plan: trial.as_ref().ok().map(|plan| Plan::name(*plan)),
        user: runs_as.user,
        capabilities: runs_as.capabilities,
        checks: results,
    };
    unless_closed(match arguments.format {
        DoctorFormat::Text => text(&findings),
        DoctorFormat::Json => json(&findings),
    })?;
    Ok(ExitCode::from(match trial {
        Ok(_) => 0,
        Err(error) if error.not_permitted() => NOT_PERMITTED,
        Err(_) => FAILED,
    }))
}

/// Check for the user that `memtap serve` becomes when root starts it.
fn own_user(store: &StoreUrl) -> anyhow::Result<Option<Check>> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(None);
    }
    let (verdict, found, fix) = match confine::own_user(&config::default_places(store)?) {
        Ok(user) => (Verdict::Good, format!("memtap serve becomes {user}"), None),
        Err(notice) => (Verdict::Less, notice.what, Some(notice.fix)),
    };
    Ok(Some(Check { group: Group::History, name: "user of serve", verdict, found, fix }))
}

/// Check whether an existing history can be opened.
fn database(store: &StoreUrl) -> Option<Check> {
    if store.is_none() {
        return None;
    }
    let (verdict, found, fix) =
        match engine::block_on(async { Ok::<_, anyhow::Error>(store.reach().await) }).ok()? {
            Ok(found) => (Verdict::Good, found, None),
            Err(StoreError::Database { database, reason, fix, .. }) if !database.is_empty() => {
                (Verdict::Missing, format!("{database}: {reason}"), Some(fix.to_owned()))
            }
            Err(error) => {
                let text = error.to_string();
                let (found, fix) = text.split_once(". ").unwrap_or((&text, "memtap store check"));
                (Verdict::Missing, found.to_owned(), Some(fix.to_owned()))
            }
        };
    Some(Check { group: Group::History, name: "database", verdict, found, fix })
}

/// Directory of the history, if it is a file.
fn folder(store: &StoreUrl) -> Option<&Path> {
    let folder = store.file()?.parent()?;
    Some(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
}

fn json(findings: &Findings) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, findings).map_err(std::io::Error::from)?;
    Ok(writeln!(out)?)
}

fn text(findings: &Findings) -> anyhow::Result<()> {
    let terminal = terminal_size::terminal_size_of(std::io::stdout());
    let width = terminal.map_or(WIDTH, |(width, _)| usize::from(width.0).min(WIDEST));
    // Colours only on a terminal that supports them, and not if NO_COLOR is set.
    write(&mut anstream::stdout().lock(), findings, width).map_err(Into::into)
}

fn write(out: &mut impl Write, findings: &Findings, width: usize) -> std::io::Result<()> {
    let bold = Style::new().bold();
    let mut last = None;
    let mut shown = HashMap::new();
    for check in &findings.checks {
        if last != Some(check.group) {
            let before = if last.is_some() { "\n" } else { "" };
            writeln!(out, "{before}{bold}{}{bold:#}", heading(check.group))?;
            last = Some(check.group);
        }
        write_check(out, check, width)?;
        if let Some(fix) = &check.fix {
            let first = *shown.entry(fix).or_insert(check.name);
            let words = if first == check.name {
                fix.clone()
            } else {
                format!("the same as for {} above", label(first))
            };
            write_fix(out, &words, width)?;
        }
    }
    writeln!(out)?;
    let (style, words) = match findings.plan {
        Some(plan) => (colour(Verdict::Good), format!("memtap can see every request (plan {plan}).")),
        None => (
            colour(Verdict::Missing),
            "memtap cannot see requests here. `memtap serve` shows only the memory usage of processes, from /proc."
                .to_owned(),
        ),
    };
    writeln!(out, "{style}{}{style:#}", textwrap::fill(&words, wrapping(width)))
}

fn write_check(out: &mut impl Write, check: &Check, width: usize) -> std::io::Result<()> {
    let style = colour(check.verdict);
    let mark = match check.verdict {
        Verdict::Good => "ok",
        Verdict::Less => "warn",
        Verdict::Missing => "fail",
    };
    let column = " ".repeat(COLUMN);
    let lines = wrapping(width).initial_indent(&column).subsequent_indent(&column);
    let found = textwrap::fill(&check.found, lines);
    writeln!(out, "  {style}{mark:<5}{style:#}{:<22}{}", label(check.name), found.trim_start())
}

fn write_fix(out: &mut impl Write, fix: &str, width: usize) -> std::io::Result<()> {
    let lines = wrapping(width).initial_indent(INDENT).subsequent_indent(INDENT);
    let dimmed = Style::new().dimmed();
    writeln!(out, "{dimmed}{}{dimmed:#}", textwrap::fill(&format!("fix: {fix}"), lines))
}

/// Options for wrapping: a line breaks only between words, so that commands stay intact.
fn wrapping<'a>(width: usize) -> textwrap::Options<'a> {
    textwrap::Options::new(width).word_splitter(textwrap::WordSplitter::NoHyphenation).break_words(false)
}

/// Name of a check for people. JSON keeps the stable name.
fn label(name: &str) -> &str {
    match name {
        "folder" => "directory",
        name => name,
    }
}

fn colour(verdict: Verdict) -> Style {
    let colour = match verdict {
        Verdict::Good => AnsiColor::Green,
        Verdict::Less => AnsiColor::Yellow,
        Verdict::Missing => AnsiColor::Red,
    };
    colour.on_default()
}

fn heading(group: Group) -> &'static str {
    match group {
        Group::Kernel => "Kernel",
        Group::Permissions => "Permissions",
        Group::Surroundings => "Environment",
        Group::Trial => "Tests",
        Group::History => "History",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_is_aligned_within_80_columns() {
        let check = |name, verdict, found: &str, fix: Option<&str>| Check {
            group: Group::Kernel,
            name,
            verdict,
            found: found.to_owned(),
            fix: fix.map(str::to_owned),
        };
        let long = "a sentence that has to go on in the next line ".repeat(4);
        let findings = Findings {
            version: "0",
            requests: false,
            plan: None,
            user: "nobody".to_owned(),
            capabilities: Vec::new(),
            checks: vec![
                check("memory pressure (PSI)", Verdict::Good, &long, None),
                check(
                    "eBPF",
                    Verdict::Missing,
                    "missing",
                    Some("sudo setcap cap_bpf,cap_perfmon,cap_sys_ptrace,cap_sys_nice+ep /usr/bin/memtap"),
                ),
            ],
        };
        let mut out = Vec::new();
        write(&mut out, &findings, 80).unwrap();
        let text = anstream::adapter::strip_str(std::str::from_utf8(&out).unwrap()).to_string();
        assert!(text.lines().all(|line| line.len() <= 80), "{text}");
        assert!(text.starts_with("Kernel\n  ok   memory pressure (PSI) a sentence"), "{text}");
        assert!(text.contains("  fail eBPF                  missing\n        fix: sudo setcap"), "{text}");
        let second = text.lines().nth(2).unwrap();
        assert_eq!(second.len() - second.trim_start().len(), COLUMN, "{text}");
        assert!(text.ends_with("/proc.\n"), "{text}");
    }

    #[test]
    fn json_has_the_fix_also_under_its_former_name() {
        let check = |fix: Option<&str>| Check {
            group: Group::History,
            name: "folder",
            verdict: Verdict::Less,
            found: "little space".to_owned(),
            fix: fix.map(str::to_owned),
        };
        let json = serde_json::to_value([check(Some("free some")), check(None)]).unwrap();
        assert_eq!(
            json[0],
            serde_json::json!({
                "group": "history", "name": "folder", "verdict": "less", "found": "little space",
                "fix": "free some", "mend": "free some",
            })
        );
        assert!(json[1]["fix"].is_null() && json[1]["mend"].is_null(), "{json}");
    }
}
