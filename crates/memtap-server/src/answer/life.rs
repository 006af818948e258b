//! Processes of a range of the history.

use memtap_api::{Before, Life, Lives, Resident, Time};

pub(crate) fn lives(found: memtap_history::ProcessLifetimes) -> Lives {
    Lives { lives: found.lives.into_iter().map(life).collect(), more: found.more }
}

fn life(life: memtap_history::ProcessLifetime) -> Life {
    let (virtual_bytes, resident_bytes) = (life.virtual_bytes(), life.resident_bytes());
    let within = &life.within;
    Life {
        host: life.host,
        pid: life.pid.0,
        start_time: Time(life.started_at),
        end_time: life.ended_at.map(Time),
        seen_time: Time(life.seen),
        name: life.name,
        command: life.command,
        user: life.user,
        parent_pid: life.parent.map(|parent| parent.0),
        container: life.container,
        pod: life.pod,
        unit: life.unit,
        before: Before {
            virtual_bytes: life.before_virtual_bytes,
            resident_bytes: life.before_resident_bytes,
        },
        virtual_bytes,
        resident_bytes,
        resident: Resident {
            anonymous_bytes: within.anonymous_bytes,
            file_bytes: within.file_bytes,
            shmem_bytes: within.shmem_bytes,
        },
        swap_bytes: within.swap_bytes,
        peak_virtual_bytes: within.peak_virtual_bytes,
        peak_virtual_time: Time(life.peak_virtual_at),
        peak_resident_bytes: within.peak_resident_bytes,
        peak_resident_time: Time(life.peak_resident_at),
        requests: within.requests,
        refused: within.refused,
        requested_bytes: within.requested_bytes,
        granted_bytes: within.granted_bytes,
        released_bytes: within.released_bytes,
        minor_faults: within.minor_faults,
        major_faults: within.major_faults,
    }
}
