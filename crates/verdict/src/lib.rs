//! Was it good: from the numbers of a run to pass, fail or inconclusive, with the reasons.
//!
//! A **threshold** is evaluated over the whole run; those that must be broken for some time, or
//! that abort the run, are watched second by second while it goes on. The **generator** is graded
//! for every second, because a slow load generator looks just like a slow system. [`elasticity`]
//! finds out whether the autoscaler under test followed the load. [`judge`] puts
//! both together with everything that is known to be missing and gives a **verdict** with its
//! **findings**, each of which names its stretch of time. [`compare`] puts two runs side by side and
//! tells what differs from what only fluctuates. [`calibration`] decides which runs to make to find out what one
//! instance carries.
//!
//! Nothing here does I/O or reads a clock. Seconds are whole seconds of run time.

#![forbid(unsafe_code)]

mod thresholds;
mod watch;

mod generator;

pub mod elasticity;

mod case;
mod judge;

mod compare;

pub mod calibration;

pub mod amounts;

pub use case::{Finding, Severity};
pub use compare::{
    Better, Compared, Comparison, Excluded, Figure, FigureOutcome, Mismatch, Overall, Rows, RunFacts, Scope, Side,
    ThresholdPair, Tolerances, Unit, compare, render,
};
pub use generator::{Generator, Grade, Stretch};
pub use judge::{Autoscaler, Ending, Evidence, GuardOutcome, Judgement, UnresolvedCue, Verdict, judge};
pub use thresholds::{Outcome, ThresholdOutcome, evaluate, holds, measure};
pub use watch::{Breach, WatchedThresholds};
