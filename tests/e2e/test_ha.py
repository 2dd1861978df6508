"""Three members of everything with real images: they lose pods, processes, their majority and their node.

A pod writes rows and another publishes messages all the while. Each outage is repeated as often as ``OUTAGES`` says.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from sandbox.cluster import power_cut
from tests.e2e.conftest import ROOT, SITE, SPACE, Sandbox, own_sandbox, steps_of
from tests.e2e.members import Components, Members, client, key_of
from tests.e2e.sampler import Sampler
from tests.e2e.secrecy import MARKER, large_records, leaks

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]
TIMES = int(os.environ.get("OUTAGES", "1"))
HA = ("--values", str(ROOT / "values/sites/ha.yaml"))
ONE = [
    option for name in ("mariadb", "rabbitmq") for option in ("--set", f"services.{name}.workloads.server.replicas=1")
]
CHANGED = (
    *("--set", r"services.mariadb.config.my\.cnf.mysqld.max_connections=1999"),
    *("--set", r"services.rabbitmq.config.rabbitmq\.conf.disk_free_limit\.absolute=511MB"),
)
WRITER = """
import contextlib, os, pymysql, time
def ask(*statements):
    server = {"host": "mariadb", "user": "gate", "password": os.environ["PASSWORD"], "database": "gate"}
    patience = {"connect_timeout": 1, "read_timeout": 10, "write_timeout": 10}
    with contextlib.closing(pymysql.connect(**server, **patience, autocommit=True)) as line, line.cursor() as one:
        for statement in statements:
            one.execute(statement)
        return one.fetchone()[0]
began = None
while began is None:
    try:
        began = ask("CREATE TABLE IF NOT EXISTS written (n INT PRIMARY KEY)", "SELECT COUNT(*) FROM written")
    except pymysql.MySQLError:
        time.sleep(0.1)
number, last, failed = began, time.monotonic(), 0
while True:
    try:
        count = ask(f"REPLACE INTO written VALUES ({number})", "SELECT COUNT(*) FROM written")
        number += 1
        print(number, number - count, round(time.monotonic() - last, 2), failed, flush=True)
        last, failed = time.monotonic(), 0
    except pymysql.MySQLError:
        failed += 1
    time.sleep(0.1)
"""


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
number, channel, life = 0, None, os.urandom(4).hex()
while True:
    try:
        channel = channel or connected()
        message = amqp.Message(life + '-' + str(number), delivery_mode=2)
        channel.basic_publish_confirm(message, routing_key="published", timeout=10)
        print(message.body, flush=True)
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


class Written(NamedTuple):
    """A confirmed write: its row, how many confirmed before are lost, seconds and failed tries since the last one."""

    row: int
    lost: int
    gap_s: float
    failed: int


class Galera(Members):
    """MariaDB and a pod that writes without end."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox, "mariadb")
        self.site = HA
        self.components: Components

    def install(self, *more: str) -> dict[str, Any]:
        """Install the cloud as it was changed last."""
        return self.sandbox.install(*self.site, *more)

    def changed(self, *options: str) -> dict[str, Any]:
        """Install a change that stays, for to take it back would roll everything once more."""
        self.site = (*self.site, *options)
        return self.install()

    def begin(self) -> None:
        """Begin to write."""
        password = {"PASSWORD": key_of("mariadb-secrets", "gate-password")}
        pod = client("writer", ("keystone", 42425), WRITER, needs="mariadb", env=password)
        self.api.create(f"{SPACE}/pods", pod)
        self.until("the first row", self.written)

    def written(self) -> list[Written]:
        """Every confirmed write since the writer's container began."""
        lines = self.whole_log("writer").splitlines()
        found = (line.split() for line in lines if line[:1].isdigit())
        return [Written(int(row), int(lost), float(gap_s), int(failed)) for row, lost, gap_s, failed in found]

    def serves_again(self, gone: set[str]) -> list[Written]:
        """Wait for all members and for clients that write; gives the writes meanwhile, and none before may be lost."""
        before = len(self.written())
        self.come_back(gone)
        self.until("clients", lambda: len(self.written()) > before + 1)
        found = self.written()[max(0, before - 1) :]
        assert {0} == {one.lost for one in found}
        return found

    def writer(self) -> str:
        """Pod that the clients reach; empty while there is none."""
        path = "/apis/coordination.k8s.io/v1/namespaces/openstack/leases/mariadb-writer"
        return str(self.api.ask("GET", path)[1]["spec"]["holderIdentity"])

    def a_writer(self) -> str:
        """The writer; waited for, for a member that gives the Lease up leaves it vacant for a moment."""
        return self.found("a writer", self.writer)

    def recover(self, *options: str) -> str:
        """What ``kolla-k8s recover mariadb`` says."""
        done = self.sandbox.tool("recover", "mariadb", "--values", SITE, *self.site, *options)
        assert 0 == done.returncode, done.stderr
        return done.stdout

    def ends(self) -> dict[str, int]:
        """Where the data of the stopped members end: pod -> sequence number."""
        return {pod: int(end) for pod, end in re.findall(r"(\S+): data end at \S+:(-?\d+)", self.recover())}


def longest_gap_s(writes: list[Written]) -> float:
    """How long clients waited at most for a write."""
    return max(one.gap_s for one in writes)


class Broker(Members):
    """RabbitMQ and a pod that publishes without end."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox, "rabbitmq")
        self.consumed: set[str] = set()

    def begin(self) -> None:
        """Begin to publish."""
        password = {"PASSWORD": key_of("rabbitmq-secrets", "gate-password")}
        pod = client("publisher", ("keystone", 42425), PUBLISH, needs="rabbitmq", env=password)
        pod["metadata"]["labels"]["kolla-k8s.io/client"] = "publisher"
        self.api.create(f"{SPACE}/pods", pod)
        # RabbitMQ has a new queue on disk only some seconds later: docs/reliability.
        self.until("a queue of some age", lambda: len(self.confirmed()) > 100)

    def confirmed(self) -> list[str]:
        """Messages that were confirmed since the publisher's container began, in their order."""
        lines = self.whole_log("publisher").splitlines()
        return [line for line in lines if re.fullmatch(r"[0-9a-f]{8}-\d+", line)]

    def serves_again(self, gone: set[str]) -> None:
        """Wait for all members and for a client that goes on; every confirmed message is there."""
        self.come_back(gone)
        self.loses_nothing(self.confirmed())

    def loses_nothing(self, confirmed: list[str]) -> None:
        """Wait for a publisher that goes on; all of these messages were or are there."""
        before = len(self.confirmed())
        self.until("the publisher", lambda: len(self.confirmed()) > before + 1)
        done = self.sandbox.python("kolla-k8s.io/client=publisher", "publisher", CONSUME, timeout_s=300)
        assert 0 == done.exit_code, done.stderr
        self.consumed |= set(done.stdout.split())
        assert set() == set(confirmed) - self.consumed


@pytest.fixture(scope="module")
def ha(passwords):
    """A sandbox with the cloud of three members, a writer and a publisher; nothing is left of it afterwards."""
    with own_sandbox("ha") as sandbox:
        made = sandbox.tool("secrets", "init", "--values", SITE, *HA, "--from", str(passwords))
        assert 0 == made.returncode, made.stderr
        with Sampler([MARKER], []) as sampler:
            report = sandbox.install(*HA)
        assert set() == sampler.found
        galera, broker = Galera(sandbox), Broker(sandbox)
        galera.begin()
        broker.begin()
        with Components(galera) as galera.components:
            yield report, galera, broker
        assert [] == galera.components.split


@pytest.fixture(autouse=True)
def gates_are_green_afterwards(ha):
    """After each outage the same command finds nothing to mend, and who is primary is asked still."""
    yield
    galera = ha[1]
    galera.install("mariadb", "rabbitmq")
    heard = galera.components.heard
    galera.until("a primary component", lambda: galera.components.heard > heard)


def test_three_of_everything_is_one_cloud(ha):
    """
    Every gate speaks to each member.
    """
    gates = {name: "; ".join(step["gates"].values()) for name, step in steps_of(ha[0]).items()}

    assert "from each of 3 members of one cluster" in gates["mariadb"]
    assert "3 nodes without alarm" in gates["rabbitmq"]
    assert "3 replicas" in gates["memcached"]
    assert "validated at 2 pods" in gates["keystone"]


def test_no_secret_stands_outside_its_secret(ha):
    """
    Nor did any process show one while the members came; release records stay small.
    """
    cloud = ha[1].sandbox
    said = cloud.tool("install", *ha[1].site, "--output", "json")

    assert [] == leaks(cloud, said.stdout, said.stderr)
    assert [] == large_records(cloud.api)


@pytest.mark.parametrize("number", range(TIMES))
@pytest.mark.parametrize("how", ["delete", "kill"])
def test_all_members_lost_at_once_come_back(ha, how, number):  # noqa: ARG001 - the number repeats it
    """
    Pods deleted, or every container killed: nobody has to help, nothing that was confirmed is lost.
    """
    _, galera, broker = ha
    gone = [getattr(members, how)(*members.names) for members in (galera, broker)]

    galera.serves_again(gone[0])
    broker.serves_again(gone[1])


def test_two_of_three_killed_come_back(ha):
    """
    The member that is left has no majority: it stops, and all three agree anew.
    """
    ha[1].serves_again(ha[1].kill("mariadb-0", "mariadb-2"))


def test_clients_write_again_soon_after_the_writer_is_deleted(ha):
    """
    Its Lease passes on before its server stops.
    """
    galera = ha[1]

    assert 10 > longest_gap_s(galera.serves_again(galera.delete(galera.a_writer())))


def test_clients_write_again_soon_after_the_writer_is_killed(ha):
    """
    Nobody gives its Lease up: it runs out.
    """
    galera = ha[1]

    assert 10 > longest_gap_s(galera.serves_again(galera.kill(galera.a_writer())))


def test_member_without_clients_costs_them_one_try(ha):
    """
    At most, when the cluster is made anew without it.
    """
    galera = ha[1]
    other = max(set(galera.names) - {galera.a_writer()})

    assert 1 >= sum(one.failed for one in galera.serves_again(galera.delete(other)))


def test_member_that_is_cut_off_gives_its_clients_up_and_comes_back(ha):
    """
    It has no majority; the two that see each other go on.
    """
    galera = ha[1]
    alone = galera.a_writer()
    with galera.cut_off(alone, 4567, 4568, 4444):
        galera.until("another writer", lambda: galera.writer() not in {"", alone})
        galera.until("the others alone", lambda: set(galera.names) - {alone} == galera.ready())
        before = len(galera.written())
        galera.until("clients of the others", lambda: len(galera.written()) > before + 10)

    galera.serves_again(set())


@contextlib.contextmanager
def no_claims(members: Members) -> Iterator[None]:
    """No volume can be claimed: a member that lost its own does not come back."""
    quota = {"kind": "ResourceQuota", "apiVersion": "v1", "metadata": {"name": "no-claims"}}
    members.api.create(f"{SPACE}/resourcequotas", {**quota, "spec": {"hard": {"persistentvolumeclaims": "0"}}})
    try:
        yield
    finally:
        members.api.ask("DELETE", f"{SPACE}/resourcequotas/no-claims")


def test_cluster_that_lost_a_member_for_good_is_started_by_a_person(ha):
    """
    Nobody starts it by itself while a member may hold newer rows; the one that is named keeps all it has.

    Kubernetes tries a pod that it was refused again after minutes only; the next install has it tried at once.
    """
    galera = ha[1]
    with no_claims(galera):
        galera.api.ask("DELETE", f"{SPACE}/persistentvolumeclaims/data-mariadb-2")
        gone = galera.delete(*galera.names)
        galera.until("two reports", lambda: {"mariadb-0", "mariadb-1"} == set(galera.ends()))
        galera.until("a refusal", lambda: "reports of mariadb-2: nobody starts" in galera.log("mariadb-0", "agent"))
        why = galera.sandbox.tool("why", "mariadb", "--values", SITE, *galera.site)
        ends = galera.ends()
        newest = max(ends, key=ends.__getitem__)
        told = galera.recover("--force-from", newest)
        galera.until("two members", lambda: {"mariadb-0", "mariadb-1"} == galera.ready())
    galera.install()

    assert "mariadb-2" in why.stdout
    assert f"{newest}: starts the cluster" in told
    galera.serves_again(gone)


def test_member_killed_costs_no_message(ha):
    """
    Two of three go on.
    """
    ha[2].serves_again(ha[2].kill("rabbitmq-1"))


def test_broker_that_lost_a_member_for_good_is_started_by_a_person(ha):
    """
    The last one that ran does not come back, and the others wait for it; one of them is told not to.
    """
    broker = ha[2]
    recover = ("recover", "rabbitmq", "--values", SITE, *ha[1].site)
    # A member that a test before made join anew gets its copy of the queue within half a minute; a message takes 0.1 s.
    enough = len(broker.confirmed()) + 400
    broker.until("a queue with all its copies", lambda: len(broker.confirmed()) > enough)
    confirmed = broker.confirmed()
    with no_claims(broker):
        broker.api.ask("DELETE", f"{SPACE}/persistentvolumeclaims/data-rabbitmq-2")
        gone = broker.kill("rabbitmq-0", "rabbitmq-1") | broker.kill("rabbitmq-2")
        broker.api.ask("DELETE", f"{SPACE}/pods/rabbitmq-2?gracePeriodSeconds=0")
        broker.until("one that waits", lambda: "Waiting for Mnesia tables" in broker.log("rabbitmq-0", "server", 99))
        waiting = broker.sandbox.tool(*recover)
        told = broker.sandbox.tool(*recover, "--force-from", "rabbitmq-0")
        broker.until("two members", lambda: {"rabbitmq-0", "rabbitmq-1"} == broker.ready())
        broker.loses_nothing(confirmed)
    ha[1].install()

    assert "rabbitmq-0: does not serve" in waiting.stdout
    assert "rabbitmq-0: starts the cluster" in told.stdout, told.stderr
    broker.serves_again(gone)


@pytest.mark.parametrize("number", [0, 1])
def test_member_that_lost_its_volume_gets_all_from_the_others(ha, number):
    """
    Also the first one, which begins a new cluster when it is alone: one cluster of three is what gates see afterwards.
    """
    _, galera, broker = ha
    gone = []
    for members in (galera, broker):
        pod = f"{members.service}-{number}"
        members.api.ask("DELETE", f"{SPACE}/persistentvolumeclaims/data-{pod}")
        gone.append(members.delete(pod))

    galera.serves_again(gone[0])
    broker.serves_again(gone[1])
    report = galera.install("rabbitmq", "mariadb")

    gates = {name: "; ".join(step["gates"].values()) for name, step in steps_of(report).items()}
    assert "3 nodes without alarm" in gates["rabbitmq"]
    assert "from each of 3 members of one cluster" in gates["mariadb"]


def test_changed_option_rolls_one_member_after_the_other_and_the_writer_last(ha):
    """
    Clients go on, although they had been with another member just before.
    """
    _, galera, broker = ha
    galera.serves_again(galera.delete("mariadb-0"))
    galera.until("the lowest number with the clients", lambda: galera.writer() == "mariadb-0")

    before = len(galera.written())
    steps = steps_of(galera.changed(*CHANGED))
    galera.serves_again(set())

    assert ["change", "change"] == [steps[name]["action"] for name in ("mariadb", "rabbitmq")]
    assert ["mariadb-2", "mariadb-1", "mariadb-0"] == galera.in_order_of_their_start()
    assert ["rabbitmq-2", "rabbitmq-1", "rabbitmq-0"] == broker.in_order_of_their_start()
    assert 10 > longest_gap_s(galera.written()[before:])
    broker.serves_again(set())


def test_members_come_and_go_with_their_data(ha):
    """
    Those that go leave first, so the one that stays has all; three are one cluster again.
    """
    _, galera, broker = ha
    alone = steps_of(galera.install(*ONE))
    evidence = steps_of(galera.install())

    galera.serves_again(set())
    broker.serves_again(set())
    assert "1 nodes without alarm" in alone["rabbitmq"]["gates"]["publish-consume"]
    assert "3 members" in evidence["mariadb"]["gates"]["write-read"]
    assert "3 nodes without alarm" in evidence["rabbitmq"]["gates"]["publish-consume"]


@pytest.mark.parametrize("number", range(max(1, TIMES // 2)))
def test_node_that_lost_its_power_comes_back(ha, number):  # noqa: ARG001 - the number repeats it
    """
    Every container and kubelet at once; writer and publisher begin anew, on all that they had confirmed.
    """
    _, galera, broker = ha
    gone = galera.containers(), broker.containers()
    rows, messages = galera.written(), broker.confirmed()

    power_cut(galera.sandbox.at)

    galera.come_back(gone[0])
    galera.until("the writer", galera.written)
    broker.come_back(gone[1])
    broker.loses_nothing(messages)
    assert rows[-1].row < galera.written()[0].row
    assert {0} == {one.lost for one in galera.written()}
