"""What py-consul sees of two fakes, one open and one with access control: judge.py OPEN_PORT CLOSED_PORT.

Each question is a function; the first that is answered wrongly ends the program.
"""

import sys
import threading
import time

import consul
from consul.check import Check

client = consul.Consul(host="127.0.0.1", port=int(sys.argv[1]))
closed_port = int(sys.argv[2])


def ids(nodes):
    return [node["Service"]["ID"] for node in nodes]


def later(change):
    """Makes a change after a query had the time to hang."""
    timer = threading.Timer(0.5, change)
    timer.start()
    return timer


def awaited(query, change):
    """What a hanging query gives once the change is made, and that it hung until then."""
    index, _ = query()
    began = time.monotonic()
    timer = later(change)
    next_index, found = query(index=index, wait="60s")
    took = time.monotonic() - began
    timer.join()
    assert 0.4 < took < 30, took
    assert int(next_index) > int(index), (index, next_index)
    return found


def web(**options):
    return client.health.service("web", **options)


def registering():
    assert web()[1] == []
    assert client.agent.service.register(
        "web", service_id="web-1", address="127.0.0.1", port=8001, tags=["blue"], meta={"a": "b"}, check=Check.ttl("60s")
    )
    (entry,) = web()[1]
    service, checks = entry["Service"], {check["CheckID"]: check["Status"] for check in entry["Checks"]}
    assert (service["Address"], service["Port"], service["Tags"]) == ("127.0.0.1", 8001, ["blue"]), service
    assert service["Meta"] == {"a": "b"}, service
    assert checks == {"serfHealth": "passing", "service:web-1": "critical"}, checks
    assert client.catalog.services()[1]["web"] == ["blue"]
    assert client.catalog.service("web")[1][0]["ServicePort"] == 8001
    assert list(client.agent.services()) == ["web-1"]


def filters():
    client.agent.service.register("web", service_id="web-2", port=8002, tags=["green"])
    assert ids(web()[1]) == ["web-1", "web-2"]
    assert ids(web(passing=True)[1]) == ["web-2"], "one without checks passes"
    assert client.agent.check.ttl_pass("service:web-1", notes="fine")
    assert ids(web(passing=True)[1]) == ["web-1", "web-2"]
    assert ids(web(tag="green")[1]) == ["web-2"]
    assert web(tag=["green", "blue"])[1] == []
    for report, status in ((client.agent.check.ttl_warn, "warning"), (client.agent.check.ttl_fail, "critical")):
        assert report("service:web-1")
        assert ids(web(passing=True)[1]) == ["web-2"]
        assert [check["CheckID"] for check in client.health.state(status)[1]] == ["service:web-1"]
    assert client.agent.check.ttl_pass("service:web-1")


def blocking():
    agent = client.agent
    found = awaited(web, lambda: agent.service.register("web", service_id="web-3", port=8003))
    assert ids(found) == ["web-1", "web-2", "web-3"]
    assert ids(awaited(web, lambda: agent.service.deregister("web-3"))) == ["web-1", "web-2"]
    found = awaited(lambda **options: web(passing=True, **options), lambda: agent.check.ttl_fail("service:web-1"))
    assert ids(found) == ["web-2"]
    awaited(lambda **options: client.health.state("any", **options), lambda: agent.check.ttl_pass("service:web-1"))


def waiting():
    index, before = web()
    # A change of another service is none of this one.
    timer = later(lambda: client.agent.service.register("other"))
    began = time.monotonic()
    same, after = web(index=index, wait="2s")
    assert time.monotonic() - began >= 2
    timer.join()
    assert (same, after) == (index, before)
    assert client.agent.service.deregister("other")


def maintenance():
    def worst():
        return [
            [check["CheckID"] for check in entry["Checks"] if check["Status"] == "critical"] for entry in web()[1]
        ]

    assert client.agent.service.maintenance("web-1", True, "drained")
    assert worst() == [["_service_maintenance:web-1"], []]
    assert ids(web(passing=True)[1]) == ["web-2"]
    assert client.agent.service.maintenance("web-1", False)
    assert client.agent.maintenance(True, "kernel")
    assert worst() == [["_node_maintenance"], ["_node_maintenance"]]
    assert client.agent.maintenance(False)
    assert worst() == [[], []]


def own_checks():
    assert client.agent.check.register("disk", check=Check.ttl("60s"), check_id="disk", service_id="web-2")
    assert ids(web(passing=True)[1]) == ["web-1"]
    assert client.agent.check.deregister("disk")
    assert ids(web(passing=True)[1]) == ["web-1", "web-2"]
    assert client.agent.service.register("short", check=Check.ttl("1s"))
    assert client.agent.check.ttl_pass("service:short")
    index, _ = client.health.service("short", passing=True)
    _, expired = client.health.service("short", passing=True, index=index, wait="60s")
    assert expired == [], "its time was over"
    assert client.agent.service.deregister("short")


def keys():
    assert client.kv.get("web/live")[1] is None
    assert client.kv.put("web/live", "blue")
    index, pair = client.kv.get("web/live")
    assert (pair["Value"], int(pair["ModifyIndex"])) == (b"blue", int(index)), pair
    assert client.kv.put("web/live", "green", cas=0) is False
    found = awaited(lambda **options: client.kv.get("web/live", **options), lambda: client.kv.put("web/live", "green"))
    assert found["Value"] == b"green"
    client.kv.put("web/old/a", "1")
    assert client.kv.get("web/", keys=True, separator="/")[1] == ["web/live", "web/old/"]
    assert len(client.kv.get("web/", recurse=True)[1]) == 2
    assert client.kv.delete("web/", recurse=True)
    assert client.kv.get("web/", recurse=True)[1] is None


def members():
    (member,) = client.agent.members()
    assert (member["Status"], member["Tags"]["dc"]) == (1, "dc1"), member
    assert client.agent.self()["Config"]["NodeName"] == member["Name"]
    assert client.agent.service.deregister("nobody") is False, "there is none"
    client.agent.service.deregister("web-1")
    client.agent.service.deregister("web-2")
    assert web()[1] == []


def access():
    stranger, friend = (consul.Consul(host="127.0.0.1", port=closed_port, token=token) for token in (None, "secret"))
    assert friend.agent.service.register("web")
    assert stranger.health.service("web")[1] == []
    assert len(friend.health.service("web")[1]) == 1
    for refused in (
        lambda: stranger.agent.service.register("web"),
        lambda: stranger.kv.put("a", "b"),
        lambda: stranger.health.service("web", token="wrong"),
    ):
        try:
            refused()
        except consul.ACLPermissionDenied:
            continue
        raise AssertionError("nobody was refused")


for question in (registering, filters, blocking, waiting, maintenance, own_checks, keys, members, access):
    question()
    print("ok", question.__name__)
