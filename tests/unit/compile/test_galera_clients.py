"""How a Galera member's agent looks after a server that runs, and where it sends the clients."""

import galera
import galera_agent
import pytest
from galera_api import RefusedError

from tests.unit.compile.galera_member import REPORT, UP, Api, Others, running


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
