//! Who should hear a cue, and who did, as this thread sees it.
//!
//! A cue is announced before its instant T. At T the thread counts its live users and those that are connected with
//! somebody listening; from then on it notes for each of them the first message that belongs to the cue, as time after T.
//! The coordinator knows when the cue was really sent and shifts these times when it merges (design.md §6).

use std::rc::Rc;

use rehearsal_plan::RunTime;
use rehearsal_script::Transport;
use rehearsal_transport::socket::Message;
use serde::{Deserialize, Serialize};

use crate::user::User;
use crate::world::World;

/// What agents are told before a cue fires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CueAnnouncement {
    /// Numbers all firings of the run, from 1; what samples are kept under.
    pub firing: u32,
    /// The intended instant.
    pub at: RunTime,
    /// What messages carry to be recognised, where a pointer says so.
    pub id: String,
    /// The event that belongs to the cue; a cue without one is heard by nobody.
    pub event: Option<String>,
    /// JSON pointer into a message's data where the id stands; without it the latest firing of the event is meant.
    pub pointer: Option<String>,
}

/// The cues that were announced to this thread, oldest first.
#[derive(Default)]
pub(crate) struct Cues {
    announced: Vec<(CueAnnouncement, bool)>,
}

/// Firings that are remembered: each user keeps one bit a firing.
const REMEMBERED: usize = 64;

fn bit(firing: u32) -> u64 {
    1 << (firing as usize % REMEMBERED)
}

/// Notes an announcement.
pub(crate) fn announce(world: &World, cue: CueAnnouncement) {
    let mut cues = world.cues.borrow_mut();
    if cues.announced.len() >= REMEMBERED {
        cues.announced.remove(0);
    }
    cues.announced.push((cue, false));
}

/// Counts who is there, at the instant of a cue. Comes earlier when a message overtakes our own timer; counts only once.
pub(crate) fn snapshot(world: &World, firing: u32) {
    let event = {
        let mut cues = world.cues.borrow_mut();
        let cue = cues.announced.iter_mut().find(|(cue, taken)| cue.firing == firing && !taken);
        let Some((cue, taken)) = cue else { return };
        *taken = true;
        cue.event.clone()
    };
    world.now();
    let mut scribe = world.scribe.borrow_mut();
    let recorder = scribe.cues();
    for transport in ["none", Transport::Polling.as_str(), Transport::WebSocket.as_str()] {
        recorder.cue_snapshot(firing, transport, 0, 0); // no snapshot would mean: unknown
    }
    for user in world.users.borrow().values().filter(|user| !user.is_leaving()) {
        user.present.set(user.present.get() | bit(firing));
        user.heard.set(user.heard.get() & !bit(firing));
        user.ready.set(user.ready.get() & !bit(firing));
        let (open, hearing) = event.as_deref().map_or((None, None), |event| user.sockets.hearing(event));
        let transport = hearing.or(open).map_or("none", Transport::as_str);
        recorder.cue_snapshot(firing, transport, 1, u64::from(hearing.is_some()));
        if hearing.is_some() {
            user.ready.set(user.ready.get() | bit(firing));
        }
    }
}

/// Notes that a message arrived at a user, if it belongs to a cue.
pub(crate) fn hear(user: &Rc<User>, transport: Transport, message: &Message) {
    let world = &user.world;
    let arrived: RunTime = world.clock.at(message.at);
    let Some((firing, at)) = world.cues.borrow().matching(message, arrived) else { return };
    snapshot(world, firing);
    let was_present = user.present.get() & bit(firing) != 0;
    let had_heard = user.heard.get() & bit(firing) != 0;
    user.heard.set(user.heard.get() | bit(firing));
    let is_ready = user.ready.get() & bit(firing) != 0;
    let mut scribe = world.scribe.borrow_mut();
    match (had_heard, was_present) {
        (true, _) => scribe.cues().cue_duplicate(firing),
        (false, true) => scribe.cues().cue_heard(firing, transport.as_str(), arrived.0 - at.0, is_ready),
        (false, false) => scribe.cues().cue_late_heard(firing),
    }
}

impl Cues {
    /// The latest firing that a message belongs to. One that carries the id belongs whatever the clocks say; one that is
    /// told by its event and its time alone cannot have come before the instant.
    fn matching(&self, message: &Message, arrived: RunTime) -> Option<(u32, RunTime)> {
        let event = message.event.as_deref()?;
        let belongs = |cue: &CueAnnouncement| {
            let same_event = cue.event.as_deref() == Some(event);
            let same_id = cue.pointer.as_deref().is_none_or(|pointer| {
                message.data.pointer(pointer).is_some_and(|value| match value.as_str() {
                    Some(text) => text == cue.id,
                    // A system may make a number of the id; its text is the same.
                    None => serde_json::from_str(&cue.id).is_ok_and(|id: serde_json::Value| id == *value),
                })
            });
            same_event && same_id && (cue.pointer.is_some() || arrived >= cue.at)
        };
        let found = self.announced.iter().rev().find(|(cue, _)| belongs(cue));
        found.map(|(cue, _)| (cue.firing, cue.at))
    }
}
