//! Instances and connections by example, and what always holds of them.

use proptest::prelude::*;

use super::*;
use crate::session::Token;

const MS: Duration = Duration::from_millis(1);

/// Two ready instances of two users each that boot for 30 ms and drain for 100 ms.
fn pool() -> Pool {
    let scaling = Scaling { capacity_per_instance: 2, boot: 30 * MS, drain: 100 * MS, ..Scaling::default() };
    Pool::new(scaling)
}

fn session(number: u32) -> Option<Token> {
    Some(format!("{number:032x}").try_into().unwrap())
}

/// Serves connections 1 … n, each of a user of its own.
fn serve_each(pool: &mut Pool, ids: impl IntoIterator<Item = ConnectionId>) -> Vec<Service> {
    ids.into_iter().map(|id| pool.serve(id, session(id as u32)).0).collect()
}

/// Writes the instances as `1 ready 3`, with their connections.
#[track_caller]
fn check(pool: &Pool, expected: &[&str]) {
    let written = pool.instances().map(|(id, instance)| {
        let state = match instance.state {
            State::Booting { .. } => "booting",
            State::Ready => "ready",
            State::Draining { .. } => "draining",
        };
        format!("{id} {state} {}", instance.load.connections())
    });
    assert_eq!(written.collect::<Vec<_>>(), expected);
}

#[test]
fn connections_go_where_the_fewest_are_and_stay() {
    let mut pool = pool();
    serve_each(&mut pool, 1..=3);
    check(&pool, &["1 ready 2", "2 ready 1"]);
    serve_each(&mut pool, [1, 1, 2, 3, 3]);
    check(&pool, &["1 ready 2", "2 ready 1"]);
    pool.close(1);
    pool.close(3);
    pool.close(99);
    check(&pool, &["1 ready 0", "2 ready 1"]);
}

#[test]
fn an_overloaded_instance_slows_down_and_then_refuses_newcomers() {
    let mut pool = pool();
    pool.scale(1, Ending::Drained, Duration::ZERO);
    pool.advance(100 * MS);
    let after = |millis| Service::After(Duration::from_millis(millis));
    // 2 users of 2: no wait; 3 of 2 is the limit, where the wait is longest.
    assert_eq!(serve_each(&mut pool, 1..=4), [after(0), after(0), after(2000), Service::Refused]);
    // Who is in waits, but is served.
    assert_eq!(serve_each(&mut pool, [1, 4]), [after(2000), Service::Refused]);
    assert_eq!((pool.users(), pool.seen().cpu), (3, Some(150.0)));
    pool.close(2);
    assert_eq!(serve_each(&mut pool, [1, 4]), [after(0), after(2000)]);
}

#[test]
fn a_user_weighs_one_with_all_its_connections() {
    let mut pool = pool();
    for id in 1..=4 {
        pool.serve(id, session(7));
    }
    assert_eq!((pool.users(), pool.seen().cpu), (1, Some(25.0)));
    // Nobody knows whose this is, until somebody signs in on it.
    pool.serve(5, None);
    assert_eq!((pool.users(), pool.seen().cpu), (2, Some(50.0)));
    pool.serve(5, session(7));
    assert_eq!((pool.users(), pool.seen().cpu), (1, Some(25.0)));
    (1..=5).for_each(|id| pool.close(id));
    assert_eq!((pool.users(), pool.seen().cpu), (0, Some(0.0)));
}

#[test]
fn an_instance_boots_before_it_gets_connections() {
    let mut pool = pool();
    assert_eq!(pool.scale(3, Ending::Drained, 10 * MS), []);
    serve_each(&mut pool, 1..=2);
    check(&pool, &["1 ready 1", "2 ready 1", "3 booting 0"]);
    assert_eq!(pool.next_due(), Some(40 * MS));
    pool.advance(39 * MS);
    assert_eq!((pool.seen().ready, pool.seen().unsettled), (2, 1));
    pool.advance(40 * MS);
    serve_each(&mut pool, 3..=3);
    check(&pool, &["1 ready 1", "2 ready 1", "3 ready 1"]);
    // What is not needed any more before it is ready has nothing to drain.
    pool.scale(5, Ending::Drained, 50 * MS);
    assert_eq!(pool.scale(3, Ending::Drained, 60 * MS), []);
    check(&pool, &["1 ready 1", "2 ready 1", "3 ready 1"]);
}

#[test]
fn the_emptiest_instance_goes_and_asks_one_connection_after_the_other() {
    let mut pool = pool();
    serve_each(&mut pool, 1..=5);
    pool.close(1);
    pool.close(3);
    check(&pool, &["1 ready 1", "2 ready 2"]);
    pool.scale(3, Ending::Drained, Duration::ZERO);
    pool.advance(30 * MS);
    serve_each(&mut pool, [6, 7]);
    check(&pool, &["1 ready 2", "2 ready 2", "3 ready 1"]);
    // The oldest of the fullest stays. 60 of 100 ms are for asking.
    let leave = |id, at: u32| (id, Order::Leave { at: at * MS });
    assert_eq!(pool.scale(2, Ending::Drained, 150 * MS), [leave(6, 150)]);
    assert_eq!(pool.scale(1, Ending::Drained, 200 * MS), [leave(2, 200), leave(4, 230)]);
    check(&pool, &["1 ready 2", "2 draining 2", "3 draining 1"]);
}

#[test]
fn a_request_to_a_draining_instance_goes_to_another_one() {
    let mut pool = pool();
    serve_each(&mut pool, 1..=4);
    pool.became_socket(4);
    let orders = pool.scale(1, Ending::Drained, Duration::ZERO);
    assert_eq!(orders.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [2, 4]);
    // The one left is full but for one: the first to ask gets its place.
    assert_eq!(pool.serve(2, session(2)).1, Some(Order::Stay));
    check(&pool, &["1 ready 3", "2 draining 1"]);
    assert_eq!(pool.advance(100 * MS), [(4, Order::Cut)]);
    check(&pool, &["1 ready 3"]);
    assert_eq!(pool.users(), 3);
}

#[test]
fn who_says_nothing_while_its_instance_drains_finds_itself_at_another() {
    let mut pool = pool();
    serve_each(&mut pool, 1..=2);
    pool.scale(1, Ending::Drained, Duration::ZERO);
    assert_eq!(pool.advance(100 * MS), [(2, Order::Stay)]);
    check(&pool, &["1 ready 2"]);
}

#[test]
fn a_harsh_end_cuts_all_at_once() {
    let mut pool = pool();
    serve_each(&mut pool, 1..=4);
    assert_eq!(pool.scale(1, Ending::Cut, Duration::ZERO), [(2, Order::Cut), (4, Order::Cut)]);
    check(&pool, &["1 ready 2", "2 draining 2"]);
}

proptest! {
    /// Whatever happens: the loads of all instances add up to the users, to each its own. There are as many connections as
    /// of one user are told apart.
    #[test]
    fn loads_add_up_to_users(events in prop::collection::vec((0..6u8, 0..8u64, 0..5u32), 1..80)) {
        let mut pool = pool();
        for (now, (event, id, number)) in (1..).zip(events) {
            let now = now * 10 * MS;
            pool.advance(now);
            match event {
                0..3 => drop(pool.serve(id, Some(number).filter(|number| *number > 0).and_then(session))),
                3 => pool.close(id),
                4 => drop(pool.scale(number + 1, Ending::Drained, now)),
                _ => drop(pool.scale(number + 1, Ending::Cut, now)),
            }
            let loads: f64 = pool.instances().map(|(_, instance)| instance.load.users()).sum();
            prop_assert!((loads - pool.users() as f64).abs() < 1e-9, "{} of {}", loads, pool.users());
            let placed = pool.connections.values().filter(|connection| connection.instance.is_some()).count();
            let counted: u32 = pool.instances().map(|(_, instance)| instance.load.connections()).sum();
            prop_assert_eq!(placed, counted as usize);
        }
    }
}
