//! Finding and ending everything of ours in every region, by tags alone: no file, no memory, no id of anything.
//!
//! One look that finds nothing proves nothing. A request that was on its way when its coordinator died may still be
//! carried out, and what was launched a moment ago is in no list yet. So a region counts as empty only when it was
//! found so twice, [`SETTLED`] apart, and nothing was found in between.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep, timeout};

use crate::cloud::{Access, Cloud, CloudError, Leftover, MOST_ENDED_AT_ONCE, Thing};
use crate::failure::Class;
use crate::names::{InstanceId, Region};
use crate::patience::patiently;
use crate::progress::{Event, Tell, What};
use crate::survey::explained;
use crate::tags::Scope;

/// How long a region must have been found empty: longer than a request is on its way (we wait 40 s for an answer), and
/// than lists lag behind it (seconds, as a rule).
pub const SETTLED: Duration = Duration::from_secs(90);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// The same after calls that failed again and again: seldom enough for who counts calls, often enough for a hundred looks.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Before a batch is tried again.
const PAUSE: Duration = Duration::from_secs(2);
/// How long a call may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// How long a region may take, before it is told that something may be left.
const GIVE_UP_AFTER: Duration = Duration::from_secs(15 * 60);

/// What a sweep did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// How many instances were ended, in each region where there were any.
    pub ended: BTreeMap<Region, usize>,
    /// Where something may be left, and why.
    pub left: BTreeMap<Region, String>,
}

impl Swept {
    /// Whether nothing is left anywhere.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.left.is_empty()
    }
}

/// Ends everything that is meant, in all enabled regions at once. Takes at least [`SETTLED`].
///
/// # Errors
/// If it cannot be known which regions there are. What goes wrong in one region is in [`Swept::left`].
pub async fn sweep(cloud: &dyn Cloud, scope: &Scope, tell: Tell<'_>) -> Result<Swept, CloudError> {
    let regions = patiently(Instant::now() + GIVE_UP_AFTER, || cloud.regions(), |_, _| ()).await?;
    let enabled = regions.into_iter().filter(|(_, access)| *access == Access::Enabled).map(|(region, _)| region);
    let brooms = enabled.map(|at| Broom::new(cloud, at, scope, tell).sweep());
    let mut swept = Swept::default();
    for (at, ended, result) in join_all(brooms).await {
        let what = match result {
            Ok(()) => What::Ended,
            Err(why) => {
                swept.left.insert(at.clone(), why.clone());
                What::Left(why)
            }
        };
        if ended > 0 {
            swept.ended.insert(at.clone(), ended);
        }
        tell(Event { region: at, what });
    }
    Ok(swept)
}

/// Sweeps one region.
struct Broom<'a> {
    cloud: &'a dyn Cloud,
    at: Region,
    scope: &'a Scope,
    tell: Tell<'a>,
    /// A list may show for a while what has ended: it is counted once.
    ended: BTreeSet<InstanceId>,
    /// What was deleted, whose tags may be listed for a while, or may not be deleted by us.
    gone: BTreeSet<Thing>,
    /// What may not be deleted by us, and why. It costs nothing.
    kept: Vec<String>,
    /// Since when no look has found anything.
    empty_since: Option<Instant>,
    /// What the last look found.
    found: String,
}

impl<'a> Broom<'a> {
    fn new(cloud: &'a dyn Cloud, at: Region, scope: &'a Scope, tell: Tell<'a>) -> Broom<'a> {
        let (ended, gone) = (BTreeSet::new(), BTreeSet::new());
        Broom { cloud, at, scope, tell, ended, gone, kept: Vec::new(), empty_since: None, found: String::new() }
    }
}

impl Broom<'_> {
    async fn sweep(mut self) -> (Region, usize, Result<(), String>) {
        let give_up_at = Instant::now() + GIVE_UP_AFTER;
        let mut pause = LOOK_EVERY;
        let result = loop {
            let looked = self.look().await;
            let why = match looked {
                // What is on its way shows until SETTLED is over: an empty look after that is proof. A look that failed
                // in between saw nothing, and takes nothing back.
                Ok(()) if self.empty_since.is_some_and(|since| since.elapsed() >= SETTLED) => {
                    match self.kept.is_empty() {
                        true => break Ok(()),
                        false => break Err(format!("nothing that costs anything: {}", self.kept.join("; "))),
                    }
                }
                Ok(()) => {
                    pause = LOOK_EVERY;
                    format!("still there after {} min: {}", GIVE_UP_AFTER.as_secs() / 60, self.found)
                }
                Err(error) => {
                    let why = explained(&error, &self.at);
                    // Who is asked too often is asked less often.
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    let what = What::Waiting { because: error.code.clone(), pause };
                    (self.tell)(Event { region: self.at.clone(), what });
                    // Asking again would not change the answer.
                    if matches!(error.class(), Class::NotEnabled | Class::NotPermitted) {
                        break Err(why);
                    }
                    why
                }
            };
            if Instant::now() >= give_up_at {
                break Err(why);
            }
            sleep(pause).await;
        };
        (self.at, self.ended.len(), result)
    }

    /// Ends what there is, and notes whether there was anything.
    async fn look(&mut self) -> Result<(), CloudError> {
        let filter = self.scope.filter();
        let listed = answered(self.cloud.instances(&self.at, &filter)).await?;
        let meant = listed.into_iter().filter(|instance| self.scope.means(&instance.tags));
        let alive: Vec<InstanceId> = meant.filter(|one| one.state.is_alive()).map(|one| one.id).collect();
        if !alive.is_empty() {
            self.empty_since = None;
            self.ended.extend(alive.iter().cloned());
            let until = Instant::now() + ANSWER_WITHIN;
            end(self.cloud, &self.at, &alive, until, self.tell).await?;
        }
        let left = self.tidy(alive.is_empty()).await?;
        if alive.is_empty() && left.is_empty() {
            self.empty_since.get_or_insert_with(Instant::now);
        } else {
            self.empty_since = None;
            self.found = format!("{} instances; {}", alive.len(), left.join(", "));
        }
        Ok(())
    }

    /// Deletes what is left beside instances, and tells what there was. Requests go at once, with all that they launched;
    /// what fleets share goes only when all fleets are meant, and after the instances that use it.
    async fn tidy(&mut self, is_empty: bool) -> Result<Vec<String>, CloudError> {
        let listed = match answered(self.cloud.leftovers(&self.at)).await {
            // Who may end instances but not list the rest leaves nothing that costs anything.
            Err(error) if error.class() == Class::NotPermitted => return Ok(Vec::new()),
            listed => listed?,
        };
        let is_due = |leftover: &Leftover| match leftover.what {
            Thing::Request(_) => true,
            Thing::Template(_) | Thing::Group(_) => is_empty && *self.scope == Scope::All,
        };
        let is_due = |one: &Leftover| is_due(one) && self.scope.means(&one.tags) && !self.gone.contains(&one.what);
        let mut due: Vec<Leftover> = listed.into_iter().filter(is_due).collect();
        due.sort_by(|a, b| a.what.cmp(&b.what));
        let mut told = Vec::new();
        for leftover in due {
            match answered(self.cloud.delete(&self.at, &leftover)).await {
                Ok(()) => {
                    told.push(leftover.what.to_string());
                    self.gone.insert(leftover.what);
                }
                // Asking again would not change the answer.
                Err(error) if error.class() == Class::NotPermitted => {
                    self.kept.push(format!("{}: {}", leftover.what, explained(&error, &self.at)));
                    self.gone.insert(leftover.what);
                }
                // What cannot go yet is found again with the next look; it costs nothing meanwhile.
                Err(error) => {
                    let text = format!("{}: {error}", leftover.what);
                    (self.tell)(Event { region: self.at.clone(), what: What::Left(text.clone()) });
                    told.push(text);
                }
            }
        }
        Ok(told)
    }
}

async fn answered<T>(call: crate::cloud::Answer<'_, T>) -> Result<T, CloudError> {
    timeout(ANSWER_WITHIN, call).await.unwrap_or_else(|_| Err(CloudError::unanswered()))
}

/// Ends instances of one region, however many.
///
/// One id that is not known yet fails a whole batch, and which one it was is only in words. So such a batch is halved
/// until the unknown ones are alone: `k` of them cost some `k·log₂(500)` calls, and delay nobody else.
///
/// # Errors
/// The last one, if some could not be ended; the others were.
pub async fn end(
    cloud: &dyn Cloud,
    at: &Region,
    instances: &[InstanceId],
    until: Instant,
    tell: Tell<'_>,
) -> Result<(), CloudError> {
    let agents = u32::try_from(instances.len()).unwrap_or(u32::MAX);
    tell(Event { region: at.clone(), what: What::Ending { agents } });
    let mut batches: VecDeque<&[InstanceId]> = instances.chunks(MOST_ENDED_AT_ONCE).collect();
    let mut failed = None;
    while let Some(batch) = batches.pop_front() {
        match answered(cloud.terminate(at, batch)).await {
            Ok(()) => {}
            Err(error) if error.class() == Class::NotYetVisible && batch.len() > 1 => {
                let (first, second) = batch.split_at(batch.len() / 2);
                batches.extend([first, second]);
            }
            // Behind all others, so that what passes for one delays nobody else.
            Err(error) if error.is_passing() && Instant::now() + PAUSE < until => {
                batches.push_back(batch);
                sleep(PAUSE).await;
            }
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(()), Err)
}
