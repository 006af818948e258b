//! System calls that memtap never makes once it watches. The kernel rejects them (seccomp): an
//! attacker who controls memtap can start no program, load none into the kernel, and change neither
//! another process nor a mount.

use std::collections::BTreeMap;

use nix::libc;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, sock_filter,
};

const REFUSED: [libc::c_long; 48] = [
    // Other programs and processes.
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_userfaultfd,
    libc::SYS_personality,
    // Mounts and namespaces.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_mount_setattr,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_open_by_handle_at,
    // The kernel and the machine.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_perf_event_open,
    libc::SYS_io_uring_setup,
    libc::SYS_syslog,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
    // Keys.
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_vhangup,
];

/// Commands of bpf() that reading all processes needs (include/uapi/linux/bpf.h):
/// BPF_MAP_LOOKUP_ELEM, BPF_LINK_CREATE, BPF_ITER_CREATE.
const BPF_COMMANDS: [u64; 3] = [1, 28, 33];

/// Flags that make clone(), which also starts threads, create a namespace. CLONE_NEWTIME is not
/// listed: clone() does not accept it (include/uapi/linux/sched.h).
const NAMESPACES: [libc::c_int; 7] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

/// Bit that marks x32 system calls (arch/x86/include/uapi/asm/unistd.h). The lists above do not
/// contain their numbers.
const X32: u32 = 0x4000_0000;

/// Installs the filters in all threads, present and future.
pub(super) fn refuse() -> Result<(), seccompiler::Error> {
    seccompiler::apply_filter_all_threads(&filter()?)?;
    seccompiler::apply_filter_all_threads(&by_number())
}

fn filter() -> Result<BpfProgram, BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = REFUSED.map(|call| (call, Vec::new())).into();
    let other_command = BPF_COMMANDS
        .map(|command| SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, command))
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;
    rules.insert(libc::SYS_bpf, vec![SeccompRule::new(other_command)?]);
    rules.insert(libc::SYS_clone, NAMESPACES.map(has_flag).into_iter().collect::<Result<_, _>>()?);
    let refusal = SeccompAction::Errno(libc::EPERM as u32);
    SeccompFilter::new(rules, SeccompAction::Allow, refusal, std::env::consts::ARCH.try_into()?)?.try_into()
}

fn has_flag(flag: libc::c_int) -> Result<SeccompRule, BackendError> {
    let flag = u64::from(flag.cast_unsigned());
    let is_set = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(flag), flag)?;
    SeccompRule::new(vec![is_set])
}

/// Filters by call number, for the calls that the list cannot express. clone3() fails with ENOSYS,
/// as on a kernel without it: its flags are in memory, where a filter cannot see them, and on
/// ENOSYS the C library starts threads with clone().
fn by_number() -> BpfProgram {
    let statement = |code: u32, k: u32| sock_filter { code: code as u16, jt: 0, jf: 0, k };
    let jump = |test: u32, k: u32, jt: u8, jf: u8| sock_filter {
        code: (libc::BPF_JMP | test | libc::BPF_K) as u16,
        jt,
        jf,
        k,
    };
    let clone3 = libc::SYS_clone3 as u32;
    vec![
        // The system call number is the first field of struct seccomp_data.
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0),
        jump(libc::BPF_JEQ, clone3, 0, 1),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned()),
        jump(libc::BPF_JGE, X32, 0, 1),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ERRNO | libc::EPERM.cast_unsigned()),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    /// Returns the errno of bpf() for a command with otherwise invalid arguments.
    fn bpf(command: u64) -> Option<i32> {
        // SAFETY: the kernel rejects a null attribute of size 0.
        let answer = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::null::<u8>(), 0) };
        assert_eq!(answer, -1);
        io::Error::last_os_error().raw_os_error()
    }

    /// Returns the errno of a call whose arguments are 0 except the first; `None` when it succeeds.
    fn error(call: libc::c_long, first: libc::c_int) -> Option<i32> {
        // SAFETY: without a pointer, none of the calls tried here writes to memory.
        let answer = unsafe { libc::syscall(call, first, 0, 0, 0, 0) };
        (answer == -1).then(|| io::Error::last_os_error().raw_os_error()).flatten()
    }

    #[test]
    fn a_confined_thread_can_start_threads_but_not_create_namespaces() {
        let confined = std::thread::spawn(|| {
            seccompiler::apply_filter(&filter().unwrap()).unwrap();
            seccompiler::apply_filter(&by_number()).unwrap();
            for flag in NAMESPACES {
                // No kernel accepts CLONE_SIGHAND without CLONE_VM, so nothing starts.
                assert_eq!(
                    error(libc::SYS_clone, flag | libc::CLONE_SIGHAND),
                    Some(libc::EPERM),
                    "{flag:#x}"
                );
                assert_eq!(error(libc::SYS_unshare, flag), Some(libc::EPERM), "{flag:#x}");
            }
            assert_eq!(
                error(libc::SYS_clone, libc::CLONE_SIGHAND),
                Some(libc::EINVAL),
                "others pass the filter"
            );
            assert_eq!(error(libc::SYS_setns, 0), Some(libc::EPERM));
            assert_eq!(error(libc::SYS_clone3, 0), Some(libc::ENOSYS));
            assert_eq!(error(libc::SYS_getpid | libc::c_long::from(X32), 0), Some(libc::EPERM));
            std::thread::spawn(|| true).join().unwrap()
        });
        assert!(confined.join().unwrap());
    }

    /// The filter applies to one thread only, so that the other tests are not confined.
    #[test]
    fn a_confined_thread_cannot_start_or_load_programs() {
        let confined = std::thread::spawn(|| {
            seccompiler::apply_filter(&filter().unwrap()).unwrap();
            let start = std::process::Command::new("/bin/true").status().unwrap_err();
            assert_eq!(start.raw_os_error(), Some(libc::EPERM));
            const BPF_PROG_LOAD: u64 = 5;
            assert_eq!(bpf(BPF_PROG_LOAD), Some(libc::EPERM));
            for command in BPF_COMMANDS {
                assert_ne!(bpf(command), Some(libc::EPERM), "command {command}");
            }
            assert!(std::fs::read_to_string("/proc/self/status").is_ok());
            std::thread::spawn(|| std::process::Command::new("/bin/true").status().is_err()).join().unwrap()
        });
        assert!(confined.join().unwrap(), "threads to come are confined as well");
        assert!(std::process::Command::new("/bin/true").status().unwrap().success());
    }
}
