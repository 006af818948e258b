//! Measures rows per second into a store in a temporary directory, then the duration of queries and
//! housekeeping.

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::Instant;

use memtap_history::{Batch, RequestQuery, Settings};
use memtap_model::{Tgid, WallClock};
use support::{SECOND, T0, batch, mmap, process, store};

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = store(folder.path(), &Settings::default());
    let transactions = 20_u64;
    let rounds: Vec<_> = (0..transactions)
        .map(|round| {
            let one = |n| {
                mmap(
                    100 + (n % 200) as u32 * u32::from(n % 2 == 0),
                    if n % 2 == 0 { b"perl" } else { b"bash" },
                    n,
                )
            };
            batch((round * 100_000..(round + 1) * 100_000).map(one).collect())
        })
        .collect();
    let begin = Instant::now();
    for round in &rounds {
        store.append(std::slice::from_ref(round)).expect("appended");
    }
    let rate = (transactions * 100_000) as f64 / begin.elapsed().as_secs_f64();
    println!("{rate:.0} rows/s, {:.1} bytes a row", store.size().1 as f64 / store.size().0 as f64);
    // A day of short-lived processes, then a week of small transactions.
    for round in 0..400_u32 {
        let of = |n| 10_000 + round * 250 + n;
        let requests = (0..250).map(|n| mmap(of(n), b"sh", 2_000_000 + u64::from(round))).collect();
        let tick = Some(WallClock(T0 + 2000 * SECOND));
        let processes = (0..250).map(|n| process(of(n), b"sh", tick)).collect();
        store.append(&[Batch { requests, processes, tick, ..Batch::default() }]).expect("appended");
    }
    let one = [batch(vec![mmap(5, b"cron", 2_100_000)])];
    let marks = Instant::now();
    for _ in 0..100_000 {
        store.append(&one).expect("appended");
    }
    println!("100,000 transactions of one row: {:?}", marks.elapsed());
    let reader = store.reader().expect("a reader");
    let base = RequestQuery { limit: 100, ..RequestQuery::default() };
    let at = |second: i64| Some(WallClock(T0 + second * SECOND));
    for (what, query) in [
        ("newest", base.clone()),
        ("pid with 1,000,000", RequestQuery { pid: Some(Tgid(100)), ..base.clone() }),
        ("name with 1,000,000", RequestQuery { name: Some("bash".into()), ..base.clone() }),
        ("name of nobody", RequestQuery { name: Some("nobody".into()), ..base.clone() }),
        ("refused (none)", RequestQuery { refused: Some(true), ..base.clone() }),
        ("from 1000 s to 1001 s", RequestQuery { from: at(1000), to: at(1001), ..base.clone() }),
        ("to before all", RequestQuery { to: at(-1), ..base.clone() }),
        ("to just after the start", RequestQuery { to: at(1), ..base }),
    ] {
        let begin = Instant::now();
        let rows = reader.requests(&query).map(|page| page.requests.len());
        println!("{what}: {:?} ({rows:?} rows)", begin.elapsed());
    }
    for _ in 0..3 {
        let begin = Instant::now();
        store.housekeeping(WallClock(T0 + 3000 * SECOND)).expect("housekeeping");
        println!("housekeeping with nothing to do, 100,000 ended, 100,420 batches: {:?}", begin.elapsed());
    }
}
