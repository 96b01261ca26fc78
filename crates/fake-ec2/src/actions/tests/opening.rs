//! Groups that let something in, and what services beside EC2 tell.

use super::*;

/// A rule that is there already is refused, and with it all that came with it.
#[test]
fn groups_are_opened_once() {
    let mut stand = Stand::new(json!({}));
    stand.call("CreateSecurityGroup", "GroupName=g&GroupDescription=d").unwrap();
    let group = stand.account.holdings["us-east-1"].groups.keys().next().unwrap().clone();
    let rule = |number: u32, port: u32, range: &str| {
        let place = format!("IpPermissions.{number}");
        format!(
            "&{place}.IpProtocol=tcp&{place}.FromPort={port}&{place}.ToPort={port}&{place}.IpRanges.1.CidrIp={range}"
        )
    };
    let mut code =
        |rules: &[String]| stand.code("AuthorizeSecurityGroupIngress", &format!("GroupId={group}{}", rules.concat()));
    let anywhere = "0.0.0.0/0";
    assert_eq!(code(&[rule(1, 7443, anywhere)]), "ok");
    assert_eq!(code(&[rule(1, 7444, anywhere), rule(2, 7443, anywhere)]), "InvalidPermission.Duplicate");
    for (rules, expected) in [
        (vec![rule(1, 7443, "10.0.0.0/8")], "ok"),
        (vec![rule(1, 70_000, anywhere)], "InvalidParameterValue"),
        (vec![rule(1, 7445, "everywhere")], "InvalidParameterValue"),
        (vec![rule(1, 7445, anywhere).replace("tcp", "icmp")], "UnsupportedOperation"),
        (vec![], "MissingParameter"),
    ] {
        assert_eq!(code(&rules), expected, "{rules:?}");
    }
    let nobody = format!("GroupId=sg-0{}", rule(1, 7443, anywhere));
    assert_eq!(stand.code("AuthorizeSecurityGroupIngress", &nobody), "InvalidGroup.NotFound");
    let told = stand.call("DescribeSecurityGroups", &format!("GroupId.1={group}")).unwrap();
    let rules = list(part(&list(part(&told, "securityGroupInfo"))[0], "ipPermissions")).len();
    assert_eq!(rules, 2);
}

#[test]
fn what_ec2_does_not_tell_others_do() {
    let world = json!({ "service_linked_role": false, "regions": { "us-east-1": { "spot_vcpus": 5 } } });
    let mut stand = Stand::new(world);
    let mut ask = |service: &str, region: &str, action: &str, fields: serde_json::Value| {
        let signed = format!("Credential=K/20261122/{region}/{service}/aws4_request");
        let form = format!("Action={action}&RoleName={}", fields["RoleName"].as_str().unwrap_or_default());
        let body = if service == "iam" { form } else { fields.to_string() };
        let call = Call::read(Some(&signed), Some(&format!("X.{action}")), body.as_bytes()).unwrap();
        match stand.account.admit(&call, stand.now).then {
            Then::Act => stand.account.act(&call, stand.now).map_err(|refusal| refusal.code),
            other => panic!("{other:?}"),
        }
    };
    let quota = |code: &str| json!({ "ServiceCode": "ec2", "QuotaCode": code });
    let told = ask("servicequotas", "us-east-1", "GetServiceQuota", quota("L-34B43A08")).unwrap();
    assert_eq!(*part(part(&told, "Quota"), "Value"), Shape::Number(5.0));
    let told = ask("servicequotas", "us-east-1", "GetServiceQuota", quota("L-1216C47A")).unwrap();
    assert_eq!(*part(part(&told, "Quota"), "Value"), Shape::Number(1_000_000.0), "where nothing is set");
    let unknown = ask("servicequotas", "us-east-1", "GetServiceQuota", quota("L-0"));
    assert_eq!(unknown.unwrap_err(), "NoSuchResourceException");
    assert_eq!(ask("servicequotas", "us-east-1", "DescribeVpcs", json!({})).unwrap_err(), "UnknownOperationException");
    // Whatever region it is signed for: this world has no such one.
    let role = json!({ "RoleName": "AWSServiceRoleForEC2Spot" });
    assert_eq!(ask("iam", "mars-1", "GetRole", role).unwrap_err(), "NoSuchEntity");
}
