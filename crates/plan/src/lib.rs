//! What a run is going to do: everything that is decided before it starts, in the words of the field.
//!
//! A **plan** is what `plan()` of a scenario returns. It names scenarios, cues, thresholds and expectations,
//! is checked as a whole before anything starts, and travels to every agent as it is.
//!
//! A **scenario** is what one kind of user does; a **user** is one simulated person with a number, in the order
//! of planned arrival over the whole run.
//!
//! A **load** says how a scenario's users come. *Open* loads follow the plan whatever the system does, so an
//! overloaded system meets as many people as a real one would; a *closed* load is a population that waits for
//! the system. A **schedule** is a load worked out to single instants.
//!
//! **Run time** is the run's own clock and the only one on the wire. **Plan time** runs with it, but stands
//! still while the plan is paused, so that resuming brings no burst.
//!
//! A **slot** is the unit of ownership: arrival i belongs to slot i mod M, and each slot to one agent. Thus a
//! table of M entries says for any number of users who runs them.
//!
//! A **version** is the plan as it stands from an instant on. Pausing, scaling and losing an agent each make
//! one. Arrivals from before its instant keep their older version, and every agent computes from the history
//! of versions the same instant and the same owner for every arrival.
//!
//! Users that were lost with their agent may **return**: a version brings them back, with their numbers, over a ramp.
//!
//! **Scaling** replaces what is left of a load by more or less. A **curve** is a load by seconds, and what was played
//! can be written as one. The **forecast** says of a plan what it will do. A **trial** is the plan at one constant
//! load, by which a calibration finds out what an instance carries.
//!
//! A **cue** is a moment of the show that the director fires. A **threshold** is a pass-fail rule over the
//! run's metrics, which the **catalogue** lists. The **autoscaler's plan** says how the autoscaler under test
//! is to react, and a **guard** what the load must not kill.
//!
//! **Data** are files of rows, of which each user draws its own.
//!
//! An **environment** is one place where a run can happen: endpoints, sizes, and the names of secrets. Its target may be a
//! **service** whose **instances** come and go while the run goes on.
//!
//! Everything in here is pure: no input, no output, and "now" is an argument.
#![forbid(unsafe_code)]

mod plan;
mod data;

mod load;
mod schedule;
mod slots;
mod version;
mod versions;
mod scale;
mod curve;
mod forecast;
mod trial;

pub mod catalogue;
mod autoscaler;
mod observed;
mod threshold;

mod environment;
mod instances;

pub mod duration;
mod problem;
mod units;

pub use autoscaler::{
    AutoscalerPlan, Backlog, Band, Capacity, Draining, DuringOutage, Flapping, Guard, InFlight, Keep, Limit, Outage,
    Overshoot,
};
pub use curve::{curve_csv, read_curve};
pub use data::{Data, DataSource, Exhausted, LARGEST_DATA, Rows, Source};
pub use duration::DurationError;
pub use environment::{Agents, Consul, DemoInstances, Ec2, Environment, Http, Launch, Layer, Scheme, Service, Target};
pub use forecast::{Forecast, ForecastPoint};
pub use instances::{Endpoint, Instances, Standing};
pub use load::{LONGEST, Load, MOST_PER_SECOND, MOST_USERS, RateStage, Spacing, Stage, Stay};
pub use observed::{SUPPLY_FIGURES, Unobserved};
pub use plan::{Cue, CueTime, Plan, Scenario, Takeover};
pub use problem::{Problem, nearest};
pub use scale::{Progress, SCALE_HELP, Scale, scaled_loads};
pub use schedule::{PlannedArrival, Schedule};
pub use slots::{AgentNumber, SlotTable};
pub use threshold::{Op, Statistic, Threshold, ThresholdError};
pub use trial::{LoadUnit, TRIAL_HELP, TrialTimes, Trials};
pub use units::RunTime;
pub use version::{Arrival, Begun, Change, PlanRate, Returns, Version, VersionError};
pub use versions::{PlannedSecond, Returning, Versions};
