//! A desk with one run, and a server before it.

use std::sync::{Arc, Mutex};

use rehearsal_api::{
    Answer, Applied, Asset, Command, CueForecast, CurvePoint, Desk, Forecast, Frame, Listen, Problem, Reach, Refusal,
    Reply, ReportFile, ReportFormat, RunEntry, RunRequest, ScenarioEntry, Server, Token,
};
use rehearsal_plan::Capacity;
use rehearsal_report::view::{
    AgentNow, Band, CallNow, CueNow, FiringNow, Latency, LoadNow, RunNow, RunState, ScalerNow, ScalerPicture, Second,
    Snapshot, UsersNow,
};
use rehearsal_verdict::elasticity::{
    Activity, Assessment, Bounds, Direction, KeptBand, Kind, ScalerFinding, Step, Weight,
};
use tokio::sync::watch;

/// The one run that the desk knows.
pub const RUN: &str = "20261122-210000-0001";
/// The token of every server here.
pub const TOKEN: &str = "the-token";

/// Remembers what it was asked, and refuses when it was told to.
pub struct FakeDesk {
    /// What every question is answered with, if set.
    pub refusal: Mutex<Option<Refusal>>,
    /// Commands with who gave them.
    pub commands: Mutex<Vec<(String, Command)>>,
    /// Runs that were asked for, with who did.
    pub started: Mutex<Vec<(String, RunRequest)>>,
    /// The `since` of every snapshot that was asked for.
    pub since: Mutex<Vec<u64>>,
    /// The live run's frames, until it is over.
    frames: Mutex<Option<watch::Sender<Arc<Frame>>>>,
    /// What is left of them afterwards.
    watched: watch::Receiver<Arc<Frame>>,
}

impl FakeDesk {
    fn new() -> Self {
        let (frames, watched) = watch::channel(Arc::new(Frame::new(&snapshot(1))));
        Self {
            refusal: Mutex::default(),
            commands: Mutex::default(),
            started: Mutex::default(),
            since: Mutex::default(),
            frames: Mutex::new(Some(frames)),
            watched,
        }
    }

    /// Shows all screens a newer frame.
    pub fn show(&self, frame: Frame) {
        self.frames.lock().unwrap().as_ref().expect("the run is over").send_replace(Arc::new(frame));
    }

    /// Ends the run.
    pub fn end_run(&self) {
        *self.frames.lock().unwrap() = None;
    }

    fn refuse(&self) -> Result<(), Refusal> {
        self.refusal.lock().unwrap().clone().map_or(Ok(()), Err)
    }

    fn find(&self, run: &str) -> Result<(), Refusal> {
        self.refuse()?;
        match run {
            RUN | "last" => Ok(()),
            other => Err(Refusal::NotFound(format!("there is no run {other}: GET /api/runs lists them"))),
        }
    }
}

/// A snapshot with something in every place.
pub fn snapshot(revision: u64) -> Snapshot {
    let latency = Latency { n: 3, p50: 0.01, p90: 0.02, p99: 0.03, max: 0.04 };
    let second = Second {
        s: 0,
        users: [("live".to_owned(), 3)].into(),
        target: Some(3),
        response: Some(latency),
        calls: [("vote".to_owned(), latency)].into(),
        heat: vec![Band(20, 3)],
        generator: Some("good".into()),
        ..Second::default()
    };
    let run = RunNow {
        id: RUN.into(),
        state: RunState::Running,
        users: UsersNow { planned: 3, live: 3, ..UsersNow::default() },
        loads: vec![LoadNow { scenario: "user".into(), kind: "arrive".into(), planned: 3 }],
        calls: vec![CallNow { name: "vote".into(), p50: Some(0.01), ..CallNow::default() }],
        agents: vec![AgentNow { id: "local-0".into(), ..AgentNow::default() }],
        cues: vec![CueNow { firings: vec![FiringNow::default()], ..CueNow::default() }],
        autoscaler: Some(ScalerNow { revision: 1, last_s: 30.0 }),
        ..RunNow::default()
    };
    Snapshot { revision, since: revision - 1, made_at: 1.0, run, seconds: vec![second] }
}

/// An assessment with something in every place.
pub fn assessment() -> Assessment {
    let step = Step {
        at_s: 4.0,
        direction: Direction::Up,
        from: 2.0,
        to: 4.0,
        rise_at_s: 4.0,
        detection_s: None,
        decision_s: Some(8.0),
        actuation_s: Some(9.0),
        readiness_s: Some(20.0),
        settling_s: None,
        overshoot: Some(1.0),
    };
    let late = ScalerFinding {
        weight: Weight::Fail,
        kind: Kind::OutOfBand,
        text: "cpu was out of its band".into(),
        from_s: 4.0,
        to_s: 24.0,
    };
    Assessment {
        from_s: 0.0,
        to_s: 30.0,
        capacity: Some(Capacity::Users(500.0)),
        bounds: Bounds { at_least: Some(2), at_most: None },
        figures: [("under_share".to_owned(), 66.0)].into(),
        steps: vec![step],
        bands: vec![KeptBand { metric: "cpu".into(), lo: 10.0, hi: 30.0, share: Some(0.4) }],
        series: [("ready".to_owned(), vec![(0.0, Some(2.0)), (12.0, None), (24.0, Some(4.0))])].into(),
        load: vec![(0.0, Some(900.0)), (4.0, Some(1900.0))],
        activities: vec![Activity { at_s: 12.0, change: 2 }],
        findings: vec![late],
    }
}

impl Desk for FakeDesk {
    fn scenarios(&self) -> Vec<ScenarioEntry> {
        let entry = |name: &str, problems| ScenarioEntry {
            name: name.into(),
            path: format!("scenarios/{name}.rhai"),
            environments: vec!["dev".into(), "stress".into()],
            problems,
        };
        vec![entry("broadcast_vote", Some(0)), entry("quiz", None)]
    }

    fn forecast(&self, _: RunRequest) -> Reply<'_, Forecast> {
        Box::pin(async {
            self.refuse()?;
            Ok(Forecast {
                users: 2000,
                peak_live: Some(2000),
                cues: vec![CueForecast { name: "open_vote".into(), when: "by hand".into() }],
                curve: vec![CurvePoint(0.0, 0, Some(0)), CurvePoint(30.0, 2000, None)],
                warnings: vec![Problem::of_request("nobody leaves")],
                ..Forecast::default()
            })
        })
    }

    fn start<'a>(&'a self, request: RunRequest, by: &'a str) -> Reply<'a, String> {
        Box::pin(async move {
            self.refuse()?;
            self.started.lock().unwrap().push((by.to_owned(), request));
            Ok(RUN.to_owned())
        })
    }

    fn runs(&self) -> Vec<RunEntry> {
        let live = RunEntry {
            id: RUN.into(),
            scenario: "broadcast_vote".into(),
            environment: "dev".into(),
            state: RunState::Running,
            live: true,
            started_at: Some("2026-11-22T21:00:00Z".into()),
            duration_s: Some(12.5),
            users: Some(2000),
            verdict: None,
        };
        let failed =
            RunEntry { state: RunState::Failed, live: false, started_at: None, duration_s: None, ..live.clone() };
        vec![live, failed]
    }

    fn watch(&self, run: &str) -> Result<watch::Receiver<Arc<Frame>>, Refusal> {
        self.find(run).map(|()| self.watched.clone())
    }

    fn snapshot<'a>(&'a self, run: &'a str, since: u64) -> Reply<'a, Snapshot> {
        Box::pin(async move {
            self.find(run)?;
            self.since.lock().unwrap().push(since);
            Ok(snapshot(7))
        })
    }

    fn autoscaler<'a>(&'a self, run: &'a str, from_s: f64) -> Reply<'a, ScalerPicture> {
        Box::pin(async move {
            self.find(run)?;
            Ok(ScalerPicture::new(&assessment(), from_s))
        })
    }

    fn command<'a>(&'a self, run: &'a str, by: &'a str, command: Command) -> Reply<'a, Answer> {
        Box::pin(async move {
            self.find(run)?;
            self.commands.lock().unwrap().push((by.to_owned(), command));
            Ok(Answer {
                command: "stop".into(),
                by: by.to_owned(),
                version: Some(2),
                at_s: 12.8,
                applied: vec![Applied { agent: "local-0".into(), at_s: 12.8, missed: 0 }],
                pending: vec!["local-1".into()],
                text: "1 of 2 agents has applied it at 12.8 s".into(),
            })
        })
    }

    fn report<'a>(&'a self, run: &'a str, format: ReportFormat) -> Reply<'a, ReportFile> {
        Box::pin(async move {
            self.find(run)?;
            let content_type = match format {
                ReportFormat::Html => "text/html; charset=utf-8",
                ReportFormat::Json => "application/json",
                ReportFormat::Junit => "application/xml",
                ReportFormat::Csv | ReportFormat::Seconds | ReportFormat::Curve => "text/csv; charset=utf-8",
                ReportFormat::Hlog => "text/plain; charset=utf-8",
            };
            Ok(ReportFile { content_type, body: b"report".to_vec() })
        })
    }

    fn delete<'a>(&'a self, run: &'a str) -> Reply<'a, ()> {
        Box::pin(async move { self.find(run) })
    }

    fn metrics(&self) -> String {
        "# EOF\n".to_owned()
    }
}

/// A server on a free port, its desk, and a client that knows the token.
pub struct World {
    pub desk: Arc<FakeDesk>,
    pub server: Server,
    pub http: reqwest::Client,
}

impl World {
    pub fn start() -> Self {
        let desk = Arc::new(FakeDesk::new());
        let listen = Listen { address: ([127, 0, 0, 1], 0).into(), option: "--dashboard", reach: Reach::Loopback };
        let assets = vec![
            Asset { path: "/", content_type: "text/html; charset=utf-8", body: b"<!doctype html>" },
            Asset { path: "/assets/app.js", content_type: "text/javascript; charset=utf-8", body: b"start()" },
        ];
        let server = Server::start(listen, desk.clone(), Token::new(TOKEN), assets).unwrap();
        Self { desk, server, http: reqwest::Client::new() }
    }

    /// The address of a path on the server.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address())
    }

    /// A request with the token.
    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method.parse().unwrap(), self.url(path)).bearer_auth(TOKEN)
    }
}
