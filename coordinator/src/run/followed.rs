//! What the conductor does about the instances of a target: tells the agents, and tells people.

use std::sync::Arc;

use rehearsal_link::coordinator::Event;
use rehearsal_metrics::Interval;
use rehearsal_report::view::EventKind;
use rehearsal_verdict::amounts::counted;
use tokio::sync::watch;
use tokio::time::Instant;

use super::conductor::Conductor;
use super::following::{Following, Known, News};

/// Changes of one moment that are listed one by one.
const MOST_LISTED: usize = 8;

/// A service that is followed, as the conductor hears of it.
pub(crate) struct Followed {
    service: String,
    known: watch::Receiver<Known>,
}

impl Followed {
    /// Hears of what is being followed.
    pub(crate) fn of(following: &Following) -> Self {
        Self { service: following.service().to_owned(), known: following.known() }
    }
}

/// What is known next of the instances; never anything if none are followed.
pub(super) async fn next_known(followed: &mut Option<Followed>) -> Option<Known> {
    match followed {
        Some(followed) => {
            followed.known.changed().await.ok()?;
            Some(followed.known.borrow_and_update().clone())
        }
        None => std::future::pending().await,
    }
}

impl Conductor {
    /// Takes up what is known at the beginning.
    pub(super) fn begin_following(&mut self, followed: Option<&mut Followed>) {
        let Some(followed) = followed else { return };
        self.service.clone_from(&followed.service);
        let known = followed.known.borrow_and_update().clone();
        let event = self.on_known(known);
        self.handle(event);
    }

    /// The instances are others now, or Consul is gone or back. What is unknown to a coordinator that took the run up is kept
    /// from agents, who know the instances of before.
    pub(super) fn on_known(&mut self, known: Known) -> Option<Event<Interval>> {
        let before = self.known.take().unwrap_or_else(|| Known::of(None, Instant::now()));
        for news in known.news_since(&before) {
            self.tell_news(&known, news);
        }
        let is_new = known.as_of.is_some() && (before.as_of.is_none() || known.instances != before.instances);
        let instances = Arc::clone(&known.instances);
        self.known = Some(known);
        is_new.then_some(Event::Instances(instances))
    }

    fn tell_news(&mut self, known: &Known, news: News) {
        let who = format!("consul://{}", self.service);
        let at = |at: Instant| format!("{:.1} s", self.since_start(self.clock.at(at)).max(0.0));
        let text = match news {
            News::Changed(mut changes) => {
                let serving = known.instances.serving().count() as u64;
                let more = changes.len().saturating_sub(MOST_LISTED);
                changes.truncate(MOST_LISTED);
                changes.extend((more > 0).then(|| format!("{more} more changes")));
                let text = format!("{} may be connected to: {}", counted(serving, "instance"), changes.join("; "));
                return self.tell(EventKind::Run, &who, text);
            }
            News::Empty => "no instance takes connections: calls that need a new one fail as no_instance".to_owned(),
            News::Serving => "instances take connections again".to_owned(),
            News::Lost(Some(since), why) => {
                format!("Consul does not answer ({why}): load stays on the instances that it listed at {}", at(since))
            }
            News::Lost(None, why) => {
                format!("Consul does not answer ({why}): load stays on the instances that agents know")
            }
            News::Found(Some(since)) => {
                format!(
                    "Consul answers again: what became of the instances from {} on was not seen until now",
                    at(since)
                )
            }
            News::Found(None) => "Consul answers: the instances are followed again".to_owned(),
        };
        self.note(EventKind::Run, who, text);
    }
}
