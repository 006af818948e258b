//! Query parameters. Each endpoint has one struct that lists them. Parsing, documentation
//! (`IntoParams`) and error messages are all derived from it.

use std::str::FromStr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use memtap_model::{CALLS, Call};
use memtap_report::Lang;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::form_urlencoded;

use crate::error::ApiError;

/// Parameters of one endpoint. The struct denies unknown fields, because a misspelt filter must not
/// silently have no effect.
pub(crate) struct Asked<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        read(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

fn read<T: DeserializeOwned>(query: &str) -> Result<T, ApiError> {
    // `?name=` is the same as no name.
    let given = || form_urlencoded::parse(query.as_bytes()).filter(|(_, value)| !value.is_empty());
    let filled = form_urlencoded::Serializer::new(String::new()).extend_pairs(given()).finish();
    let pairs = serde_urlencoded::Deserializer::new(form_urlencoded::parse(filled.as_bytes()));
    serde_path_to_error::deserialize(pairs).map_err(|error| {
        let name = error.path().to_string();
        let wrong = given().find(|(given, _)| *given == name);
        let which = wrong.map(|(name, value)| format!("{name}={value}: ")).unwrap_or_default();
        ApiError::wrong(format!("{which}{}", error.inner()))
    })
}

/// A number from 1 to `MOST`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct UpTo<const MOST: usize>(pub(crate) usize);

/// Maximum number of rows in a response.
pub(crate) type Limit = UpTo<10_000>;
/// Number of programs to list separately.
pub(crate) type Top = UpTo<100>;
/// Number of requests to count.
pub(crate) type Rows = UpTo<1_000_000>;

impl<const MOST: usize> UpTo<MOST> {
    pub(crate) const MOST: usize = MOST;
}

impl<const MOST: usize> TryFrom<String> for UpTo<MOST> {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let number = usize::from_str(&text).ok().filter(|number| (1..=MOST).contains(number));
        number.map(Self).ok_or_else(|| format!("must be a number from 1 to {MOST}"))
    }
}

/// Names of calls, separated by commas.
#[derive(Debug, Default, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Calls(pub(crate) Vec<Call>);

impl TryFrom<String> for Calls {
    type Error = String;

    fn try_from(list: String) -> Result<Self, String> {
        let known = || CALLS.iter().map(|row| row.name).collect::<Vec<_>>().join(", ");
        let unknown = |name: &str| format!("unknown call '{name}'; expected one of {}", known());
        let named = list.split(',').map(|name| Call::from_name(name.trim()).ok_or_else(|| unknown(name)));
        named.collect::<Result<_, _>>().map(Self)
    }
}

/// Requested language. Default: English.
pub(crate) fn language(code: Option<&str>) -> Result<Lang, ApiError> {
    let code = code.unwrap_or("en");
    Lang::from_code(code).ok_or_else(|| ApiError::wrong(format!("unknown lang '{code}'; expected en or es")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Question {
        pid: Option<u32>,
        name: Option<String>,
        call: Option<Calls>,
        limit: Option<Limit>,
    }

    fn wrong(query: &str) -> String {
        read::<Question>(query).map(|_| String::new()).unwrap_or_else(|error| error.1)
    }

    #[test]
    fn parameters_are_parsed_and_empty_ones_ignored() {
        let question: Question =
            read("pid=7&name=a%26b+c&call=mmap,brk&limit=").unwrap_or_else(|error| panic!("{error:?}"));
        assert_eq!((question.pid, question.name.as_deref()), (Some(7), Some("a&b c")));
        assert_eq!(question.call.map(|calls| calls.0), Some(vec![Call::Mmap, Call::Brk]));
        assert!(question.limit.is_none());
    }

    #[test]
    fn errors_name_the_wrong_value_and_the_allowed_ones() {
        assert_eq!(wrong("limit=10001"), "limit=10001: must be a number from 1 to 10000");
        assert!(wrong("pid=seven").starts_with("pid=seven: "), "{}", wrong("pid=seven"));
        assert!(wrong("call=mmap,mmao").contains("unknown call 'mmao'; expected one of mmap"));
        let unknown = wrong("nmae=perl");
        assert!(unknown.contains("`nmae`") && unknown.contains("`name`"), "{unknown}");
        assert!(wrong("pid=7&pid=8").contains("duplicate"), "{}", wrong("pid=7&pid=8"));
    }
}
