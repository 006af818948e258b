//! Facts about this kernel and this process. Facts only; `probe.rs` judges them.

use std::fs;
use std::path::Path;

/// What was found; `None` where it could not be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Kernel release, as `uname -r`.
    pub release: String,
    /// Machine, as `uname -m`.
    pub machine: String,
    /// Whether the kernel describes its types (CONFIG_DEBUG_INFO_BTF).
    pub has_btf: bool,
    /// Effective capabilities, a bit each.
    pub capabilities: Option<u64>,
    /// `kernel.unprivileged_bpf_disabled`.
    pub unprivileged_bpf_disabled: Option<u8>,
    /// Lockdown mode: `none`, `integrity` or `confidentiality`; `None` when securityfs is not mounted and the kernel was not booted with one.
    pub lockdown: Option<String>,
    /// Whether the kernel tells memory pressure (PSI).
    pub has_pressure: bool,
}

/// Reads the facts.
#[must_use]
pub fn facts() -> Facts {
    let name = nix::sys::utsname::uname().ok();
    let text = |part: Option<&std::ffi::OsStr>| {
        part.map(|part| part.to_string_lossy().into_owned()).unwrap_or_default()
    };
    Facts {
        release: text(name.as_ref().map(nix::sys::utsname::UtsName::release)),
        machine: text(name.as_ref().map(nix::sys::utsname::UtsName::machine)),
        has_btf: Path::new("/sys/kernel/btf/vmlinux").exists(),
        capabilities: capabilities(),
        unprivileged_bpf_disabled: number("/proc/sys/kernel/unprivileged_bpf_disabled"),
        lockdown: lockdown(),
        has_pressure: fs::read("/proc/pressure/memory").is_ok(),
    }
}

fn capabilities() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

fn number(path: &str) -> Option<u8> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// `none [integrity] confidentiality`: the one in brackets. Else what the kernel was booted with.
fn lockdown() -> Option<String> {
    match fs::read_to_string("/sys/kernel/security/lockdown") {
        Ok(text) => {
            let (_, rest) = text.split_once('[')?;
            rest.split_once(']').map(|(mode, _)| mode.to_owned())
        }
        Err(_) => {
            let options = fs::read_to_string("/proc/cmdline").ok()?;
            options.split_whitespace().find_map(|option| option.strip_prefix("lockdown=")).map(str::to_owned)
        }
    }
}
