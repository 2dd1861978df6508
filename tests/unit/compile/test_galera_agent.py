"""The program of a Galera member and its agent, on a directory instead of a root and on an API in memory."""

import copy
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

FILES = Path(__file__).parents[3] / "kolla_k8s" / "compile" / "files"
sys.path.insert(0, str(FILES))

import galera  # noqa: E402 - programs of pods, found by their folder
import galera_agent  # noqa: E402
from galera_api import RefusedError  # noqa: E402
from galera_rules import NIL  # noqa: E402

UUID = "ef3d2fd2-e73e-11f1-a849-27dfa281742d"
GRASTATE = "# GALERA saved state\nversion: 2.1\nuuid:    {}\nseqno:   {}\nsafe_to_bootstrap: 0\n"
UP = {"is_up": True, "primary": True, "synced": True, "sees": []}
CLAIMED = {"uuid": UUID, "seqno": 7, "empty": False, "whole": True, "readable": True}
REPORT = json.dumps({"life": "a", **CLAIMED})


def unasked():
    raise AssertionError("the server must not be started to read this")


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    (folder / "mysql").mkdir(parents=True)
    return folder


def test_clean_stop_needs_no_recovery(data):
    """
    What the server wrote at its end is believed.
    """
    (data / "grastate.dat").write_text(GRASTATE.format(UUID, 42))

    assert {**CLAIMED, "seqno": 42} == galera.position(data, unasked)


def test_crashed_server_tells_its_position(data):
    """
    The last word of the recovery counts, with or without a binary log's position behind it.
    """
    (data / "grastate.dat").write_text(GRASTATE.format(UUID, -1))
    said = f"[Note] WSREP: Recovered position: {UUID}:739,0-1-2\n"

    assert {**CLAIMED, "seqno": 739} == galera.position(data, lambda: said)


def test_data_that_cannot_be_read_may_be_the_newest(data):
    """
    Other than half a state transfer: what keeps the server from reading them may pass.
    """
    found = galera.position(data, lambda: "[ERROR] Out of memory")

    assert (False, False) == (found["whole"], found["readable"])


def test_half_a_state_transfer_is_no_data(data):
    """
    Neither empty nor whole: such a member may only join.
    """
    (data / "sst_in_progress").touch()

    cut = {"uuid": NIL, "seqno": -1, "empty": False, "whole": False, "readable": True}
    assert cut == galera.position(data, unasked)


def test_half_an_installation_is_an_empty_volume(data):
    """
    Nobody wrote into it yet; it is made anew.
    """
    (data / galera.INSTALLING).touch()

    assert galera.position(data, unasked)["empty"]
    assert galera.position(data.parent, unasked)["empty"]


@pytest.mark.parametrize(
    ("decision", "where", "expected"),
    [
        (
            {"do": "bootstrap"},
            CLAIMED,
            ["--wsrep-new-cluster", "--wsrep-cluster-address=gcomm://", f"--wsrep-start-position={UUID}:7"],
        ),
        ({"do": "join", "addresses": ["a", "b"]}, {**CLAIMED, "empty": True}, ["--wsrep-cluster-address=gcomm://a,b"]),
    ],
)
def test_server_starts_as_decided(decision, where, expected):
    """
    Only a first member makes a cluster, and known positions are kept for incremental transfers.
    """
    assert ["mariadbd", *expected] == galera.arguments(decision, where)


def test_waiting_server_says_each_thing_once(tmp_path, monkeypatch, capsys):
    """
    However often it looks.
    """
    monkeypatch.setattr(galera, "DECISION", tmp_path / "decision")
    monkeypatch.setattr(galera, "WHY", tmp_path / "why")
    looks = []

    def look_again(seconds):
        looks.append(seconds)
        if len(looks) == 3:
            galera.put(tmp_path / "decision", {"life": "a", "do": "join"})

    monkeypatch.setattr(galera, "time", SimpleNamespace(sleep=look_again, monotonic=lambda: 0))

    assert "join" == galera.wait_for_decision("a", 60)["do"]
    assert "galera: waiting for the agent\n" == capsys.readouterr().out


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
        self.monkeypatch.setattr(galera_agent, "server_state", lambda: self.server)
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


@pytest.fixture
def member(tmp_path, monkeypatch):
    return lambda number, api: Member(number, api, tmp_path, monkeypatch)


@pytest.fixture
def clock(monkeypatch):
    """Time as the agent sees it: a list whose last entry is now."""
    times = [1000.0]
    monkeypatch.setattr(galera_agent, "clock", lambda: times[-1])
    return times


def test_one_of_three_starts_and_has_no_report_then(member):
    """
    All report, the newest starts: its report is gone before its server runs.
    """
    api = Api(3)
    members = [member(number, api) for number in range(3)]
    for number, one in enumerate(members):
        one.wait_for_decision(seqno=7 + number)
    for _ in range(3):
        for one in members:
            one.tick()

    assert [None, None, "bootstrap"] == [one.decision for one in members]
    assert {"mariadb-0", "mariadb-1"} == api.reports()


def test_two_cannot_both_start(member):
    """
    A write in between makes the second one look again, and then a report is missing.
    """
    api = Api(1)
    one = member(0, api)
    one.wait_for_decision()
    one.tick()
    stale = api.get("v1", "configmaps/mariadb-members")
    one.tick()

    with pytest.raises(RefusedError):
        api.put("v1", "configmaps/mariadb-members", stale)
    assert set() == api.reports()


def test_report_that_arrives_late_is_refused(member):
    """
    Its answer was lost on the way, and the server runs since then: it must not stand beside it.
    """
    api = Api(2)
    one = member(1, api)
    one.wait_for_decision()
    late = api.get("v1", "configmaps/mariadb-members")
    late["data"] = {"mariadb-1": REPORT}
    one.agent.peers.said = {0: {**galera_agent.NOTHING, **UP, "phase": "running", "address": "10.0.0.9"}}
    one.tick()

    assert {"life": "a", "do": "join", "addresses": ["10.0.0.9"]} == galera.get(one.folder / "decision")
    with pytest.raises(RefusedError):
        api.put("v1", "configmaps/mariadb-members", late)
    assert set() == api.reports()


def test_lost_race_decides_nothing(member):
    """
    The server goes on waiting when the report could not be taken out.
    """
    api = Api(1)
    one = member(0, api)
    one.wait_for_decision()
    one.tick()
    api.put = lambda *_: (_ for _ in ()).throw(RefusedError("conflict", 409))
    one.tick()

    assert one.decision is None


def test_server_that_is_never_let_in_is_killed(member, monkeypatch):
    """
    Once all others have stopped for a while, in this life of it only.
    """
    one = member(1, Api(3))
    one.wait_for_decision()
    galera.put(one.folder / "decision", {"life": "a", "do": "join"})
    waiting = {**galera_agent.NOTHING, "phase": "waiting"}
    one.agent.peers.said = {0: waiting, 2: waiting}
    ticks = iter((100.0, 114.0, 116.0))
    seen = []
    for _ in range(3):
        now = next(ticks)
        monkeypatch.setattr(galera_agent, "clock", lambda now=now: now)
        one.tick()
        seen.append(galera.get(one.folder / "stop"))

    assert [{}, {}, {"life": "a"}] == seen


@pytest.mark.parametrize(
    ("program", "stop", "code"),
    [("exit 7", "other", 7), ("sleep 60", "a", 137), ("kill -TERM $PPID; sleep 60", "other", 143)],
)
def test_server_is_a_child_that_can_be_killed(tmp_path, program, stop, code):
    """
    Its exit code is the container's; the agent's word counts for its own life only; a TERM is passed on.
    """
    galera.put(tmp_path / "stop", {"life": stop})
    script = (
        f"import sys; sys.path.insert(0, {str(FILES)!r}); import galera, pathlib; "
        f"galera.STOP = pathlib.Path({str(tmp_path / 'stop')!r}); "
        f"sys.exit(galera.serve(['sh', '-c', {program!r}], 'a'))"
    )

    assert code == subprocess.run([sys.executable, "-c", script], check=False, timeout=60).returncode


def forced(member, number):
    """A member that waits and is told to start the cluster, and the API."""
    api = Api(3)
    api.objects["configmaps/mariadb-members"]["data"] = {"force-from": f"mariadb-{number}/a", "mariadb-2": REPORT}
    one = member(number, api)
    one.wait_for_decision()
    return one, api


def test_force_is_used_up(member, clock):
    """
    The key is gone in the very write that lets the member start, once the others had time to say what they do.
    """
    one, api = forced(member, 1)
    one.tick()
    one.tick()
    before = one.decision, api.reports()
    clock.append(clock[-1] + 6)
    one.tick()

    assert (None, {"force-from", "mariadb-1", "mariadb-2"}) == before
    assert "bootstrap" == one.decision
    assert {"mariadb-2"} == api.reports()


def test_force_is_used_up_by_joining(member):
    """
    Or it would make a second cluster at the member's next start.
    """
    one, api = forced(member, 1)
    one.agent.peers.said = {0: {**galera_agent.NOTHING, **UP, "phase": "running", "address": "10.0.0.9"}}
    one.tick()

    assert "join" == one.decision
    assert {"mariadb-2"} == api.reports()


def test_clients_are_sent_to_the_holder_of_the_lease(member):
    """
    The slice names the pod, belongs to the Service, and passes on when the holder leaves.
    """
    api = Api(2)
    first, second = member(0, api), member(1, api)
    for one in (first, second):
        one.server = UP
        one.wait_for_decision()
        galera.put(one.folder / "decision", {"life": "a"})
        one.tick()
    holder = api.objects["leases/mariadb-writer"]["spec"]["holderIdentity"]
    first.agent.status["leaving"] = True
    first.tick()
    second.tick()

    assert "mariadb-0" == holder
    found = api.objects["endpointslices/mariadb-writer"]
    assert "mariadb-1" == api.objects["leases/mariadb-writer"]["spec"]["holderIdentity"]
    assert "mariadb-1" == found["endpoints"][0]["targetRef"]["name"]
    assert [{"kind": "Service", "apiVersion": "v1", "name": "mariadb", "uid": "u"}] == found["metadata"][
        "ownerReferences"
    ]


def test_api_that_does_not_answer_is_said_and_survived(member, capsys):
    """
    The agent says so once, and a member can leave all the same.
    """
    api = Api(1)
    one = member(0, api)
    one.wait_for_decision()
    api.get = lambda *_: (_ for _ in ()).throw(RefusedError("the Kubernetes API does not answer"))
    one.tick()
    one.tick()
    one.agent.status["leaving"] = True
    one.tick()

    assert 1 == capsys.readouterr().out.count("does not answer")
    assert "the Kubernetes API does not answer" == (one.folder / "why").read_text()
    assert (one.folder / "left").exists()


def test_report_is_json_that_everybody_reads(member):
    """
    Life, position, and whether they are all the data there are.
    """
    api = Api(2)
    one = member(0, api)
    one.wait_for_decision()
    one.tick()

    written = json.loads(api.objects["configmaps/mariadb-members"]["data"]["mariadb-0"])
    assert {"life": "a", **CLAIMED} == written


def running(member, number, api):
    """A member whose server was let start, and runs."""
    one = member(number, api)
    one.server = UP
    one.wait_for_decision()
    galera.put(one.folder / "decision", {"life": "a"})
    return one


def test_server_that_has_not_said_anything_starts(member):
    """
    There is nothing to decide for it yet, and nothing to contend for when the Lease is known.
    """
    api = Api(1)
    one = member(0, api)
    one.tick()
    seen = dict(one.agent.status)
    api.get = lambda *_: pytest.fail("it asks for the Lease again")
    one.tick()

    assert "starting" == seen["phase"]
    assert "starting" == one.agent.status["phase"]


def test_users_that_cannot_be_set_are_tried_again(member, monkeypatch, capsys):
    """
    With the server's complaint.
    """
    api = Api(1)
    one = running(member, 0, api)
    one.enter()
    monkeypatch.setattr(galera_agent, "sql", lambda *_, **__: (None, "read only"))
    for _ in range(2):
        one.agent.tick()
    failed = galera.get(one.folder / "users")
    one.tick()

    assert {} == failed
    assert {"life": "a"} == galera.get(one.folder / "users")
    assert "users and passwords are not set: read only" in capsys.readouterr().out


def test_server_without_a_cluster_is_stopped_when_that_can_help(member, clock, monkeypatch):
    """
    Not at once: it may find the others again by itself.
    """
    api = Api(1)
    one = running(member, 0, api)
    one.server = {**UP, "primary": False, "synced": False}
    stopped = []
    monkeypatch.setattr(galera_agent, "stop_server", lambda: stopped.append(clock[-1] - 1000))
    for seconds in (0, 10, 20):
        clock.append(1000.0 + seconds)
        one.tick()

    assert [20] == stopped


def test_lease_that_was_just_renewed_is_left_alone(member, clock):
    """
    And a slice that says what it should is not written again.
    """
    api = Api(1)
    one = running(member, 0, api)
    clock.append(1000.0)
    one.tick()
    first = api.version
    one.tick()
    again = api.version
    clock.append(1003.0)
    one.tick()

    assert first == again
    assert again + 1 == api.version


def test_slice_that_cannot_be_read_is_not_made_anew(member, capsys):
    """
    Only one that is not there is.
    """
    api = Api(1)
    one = running(member, 0, api)
    ask = api.get

    def get(group, path):
        if path.startswith("endpointslices"):
            raise RefusedError("forbidden", 403)
        return ask(group, path)

    api.get = get
    one.tick()

    assert "endpointslices/mariadb-writer" not in api.objects
    assert "forbidden" in capsys.readouterr().out


def test_member_with_clients_leaves_when_another_has_them(member, clock):
    """
    It gives up the Lease first, and goes when it is held by its heir.
    """
    api = Api(2)
    one = running(member, 0, api)
    one.agent.peers.said = {1: {**galera_agent.NOTHING, **UP, "phase": "running"}}
    one.tick()
    one.agent.status["leaving"] = True
    clock.append(1003.0)
    one.tick()
    before = (one.folder / "left").exists()
    api.objects["leases/mariadb-writer"]["spec"]["holderIdentity"] = "mariadb-1"
    clock.append(1006.0)
    one.tick()

    assert not before
    assert (one.folder / "left").exists()


def test_clients_that_stayed_are_sent_to_the_new_writer(member, clock, monkeypatch):
    """
    Their connections would go on writing here; but not before another has the Lease, and only for some seconds.
    """
    api = Api(2)
    one = running(member, 1, api)
    sent = []
    monkeypatch.setattr(galera_agent, "send_clients_off", lambda: sent.append(clock[-1] - 1000))
    one.tick()
    one.agent.peers.said = {0: {**galera_agent.NOTHING, **UP, "phase": "running"}}
    clock.append(1003.0)
    one.tick()
    clock.append(1034.0)
    one.tick()
    vacant = api.objects["leases/mariadb-writer"]["spec"]["holderIdentity"], list(sent)
    for seconds in (40, 41, 42, 50, 51, 52):
        clock.append(1000.0 + seconds)
        api.renew("mariadb-0", seconds)
        one.tick()

    assert ("", []) == vacant
    assert [41, 42, 50] == sent


def slow(member, api, **more):
    """A member whose server was up and answers no more in time."""
    one = running(member, 0, api)
    galera.put(one.folder / "decision", {"life": "a", "do": "join"})
    one.tick()
    one.server = None
    one.agent.peers.said = {n: {**galera_agent.NOTHING, "phase": "waiting", **more} for n in (1, 2)}
    return one


def test_one_slow_answer_moves_no_client(member, clock):
    """
    The second in a row does.
    """
    api = Api(3)
    one = slow(member, api)
    holders = []
    for seconds in (3, 6):
        clock.append(1000.0 + seconds)
        one.tick()
        holders.append(api.objects["leases/mariadb-writer"]["spec"]["holderIdentity"])

    assert ["mariadb-0", ""] == holders
    assert ("running", True, False) == tuple(one.agent.status[key] for key in ("phase", "primary", "synced"))


def test_slow_server_is_neither_killed_nor_stopped(member, clock, monkeypatch):
    """
    It was up in this life: its cluster is no other one's, although all others wait.
    """
    api = Api(3)
    api.objects["configmaps/mariadb-members"]["data"] = {"mariadb-1": REPORT, "mariadb-2": REPORT}
    one = slow(member, api)
    monkeypatch.setattr(galera_agent, "stop_server", lambda: pytest.fail("it is stopped"))
    for seconds in (3, 30, 90, 180):
        clock.append(1000.0 + seconds)
        one.tick()

    assert {} == galera.get(one.folder / "stop")


def test_agent_that_began_anew_knows_that_its_slow_server_was_up(member, clock):  # noqa: ARG001 - one moment for all
    """
    By the users that were set in this life; of another life it knows nothing.
    """
    api = Api(3)
    one = slow(member, api)
    again = galera_agent.Agent(api, Others(), "mariadb")
    again.look()
    known = again.status["phase"]
    galera.put(one.folder / "users", {"life": "before"})
    another = galera_agent.Agent(api, Others(), "mariadb")
    another.look()

    assert ("running", "starting") == (known, another.status["phase"])
