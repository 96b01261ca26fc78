"""What libraries of others say of a template: judge.py kubernetes|ecs|nomad FILE.

Ends with 0 if nothing is wrong with it, and with 3 after a line for each thing that is.
"""

import json
import sys

REFUSED = 3


def kubernetes(path):
    """By Kubernetes' own schemas: the first release in which all that is used was settled, and the newest."""
    import kubernetes_validate
    import yaml

    try:
        with open(path) as file:
            resources = list(yaml.safe_load_all(file))
    except yaml.YAMLError as error:
        yield f"no YAML: {error}"
        return
    for resource in resources:
        for version in ("1.33", "1.37"):
            try:
                kubernetes_validate.validate(resource, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                yield f"{version}: {'.'.join(map(str, error.path))}: {error.message}"
            except kubernetes_validate.SchemaNotFoundError:
                yield f"{version}: there is no {resource['kind']} of {resource['apiVersion']}"
        yield from unknown_choices(resource, "")


# Where the schema takes any text and the server only these; of the first two it wants them for backoffLimitPerIndex.
CHOICES = {
    "completionMode": ("Indexed",),
    "restartPolicy": ("Never",),
    "podReplacementPolicy": ("Failed", "TerminatingOrFailed"),
    "whenUnsatisfiable": ("DoNotSchedule", "ScheduleAnyway"),
    "seccompProfile": ({"type": "RuntimeDefault"},),
}


def unknown_choices(value, where):
    """Values that are none of CHOICES."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        if key in CHOICES and member not in CHOICES[key]:
            yield f"{where}.{key}: {member!r} is none of {CHOICES[key]}"
        yield from unknown_choices(member, f"{where}.{key}")


def ecs(path):
    """By the input that Amazon's client sends with RegisterTaskDefinition; it leaves enums to the service."""
    import botocore.session
    from botocore.validate import ParamValidator

    try:
        with open(path) as file:
            definition = json.load(file)
    except json.JSONDecodeError as error:
        yield f"no JSON: {error}"
        return
    service = botocore.session.get_session().get_service_model("ecs")
    shape = service.operation_model("RegisterTaskDefinition").input_shape
    report = ParamValidator().validate(definition, shape)
    if report.has_errors():
        yield report.generate_report()
    else:
        yield from unknown_values(definition, shape, "")


def unknown_values(value, shape, where):
    """Texts that are none of those that their shape names."""
    if shape.type_name == "structure":
        for key, member in value.items():
            yield from unknown_values(member, shape.members[key], f"{where}.{key}")
    elif shape.type_name == "list":
        for member in value:
            yield from unknown_values(member, shape.member, where)
    elif getattr(shape, "enum", None) and value not in shape.enum:
        yield f"{where}: {value} is none of {', '.join(shape.enum)}"


# What Nomad 1.7 and newer know, as far as a batch job with the docker driver needs it: a type, the values that are
# allowed, a block, or a list with one of these. What begins with "!" has to be there.
CONSTRAINT = {"attribute": str, "operator": str, "value": str}
SPREAD = {"!attribute": str, "weight": int}
DOCKER = {
    "!image": str,
    "args": [str],
    "command": str,
    "entrypoint": [str],
    "network_mode": str,
    "readonly_rootfs": bool,
    "cap_add": [str],
    "cap_drop": [str],
    "security_opt": [str],
    "ulimit": [{"!nofile": str}],
    "sysctl": dict,
    "pids_limit": int,
    "force_pull": bool,
}
TASK = {
    "!driver": ("docker",),
    "user": str,
    "!kill_signal": ("SIGTERM",),
    "!kill_timeout": str,
    "!config": [DOCKER],
    "env": [dict],
    "!template": [{
        "!data": str,
        "!destination": str,
        "env": bool,
        "change_mode": ("noop", "restart", "signal", "script"),
        "perms": str,
    }],
    "!resources": [{"cpu": int, "cores": int, "memory": int, "memory_max": int}],
}
GROUP = {
    "!count": int,
    "constraint": [CONSTRAINT],
    "spread": [SPREAD],
    "!restart": [{"!attempts": int, "interval": str, "delay": str, "mode": ("fail", "delay")}],
    "!reschedule": [{"!attempts": int, "!unlimited": bool, "interval": str, "delay": str}],
    "!task": [{"agent": TASK}],
}
JOB = {
    "!type": ("batch", "service", "system", "sysbatch"),
    "region": str,
    "namespace": str,
    "node_pool": str,
    "datacenters": [str],
    "priority": int,
    "constraint": [CONSTRAINT],
    "spread": [SPREAD],
    "!group": [{"agents": GROUP}],
}


def nomad(path):
    import hcl2
    from lark.exceptions import LarkError

    plain = hcl2.SerializationOptions(with_comments=False, explicit_blocks=False, strip_string_quotes=True)
    try:
        with open(path) as file:
            job = hcl2.load(file, serialization_options=plain)
    except LarkError as error:
        yield f"no HCL: {error}"
        return
    yield from unlike(job, {"!job": [{"rehearsal-agents": JOB}]}, "")


def unlike(value, form, where):
    """Where a value differs from its form."""
    if isinstance(form, dict):
        if not isinstance(value, dict):
            yield f"{where}: {value!r} is no block"
            return
        known = {key.lstrip("!"): member for key, member in form.items()}
        yield from (f"{where}: {key[1:]} is missing" for key in form if key[0] == "!" and key[1:] not in value)
        for key, member in value.items():
            if key in known:
                yield from unlike(member, known[key], f"{where}.{key}")
            else:
                yield f"{where}: {key} is unknown; known are {', '.join(known)}"
    elif isinstance(form, list):
        for member in value if isinstance(value, list) else [value]:
            yield from unlike(member, form[0], where)
    elif isinstance(form, tuple):
        if value not in form:
            yield f"{where}: {value!r} is none of {', '.join(form)}"
    elif type(value) is not form:
        yield f"{where}: {value!r} is no {form.__name__}"


if __name__ == "__main__":
    judge, file = {"kubernetes": kubernetes, "ecs": ecs, "nomad": nomad}[sys.argv[1]], sys.argv[2]
    complaints = list(judge(file))
    print("\n".join(complaints))
    sys.exit(REFUSED if complaints else 0)
