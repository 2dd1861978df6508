"""What the program of smoke makes of a cloud, step by step, and that nothing of it is left."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import unquote

import pytest

from kolla_k8s.orchestrate.smoke import STEPS

GATES = Path(__file__).parents[3] / "kolla_k8s" / "orchestrate" / "gates"
NAME = "kolla-k8s-smoke-1"
GUEST = {"image": "AAAA", "format": "raw", "memory": 64, "cidr": "192.0.2.0/24"}


class OneCloud:
    """A cloud in memory: things by kind; kinds that are ``stubborn`` are not deleted, whatever is answered."""

    def __init__(self, stubborn=()):
        self.things, self.stubborn, self.posted = {}, stubborn, []

    def want(self, _service, method, path, body=None):
        where, _, query = path.partition("?")
        kind, *rest = where.removeprefix("/v2.0").removeprefix("/v2").strip("/").split("/")
        key = kind.replace("-", "_")
        if rest[1:] == ["action"]:
            return {"output": f"address 192.0.2.5\nmetadata says {NAME}\n"}
        if method == "PUT" or kind == "allocations":
            return {"allocations": {}}
        if method == "POST":
            return self._made(kind, key.removesuffix("s"), body)
        if query == "router:external=true":
            return {"networks": [{"id": "outside", "name": "public"}]}
        if rest:
            return self._shown(kind, key.removesuffix("s"), self.things[kind][rest[0]])
        named = unquote(query.removeprefix("name=")) if kind == "images" and query.startswith("name=") else None
        return {key: [thing for thing in self.things.get(kind, {}).values() if named in (None, thing.get("name"))]}

    def _made(self, kind, one, body):
        self.posted.append(kind)
        told = {"mtu": 1450, "fixed_ips": [{"ip_address": "192.0.2.5"}], "floating_ip_address": "203.0.113.5"}
        status = "active" if kind == "images" else "ACTIVE"
        made = {**body.get(one, body), **told, "id": f"{one}-{len(self.posted)}", "status": status}
        self.things.setdefault(kind, {})[made["id"]] = made
        return self._shown(kind, one, made)

    def _shown(self, kind, one, thing):
        return thing if kind == "images" else {one: thing}

    def ask(self, _service, method, path, _body=None):
        kind, name = path.removeprefix("/v2.0").removeprefix("/v2").strip("/").split("/")[:2]
        if method == "DELETE" and kind not in self.stubborn:
            self.things.get(kind, {}).pop(name, None)
        return (200 if name in self.things.get(kind, {}) else 404), {}

    def until(self, look, what, _patience_s):
        if not (found := look()):
            raise SystemExit(f"{what}: not within 0 s")
        return found

    @property
    def left(self):
        """Kinds of which something is left; rules go with their group."""
        return sorted(kind for kind, some in self.things.items() if some and kind != "security-group-rules")


def walked(cloud, *steps, guest=GUEST):
    """Do steps one after the other; gives what each said, and what was made."""
    space = {"Cloud": lambda _login: cloud, "json": json}
    exec(compile((GATES / "smoke.py").read_text(), "smoke", "exec"), space)  # noqa: S102 - as its pod does
    said, made = {}, {}
    for step in steps:
        asked = {"step": step, "name": NAME, "login": {}, "guest": guest, "made": made, "patience_s": 0}
        found = json.loads(space["check"](asked))
        said[step] = found["said"]
        made.update(found["made"])
    return said, made


PROGRAM = [step for step in STEPS if step != "ping"]


def test_whole_path_leaves_nothing():
    """
    Each step says what it found; what it made is gone at the end.
    """
    cloud = OneCloud()

    said, made = walked(cloud, *PROGRAM, "clean")

    assert ("MTU 1450", "192.0.2.0/24", "192.0.2.5") == (said["network"], said["subnet"], said["port"])
    assert "203.0.113.5 of public" == said["floating"]
    assert {"network", "subnet", "port", "server", "floating"} <= set(made)
    assert "nothing is left" == said["clean"]
    assert [] == cloud.left


@pytest.mark.parametrize(
    ("about", "disk"),
    [
        ({"size": 20 << 20, "virtual_size": None, "min_disk": 0}, 1),
        ({"size": 600 << 20, "virtual_size": 3 << 30, "min_disk": 0}, 3),
        ({"size": 600 << 20, "virtual_size": (3 << 30) + 1}, 4),
        ({"size": 600 << 20, "min_disk": 10}, 10),
    ],
)
def test_flavor_has_a_disk_for_the_image_that_is_named(about, disk):
    """
    As the image says itself; its name may have blanks and what else an address cannot hold.
    """
    cloud = OneCloud()
    cloud.things["images"] = {"mine": {"id": "mine", "name": "Debian 13 & more", **about}}

    said, _ = walked(cloud, "image", "flavor", guest={**GUEST, "image-name": "Debian 13 & more"})

    assert f"64 MiB, 1 vCPU, {disk} GiB" == said["flavor"]
    assert disk == next(iter(cloud.things["flavors"].values()))["disk"]


def test_network_and_its_addresses_are_steps_of_their_own():
    """
    So that each is timed; the security group comes with the port.
    """
    cloud = OneCloud()

    walked(cloud, "network")
    network = list(cloud.posted)
    walked(cloud, "network", "subnet")

    assert ["networks"] == network
    assert "subnets" == cloud.posted[-1]


def test_floating_address_is_made_once_however_often_it_is_looked_for():
    """
    A port takes no second one.
    """
    cloud = OneCloud()
    _, made = walked(cloud, *PROGRAM)

    space = {"Cloud": lambda _login: cloud, "json": json}
    exec(compile((GATES / "smoke.py").read_text(), "smoke", "exec"), space)  # noqa: S102 - as its pod does
    space["check"]({"step": "floating", "name": NAME, "login": {}, "guest": {}, "made": made, "patience_s": 0})

    assert 1 == cloud.posted.count("floatingips") == cloud.posted.count("routers")


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("images", f"image {NAME}-image"),
        ("flavors", f"flavor {NAME}"),
        ("security-groups", f"security group {NAME}"),
        ("subnets", f"subnet {NAME}"),
        ("networks", f"network {NAME}"),
        ("ports", f"port {NAME}"),
        ("routers", f"router {NAME}"),
        ("floatingips", "floating IP 203.0.113.5"),
    ],
)
def test_whatever_stays_is_named(kind, what):
    """
    Everything that was made is looked for again.
    """
    with pytest.raises(SystemExit, match=f"^still there: {what}$"):
        walked(OneCloud(stubborn=[kind]), *PROGRAM, "clean")


def test_what_others_made_stays():
    """
    Also what only begins alike.
    """
    cloud = OneCloud()
    cloud.things = {
        "images": {"i": {"id": "i", "name": f"{NAME}1-image"}, "n": {"id": "n", "name": None}},
        "flavors": {"f": {"id": "f", "name": "m1.tiny"}},
        "networks": {"w": {"id": "w", "name": f"{NAME}1"}},
    }

    walked(cloud, "clean")

    assert ["flavors", "images", "networks"] == cloud.left
