//! A small run to write down.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rehearsal_metrics::{CallStep, Health, Kind, Limits, Recorder, SeriesKey, Timeline, UserState};
use rehearsal_plan::{AgentNumber, Load, RunTime, SlotTable, Spacing, Stay, Versions};
use rehearsal_store::{About, Batch, CueIntent, CueOutcome, Event, Life, Look, Mark, Member, Store};
use rusqlite::Connection;
use serde_json::json;
use tempfile::TempDir;

/// A folder with a run's file in it; gone with the test.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Folder {
        Folder(TempDir::new().unwrap())
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("run.db")
    }

    /// Copies everything as it is on the disk now, as a crash would leave it.
    pub(crate) fn copy(&self) -> Folder {
        let copy = Folder::new();
        for file in self.0.path().read_dir().unwrap().map(|file| file.unwrap()) {
            // The index of the log is memory of the processes that have the file open.
            if !file.file_name().to_string_lossy().ends_with("-shm") {
                std::fs::copy(file.path(), copy.0.path().join(file.file_name())).unwrap();
            }
        }
        copy
    }

    pub(crate) fn files(&self) -> Vec<String> {
        let files = self.0.path().read_dir().unwrap();
        let mut names: Vec<String> =
            files.map(|file| file.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    pub(crate) fn create(&self) -> Store {
        Store::create(&self.path(), &about()).unwrap()
    }
}

/// Opens a file as `sqlite3` does.
pub(crate) fn sqlite(path: &Path) -> Connection {
    Connection::open(path).unwrap()
}

pub(crate) fn about() -> About {
    About {
        run_id: "20261121-210000-0abc".to_owned(),
        scenario: "broadcast_vote".to_owned(),
        environment: "dev".to_owned(),
        seed: u64::MAX,
        started_at_us: None,
        plan: json!({"thresholds": ["http.failed rate < 0.1%"]}),
        settings: json!({"users": 2000, "api_key": "***"}),
        program: "0.1.0".to_owned(),
    }
}

/// Two agents, each with a few samples of every kind in each of `seconds`.
pub(crate) struct Run {
    pub(crate) timeline: Timeline,
    recorders: Vec<Recorder>,
    second: i64,
}

impl Run {
    pub(crate) fn new() -> Run {
        let mut timeline = Timeline::new(Limits::default());
        timeline.plan_users(40);
        timeline.expects(1, 0);
        timeline.expects(2, 0);
        Run { timeline, recorders: vec![Recorder::new(Limits::default()), Recorder::new(Limits::default())], second: 0 }
    }

    /// Goes on after a crash: the agents live on, the timeline is another one.
    pub(crate) fn with(self, timeline: Timeline) -> Run {
        Run { timeline, ..self }
    }

    /// Plays one more second.
    pub(crate) fn play(&mut self) {
        for (agent, recorder) in (1..).zip(&mut self.recorders) {
            recorder.roll(self.second);
            record(recorder, self.second.unsigned_abs() * 1_000 + u64::from(agent));
            recorder.roll(self.second + 1);
            for interval in recorder.take_closed() {
                self.timeline.add(agent, &interval).unwrap();
            }
        }
        self.second += 1;
    }

    /// What this second's tick writes.
    pub(crate) fn batch(&mut self) -> Batch {
        Batch { changes: self.timeline.take_changes(), marks: marks(self.second), ..Batch::default() }
    }
}

fn record(recorder: &mut Recorder, value: u64) {
    let vote = SeriesKey::new("http.response").with("name", "vote").with("status", "201");
    let response = recorder.series(Kind::Duration, &vote);
    recorder.duration(response, Duration::from_micros(value));
    let check = recorder.series(Kind::Ratio, &SeriesKey::new("checks").with("name", "it's \"ä\""));
    recorder.ratio(check, value % 2 == 1);
    let count = recorder.series(Kind::Count, &SeriesKey::new("custom.votes"));
    recorder.count(count, value);
    recorder.transition(UserState::Waiting, UserState::Live);
    let call = recorder.call_name("vote");
    recorder.call(call, CallStep::Begun);
    recorder.call(call, CallStep::Answered);
    recorder.error("refused", "connection refused", &rehearsal_metrics::Tags::default());
    recorder.cue_snapshot(1, "websocket", 2, 1);
    recorder.cue_heard(1, "websocket", 1_500, true);
    recorder.health(Health { lag_max_micros: value, cpu_milli: 500, ..Health::default() });
}

fn marks(second: i64) -> Vec<Mark> {
    let mark = |agent: u32, first_byte| Mark {
        incarnation: [first_byte, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
        agent,
        mark: second.unsigned_abs(),
        stored_until: (second > 0).then_some(second),
    };
    vec![mark(1, 0), mark(2, 255)]
}

/// One of everything that is not the timeline's.
pub(crate) fn surroundings() -> Batch {
    let load =
        Load::Arrive { users: 40, over: Duration::from_millis(1_500), spacing: Spacing::Even, stay: Stay::default() };
    let slots = SlotTable::weighted(8, &[(AgentNumber(1), 1), (AgentNumber(2), 1)]);
    let versions = Versions::first(RunTime(-5), vec![load], slots, 7);
    let member = Member {
        agent: 1,
        id: "agent-1".to_owned(),
        region: "local".to_owned(),
        instance: "pid 17".to_owned(),
        weight: 1,
        ended: false,
        lost: true,
        life: Some(Life { incarnation: [7; 16], owns_from: 3 }),
    };
    let event = Event {
        at_s: 0.25,
        kind: "command".to_owned(),
        who: "maria".to_owned(),
        text: "fired the cue open_vote".to_owned(),
        detail: json!({"cue": "open_vote", "numbers": [1, 2.5, null]}),
    };
    Batch {
        versions: vec![versions.latest().clone()],
        cues: vec![cue(1, None), cue(2, Some(CueOutcome::Nothing)), cue(3, Some(CueOutcome::Failed("404".to_owned())))],
        events: vec![event.clone(), event],
        looks: vec![Look { at_us: -5, place: "autoscaler.supply".to_owned(), content: json!({"metric": 0.5}) }],
        members: vec![Member { agent: 2, life: None, ..member.clone() }, member],
        facts: vec![
            ("state".to_owned(), json!("running")),
            ("started_at_us".to_owned(), json!(1_795_000_000_000_000_i64)),
        ],
        ..Batch::default()
    }
}

pub(crate) fn cue(firing: u32, outcome: Option<CueOutcome>) -> CueIntent {
    CueIntent {
        firing,
        name: "open_vote".to_owned(),
        number: u64::from(firing),
        id: format!("b{firing}"),
        at_us: 2_000_000,
        by: "plan".to_owned(),
        event: Some("vote_open".to_owned()),
        pointer: None,
        outcome,
    }
}
