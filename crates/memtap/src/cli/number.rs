//! Parsers for numbers and addresses. Their errors say what is expected, unlike those of Rust's own
//! parsers.

use std::net::SocketAddr;
use std::ops::RangeInclusive;

/// Returns a parser for whole numbers within `range`. With [`i64::MAX`] as the end, the error does
/// not mention an upper limit.
pub(super) fn whole<T: TryFrom<i64>>(
    range: RangeInclusive<i64>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static {
    move |text| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| match (range.start(), range.end()) {
            (start, &i64::MAX) => format!("expected a whole number, {start} or more"),
            (start, end) => format!("expected a whole number from {start} to {end}"),
        })
    }
}

/// Returns a parser for process IDs.
pub(super) fn pid() -> impl Fn(&str) -> Result<u32, String> + Clone + Send + Sync + 'static {
    whole(0..=u32::MAX.into())
}

/// Parses an address with a port. The example in the error contains the port from the input, if
/// there is one.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        let port = text.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or(3000_u16);
        format!("expected an IP address and a port, for example 127.0.0.1:{port}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers() {
        assert_eq!(whole::<i32>(-20..=19)("-20"), Ok(-20));
        assert_eq!(pid()("4294967295"), Ok(u32::MAX));
        for wrong in ["", "x", "20", "1.5", "99999999999999999999"] {
            let error = whole::<i32>(-20..=19)(wrong).unwrap_err();
            assert_eq!(error, "expected a whole number from -20 to 19", "{wrong}");
        }
        assert_eq!(whole::<u64>(0..=i64::MAX)("-1").unwrap_err(), "expected a whole number, 0 or more");
    }

    #[test]
    fn addresses() {
        assert_eq!(address("127.0.0.1:3000"), Ok("127.0.0.1:3000".parse().unwrap()));
        assert_eq!(address("[::1]:80"), Ok("[::1]:80".parse().unwrap()));
        for (wrong, port) in
            [("39001", 39001), ("localhost:39001", 39001), (":8080", 8080), ("127.0.0.1", 3000), ("", 3000)]
        {
            let error = address(wrong).unwrap_err();
            assert!(error.ends_with(&format!("for example 127.0.0.1:{port}")), "{wrong}: {error}");
        }
    }
}
