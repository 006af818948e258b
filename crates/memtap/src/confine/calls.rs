//! System calls that memtap never makes once it watches, refused by the kernel (seccomp): whoever got hold of it could not start a program,
//! load one into the kernel, change another process, or what is mounted.

use std::collections::BTreeMap;

use nix::libc;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
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
    // What is mounted, and namespaces.
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

/// Of bpf(), what a reading of all processes needs (include/uapi/linux/bpf.h): BPF_MAP_LOOKUP_ELEM, BPF_LINK_CREATE, BPF_ITER_CREATE.
const BPF_COMMANDS: [u64; 3] = [1, 28, 33];

/// In all threads, those to come as well.
pub(super) fn refuse() -> Result<(), seccompiler::Error> {
    seccompiler::apply_filter_all_threads(&filter()?)
}

fn filter() -> Result<BpfProgram, BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = REFUSED.map(|call| (call, Vec::new())).into();
    let other_command = BPF_COMMANDS
        .map(|command| SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, command))
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;
    rules.insert(libc::SYS_bpf, vec![SeccompRule::new(other_command)?]);
    let refusal = SeccompAction::Errno(libc::EPERM as u32);
    SeccompFilter::new(rules, SeccompAction::Allow, refusal, std::env::consts::ARCH.try_into()?)?.try_into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    /// What bpf() answers to a command of which nothing else is right.
    fn bpf(command: u64) -> Option<i32> {
        // SAFETY: the kernel refuses a null attribute of a size that is none.
        let answer = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::null::<u8>(), 0) };
        assert_eq!(answer, -1);
        io::Error::last_os_error().raw_os_error()
    }

    /// In one thread, so that the other tests go on as they are.
    #[test]
    fn a_thread_that_is_confined_starts_no_program_and_loads_none() {
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
