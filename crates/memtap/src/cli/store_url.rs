//! Parser for the URL of a store. The URL may contain a password, which clap's own error for an
//! invalid value would repeat.

use std::ffi::OsStr;

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, Command, Error};
use memtap_store::StoreUrl;

/// Parses the URL. Its error names the setting and never the value.
#[derive(Debug, Clone)]
pub(crate) struct StoreUrlParser;

impl TypedValueParser for StoreUrlParser {
    type Value = StoreUrl;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<StoreUrl, Error> {
        self.parse_ref_(command, arg, value, ValueSource::CommandLine)
    }

    fn parse_ref_(
        &self,
        command: &Command,
        _arg: Option<&Arg>,
        value: &OsStr,
        source: ValueSource,
    ) -> Result<StoreUrl, Error> {
        let parsed = match value.to_str() {
            Some(text) => text.parse::<StoreUrl>().map_err(|error| error.to_string()),
            None => Err("the URL is not UTF-8".to_owned()),
        };
        let setting = if source == ValueSource::EnvVariable { "MEMTAP_STORE" } else { "--store" };
        parsed
            .map_err(|error| command.clone().error(ErrorKind::ValueValidation, format!("{setting}: {error}")))
    }
}
