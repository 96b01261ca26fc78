//! The report as JUnit XML, which build servers show.
//!
//! The build is red exactly when the verdict is not `pass`, or something could not go on:
//!
//! | suite | case | passed | failure | error | skipped |
//! |---|---|---|---|---|---|
//! | run | `verdict` | pass | fail | inconclusive | |
//! | thresholds | each rule | it held | it was broken | no data: nobody can tell, and that never passes | |
//! | checks | each check | it always said yes | | | it sometimes said no, and no rule forbids that |
//! | autoscaler | each kind of finding about it | told only | it failed the run | it leaves the verdict open | |
//! | autoscaler | `autoscaler`, with the figures | it was judged | | | it was not judged |
//! | findings | each but those of thresholds and of a judged autoscaler | info | error | | warning |
//!
//! Names are the same in every run, so that build servers know a case again: what was measured stands in its message, and
//! a second case of a name is numbered.

use std::collections::BTreeMap;
use std::time::Duration;

use quick_junit::{NonSuccessKind, Property, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};
use rehearsal_metrics::CheckSummary;
use rehearsal_verdict::amounts::{count, percent};
use rehearsal_verdict::elasticity::{ScalerFinding, Weight};
use rehearsal_verdict::{Finding, Outcome, Severity, ThresholdOutcome, Verdict};

use crate::autoscaler::{basis, outcome, steadiness, supply};
use crate::{AutoscalerRow, RunReport};

/// Writes the report as JUnit XML.
///
/// # Errors
/// Never, as far as we know: characters that XML does not have are left out.
pub fn junit(report: &RunReport) -> Result<String, SerializeError> {
    let lasted = Duration::try_from_secs_f64(report.duration_s).unwrap_or_default();
    let mut document = Report::new(format!("rehearsal {}", report.scenario));
    document.set_time(lasted);
    let has_suite = |subject: &str| match subject {
        "threshold" => true,
        "autoscaler" => report.autoscaler.assessment().is_some(),
        _ => false,
    };
    let told = report.findings.iter().filter(|finding| !has_suite(&finding.subject));
    let suites = [
        ("run", vec![verdict(report)]),
        ("thresholds", report.thresholds.iter().map(threshold).collect()),
        ("checks", report.checks.iter().map(check).collect()),
        ("autoscaler", autoscaler(&report.autoscaler)),
        ("findings", told.map(finding).collect()),
    ];
    for (name, cases) in suites {
        let mut suite = TestSuite::new(name);
        suite.set_time(lasted);
        suite.extra.insert("timestamp".into(), report.started_at.as_str().into());
        suite.add_properties(properties(report));
        let mut known: BTreeMap<String, u32> = BTreeMap::new();
        suite.add_test_cases(cases.into_iter().map(|mut case| {
            case.set_classname(format!("{}.{name}", report.scenario));
            let times = known.entry(case.name.as_str().to_owned()).or_default();
            *times += 1;
            if *times > 1 {
                case.name = format!("{} {times}", case.name.as_str()).into();
            }
            case
        }));
        document.add_test_suite(suite);
    }
    document.to_string()
}

fn properties(report: &RunReport) -> [Property; 4] {
    let property = |name: &str, value: &str| Property::new(name, value);
    [
        property("run_id", &report.run_id),
        property("scenario", &report.scenario),
        property("environment", &report.environment),
        property("verdict", verdict_word(report.verdict)),
    ]
}

pub(crate) fn verdict_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "fail",
        Verdict::Inconclusive => "inconclusive",
    }
}

fn verdict(report: &RunReport) -> TestCase {
    let mut status = match report.verdict {
        Verdict::Pass => TestCaseStatus::success(),
        Verdict::Fail => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Verdict::Inconclusive => TestCaseStatus::non_success(NonSuccessKind::Error),
    };
    let lines = report.findings.iter().map(|finding| format!("{}: {}", finding.subject, finding.text));
    status.set_type("verdict").set_message(format!("the run's verdict is {}", verdict_word(report.verdict)));
    status.set_description(lines.collect::<Vec<_>>().join("\n"));
    TestCase::new("verdict", status)
}

fn threshold(threshold: &ThresholdOutcome) -> TestCase {
    let measured = threshold.value_text();
    let (mut status, message) = match threshold.outcome {
        Outcome::Pass => (TestCaseStatus::success(), String::new()),
        Outcome::Fail => {
            let was = measured.as_deref().unwrap_or("unknown");
            (TestCaseStatus::non_success(NonSuccessKind::Failure), format!("it was {was}"))
        }
        Outcome::NoData => (TestCaseStatus::non_success(NonSuccessKind::Error), "there was no data".to_owned()),
    };
    status.set_type("threshold").set_description(format!("{}: {message}", threshold.text)).set_message(message);
    let mut case = TestCase::new(threshold.text.as_str(), status);
    if let Some(measured) = measured {
        case.set_system_out(format!("measured: {measured}"));
    }
    case
}

fn check(check: &CheckSummary) -> TestCase {
    let all = check.passed.saturating_add(check.failed);
    let mut status = if check.failed == 0 { TestCaseStatus::success() } else { TestCaseStatus::skipped() };
    let share = percent(check.passed as f64 / all.max(1) as f64);
    status.set_message(format!("yes {} times of {} ({share})", count(check.passed), count(all)));
    TestCase::new(check.name.as_str(), status)
}

fn autoscaler(row: &AutoscalerRow) -> Vec<TestCase> {
    let by_itself = |mut status: TestCaseStatus, message: &str| {
        status.set_message(message);
        TestCase::new("autoscaler", status)
    };
    let assessment = match row {
        AutoscalerRow::NotJudged { why } => {
            return vec![by_itself(TestCaseStatus::skipped(), &format!("not judged: {why}"))];
        }
        AutoscalerRow::Judged(assessment) => assessment,
    };
    let mut judged = by_itself(TestCaseStatus::success(), &outcome(assessment).1);
    let figures = supply(assessment).map(|[what, short, beyond]| format!("{what}: short {short}, beyond {beyond}"));
    let lines: Vec<String> = [basis(assessment)].into_iter().chain(figures).chain(steadiness(assessment)).collect();
    judged.set_system_out(lines.join("\n"));
    std::iter::once(judged).chain(assessment.findings.iter().map(scaler_finding)).collect()
}

fn scaler_finding(finding: &ScalerFinding) -> TestCase {
    let mut status = match finding.weight {
        Weight::Fail => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Weight::Doubt => TestCaseStatus::non_success(NonSuccessKind::Error),
        Weight::Tell => TestCaseStatus::success(),
    };
    status.set_type("finding").set_message(finding.text.as_str());
    let mut case = TestCase::new(finding.kind.name(), status);
    case.set_system_out(said(&finding.text, finding.from_s, finding.to_s));
    case
}

fn finding(finding: &Finding) -> TestCase {
    let mut status = match finding.severity {
        Severity::Error => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Severity::Warning => TestCaseStatus::skipped(),
        Severity::Info => TestCaseStatus::success(),
    };
    status.set_type("finding").set_message(finding.text.as_str());
    let mut case = TestCase::new(finding.subject.as_str(), status);
    case.set_system_out(said(&finding.text, finding.from_s, finding.to_s));
    case
}

/// A case that passed has no message, so its text stands here.
fn said(text: &str, from_s: f64, to_s: f64) -> String {
    format!("{text}\nfrom {from_s:.1} s to {to_s:.1} s")
}

#[cfg(test)]
mod tests {
    use rehearsal_verdict::elasticity::imaginary::Character;

    use super::*;
    use crate::example;

    #[test]
    fn the_file_is_the_golden_one() {
        example::compare("junit.xml", &junit(&example::report()).unwrap());
    }

    /// What the two attributes of the document say.
    fn red(report: &RunReport) -> (bool, bool) {
        let xml = junit(report).unwrap();
        let top = xml.lines().nth(1).unwrap();
        (!top.contains("failures=\"0\""), !top.contains("errors=\"0\""))
    }

    #[test]
    fn the_build_is_red_when_the_verdict_is_not_pass() {
        let mut report = example::report();
        assert_eq!(red(&report), (true, true), "a rule was broken, and another had no data");
        report.findings.retain(|finding| finding.severity != Severity::Error);
        report.thresholds.retain(|threshold| threshold.outcome == Outcome::Pass);
        report.verdict = Verdict::Pass;
        assert_eq!(red(&report), (false, false), "warnings and a check that said no");
        report.verdict = Verdict::Inconclusive;
        assert_eq!(red(&report), (false, true));
        report.verdict = Verdict::Fail;
        assert_eq!(red(&report), (true, false));
    }

    #[test]
    fn a_scaler_that_failed_makes_the_build_red_and_a_sound_one_does_not() {
        let mut report = example::report();
        report.findings.clear();
        report.thresholds.clear();
        report.verdict = Verdict::Pass;
        let mut with = |character| {
            report.autoscaler = AutoscalerRow::Judged(Box::new(example::assessment(character)));
            (red(&report), junit(&report).unwrap())
        };
        let (red, xml) = with(Character::Healthy);
        assert_eq!(red, (false, false));
        assert!(xml.contains("share of demand: short "), "{xml}");
        let (red, xml) = with(Character::Flapping);
        assert_eq!(red, (true, false));
        assert!(xml.contains("name=\"flapping\""), "{xml}");
    }

    #[test]
    fn text_of_the_system_under_test_stays_text() {
        let mut report = example::report();
        report.findings[0].subject = "a".to_owned();
        report.findings[0].text = "</testcase>&\u{1b}[31m\u{0}]]>".to_owned();
        let xml = junit(&report).unwrap();
        assert!(xml.contains("message=\"&lt;/testcase&gt;&amp;]]&gt;\""), "{xml}");
        assert!(!xml.contains(['\u{1b}', '\u{0}']));
    }
}
