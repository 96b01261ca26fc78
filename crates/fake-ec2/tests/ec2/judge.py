"""Amazon's own client for Python judges the fake EC2: it knows the model of the service, and nothing of us.

Arguments: the URL of a fake of the regions us-east-1 and eu-west-1, whose instances are not run. Prints `ok NAME` for
each question that found nothing wrong. Every answer is held against the model besides: an element that the model does
not have is a mistake, though the client itself would pass over it.
"""

import base64
import datetime
import json
import sys
import time
import urllib.request
import xml.etree.ElementTree as tree

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

URL = sys.argv[1]
HOME, AWAY = "us-east-1", "eu-west-1"
IMAGE = "resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64"
judged = set()


def plain(element):
    return element.tag.rpartition("}")[2]


def known(shape, element, place):
    """Sees that everything in an answer is in the model."""
    if shape.type_name == "structure":
        members = {member.serialization.get("name", name): member for name, member in shape.members.items()}
        for child in element:
            name = plain(child)
            assert name in members, f"{place} has no {name}, but {sorted(members)}"
            known(members[name], child, f"{place}.{name}")
    elif shape.type_name == "list":
        item = shape.member.serialization.get("name", "item")
        for child in element:
            assert plain(child) == item, f"{place} has a {plain(child)} among its {item}s"
            known(shape.member, child, place)
    else:
        assert len(element) == 0, f"{place} is a {shape.type_name} with parts"


def known_json(shape, value, place):
    """The same for an answer in JSON."""
    if shape.type_name == "structure":
        assert isinstance(value, dict), f"{place} is no structure"
        for name, part in value.items():
            assert name in shape.members, f"{place} has no {name}, but {sorted(shape.members)}"
            known_json(shape.members[name], part, f"{place}.{name}")
    else:
        kinds = {"string": str, "boolean": bool, "double": float}
        assert isinstance(value, kinds[shape.type_name]), f"{place} is no {shape.type_name}"


def body_of(root, operation_model):
    """What is asked for in an answer in XML, without what every answer has."""
    assert plain(root) == operation_model.name + "Response", root.tag
    wrapper = (operation_model.output_shape.serialization if operation_model.output_shape else {}).get("resultWrapper")
    if wrapper:
        assert [plain(child) for child in root] == [wrapper, "ResponseMetadata"], [child.tag for child in root]
        return root[0]
    assert [plain(child) for child in root].count("requestId") == 1
    for child in [child for child in root if plain(child) == "requestId"]:
        root.remove(child)
    return root


def judge(operation_model, response_dict, **_):
    if response_dict["status_code"] == 200:
        shape = operation_model.output_shape
        if "json" in response_dict["headers"]["content-type"]:
            known_json(shape, json.loads(response_dict["body"]), operation_model.name)
        else:
            body = body_of(tree.fromstring(response_dict["body"]), operation_model)
            if shape is not None:
                known(shape, body, operation_model.name)
        judged.add(operation_model.name)


def client(region, service="ec2", **options):
    config = Config(retries={"total_max_attempts": 1}, **options)
    keys = {"aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "secret"}
    made = boto3.client(service, region_name=region, endpoint_url=URL, config=config, **keys)
    made.meta.events.register(f"before-parse.{service}.*", judge)
    return made


home, away = client(HOME), client(AWAY)


def change(patch):
    data = json.dumps(patch).encode()
    headers = {"Content-Type": "application/json"}
    urllib.request.urlopen(urllib.request.Request(URL + "/fake/world", data, headers, method="PATCH")).read()


def refused(call, **parameters):
    try:
        call(**parameters)
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
    raise AssertionError("it was not refused")


def tags(kind, **pairs):
    return [{"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in pairs.items()]}]


def fleet(where=home, target=4, **more):
    overrides = [
        {"InstanceType": kind, "AvailabilityZone": where.meta.region_name + letter, "WeightedCapacity": vcpus}
        for kind, vcpus in (("c7g.large", 2), ("c6g.xlarge", 4))
        for letter in "ab"
    ]
    specification = {"LaunchTemplateName": "agents", "Version": "$Latest"}
    asked = {
        "Type": "instant",
        "LaunchTemplateConfigs": [{"LaunchTemplateSpecification": specification, "Overrides": overrides}],
        "TargetCapacitySpecification": {"TotalTargetCapacity": target, "DefaultTargetCapacityType": "spot"},
        "SpotOptions": {"AllocationStrategy": "price-capacity-optimized"},
        "TagSpecifications": tags("instance", run="7", app="rehearsal") + tags("fleet", run="7"),
    }
    return where.create_fleet(**{**asked, **more})


def template(where):
    data = {
        "ImageId": IMAGE,
        "UserData": base64.b64encode(b"#!/bin/sh\n").decode(),
        "InstanceInitiatedShutdownBehavior": "terminate",
        "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 1, "HttpEndpoint": "enabled"},
    }
    made = where.create_launch_template(
        LaunchTemplateName="agents", LaunchTemplateData=data, TagSpecifications=tags("launch-template", app="rehearsal")
    )
    return made["LaunchTemplate"]


def ids(made):
    return [id for entry in made["Instances"] for id in entry["InstanceIds"]]


def alive(where=home, **filters):
    asked = [{"Name": "instance-state-name", "Values": ["pending", "running"]}]
    asked += [{"Name": name, "Values": [value]} for name, value in filters.items()]
    pages = where.get_paginator("describe_instances").paginate(Filters=asked, PaginationConfig={"PageSize": 5})
    return [instance for page in pages for entry in page["Reservations"] for instance in entry["Instances"]]


def places():
    regions = home.describe_regions()["Regions"]
    assert [region["RegionName"] for region in regions] == [AWAY, HOME], regions
    zones = away.describe_availability_zones(Filters=[{"Name": "state", "Values": ["available"]}])["AvailabilityZones"]
    assert [(zone["ZoneName"], zone["ZoneId"]) for zone in zones][0] == ("eu-west-1a", "euw1-az1"), zones
    (vpc,) = home.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    subnets = home.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc["VpcId"]]}])["Subnets"]
    assert len(subnets) == 3 and all(subnet["DefaultForAz"] for subnet in subnets), subnets
    images = home.describe_images(Owners=["amazon"], Filters=[{"Name": "architecture", "Values": ["arm64"]}])["Images"]
    assert [image["Architecture"] for image in images] == ["arm64"], images


def types():
    (found,) = home.describe_instance_types(InstanceTypes=["c7g.xlarge"])["InstanceTypes"]
    assert (found["VCpuInfo"]["DefaultVCpus"], found["MemoryInfo"]["SizeInMiB"]) == (4, 8192), found
    assert found["ProcessorInfo"]["SupportedArchitectures"] == ["arm64"]
    assert refused(home.describe_instance_types, InstanceTypes=["z9.huge"])[0] == "InvalidInstanceType"
    pages = home.get_paginator("describe_instance_type_offerings").paginate(
        LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": ["c7g.*"]}]
    )
    assert len([offer for page in pages for offer in page["InstanceTypeOfferings"]]) == 9


def prices():
    asked = {
        "InstanceTypes": ["c7g.large", "c7a.large"],
        "ProductDescriptions": ["Linux/UNIX", "Linux/UNIX (Amazon VPC)"],
        "StartTime": datetime.datetime.now(datetime.timezone.utc),
    }
    found = home.describe_spot_price_history(**asked)["SpotPriceHistory"]
    cheapest = min(found, key=lambda price: float(price["SpotPrice"]))
    assert (len(found), cheapest["InstanceType"]) == (6, "c7g.large"), found
    assert isinstance(cheapest["Timestamp"], datetime.datetime)
    scores = home.get_spot_placement_scores(
        InstanceTypes=["c7g.large"], TargetCapacity=9, SingleAvailabilityZone=False, RegionNames=[HOME, AWAY]
    )["SpotPlacementScores"]
    assert {score["Region"]: score["Score"] for score in scores} == {HOME: 9, AWAY: 9}, scores


def groups():
    made = home.create_security_group(
        GroupName="agents", Description="agents", TagSpecifications=tags("security-group", app="rehearsal")
    )
    asked = {"GroupName": "agents", "Description": "agents"}
    assert refused(home.create_security_group, **asked) == ("InvalidGroup.Duplicate", 400)
    (found,) = home.describe_security_groups(Filters=[{"Name": "tag:app", "Values": ["rehearsal"]}])["SecurityGroups"]
    assert (found["GroupId"], found["IpPermissions"]) == (made["GroupId"], []), found
    assert found["IpPermissionsEgress"][0]["IpRanges"] == [{"CidrIp": "0.0.0.0/0"}], found
    assert away.describe_security_groups(GroupNames=["default"])["SecurityGroups"], "every VPC has one"
    rule = {"IpProtocol": "tcp", "FromPort": 7443, "ToPort": 7443, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    opened = home.authorize_security_group_ingress(GroupId=made["GroupId"], IpPermissions=[rule])
    (told,) = opened["SecurityGroupRules"]
    assert opened["Return"] and (told["FromPort"], told["CidrIpv4"], told["IsEgress"]) == (7443, "0.0.0.0/0", False), told
    again = refused(home.authorize_security_group_ingress, GroupId=made["GroupId"], IpPermissions=[rule])
    assert again == ("InvalidPermission.Duplicate", 400), again
    (found,) = home.describe_security_groups(GroupIds=[made["GroupId"]])["SecurityGroups"]
    (told,) = found["IpPermissions"]
    assert {name: told[name] for name in rule} == rule, told
    home.delete_security_group(GroupId=made["GroupId"])
    assert refused(home.delete_security_group, GroupId=made["GroupId"])[0] == "InvalidGroup.NotFound"


def templates():
    made = template(home)
    template(away)
    (found,) = home.describe_launch_templates(LaunchTemplateNames=["agents"])["LaunchTemplates"]
    assert found["LaunchTemplateId"] == made["LaunchTemplateId"] and found["LatestVersionNumber"] == 1, found
    again = {"LaunchTemplateName": "agents", "LaunchTemplateData": {"ImageId": IMAGE}}
    taken = refused(home.create_launch_template, **again)
    assert taken[0] == "InvalidLaunchTemplateName.AlreadyExistsException", taken
    unknown = refused(home.describe_launch_templates, LaunchTemplateNames=["none"])
    assert unknown[0] == "InvalidLaunchTemplateName.NotFoundException", unknown
    deleted = away.delete_launch_template(LaunchTemplateName="agents")["LaunchTemplate"]
    assert deleted["LaunchTemplateName"] == "agents"
    template(away)


def fleets():
    made = fleet(target=10, ClientToken="one")
    assert made["Errors"] == [] and made["FleetId"].startswith("fleet-"), made
    started = alive(**{"tag:run": "7"})
    assert sorted(instance["InstanceId"] for instance in started) == sorted(ids(made))
    for entry in made["Instances"]:
        assert entry["Lifecycle"] == "spot" and entry["LaunchTemplateAndOverrides"]["Overrides"]["InstanceType"]
    instance = started[0]
    assert instance["InstanceLifecycle"] == "spot" and instance["PublicIpAddress"] == "127.0.0.1", instance
    assert {"Key": "aws:ec2:fleet-id", "Value": made["FleetId"]} in instance["Tags"], instance["Tags"]
    assert alive(away) == [], "regions know nothing of each other"
    assert fleet(target=10, ClientToken="one")["FleetId"] == made["FleetId"]
    assert refused(fleet, target=11, ClientToken="one") == ("IdempotentParameterMismatch", 400)
    assert home.describe_fleets()["Fleets"] == [], "instant fleets are only told of by name"
    asked = [{"Name": "resource-type", "Values": ["fleet"]}, {"Name": "tag:run", "Values": ["7"]}]
    (tag,) = home.describe_tags(Filters=asked)["Tags"]
    assert (tag["ResourceId"], tag["Key"], tag["Value"]) == (made["FleetId"], "run", "7"), tag
    (found,) = home.describe_fleets(FleetIds=[made["FleetId"]])["Fleets"]
    assert (found["Type"], found["FleetState"], found["FulfilledCapacity"]) == ("instant", "active", 10.0), found
    assert sorted(ids(found)) == sorted(ids(made))
    deleted = home.delete_fleets(FleetIds=[made["FleetId"], "fleet-0"], TerminateInstances=True)
    assert deleted["SuccessfulFleetDeletions"][0]["CurrentFleetState"] == "deleted_terminating", deleted
    assert deleted["UnsuccessfulFleetDeletions"][0]["Error"]["Code"] == "fleetIdDoesNotExist", deleted
    assert alive() == []
    assert home.describe_tags(Filters=asked)["Tags"] == [], "it is deleted"


def shortages():
    pools = {kind: {"a": {"capacity": 1}, "b": {"capacity": 0}} for kind in ("c7g.large", "c6g.xlarge")}
    change({"regions": {AWAY: {"pools": pools, "spot_vcpus": 5}}})
    made = fleet(away, target=20)
    assert len(ids(made)) == 1, made
    codes = {error["ErrorCode"] for error in made["Errors"]}
    assert codes == {"InsufficientInstanceCapacity", "MaxSpotInstanceCountExceeded"}, codes
    assert made["Errors"][0]["LaunchTemplateAndOverrides"]["Overrides"]["AvailabilityZone"].startswith(AWAY)
    both = {"TotalTargetCapacity": 4, "OnDemandTargetCapacity": 2, "DefaultTargetCapacityType": "spot"}
    made = fleet(home, TargetCapacitySpecification=both, OnDemandOptions={"AllocationStrategy": "lowest-price"})
    assert {entry["Lifecycle"] for entry in made["Instances"]} == {"spot", "on-demand"}, made


def ending():
    made = fleet(target=24)
    listed = ids(made)
    home.create_tags(Resources=listed[:1], Tags=[{"Key": "spare", "Value": "yes"}])
    assert [instance["InstanceId"] for instance in alive(**{"tag:spare": "yes"})] == listed[:1]
    unknown = refused(home.terminate_instances, InstanceIds=listed + ["i-0123456789abcdef0"])
    assert unknown == ("InvalidInstanceID.NotFound", 400), unknown
    changes = home.terminate_instances(InstanceIds=listed)["TerminatingInstances"]
    assert {change["CurrentState"]["Name"] for change in changes} == {"shutting-down"}, changes
    home.get_waiter("instance_terminated").wait(InstanceIds=listed, WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    (entry,) = home.describe_instances(InstanceIds=listed[:1])["Reservations"]
    assert entry["Instances"][0]["StateReason"]["Code"] == "Client.UserInitiatedShutdown", entry


def single():
    asked = {
        "ImageId": IMAGE,
        "InstanceType": "c7g.large",
        "MinCount": 2,
        "MaxCount": 2,
        "InstanceMarketOptions": {"MarketType": "spot", "SpotOptions": {"SpotInstanceType": "one-time"}},
        "TagSpecifications": tags("instance", run="8"),
        "UserData": "#!/bin/sh\n",
    }
    made = home.run_instances(**asked, ClientToken="run")
    again = home.run_instances(**asked, ClientToken="run")
    both = [[instance["InstanceId"] for instance in answer["Instances"]] for answer in (made, again)]
    assert both[0] == both[1] and len(both[0]) == 2, both
    assert [tag["Value"] for tag in made["Instances"][0]["Tags"]] == ["8"], made
    assert len(alive(**{"tag:run": "8"})) == 2
    home.terminate_instances(InstanceIds=both[0])
    wrong = refused(home.run_instances, **{**asked, "InstanceType": "c7a.large"})
    assert wrong[0] == "InvalidParameterValue", wrong


def permissions():
    assert refused(home.run_instances, MinCount=1, MaxCount=1, DryRun=True) == ("DryRunOperation", 412)
    assert refused(fleet, DryRun=True) == ("DryRunOperation", 412)
    change({"denied": ["CreateFleet"]})
    assert refused(fleet, DryRun=True) == ("UnauthorizedOperation", 403)
    change({"denied": [], "regions": {AWAY: {"credentials": False}}})
    assert refused(away.describe_instances) == ("AuthFailure", 401)
    change({"regions": {AWAY: {"credentials": True, "default_vpc": False}}})
    assert refused(fleet, where=away) == ("VPCIdNotSpecified", 400)


def others():
    """Service Quotas and IAM, on the same URL."""
    change({"denied": [], "service_linked_role": True, "regions": {HOME: {"spot_vcpus": 5}}})
    quotas, roles = client(HOME, "service-quotas"), client(HOME, "iam")
    spot = {"ServiceCode": "ec2", "QuotaCode": "L-34B43A08"}
    told = quotas.get_service_quota(**spot)["Quota"]
    assert (told["Value"], told["QuotaCode"], told["GlobalQuota"]) == (5.0, "L-34B43A08", False), told
    on_demand = quotas.get_service_quota(ServiceCode="ec2", QuotaCode="L-1216C47A")["Quota"]
    assert on_demand["Value"] > 1000, on_demand
    unknown = refused(quotas.get_service_quota, ServiceCode="ec2", QuotaCode="L-00000000")
    assert unknown == ("NoSuchResourceException", 400), unknown
    asked = {"RoleName": "AWSServiceRoleForEC2Spot"}
    role = roles.get_role(**asked)["Role"]
    assert role["Path"] == "/aws-service-role/spot.amazonaws.com/" and role["Arn"].endswith(asked["RoleName"]), role
    assert role["AssumeRolePolicyDocument"]["Statement"][0]["Action"] == "sts:AssumeRole", role
    assert isinstance(role["CreateDate"], datetime.datetime)
    assert refused(roles.get_role, RoleName="other") == ("NoSuchEntity", 404)
    change({"service_linked_role": False})
    assert refused(roles.get_role, **asked) == ("NoSuchEntity", 404)
    change({"denied": ["GetRole", "GetServiceQuota"]})
    assert refused(roles.get_role, **asked) == ("AccessDenied", 403)
    assert refused(quotas.get_service_quota, **spot) == ("AccessDeniedException", 400)
    change({"denied": [], "service_linked_role": True, "access_keys": ["somebody"]})
    assert refused(roles.get_role, **asked) == ("InvalidClientTokenId", 403)
    assert refused(quotas.get_service_quota, **spot) == ("UnrecognizedClientException", 400)
    change({"access_keys": [], "regions": {HOME: {"spot_vcpus": None}}})


def retries():
    """The client's own retries take throttling for what it is."""
    change({"throttle": {"DescribeVpcs": {"burst": 1, "per_second": 1}}})
    home.describe_vpcs()
    assert refused(home.describe_vpcs) == ("RequestLimitExceeded", 503)
    patient = boto3.client(
        "ec2", region_name=HOME, endpoint_url=URL, aws_access_key_id="a", aws_secret_access_key="b",
        config=Config(retries={"mode": "standard", "total_max_attempts": 8}),
    )  # fmt: skip
    answers = [patient.describe_vpcs()["ResponseMetadata"]["RetryAttempts"] for _ in range(2)]
    assert sum(answers) > 0, answers
    change({"throttle": {"DescribeVpcs": None}})


questions = (
    places, types, prices, groups, templates, fleets, shortages, ending, single, permissions, others, retries
)  # fmt: skip
for question in questions:
    began = time.monotonic()
    question()
    print("ok", question.__name__, f"{time.monotonic() - began:.1f} s")

for operation in (
    "AuthorizeSecurityGroupIngress CreateFleet CreateLaunchTemplate CreateSecurityGroup CreateTags DeleteFleets "
    "DeleteLaunchTemplate DeleteSecurityGroup DescribeAvailabilityZones DescribeFleets DescribeImages DescribeInstances "
    "DescribeInstanceTypeOfferings DescribeInstanceTypes DescribeLaunchTemplates DescribeRegions "
    "DescribeSecurityGroups DescribeSpotPriceHistory DescribeSubnets DescribeTags DescribeVpcs GetRole "
    "GetServiceQuota GetSpotPlacementScores RunInstances TerminateInstances"
).split():
    assert operation in judged, f"{operation} was never answered"
print("ok every action", len(judged))
