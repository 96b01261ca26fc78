//! The agents of the world: their processes, user threads and clocks, and the network they dial through.

use super::*;

impl World {
    pub(super) fn spawn(&mut self, agent: AgentNumber) {
        let index = self.processes.len();
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.dice.any().to_le_bytes());
        let incarnation = Incarnation(bytes);
        let clock =
            Clock { zero: self.dice.between(0, 1_000 * SECOND) as i64, ppm: self.dice.between(0, 200) as i64 - 100 };
        let config =
            AgentConfig { agent, incarnation, build: String::new(), outbox: LIMITS, give_up: Duration::from_secs(60) };
        self.disk.owners.insert(incarnation, agent);
        self.processes.push(Process {
            agent,
            incarnation,
            end: AgentEnd::new(config, MonoTime(clock.shows(self.now) as u64)),
            engine: Engine::new(agent, 1),
            clock,
            connection: None,
            cut_off_until: 0,
            last_answer: None,
            stopping: false,
            alive: true,
            ended_at: None,
            exit: None,
        });
        let first_dial = self.now + self.dice.between(0, 500 * MILLI);
        self.agenda.schedule(first_dial, Happening::Dial(index));
        self.agenda.schedule(first_dial, Happening::AgentTick(index));
    }

    pub(super) fn mono(&self, process: usize) -> MonoTime {
        MonoTime(self.processes[process].clock.shows(self.now) as u64)
    }

    pub(super) fn agent_run_time(&self, process: usize) -> Option<RunTime> {
        self.processes[process].end.clock().run_time(self.mono(process))
    }

    pub(super) fn tick_agent(&mut self, process: usize) {
        if !self.processes[process].alive {
            return;
        }
        self.agenda.schedule(self.now + TICK, Happening::AgentTick(process));
        self.probe(process);
        self.run_engine(process);
        if let Some(now) = self.agent_run_time(process).filter(|_| !self.processes[process].stopping)
            && let Some(closed) = self.processes[process].engine.close_until(now)
        {
            self.agent_handles(process, AgentEvent::IntervalReady(closed));
        }
        self.agent_handles(process, AgentEvent::Tick);
        let weight = self.processes[process].end.outbox().weight();
        let everything = 8 * USERS as usize;
        if weight > LIMITS.weight + (LIMITS.window + 2) * 64 + everything {
            self.faults.push(format!("an outbox weighs {weight}"));
        }
    }

    pub(super) fn probe(&mut self, process: usize) {
        let Some(coordinator) = self.coordinator.as_ref().filter(|_| self.processes[process].cut_off_until <= self.now)
        else {
            return;
        };
        let (life, run_clock) = (coordinator.life, coordinator.clock);
        let (there, back) = (self.dice.between(MILLI, 60 * MILLI), self.dice.between(MILLI, 60 * MILLI));
        let agent_clock = self.processes[process].clock;
        let stamped = RunTime(run_clock.shows(self.now + there));
        let returns = self.now + there + back;
        let (sent, returned) =
            (MonoTime(agent_clock.shows(self.now) as u64), MonoTime(agent_clock.shows(returns) as u64));
        let probe = Probe { sent, received: stamped, answered: stamped, returned };
        self.agenda.schedule(returns, Happening::ProbeReturned { process, life, probe });
    }

    pub(super) fn may_start_until(&self, process: usize) -> Option<MonoTime> {
        let Process { end, clock, last_answer, .. } = &self.processes[process];
        match self.mutation {
            Mutation::LeaseFromReceiving => last_answer.map(|at| MonoTime(clock.shows(at) as u64) + TERMS.lease),
            _ => end.arrivals_until(),
        }
    }

    pub(super) fn run_engine(&mut self, process: usize) {
        let mono = self.mono(process);
        let Some(now) = self.agent_run_time(process) else {
            return;
        };
        let held = self.may_start_until(process).is_some_and(|until| mono < until);
        let Process { alive, stopping, engine, end, agent, .. } = &mut self.processes[process];
        if *alive && !*stopping && held {
            let from = end.leaves_from();
            let started = engine.run(now, |due| from.is_none_or(|from| due < from));
            self.starts.note(*agent, &started);
        }
    }

    pub(super) fn stop_engine(&mut self, process: usize) {
        let now = self.agent_run_time(process);
        let Process { alive, stopping, engine, .. } = &mut self.processes[process];
        if *alive && !*stopping {
            *stopping = true;
            if let Some(now) = now {
                engine.drop_due(now);
            }
            self.agenda.schedule(self.now + 300 * MILLI, Happening::UsersGone(process));
        }
    }

    pub(super) fn finish_engine(&mut self, process: usize) {
        let far = self.agent_run_time(process).map(|now| now + Duration::from_secs(1));
        if let Some(closed) = far.and_then(|far| self.processes[process].engine.close_until(far)) {
            self.agent_handles(process, AgentEvent::IntervalReady(closed));
        }
        self.agent_handles(process, AgentEvent::UsersGone);
    }

    pub(super) fn preempt(&mut self, process: usize) {
        if let Some(now) = self.agent_run_time(process).filter(|_| self.processes[process].alive) {
            self.tell(format!("agent {} leaves in a second", self.processes[process].agent));
            self.agent_handles(
                process,
                AgentEvent::Leave(rehearsal_link::Leaving {
                    from: now + Duration::from_secs(1),
                    reason: "preempted".to_owned(),
                }),
            );
            self.agenda.schedule(self.now + 3 * SECOND / 2, Happening::Leaves(process));
        }
    }

    pub(super) fn crash_agent(&mut self, process: usize) {
        if !self.processes[process].alive {
            return;
        }
        self.tell(format!("agent {} crashes", self.processes[process].agent));
        self.processes[process].alive = false;
        self.processes[process].ended_at = Some(self.now);
        self.cut(process);
        let noticed = self.now + self.dice.between(100 * MILLI, 3 * SECOND);
        if self.dice.chance(500) {
            self.agenda.schedule(noticed, Happening::ExitSeen(process));
        }
        if self.dice.chance(300) {
            self.agenda.schedule(noticed + SECOND, Happening::Respawn(process));
        }
    }

    pub(super) fn agent_disconnected(&mut self, process: usize) {
        let random = self.dice.any();
        self.agent_handles(process, AgentEvent::Disconnected { random });
    }

    pub(super) fn agent_handles(&mut self, process: usize, event: AgentEvent<Recorded>) {
        if !self.processes[process].alive {
            return;
        }
        let mono = self.mono(process);
        for effect in self.processes[process].end.handle(event, mono) {
            self.perform_for_agent(process, effect);
        }
    }

    pub(super) fn perform_for_agent(&mut self, process: usize, effect: AgentEffect<Recorded>) {
        match effect {
            AgentEffect::Send(message) => {
                let Some(connection) = self.processes[process].connection else {
                    return;
                };
                let delay = self.some_delay();
                let at = self.connections[connection].to_coordinator.deliver_at(self.now, delay);
                self.agenda.schedule(at, Happening::ReachesCoordinator(connection, message));
            }
            AgentEffect::Dial { after } => {
                let at = self.now + after.as_micros() as u64 + 2 * self.delay;
                self.agenda.schedule(at, Happening::Dial(process));
            }
            AgentEffect::HangUp(reason) => {
                self.tell(format!("agent {} hangs up: {reason}", self.processes[process].agent));
                if let Some(connection) = self.processes[process].connection {
                    self.agenda.schedule(self.now, Happening::AgentSeesClose(connection));
                    self.agenda.schedule(self.now + self.delay, Happening::CoordinatorSeesClose(connection));
                }
            }
            AgentEffect::Prepare(_) => self.agenda.schedule(self.now + 50 * MILLI, Happening::Prepared(process)),
            AgentEffect::Apply(version) => self.apply(process, &version),
            AgentEffect::ResumeArrivals => {
                if let Some(now) = self.agent_run_time(process) {
                    self.processes[process].engine.resume(now);
                }
            }
            AgentEffect::Stop(kind) => {
                self.stop_engine(process);
                if let Some(at) = self.agent_run_time(process) {
                    self.agent_handles(process, AgentEvent::Stopping(rehearsal_link::Stopping { kind, at }));
                }
            }
            AgentEffect::Relieve => self.stop_engine(process),
            AgentEffect::Exit(exit) => {
                self.tell(format!("agent {} exits: {exit:?}", self.processes[process].agent));
                self.processes[process].exit = Some(exit);
                self.processes[process].alive = false;
                self.processes[process].ended_at = Some(self.now);
                self.cut(process);
            }
            AgentEffect::StopArrivals | AgentEffect::LeaveAll | AgentEffect::CutAll => {
                self.tell(format!("agent {}: {effect:?}", self.processes[process].agent));
            }
            AgentEffect::Cue(_) | AgentEffect::Follow(_) => {}
        }
    }

    pub(super) fn apply(&mut self, process: usize, version: &Arc<Version>) {
        self.run_engine(process);
        let Some(now) = self.agent_run_time(process) else {
            return self.faults.push("a version came before the clock was set".into());
        };
        let missed = self.processes[process].engine.apply(version, now);
        let applied = rehearsal_link::Applied { version: version.number, at: now.max(version.at), missed };
        self.agent_handles(process, AgentEvent::Applied(applied));
    }

    pub(super) fn some_delay(&mut self) -> Real {
        let slow = self.now < TROUBLE_ENDS && self.dice.chance(self.slow_per_mille);
        if slow { self.dice.between(0, 900 * MILLI) } else { self.dice.between(MILLI, self.delay) }
    }

    pub(super) fn dial(&mut self, process: usize) {
        let Process { alive, cut_off_until, .. } = self.processes[process];
        if !alive {
            return;
        }
        let reachable = cut_off_until <= self.now && !(self.now < TROUBLE_ENDS && self.dice.chance(100));
        match self.coordinator.as_ref().filter(|_| reachable).map(|coordinator| coordinator.life) {
            Some(life) => {
                let fresh = Connection {
                    process,
                    life,
                    cut: false,
                    muted: false,
                    to_agent: Pipe::default(),
                    to_coordinator: Pipe::default(),
                };
                self.connections.push(fresh);
                self.processes[process].connection = Some(self.connections.len() - 1);
                self.agent_handles(process, AgentEvent::Connected);
            }
            None => self.agent_disconnected(process),
        }
    }

    /// Breaks a process's connection; either end learns of it when it likes.
    pub(super) fn cut(&mut self, process: usize) {
        if let Some(connection) = self.processes[process].connection {
            self.connections[connection].cut = true;
            let (agent_sees, coordinator_sees) = (self.dice.between(0, 3 * SECOND), self.dice.between(0, 6 * SECOND));
            self.agenda.schedule(self.now + agent_sees, Happening::AgentSeesClose(connection));
            self.agenda.schedule(self.now + coordinator_sees, Happening::CoordinatorSeesClose(connection));
        }
    }
}
