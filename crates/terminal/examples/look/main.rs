//! Plays a generated run on the terminal, to look at: `cargo run -p rehearsal-terminal --example look -- 20 4` begins at
//! 20 s of run time and plays four times as fast. Without arguments it begins while agents gather and takes two minutes.

use std::time::{Duration, Instant};

use rehearsal_report::view::RunState;
use rehearsal_terminal::Display;

mod generated;

fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<f64>());
    let from = arguments.next().and_then(Result::ok).unwrap_or(-3.0);
    let speed = arguments.next().and_then(Result::ok).unwrap_or(1.0);
    let mut display = Display::new();
    display.say("4 agents were launched");
    let begun = Instant::now();
    let mut last: Option<RunState> = None;
    loop {
        let now = Instant::now();
        let (run, seconds) = generated::at(from + now.duration_since(begun).as_secs_f64() * speed);
        if last.replace(run.state).is_some_and(|last| last != run.state) {
            display.say(&format!("the run is {:?} now", run.state).to_lowercase());
        }
        display.show(&run, &seconds, Some("http://127.0.0.1:7700/?token=3f9a1c"), now);
        if run.now_s.is_some_and(|now| now > generated::END_S + 12.0) {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    display.clear();
}
