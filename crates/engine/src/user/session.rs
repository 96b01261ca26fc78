//! What outlasts one life of a user: its cookies, connections and values, and when the plan wants it to leave.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use rehearsal_script::UserState;
use rehearsal_transport::http::Client;
use tokio::time::Instant;

use crate::world::World;

/// What a user of a population may keep from one iteration to the next: cookies, connections, values, random numbers.
#[derive(Clone)]
pub(crate) struct Session {
    pub(super) client: Rc<Client>,
    pub(super) state: Rc<UserState>,
}

impl Session {
    /// That of somebody who has never been here; `restored` if it was elsewhere.
    pub(crate) fn fresh(world: &World, number: u64, restored: bool) -> Self {
        Self::with_state(world, UserState::new(number, world.setup.seed, restored))
    }

    /// That of the same user in its next iteration: as new, but for its rows, in which it goes on.
    pub(crate) fn again(&self, world: &World) -> Self {
        Self::with_state(world, self.state.again(world.setup.seed))
    }

    /// That of a function which the coordinator runs.
    pub(crate) fn of_coordinator(world: &World) -> Self {
        Self::with_state(world, UserState::of_coordinator(world.setup.seed))
    }

    fn with_state(world: &World, state: UserState) -> Self {
        let (network, options) = (Rc::clone(&world.network), Rc::clone(&world.client_options));
        let client = Rc::new(Client::new(network, options, world.user_headers(state.number)));
        Self { client, state: Rc::new(state) }
    }

    /// Ends its connections.
    pub(crate) fn close(&self) {
        self.client.close();
    }
}

/// When the plan wants a user to leave. Versions of the plan may move it while the user is there.
#[derive(Default)]
pub(crate) struct Leave {
    /// None while nobody knows: the user's own flow decides, or the plan is paused.
    pub(crate) at: Cell<Option<Instant>>,
    /// How much longer an iteration may take that is under way then.
    pub(crate) patience: Cell<Duration>,
}

impl Leave {
    pub(super) fn latest(&self) -> Option<Instant> {
        self.at.get().map(|at| at + self.patience.get())
    }
}
