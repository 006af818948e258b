//! Trust in settings files, and errors that do not repeat a password. Without a history, `memtap
//! store info` names the store that it looked for and changes nothing.

#![expect(clippy::unwrap_used, reason = "a failing unwrap is a failing test, and says where")]

#[expect(dead_code, reason = "each test program uses its part")]
mod support;

use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{NOBODY, run};

/// A user who is neither root nor nobody.
const NEIGHBOUR: u32 = 65533;

/// Directory with a `.env`. `owners` and `modes` apply to the directory and the file.
fn place(owners: [u32; 2], modes: [u32; 2]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let file = env_file(folder.path());
    for (path, (owner, mode)) in [folder.path(), &file].into_iter().zip(owners.into_iter().zip(modes)) {
        give(path, owner, mode);
    }
    folder
}

fn give(path: &Path, owner: u32, mode: u32) {
    chown(path, Some(owner), Some(owner)).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn env_file(folder: &Path) -> PathBuf {
    let file = folder.join(".env");
    std::fs::write(&file, "MEMTAP_STORE=sqlite:/nowhere/by-file.db\n").unwrap();
    file
}

fn memtap(folder: &Path) -> Command {
    let mut memtap = Command::new(env!("CARGO_BIN_EXE_memtap"));
    memtap.current_dir(folder).env_remove("MEMTAP_STORE").env("STATE_DIRECTORY", "/nowhere/by-default");
    memtap
}

/// Runs memtap in the directory as this user. Returns whether it used the file's store, and its
/// log.
fn info(folder: &Path, user: u32, arguments: &[&str]) -> (bool, String) {
    let mut memtap = memtap(folder);
    memtap.args(["store", "info"]).args(arguments).uid(user).gid(user);
    let (code, text) = run(memtap);
    assert_eq!(code, Some(1), "{text}");
    let by_file = text.contains("/nowhere/by-file.db");
    assert_ne!(by_file, text.contains("/nowhere/by-default/memtap.db"), "{text}");
    (by_file, text)
}

#[test]
fn root_trusts_only_its_own_file() {
    let (own, text) = info(place([0, 0], [0o755, 0o644]).path(), 0, &[]);
    assert!(own && text.contains("read settings from /"), "{text}");

    for (owners, modes, reason) in [
        ([0, NOBODY], [0o755, 0o644], "it belongs to user nobody"),
        ([0, 0], [0o755, 0o666], "other users can write to it (mode 0666)"),
        ([0, 0], [0o755, 0o664], "other users can write to it (mode 0664)"),
        ([0, 0], [0o777, 0o644], "(mode 0777)"),
        ([0, 0], [0o1777, 0o644], "(mode 1777)"),
        ([NOBODY, 0], [0o755, 0o644], "belongs to user nobody"),
        ([NOBODY, NOBODY], [0o755, 0o644], "belongs to user nobody"),
    ] {
        let place = place(owners, modes);
        let (obeyed, text) = info(place.path(), 0, &[]);
        assert!(!obeyed, "{reason}: {text}");
        assert!(text.contains("the settings in .env are not used: ") && text.contains(reason), "{text}");
        assert!(text.contains("--env-file .env"), "{text}");
        let (obeyed, text) = info(place.path(), 0, &["--env-file", ".env"]);
        assert!(obeyed, "whoever names it has decided: {text}");
        assert_eq!(text.contains("other users can change the settings"), modes[1] != 0o644, "{text}");
    }
}

#[test]
fn a_link_is_judged_by_its_target() {
    let (own, strangers) = (place([0, 0], [0o755, 0o644]), place([NOBODY, NOBODY], [0o755, 0o644]));
    let in_strangers_folder = place([NOBODY, 0], [0o755, 0o644]);
    for (target, obeyed) in [(&own, true), (&strangers, false), (&in_strangers_folder, false)] {
        let place = tempfile::tempdir().unwrap();
        give(place.path(), 0, 0o755);
        symlink(target.path().join(".env"), place.path().join(".env")).unwrap();
        let (found, text) = info(place.path(), 0, &[]);
        assert_eq!(found, obeyed, "{text}");
    }
    let strangers_link = tempfile::tempdir().unwrap();
    symlink(own.path().join(".env"), strangers_link.path().join(".env")).unwrap();
    give(strangers_link.path(), NOBODY, 0o755);
    assert!(!info(strangers_link.path(), 0, &[]).0, "a stranger has chosen which file");
}

#[test]
fn other_users_obey_themselves_and_root() {
    for (owner, obeyed) in [(NOBODY, true), (0, true), (NEIGHBOUR, false)] {
        let (found, text) = info(place([0, owner], [0o777, 0o644]).path(), NOBODY, &[]);
        assert_eq!(found, obeyed, "{text}");
        assert!(obeyed || text.contains("it belongs to user 65533"), "{text}");
    }
}

#[test]
fn a_settings_path_that_is_not_a_file_is_ignored() {
    let folder = tempfile::tempdir().unwrap();
    give(folder.path(), 0, 0o755);
    nix::unistd::mkfifo(&folder.path().join(".env"), nix::sys::stat::Mode::from_bits_truncate(0o600))
        .unwrap();
    let (obeyed, text) = info(folder.path(), 0, &[]);
    assert!(!obeyed && text.contains("it is not a file"), "{text}");
}

#[test]
fn no_error_repeats_a_password() {
    const COMMANDS: [&[&str]; 7] =
        [&[], &["serve"], &["doctor"], &["report"], &["import"], &["store", "info"], &["store", "export"]];
    let folder = tempfile::tempdir().unwrap();
    give(folder.path(), 0, 0o755);
    for url in
        ["mysql://me:s3cret@db", "mysq://me:s3cret@db/memtap", "mysql://me:1/s3cret@db/memtap", "s3cret"]
    {
        for command in COMMANDS {
            let typed = |setting: &str, mut memtap: Command| {
                let (code, text) = run({
                    memtap.stdout(std::process::Stdio::null());
                    memtap
                });
                assert_eq!(code, Some(2), "{command:?}: {text}");
                assert!(text.contains(setting) && !text.contains("s3cret"), "{command:?}: {text}");
            };
            let mut by_flag = memtap(folder.path());
            by_flag.args(command).args(["--store", url]);
            typed("--store: ", by_flag);
            let mut by_environment = memtap(folder.path());
            by_environment.args(command).env("MEMTAP_STORE", url);
            typed("MEMTAP_STORE: ", by_environment);
        }
        std::fs::write(folder.path().join(".env"), format!("MEMTAP_STORE={url}\n")).unwrap();
        let mut by_file = memtap(folder.path());
        by_file.args(["store", "info"]);
        let (code, text) = run(by_file);
        assert_eq!(code, Some(2), "{text}");
        assert!(text.contains(".env: MEMTAP_STORE: ") && !text.contains("s3cret"), "{text}");
        std::fs::remove_file(folder.path().join(".env")).unwrap();
    }
    for misplaced in [&["mysql://me:s3cret@db/memtap"][..], &["store", "mysql://me:s3cret@db/memtap"]] {
        let mut memtap = memtap(folder.path());
        memtap.args(misplaced);
        let (code, text) = run(memtap);
        assert_eq!(code, Some(2), "{text}");
        assert!(text.contains("mysql://me:***@db/memtap") && !text.contains("s3cret"), "{text}");
    }
}

/// An error must name the variable or option that the user has to correct.
#[test]
fn an_error_names_the_source_of_a_wrong_value() {
    let folder = tempfile::tempdir().unwrap();
    give(folder.path(), 0, 0o755);
    let error_for = |arguments: &[&str], variable: &str| {
        let mut memtap = memtap(folder.path());
        memtap.args(arguments).env("MEMTAP_MAX_SIZE", variable).env("MEMTAP_SPEED", "");
        let (code, text) = run(memtap);
        assert_eq!(code, Some(2), "{text}");
        text
    };
    std::fs::write(folder.path().join(".env"), "MEMTAP_PLAN=\nMEMTAP_MAX_SIZE=def\n").unwrap();
    let by_variable = error_for(&["serve"], "abc");
    assert!(
        by_variable.contains("'abc' for 'MEMTAP_MAX_SIZE in the environment (--max-size "),
        "{by_variable}"
    );
    let by_file = error_for(&["serve"], "");
    assert!(by_file.contains("'def' for 'MEMTAP_MAX_SIZE in .env (--max-size <SIZE>)'"), "{by_file}");
    let by_flag = error_for(&["serve", "--max-size", "ghi"], "abc");
    assert!(by_flag.contains("'ghi' for '--max-size <SIZE>'"), "{by_flag}");
}
