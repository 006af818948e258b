//! Query parameters: typed, and with errors that say what is allowed.

use std::collections::HashMap;
use std::str::FromStr;

use memtap_model::{CALLS, Call, WallClock};

use crate::error::ApiError;

/// The parameters of one request.
pub(crate) struct Params(HashMap<String, String>);

impl Params {
    /// Only `allowed` parameters may be there: a misspelt filter must not silently filter nothing.
    pub(crate) fn new(given: HashMap<String, String>, allowed: &[&str]) -> Result<Self, ApiError> {
        match given.keys().find(|key| !allowed.contains(&key.as_str())) {
            Some(key) => {
                Err(ApiError::wrong(format!("unknown parameter '{key}'; there are {}", allowed.join(", "))))
            }
            // `?name=` is the same as no name.
            None => Ok(Self(given.into_iter().filter(|(_, value)| !value.is_empty()).collect())),
        }
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(crate) fn parse<T: FromStr>(&self, name: &str, expected: &str) -> Result<Option<T>, ApiError> {
        let wrong = |value: &str| ApiError::wrong(format!("{name} must be {expected}, not '{value}'"));
        self.text(name).map(|value| value.parse().map_err(|_| wrong(value))).transpose()
    }

    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, ApiError> {
        self.parse(name, "true or false")
    }

    pub(crate) fn time(&self, name: &str) -> Result<Option<WallClock>, ApiError> {
        let at: Option<jiff::Timestamp> =
            self.parse(name, "an RFC 3339 time such as 2026-11-23T10:00:00Z")?;
        Ok(at.map(|at| WallClock(i64::try_from(at.as_nanosecond()).unwrap_or(i64::MAX))))
    }

    /// A comma list of calls; none: all.
    pub(crate) fn calls(&self, name: &str) -> Result<Vec<Call>, ApiError> {
        let Some(list) = self.text(name) else { return Ok(Vec::new()) };
        let known = || CALLS.iter().map(|row| row.name).collect::<Vec<_>>().join(", ");
        let unknown = |name: &str| ApiError::wrong(format!("unknown call '{name}'; there are {}", known()));
        list.split(',').map(|name| Call::from_name(name.trim()).ok_or_else(|| unknown(name))).collect()
    }

    pub(crate) fn limit(&self, default: usize) -> Result<usize, ApiError> {
        let limit = self.parse("limit", "a number from 1 to 10000")?.unwrap_or(default);
        if (1..=10_000).contains(&limit) {
            Ok(limit)
        } else {
            Err(ApiError::wrong("limit must be a number from 1 to 10000"))
        }
    }
}
