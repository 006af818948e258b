//! The user that `serve` becomes when root starts it and names none: the user `memtap` if it
//! exists, else an unused user ID.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::os::unix::fs::MetadataExt as _;

use caps::{CapSet, Capability};
use memtap_model::Notice;
use nix::errno::Errno;
use nix::unistd::{Gid, Group, Uid};

use super::handover::HandOver;
use super::places::Unusable;
use super::switch::Switch;
use super::{Places, User};

/// Name of memtap's user in the package and the image, and name of memtap's processes.
const NAME: &str = "memtap";

/// User IDs that systemd reserves for users without an entry in the user database (`DynamicUser=`;
/// see UIDS-GIDS.md in its documentation).
const NUMBERS: RangeInclusive<u32> = 61_184..=65_519;

/// User ID that is tried first, so that all runs choose the same one: CRC-32 of `memtap`, mapped
/// into the range.
const FIRST: u32 = 61_234;

/// Capabilities for becoming another user and making it the owner of the history.
const NEEDED: [Capability; 3] = [Capability::CAP_SETUID, Capability::CAP_SETGID, Capability::CAP_CHOWN];

/// Advice that silences the notice.
pub(super) const STAY: &str = "let memtap stay root with --user root";

/// Chooses the user, if memtap can become it and give it the history. Changes nothing.
pub(crate) fn choose(places: &Places) -> Result<User, Notice> {
    let effective = caps::read(None, CapSet::Effective).unwrap_or_default();
    let missing: Vec<_> = NEEDED.iter().filter(|needed| !effective.contains(needed)).collect();
    if !missing.is_empty() {
        let names = missing.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        return Err(stays_root(
            &format!("it cannot switch to its own user without {names}"),
            &format!(
                "allow them (in a container: add SETUID, SETGID and CHOWN to its capabilities), or start memtap as another user. Or {STAY}"
            ),
        ));
    }
    let user = user(places).ok_or_else(|| {
        let range = format!("{}..{}", NUMBERS.start(), NUMBERS.end());
        stays_root(
            &format!("all user IDs in {range} are in use"),
            &format!("choose a user with --user NAME, or {STAY}"),
        )
    })?;
    is_reached(places, &user)?;
    HandOver::new(&user).check(places).map_err(|reason| history_notice(&reason))?;
    Ok(user)
}

/// Chooses the user like [`choose`], and makes it the owner of the history.
pub(super) fn prepare(places: &Places) -> Result<User, Notice> {
    let user = choose(places)?;
    HandOver::new(&user).make(places).map_err(|reason| history_notice(&reason))?;
    Ok(user)
}

/// Notice that memtap stays root, with the reason and the fix.
pub(super) fn stays_root(reason: &str, fix: &str) -> Notice {
    Notice { what: format!("memtap stays root: {reason}"), fix: fix.to_owned() }
}

fn history_notice(reason: &str) -> Notice {
    stays_root(
        reason,
        &format!(
            "give the history its own directory, such as --store sqlite:/var/lib/memtap/memtap.db (and --spool DIR), or {STAY}"
        ),
    )
}

fn user(places: &Places) -> Option<User> {
    if let Ok(Some(named)) = nix::unistd::User::from_name(NAME)
        && !named.uid.is_root()
    {
        return Some(User { name: named.name, uid: named.uid, gid: named.gid });
    }
    let free = FreeNumbers::find();
    let last = places.files.iter().chain(places.written()).find_map(|path| path.metadata().ok());
    let last = last.map(|file| file.uid());
    let mut numbers = last.into_iter().chain(FIRST..=*NUMBERS.end()).chain(*NUMBERS.start()..FIRST);
    let uid = numbers.find(|uid| free.has(*uid))?;
    Some(User { name: format!("user {uid}"), uid: Uid::from_raw(uid), gid: Gid::from_raw(uid) })
}

/// User IDs of [`NUMBERS`] that no user, group or process uses. Processes named memtap are ignored.
pub(super) struct FreeNumbers {
    used: HashSet<u32>,
}

impl FreeNumbers {
    pub(super) fn find() -> Self {
        let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let statuses =
            processes.filter_map(|process| std::fs::read_to_string(process.path().join("status")).ok());
        Self { used: statuses.flat_map(|status| uids_of(&status)).collect() }
    }

    pub(super) fn has(&self, uid: u32) -> bool {
        NUMBERS.contains(&uid)
            && !self.used.contains(&uid)
            && !matches!(nix::unistd::User::from_uid(Uid::from_raw(uid)), Ok(Some(_)))
            && !matches!(Group::from_gid(Gid::from_raw(uid)), Ok(Some(_)))
    }
}

/// Real, effective, saved and file-system user IDs of a process; none for a process named memtap.
fn uids_of(status: &str) -> Vec<u32> {
    let field =
        |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
    if field("Name:") == NAME {
        return Vec::new();
    }
    field("Uid:").split_whitespace().filter_map(|uid| uid.parse().ok()).collect()
}

/// Checks that the user can access the places, by switching to that user temporarily.
fn is_reached(places: &Places, user: &User) -> Result<(), Notice> {
    let ways =
        places.ways().map_err(|error| history_notice(&format!("its directory cannot be found: {error}")))?;
    let switch = Switch::to(user).map_err(|error| {
        let reason = match error {
            Errno::EINVAL | Errno::EPERM => {
                format!("this container or unit does not allow it to become {}", user.name)
            }
            error => format!("it cannot become {}: {error}", user.name),
        };
        stays_root(&reason, &format!("choose another with --user NAME or --user NUMBER, or {STAY}"))
    })?;
    let reached = places.are_reached(&ways);
    drop(switch);
    reached.map_err(|unusable| match unusable {
        Unusable::Unreachable(way) | Unusable::Unwritable(way) => {
            history_notice(&format!("{} cannot access {}", user.name, way.display()))
        }
        Unusable::Unreadable(file) => stays_root(
            &format!("{} cannot read {}", user.name, file.display()),
            &format!(
                "put a copy where that user can read it, for example in /etc/memtap, and run: sudo chown {} FILE. Or {STAY}",
                user.uid
            ),
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_ids_of_other_programs_are_in_use() {
        let status = |name: &str, uids: &str| format!("Name:\t{name}\nUmask:\t0022\nUid:\t{uids}\nGid:\t0\n");
        assert_eq!(uids_of(&status("a", "0\t61234\t61234\t61234")), [0, 61_234, 61_234, 61_234]);
        assert!(uids_of(&status(NAME, "61234\t61234\t61234\t61234")).is_empty());
    }

    #[test]
    fn a_user_id_is_free_if_unused() {
        let free = FreeNumbers { used: HashSet::new() };
        assert!(free.has(FIRST) && !free.has(0) && !free.has(65_534));
        assert!(!FreeNumbers { used: [FIRST].into() }.has(FIRST));
    }

    #[test]
    fn the_owner_of_the_history_is_chosen_again() {
        let folder = tempfile::tempdir().unwrap();
        let places = Places { folders: vec![folder.path().into()], ..Places::default() };
        let named = matches!(nix::unistd::User::from_name(NAME), Ok(Some(_)));
        for (owner, chosen) in [(0, FIRST), (61_999, 61_999), (1000, FIRST)] {
            std::os::unix::fs::chown(folder.path(), Some(owner), None).unwrap();
            assert!(named || user(&places).unwrap().uid.as_raw() == chosen, "{owner}");
        }
    }
}
