//! The autoscaler's decisions: one rule, and the habits that spoil it. Pure: what it sees comes in,
//! what it decides goes out, and time passes by looks.
//!
//! The rule is target tracking: `needed = ⌈ready · cpu / target⌉` instances bring the average CPU
//! to the target, the middle of the band. It is put in force when the CPU has left the band. Steps
//! of one instance were the other choice; they follow a show's arrivals too late (67 users a
//! second fill an instance in 7 s), and with a narrow band they flap all by themselves. Here `n`
//! needed instances end up between `(n − 1) / n` of the target and the target. Where that is below
//! the band (two instances at 40–70 %: 28–55 %) as many are needed as before, so nothing happens.

use super::Scaling;
use super::behaviour::{Ending, Habits, Outage, Swing};

/// What the autoscaler is shown at a look.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Seen {
    /// Average CPU of the ready instances in percent; none if none is ready.
    pub(super) cpu: Option<f64>,
    pub(super) ready: u32,
    /// Instances that are booting or draining: the CPU has not yet seen what was last decided.
    pub(super) unsettled: u32,
}

/// A change of the number of instances that are wanted.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Decision {
    pub(super) change: i64,
    pub(super) to: u32,
    pub(super) why: String,
    pub(super) ending: Ending,
}

/// The autoscaler.
#[derive(Debug)]
pub(super) struct Scaler {
    scaling: Scaling,
    habits: Habits,
    /// What the rule wants.
    wanted: u32,
    /// What was decided: the same, unless it swings.
    desired: u32,
    /// Looks so far.
    looks: u32,
    /// Looks in a row that saw too much.
    too_high: u32,
    /// Looks in a row that saw too little.
    too_low: u32,
    sight: Sight,
    /// Somebody has said how many there are to be: it looks at nothing.
    is_pinned: bool,
}

/// Whether the metric is there.
///
/// | sight | at a look | then |
/// |---|---|---|
/// | clear, n | no outage among the habits, or no more than the fewest instances desired | clear, 0 |
/// | clear, n | more are desired, n + 1 < `after` | clear, n + 1 |
/// | clear, n | more are desired, n + 1 = `after` | lost, 0 |
/// | lost, n | n + 1 < `lasts` | lost, n + 1 |
/// | lost, n | n + 1 = `lasts` | clear, 0 |
#[derive(Clone, Copy, Debug, PartialEq)]
enum Sight {
    Clear { at_risk: u32 },
    Lost { looks: u32 },
}

impl Sight {
    fn next(self, outage: &Outage, has_more_than_fewest: bool) -> Self {
        match self {
            Self::Clear { at_risk } if has_more_than_fewest && at_risk + 1 == outage.after => Self::Lost { looks: 0 },
            Self::Clear { at_risk } if has_more_than_fewest => Self::Clear { at_risk: at_risk + 1 },
            Self::Lost { looks } if looks + 1 < outage.lasts => Self::Lost { looks: looks + 1 },
            Self::Clear { .. } | Self::Lost { .. } => Self::Clear { at_risk: 0 },
        }
    }
}

impl Scaler {
    pub(super) fn new(scaling: Scaling) -> Self {
        Self {
            habits: scaling.behaviour.habits(),
            wanted: scaling.min,
            desired: scaling.min,
            looks: 0,
            too_high: 0,
            too_low: 0,
            sight: Sight::Clear { at_risk: 0 },
            is_pinned: false,
            scaling,
        }
    }

    /// Returns how many instances it wants.
    pub(super) fn desired(&self) -> u32 {
        self.desired
    }

    /// Whether there is a metric for it to see.
    pub(super) fn has_metric(&self) -> bool {
        matches!(self.sight, Sight::Clear { .. })
    }

    /// Returns how many instances it is held at, if it is.
    pub(super) fn pinned(&self) -> Option<u32> {
        self.is_pinned.then_some(self.desired)
    }

    /// Holds it at so many instances, whatever it would want, until it is let go.
    pub(super) fn pin(&mut self, to: u32) -> Option<Decision> {
        let change = i64::from(to) - i64::from(self.desired);
        (self.wanted, self.desired, self.is_pinned) = (to, to, true);
        let why = "an operator has pinned it".to_owned();
        (change != 0).then_some(Decision { change, to, why, ending: Ending::Drained })
    }

    /// Lets it go: from the next look on it decides by itself again.
    pub(super) fn let_go(&mut self) {
        (self.is_pinned, self.too_high, self.too_low) = (false, 0, 0);
    }

    /// Looks once and decides, or leaves all as it is.
    pub(super) fn look(&mut self, seen: &Seen) -> Option<Decision> {
        if self.is_pinned {
            return None;
        }
        self.looks += 1;
        if let Some(outage) = &self.habits.outage {
            self.sight = self.sight.next(outage, self.desired > self.scaling.min);
        }
        let ruled = self.reading(seen).and_then(|cpu| self.follow(cpu, seen));
        let (to, swung) = match &self.habits.swing {
            Some(swing) => self.swung(swing),
            None => (self.wanted, ""),
        };
        if to == self.desired {
            return None;
        }
        let change = i64::from(to) - i64::from(self.desired);
        self.desired = to;
        Some(Decision { change, to, why: ruled.unwrap_or_else(|| swung.to_owned()), ending: self.habits.ending })
    }

    /// Returns the CPU that it goes by, if it goes by any.
    fn reading(&self, seen: &Seen) -> Option<f64> {
        match (self.sight, &self.habits.outage) {
            (Sight::Lost { looks }, Some(outage)) if looks >= outage.patience => Some(0.0),
            (Sight::Lost { .. }, _) => None,
            (Sight::Clear { .. }, _) => seen.cpu.map(|cpu| cpu * self.habits.exaggerates),
        }
    }

    /// Follows the rule; says why if that changed what is wanted.
    fn follow(&mut self, cpu: f64, seen: &Seen) -> Option<String> {
        let band = self.scaling.band;
        let needed = self.needed(cpu, seen.ready);
        let is_too_high = cpu > band.high && needed > self.wanted;
        // What was decided last must have shown its effect before anything is taken away.
        let is_too_low = cpu < band.low && needed < self.wanted && seen.unsettled == 0;
        self.too_high = if is_too_high { self.too_high.saturating_add(1) } else { 0 };
        self.too_low = if is_too_low { self.too_low.saturating_add(1) } else { 0 };
        let (looks, side, end) = match () {
            () if self.too_high >= self.habits.out_after => (self.too_high, "above", band.high),
            () if self.too_low >= self.habits.in_after => (self.too_low, "below", band.low),
            () => return None,
        };
        self.wanted = needed;
        (self.too_high, self.too_low) = (0, 0);
        let what = if self.has_metric() { "the average CPU" } else { "the missing average CPU, taken for 0 %" };
        Some(format!("{what} was {side} {end:.0} % at {looks} looks, last {cpu:.0} %"))
    }

    /// Returns how many instances bring the CPU to the target.
    fn needed(&self, cpu: f64, ready: u32) -> u32 {
        // What is whole but for rounding must not become one more.
        let instances = (f64::from(ready) * cpu / self.scaling.band.target() - 1e-9).ceil();
        (instances as u32).clamp(self.scaling.min, self.scaling.max)
    }

    /// Returns how many instances a swinging autoscaler wants now, and what it would say to that. It
    /// swings above what the rule wants; where there is no room above, below the most.
    fn swung(&self, swing: &Swing) -> (u32, &'static str) {
        let far = (f64::from(self.wanted) * swing.share).ceil() as u32;
        let high = (self.wanted + far).min(self.scaling.max);
        match (self.looks / swing.every) % 2 {
            0 => (high.saturating_sub(far).max(self.scaling.min), "the average CPU has room"),
            _ => (high, "the average CPU may rise"),
        }
    }
}

#[cfg(test)]
mod tests;
