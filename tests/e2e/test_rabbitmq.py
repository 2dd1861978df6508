"""Three RabbitMQ members with real images: they lose pods and processes, and no confirmed message."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import SPACE, Sandbox
from tests.e2e.members import Members, client, key_of

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]
REPLICAS = "services.rabbitmq.workloads.server.replicas={}"
CONNECT = """
import os, time, amqp
def connected():
    found = amqp.Connection("rabbitmq:5672", "gate", os.environ["PASSWORD"], virtual_host="gate", confirm_publish=True,
                            connect_timeout=2, read_timeout=10, write_timeout=10)
    found.connect()
    channel = found.channel()
    channel.queue_declare("published", durable=True, auto_delete=False, arguments={"x-queue-type": "quorum"})
    return channel
"""
PUBLISH = f"""{CONNECT}
number, channel = 0, None
while True:
    try:
        channel = channel or connected()
        message = amqp.Message(str(number), delivery_mode=2)
        channel.basic_publish_confirm(message, routing_key="published", timeout=10)
        print(number, flush=True)
        number += 1
    except Exception as error:
        channel = None
    time.sleep(0.1)
"""
CONSUME = f"""{CONNECT}
channel = connected()
while message := channel.basic_get("published", no_ack=True):
    print(message.body)
"""


class Broker(Members):
    """RabbitMQ and a pod that publishes without end."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox, "rabbitmq")
        self.consumed: set[str] = set()

    def scale(self, count: int) -> str:
        """Install so many members; gives the gate's evidence."""
        report = self.sandbox.install("rabbitmq", "--set", REPLICAS.format(count))
        self.count = count
        return report["steps"][0]["gates"]["publish-consume"]

    def confirmed(self) -> set[str]:
        """Numbers of the messages that were confirmed."""
        text = str(self.api.ask("GET", f"{SPACE}/pods/publisher/log")[1])
        return {line for line in text.splitlines() if line.isdigit()}

    def serves_again(self, gone: set[str]) -> None:
        """Wait for all members, and for a client that has gone on; then every confirmed message is there."""
        self.come_back(gone)
        before = len(self.confirmed())
        self.until("the publisher", lambda: len(self.confirmed()) > before + 1)
        self.consumed |= self.drained()
        assert set() == self.confirmed_before(before) - self.consumed

    def confirmed_before(self, count: int) -> set[str]:
        """The first so many confirmed messages."""
        return {str(number) for number in sorted(map(int, self.confirmed()))[:count]}

    def drained(self) -> set[str]:
        """What a consumer gets."""
        done = self.sandbox.python("kolla-k8s.io/client=publisher", "publisher", CONSUME)
        assert 0 == done.exit_code, done.stderr
        return set(done.stdout.split())


@pytest.fixture(scope="module")
def broker(sandbox, first_install):  # noqa: ARG001 - the rest of the cloud stands before
    """Three members and a publisher; one member again afterwards."""
    cluster = Broker(sandbox)
    cluster.scale(3)
    password = {"PASSWORD": key_of("rabbitmq-secrets", "gate-password")}
    pod = client("publisher", ("keystone", 42425), PUBLISH, needs="rabbitmq", env=password)
    pod["metadata"]["labels"]["kolla-k8s.io/client"] = "publisher"
    sandbox.api.create(f"{SPACE}/pods", pod)
    cluster.until("the first message", cluster.confirmed)
    yield cluster
    sandbox.api.ask("DELETE", f"{SPACE}/pods/publisher")
    sandbox.install()


def test_all_pods_deleted_at_once_come_back(broker):
    """
    With every message that was confirmed.
    """
    broker.serves_again(broker.delete(*broker.names))


def test_every_container_killed_comes_back(broker):
    """
    With every message that was confirmed.
    """
    broker.serves_again(broker.kill(*broker.names))


def test_one_member_killed_costs_no_message(broker):
    """
    Two of three go on.
    """
    broker.serves_again(broker.kill("rabbitmq-1"))


def test_members_come_and_go_with_their_messages(broker):
    """
    Those that go leave first, so the one that stays has all; three are one cluster again.
    """
    alone = broker.scale(1)
    broker.serves_again(set())
    evidence = broker.scale(3)

    assert "1 nodes without alarm" in alone
    assert "3 nodes without alarm" in evidence
