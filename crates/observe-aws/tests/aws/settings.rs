//! What is wrong in an environment is told all at once.

use crate::amazon::sources_of;

fn check(environment: &str, expected: &[&str]) {
    let told = sources_of(environment).map(|_| ()).unwrap_err();
    assert_eq!(told, expected, "{environment}");
}

#[test]
fn each_adapter_tells_all_that_is_wrong_with_its_table() {
    check(
        "[autoscaler.supply]\nobserve = \"asg\"\nregion = 7\nendpoint = \"here\"\naccess_key = \"a\"\ngruop = \"web\"\ninstances = 3",
        &[
            "`autoscaler.supply.region` is not a text",
            "`autoscaler.supply.endpoint` is not a URL (hint: write it as in `http://scaler.example.com:9000`)",
            "`autoscaler.supply` has one of the keys `access_key` and `secret_key` without the other",
            "`autoscaler.supply` lacks the key `group`",
            "`autoscaler.supply.instances` is neither true nor false",
            "unknown key `autoscaler.supply.gruop` (hint: did you mean `group`?)",
        ],
    );
    check(
        "[autoscaler.supply]\nobserve = \"ecs\"\nservice = \"a\"\nfamily = \"b\"\nlimits = false",
        &[
            "`autoscaler.supply.limits` is not true (hint: leave it out for no)",
            "`autoscaler.supply` has not exactly one of the keys service, family, started_by, machines",
        ],
    );
    check(
        "[autoscaler.metrics.x]\nobserve = \"ecs\"\ncounts = \"cutoff\"",
        &["`autoscaler.metrics.x.counts` is not one of unstopped, cut_off (hint: did you mean `cut_off`?)"],
    );
    check(
        "[autoscaler.metrics.x]\nobserve = \"cloudwatch\"\nnamespace = \"\"\nstatistic = \"Averge\"\nperiod = \"1500ms\"\nunit = \"Percents\"\ndimensions = { A = 1 }",
        &[
            "`autoscaler.metrics.x.namespace` is empty",
            "`autoscaler.metrics.x` lacks the key `metric`",
            "`autoscaler.metrics.x.dimensions` has `A`, which is not a text",
            "`autoscaler.metrics.x.statistic` is not one of Average, Sum, Minimum, Maximum, SampleCount, nor like `p99` (hint: did you mean `Average`?)",
            "`autoscaler.metrics.x.period` is not a number of whole seconds",
            "`autoscaler.metrics.x.unit` is no unit of CloudWatch (hint: did you mean `Percent`?)",
        ],
    );
    check(
        "[autoscaler.metrics.x]\nobserve = \"sqs\"\nqueue = \"jobs\"\ncounts = [\"visble\"]",
        &[
            "`autoscaler.metrics.x.queue` is not a URL (hint: write it as in `http://scaler.example.com:9000`)",
            "`autoscaler.metrics.x.counts` has `visble`, which is not one of visible, not_visible, delayed (hint: did you mean `visible`?)",
        ],
    );
    check(
        "[autoscaler.supply]\nobserve = \"sqs\"",
        &["`autoscaler.supply.observe` names an observer that does not tell supply (hint: it tells metrics)"],
    );
}
