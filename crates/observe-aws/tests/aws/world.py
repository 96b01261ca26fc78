"""Builds a small world in an emulator of Amazon: what a group, a cluster, a metric, an alarm and a queue are like there."""

import sys
from datetime import datetime, timezone

import boto3
from botocore.config import Config

URL, NOW = sys.argv[1], datetime.fromtimestamp(int(sys.argv[2]), timezone.utc)
REGION = "ap-northeast-1"


def client(service):
    keys = {"aws_access_key_id": "world", "aws_secret_access_key": "world"}
    return boto3.client(service, endpoint_url=URL, region_name=REGION, config=Config(proxies={}), **keys)


def group():
    template = {"ImageId": "ami-12c6146b", "InstanceType": "t3.micro"}
    client("ec2").create_launch_template(LaunchTemplateName="web", LaunchTemplateData=template)
    client("autoscaling").create_auto_scaling_group(
        AutoScalingGroupName="web", MinSize=1, MaxSize=5, DesiredCapacity=3, AvailabilityZones=[REGION + "a"],
        LaunchTemplate={"LaunchTemplateName": "web"},
    )


def cluster():
    ecs = client("ecs")
    ecs.create_cluster(clusterName="shop")
    container = {"name": "web", "image": "web", "memory": 64, "cpu": 1}
    ecs.register_task_definition(family="worker", containerDefinitions=[container])
    ids = [machine(ecs) for _ in range(2)]
    ecs.run_task(cluster="shop", taskDefinition="worker", count=3, startedBy="daemon_watcher")
    ecs.create_service(cluster="shop", serviceName="web", taskDefinition="worker", desiredCount=1)
    ecs.update_service(cluster="shop", service="web", desiredCount=4)
    ecs.update_container_instances_state(cluster="shop", containerInstances=ids[:1], status="DRAINING")
    client("application-autoscaling").register_scalable_target(
        ServiceNamespace="ecs", ResourceId="service/shop/web", ScalableDimension="ecs:service:DesiredCount",
        MinCapacity=2, MaxCapacity=12,
    )


def machine(ecs):
    ec2 = client("ec2").run_instances(ImageId="ami-12c6146b", MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    document = '{"instanceId": "%s", "region": "%s"}' % (ec2, REGION)
    registered = ecs.register_container_instance(cluster="shop", instanceIdentityDocument=document)
    return registered["containerInstance"]["containerInstanceArn"]


def metrics():
    cloudwatch = client("cloudwatch")
    datum = {"MetricName": "Busy", "Dimensions": [{"Name": "Service", "Value": "web"}], "Timestamp": NOW, "Unit": "Percent"}
    cloudwatch.put_metric_data(Namespace="Shop", MetricData=[{**datum, "Value": 40.0}, {**datum, "Value": 60.0}])
    cloudwatch.put_metric_alarm(
        AlarmName="out", Namespace="Shop", MetricName="Busy", Threshold=70, Period=60, EvaluationPeriods=1,
        Statistic="Average", ComparisonOperator="GreaterThanOrEqualToThreshold", TreatMissingData="breaching",
    )
    cloudwatch.set_alarm_state(AlarmName="out", StateValue="ALARM", StateReason="a test says so")


def queue():
    sqs = client("sqs")
    url = sqs.create_queue(QueueName="jobs")["QueueUrl"]
    for _ in range(3):
        sqs.send_message(QueueUrl=url, MessageBody="job")
    sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=1)
    print(url)


group()
cluster()
metrics()
queue()
