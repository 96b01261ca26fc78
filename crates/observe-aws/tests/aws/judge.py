"""Asks a fake Amazon everything that it answers, with Amazon's own client, and checks what comes back.

The client parses answers by Amazon's published models, and raises what is refused by its published name.
"""

import sys
from datetime import datetime, timedelta, timezone

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, ReadTimeoutError

URL = sys.argv[1]
# Second 0 of the timeline, which is held at second 60.
EPOCH = datetime.fromtimestamp(1_800_000_000, timezone.utc)


def client(service):
    keys = {"aws_access_key_id": "judge", "aws_secret_access_key": "judge"}
    config = Config(retries={"total_max_attempts": 1}, read_timeout=2, proxies={})
    return boto3.client(service, endpoint_url=URL, region_name="ap-northeast-1", config=config, **keys)


def equal(found, expected):
    assert found == expected, f"{found!r} is not {expected!r}"


def auto_scaling():
    asg = client("autoscaling")
    pages = asg.get_paginator("describe_auto_scaling_groups").paginate()
    groups = {group["AutoScalingGroupName"]: group for page in pages for group in page["AutoScalingGroups"]}
    equal(sorted(groups), ["other", "web"])
    web = groups["web"]
    equal((web["MinSize"], web["MaxSize"], web["DesiredCapacity"]), (1, 10, 5))
    states = {i["InstanceId"]: (i["LifecycleState"], i["HealthStatus"]) for i in web["Instances"]}
    equal(states["i-2"], ("InService", "Unhealthy"))
    assert "i-4" not in states, states
    alone = asg.describe_auto_scaling_groups(AutoScalingGroupNames=["web"], IncludeInstances=False)
    equal(alone["AutoScalingGroups"][0]["Instances"], [])
    equal(asg.describe_auto_scaling_groups(AutoScalingGroupNames=["gone"])["AutoScalingGroups"], [])
    since = [{"Name": "StartTimeLowerBound", "Values": [EPOCH.strftime("%Y-%m-%dT%H:%M:%SZ")]}]
    pages = asg.get_paginator("describe_scaling_activities").paginate(AutoScalingGroupName="web", Filters=since)
    activities = [activity for page in pages for activity in page["Activities"]]
    equal([activity["StatusCode"] for activity in activities], ["Failed", "Successful"])
    newest = activities[0]
    equal(newest["StartTime"], EPOCH + timedelta(seconds=21))
    equal(newest["EndTime"], EPOCH + timedelta(seconds=45))
    equal(newest["StatusMessage"], "We currently do not have sufficient capacity")
    assert newest["Cause"].startswith("At 2027-01-15T08:00:10Z a monitor alarm"), newest


def application_auto_scaling():
    scaling = client("application-autoscaling")
    targets = scaling.describe_scalable_targets(ServiceNamespace="ecs", ResourceIds=["service/shop/web"])
    equal([(t["MinCapacity"], t["MaxCapacity"]) for t in targets["ScalableTargets"]], [(2, 12)])
    pages = scaling.get_paginator("describe_scaling_activities").paginate(
        ServiceNamespace="ecs", ResourceId="service/shop/web"
    )
    activities = [activity for page in pages for activity in page["ScalingActivities"]]
    equal([activity["StatusCode"] for activity in activities], ["Failed", "Successful", "InProgress"])
    equal(activities[1]["Description"], "Setting desired count to 3.")
    equal(activities[1]["StartTime"], EPOCH + timedelta(seconds=10))


def ecs():
    ecs = client("ecs")
    answer = ecs.describe_services(cluster="shop", services=["web", "gone"])
    web = answer["services"][0]
    equal((web["desiredCount"], web["runningCount"], web["pendingCount"]), (2, 2, 0))
    equal([failure["reason"] for failure in answer["failures"]], ["MISSING"])
    pages = ecs.get_paginator("list_container_instances").paginate(cluster="shop")
    arns = [arn for page in pages for arn in page["containerInstanceArns"]]
    equal(len(arns), 3)
    draining = ecs.list_container_instances(cluster="shop", status="DRAINING")["containerInstanceArns"]
    machine = ecs.describe_container_instances(cluster="shop", containerInstances=draining)["containerInstances"][0]
    # The trap: no task is wanted running there, and two are still stopping.
    equal((machine["status"], machine["runningTasksCount"]), ("DRAINING", 0))
    pages = ecs.get_paginator("list_tasks").paginate(
        cluster="shop", containerInstance=draining[0], desiredStatus="STOPPED"
    )
    arns = [arn for page in pages for arn in page["taskArns"]]
    tasks = ecs.describe_tasks(cluster="shop", tasks=arns)["tasks"]
    equal([task["lastStatus"] for task in tasks], ["STOPPING", "STOPPING"])
    pages = ecs.get_paginator("list_tasks").paginate(cluster="shop", startedBy="daemon_watcher")
    equal(len([arn for page in pages for arn in page["taskArns"]]), 2)
    refused("ClusterNotFoundException", lambda: ecs.list_tasks(cluster="gone"))
    refused("InvalidParameterException", lambda: ecs.list_tasks(cluster="shop", startedBy="a", family="b"))


def cloudwatch():
    cloudwatch = client("cloudwatch")
    metric = {"Namespace": "FiNC", "MetricName": "Busy", "Dimensions": [{"Name": "Service", "Value": "web"}]}

    def data(**more):
        stat = {"Metric": metric, "Period": 30, "Stat": "Average", **more}
        times = {"StartTime": EPOCH, "EndTime": EPOCH + timedelta(seconds=60)}
        answer = cloudwatch.get_metric_data(MetricDataQueries=[{"Id": "m", "MetricStat": stat}], **times)
        result = answer["MetricDataResults"][0]
        equal(result["StatusCode"], "Complete")
        return list(zip(result["Timestamps"], result["Values"]))

    # Newest first, and the end is exclusive.
    equal(data(), [(EPOCH + timedelta(seconds=30), 30.0), (EPOCH, 15.0)])
    equal(data(Stat="Maximum")[1][1], 20.0)
    equal(data(Unit="Count"), [])
    alarm = cloudwatch.describe_alarms(AlarmNames=["out"])["MetricAlarms"][0]
    equal((alarm["StateValue"], alarm["TreatMissingData"], alarm["Threshold"]), ("ALARM", "breaching", 70.0))
    equal(alarm["StateUpdatedTimestamp"], EPOCH + timedelta(seconds=50))


def sqs():
    sqs = client("sqs")
    url = f"{URL}/123456789012/jobs"
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    equal(attributes, {"ApproximateNumberOfMessages": "7", "ApproximateNumberOfMessagesNotVisible": "2"})
    assert "Attributes" not in sqs.get_queue_attributes(QueueUrl=url)
    refused("QueueDoesNotExist", lambda: sqs.get_queue_attributes(QueueUrl=url + "s", AttributeNames=["All"]))


def faults():
    refused("ThrottlingException", lambda: client("ecs").describe_tasks(cluster="shop", tasks=["t"]))
    refused("ThrottlingException", lambda: client("cloudwatch").get_metric_statistics(
        Namespace="n", MetricName="m", StartTime=EPOCH, EndTime=EPOCH, Period=60, Statistics=["Sum"]
    ))
    try:
        client("autoscaling").describe_scaling_activities()
    except ReadTimeoutError:
        return
    raise AssertionError("there was an answer where there was to be silence")


def refused(name, call):
    try:
        call()
    except ClientError as error:
        code = error.response["Error"]["Code"]
        assert name in code or name == type(error).__name__, f"{code} is not {name}"
        return
    raise AssertionError(f"not refused: {name}")


parts = {part.__name__: part for part in (auto_scaling, application_auto_scaling, ecs, cloudwatch, sqs, faults)}
for name in sys.argv[2:]:
    parts[name]()
    print(name)
