"""Tells what an emulated account has, in all regions, as Amazon's own client for Python sees it.

Arguments: the URL of the emulator, and what to do: `use-spot` makes the role for spot instances, `tell` prints everything
that lives, as JSON.
"""

import json
import sys

import boto3

URL, WHAT = sys.argv[1:]
KEYS = {"aws_access_key_id": "AKIAFAKE", "aws_secret_access_key": "fake"}


def client(service, region="us-east-1"):
    return boto3.client(service, endpoint_url=URL, region_name=region, **KEYS)


def tags(thing):
    return {tag["Key"]: tag["Value"] for tag in thing.get("Tags", [])}


def instance(ec2, it):
    groups = [group["GroupId"] for interface in it["NetworkInterfaces"] for group in interface["Groups"]]
    found = ec2.describe_security_groups(GroupIds=groups)["SecurityGroups"] if groups else []
    told = ec2.describe_instance_attribute(
        InstanceId=it["InstanceId"], Attribute="instanceInitiatedShutdownBehavior"
    )
    return {
        "id": it["InstanceId"],
        "tags": tags(it),
        "groups": [group["GroupName"] for group in found],
        "ports": sorted(rule["FromPort"] for group in found for rule in group["IpPermissions"] if "FromPort" in rule),
        "on_shutdown": told["InstanceInitiatedShutdownBehavior"].get("Value"),
    }


def region(name):
    ec2 = client("ec2", name)
    alive = [{"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]}]
    pages = ec2.get_paginator("describe_instances").paginate(Filters=alive)
    instances = [it for page in pages for entry in page["Reservations"] for it in entry["Instances"]]
    groups = ec2.describe_security_groups()["SecurityGroups"]
    return {
        "instances": [instance(ec2, it) for it in instances],
        "fleets": [{"id": it["FleetId"]} for it in ec2.describe_fleets()["Fleets"] if it["FleetState"] == "active"],
        "templates": [{"id": it["LaunchTemplateId"]} for it in ec2.describe_launch_templates()["LaunchTemplates"]],
        "groups": [{"id": group["GroupId"]} for group in groups if group["GroupName"] != "default"],
    }


def tell():
    regions = [region(it["RegionName"]) for it in client("ec2").describe_regions(AllRegions=True)["Regions"]]
    kinds = ("instances", "fleets", "templates", "groups")
    return {kind: sorted((it for told in regions for it in told[kind]), key=lambda it: it["id"]) for kind in kinds}


def use_spot():
    # The emulator gives roles that services make another name than Amazon does.
    trust = {"Version": "2012-10-17", "Statement": []}
    made = client("iam").create_role(
        Path="/aws-service-role/spot.amazonaws.com/",
        RoleName="AWSServiceRoleForEC2Spot",
        AssumeRolePolicyDocument=json.dumps(trust),
    )
    return made["Role"]["RoleName"]


print(json.dumps({"use-spot": use_spot, "tell": tell}[WHAT]()))
