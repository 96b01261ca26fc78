//! The coordinator of the world: its lives, its writer, and what it writes down.

use super::*;

impl World {
    pub(super) fn is_current(&self, life: u64) -> bool {
        self.coordinator.as_ref().is_some_and(|coordinator| coordinator.life == life)
    }

    pub(super) fn begin_coordinator(&mut self) {
        self.lives += 1;
        self.tell("a coordinator begins".into());
        let life = self.lives;
        // A new life reads the run clock off the wall again, which is not quite what it was.
        let clock = Clock {
            zero: -5_000_000 + self.dice.between(0, 10 * MILLI) as i64,
            ppm: self.dice.between(0, 200) as i64 - 100,
        };
        let takeover = if self.mutation == Mutation::EagerTakeover { Takeover::Eager } else { Takeover::Lease };
        let config = CoordinatorConfig { epoch: Epoch(life), lease: TERMS, takeover };
        let end = match life {
            1 => CoordinatorEnd::new(config),
            _ => CoordinatorEnd::resume(config, self.disk.saved(), RunTime(clock.shows(self.now))),
        };
        self.coordinator = Some(Coordinator { end, life, clock, writer: Pipe::default() });
        for agent in (1..=4).map(AgentNumber) {
            self.coordinator_handles(Event::Assign { agent, assignment: assignment(), weight: agent.0 });
        }
        self.agenda.schedule(self.now, Happening::CoordinatorTick(life));
        if self.disk.versions.is_empty() {
            self.agenda.schedule(self.now + SECOND, Happening::Arm(life));
        }
    }

    pub(super) fn crash_coordinator(&mut self) {
        self.tell("the coordinator crashes".into());
        self.coordinator = None;
        for process in 0..self.processes.len() {
            self.cut(process);
        }
        let restart = self.now + self.dice.between(100 * MILLI, 8 * SECOND);
        self.agenda.schedule(restart, Happening::CoordinatorRestarts);
    }

    pub(super) fn store(&mut self, incarnation: Incarnation, number: u64, payload: Recorded, report: bool) {
        let committed = self.disk.committed.entry(incarnation).or_default();
        if number != committed.len() as u64 + 1 {
            self.faults.push(format!("interval {number} of {incarnation} was stored after {}", committed.len()));
        }
        committed.push(payload);
        if report {
            self.coordinator_handles(Event::Committed { incarnation, number });
        }
    }

    pub(super) fn coordinator_handles(&mut self, event: Event<Recorded>) {
        let Some(coordinator) = &mut self.coordinator else {
            return;
        };
        let now = RunTime(coordinator.clock.shows(self.now));
        for effect in coordinator.end.handle(event, now) {
            self.perform_for_coordinator(effect);
        }
    }

    pub(super) fn perform_for_coordinator(&mut self, effect: Effect<Recorded>) {
        let life = self.lives;
        match effect {
            Effect::Send { session, message } => {
                let (connection, delay) = (session.0 as usize, self.some_delay());
                let at = self.connections[connection].to_agent.deliver_at(self.now, delay);
                self.agenda.schedule(at, Happening::ReachesAgent(connection, message));
            }
            Effect::Close { session } => {
                self.connections[session.0 as usize].muted = true;
                let at = self.connections[session.0 as usize].to_agent.deliver_at(self.now, self.delay);
                self.agenda.schedule(at, Happening::AgentSeesClose(session.0 as usize));
            }
            Effect::Persist(version) => {
                let takes = self.dice.between(5 * MILLI, 80 * MILLI);
                let at = self.write_at(takes);
                self.agenda.schedule(at, Happening::VersionStored { life, version });
            }
            Effect::Commit { incarnation, number, payload, .. } => {
                let early = self.mutation == Mutation::AcknowledgesBeforeStoring;
                let takes = self.dice.between(10 * MILLI, 500 * MILLI);
                let at = self.write_at(takes);
                self.agenda
                    .schedule(at, Happening::IntervalStored { life, incarnation, number, payload, report: !early });
                if early {
                    self.coordinator_handles(Event::Committed { incarnation, number });
                }
            }
            Effect::Notice(notice) => self.note(notice),
        }
    }

    pub(super) fn write_at(&mut self, takes: Real) -> Real {
        let now = self.now;
        self.coordinator.as_mut().map_or(now, |coordinator| coordinator.writer.deliver_at(now, takes))
    }

    pub(super) fn tell(&mut self, what: String) {
        let run_time =
            self.coordinator.as_ref().map(|coordinator| RunTime(coordinator.clock.shows(self.now)).as_secs_f64());
        self.story.push(format!("{:7.3} s, run time {run_time:?}: {what}", self.now as f64 / SECOND as f64));
    }

    pub(super) fn note(&mut self, notice: Notice) {
        self.tell(format!("{notice:?}"));
        match notice {
            Notice::Joined { agent, incarnation, owns_from } => {
                let holder = SavedHolder {
                    incarnation,
                    weight: agent.0,
                    owns_from,
                    state: PresenceState::Connected,
                    left: None,
                };
                self.disk.holders.insert(agent, holder);
            }
            Notice::Drained { agent } | Notice::Presence { agent, state: PresenceState::Ended } => {
                if let Some(holder) = self.disk.holders.get_mut(&agent) {
                    holder.state = PresenceState::Ended;
                }
            }
            Notice::Lost { agent, from, to } => self.losses.push((agent, from, to)),
            Notice::NotStarted { .. } => self.agenda.schedule(self.now + SECOND / 2, Happening::Arm(self.lives)),
            Notice::Violation { .. } | Notice::Superseded { .. } => self.faults.push(format!("{notice:?}")),
            Notice::Started { .. }
            | Notice::Applied { .. }
            | Notice::Stopping { .. }
            | Notice::DoubleLoadPossible { .. } => {}
            Notice::Refused { .. } | Notice::Leaving { .. } | Notice::Presence { .. } => {}
        }
    }
}

fn assignment() -> Arc<Assignment> {
    let text: Arc<str> = Arc::from("");
    Arc::new(Assignment {
        run: String::new(),
        agent_id: String::new(),
        region: String::new(),
        seed: 1,
        threads: 1,
        scenario: Arc::clone(&text),
        environment: Arc::clone(&text),
        plan: Arc::clone(&text),
        common: text,
        data: Arc::default(),
    })
}
