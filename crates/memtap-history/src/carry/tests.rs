use super::*;

const BEGIN: i64 = 1_999_999_200;

fn row(ended_s: Option<i64>) -> ProcessRow {
    let ended_at = ended_s.map(|at_s| WallClock((BEGIN + at_s) * 1_000_000_000 + 600_000_000));
    ProcessRow { id: 5, run: 1, started_at: nanoseconds(BEGIN - 9), ended_at, ..ProcessRow::default() }
}

/// Returns the series of a ten-minute range in steps of one minute. The run has samples for the
/// first seven minutes.
fn programs(row: ProcessRow, samples: &[(i64, u64)]) -> Vec<u64> {
    let range = Range { host: None, from: nanoseconds(BEGIN), to: nanoseconds(BEGIN + 600) };
    let cover = Cover::new(&range, Duration::from_secs(60), BEGIN + 900);
    let run =
        RunRow { id: 1, host: "vm".into(), boot_id: "a".into(), sampled_s: BEGIN + 419, ..RunRow::default() };
    let mut carry = Carry::new(cover, vec![run], [row], Some(Measure::Virtual));
    carry.before(0, 5, &UsagePoint { virtual_bytes: 1, ..UsagePoint::default() });
    for (at_s, virtual_bytes) in samples {
        let point = UsagePoint { virtual_bytes: *virtual_bytes, ..UsagePoint::default() };
        carry.sample(0, &SampleRow { process: 5, at_s: BEGIN + at_s, point });
    }
    carry.programs(1, true).programs[0].series.iter().map(|(_, amount)| *amount).collect()
}

#[test]
fn the_last_size_is_carried_to_the_end() {
    let samples = [(70, 2), (75, 3), (200, 4)];
    assert_eq!(
        programs(row(None), &samples),
        [1, 3, 3, 4, 4, 4, 4, 0, 0, 0],
        "the run has samples up to 419 s"
    );
    assert_eq!(programs(row(Some(310)), &samples), [1, 3, 3, 4, 4, 0, 0, 0, 0, 0]);
    assert_eq!(programs(row(Some(599)), &samples), [1, 3, 3, 4, 4, 4, 4, 4, 4, 0]);
    assert_eq!(programs(row(Some(600)), &samples), [1, 3, 3, 4, 4, 4, 4, 4, 4, 4], "after the range");
}

/// The wall clock was an hour ahead for a moment, and an hour later the time comes again. The
/// second run, in order of their start, is the one with the wrong clock.
#[test]
fn sizes_from_a_clock_ahead_replace_no_later_ones() {
    let range = Range { host: None, from: nanoseconds(BEGIN), to: nanoseconds(BEGIN + 600) };
    let cover = Cover::new(&range, Duration::from_secs(60), BEGIN + 900);
    let run = |id, sampled_s| RunRow {
        id,
        host: "vm".into(),
        boot_id: "a".into(),
        sampled_s: BEGIN + sampled_s,
        ..RunRow::default()
    };
    let rows = [row(None), ProcessRow { id: 6, run: 2, ..row(None) }];
    let mut carry = Carry::new(cover, vec![run(1, 599), run(2, 305)], rows, Some(Measure::Virtual));
    let point = |virtual_bytes| UsagePoint { virtual_bytes, requests: 1, ..UsagePoint::default() };
    carry.before(0, 5, &point(1));
    for (at_s, size) in [(10, 2), (500, 9)] {
        carry.sample(0, &SampleRow { process: 5, at_s: BEGIN + at_s, point: point(size) });
    }
    carry.before(1, 6, &point(7));
    carry.sample(1, &SampleRow { process: 6, at_s: BEGIN + 301, point: point(7) });
    let life = &carry.lives[0];
    assert_eq!(
        (carry.lives.len(), life.before, life.within.virtual_bytes, life.within.requests),
        (1, [1, 0], 9, 3)
    );
    let series: Vec<u64> =
        carry.programs(1, true).programs[0].series.iter().map(|(_, amount)| *amount).collect();
    assert_eq!(series, [2, 2, 2, 2, 2, 2, 2, 2, 9, 9]);
}

#[test]
fn the_tick_after_the_end_adds_nothing() {
    assert_eq!(programs(row(Some(119)), &[(70, 2), (120, 2)]), [1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(programs(row(Some(119)), &[(70, 2), (120, 0)]), [1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
}
