//! Who the agents of a run are: number, name, launcher's name, weight, and how they fared.

use std::collections::BTreeMap;

use rehearsal_fleet::{Guest, InstanceId};
use rehearsal_link::PresenceState;
use rehearsal_plan::AgentNumber;
use rehearsal_store::Life;

/// One agent of the run.
#[derive(Clone, Debug)]
pub struct Member {
    /// The name in the report, in headers and in the terminal.
    pub id: String,
    /// What runs it.
    pub instance: InstanceId,
    /// Where it runs.
    pub region: String,
    /// Its share of the load beside the others' weights; 0 for a spare.
    pub weight: u32,
    /// Its process has ended.
    pub ended: bool,
    /// What the link thinks of it.
    pub presence: Option<PresenceState>,
    /// It was lost: its slots went to others, or nowhere.
    pub lost: bool,
    /// The life that holds its number; none until it has dialled.
    pub life: Option<Life>,
}

/// All agents, by number.
#[derive(Default)]
pub(super) struct Roster {
    members: BTreeMap<AgentNumber, Member>,
}

impl Roster {
    /// Enters an agent that was admitted; the order of joining gives the names and the weights. After so many `players`
    /// come spares.
    pub(super) fn enter(
        &mut self,
        agent: AgentNumber,
        guest: &Guest,
        weights: Option<&[u32]>,
        players: usize,
    ) -> &Member {
        let place = self.members.len();
        // Those of a former life of the coordinator that have ended play no more.
        let playing = self.members.values().filter(|member| !member.ended && member.weight > 0).count();
        let weight = match weights.and_then(|weights| weights.get(place)) {
            Some(weight) => *weight,
            None => u32::from(playing < players),
        };
        self.members.entry(agent).or_insert_with(|| Member {
            id: format!("agent-{}", place + 1),
            instance: InstanceId(guest.instance.clone()),
            region: if guest.region.is_empty() { "local".to_owned() } else { guest.region.clone() },
            weight,
            ended: false,
            presence: None,
            lost: false,
            life: None,
        })
    }

    /// Enters an agent as a former life of the coordinator knew it.
    pub(super) fn restore(&mut self, agent: AgentNumber, member: Member) {
        self.members.insert(agent, member);
    }

    pub(super) fn get(&self, agent: AgentNumber) -> Option<&Member> {
        self.members.get(&agent)
    }

    pub(super) fn get_mut(&mut self, agent: AgentNumber) -> Option<&mut Member> {
        self.members.get_mut(&agent)
    }

    pub(super) fn name(&self, agent: AgentNumber) -> String {
        self.members.get(&agent).map_or_else(|| format!("agent {}", agent.0), |member| member.id.clone())
    }

    /// The agent that an instance runs.
    pub(super) fn of_instance(&self, instance: &InstanceId) -> Option<AgentNumber> {
        self.members.iter().find(|(_, member)| member.instance == *instance).map(|(agent, _)| *agent)
    }

    /// How many have joined and not ended, or left.
    pub(super) fn alive(&self) -> usize {
        let has_left = |member: &Member| member.ended || member.presence == Some(PresenceState::Ended);
        self.members.values().filter(|member| !has_left(member)).count()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (AgentNumber, &Member)> {
        self.members.iter().map(|(agent, member)| (*agent, member))
    }

    pub(super) fn into_members(self) -> BTreeMap<AgentNumber, Member> {
        self.members
    }
}
