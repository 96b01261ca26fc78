//! Judges small imaginary runs, one circumstance at a time.

use std::time::Duration;

use rehearsal_metrics::{CallStep, Health, Kind, Limits, Recorder, SeriesKey, Tags};

use super::*;
use crate::case::Severity;
use crate::elasticity;

/// An imaginary run of one agent, second by second.
pub(crate) struct Run {
    recorder: Recorder,
}

impl Run {
    pub(crate) fn new() -> Run {
        let mut recorder = Recorder::new(Limits::default());
        recorder.roll(0);
        Run { recorder }
    }

    /// Makes sure that the agent reports this second, with or without samples.
    pub(crate) fn second(&mut self, second: i64) {
        self.recorder.roll(second);
    }

    /// Calls `vote` that were answered well.
    pub(crate) fn answers(&mut self, second: i64, calls: u64, took: Duration) {
        self.second(second);
        let response = self.recorder.series(Kind::Duration, &SeriesKey::new("http.response").with("name", "vote"));
        (0..calls).for_each(|_| self.recorder.duration(response, took));
        self.calls(calls, false);
    }

    /// Calls `vote` without an answer, each an error of kind `refused`.
    pub(crate) fn refusals(&mut self, second: i64, calls: u64) {
        self.second(second);
        (0..calls).for_each(|_| self.recorder.error("refused", "connection refused", &Tags::default()));
        self.calls(calls, true);
    }

    fn calls(&mut self, calls: u64, failed: bool) {
        let (name, ratio) = (
            self.recorder.call_name("vote"),
            self.recorder.series(Kind::Ratio, &SeriesKey::new("http.failed").with("name", "vote")),
        );
        for _ in 0..calls {
            self.recorder.call(name, CallStep::Begun);
            self.recorder.call(name, if failed { CallStep::Failed } else { CallStep::Answered });
            self.recorder.ratio(ratio, failed);
        }
    }

    fn users(&mut self, users: u64) {
        for _ in 0..users {
            self.recorder.transition(UserState::Waiting, UserState::Live);
            self.recorder.transition(UserState::Live, UserState::Finished);
        }
    }

    fn lag(&mut self, second: i64, millis: u64) {
        self.second(second);
        self.recorder.health(Health { lag_max_micros: millis * 1_000, ..Health::default() });
    }

    /// All seconds so far, of one agent that has left in order.
    pub(crate) fn timeline(self) -> Timeline {
        let mut timeline = Timeline::new(Limits::default());
        timeline.expects(1, 0);
        let intervals = self.recorder.finish();
        intervals.iter().for_each(|interval| timeline.add(1, interval).unwrap());
        timeline.left(1, intervals.len() as i64);
        timeline
    }
}

/// What a test changes of a run that passes.
struct Circumstances {
    planned: u64,
    rules: &'static [&'static str],
    breaches: Vec<Breach>,
    autoscaler: Autoscaler,
    guards: Vec<GuardOutcome>,
    ending: Ending,
    unresolved: Vec<UnresolvedCue>,
    firings: Vec<CueFiring>,
}

impl Default for Circumstances {
    fn default() -> Circumstances {
        Circumstances {
            planned: 10,
            rules: &["http.failed rate < 1%"],
            breaches: Vec::new(),
            autoscaler: Autoscaler::NotExpected,
            guards: Vec::new(),
            ending: Ending::ByItself,
            unresolved: Vec::new(),
            firings: Vec::new(),
        }
    }
}

const TEN_SECONDS: Duration = Duration::from_secs(10);

impl Circumstances {
    fn judge(&self, mut timeline: Timeline) -> Judgement {
        timeline.plan_users(self.planned);
        let thresholds: Vec<Threshold> = self.rules.iter().map(|rule| rule.parse().unwrap()).collect();
        judge(&Evidence {
            timeline: &timeline,
            firings: &self.firings,
            unresolved: &self.unresolved,
            metrics: &MetricSet::whole(&timeline, &self.firings, TEN_SECONDS),
            summary: &Summary::of(&timeline, &self.firings, TEN_SECONDS).unwrap(),
            duration_s: TEN_SECONDS.as_secs_f64(),
            thresholds: &thresholds,
            breaches: &self.breaches,
            generator: &Generator::of(timeline.health(), 1),
            autoscaler: &self.autoscaler,
            guards: &self.guards,
            ending: self.ending,
            agents: &[(1, "a1".to_owned())].into(),
        })
    }
}

/// Ten users and ten seconds of ten answers each.
fn good_run() -> Run {
    let mut run = Run::new();
    run.users(10);
    (0..10).for_each(|second| run.answers(second, 10, Duration::from_millis(5)));
    run
}

/// Compares verdict and findings, each as `weight subject: text [from, to)`; a doubt is a warning that decides.
fn check(judgement: &Judgement, verdict: Verdict, findings: &[&str]) {
    let name = |finding: &Finding| match (finding.severity, finding.decides) {
        (Severity::Error, true) => "error",
        (Severity::Warning, true) => "doubt",
        (Severity::Warning, false) => "warning",
        (Severity::Info, false) => "info",
        other => panic!("{other:?}"),
    };
    let found = judgement.findings.iter().map(|finding| {
        let Finding { subject, text, from_s, to_s, .. } = finding;
        format!("{} {subject}: {text} [{from_s}, {to_s})", name(finding))
    });
    assert_eq!(found.collect::<Vec<_>>(), findings);
    assert_eq!(judgement.verdict, verdict);
}

#[test]
fn a_run_that_kept_its_rules_passes() {
    let judgement = Circumstances::default().judge(good_run().timeline());
    check(&judgement, Verdict::Pass, &[]);
    assert_eq!(judgement.thresholds[0].outcome, Outcome::Pass);
}

#[test]
fn a_broken_rule_fails_and_one_without_data_leaves_it_open() {
    let mut circumstances = Circumstances { rules: &["http.response max < 1ms"], ..Default::default() };
    let failed = "error threshold: `http.response max < 1ms` failed: it was 5.00 ms [0, 10)";
    check(&circumstances.judge(good_run().timeline()), Verdict::Fail, &[failed]);
    circumstances.rules = &["custom.basket mean < 1"];
    let no_data = "doubt threshold: `custom.basket mean < 1` had no data [0, 10)";
    check(&circumstances.judge(good_run().timeline()), Verdict::Inconclusive, &[no_data]);
    circumstances.rules = &["custom.basket mean < 1", "http.response max < 1ms"];
    check(&circumstances.judge(good_run().timeline()), Verdict::Fail, &[failed, no_data]);
}

#[test]
fn what_failed_only_while_the_generator_was_the_limit_proves_nothing() {
    let run = |bad_seconds: &[i64], poor_second: i64| {
        let mut run = Run::new();
        run.users(10);
        for second in 0..10 {
            run.lag(second, if second == poor_second { 400 } else { 1 });
            run.answers(second, 10, Duration::from_millis(5));
            run.refusals(second, if bad_seconds.contains(&second) { 5 } else { 0 });
        }
        Circumstances::default().judge(run.timeline())
    };
    let late = "warning generator: the generator was the limit: timers up to 400 ms late [4, 5)";
    let open = "doubt threshold: `http.failed rate < 1%` failed with 4.762%, but only where the generator was the limit [0, 10)";
    check(&run(&[4], 4), Verdict::Inconclusive, &[open, late]);
    let failed = |rate| format!("error threshold: `http.failed rate < 1%` failed: it was {rate} [0, 10)");
    check(&run(&[3], 4), Verdict::Fail, &[&failed("4.762%"), late]);
    check(&run(&[3, 4], 4), Verdict::Fail, &[&failed("9.091%"), late]);
}

#[test]
fn a_streak_counts_as_far_as_the_generator_was_fit() {
    let judge = |poor_second: i64| {
        let mut run = good_run();
        run.lag(9, 1);
        let mut timeline = run.timeline();
        let health = Health { lag_max_micros: 400_000, ..Health::default() };
        let interval = rehearsal_metrics::Interval {
            health: [(poor_second, health)].into(),
            ..rehearsal_metrics::Interval::empty(poor_second)
        };
        timeline.add(1, &interval).unwrap();
        let rule = "http.response max < 1ms for 3s";
        let breach =
            Breach { rule: 0, text: rule.to_owned(), value: 0.005, span: Span { from_s: 2, to_s: 6 }, aborts: false };
        Circumstances { rules: &["http.response max < 1ms for 3s"], breaches: vec![breach], ..Default::default() }
            .judge(timeline)
            .verdict
    };
    assert_eq!(judge(8), Verdict::Fail);
    assert_eq!(judge(2), Verdict::Fail, "three fit seconds are left");
    assert_eq!(judge(3), Verdict::Inconclusive, "one and two are left");
}

#[test]
fn nothing_that_worked_at_all_fails_whatever_the_rules_say() {
    let circumstances = Circumstances { rules: &[], ..Default::default() };
    let mut refused = Run::new();
    refused.users(10);
    refused.refusals(0, 10);
    refused.second(9);
    let text = "error run: nothing worked: of 10 calls none was answered well, of 0 sockets none opened [0, 10)";
    check(&circumstances.judge(refused.timeline()), Verdict::Fail, &[text]);
    let mut nobody = Run::new();
    nobody.second(9);
    let nobody = circumstances.judge(nobody.timeline());
    let waiting = "warning users: 10 users still waiting for the start when the run was judged [0, 10)";
    check(&nobody, Verdict::Fail, &["error run: no user came live, of 10 planned [0, 10)", waiting]);
    let mut quiet = Run::new();
    quiet.users(10);
    quiet.second(9);
    check(&circumstances.judge(quiet.timeline()), Verdict::Pass, &[]);
    let called_off = Circumstances { planned: 0, ..circumstances }.judge(Timeline::new(Limits::default()));
    assert_eq!(called_off.verdict, Verdict::Inconclusive, "nobody was planned for: {called_off:?}");
}

#[test]
fn what_is_missing_leaves_the_verdict_open() {
    let mut timeline = good_run().timeline();
    timeline.expects(2, 0);
    timeline.add(2, &rehearsal_metrics::Interval::empty(0)).unwrap();
    timeline.add(2, &rehearsal_metrics::Interval { to: 6, ..rehearsal_metrics::Interval::empty(2) }).unwrap();
    timeline.lost(2, 7, 0);
    let expected = [
        "doubt agent 2: its numbers of this stretch never arrived [1, 2)",
        "doubt agent 2: the agent was lost: what its users did in this stretch is unknown [6, 10)",
        "info timeline: an agent could report this stretch only in one piece: its samples are filed under the first second [2, 6)",
    ];
    check(&Circumstances::default().judge(timeline), Verdict::Inconclusive, &expected);
}

/// It once left the verdict open although nothing was missing.
#[test]
fn an_agent_that_came_back_to_hand_everything_in_leaves_nothing_open() {
    let mut timeline = good_run().timeline();
    timeline.expects(2, 0);
    timeline.lost(2, 4, 0);
    timeline.add(2, &rehearsal_metrics::Interval { to: 6, ..rehearsal_metrics::Interval::empty(0) }).unwrap();
    timeline.left(2, 6);
    let expected = [
        "warning agent 2: the agent was given up for lost, but all that it measured has come [4, 4)",
        "info timeline: an agent could report this stretch only in one piece: its samples are filed under the first second [0, 6)",
    ];
    check(&Circumstances::default().judge(timeline), Verdict::Pass, &expected);
}

#[test]
fn an_autoscaler_without_an_observer_is_told_and_without_words_is_doubted() {
    let judge = |autoscaler| Circumstances { autoscaler, ..Default::default() }.judge(good_run().timeline());
    let text = "info autoscaler: autoscaler not judged: no observer is configured [0, 10)";
    check(&judge(Autoscaler::NotObserved), Verdict::Pass, &[text]);
    let text = "doubt autoscaler: autoscaler not judged: its observer never said anything [0, 10)";
    check(&judge(Autoscaler::Silent { why: None }), Verdict::Inconclusive, &[text]);
    let why = Some("supply: connection: refused".to_owned());
    let text = "doubt autoscaler: autoscaler not judged: its observer never said anything (supply: connection: refused) [0, 10)";
    check(&judge(Autoscaler::Silent { why }), Verdict::Inconclusive, &[text]);
}

#[test]
fn a_crossed_guard_fails_and_an_unwatched_one_does_as_it_was_to_be_watched() {
    let judge = |guard| Circumstances { guards: vec![guard], ..Default::default() }.judge(good_run().timeline());
    check(&judge(GuardOutcome::Held), Verdict::Pass, &[]);
    let text = "connections was 912 and is to stay below 900".to_owned();
    let crossed = "error guard: connections was 912 and is to stay below 900: the run was stopped [7, 10)";
    check(&judge(GuardOutcome::Crossed { at_s: 7.0, text }), Verdict::Fail, &[crossed]);
    let unseen = |is_observed| GuardOutcome::Unseen { metric: "connections".to_owned(), is_observed };
    let text = "guard: connections was never seen: its guard protected nothing [0, 10)";
    check(&judge(unseen(true)), Verdict::Inconclusive, &[&format!("doubt {text}")]);
    check(&judge(unseen(false)), Verdict::Pass, &[&format!("warning {text}")]);
}

#[test]
fn what_is_found_of_the_autoscaler_weighs_as_it_says() {
    let assessment = |weight, figures: &[(&str, f64)]| {
        let (kind, text) = (elasticity::Kind::Slow, "it was slow".to_owned());
        let findings = vec![ScalerFinding { weight, kind, text, from_s: 3.5, to_s: 4.0 }];
        let figures = figures.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        Autoscaler::Observed(Box::new(Assessment { findings, figures, ..Assessment::default() }))
    };
    let rules = &["autoscaler.jitter < 2"];
    let judge = |weight, run: Run| {
        let autoscaler = assessment(weight, &[("jitter", 1.0)]);
        Circumstances { autoscaler, rules, ..Default::default() }.judge(run.timeline())
    };
    check(&judge(Weight::Fail, good_run()), Verdict::Fail, &["error autoscaler: it was slow [3.5, 4)"]);
    check(&judge(Weight::Doubt, good_run()), Verdict::Inconclusive, &["doubt autoscaler: it was slow [3.5, 4)"]);
    check(&judge(Weight::Tell, good_run()), Verdict::Pass, &["info autoscaler: it was slow [3.5, 4)"]);
    let mut late = Run::new();
    late.users(10);
    for second in 0..10 {
        late.lag(second, if second == 3 { 400 } else { 1 });
        late.answers(second, 10, Duration::from_millis(5));
    }
    assert_eq!(judge(Weight::Fail, late).verdict, Verdict::Inconclusive, "the generator was the limit");
    let autoscaler = assessment(Weight::Tell, &[]);
    let no_data = Circumstances { autoscaler, rules, ..Default::default() }.judge(good_run().timeline());
    assert_eq!(no_data.verdict, Verdict::Inconclusive);
}

#[test]
fn an_end_by_operator_or_rule_is_told() {
    let stopped = Circumstances { ending: Ending::ByOperator { at_s: 8.5 }, ..Default::default() };
    check(&stopped.judge(good_run().timeline()), Verdict::Pass, &["info run: stopped by the operator [8.5, 10)"]);
    let text = "http.failed rate < 1% abort".to_owned();
    let breach = Breach { rule: 0, text, value: 0.5, span: Span { from_s: 0, to_s: 9 }, aborts: true };
    let aborted =
        Circumstances { rules: &["http.failed rate < 1% abort"], breaches: vec![breach], ..Default::default() };
    let expected = [
        "error threshold: `http.failed rate < 1% abort` failed: it was 50% [0, 9)",
        "info run: ended by `http.failed rate < 1% abort` [9, 10)",
    ];
    check(&aborted.judge(good_run().timeline()), Verdict::Fail, &expected);
}

#[test]
fn odd_hearings_and_cues_without_an_outcome_are_told() {
    let mut run = good_run();
    run.recorder.cue_snapshot(1, "websocket", 10, 10);
    run.recorder.cue_heard(1, "websocket", 12_000, true);
    run.recorder.cue_duplicate(1);
    run.recorder.cue_late_heard(1);
    let mut timeline = run.timeline();
    timeline.expects(2, 0);
    timeline.add(2, &rehearsal_metrics::Interval { to: 10, ..rehearsal_metrics::Interval::empty(0) }).unwrap();
    timeline.left(2, 10);
    let firing = CueFiring {
        name: "open_vote".to_owned(),
        number: 1,
        id: "1".to_owned(),
        fired_at_s: 9.0,
        sent_after_micros: 2_000,
        clock_bound_s: 0.02,
    };
    let unresolved = UnresolvedCue { name: "close".to_owned(), number: 2, at_s: 9.5, why: "no answer came".to_owned() };
    let mut circumstances = Circumstances { firings: vec![firing], unresolved: vec![unresolved], ..Default::default() };
    let expected = [
        "doubt cue close #2: this firing cannot be judged: no answer came [9.5, 9.5)",
        "warning cue open_vote #1: 1 agent did not look who was there: of those users nothing is known [9, 9.01)",
        "warning cue open_vote #1: heard again by users that had heard it: 1 time [9, 9.01)",
        "info timeline: an agent could report this stretch only in one piece: its samples are filed under the first second [0, 10)",
        "info cue open_vote #1: also heard by 1 user that came after its instant and count in no share [9, 9.01)",
        "info cue open_vote #1: clocks agree only to ±20.0 ms, which is more than half of its delays [9, 9.01)",
    ];
    check(&circumstances.judge(timeline), Verdict::Inconclusive, &expected);
    circumstances.unresolved.clear();
    circumstances.rules = &["cue.reach{cue:open_vote} rate > 1%"];
    let mut timeline = good_run().timeline();
    timeline.expects(2, 20);
    assert_eq!(circumstances.judge(timeline).verdict, Verdict::Inconclusive, "the judged share is incomplete");
}
