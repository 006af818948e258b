//! Takes over the terminal like `memtap top`, and panics in another thread. A test checks that the
//! terminal is restored.

use memtap_tui::{App, Column, Look, Pace, Screen, Settings};

fn main() -> std::io::Result<()> {
    let mut screen = Screen::take()?;
    let mut app = App::new(Settings {
        look: Look { colours: true, unicode: true },
        zone: jiff::tz::TimeZone::UTC,
        pace: Pace::One,
        sort: Column::Resident,
        refusal_words: |_, _| String::new(),
    });
    screen.draw(&mut app)?;
    let panicked = std::thread::spawn(|| panic!("on purpose")).join().is_err();
    assert!(panicked);
    screen.draw(&mut app)
}
