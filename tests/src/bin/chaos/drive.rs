//! Performs a schedule of faults on a run.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use rehearsal_demo::Demo;
use rehearsal_tests::Revivable;
use tokio::task::JoinSet;

use crate::agents::Agent;
use crate::lines::Condition;
use crate::schedule::{Fault, Kind};

/// How often everything is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long the first user may take to come.
const BEGIN_WITHIN: Duration = Duration::from_secs(60);
/// Agents that are left well, whatever goes wrong with the others.
const LEFT_WELL: usize = 2;
/// How long after its planned end a run may end: pauses, leases and the last intervals.
const END_WITHIN: Duration = Duration::from_secs(180);
/// How long agents may take to end after the coordinator: one that it did not hear any more waits for it.
const AGENTS_END_WITHIN: Duration = Duration::from_secs(100);
/// How often a command is given again that has to be obeyed.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// A fault as it was.
pub struct Done {
    pub fault: Fault,
    /// When it really came, from the first user's arrival.
    pub at: Duration,
    /// Whom it hit, and what was answered.
    pub what: String,
}

/// What ends a fault.
enum Remedy {
    Thaw(usize),
    Heal(usize),
    TakeUp,
}

/// A run and all that is done to it.
pub struct Drive<'a> {
    pub coordinator: Revivable,
    pub agents: Vec<Agent>,
    pub done: Vec<Done>,
    program: PathBuf,
    demo: &'a Demo,
    /// How many agents the run is to have.
    wanted: usize,
    /// That with which the present agents came: each admits so many.
    invitation: Option<String>,
    is_away: bool,
    remedies: Vec<(Instant, Remedy)>,
    /// Commands that have not been answered yet, by the number of their fault.
    commands: JoinSet<(usize, String)>,
}

impl<'a> Drive<'a> {
    /// A run that waits for its agents.
    pub fn new(coordinator: Revivable, program: PathBuf, demo: &'a Demo, wanted: usize) -> Self {
        Self {
            coordinator,
            agents: Vec::new(),
            done: Vec::new(),
            program,
            demo,
            wanted,
            invitation: None,
            is_away: false,
            remedies: Vec::new(),
            commands: JoinSet::new(),
        }
    }

    /// Lets everything go wrong that is planned, in a run of a length, and waits for the end of all processes.
    ///
    /// # Errors
    /// A process that does not come or does not end.
    pub async fn perform(&mut self, faults: &[Fault], length: Duration) -> Result<(), String> {
        let begun = self.begin().await?;
        let mut faults = faults.iter().peekable();
        while self.is_away || self.coordinator.ended().is_none() {
            // Pauses stop the plan's time, and last longer while the coordinator is away.
            if begun.elapsed() > length * 2 + END_WITHIN {
                return Err(format!("the run has not ended after {:?}", begun.elapsed()));
            }
            self.remedy();
            while let Some(fault) = faults.next_if(|fault| begun.elapsed() >= fault.at) {
                let what = self.commit(fault);
                self.done.push(Done { fault: *fault, at: begun.elapsed(), what });
            }
            self.invite().await;
            self.hear_answers();
            tokio::time::sleep(LOOK_EVERY).await;
        }
        self.end().await
    }

    /// Waits until users are at work.
    async fn begin(&mut self) -> Result<Instant, String> {
        let asked = Instant::now();
        while !self.demo.counters().requests.contains_key("POST /auth/guest") {
            if asked.elapsed() > BEGIN_WITHIN || self.coordinator.ended().is_some() {
                return Err("no user came".to_owned());
            }
            self.invite().await;
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(Instant::now())
    }

    /// Starts as many agents as are missing, once a life of the coordinator has said how they join.
    async fn invite(&mut self) {
        let new = self.coordinator.invitation().filter(|text| self.invitation.as_ref() != Some(text));
        let Some(invitation) = new else { return };
        let missing = self
            .wanted
            .saturating_sub(self.agents.iter_mut().filter_map(|agent| agent.is_at_work().then_some(())).count());
        for _ in 0..missing {
            let number = self.agents.len() + 1;
            self.agents.push(Agent::start(&self.program, self.coordinator.folder(), &invitation, number).await);
        }
        self.invitation = Some(invitation);
    }

    fn commit(&mut self, fault: &Fault) -> String {
        let until = Instant::now() + fault.lasts;
        match fault.kind {
            Kind::KillCoordinator if self.is_away => "is away already".to_owned(),
            Kind::KillCoordinator => {
                self.coordinator.kill();
                self.is_away = true;
                self.remedies.push((until, Remedy::TakeUp));
                String::new()
            }
            Kind::Pause => self.pause(fault.lasts),
            Kind::Scale => self.scale(fault.choice),
            Kind::KillAgent | Kind::DrainAgent | Kind::FreezeAgent | Kind::CutLink | Kind::SilenceLink => {
                self.hit_an_agent(fault, until)
            }
        }
    }

    fn hit_an_agent(&mut self, fault: &Fault, until: Instant) -> String {
        let well: Vec<usize> = (0..self.agents.len()).filter(|place| self.agents[*place].is_well()).collect();
        if well.len() <= LEFT_WELL {
            return format!("spared: only {} are well", well.len());
        }
        let place = well[fault.choice % well.len()];
        let agent = &mut self.agents[place];
        match fault.kind {
            Kind::KillAgent => agent.kill(),
            Kind::DrainAgent => agent.ask_to_go(),
            Kind::FreezeAgent => agent.freeze(),
            Kind::CutLink => agent.line.set(Condition::Cut),
            _ => agent.line.set(Condition::Silent),
        }
        let remedy = match fault.kind {
            Kind::FreezeAgent => Some(Remedy::Thaw(place)),
            Kind::CutLink | Kind::SilenceLink => Some(Remedy::Heal(place)),
            _ => None,
        };
        self.remedies.extend(remedy.map(|remedy| (until, remedy)));
        agent.name.clone()
    }

    /// Ends what has lasted long enough.
    fn remedy(&mut self) {
        let now = Instant::now();
        for (_, remedy) in self.remedies.extract_if(.., |(at, _)| now >= *at) {
            match remedy {
                Remedy::Thaw(place) => self.agents[place].thaw(),
                Remedy::Heal(place) => self.agents[place].line.set(Condition::Open),
                Remedy::TakeUp => {
                    self.coordinator.take_up();
                    self.is_away = false;
                }
            }
        }
    }

    /// Whatever becomes of the pause: in the end arrivals go on, or the run would never end.
    fn pause(&mut self, lasts: Duration) -> String {
        let (pause, resume) = (self.coordinator.about_it(&["pause"]), self.coordinator.about_it(&["resume"]));
        let number = self.done.len();
        let [mut pause, mut resume] = [pause, resume].map(tokio::process::Command::from);
        self.commands.spawn(async move {
            let paused = said(&mut pause).await.1;
            tokio::time::sleep(lasts).await;
            loop {
                let (is_done, resumed) = said(&mut resume).await;
                // It says no when arrivals are not paused; when it is away it says nothing.
                if is_done || resumed.contains("refuses") {
                    return (number, format!("{paused}; {resumed}"));
                }
                tokio::time::sleep(AGAIN_AFTER).await;
            }
        });
        String::new()
    }

    fn scale(&mut self, choice: usize) -> String {
        let scenario = ["viewer", "reader", "caller"][choice % 3];
        let factor = ["0.5", "0.8", "1.2", "1.5"][choice / 3 % 4];
        let number = self.done.len();
        let words = ["scale", "--scenario", scenario, "--factor", factor, "--over", "2s"];
        let mut command = tokio::process::Command::from(self.coordinator.about_it(&words));
        self.commands.spawn(async move { (number, said(&mut command).await.1) });
        format!("{scenario} × {factor}")
    }

    fn hear_answers(&mut self) {
        while let Some(Ok((number, answer))) = self.commands.try_join_next() {
            let what = &mut self.done[number].what;
            *what = [what.as_str(), &answer].map(str::trim).join(" ");
        }
    }

    /// Makes everything whole again and waits for the agents.
    async fn end(&mut self) -> Result<(), String> {
        self.commands.shutdown().await;
        for agent in &mut self.agents {
            agent.thaw();
            agent.line.set(Condition::Open);
        }
        let ended = Instant::now();
        while let Some(agent) = self.agents.iter_mut().find_map(|agent| agent.ended().is_none().then_some(&agent.name))
        {
            if ended.elapsed() > AGENTS_END_WITHIN {
                return Err(format!("{agent} has not ended {AGENTS_END_WITHIN:?} after the run"));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }
}

/// Whether a command was obeyed, and the first line that it said.
async fn said(command: &mut tokio::process::Command) -> (bool, String) {
    match command.kill_on_drop(true).output().await {
        Ok(output) => {
            let text = [output.stdout, output.stderr].concat();
            let text = String::from_utf8_lossy(&text);
            (output.status.success(), text.lines().next().unwrap_or_default().to_owned())
        }
        Err(error) => (false, error.to_string()),
    }
}
