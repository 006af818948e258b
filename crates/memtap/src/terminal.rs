//! Language and character set of the locale, and capabilities of the terminal.

use std::io::IsTerminal;
use std::os::fd::AsFd;

use anstream::stream::RawStream;
use anstream::{AutoStream, ColorChoice};
use memtap_report::Lang;
use memtap_report::report::Screen;

/// Language of the environment.
pub(crate) fn lang() -> Lang {
    lang_of(environment)
}

/// Capabilities of the terminal behind a stream. `NO_COLOR` and similar variables are respected.
pub(crate) fn screen(stream: &(impl RawStream + IsTerminal + AsFd)) -> Screen {
    let size = terminal_size::terminal_size_of(stream);
    Screen {
        width: size.map_or(Screen::default().width, |(width, _)| width.0.into()),
        colours: AutoStream::choice(stream) != ColorChoice::Never,
        unicode: is_unicode(environment),
    }
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Locale of one category: the first nonempty variable decides, as in the C library.
fn locale(category: &str, variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    ["LC_ALL", category, "LANG"].into_iter().filter_map(variable).find(|text| !text.is_empty())
}

fn lang_of(variable: impl Fn(&str) -> Option<String>) -> Lang {
    locale("LC_MESSAGES", variable).and_then(|locale| Lang::from_code(&locale)).unwrap_or_default()
}

/// Returns whether the locale's character set is UTF-8.
fn is_unicode(variable: impl Fn(&str) -> Option<String>) -> bool {
    let locale = locale("LC_CTYPE", variable).unwrap_or_default().to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn language_and_characters_are_the_locales() {
        for (all, lang, expected, unicode) in [
            ("", "es_MX.UTF-8", Lang::Es, true),
            ("C", "es_MX.UTF-8", Lang::En, false),
            ("C.utf8", "es_MX", Lang::En, true),
            ("", "", Lang::En, false),
        ] {
            let variable = |name: &str| match name {
                "LC_ALL" => Some(all.to_owned()),
                "LANG" => Some(lang.to_owned()),
                _ => None,
            };
            assert_eq!((lang_of(variable), is_unicode(variable)), (expected, unicode), "{all} {lang}");
        }
    }
}
