//! The rights that launching takes, and no others, as a policy of Amazon's IAM.
//!
//! Three ideas are in it: whatever is made must carry our tag, only what carries it may be ended, and no role is ever
//! passed on. Agents have no rights at all, so a stolen one spends nothing.

use serde_json::{Value, json};

use crate::tags::APP;

/// What is only looked at. None of these actions can be limited to single things.
const READ: [&str; 13] = [
    "ec2:DescribeRegions",
    "ec2:DescribeVpcs",
    "ec2:DescribeSubnets",
    "ec2:DescribeInstanceTypeOfferings",
    "ec2:DescribeSpotPriceHistory",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeLaunchTemplates",
    "ec2:DescribeInstances",
    "ec2:DescribeFleets",
    "ec2:DescribeImages",
    "ec2:DescribeTags",
    "servicequotas:GetServiceQuota",
    "ssm:GetParameters",
];

/// The rights that a launch takes.
#[must_use]
pub fn policy() -> Value {
    let (key, value) = APP;
    let requested = json!({"StringEquals": {format!("aws:RequestTag/{key}"): value}});
    let owned = json!({"StringEquals": {format!("aws:ResourceTag/{key}"): value}});
    let all = |kinds: &[&str]| -> Value { kinds.iter().map(|kind| format!("arn:*:ec2:*:*:{kind}/*")).collect() };
    let creating = ["CreateFleet", "RunInstances", "CreateLaunchTemplate", "CreateSecurityGroup"];
    json!({
        "Version": "2012-10-17",
        "Statement": [
            {"Sid": "Look", "Effect": "Allow", "Action": READ, "Resource": "*"},
            {
                "Sid": "MakeOnlyWhatIsTagged",
                "Effect": "Allow",
                "Action": ["ec2:CreateFleet", "ec2:RunInstances", "ec2:CreateLaunchTemplate", "ec2:CreateSecurityGroup"],
                "Resource": all(&["fleet", "instance", "volume", "network-interface", "launch-template", "security-group"]),
                "Condition": requested,
            },
            {
                "Sid": "MakeItFromWhatIsThere",
                "Effect": "Allow",
                "Action": ["ec2:CreateFleet", "ec2:RunInstances", "ec2:CreateSecurityGroup"],
                "Resource": all(&[
                    "image", "snapshot", "subnet", "vpc", "security-group", "launch-template", "spot-instances-request",
                ]),
            },
            {
                "Sid": "TagWhatIsMade",
                "Effect": "Allow",
                "Action": "ec2:CreateTags",
                "Resource": "*",
                "Condition": {"StringEquals": {"ec2:CreateAction": creating}},
            },
            {
                "Sid": "EndOnlyWhatIsTagged",
                "Effect": "Allow",
                "Action": [
                    "ec2:TerminateInstances", "ec2:DeleteFleets", "ec2:DeleteLaunchTemplate", "ec2:DeleteSecurityGroup",
                ],
                "Resource": "*",
                "Condition": owned,
            },
            {
                "Sid": "OpenOnlyWhatIsTagged",
                "Effect": "Allow",
                "Action": "ec2:AuthorizeSecurityGroupIngress",
                "Resource": all(&["security-group"]),
                "Condition": owned,
            },
            {
                "Sid": "LookForTheRoleOfSpot",
                "Effect": "Allow",
                "Action": "iam:GetRole",
                "Resource": "arn:*:iam::*:role/aws-service-role/spot.amazonaws.com/AWSServiceRoleForEC2Spot",
            },
            {
                "Sid": "MakeTheRolesOfSpotOnce",
                "Effect": "Allow",
                "Action": "iam:CreateServiceLinkedRole",
                "Resource": "*",
                "Condition": {
                    "StringEquals": {"iam:AWSServiceName": ["spot.amazonaws.com", "ec2fleet.amazonaws.com"]},
                },
            },
        ],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::Action;

    fn statements() -> Vec<Value> {
        policy()["Statement"].as_array().cloned().unwrap_or_default()
    }

    fn actions(statement: &Value) -> Vec<String> {
        let text = |action: &Value| action.as_str().unwrap_or_default().to_owned();
        match &statement["Action"] {
            Value::Array(actions) => actions.iter().map(text).collect(),
            one => vec![text(one)],
        }
    }

    #[test]
    fn whatever_is_done_is_allowed_and_nothing_wholesale() {
        let allowed: Vec<String> = statements().iter().flat_map(actions).collect();
        let ending = Action::Terminate("i-1".into());
        for action in Action::OF_A_LAUNCH.iter().chain([&ending]) {
            assert!(allowed.contains(&format!("ec2:{}", action.name())), "{}", action.name());
        }
        // Those for which there is no dry run of ours.
        let others = ["ec2:AuthorizeSecurityGroupIngress", "servicequotas:GetServiceQuota", "iam:GetRole"];
        assert!(others.iter().all(|other| allowed.contains(&(*other).to_owned())), "{allowed:?}");
        assert!(allowed.iter().all(|action| !action.contains('*')), "{allowed:?}");
        assert!(!allowed.iter().any(|action| action.contains("PassRole")), "{allowed:?}");
        // What it tells about must fit a managed policy: 6,144 characters without white space.
        assert!(policy().to_string().len() < 6_144);
    }

    #[test]
    fn what_changes_anything_has_a_condition_or_is_only_used() {
        for statement in statements() {
            let reads =
                actions(&statement).iter().all(|action| action.contains(":Describe") || action.contains(":Get"));
            let uses = statement["Sid"] == "MakeItFromWhatIsThere";
            assert!(reads || uses || statement["Condition"].is_object(), "{statement}");
            if uses {
                let made = ["instance/", "fleet/", "volume/", "network-interface/"];
                let resources = statement["Resource"].to_string();
                assert!(!made.iter().any(|made| resources.contains(&format!(":{made}"))), "{resources}");
            }
        }
    }
}
