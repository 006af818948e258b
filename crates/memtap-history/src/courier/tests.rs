use memtap_ledger::BookedRequest;
use memtap_model::{MemoryRequest, ProcessId, ScriptReader, WallClock};

use super::*;
use crate::writer::Waiting;
use crate::{Batch, Run, Status};

#[test]
fn housekeeping_without_work_waits_for_time_or_many_writes() {
    let due =
        |seconds, had_work, written| is_housekeeping_due(Duration::from_secs(seconds), had_work, written);
    assert!(due(1, true, 0) && due(1, false, 20_000) && due(10, false, 0));
    assert!(!due(9, false, 19_999) && !due(0, true, 1_000_000));
}

/// A courier with this many batches in its queue, and a store that never answers.
fn courier(limits: Limits, batches: usize, requests: usize) -> Courier {
    let shared = Arc::new(Shared::new(Status::default()));
    let line = "mmap,7,perl,4096,Sat Jun  1 09:05:03 2024";
    let request = MemoryRequest::from(&ScriptReader::default().read(line.as_bytes()).unwrap());
    let booked = BookedRequest { process: ProcessId::default(), request, lost_before: 0 };
    let run = Arc::new(Run {
        id: 1,
        hostname: String::new(),
        kernel: String::new(),
        boot_id: String::new(),
        page_size: 4096,
        began: WallClock(0),
    });
    for _ in 0..batches {
        let batch = Batch { requests: vec![booked.clone(); requests], ..Batch::default() };
        let mut queue = shared.lock();
        queue.waiting += requests;
        queue.batches.push_back(Waiting { since: Instant::now(), run: Arc::clone(&run), batch });
    }
    Courier::new(Work::Crashed, limits, None, shared)
}

/// A queue that filled up while the store was busy must not become one delivery: there would be no
/// room for new requests during the write.
#[test]
fn a_delivery_leaves_most_of_the_queue_free() {
    let limits = Limits { queue_requests: 40_000, ..Limits::default() };
    let requests = courier(limits, 10, 4_000).next_due_delivery().unwrap().requests();
    assert!((10_000..15_000).contains(&requests), "{requests} of 40,000");
}

/// The few requests that arrive during a write are not a delivery of their own: each delivery
/// writes many pages, however small it is.
#[test]
fn few_requests_wait_until_the_next_commit_is_due() {
    let limits = |commit_every| Limits { queue_requests: 40_000, commit_every, ..Limits::default() };
    let hour = Duration::from_secs(3600);
    assert!(courier(limits(hour), 3, 100).next_due_delivery().is_none());
    assert_eq!(courier(limits(Duration::ZERO), 3, 100).next_due_delivery().unwrap().requests(), 300);
    let mut ending = courier(limits(hour), 3, 100);
    ending.ending = true;
    assert_eq!(ending.next_due_delivery().unwrap().requests(), 300);
}

#[test]
fn one_delivery_is_below_the_backlog_threshold() {
    for queue_requests in [10, 10_000, 46_603] {
        let limits = Limits { queue_requests, ..Limits::default() };
        assert!(2 * limits.delivery_requests() <= limits.backlog_threshold());
    }
}

/// Without this, the thread would spin for as long as the queue is full.
#[test]
fn a_crashed_store_is_left_alone() {
    let limits = Limits { queue_requests: 40_000, ..Limits::default() };
    let pause = limits.commit_every;
    let crashed = courier(limits, 10, 4_000);
    assert!(!crashed.is_wanted() && crashed.longest_pause() == pause);
}
