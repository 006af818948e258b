//! A test terminal: a pty, with an emulator that reads it like a real terminal.

use std::io::{Read as _, Write as _};
use std::num::NonZero;
use std::os::fd::AsRawFd as _;
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use pty_process::blocking::{Command, Pts, Pty};

use crate::support::PATIENCE;

const LINES: NonZero<u16> = NonZero::new(24).unwrap();
const CELLS: NonZero<u16> = NonZero::new(80).unwrap();

pub(crate) struct Terminal {
    pty: Pty,
    /// Kept open, so that output can be read after the program has ended.
    pts: Pts,
    screen: Arc<Mutex<vt100::Parser>>,
    child: Child,
}

impl Terminal {
    /// Starts `memtap top` on a terminal with 24 lines of 80 cells.
    pub(crate) fn start(arguments: &[&str], user: Option<u32>) -> Self {
        let memtap = Command::new(env!("CARGO_BIN_EXE_memtap")).arg("top").args(arguments);
        Self::start_command(memtap, user)
    }

    /// Starts a program on a terminal.
    pub(crate) fn start_command(command: Command, user: Option<u32>) -> Self {
        let (pty, pts) = pty_process::blocking::open().unwrap();
        pty.resize(pty_process::Size::new(LINES.get(), CELLS.get())).unwrap();
        let mut command = command.env("LC_ALL", "C.UTF-8").env("TERM", "xterm");
        if let Some(user) = user {
            command = command.uid(user).gid(user);
        }
        let child = command.spawn_borrowed(&pts).unwrap();
        let screen = Arc::new(Mutex::new(vt100::Parser::new(LINES, CELLS, 0)));
        let (mut reader, parser) = (std::fs::File::from(dup(&pty)), Arc::clone(&screen));
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                parser.lock().unwrap().process(&bytes[..count]);
            }
        });
        Self { pty, pts, screen, child }
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.pty.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until the screen satisfies `wanted`. Returns its text.
    pub(crate) fn wait_for(&self, what: &str, wanted: impl Fn(&vt100::Screen) -> bool) -> String {
        let begin = Instant::now();
        loop {
            let parser = self.screen.lock().unwrap();
            let text = parser.screen().contents();
            if wanted(parser.screen()) {
                return text;
            }
            drop(parser);
            assert!(begin.elapsed() < PATIENCE, "{what}:\n{text}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn shows(&self, text: &str) -> String {
        self.wait_for(text, |screen| screen.contents().contains(text))
    }

    /// Waits for the program's end. Returns its exit code.
    pub(crate) fn end(&mut self) -> Option<i32> {
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("it does not end:\n{}", self.screen.lock().unwrap().screen().contents());
    }

    /// Asserts that the terminal is restored: line editing and echo, visible cursor, main screen,
    /// no mouse capture.
    pub(crate) fn assert_restored(&self) {
        self.wait_for("the terminal is given back", |screen| {
            !screen.alternate_screen()
                && !screen.hide_cursor()
                && screen.mouse_protocol_mode() == vt100::MouseProtocolMode::None
        });
        assert!(self.edits_lines());
    }

    pub(crate) fn edits_lines(&self) -> bool {
        // SAFETY: the terminal is open, and the kernel fills the whole structure.
        let modes = unsafe {
            let mut modes = std::mem::zeroed::<libc::termios>();
            assert_eq!(libc::tcgetattr(self.pts.as_raw_fd(), &raw mut modes), 0);
            modes.c_lflag
        };
        modes & (libc::ICANON | libc::ECHO) == libc::ICANON | libc::ECHO
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    /// Waits until the program is stopped.
    pub(crate) fn stops(&self) {
        let status = waitpid(self.pid(), Some(WaitPidFlag::WUNTRACED)).unwrap();
        assert!(matches!(status, WaitStatus::Stopped(_, Signal::SIGSTOP)), "{status:?}");
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }
}

fn dup(pty: &Pty) -> std::os::fd::OwnedFd {
    std::os::fd::AsFd::as_fd(pty).try_clone_to_owned().unwrap()
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
