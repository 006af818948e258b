//! Snapshots of frames for a machine with constant figures, on screens of three sizes. Renewed with
//! INSTA_UPDATE=always.

#![expect(clippy::unwrap_used, reason = "a failing unwrap is a failing test, and says where")]

mod machine;

use std::sync::Arc;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use machine::{app, frame, model, running};
use memtap_model::Notice;
use memtap_tui::{App, Look, Model, Pace, Reaction};

const PLAIN: Look = Look { colours: true, unicode: true };
const ASCII: Look = Look { colours: false, unicode: false };

fn press(app: &mut App, keys: &str) -> Reaction {
    let mut last = Reaction::Nothing;
    for key in keys.chars() {
        let code = match key {
            '⏎' => KeyCode::Enter,
            '⎋' => KeyCode::Esc,
            '↓' => KeyCode::Down,
            '↑' => KeyCode::Up,
            '⇥' => KeyCode::Tab,
            other => KeyCode::Char(other),
        };
        last = app.handle(&Event::Key(KeyEvent::new(code, KeyModifiers::NONE)));
    }
    last
}

fn mouse(app: &mut App, kind: MouseEventKind, column: u16, row: u16) {
    app.handle(&Event::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }));
}

/// Position of a text on the screen.
fn place(screen: &str, text: &str) -> (u16, u16) {
    let (row, line) = screen.lines().enumerate().find(|(_, line)| line.contains(text)).unwrap();
    let before = &line[..line.find(text).unwrap()];
    // The backend writes a quotation mark before each line.
    (u16::try_from(before.chars().count()).unwrap() - 1, u16::try_from(row).unwrap())
}

/// PIDs in the order of the screen.
fn pids(screen: &str) -> Vec<u32> {
    screen
        .lines()
        .filter_map(|line| line.trim_start_matches('"').split_whitespace().next()?.parse().ok())
        .collect()
}

#[test]
fn the_table_on_three_screens() {
    for (width, height) in [(80, 24), (120, 40), (200, 60)] {
        let mut app = running(PLAIN);
        insta::assert_snapshot!(format!("table-{width}x{height}"), frame(&mut app, width, height));
    }
}

#[test]
fn one_process_on_three_screens() {
    for (width, height) in [(80, 24), (120, 40), (200, 60)] {
        let mut app = running(PLAIN);
        press(&mut app, "/perl⏎⏎");
        insta::assert_snapshot!(format!("process-{width}x{height}"), frame(&mut app, width, height));
    }
}

#[test]
fn the_parts_of_a_process_on_a_small_screen() {
    let mut app = running(PLAIN);
    press(&mut app, "/perl⏎⏎⇥");
    insta::assert_snapshot!("charts-80x24", frame(&mut app, 80, 24));
    press(&mut app, "3");
    insta::assert_snapshot!("requests-80x24", frame(&mut app, 80, 24));
}

#[test]
fn help_and_columns_lie_over_the_table() {
    let mut app = running(PLAIN);
    press(&mut app, "?");
    insta::assert_snapshot!("help-120x70", frame(&mut app, 120, 70));
    press(&mut app, "⎋c↓ ");
    let screen = frame(&mut app, 80, 24);
    insta::assert_snapshot!("columns-80x24", screen);
    press(&mut app, "⎋");
    assert!(!frame(&mut app, 80, 24).contains("USER"), "it was taken away");
}

#[test]
fn in_ascii_no_cell_has_anything_else() {
    let mut app = running(ASCII);
    press(&mut app, "t");
    insta::assert_snapshot!("ascii-tree-100x24", frame(&mut app, 100, 24));
    for keys in ["?", "⎋/perl⏎⏎", "2", "3"] {
        press(&mut app, keys);
        let screen = frame(&mut app, 80, 24);
        assert!(screen.is_ascii(), "{screen}");
    }
}

#[test]
fn untrusted_names_are_escaped_and_fit_their_cells() {
    for (width, height) in [(80, 24), (120, 40), (200, 60), (61, 20)] {
        let mut app = running(PLAIN);
        for keys in ["", "t", "/a\u{1b}⏎⏎", "2", "3"] {
            press(&mut app, keys);
            let screen = frame(&mut app, width, height);
            assert!(
                !screen.chars().any(|c| c.is_control() && c != '\n') && !screen.contains('\u{202e}'),
                "{screen}"
            );
        }
    }
    let screen = frame(&mut running(PLAIN), 200, 60);
    assert!(screen.contains("a\\x1b[31mb\\n…"), "{screen}");
}

#[test]
fn any_size_can_be_drawn() {
    let mut app = running(PLAIN);
    for keys in ["", "⏎", "2", "3", "⎋?", "⎋c", "⎋/x"] {
        press(&mut app, keys);
        for width in [1, 8, 29, 30, 41, 79, 149, 150, 151, 300] {
            for height in [1, 7, 8, 12, 23, 39, 40, 100] {
                frame(&mut app, width, height);
            }
        }
    }
}

#[test]
fn keys_sort_filter_search_and_open() {
    let mut app = running(PLAIN);
    assert_eq!(pids(&frame(&mut app, 80, 24))[..3], [411, 1204, 412]);
    press(&mut app, ">>");
    assert_eq!(pids(&frame(&mut app, 80, 24))[..3], [411, 1204, 412], "swap, then the peak");
    press(&mut app, "r");
    assert_eq!(pids(&frame(&mut app, 80, 24))[0], 1301);
    press(&mut app, "fana⏎");
    let screen = frame(&mut app, 80, 24);
    assert_eq!(pids(&screen), [1301, 1300, 977, 1204]);
    assert!(screen.contains("4 of 9 match 'ana'"), "{screen}");
    press(&mut app, "⎋");
    assert_eq!(pids(&frame(&mut app, 80, 24)).len(), 9);
    press(&mut app, "e");
    assert!(frame(&mut app, 80, 24).contains("†grep"));
    press(&mut app, "/sshd⏎⏎");
    assert!(frame(&mut app, 80, 24).contains("sshd  pid 230"));
    assert_eq!(press(&mut app, "q"), Reaction::Draw, "back");
    press(&mut app, "/nobody has this⏎");
    assert!(frame(&mut app, 80, 24).contains("no process matches 'nobody has this'"));
    assert_eq!(press(&mut app, "q"), Reaction::Quit);
}

#[test]
fn control_keys_end_and_suspend() {
    let mut app = running(PLAIN);
    let control = |letter| Event::Key(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL));
    assert_eq!(app.handle(&control('z')), Reaction::Suspend);
    press(&mut app, "/typing");
    assert_eq!(app.handle(&control('c')), Reaction::Quit);
}

#[test]
fn the_choice_stays_with_its_process() {
    let mut app = running(PLAIN);
    press(&mut app, "↓↓");
    let mut next = model(90);
    // The selected process becomes the largest and then ends.
    let mut chosen = (*next.living[5]).clone();
    chosen.resident_bytes = 1 << 40;
    next.living[5] = Arc::new(chosen);
    app.take(Arc::new(next));
    press(&mut app, "⏎");
    assert!(frame(&mut app, 80, 24).contains("perl  pid 1204"));
    let mut next = model(91);
    next.living.remove(5);
    app.take(Arc::new(next));
    assert!(frame(&mut app, 80, 24).contains("perl  pid 1204"), "what was last told of it stays");
    press(&mut app, "⎋⏎");
    assert!(frame(&mut app, 80, 24).contains("postgres  pid 411"), "whoever stands there now");
}

#[test]
fn the_mouse_chooses_opens_sorts_and_scrolls() {
    let mut app = running(PLAIN);
    let click = MouseEventKind::Down(MouseButton::Left);
    let screen = frame(&mut app, 80, 12);
    let (column, row) = place(&screen, "VIRT");
    mouse(&mut app, click, column, row);
    let screen = frame(&mut app, 80, 12);
    assert_eq!(pids(&screen)[0], 412, "by virtual size");
    mouse(&mut app, MouseEventKind::ScrollDown, 5, 8);
    let scrolled = frame(&mut app, 80, 12);
    assert_eq!(pids(&scrolled)[..2], pids(&screen)[3..5]);
    let (column, row) = place(&scrolled, "perl ");
    mouse(&mut app, click, column, row);
    mouse(&mut app, click, column, row);
    let screen = frame(&mut app, 80, 24);
    assert!(screen.contains("perl  pid 1204"), "{screen}");
    let (column, row) = place(&screen, "2 Charts");
    mouse(&mut app, click, column, row);
    assert!(frame(&mut app, 80, 24).contains("requests/s"));
}

#[test]
fn pace_and_hold_are_shown() {
    let mut app = running(PLAIN);
    press(&mut app, "--- ");
    assert_eq!((app.pace(), app.paused()), (Pace::Five, true));
    let screen = frame(&mut app, 80, 24);
    assert!(screen.contains("PAUSED") && screen.contains("every 5 s"), "{screen}");
    press(&mut app, "++++ ");
    assert_eq!((app.pace(), app.paused()), (Pace::Half, false));
}

#[test]
fn notices_and_problems_are_shown() {
    let mut app = app(PLAIN);
    assert!(frame(&mut app, 80, 24).contains("waiting for the first update"));
    let mut about = (*model(0).about).clone();
    about.plan = None;
    about.source = "procfs".to_owned();
    let notice = Notice { what: "requests are not visible".into(), fix: "sudo memtap".into() };
    about.notices = vec![notice.into()];
    app.take(Arc::new(Model { about: Arc::new(about), ..model(0) }));
    let screen = frame(&mut app, 80, 24);
    assert!(
        screen.contains("! requests are not visible") && screen.contains("  to fix it: sudo memtap"),
        "{screen}"
    );
    assert!(!app.wait(3) && app.wait(30));
    assert!(frame(&mut app, 80, 24).contains("no update for 30 s"));
    app.trouble("nothing comes".to_owned());
    app.log("a line of the log".to_owned());
    let screen = frame(&mut app, 80, 24);
    assert!(screen.contains("! nothing comes") && screen.contains("! a line of the log"), "{screen}");
}
