"""What RabbitMQ's gate asks of a broker, and what it says of answers that are wrong."""

from __future__ import annotations

import json
import os

import pytest

from tests.unit.orchestrate.gate_programs import HOSTS, LOGIN, an_api, check


def a_node(name="rabbit@0", *, running=True, **more):
    return {"name": name, "running": running, **more}


class Broker:
    """The management API of a broker: keeps what is published, and gives it back after so many questions for it."""

    def __init__(self, *nodes, routes=True, after=1):
        self.nodes, self.routes, self.after = nodes, routes, after
        self.queues, self.payloads = {}, []
        self.answers = {
            ("GET", "/api/nodes"): self._nodes,
            ("PUT", "/api/queues/gate/gate"): self._declare,
            ("POST", "/api/exchanges/gate/amq.default/publish"): self._publish,
            ("POST", "/api/queues/gate/gate/get"): self._get,
        }

    def _nodes(self, _body, headers):
        return (200, {}, self.nodes) if headers["Authorization"] == "Basic Z2F0ZTpzM2NyZXQ=" else (401, {}, b"who")

    def _declare(self, body, _headers):
        self.queues["gate"] = body["arguments"]["x-queue-type"]
        return 201, {}, b""

    def _publish(self, body, _headers):
        self.payloads.append(body["payload"])
        return 200, {}, {"routed": self.routes}

    def _get(self, _body, _headers):
        self.after -= 1
        return 200, {}, [{"payload": one} for one in self.payloads if self.after <= 0]


ENABLED = {"name": "old", "state": "enabled", "stability": "stable"}
EXPERIMENT = {"name": "bold", "state": "disabled", "stability": "experimental"}
DISABLED = {"name": "new", "state": "disabled", "stability": "stable"}


@pytest.fixture
def flags(tmp_path, monkeypatch):
    """Put a ``rabbitmqctl`` on the path that lists these feature flags; gives how it was called."""

    def put(*listed, enabling="exit 0"):
        path = tmp_path / "rabbitmqctl"
        path.write_text(
            f"""#!/bin/sh
            echo "$*" >> "{tmp_path}/called"
            case $* in *list_feature_flags*) echo '{json.dumps(listed)}';; *) {enabling};; esac"""
        )
        path.chmod(0o700)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        monkeypatch.setenv("HOME", str(tmp_path))
        return lambda: (tmp_path / "called").read_text().splitlines() if (tmp_path / "called").exists() else []

    return put


def ask_broker(login, monkeypatch, broker, members=1, *, publishes=True):
    monkeypatch.setenv("POD_IP", HOSTS[0])
    with an_api(HOSTS[0], 15672, broker.answers):
        return check("rabbitmq", login=login, members=members, publishes=publishes)


def test_message_that_comes_back_proves_a_broker(login, monkeypatch, flags):
    """
    From a quorum queue, after a moment.
    """
    flags(ENABLED, EXPERIMENT)
    broker = Broker(a_node(), a_node("rabbit@1"), after=2)

    said = ask_broker(login, monkeypatch, broker, 2)

    told = "2 nodes without alarm; all feature flags enabled; a confirmed message was consumed from a quorum queue"
    assert told == said
    assert ({"gate": "quorum"}, ["n0nce"]) == (broker.queues, broker.payloads)


def test_member_that_only_looks_publishes_nothing(login, monkeypatch, flags):
    """
    One message proves the cluster, and one member enables its feature flags.
    """
    called = flags(DISABLED)
    broker = Broker(a_node())

    said = ask_broker(login, monkeypatch, broker, publishes=False)

    assert "1 nodes without alarm" == said
    assert ([], []) == (broker.payloads, called())


def test_feature_flags_of_a_new_version_are_enabled_once(login, monkeypatch, flags):
    """
    The version after it would not start without them; experiments stay as they are. A pod asks until it is so.
    """
    called = flags(ENABLED, DISABLED, EXPERIMENT)
    said = [ask_broker(login, monkeypatch, Broker(a_node())) for _ in range(2)]

    assert ["--silent --formatter json list_feature_flags name state stability", "enable_feature_flag all"] == called()
    assert "all feature flags enabled, now also: new" in said[0]
    assert "all feature flags enabled;" in said[1]


def test_feature_flags_that_cannot_be_enabled_are_red(login, monkeypatch, flags):
    """
    With the broker's words; nothing is published.
    """
    flags(DISABLED, enabling="echo 'a node does not know new' >&2; exit 69")
    broker = Broker(a_node())

    with pytest.raises(SystemExit, match="feature flags: a node does not know new"):
        ask_broker(login, monkeypatch, broker)
    assert [] == broker.payloads


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        ([a_node(running=False)], r"1 of 1 nodes; down: \['rabbit@0'\]"),
        ([a_node(mem_alarm=True, disk_free_alarm=False)], r"alarms: \['rabbit@0: mem_alarm'\]"),
        ([a_node(partitions=["rabbit@1"])], r"partitioned: \['rabbit@1'\]"),
        ([a_node(), a_node("rabbit@1")], "2 of 1 nodes"),
    ],
)
def test_cluster_that_is_not_whole_is_red(login, monkeypatch, nodes, said):
    """
    Before anything is published.
    """
    broker = Broker(*nodes)

    with pytest.raises(SystemExit, match=said):
        ask_broker(login, monkeypatch, broker)
    assert [] == broker.payloads


def test_message_that_is_not_confirmed_is_red(login, monkeypatch, flags):
    """
    The queue has no majority then.
    """
    flags(ENABLED)
    with pytest.raises(SystemExit, match="a published message was not confirmed"):
        ask_broker(login, monkeypatch, Broker(a_node(), routes=False))


def test_confirmed_message_that_never_comes_back_is_red(login, monkeypatch, flags):
    """
    After two seconds of asking.
    """
    flags(ENABLED)
    with pytest.raises(SystemExit, match="a confirmed message did not come back"):
        ask_broker(login, monkeypatch, Broker(a_node(), after=99))


def test_refused_login_is_red_in_the_brokers_words(tmp_path, monkeypatch):
    """
    With what was asked.
    """
    path = tmp_path / "gate.json"
    path.write_text(json.dumps({**LOGIN, "password": "other"}))

    with pytest.raises(SystemExit, match="GET nodes: 401 Unauthorized: who"):
        ask_broker(str(path), monkeypatch, Broker(a_node()))
