//! Summary of a command's run. `memtap run` collects it, and this module renders it from one
//! outline for terminals and browsers.

mod outline;

use std::sync::Arc;

use memtap_model::{Call, CallTotals, Errno, Refusals};

use super::{Audience, Screen, Span, html, text};

/// Largest number of processes listed on a terminal.
const ON_A_TERMINAL: usize = 20;

/// A run, summed over all processes of its tree.
#[derive(Debug, Clone, Default)]
pub struct Run {
    /// Command line.
    pub command: String,
    /// Version of memtap.
    pub memtap: String,
    /// Source that followed the command: `bpf` or `ptrace`.
    pub source: &'static str,
    /// Time from the start of the command to the end of its last process.
    pub span: Span,
    /// Exit status, as a shell reports it.
    pub status: u8,
    /// Signal that killed the command.
    pub signal: Option<&'static str>,
    /// Highest sum of virtual sizes of its processes, bytes.
    pub peak_virtual_bytes: u64,
    /// Highest resident set that is known, bytes.
    pub peak_resident_bytes: u64,
    /// Bytes of the granted requests, over the calls that request memory.
    pub requested_bytes: u64,
    /// Virtual size that requests added, bytes.
    pub granted_bytes: u64,
    /// Virtual size that requests removed, bytes.
    pub released_bytes: u64,
    /// Totals by call.
    pub calls: Vec<(Call, CallTotals)>,
    /// Refused requests by call and errno.
    pub refusals: Vec<Refusals>,
    /// Requests that are part of the totals but were not seen one by one.
    pub lost: u64,
    /// Largest requests, largest first.
    pub largest: Vec<RunRequest>,
    /// Highest virtual size within each step, bytes.
    pub timeline: Vec<u64>,
    /// Length of a step, seconds.
    pub step_s: f64,
    /// Processes in the order of their start. If there are very many, those with the highest peaks.
    pub processes: Vec<RunProcess>,
    /// Number of processes that are not listed.
    pub left_out: u64,
}

/// A large request.
#[derive(Debug, Clone)]
pub struct RunRequest {
    /// Time since the start of the run, seconds.
    pub after_s: f64,
    /// Process id.
    pub pid: u32,
    /// Name of the process. Untrusted.
    pub name: String,
    /// Call of the request.
    pub call: Call,
    /// Requested bytes.
    pub requested_bytes: u64,
    /// Errno of the refusal, if the request was refused.
    pub refused: Option<Errno>,
    /// Flags in words.
    pub words: String,
    /// File name of the mapped file, without its directory.
    pub file: Option<Arc<str>>,
}

/// One process of the tree.
#[derive(Debug, Clone, Default)]
pub struct RunProcess {
    /// Process id.
    pub pid: u32,
    /// Command line, or the name if that is unknown. Untrusted.
    pub command: String,
    /// Peak of the virtual size, bytes.
    pub peak_virtual_bytes: u64,
    /// Peak of the resident set, bytes.
    pub peak_resident_bytes: u64,
    /// Number of requests.
    pub requests: u64,
    /// Bytes of the granted requests.
    pub requested_bytes: u64,
    /// Number of refused requests.
    pub refused: u64,
    /// Lifetime, seconds.
    pub seconds: f64,
}

impl Run {
    fn requests(&self) -> u64 {
        self.calls.iter().map(|(_, totals)| totals.count).sum()
    }

    fn refused(&self) -> u64 {
        self.calls.iter().map(|(_, totals)| totals.refused).sum()
    }

    /// Renders the run for a terminal. If there are many processes, it lists those with the highest
    /// peaks.
    #[must_use]
    pub fn text(&self, audience: &Audience, screen: Screen) -> String {
        let mut run = self.clone();
        run.keep_processes(ON_A_TERMINAL);
        text::render(&outline::outline(&run, audience), self.span, audience, screen)
    }

    fn keep_processes(&mut self, most: usize) {
        let mut largest: Vec<usize> = (0..self.processes.len()).collect();
        largest.sort_by_key(|index| std::cmp::Reverse(self.processes[*index].peak_resident_bytes));
        self.left_out += largest.len().saturating_sub(most) as u64;
        largest.truncate(most);
        largest.sort_unstable();
        self.processes = largest.into_iter().map(|index| self.processes[index].clone()).collect();
    }

    /// Renders the run as one HTML file.
    #[must_use]
    pub fn html(&self, audience: &Audience) -> String {
        html::page(&outline::outline(self, audience), audience, &self.memtap)
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use memtap_model::WallClock;
    use scraper::{Html, Selector};

    use super::super::At;
    use super::*;
    use crate::Lang;

    fn run() -> Run {
        let granted = |count, requested_bytes, refused| CallTotals { count, requested_bytes, refused };
        Run {
            command: "./solver <b>\u{1b}[31m".to_owned(),
            memtap: "9.9".to_owned(),
            source: "ptrace",
            span: Span { from: At(WallClock(0)), to: At(WallClock(2_500_000_000)) },
            status: 139,
            signal: Some("SIGSEGV"),
            peak_virtual_bytes: 3 << 30,
            peak_resident_bytes: 2 << 20,
            requested_bytes: 5 << 20,
            granted_bytes: 4 << 20,
            released_bytes: 3 << 20,
            calls: vec![(Call::Mmap, granted(1234, 4 << 20, 1)), (Call::Brk, granted(3, 1 << 20, 0))],
            refusals: vec![Refusals { call: Call::Mmap, errno: Errno::ENOMEM, count: 1 }],
            lost: 0,
            largest: vec![RunRequest {
                after_s: 1.25,
                pid: 7,
                name: "solver".to_owned(),
                call: Call::Mmap,
                requested_bytes: 1 << 40,
                refused: Some(Errno::ENOMEM),
                words: "PROT_READ".to_owned(),
                file: None,
            }],
            timeline: vec![1 << 20, 3 << 30, 0],
            step_s: 1.0,
            processes: vec![
                RunProcess { pid: 7, command: "solver".to_owned(), ..RunProcess::default() },
                RunProcess { pid: 8, command: "évil\n".to_owned(), ..RunProcess::default() },
            ],
            left_out: 0,
        }
    }

    fn screen(width: usize) -> Screen {
        Screen { width, ..Screen::default() }
    }

    fn audience(lang: Lang) -> Audience {
        Audience { lang, zone: TimeZone::UTC }
    }

    #[test]
    fn text_shows_the_figures_in_words() {
        let text = run().text(&audience(Lang::En), screen(100));
        for told in ["3.00 GiB", "2.00 MiB", "1,234", "SIGSEGV", "ENOMEM", "RLIMIT_AS", "1.00 TiB", "▁█"]
        {
            assert!(text.contains(told), "{told}: {text}");
        }
        assert!(!text.contains('\u{1b}') && !text.contains("évil\n"), "strangers' bytes are escaped: {text}");
        let spanish = run().text(&audience(Lang::Es), screen(100));
        assert!(spanish.contains("3,00 GiB") && spanish.contains("1.234"), "{spanish}");
    }

    #[test]
    fn sums_of_bytes_are_named_as_in_reports_and_no_label_is_cut() {
        for lang in Lang::ALL {
            let text = run().text(&audience(lang), screen(80));
            let requested = lang.pick("Requested", "Memoria solicitada");
            for (label, amount) in [
                (requested, "5.00 MiB"),
                (lang.pick("Granted", "Memoria concedida"), "4.00 MiB"),
                (lang.pick("Released", "Memoria liberada"), "3.00 MiB"),
            ] {
                let amount = amount.replace('.', lang.pick(".", ","));
                let told = |line: &str| line.trim_start().starts_with(label) && line.ends_with(&amount);
                assert!(text.lines().any(told), "{label}: {text}");
            }
            let chart = text.lines().find(|line| line.contains('█')).unwrap();
            assert!(!chart.contains('…'), "{chart}");
        }
    }

    #[test]
    fn text_lists_the_largest_of_many_processes() {
        let mut run = run();
        run.processes = (0..100)
            .map(|pid| RunProcess {
                pid,
                command: format!("worker{pid}."),
                peak_resident_bytes: u64::from(pid * 37 % 100),
                ..RunProcess::default()
            })
            .collect();
        let text = run.text(&audience(Lang::En), screen(100));
        assert_eq!(text.matches("worker").count(), 20, "{text}");
        assert!(text.contains("worker27.") && text.contains("80 more processes are not listed"), "{text}");
        assert!(run.html(&audience(Lang::En)).contains("worker1."));
    }

    #[test]
    fn lines_fit_the_width_of_the_terminal() {
        for columns in [60, 80, 200] {
            let text = run().text(&audience(Lang::Es), screen(columns));
            let longest = text.lines().map(|line| line.chars().count()).max();
            assert!(longest <= Some(columns), "{columns}: {longest:?}\n{text}");
        }
    }

    #[test]
    fn html_is_one_file_without_external_resources() {
        let text = run().html(&audience(Lang::En));
        let page = Html::parse_document(&text);
        assert!(page.errors.is_empty(), "{:?}", page.errors);
        assert_eq!(
            page.select(&Selector::parse("script, link, [src], b:not(.severity)").unwrap()).count(),
            0
        );
        assert_eq!(page.select(&Selector::parse("svg").unwrap()).count(), 1);
        assert!(text.contains("./solver &lt;b&gt;\\x1b[31m"), "{text}");
    }
}
