//! `memtap top` on a test terminal: with its own capture, attached to a running memtap, without
//! privileges, and how it restores the terminal.

#![expect(clippy::unwrap_used, reason = "a failing unwrap is a failing test, and says where")]

#[expect(dead_code, reason = "each test program uses its part")]
mod support;
mod terminal;

use std::io::Read as _;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use support::{Fixture, Memtap, NOBODY};
use terminal::Terminal;

/// `\x1b[31m<b>`, a name that would change the screen's colour.
const STRANGER: &str = "1b5b33316d3c623e";

#[test]
fn top_finds_a_process_shows_its_requests_and_restores_the_terminal() {
    let _alone = support::alone();
    let mut fixture = Fixture::start(&["pairs", "3000"]);
    let mut terminal = Terminal::start(&["--source", "bpf"], None);
    terminal.shows(" processes");
    assert!(!terminal.edits_lines());
    terminal.press(&format!("/{}\r\r", fixture.pid()));
    terminal.shows(&format!("fixture  pid {}", fixture.pid()));
    fixture.go();
    terminal.shows("munmap           3,00");
    terminal.press("3");
    let screen = terminal.shows("64.0 KiB  +64.0 KiB");
    assert!(
        screen.contains("munmap    64.0 KiB  -64.0 KiB") && screen.contains("PROT_READ|PROT_WRITE"),
        "{screen}"
    );
    terminal.press("qq");
    assert_eq!(terminal.end(), Some(0));
    terminal.assert_restored();
    fixture.end();
}

#[test]
fn top_shows_the_data_of_a_running_memtap() {
    let memtap = Memtap::start();
    let mut fixture = Fixture::start(&["known"]);
    let stranger = Fixture::start(&["named", STRANGER, "4096"]);
    let path = format!("/api/v1/processes/{}", stranger.pid());
    memtap.wait_for(&path, "it is known", |process| process["name"] == "\u{1b}[31m<b>");
    let url = format!("http://127.0.0.1:{}", memtap.port);
    let mut terminal = Terminal::start(&["--attach", &url], Some(NOBODY));
    let screen = terminal.shows(" processes");
    assert!(screen.contains(&format!(" via {url}")), "{screen}");
    terminal.press(&format!("/{}\r\r", stranger.pid()));
    terminal.shows(&format!("\\x1b[31m<b>  pid {}", stranger.pid()));
    terminal.press(&format!("q/{}\r\r", fixture.pid()));
    terminal.shows(&format!("fixture  pid {}", fixture.pid()));
    fixture.go();
    // One mmap is larger than any address space.
    let screen = terminal.shows("mmap ENOMEM × 1: ");
    assert!(screen.contains("mremap"), "{screen}");
    memtap.kill();
    terminal.shows("no new data from");
    terminal.signal(Signal::SIGTERM);
    assert_eq!(terminal.end(), Some(0));
    terminal.assert_restored();
    fixture.end();
    stranger.end();
}

#[test]
fn top_without_privileges_shows_what_is_missing() {
    let mut terminal = Terminal::start(&["--source", "auto"], Some(NOBODY));
    let screen = terminal.shows("requests are not visible");
    assert!(screen.contains("procfs") && screen.contains("to fix it: sudo"), "{screen}");
    terminal.shows(" processes");
    terminal.press("\u{3}");
    assert_eq!(terminal.end(), Some(0));
    terminal.assert_restored();
}

#[test]
fn the_terminal_is_free_while_it_is_suspended() {
    let mut terminal = Terminal::start(&["--source", "procfs"], None);
    terminal.shows(" processes");
    for ctrl_z in [true, false] {
        if ctrl_z {
            terminal.press("\u{1a}");
        } else {
            terminal.signal(Signal::SIGTSTP);
        }
        terminal.stops();
        terminal.assert_restored();
        terminal.signal(Signal::SIGCONT);
        terminal.wait_for("it goes on", |screen| {
            screen.alternate_screen() && screen.contents().contains(" processes")
        });
    }
    terminal.press("q");
    assert_eq!(terminal.end(), Some(0));
    terminal.assert_restored();
}

#[test]
fn it_ends_with_its_terminal() {
    let (mut pty, pts) = pty_process::blocking::open().unwrap();
    pty.resize(pty_process::Size::new(24, 80)).unwrap();
    let top = pty_process::blocking::Command::new(env!("CARGO_BIN_EXE_memtap"));
    let mut child = top
        .args(["top", "--source", "procfs"])
        .env("LC_ALL", "C.UTF-8")
        .env("TERM", "xterm")
        .spawn(pts)
        .unwrap();
    let (mut seen, mut bytes) = (Vec::new(), [0; 4096]);
    while !String::from_utf8_lossy(&seen).contains("memtap top") {
        let count = pty.read(&mut bytes).unwrap();
        seen.extend_from_slice(&bytes[..count]);
    }
    drop(pty);
    let begin = std::time::Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begin.elapsed() > support::PATIENCE {
            child.kill().unwrap();
            panic!("it goes on without a terminal");
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn a_missing_terminal_or_memtap_is_an_error() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_memtap"));
    command.arg("top").stdin(Stdio::null()).stdout(Stdio::null());
    let (code, stderr) = support::run(command);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("needs a terminal"), "{stderr}");

    let url = format!("http://127.0.0.1:{}", support::free_port());
    let mut terminal = Terminal::start(&["--attach", &url], None);
    terminal.shows("no memtap serve answers");
    assert_eq!(terminal.end(), Some(1));
    terminal.assert_restored();

    // A listener that never responds.
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", other.local_addr().unwrap());
    let mut terminal = Terminal::start(&["--attach", &url], None);
    terminal.shows("it is not memtap");
    assert_eq!(terminal.end(), Some(1));
}

#[test]
fn a_panic_restores_the_terminal_and_is_reported() {
    let program = support::fixture_path().with_file_name("panicking_top");
    let mut terminal = Terminal::start_command(pty_process::blocking::Command::new(program), None);
    terminal.shows("on purpose");
    assert_eq!(terminal.end(), Some(1));
    terminal.shows("a thread of memtap panicked");
    terminal.assert_restored();
}
