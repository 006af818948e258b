//! Answers queries for OOM kills, including the readings before each kill.

use crate::rows::{OomReading, Snapshot};
use crate::{Range, StoreError, StoredMoment, StoredOomKill};

pub(super) async fn kills<S: Snapshot>(
    snapshot: &mut S,
    range: Range,
    limit: usize,
    _now_s: i64,
) -> Result<Vec<StoredOomKill>, StoreError> {
    let mut kills = Vec::new();
    for (place, kill) in snapshot.oom_kills(&range, limit).await? {
        let before = moments(snapshot.oom_readings(place).await?);
        kills.push(StoredOomKill { before, ..kill });
    }
    Ok(kills)
}

/// Groups readings of the same time.
fn moments(readings: Vec<OomReading>) -> Vec<StoredMoment> {
    let mut moments: Vec<StoredMoment> = Vec::new();
    for OomReading { time, available_bytes, pid, name, virtual_bytes, resident_bytes } in readings {
        let process = (pid, name, virtual_bytes, resident_bytes);
        match moments.last_mut().filter(|moment| moment.time == time) {
            Some(moment) => moment.largest.push(process),
            None => moments.push(StoredMoment { time, available_bytes, largest: vec![process] }),
        }
    }
    moments
}
