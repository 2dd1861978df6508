"""Members of a Galera cluster whose agents are ticked by hand, and the API in memory that they share."""

import copy
import json

import galera
import galera_agent
from galera_api import RefusedError

UUID = "ef3d2fd2-e73e-11f1-a849-27dfa281742d"
UP = {"is_up": True, "primary": True, "synced": True, "sees": []}
CLAIMED = {"uuid": UUID, "seqno": 7, "empty": False, "whole": True, "readable": True}
REPORT = json.dumps({"life": "a", **CLAIMED})


class Api:
    """Objects in memory that refuse a write over a newer version, as the real one does."""

    def __init__(self, replicas):
        self.objects = {
            "statefulsets/mariadb": {"spec": {"replicas": replicas}, "status": {"replicas": replicas}},
            "configmaps/mariadb-members": {},
            "leases/mariadb-writer": {},
            "services/mariadb": {
                "metadata": {"name": "mariadb", "namespace": "openstack", "uid": "u"},
                "spec": {"ports": [{"name": "mysql", "port": 3306, "protocol": "TCP", "targetPort": "mysql"}]},
            },
        }
        self.version = 0
        for item in self.objects.values():
            self._stamp(item)

    def _stamp(self, item):
        self.version += 1
        item.setdefault("metadata", {})["resourceVersion"] = str(self.version)

    def get(self, _group, path):
        if path not in self.objects:
            raise RefusedError("not found", 404)
        return copy.deepcopy(self.objects[path])

    def put(self, _group, path, item):
        if item["metadata"]["resourceVersion"] != self.objects[path]["metadata"]["resourceVersion"]:
            raise RefusedError("conflict", 409)
        if item != self.objects[path]:  # a write that changes nothing makes no version
            self.objects[path] = copy.deepcopy(item)
            self._stamp(self.objects[path])

    def post(self, _group, path, item):
        self.objects[f"{path}/{item['metadata']['name']}"] = copy.deepcopy(item)
        self._stamp(self.objects[f"{path}/{item['metadata']['name']}"])

    def renew(self, holder, when):
        lease = self.get("", "leases/mariadb-writer")
        lease["spec"].update(holderIdentity=holder, renewTime=when)
        self.put("", "leases/mariadb-writer", lease)

    def reports(self):
        return set(self.objects["configmaps/mariadb-members"].get("data", {}))


class Others:
    """What peers say, told by the test."""

    def __init__(self):
        self.said = {}

    def watch(self, numbers):
        list(numbers)

    def fresh(self):
        return self.said


class Member:
    """A member: an agent whose files lie in a folder, and a server that is a word."""

    def __init__(self, number, api, folder, monkeypatch):
        self.folder, self.monkeypatch, self.number, self.server = (
            folder / str(number),
            monkeypatch,
            number,
            galera_agent.DOWN,
        )
        self.folder.mkdir()
        self.enter()
        self.agent = galera_agent.Agent(api, Others(), "mariadb")

    def enter(self):
        for name, value in {"POD_NAME": f"mariadb-{self.number}", "POD_IP": "10.0.0.1", "NODE_NAME": "n"}.items():
            self.monkeypatch.setenv(name, value)
        places = {
            "STATE": "state",
            "DECISION": "decision",
            "WHY": "why",
            "LEFT": "left",
            "APPLIED": "users",
            "STOP": "stop",
        }
        for word, file in places.items():
            self.monkeypatch.setattr(galera_agent, word, self.folder / file)
        self.monkeypatch.setattr(galera_agent, "server_state", lambda _: self.server)
        self.monkeypatch.setattr(galera_agent, "sql", lambda *_, **__: ("", ""))
        users = self.folder / "users.sql"
        users.touch()
        self.monkeypatch.setattr(galera_agent, "USERS", users)

    def wait_for_decision(self, **report):
        galera.put(self.folder / "state", {"life": "a", "report": {"life": "a", **CLAIMED, **report}})

    def tick(self):
        self.enter()
        self.agent.tick()

    @property
    def decision(self):
        return galera.get(self.folder / "decision").get("do")


def running(member, number, api):
    """A member whose server was let start, and runs."""
    one = member(number, api)
    one.server = UP
    one.wait_for_decision()
    galera.put(one.folder / "decision", {"life": "a"})
    return one
