//! What is said of a scaler, how much it weighs, and what that is called.

use rehearsal_metrics::Span;
use serde::{Deserialize, Serialize};

use crate::case::Extent;
use crate::generator::Generator;

/// One statement about the scaler.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScalerFinding {
    /// What it does to the verdict.
    pub weight: Weight,
    /// What it is about.
    pub kind: Kind,
    /// What was expected, and what happened, when and for how long.
    pub text: String,
    /// Where it begins, in seconds of run time.
    pub from_s: f64,
    /// Where it ends, in seconds of run time.
    pub to_s: f64,
}

/// What a finding does to the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// It fails the run.
    Fail,
    /// It leaves the verdict open.
    Doubt,
    /// Nothing.
    Tell,
}

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Capacity came too late.
    Slow,
    /// The number of instances never changed.
    Frozen,
    /// Capacity was missing although the load had not grown.
    Short,
    /// Supply did not stay above demand.
    Unsettled,
    /// Far more instances than the load needs.
    Greedy,
    /// More and fewer by turns while the load was flat.
    Flapping,
    /// Users met errors while instances left.
    Harsh,
    /// Instances left with something in flight.
    Ungraceful,
    /// The scaler acted wrongly while its metric was missing.
    Blind,
    /// More or fewer instances wanted than allowed.
    OutOfBounds,
    /// At the upper bound and short: not the scaler's fault.
    Ceiling,
    /// A metric was not kept in its band.
    OutOfBand,
    /// A queue stayed long.
    Backlog,
    /// There is no evidence.
    Unseen,
}

impl Kind {
    /// Names it as one names a fault of somebody: `flapping`, `out of band`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::Slow => "slow",
            Kind::Frozen => "frozen",
            Kind::Short => "short",
            Kind::Unsettled => "unsettled",
            Kind::Greedy => "greedy",
            Kind::Flapping => "flapping",
            Kind::Harsh => "harsh",
            Kind::Ungraceful => "ungraceful",
            Kind::Blind => "blind",
            Kind::OutOfBounds => "out of bounds",
            Kind::Ceiling => "ceiling",
            Kind::OutOfBand => "out of band",
            Kind::Backlog => "backlog",
            Kind::Unseen => "too little seen",
        }
    }
}

impl ScalerFinding {
    /// Weighs it beside the load generator: what it saw of the scaler only while the generator was the limit fails
    /// nobody, since nobody knows what load there was.
    #[must_use]
    pub fn beside(self, generator: &Generator) -> ScalerFinding {
        let seconds = Span { from_s: self.from_s.floor() as i64, to_s: self.to_s.ceil() as i64 };
        let is_of_generator = seconds.from_s < seconds.to_s && generator.fit_parts(seconds).is_empty();
        if self.weight != Weight::Fail || !is_of_generator {
            return self;
        }
        let text = self.text + ", but the generator was the limit all that time";
        ScalerFinding { weight: Weight::Doubt, text, ..self }
    }

    pub(super) fn new(weight: Weight, kind: Kind, extent: Extent, text: impl Into<String>) -> ScalerFinding {
        ScalerFinding { weight, kind, text: text.into(), from_s: extent.from_s, to_s: extent.to_s }
    }
}
