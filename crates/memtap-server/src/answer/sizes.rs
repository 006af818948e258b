//! Requested sizes, and refused requests.

use memtap_api::{FrequentSize, RefusalList, Refused, SizeBucket, Sizes, Time, error_name};
use memtap_report::{Lang, refusal_fix, refusal_meaning};

pub(crate) fn sizes(found: memtap_history::Sizes) -> Sizes {
    let bucket = |bucket: memtap_history::SizeBucket| SizeBucket {
        call: bucket.call.into(),
        from_bytes: bucket.from_bytes,
        count: bucket.count,
        refused: bucket.refused,
        bytes: bucket.bytes,
    };
    let frequent = |one: memtap_history::FrequentSize| FrequentSize {
        call: one.call.into(),
        size: one.size,
        count: one.count,
    };
    Sizes {
        buckets: found.buckets.into_iter().map(bucket).collect(),
        frequent: found.frequent.into_iter().map(frequent).collect(),
        rows: found.rows,
        since: found.since.map(Time),
        cut: found.cut,
    }
}

/// `lang` is the language of the meanings.
pub(crate) fn refusals(found: Vec<memtap_history::Refused>, lang: Lang) -> RefusalList {
    RefusalList { refusals: found.into_iter().map(|one| refused(one, lang)).collect() }
}

fn refused(refused: memtap_history::Refused, lang: Lang) -> Refused {
    let fix =
        refusal_fix(refused.call, refused.errno, refused.largest_bytes).map(|fix| fix.text(lang).to_owned());
    Refused {
        host: refused.host,
        pid: refused.pid.0,
        start_time: Time(refused.started_at),
        name: refused.name.to_text(),
        call: refused.call.into(),
        errno: refused.errno.0,
        error: error_name(refused.errno),
        meaning: refusal_meaning(refused.call, refused.errno).text(lang).to_string(),
        mend: fix.clone(),
        fix,
        count: refused.count,
        largest_bytes: refused.largest_bytes,
        first_time: Time(refused.first),
        last_time: Time(refused.last),
    }
}

#[cfg(test)]
mod tests {
    use memtap_model::{Call, Comm, Errno, Tgid, WallClock};

    use super::*;

    #[test]
    fn a_refusal_has_the_fix_also_under_its_former_name() {
        let refused = |call, errno| memtap_history::Refused {
            host: "box".into(),
            pid: Tgid(7),
            started_at: WallClock(0),
            name: Comm::new(b"db"),
            call,
            errno,
            count: 1,
            largest_bytes: 1 << 30,
            first: WallClock(1),
            last: WallClock(1),
        };
        let found = vec![refused(Call::Mmap, Errno::ENOMEM), refused(Call::Madvise, Errno(22))];
        let json = serde_json::to_value(refusals(found, Lang::En)).unwrap();
        let (limit, probe) = (&json["refusals"][0], &json["refusals"][1]);
        assert!(limit["fix"].as_str().unwrap().contains("ulimit -v"), "{limit}");
        assert_eq!(limit["fix"], limit["mend"]);
        assert!(probe["fix"].is_null() && probe["mend"].is_null(), "{probe}");
    }
}
