//! The form that an assessment has in files and on screens.

use super::*;

#[test]
fn a_file_has_a_key_for_every_figure() {
    let mut plan = expected(40);
    plan.keep.clear();
    let assessment = assess(&plan, &calm());
    let json = serde_json::to_value(&assessment).unwrap();
    let is_listed = |name: &String| {
        name == "tick_s" || rehearsal_plan::catalogue::AUTOSCALER_FIGURES.iter().any(|(listed, _)| listed == name)
    };
    assert!(assessment.figures.keys().all(is_listed), "thresholds must know {:?}", assessment.figures.keys());
    assert_eq!(json["observed"], true);
    assert_eq!(json["capacity"], serde_json::json!({ "of": "users", "per_instance": 500.0 }));
    assert_eq!((&json["errors_while_draining"], &json["reversals"]), (&serde_json::Value::Null, &0.0.into()));
    assert_eq!(json["series"]["ready"], serde_json::json!([[0.0, 2.0], [150.0, 4.0]]));
    assert_eq!((json["steps"][0]["direction"].as_str(), json["steps"][0]["to"].as_f64()), (Some("up"), Some(4.0)));
    let close = |name: &str, value: f64| assert!((json[name].as_f64().unwrap() - value).abs() < 1e-9, "{name}");
    close("under_accuracy", 2.0 * 50.0 / 600.0);
    close("under_accuracy_relative", 100.0 * 0.5 * 50.0 / 600.0);
    close("under_share", 100.0 * 50.0 / 600.0);
    close("observed_share", 100.0);
    close("jitter", 0.0);
    assert_eq!(serde_json::from_value::<Assessment>(json).unwrap(), assessment);
}

#[test]
fn a_file_has_what_a_picture_needs() {
    let mut seen = calm();
    seen.load = Series::new(vec![(0.0, Some(900.0)), (1.0, Some(900.0)), (2.0, None), (100.0, Some(1900.0))], 999.0);
    seen.activities = vec![Activity { at_s: 400.0, change: -1 }, Activity { at_s: 117.0, change: 2 }];
    during(&mut seen.ready, 120.0, 400.0, Some(2.0));
    let assessment = assess(&expected(40), &seen);
    let json = serde_json::to_value(&assessment).unwrap();
    let slow = serde_json::json!({
        "weight": "fail", "kind": "slow", "text": assessment.findings[0].text, "from_s": 100.0, "to_s": 400.0,
    });
    let rows = [
        ("from_s", serde_json::json!(0.0)),
        ("to_s", serde_json::json!(600.0)),
        ("bounds", serde_json::json!({ "at_least": 2, "at_most": 40 })),
        ("load", serde_json::json!([[0.0, 900.0], [2.0, null], [100.0, 1900.0]])),
        ("activities", serde_json::json!([[117.0, 2], [400.0, -1]])),
    ];
    for (key, expected) in rows {
        assert_eq!(json[key], expected, "{key}");
    }
    assert_eq!(json["findings"][0], slow);
    assert_eq!(serde_json::from_value::<Assessment>(json).unwrap(), assessment);
}

#[test]
fn a_screen_that_missed_something_is_given_that() {
    let mut seen = calm();
    seen.load = Series::new(vec![(0.0, Some(900.0)), (100.0, Some(1900.0))], 600.0);
    during(&mut seen.ready, 300.0, 310.0, None);
    let whole = assess(&expected(40), &seen);
    let cut = whole.since(200.0);
    assert_eq!(cut.series["demand"], [(200.0, Some(4.0))], "what holds at that instant");
    assert_eq!(cut.series["ready"], [(200.0, Some(4.0)), (300.0, None), (310.0, Some(4.0))]);
    assert_eq!(cut.load, [(200.0, Some(1900.0))]);
    assert_eq!((&cut.steps, &cut.findings), (&whole.steps, &whole.findings));
    assert_eq!(whole.since(0.0), whole);
    assert_eq!(whole.since(300.0).series["ready"], [(300.0, None), (310.0, Some(4.0))], "missing is missing");
}

#[test]
fn files_from_before_there_was_a_picture_are_read() {
    let assessment = assess(&expected(40), &calm());
    let mut json = serde_json::to_value(&assessment).unwrap();
    for key in ["from_s", "to_s", "bounds", "load", "activities", "findings"] {
        json.as_object_mut().unwrap().remove(key);
    }
    let old = serde_json::from_value::<Assessment>(json).unwrap();
    assert_eq!((old.figures, old.series), (assessment.figures, assessment.series));
}
