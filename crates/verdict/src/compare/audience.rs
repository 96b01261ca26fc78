//! Cues: who heard them, and how late.
//!
//! A firing is a single moment, so there are no seconds to draw again; its users are, each for
//! itself. That knows how far chance among users goes and nothing of how much one moment differs
//! from another of the same run, so delays have a tolerance of their own,
//! [`Tolerances::moment`](super::Tolerances::moment). And clocks of agents agree only within a bound:
//! a delay that differs by less does not differ.
//!
//! The percentile of a sample that is drawn anew from N users is the percentile at a share that is
//! distributed as Beta(j, N − j + 1), j = ⌈qN⌉: the law of the j-th of N ordered uniform numbers. So
//! one number is drawn for each resample, not N.

use std::collections::{BTreeMap, BTreeSet};

use rand::SeedableRng;
use rand_distr::{Beta, Binomial, Distribution};
use rand_xoshiro::Xoshiro256PlusPlus;
use rehearsal_metrics::{Bins, CueFiring, MetricSet, Points, Span};

use super::Side;
use super::inference::Estimates;
use super::seconds::poor_parts;

/// Hearings below which nothing is said.
const FEWEST_USERS: u64 = 30;

/// What a run knows of all firings of one cue.
#[derive(Clone, Debug, Default)]
pub(super) struct Audience {
    /// The delays of the users that heard it.
    pub delays: Bins,
    /// Users that heard it.
    pub heard: u64,
    /// Users that had arrived and not left.
    pub live: u64,
    /// How far delays may be off because clocks disagree, in seconds.
    pub clock_bound_s: f64,
}

/// Lists the cues that either run fired.
pub(super) fn cues_of(a: &Side<'_>, b: &Side<'_>) -> BTreeSet<String> {
    a.firings.iter().chain(b.firings).map(|firing| firing.name.clone()).collect()
}

/// Lists the firings of a run that its generator did not spoil.
pub(super) fn fit_firings(side: &Side<'_>) -> Vec<CueFiring> {
    let run = Span { from_s: 0, to_s: side.duration.as_secs_f64().ceil() as i64 };
    let poor = poor_parts(side, run);
    let is_fit = |firing: &&CueFiring| {
        let second = firing.fired_at_s.floor() as i64;
        !poor.iter().any(|part| (part.from_s..part.to_s).contains(&second))
    };
    side.firings.iter().filter(is_fit).cloned().collect()
}

impl Audience {
    /// Adds up the audiences of a run by cue.
    pub(super) fn by_cue(side: &Side<'_>) -> BTreeMap<String, Audience> {
        let firings = fit_firings(side);
        let metrics = MetricSet::whole(side.timeline, &firings, side.duration);
        let mut audiences: BTreeMap<String, Audience> = BTreeMap::new();
        for firing in &firings {
            let audience = audiences.entry(firing.name.clone()).or_default();
            audience.clock_bound_s = audience.clock_bound_s.max(firing.clock_bound_s);
        }
        for (key, points) in metrics.iter() {
            let audience = key.tags.get("cue").and_then(|cue| audiences.get_mut(cue));
            match (key.metric.as_str(), points, audience) {
                ("cue.delay", Points::Duration(bins), Some(audience)) => audience.delays.merge(bins),
                ("cue.reach", Points::Ratio { yes, total }, Some(audience)) => {
                    audience.heard += yes;
                    audience.live += total;
                }
                _ => {}
            }
        }
        audiences
    }

    /// The share that heard it, and of as many resamples.
    pub(super) fn reach(&self, resamples: usize, seed: u64) -> Option<Estimates> {
        let value = (self.live > 0).then(|| self.heard as f64 / self.live as f64)?;
        let drawn = Binomial::new(self.live, value).ok()?;
        Some(Estimates { value, resampled: draw(drawn, resamples, seed, |heard| heard as f64 / self.live as f64) })
    }

    /// A percentile of the delay, in seconds, and of as many resamples.
    pub(super) fn delay(&self, percent: f64, resamples: usize, seed: u64) -> Option<Estimates> {
        let seconds = |percent: f64| self.delays.percentile(percent).map(|delay| delay.as_secs_f64());
        let value = seconds(percent)?;
        let users = self.delays.count() as f64;
        let rank = (percent / 100.0 * users).ceil().max(1.0);
        let drawn = Beta::new(rank, users - rank + 1.0).ok()?;
        let resampled = draw(drawn, resamples, seed, |share| seconds(share * 100.0).unwrap_or(value));
        Some(Estimates { value, resampled })
    }

    /// Says why the audience is too small.
    pub(super) fn shortage(&self) -> Option<String> {
        (self.live < FEWEST_USERS)
            .then(|| format!("only {} users were there, and {FEWEST_USERS} are needed", self.live))
    }
}

fn draw<T>(law: impl Distribution<T>, resamples: usize, seed: u64, read: impl Fn(T) -> f64) -> Vec<Option<f64>> {
    let random = Xoshiro256PlusPlus::seed_from_u64(seed);
    law.sample_iter(random).take(resamples).map(|drawn| Some(read(drawn))).collect()
}
