//! What the bytes of the display do to a terminal, seen by an emulator of one.

use std::io::{self, Write};
use std::num::NonZero;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rehearsal_report::view::RunState;
use rehearsal_terminal::{Display, Look, Palette};

#[path = "../examples/look/generated.rs"]
mod generated;

/// A terminal whose screen can be looked at.
#[derive(Clone)]
struct Emulator(Arc<Mutex<vt100::Parser>>);

impl Emulator {
    fn new(columns: u16, rows: u16) -> Self {
        let [rows, columns] = [rows, columns].map(|n| NonZero::new(n).expect("terminals have a size"));
        Self(Arc::new(Mutex::new(vt100::Parser::new(rows, columns, 0))))
    }

    fn parser(&self) -> MutexGuard<'_, vt100::Parser> {
        self.0.lock().expect("no test panics with the lock")
    }

    /// The rows above the cursor.
    fn all_rows(&self) -> Vec<String> {
        let parser = self.parser();
        let (columns, above) = (parser.screen().size().1.get(), parser.screen().cursor_position().0);
        parser.screen().rows(0, columns).take(usize::from(above)).map(|row| row.trim_end().to_owned()).collect()
    }

    /// Those that have something in them, the row of the cursor included.
    fn rows(&self) -> Vec<String> {
        let parser = self.parser();
        let columns = parser.screen().size().1.get();
        parser.screen().rows(0, columns).map(|row| row.trim_end().to_owned()).filter(|row| !row.is_empty()).collect()
    }

    fn cursor(&self) -> (u16, u16) {
        self.parser().screen().cursor_position()
    }
}

impl Write for Emulator {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.parser().process(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn live(emulator: &Emulator, size: fn() -> (u16, u16)) -> Display {
    Display::onto(emulator.clone(), Look::Live { palette: Palette::Colour, size })
}

/// Shows the generated run at a moment; each call is a second after the last.
fn show(display: &mut Display, begun: Instant, now_s: f64) {
    let (run, seconds) = generated::at(now_s);
    display.show(&run, &seconds, None, begun + Duration::from_secs_f64(now_s.max(0.0)));
}

#[test]
fn lines_stay_above_the_block_and_the_block_goes() {
    let mut emulator = Emulator::new(80, 24);
    emulator.write_all(b"$ coordinator start\r\n").unwrap();
    let mut display = live(&emulator, || (80, 24));
    let begun = Instant::now();
    display.say("first");
    show(&mut display, begun, 80.0);
    display.say("second \u{1b}[2J");
    show(&mut display, begun, 81.0);
    let rows = emulator.rows();
    assert_eq!(rows[..3], ["$ coordinator start", "first", "second ␛[2J"]);
    assert!(rows[3].starts_with(" ● running   evening · staging"), "{}", rows[3]);
    assert!(rows[3].ends_with("1:21 of 2:00"), "{}", rows[3]);
    assert_eq!(emulator.cursor().1, 0, "the cursor rests at the start of a row");

    drop(display);
    assert_eq!(emulator.rows(), ["$ coordinator start", "first", "second ␛[2J"]);
    assert_eq!(emulator.cursor(), (3, 0));
    assert!(!emulator.parser().screen().hide_cursor());
}

#[test]
fn more_lines_than_the_terminal_has_scroll_away() {
    let emulator = Emulator::new(60, 40);
    let mut display = live(&emulator, || (60, 40));
    let begun = Instant::now();
    show(&mut display, begun, 80.0);
    (0..30).for_each(|line| display.say(&format!("line {line}, {}", "and so on ".repeat(8))));
    show(&mut display, begun, 81.0);
    let heads = emulator.rows().iter().filter(|row| row.contains("● running")).count();
    assert_eq!(heads, 1, "{:#?}", emulator.rows());
    display.clear();
    let rows = emulator.rows();
    assert!(rows.iter().all(|row| row.starts_with("line ") || row.contains("so on")), "{rows:#?}");
    assert!(rows.iter().any(|row| row.starts_with("line 29")), "{rows:#?}");
}

#[test]
fn what_others_write_is_gone_with_the_next_drawing() {
    let mut emulator = Emulator::new(80, 24);
    let mut display = live(&emulator, || (80, 24));
    let begun = Instant::now();
    show(&mut display, begun, 80.0);
    let before = emulator.rows().len();
    emulator.write_all(b"^C").unwrap();
    show(&mut display, begun, 81.0);
    assert_eq!(emulator.rows().len(), before, "{:#?}", emulator.rows());
}

/// The width at the next drawing; only the test below changes it.
static COLUMNS: AtomicU16 = AtomicU16::new(120);

#[test]
fn a_terminal_that_became_narrower_has_one_block() {
    let emulator = Emulator::new(120, 40);
    let mut display = live(&emulator, || (COLUMNS.load(Ordering::Relaxed), 40));
    let begun = Instant::now();
    display.say("stays");
    show(&mut display, begun, 80.0);
    // Terminals wrap what has become too wide; here, the same rows are written to a narrower one.
    let mut narrow = Emulator::new(70, 40);
    emulator.all_rows().iter().for_each(|row| writeln!(narrow, "{row}\r").unwrap());
    std::mem::swap(&mut *emulator.parser(), &mut *narrow.parser());
    COLUMNS.store(70, Ordering::Relaxed);
    show(&mut display, begun, 81.0);
    let rows = emulator.rows();
    assert_eq!(rows[0], "stays");
    assert!(rows[1].starts_with(" ● running"), "{rows:#?}");
    assert_eq!(rows.iter().filter(|row| row.contains("● running")).count(), 1, "{rows:#?}");
    display.clear();
    assert_eq!(emulator.rows(), ["stays"]);
}

#[test]
fn a_panic_leaves_its_message_and_the_last_figures() {
    let emulator = Emulator::new(80, 24);
    let mut out = emulator.clone();
    let display = live(&emulator, || (80, 24));
    let panicked = std::thread::spawn(move || {
        let mut display = display;
        show(&mut display, Instant::now(), 80.0);
        out.write_all(b"it is broken\r\n").unwrap();
        std::panic::resume_unwind(Box::new("broken"));
    });
    assert!(panicked.join().is_err());
    let rows = emulator.rows();
    assert!(rows[0].starts_with(" ● running"), "{rows:#?}");
    assert_eq!(rows.last().unwrap(), "it is broken");
}

/// A file in which everything is kept.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no test panics with the lock").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn without_a_terminal_there_is_a_line_every_five_seconds_and_at_each_new_state() {
    let log = Log::default();
    let mut display = Display::onto(log.clone(), Look::Plain);
    let begun = Instant::now();
    display.say("agents were launched\u{7}");
    for now_s in [-2.0, 0.5, 1.0, 5.0, 6.0, 82.0, 83.0, 108.0] {
        show(&mut display, begun, now_s);
    }
    display.clear();
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text}");
    let expected = [
        "agents were launched␇",
        "waiting for agents, 2 so far | users 0 live | requests none yet",
        "0:00 of 2:00 running | users 165 live | requests none yet",
    ];
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[..3], expected, "{text}");
    assert_eq!(lines.len(), 6, "{text}");
    assert!(lines[4].contains("cues open_vote  99.94% heard it, 9,994 of 10,000"), "{text}");
    assert!(lines[5].contains("| thresholds ✗ 311 ms  http.response{name:vote} p99 < 300ms"), "{text}");
}

#[test]
fn it_is_due_at_its_pace() {
    let begun = Instant::now();
    let after = |millis| begun + Duration::from_millis(millis);
    for (look, pause_ms) in [(Look::Plain, 5000), (Look::Live { palette: Palette::Plain, size: || (80, 24) }, 250)] {
        let mut display = Display::onto(io::sink(), look);
        let (run, seconds) = generated::at(10.0);
        assert!(display.is_due(RunState::Running, begun));
        display.show(&run, &seconds, None, begun);
        assert!(!display.is_due(RunState::Running, after(pause_ms - 1)));
        assert!(display.is_due(RunState::Running, after(pause_ms)));
        assert!(display.is_due(RunState::Stopping, after(1)), "a new state is told at once");
    }
}
