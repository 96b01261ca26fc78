//! What the fiber module promises: suspension, ends of every kind, and stacks that are given back.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use rehearsal_script::{Answer, Call, Stop};

use super::{Fiber, Question, Step, remaining_stack, suspend};

fn sleep() -> Result<Answer, Stop> {
    suspend(Question::Call(Call::Sleep(Duration::ZERO)))
}

#[test]
fn a_fiber_suspends_and_returns() {
    let mut fiber = Fiber::new(|| (0..3).filter(|_| sleep().is_ok()).count()).unwrap();
    for _ in 0..3 {
        assert!(matches!(fiber.resume(Ok(Answer::Done)), Step::Asks(Question::Call(Call::Sleep(_)))));
    }
    assert!(matches!(fiber.resume(Ok(Answer::Done)), Step::Returned(3)));
}

#[test]
fn fibers_interleave_without_mixing_up() {
    let log = Rc::new(RefCell::new(Vec::new()));
    let mut fibers: Vec<_> = (0..3)
        .map(|number| {
            let log = Rc::clone(&log);
            Fiber::new(move || {
                for round in 0..2 {
                    log.borrow_mut().push((number, round));
                    let _ = sleep();
                }
            })
            .unwrap()
        })
        .collect();
    for _ in 0..3 {
        for fiber in &mut fibers {
            let _ = fiber.resume(Ok(Answer::Done));
        }
    }
    assert_eq!(*log.borrow(), [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1)]);
}

#[test]
fn a_dropped_fiber_is_stopped_and_its_values_are_dropped() {
    let value = Rc::new(());
    let held = Rc::clone(&value);
    let mut fiber = Fiber::new(move || {
        let _held = held;
        while sleep().is_ok() {}
    })
    .unwrap();
    let _ = fiber.resume(Ok(Answer::Done));
    assert_eq!(Rc::strong_count(&value), 2);
    drop(fiber);
    assert_eq!(Rc::strong_count(&value), 1);
}

#[test]
fn a_panic_is_an_end_and_the_thread_goes_on() {
    let mut fiber: Fiber<()> = Fiber::new(|| panic!("broken native")).unwrap();
    assert!(matches!(fiber.resume(Ok(Answer::Done)), Step::Panicked(message) if message == "broken native"));
    let mut next = Fiber::new(|| 7).unwrap();
    assert!(matches!(next.resume(Ok(Answer::Done)), Step::Returned(7)));
}

/// A storm of deep users once left hundreds of megabytes of touched stacks behind.
#[test]
fn deep_stacks_are_given_back() {
    fn dig(levels: u32) -> u64 {
        let block = std::hint::black_box([levels as u8; 4096]);
        let below = if levels == 0 { 0 } else { dig(levels - 1) };
        let _ = remaining_stack();
        below + u64::from(block[7])
    }
    let resident = || -> usize {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
        statm.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 4
    };
    let before = resident();
    for _ in 0..20 {
        let mut fiber = Fiber::new(|| dig(400)).unwrap();
        assert!(matches!(fiber.resume(Ok(Answer::Done)), Step::Returned(_)));
    }
    let kept_kib = resident().saturating_sub(before);
    assert!(kept_kib < 8 * 1024, "kept {kept_kib} KiB of 20 stacks that touched 1.6 MiB each");
}

#[test]
fn outside_of_a_fiber_nobody_answers() {
    assert_eq!(remaining_stack(), None);
    assert!(sleep().is_err());
}
