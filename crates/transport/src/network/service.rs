//! A service whose instances come and go: users know it by one name, and each of their connections goes to one instance.
//!
//! Instances are dealt like cards: each gets one connection of a round, and every round has an order of its own. So a thread
//! loads them as evenly as a balancer would, and a user that opens its connections in pairs does not always meet the same
//! instance with the first of them, as it would if they took turns. The order comes from a generator of the thread: one of
//! the user would give its script other numbers whenever a connection breaks.

use std::cell::RefCell;
use std::sync::Arc;

use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_xoshiro::Xoshiro256PlusPlus;
use rehearsal_plan::{Endpoint, Instances};
use tokio::sync::watch;

use super::Origin;
use crate::failure::{Failure, FailureKind};

/// How a thread follows a service.
#[derive(Debug)]
pub struct ServiceOptions {
    /// The host by which users know it, as URLs have it.
    pub host: String,
    /// The port of its URLs.
    pub port: u16,
    /// Its instances as they stand. When nobody sends any more, the last of them are used on.
    pub instances: watch::Receiver<Arc<Instances>>,
    /// Seeds the order in which instances are dealt; should be another on each thread.
    pub seed: u64,
}

/// The service as one thread sees it.
pub(super) struct Service {
    host: String,
    port: u16,
    state: RefCell<State>,
}

struct State {
    news: watch::Receiver<Arc<Instances>>,
    instances: Arc<Instances>,
    deck: Deck,
}

impl Service {
    pub fn new(options: ServiceOptions) -> Self {
        let ServiceOptions { host, port, instances: mut news, seed } = options;
        let instances = Arc::clone(&news.borrow_and_update());
        let deck = Deck::new(&instances, seed);
        Self { host, port, state: RefCell::new(State { news, instances, deck }) }
    }

    /// Whether connections to this origin go to the instances.
    pub fn is_at(&self, origin: &Origin) -> bool {
        origin.port == self.port && *origin.host == *self.host
    }

    /// Whether an instance is no longer there; one that drains is.
    pub fn is_gone(&self, instance: &Endpoint) -> bool {
        let mut state = self.state.borrow_mut();
        state.refresh();
        !state.instances.lists(instance)
    }

    /// Gives the instance for a new connection, and behind it others in case it does not answer; never empty.
    pub fn deal(&self, most: usize) -> Result<Vec<Arc<Endpoint>>, Failure> {
        let mut state = self.state.borrow_mut();
        state.refresh();
        let dealt = state.deck.deal(most);
        match dealt.is_empty() {
            false => Ok(dealt),
            true => {
                let why = format!("connecting to {}: no instance of the service takes connections", self.host);
                Err(Failure::new(FailureKind::NoInstance, why))
            }
        }
    }
}

impl State {
    /// Costs one look at a counter while nothing changes.
    fn refresh(&mut self) {
        if matches!(self.news.has_changed(), Ok(false)) {
            return;
        }
        let instances = Arc::clone(&self.news.borrow_and_update());
        if instances != self.instances {
            self.deck.replace(&instances);
            self.instances = instances;
        }
    }
}

/// The instances that take connections, in the order of the present round.
struct Deck {
    cards: Vec<Arc<Endpoint>>,
    next: usize,
    random: Xoshiro256PlusPlus,
}

impl Deck {
    fn new(instances: &Instances, seed: u64) -> Self {
        let mut deck = Self { cards: Vec::new(), next: 0, random: Xoshiro256PlusPlus::seed_from_u64(seed) };
        deck.replace(instances);
        deck
    }

    /// Begins a new round with others. A round that is under way is not finished: who is new waits for no one.
    fn replace(&mut self, instances: &Instances) {
        self.cards = instances.serving().cloned().map(Arc::new).collect();
        self.next = self.cards.len();
    }

    fn deal(&mut self, most: usize) -> Vec<Arc<Endpoint>> {
        if self.next >= self.cards.len() {
            self.cards.shuffle(&mut self.random);
            self.next = 0;
        }
        let from = self.next;
        self.next += 1;
        self.cards.iter().cycle().skip(from).take(most.min(self.cards.len())).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rehearsal_plan::Standing;
    use url::Url;

    use super::*;

    fn endpoint(port: u16) -> Endpoint {
        Endpoint { host: "127.0.0.1".into(), port }
    }

    fn instances(serving: &[u16], draining: &[u16]) -> Arc<Instances> {
        let of =
            |ports: &[u16], standing| ports.iter().map(move |port| (endpoint(*port), standing)).collect::<Vec<_>>();
        Arc::new([of(serving, Standing::Serving), of(draining, Standing::Draining)].into_iter().flatten().collect())
    }

    fn service(now: Arc<Instances>) -> (watch::Sender<Arc<Instances>>, Service) {
        let (sender, instances) = watch::channel(now);
        (sender, Service::new(ServiceOptions { host: "web".into(), port: 80, instances, seed: 7 }))
    }

    fn first(service: &Service) -> u16 {
        service.deal(4).unwrap()[0].port
    }

    #[test]
    fn every_instance_gets_one_connection_of_each_round() {
        let (_sender, service) = service(instances(&[1, 2, 3, 4, 5], &[9]));
        let mut orders = Vec::new();
        for _ in 0..40 {
            let round: Vec<u16> = (0..5).map(|_| first(&service)).collect();
            let mut sorted = round.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, [1, 2, 3, 4, 5]);
            orders.push(round);
        }
        orders.sort();
        orders.dedup();
        assert!(orders.len() > 10, "rounds differ: {}", orders.len());
    }

    /// With turns instead, the first connections of users that open two would all go to one of two instances.
    #[test]
    fn users_that_open_two_connections_do_not_divide_the_instances_by_purpose() {
        let (_sender, service) = service(instances(&[1, 2], &[]));
        let mut firsts: BTreeMap<u16, u32> = BTreeMap::new();
        for _ in 0..400 {
            *firsts.entry(first(&service)).or_default() += 1;
            first(&service);
        }
        assert!(firsts.values().all(|count| (140..=260).contains(count)), "{firsts:?}");
    }

    #[test]
    fn others_stand_behind_the_one_that_is_tried_first() {
        let (_sender, service) = service(instances(&[1, 2, 3], &[]));
        let mut dealt: Vec<u16> = service.deal(4).unwrap().iter().map(|endpoint| endpoint.port).collect();
        dealt.sort_unstable();
        assert_eq!(dealt, [1, 2, 3], "each once, however many are wanted");
        assert_eq!(service.deal(2).unwrap().len(), 2);
    }

    #[test]
    fn new_connections_follow_the_set_and_the_gone_are_known() {
        let (sender, service) = service(instances(&[1, 2], &[]));
        sender.send_replace(instances(&[2, 3], &[4]));
        let dealt: Vec<u16> = (0..20).map(|_| first(&service)).collect();
        assert!(
            dealt.contains(&2) && dealt.contains(&3) && dealt.iter().all(|port| [2, 3].contains(port)),
            "{dealt:?}"
        );
        assert!(service.is_gone(&endpoint(1)));
        assert!(!service.is_gone(&endpoint(4)), "it drains, and what is open goes on");
        sender.send_replace(instances(&[], &[2]));
        assert_eq!(service.deal(4).unwrap_err().kind, FailureKind::NoInstance);
        sender.send_replace(instances(&[5], &[]));
        drop(sender);
        assert_eq!(first(&service), 5, "what was known last is used on");
        assert_eq!(first(&service), 5);
    }

    #[test]
    fn only_the_own_host_and_port_lead_to_instances() {
        let (_sender, service) = service(instances(&[1], &[]));
        let is_at = |url: &str| service.is_at(&Origin::of(&Url::parse(url).unwrap()).unwrap());
        assert!(is_at("http://WEB/a") && is_at("ws://web/socket") && is_at("http://web:80/"));
        assert!(!is_at("https://web/") && !is_at("http://web:81/") && !is_at("http://web.example.com/"));
    }
}
