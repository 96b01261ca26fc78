//! The block as it looks in terminals of several sizes and at several moments of a run. The golden files are made by
//! `REHEARSAL_BLESS=1 cargo test -p rehearsal-terminal --test golden`; look at what has changed before you commit it.

use std::path::Path;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use rehearsal_report::view::RunNow;
use rehearsal_terminal::{Palette, Scene, draw, room};

#[path = "../examples/look/generated.rs"]
mod generated;

#[track_caller]
fn check(name: &str, (columns, rows): (u16, u16), now: f64, change: fn(&mut RunNow)) {
    let (mut run, seconds) = generated::at(now);
    change(&mut run);
    let area = room(columns, rows);
    let mut terminal = Terminal::new(TestBackend::new(area.width, area.height)).expect("the backend is in memory");
    let scene = Scene { run: &run, seconds: &seconds, dashboard: Some("http://127.0.0.1:7700/?token=3f9a1c") };
    terminal
        .draw(|frame| {
            draw(frame.area(), frame.buffer_mut(), scene, Palette::Colour);
        })
        .expect("the backend is in memory");
    let drawn = terminal.backend().to_string();
    let drawn: Vec<&str> = drawn.lines().map(|row| row.trim_matches('"').trim_end()).collect();
    let drawn = format!("{}\n", drawn.join("\n").trim_end());

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}-{columns}x{rows}.txt"));
    if std::env::var_os("REHEARSAL_BLESS").is_some_and(|value| value == "1") {
        std::fs::write(&path, &drawn).expect("writing a golden file");
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(drawn, golden, "{} is not what is drawn", path.display());
}

fn unchanged(_: &mut RunNow) {}

#[test]
fn agents_gather() {
    check("gathering", (80, 24), -2.0, unchanged);
}

#[test]
fn the_first_seconds_have_no_numbers() {
    check("beginning", (80, 24), 1.0, unchanged);
}

#[test]
fn a_run_in_terminals_of_several_sizes() {
    for size in [(80, 24), (120, 30), (200, 50), (60, 10), (60, 24)] {
        check("running", size, 82.0, unchanged);
    }
}

#[test]
fn arrivals_are_paused() {
    check("paused", (80, 24), 40.0, |run| {
        run.paused = true;
        run.ends_s = None;
    });
}

#[test]
fn an_agent_is_silent_and_the_numbers_are_old() {
    check("stale", (80, 24), 96.0, unchanged);
}

#[test]
fn errors_come_up() {
    check("failing", (80, 24), 110.0, unchanged);
    check("failing", (60, 10), 110.0, unchanged);
}

#[test]
fn the_run_is_judged() {
    check("judged", (80, 24), 128.0, unchanged);
}
