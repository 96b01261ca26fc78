//! Following the instances of a target while a run goes on. The coordinator alone asks Consul and tells the agents: they may
//! not reach it, its token stays here, and a thousand of them would be a load on what the system under test relies on.
//!
//! A Consul that is lost stops nothing: the last instances are used on, and people are told since when they are not followed.

use std::sync::Arc;
use std::time::Duration;

use rehearsal_observe::Failure;
use rehearsal_plan::Instances;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::consul::Registry;

/// The shortest time between two answers: in a large Consul the index moves with other services, too.
const BREATH: Duration = Duration::from_millis(100);
/// After a failure Consul is asked again after this, then after twice as long, …
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// … but no longer than this.
const LONGEST_PAUSE: Duration = Duration::from_secs(4);
/// A single query that fails is made again at once, and nobody needs to know.
const TROUBLE: u32 = 2;

/// What is known of the instances.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Known {
    /// As Consul listed them last.
    pub(crate) instances: Arc<Instances>,
    /// When it did; none if it never has.
    pub(crate) as_of: Option<Instant>,
    /// How many queries have failed since.
    failures: u32,
    /// How the last of them did.
    failure: Option<Failure>,
}

/// What becomes of it, for people.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum News {
    /// The instances are others now; what has changed.
    Changed(Vec<String>),
    /// Nobody takes new connections.
    Empty,
    /// Somebody does again.
    Serving,
    /// Consul does not answer; since when the instances are not followed, and why.
    Lost(Option<Instant>, String),
    /// It answers again; since when they had not been followed.
    Found(Option<Instant>),
}

impl Known {
    /// Nothing, or what a first look has found.
    pub(crate) fn of(found: Option<Instances>, now: Instant) -> Known {
        let as_of = found.is_some().then_some(now);
        Known { instances: Arc::new(found.unwrap_or_default()), as_of, failures: 0, failure: None }
    }

    fn after(&self, answer: Result<Instances, Failure>, now: Instant) -> Known {
        match answer {
            Ok(found) if found == *self.instances => {
                Known { as_of: Some(now), failures: 0, failure: None, ..self.clone() }
            }
            Ok(found) => Known::of(Some(found), now),
            Err(failure) => Known { failures: self.failures.saturating_add(1), failure: Some(failure), ..self.clone() },
        }
    }

    /// How long to wait before Consul is asked again.
    fn pause(&self) -> Duration {
        match self.failures.checked_sub(1) {
            None => BREATH,
            Some(doublings) => FIRST_PAUSE.saturating_mul(1 << doublings.min(10)).min(LONGEST_PAUSE),
        }
    }

    fn is_lost(&self) -> bool {
        self.failures >= TROUBLE
    }

    fn is_empty(&self) -> bool {
        self.as_of.is_some() && self.instances.serving().next().is_none()
    }

    /// What is to be told of it to whoever knew it as it was before.
    pub(crate) fn news_since(&self, before: &Known) -> Vec<News> {
        let mut news = Vec::new();
        match (before.is_lost(), self.is_lost()) {
            (false, true) => news.extend(self.failure.as_ref().map(|why| News::Lost(self.as_of, why.to_string()))),
            (true, false) => news.push(News::Found(before.as_of)),
            _ => {}
        }
        let changes = self.instances.told_since(&before.instances);
        if !changes.is_empty() {
            news.push(News::Changed(changes));
        }
        match (before.is_empty(), self.is_empty()) {
            (false, true) => news.push(News::Empty),
            (true, false) => news.push(News::Serving),
            _ => {}
        }
        news
    }
}

/// A service that is being followed. Dropping it ends that; whoever reads the instances has the last of them then.
pub(crate) struct Following {
    service: String,
    known: watch::Receiver<Known>,
    instances: watch::Receiver<Arc<Instances>>,
    task: JoinHandle<()>,
}

impl Following {
    /// Goes on from what is known.
    pub(crate) fn start(registry: Registry, known: Known) -> Self {
        let service = registry.name().to_owned();
        let (instances, followed) = watch::channel(Arc::clone(&known.instances));
        let (knowledge, of_conductor) = watch::channel(known);
        let task = tokio::spawn(follow(registry, knowledge, instances));
        Self { service, known: of_conductor, instances: followed, task }
    }

    /// The service's name.
    pub(crate) fn service(&self) -> &str {
        &self.service
    }

    /// What is known, as it changes.
    pub(crate) fn known(&self) -> watch::Receiver<Known> {
        self.known.clone()
    }

    /// The instances alone, as they change.
    pub(crate) fn instances(&self) -> watch::Receiver<Arc<Instances>> {
        self.instances.clone()
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn follow(mut registry: Registry, known: watch::Sender<Known>, instances: watch::Sender<Arc<Instances>>) {
    loop {
        let next = known.borrow().clone();
        tokio::time::sleep(next.pause()).await;
        let answer = registry.ask().await;
        let next = next.after(answer, Instant::now());
        if *instances.borrow() != next.instances {
            instances.send_replace(Arc::clone(&next.instances));
        }
        known.send_replace(next);
    }
}

#[cfg(test)]
mod tests {
    use rehearsal_observe::ErrorKind;
    use rehearsal_plan::{Endpoint, Standing};

    use super::*;

    fn instances(ports: &[u16], standing: Standing) -> Instances {
        ports.iter().map(|port| (Endpoint { host: "10.1.0.1".into(), port: *port }, standing)).collect()
    }

    fn serving(ports: &[u16]) -> Result<Instances, Failure> {
        Ok(instances(ports, Standing::Serving))
    }

    fn failed() -> Result<Instances, Failure> {
        Err(Failure::Error(ErrorKind::Connection, "gone".into()))
    }

    /// Lets one answer a second come in, and collects what is told of them.
    fn told(answers: Vec<Result<Instances, Failure>>) -> Vec<(u64, News)> {
        let began = Instant::now();
        let mut known = Known::of(Some(instances(&[1], Standing::Serving)), began);
        let mut told = Vec::new();
        for (second, answer) in (1..).zip(answers) {
            let next = known.after(answer, began + Duration::from_secs(second));
            told.extend(next.news_since(&known).into_iter().map(|news| (second, news)));
            known = next;
        }
        told
    }

    fn changed(text: &str) -> News {
        News::Changed(vec![text.to_owned()])
    }

    #[test]
    fn only_what_changes_is_told() {
        let answers = vec![serving(&[1]), serving(&[1, 2]), serving(&[1, 2]), serving(&[2])];
        let expected = [(2, changed("10.1.0.1:2 takes connections")), (4, changed("10.1.0.1:1 is gone"))];
        assert_eq!(told(answers), expected);
    }

    #[test]
    fn a_lost_consul_is_told_with_the_last_answer_and_changes_nothing() {
        let answers = vec![serving(&[1]), failed(), failed(), failed(), serving(&[1]), failed(), serving(&[1])];
        let told = told(answers);
        assert!(matches!(&told[0], (3, News::Lost(Some(_), why)) if why == "connection: gone"), "{told:?}");
        assert!(matches!(&told[1], (5, News::Found(Some(_)))), "{told:?}");
        assert_eq!(told.len(), 2, "one failure between two answers is no trouble: {told:?}");
        let (News::Lost(lost, _), News::Found(found)) = (&told[0].1, &told[1].1) else { panic!("{told:?}") };
        assert_eq!(lost, found, "both say since when: the answer of the first second");
    }

    #[test]
    fn a_service_without_instances_that_serve_is_told_when_it_begins_and_ends() {
        let answers = vec![Ok(instances(&[1], Standing::Draining)), Ok(Instances::default()), serving(&[3])];
        let news: Vec<News> = told(answers).into_iter().map(|(_, news)| news).collect();
        assert_eq!(
            news,
            [
                changed("10.1.0.1:1 takes no new connections"),
                News::Empty,
                changed("10.1.0.1:1 is gone"),
                changed("10.1.0.1:3 takes connections"),
                News::Serving
            ]
        );
    }

    /// A coordinator that took a run up and cannot reach Consul knows nothing, which is not the same as nobody.
    #[test]
    fn what_was_never_known_is_not_empty() {
        let known = Known::of(None, Instant::now());
        assert!(!known.is_empty());
        let lost = known.after(failed(), Instant::now()).after(failed(), Instant::now());
        assert_eq!(lost.news_since(&known), [News::Lost(None, "connection: gone".to_owned())]);
        assert_eq!(lost.as_of, None);
    }

    #[test]
    fn failures_are_repeated_more_and_more_slowly() {
        let mut known = Known::of(None, Instant::now());
        let mut pauses = Vec::new();
        for _ in 0..6 {
            known = known.after(failed(), Instant::now());
            pauses.push(known.pause().as_millis());
        }
        assert_eq!(pauses, [500, 1_000, 2_000, 4_000, 4_000, 4_000]);
        assert_eq!(known.after(serving(&[1]), Instant::now()).pause(), BREATH);
    }
}
