//! Reports rendered at 80 and at 120 columns.

use jiff::tz::TimeZone;

use super::super::{on_screen, scene};
use super::*;
use crate::Lang;

fn rendered(lang: Lang, screen: Screen) -> String {
    on_screen(&scene::report(), &Audience { lang, zone: TimeZone::UTC }, screen)
}

fn screens() -> impl Iterator<Item = Screen> {
    [(80, true), (120, true), (60, false), (20, true)].into_iter().map(|(width, unicode)| Screen {
        width,
        unicode,
        colours: false,
    })
}

#[test]
fn no_line_is_longer_than_the_screen() {
    for lang in Lang::ALL {
        for screen in screens() {
            let text = rendered(lang, screen);
            for line in text.lines() {
                assert!(display_width(line) <= screen.width.max(NARROWEST), "{screen:?}: {line}");
                assert_eq!(line.trim_end(), line, "no blanks at the end");
            }
            assert!(text.lines().count() > 150, "{text}");
        }
    }
}

/// Set `RENEW=1` to rewrite the expected files. Check the changes before you commit them.
#[test]
fn rendered_text_matches_the_expected_files() {
    for (lang, columns, unicode, name, picture) in [
        (Lang::En, 80, true, "at-80.txt", include_str!("at-80.txt")),
        (Lang::Es, 120, true, "at-120.txt", include_str!("at-120.txt")),
        (Lang::En, 80, false, "ascii-at-80.txt", include_str!("ascii-at-80.txt")),
    ] {
        let text = rendered(lang, Screen { width: columns, unicode, colours: false });
        if std::env::var_os("RENEW").is_some() {
            let place = format!("{}/src/report/text/{name}", env!("CARGO_MANIFEST_DIR"));
            std::fs::write(place, &text).unwrap();
        } else {
            assert_eq!(text, picture, "{name}; if this is right, RENEW=1 cargo test -p memtap-report");
        }
    }
}

#[test]
fn untrusted_names_are_escaped_and_ascii_is_ascii() {
    for colours in [false, true] {
        let text = rendered(Lang::En, Screen { colours, ..Screen::default() });
        let ours = text.replace("\x1b[1m", "").replace("\x1b[2m", "").replace("\x1b[0m", "");
        let ours =
            ["36", "33", "31"].iter().fold(ours, |text, code| text.replace(&format!("\x1b[{code}m"), ""));
        assert_eq!(text.contains('\x1b'), colours);
        assert!(ours.chars().all(|c| c == '\n' || !c.is_control()) && !ours.contains('\u{202e}'));
        assert!(ours.contains("two\\nlines\\x1b[31m"), "{ours}");
        assert_eq!(ours, rendered(Lang::En, Screen::default()), "colours change nothing else");
    }
    let ascii = rendered(Lang::En, Screen { unicode: false, ..Screen::default() });
    assert!(ascii.is_ascii(), "{ascii}");
}

#[test]
fn columns_that_do_not_fit_are_below_their_row() {
    let narrow = rendered(Lang::En, Screen::default());
    assert!(
        narrow.contains("\n      Arguments: PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS\n"),
        "{narrow}"
    );
    let broad = rendered(Lang::En, Screen { width: 140, ..Screen::default() });
    assert!(broad.contains("  PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS\n"), "{broad}");
}
