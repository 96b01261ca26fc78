//! Cues: who heard them, and how late.
//!
//! All hearings of a firing share one moment: what the system and the network were busy with just
//! then shifts all of them at once. Five hundred of them tell much of that moment, and nothing of how
//! far the moments of one run differ, which is what a difference between runs must exceed. So
//! firings are drawn again, each as a whole (a *cluster bootstrap*, Davison and Hinkley 1997,
//! "Bootstrap Methods and their Application", 3.8), not users.
//!
//! **Delays** are claimed to differ only with [`FEWEST_FIRINGS`] in each run. The 99th percentile of a
//! dozen firings is that of the slowest. Of as many draws two in three hold the slowest again, so
//! they would spread too little: equal runs of eight firings differed at 5 % in 13 of 100 pairs.
//! Where so few firings lie beyond a percentile only half as many are drawn (the *m out of n*
//! bootstrap of Bickel, Götze and van Zwet 1997, "Resampling fewer than n observations"), which costs
//! sensitivity.
//!
//! **Reach** is claimed with fewer as well. A shared moment makes everybody late, and late is still
//! heard; a delivery that is broken leaves out many users at once and may be seen in a single firing.
//! What is then known, chance among users, is too narrow by whatever the moment did to all, so the
//! difference must also exceed [`FIRM_LOSS`]. With enough firings the wider of the two counts,
//! chance among users or among firings: firings that happen to resemble each other do not make users
//! certain.
//!
//! Clocks of agents agree only within a bound: a delay that differs by less does not differ.

use std::collections::BTreeMap;

use rand::SeedableRng;
use rand_distr::{Binomial, Distribution as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use rehearsal_metrics::{Bins, CueFiring, MetricSet, Points, Span};

use super::Side;
use super::inference::Estimates;
use super::percentiles::Distribution;
use super::resample::{Blocks, Resamples};
use super::samples::Basis;
use super::seconds::poor_parts;
use crate::amounts;

/// Users below which nothing is said.
const FEWEST_USERS: u64 = 30;

/// Firings in each run below which nothing is said of how much moments differ.
const FEWEST_FIRINGS: usize = 5;

/// Firings beyond a percentile below which half as many are drawn.
const FEWEST_BEYOND: f64 = 2.0;

/// By how much reach must differ to be believed of fewer firings, as a difference of shares: more than
/// the users that happen to be reconnecting at one moment, and less than what a broken path leaves out.
const FIRM_LOSS: f64 = 0.05;

/// What a run knows of all firings of one cue that its generator did not spoil.
#[derive(Clone, Debug, Default)]
pub(super) struct Audience {
    moments: Vec<Moment>,
    /// How far delays may be off because clocks disagree, in seconds.
    clock_bound_s: f64,
}

/// One firing.
#[derive(Clone, Debug, Default)]
struct Moment {
    /// The delays of the users that heard it.
    delays: Bins,
    /// Users that heard it.
    heard: u64,
    /// Users that had arrived and not left.
    live: u64,
}

/// Gathers the audiences of both runs by cue.
pub(super) fn by_cue(a: &Side<'_>, b: &Side<'_>) -> BTreeMap<String, [Audience; 2]> {
    let mut cues: BTreeMap<String, [Audience; 2]> = BTreeMap::new();
    for (at, side) in [a, b].into_iter().enumerate() {
        for firing in fit_firings(side) {
            cues.entry(firing.name.clone()).or_default()[at].add(side, &firing);
        }
    }
    cues
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
    fn add(&mut self, side: &Side<'_>, firing: &CueFiring) {
        // The second of the firing is enough: a firing's hearings belong to it whenever they came.
        let second = firing.fired_at_s.floor() as i64;
        let span = Span { from_s: second, to_s: second + 1 };
        let metrics = MetricSet::window(side.timeline, std::slice::from_ref(firing), span);
        let mut moment = Moment::default();
        for (key, points) in metrics.iter() {
            match (key.metric.as_str(), points) {
                ("cue.delay", Points::Duration(bins)) => moment.delays.merge(bins),
                ("cue.reach", Points::Ratio { yes, total }) => {
                    moment.heard += yes;
                    moment.live += total;
                }
                _ => {}
            }
        }
        self.moments.push(moment);
        self.clock_bound_s = self.clock_bound_s.max(firing.clock_bound_s);
    }

    /// The share that heard it, and of as many resamples.
    pub(super) fn reach(&self, resamples: usize, seed: u64) -> Option<Estimates> {
        let column = |read: fn(&Moment) -> u64| self.moments.iter().map(|moment| read(moment) as f64).collect();
        let basis = Basis::Quotient { numerators: column(|of| of.heard), denominators: column(|of| of.live) };
        let value = basis.value()?;
        let live = self.live();
        let drawn = Binomial::new(live, value).ok()?.sample_iter(Xoshiro256PlusPlus::seed_from_u64(seed));
        let resampled = drawn.take(resamples).map(|heard| Some(heard as f64 / live as f64)).collect();
        let by_users = Estimates { value, resampled, pieces: live as f64 };
        if self.moments.len() < FEWEST_FIRINGS {
            return Some(by_users);
        }
        let firings = self.moments.len();
        let resampled = basis.resampled(&draw(firings, firings, resamples, seed));
        let by_firings = Estimates { value, resampled, pieces: firings as f64 };
        Some(if by_firings.variance() > by_users.variance() { by_firings } else { by_users })
    }

    /// A percentile of the delay, in seconds, and of as many resamples.
    pub(super) fn delay(&self, percent: f64, resamples: usize, seed: u64) -> Option<Estimates> {
        let delays: Vec<Bins> = self.heard_moments().map(|moment| moment.delays.clone()).collect();
        let distribution = Distribution::new(&delays);
        let firings = delays.len();
        let beyond = firings as f64 * (1.0 - percent / 100.0);
        let drawn = if beyond < FEWEST_BEYOND { firings.div_ceil(2) } else { firings };
        Some(Estimates {
            value: distribution.percentile(percent)?,
            resampled: distribution.resampled(percent, &draw(firings, drawn, resamples, seed)),
            pieces: firings as f64,
        })
    }

    fn live(&self) -> u64 {
        self.moments.iter().map(|moment| moment.live).sum()
    }

    /// The firings that anybody heard: the others have no delays.
    fn heard_moments(&self) -> impl Iterator<Item = &Moment> {
        self.moments.iter().filter(|moment| !moment.delays.is_empty())
    }
}

/// Draws `drawn` of the firings for each resample, each by itself.
fn draw(firings: usize, drawn: usize, resamples: usize, seed: u64) -> Resamples {
    Resamples::draw(Blocks::singly(firings, drawn), resamples, seed)
}

/// Says why nothing can be claimed of reach, where shares that differ by `tolerance` are the same.
pub(super) fn doubt_of_reach(audiences: &[Audience; 2], change: Option<f64>, tolerance: f64) -> Option<String> {
    let firings = audiences.each_ref().map(|audience| audience.moments.len());
    let is_small = change.is_some_and(|change| change.abs() > tolerance && change.abs() <= FIRM_LOSS);
    let few = || {
        few_firings(firings, &format!(", unless reach differs by more than {} percentage points", FIRM_LOSS * 100.0))
    };
    few_users(audiences).or_else(|| if is_small { few() } else { None })
}

/// Says why nothing can be claimed of delays of which one figure is `a` and `b`, in seconds.
pub(super) fn doubt_of_delay(audiences: &[Audience; 2], a: Option<f64>, b: Option<f64>) -> Option<String> {
    let firings = audiences.each_ref().map(|audience| audience.heard_moments().count());
    few_users(audiences).or_else(|| few_firings(firings, "")).or_else(|| {
        let bound: f64 = audiences.iter().map(|audience| audience.clock_bound_s).sum();
        let (a, b) = a.zip(b)?;
        (a != b && (b - a).abs() <= bound)
            .then(|| format!("clocks agree only to ±{}, which may be all of the change", amounts::seconds(bound)))
    })
}

fn few_users(audiences: &[Audience; 2]) -> Option<String> {
    let live = audiences.iter().map(Audience::live).min()?;
    (live < FEWEST_USERS).then(|| format!("only {live} users were there, and {FEWEST_USERS} are needed"))
}

fn few_firings([a, b]: [usize; 2], unless: &str) -> Option<String> {
    (a.min(b) < FEWEST_FIRINGS).then(|| {
        format!(
            "a firing is a single moment: {a} and {b} firings cannot show how much moments of one run differ; \
             {FEWEST_FIRINGS} of each are needed{unless}"
        )
    })
}
