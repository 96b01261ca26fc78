//! Where idle tunnels wait for visitors, or visitors for tunnels.
//!
//! The youngest tunnel goes first. When the coordinator's network changed, the tunnels of before are dead and nobody
//! knows it yet; those that it dialed since are younger. Visitors are served in the order in which they came.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, oneshot};

/// What a tunnel in the lobby listens to: who claims it sends the way to himself.
type Claim<T> = oneshot::Sender<oneshot::Sender<T>>;

/// For tunnels, which are `T`: what they are does not matter here.
#[derive(Debug)]
pub(super) struct Lobby<T> {
    idle: Mutex<Vec<Claim<T>>>,
    /// About as many permits as there are idle tunnels: never fewer, so that nobody waits beside one.
    ready: Semaphore,
}

impl<T> Default for Lobby<T> {
    fn default() -> Self {
        Lobby { idle: Mutex::default(), ready: Semaphore::new(0) }
    }
}

impl<T> Lobby<T> {
    /// Puts a tunnel in. What it gets tells of its claim; dropping that takes the tunnel out.
    pub(super) fn offer(&self) -> oneshot::Receiver<oneshot::Sender<T>> {
        let (claim, claimed) = oneshot::channel();
        let mut idle = self.idle();
        let before = idle.len();
        idle.retain(|claim| !claim.is_closed());
        // Without this, tunnels that come and go with no visitor in between would pile up.
        self.ready.forget_permits(before - idle.len());
        idle.push(claim);
        self.ready.add_permits(1);
        claimed
    }

    /// Waits for a tunnel.
    pub(super) async fn claim(&self) -> T {
        loop {
            self.ready.acquire().await.expect("it is never closed").forget();
            let Some(claim) = self.idle().pop() else { continue };
            let (to_us, tunnel) = oneshot::channel();
            // One that died meanwhile does not answer.
            if claim.send(to_us).is_ok()
                && let Ok(tunnel) = tunnel.await
            {
                return tunnel;
            }
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Claim<T>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tunnel with this number that waits until it is claimed.
    fn idle(lobby: &Lobby<u32>, number: u32) {
        let claimed = lobby.offer();
        tokio::spawn(async move { claimed.await.unwrap().send(number).unwrap() });
    }

    #[tokio::test]
    async fn the_youngest_goes_first_and_the_dead_are_passed_over() {
        let lobby = Lobby::default();
        idle(&lobby, 1);
        idle(&lobby, 2);
        drop(lobby.offer());
        let died_when_claimed = lobby.offer();
        tokio::spawn(async { drop(died_when_claimed.await) });
        assert_eq!([lobby.claim().await, lobby.claim().await], [2, 1]);
    }

    #[tokio::test]
    async fn visitors_who_wait_are_served_in_their_order() {
        let lobby = Lobby::default();
        let serve = async {
            tokio::task::yield_now().await;
            (1..=2).for_each(|number| idle(&lobby, number));
        };
        let served = std::sync::Mutex::new(Vec::new());
        let visit = async |name: &'static str| {
            lobby.claim().await;
            served.lock().unwrap().push(name);
        };
        tokio::join!(visit("first"), visit("second"), serve);
        assert_eq!(*served.lock().unwrap(), ["first", "second"]);
    }

    #[tokio::test]
    async fn those_who_left_do_not_pile_up() {
        let lobby: Lobby<u32> = Lobby::default();
        (0..10_000).for_each(|_| drop(lobby.offer()));
        assert_eq!((lobby.idle().len(), lobby.ready.available_permits()), (1, 1));
        idle(&lobby, 7);
        assert_eq!(lobby.claim().await, 7);
    }
}
