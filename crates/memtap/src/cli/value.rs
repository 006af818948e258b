//! Parsers for times, sizes and names. Their errors say what is expected.

use std::time::Duration;

use memtap_model::{CALLS, Call};

/// Parses an age such as `7d`.
pub(crate) fn age(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let seconds = match &text[digits.len()..] {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        "y" => 365 * 86_400,
        _ => 0_u64,
    };
    let number = digits.parse::<u64>().ok().filter(|_| seconds > 0);
    let age = number.and_then(|number| number.checked_mul(seconds)).map(Duration::from_secs);
    age.ok_or_else(|| {
        format!("'{text}' is not a length of time; expected for example 90s, 10m, 12h, 7d or 2y")
    })
}

/// Parses an age longer than 0.
pub(crate) fn time_span(text: &str) -> Result<Duration, String> {
    match age(text)? {
        Duration::ZERO => {
            Err("the time must be longer than 0; expected for example 90s, 10m, 12h, 7d or 2y".to_owned())
        }
        span => Ok(span),
    }
}

/// Parses an origin as browsers send it: scheme, host and port.
pub(crate) fn origin(text: &str) -> Result<String, String> {
    let is_origin = text.split_once("://").is_some_and(|(scheme, host)| {
        let known = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
        scheme.starts_with(|c: char| c.is_ascii_lowercase())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
            && !host.is_empty()
            && host.chars().all(known)
    });
    let wrong =
        || "expected scheme, host and port without a path, for example http://localhost:5173".to_owned();
    if is_origin { Ok(text.to_owned()) } else { Err(wrong()) }
}

/// Parses a playback speed, a number above 0.
pub(crate) fn speed(text: &str) -> Result<f64, String> {
    let speed = text.parse::<f64>().ok().filter(|speed| speed.is_finite() && *speed > 0.0);
    speed.ok_or_else(|| format!("invalid speed '{text}'; expected for example 1, 0.5 or 60"))
}

/// Parses an offset from UTC, `-21600` or `+05:30`, into seconds.
pub(crate) fn utc_offset(text: &str) -> Result<i64, String> {
    let seconds = match text.split_once(':') {
        None => text.parse().ok(),
        Some((hours, minutes)) => {
            hours.parse::<i64>().ok().zip(minutes.parse::<i64>().ok()).and_then(|(hours, minutes)| {
                let sign = if hours < 0 || text.starts_with('-') { -1 } else { 1 };
                (0..60).contains(&minutes).then_some(hours * 3600 + sign * minutes * 60)
            })
        }
    };
    let seconds = seconds.filter(|seconds: &i64| seconds.abs() <= 24 * 3600);
    seconds.ok_or_else(|| format!("invalid offset '{text}'; expected seconds such as -21600, or +05:30"))
}

/// Parses a ring size such as `16MiB`: a power of two from 256 KiB to 1 GiB.
pub(crate) fn ring_size(text: &str) -> Result<u32, String> {
    let bytes = size(text)?;
    if bytes.is_power_of_two() && (256 << 10..=1 << 30).contains(&bytes) {
        Ok(bytes)
    } else {
        Err("the ring size must be a power of two from 256KiB to 1GiB".to_owned())
    }
}

/// Parses the memory limit: at least 32 MiB, and at most this machine's memory.
pub(crate) fn memory(text: &str) -> Result<u64, String> {
    let bytes = bytes(text)?;
    match memtap_capture::read_host() {
        _ if bytes < 32 << 20 => Err("memtap needs at least 32MiB".to_owned()),
        Ok(host) if bytes > host.total_bytes => Err(format!(
            "this machine has only {}MiB of memory; expected for example 64MiB",
            host.total_bytes >> 20
        )),
        _ => Ok(bytes),
    }
}

/// Parses a size such as `64KiB`, below 4 GiB.
pub(crate) fn size(text: &str) -> Result<u32, String> {
    u32::try_from(bytes(text)?).map_err(|_| format!("'{text}' is too large; expected less than 4GiB"))
}

/// Parses the name of a call.
pub(crate) fn call(name: &str) -> Result<Call, String> {
    let known = || CALLS.iter().map(|row| row.name).collect::<Vec<_>>().join(", ");
    Call::from_name(name.trim()).ok_or_else(|| format!("unknown call '{name}'; expected one of {}", known()))
}

/// Parses a size such as `64KiB`.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let number: u64 =
        digits.parse().map_err(|_| format!("invalid size '{text}'; expected for example 16MiB"))?;
    let unit = match text[digits.len()..].trim() {
        "" | "B" => 1,
        "KiB" | "K" => 1 << 10,
        "MiB" | "M" => 1 << 20,
        "GiB" | "G" => 1 << 30,
        "TiB" | "T" => 1_u64 << 40,
        other => return Err(format!("unknown unit '{other}'; expected KiB, MiB, GiB or TiB")),
    };
    number.checked_mul(unit).ok_or_else(|| format!("'{text}' is too large; expected for example 16MiB"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ring_sizes() {
        assert_eq!(ring_size("16MiB"), Ok(16 << 20));
        assert_eq!(ring_size("256K"), Ok(256 << 10));
        assert!(ring_size("3MiB").is_err(), "no power of two");
        assert!(ring_size("lots").is_err());
        assert!(ring_size("99999999999999999999GiB").is_err());
        assert!(ring_size("4TiB").is_err());
    }

    #[test]
    fn ages() {
        assert_eq!(age("12h"), Ok(Duration::from_secs(43_200)));
        assert_eq!(age("2y"), Ok(Duration::from_secs(730 * 86_400)));
        for wrong in ["", "7", "d", "7 days", "-1d", "99999999999999999999y"] {
            assert!(age(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_time_to_keep_or_wait_is_not_0() {
        assert_eq!(time_span("1s"), Ok(Duration::from_secs(1)));
        assert!(time_span("0d").is_err_and(|error| error.contains("longer than 0")));
        assert!(time_span("d").is_err());
    }

    #[test]
    fn memory_is_limited_by_the_machine() {
        assert_eq!(memory("32MiB"), Ok(32 << 20));
        for (wrong, why) in
            [("1MiB", "at least 32MiB"), ("999TiB", "this machine has"), ("99999999TiB", "too large")]
        {
            assert!(memory(wrong).is_err_and(|error| error.contains(why)), "{wrong}");
        }
    }

    #[test]
    fn origins() {
        for right in
            ["http://localhost:5173", "https://a.example", "http://[::1]:80", "chrome-extension://abc"]
        {
            assert_eq!(origin(right).as_deref(), Ok(right));
        }
        for wrong in
            ["", "foo", "a.example", "http://", "http://a/", "http://a/b", "*", "null", "://a", "http://*"]
        {
            assert!(origin(wrong).is_err_and(|error| error.contains("http://localhost:5173")), "{wrong}");
        }
    }

    #[test]
    fn offsets() {
        assert_eq!(utc_offset("-21600"), Ok(-21_600));
        assert_eq!(utc_offset("+05:30"), Ok(19_800));
        assert_eq!(utc_offset("-00:30"), Ok(-1_800));
        for wrong in ["", "noon", "+25:00", "05:75", "100000"] {
            assert!(utc_offset(wrong).is_err(), "{wrong}");
        }
    }
}
