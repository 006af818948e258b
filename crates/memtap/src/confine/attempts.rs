//! Tries what malicious code inside memtap could do after the start, in a child process that is
//! confined like `serve`.

use std::fs::OpenOptions;
use std::io::{self, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::libc;
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, fork};

use super::Places;

/// Another process of root, the target of the attempts.
struct Other(Child);

impl Other {
    fn start() -> Self {
        Self(Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().unwrap())
    }

    fn file(&self, name: &str) -> String {
        format!("/proc/{}/{name}", self.0.id())
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn writes(path: &str) -> io::Result<()> {
    OpenOptions::new().write(true).open(path).map(drop)
}

fn makes(path: &str) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).open(path)?;
    std::fs::remove_file(path)
}

fn calls(call: libc::c_long, arguments: [libc::c_long; 4]) -> io::Result<()> {
    let [a, b, c, d] = arguments;
    // SAFETY: none of the calls that are tried writes to this process's memory.
    match unsafe { libc::syscall(call, a, b, c, d) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Returns the attempts that succeeded although they must fail, and the needed operations that
/// failed.
fn wrong(other: &Other) -> Vec<String> {
    let pid = libc::c_long::from(other.0.id());
    let cron = if Path::new("/etc/cron.d").exists() { "/etc/cron.d" } else { "/etc" };
    let namespace = std::fs::File::open("/proc/1/ns/uts").ok();
    let namespace =
        namespace.as_ref().map_or(-1, |file| libc::c_long::from(std::os::fd::AsRawFd::as_raw_fd(file)));
    let denied = [
        ("a file in /etc", makes("/etc/memtap-attempt")),
        ("a cron job", makes(&format!("{cron}/memtap-attempt"))),
        ("the user database", writes("/etc/passwd")),
        ("another process's memory", writes(&other.file("mem"))),
        ("the first process's memory", writes("/proc/1/mem")),
        ("another process's badness", writes(&other.file("oom_score_adj"))),
        ("a signal", calls(libc::SYS_kill, [pid, 0, 0, 0])),
        ("ptrace", calls(libc::SYS_ptrace, [libc::c_long::from(libc::PTRACE_SEIZE), pid, 0, 0])),
        ("process_vm_writev", calls(libc::SYS_process_vm_writev, [pid, 0, 0, 0])),
        ("unshare", calls(libc::SYS_unshare, [libc::c_long::from(libc::CLONE_NEWUSER), 0, 0, 0])),
        ("setns", calls(libc::SYS_setns, [namespace, 0, 0, 0])),
        ("clone", calls(libc::SYS_clone, [libc::c_long::from(libc::CLONE_NEWUSER | libc::SIGCHLD), 0, 0, 0])),
        ("root again", calls(libc::SYS_setresuid, [0, 0, 0, 0])),
        ("a program", Err(Command::new("/bin/true").exec())),
    ];
    let succeeded = denied.into_iter().filter(|(_, done)| done.is_ok()).map(|(what, _)| what.to_owned());
    let needed = [
        ("shares of another process", std::fs::read(other.file("smaps_rollup")).map(drop)),
        ("mappings of another process", std::fs::read(other.file("maps")).map(drop)),
        ("a thread", std::thread::Builder::new().spawn(|| ()).map(drop)),
    ];
    let failed = needed.into_iter().filter_map(|(what, done)| Some(format!("{what}: {}", done.err()?)));
    succeeded.chain(failed).collect()
}

#[test]
fn serve_as_root_cannot_change_the_system_or_other_processes() {
    let folder = tempfile::tempdir().unwrap();
    let places = Places { folders: vec![folder.path().into()], ..Places::default() };
    let other = Other::start();
    let (mut reading, mut writing) = io::pipe().unwrap();
    // SAFETY: the child has one thread, and it exits without running the test harness's exit
    // handlers.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            // Other tests must not take this process's user ID for one in use by another program.
            nix::sys::prctl::set_name(c"memtap").unwrap();
            let begun = super::begin_as_own_user(None, &places);
            let done = begun.and_then(|notice| super::attached().map(|()| notice));
            super::watching();
            let wrong = match done {
                Ok(None) => wrong(&other),
                other => vec![format!("{other:?}")],
            };
            let _ = writing.write_all(wrong.join("; ").as_bytes());
            // SAFETY: nothing in this process is needed any more.
            unsafe { libc::_exit(0) }
        }
        ForkResult::Parent { child } => {
            drop(writing);
            let mut wrong = String::new();
            reading.read_to_string(&mut wrong).unwrap();
            waitpid(child, None).unwrap();
            assert_eq!(wrong, "");
        }
    }
}
