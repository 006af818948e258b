//! An OOM kill of the history.

use memtap_api::{Large, OomKill, OomMoment, Time};
use memtap_history::{StoredMoment, StoredOomKill};
use memtap_model::Tgid;

pub(crate) fn oom_kill(kill: StoredOomKill) -> OomKill {
    OomKill {
        timestamp: Time(kill.time),
        pid: kill.victim.0,
        process_name: kill.victim_name,
        command: kill.command.into(),
        container: kill.container,
        virtual_bytes: kill.virtual_bytes,
        resident_bytes: kill.resident.set_bytes(),
        swap_bytes: kill.resident.swap_bytes,
        asker_pid: kill.asker.0,
        asker_name: kill.asker_name,
        before: kill.before.into_iter().map(moment).collect(),
    }
}

fn moment(moment: StoredMoment) -> OomMoment {
    let large = |(pid, name, virtual_bytes, resident_bytes): (Tgid, String, u64, u64)| Large {
        pid: pid.0,
        name,
        virtual_bytes,
        resident_bytes,
    };
    OomMoment {
        timestamp: Time(moment.time),
        available_bytes: moment.available_bytes,
        largest: moment.largest.into_iter().map(large).collect(),
    }
}
