"""The last log line of the init step that runs right now tells what a release waits for."""

from __future__ import annotations

import asyncio

from kolla_k8s.errors import OutsideError
from kolla_k8s.orchestrate.logline import LOG_PERIOD_S, LogLine
from kolla_k8s.orchestrate.why import Blocker
from tests.fake_cluster import FakeCluster
from tests.unit.orchestrate.virtual import VirtualClock, run

WORKING = Blocker("Job boot", "is at work", pod="boot-1", container="migrate", is_working=True)


def listening(cluster, *doings):
    """Listen in virtual time while these things happen, each after what was said before it was read."""

    async def listen():
        log, lines = LogLine(cluster, VirtualClock()), []
        for do in doings:
            do(log)
            await asyncio.sleep(0.1)
            lines.append(log.line)
        log.close()
        return log, lines

    return run(listen())


def follow(blocker):
    return lambda log: log.follow(blocker, "openstack")


def reads(cluster):
    return [request.name for request in cluster.requests if request.verb == "logs"]


def test_last_line_is_known_in_the_background():
    """
    Nobody waits for it.
    """
    cluster = FakeCluster()
    cluster.set_logs("boot-1", "migrate", "begun\nrow 4000\n")

    log, lines = listening(cluster, follow(WORKING))

    assert ["row 4000"] == lines
    assert log.is_open


def test_log_is_read_every_two_seconds_at_most():
    """
    However often is asked who is at work.
    """
    cluster = FakeCluster()

    async def listen():
        log = LogLine(cluster, VirtualClock())
        for _ in range(33):
            log.follow(WORKING, "openstack")
            await asyncio.sleep(LOG_PERIOD_S / 8)

    run(listen())

    assert 5 == len(reads(cluster))


def test_slow_answer_is_waited_for_before_the_next_question():
    """
    A log is asked for by one request at a time.
    """

    class Slow(FakeCluster):
        """Takes ten seconds."""

        async def logs(self, *arguments, **options):
            await asyncio.sleep(10)
            return await super().logs(*arguments, **options)

    cluster = Slow()

    async def listen():
        log = LogLine(cluster, VirtualClock())
        for _ in range(12):
            log.follow(WORKING, "openstack")
            await asyncio.sleep(1)
        log.close()

    run(listen())

    assert 1 == len(reads(cluster))


def test_only_a_container_at_work_is_listened_to():
    """
    Of others Kubernetes itself says what they wait for.
    """
    cluster = FakeCluster()
    idle = Blocker("Job boot", "ImagePullBackOff", pod="boot-1", container="migrate")

    log, lines = listening(cluster, follow(None), follow(idle))

    assert ["", ""] == lines
    assert not log.is_open
    assert [] == reads(cluster)


def test_next_container_begins_with_no_line():
    """
    What another one said is not its word.
    """
    cluster = FakeCluster()
    cluster.set_logs("boot-1", "migrate", "row 4000\n")
    other = Blocker("Job boot", "is at work", pod="boot-2", container="migrate", is_working=True)

    _, lines = listening(cluster, follow(WORKING), follow(other), follow(None))

    assert ["row 4000", "", ""] == lines
    assert ["boot-1", "boot-2"] == reads(cluster)


def test_silence_keeps_the_line_before():
    """
    A log may be rotated away under its reader.
    """
    cluster = FakeCluster()
    cluster.set_logs("boot-1", "migrate", "row 4000\n")

    async def listen():
        log = LogLine(cluster, VirtualClock())
        for _ in range(2):
            log.follow(WORKING, "openstack")
            await asyncio.sleep(LOG_PERIOD_S)
            cluster.set_logs("boot-1", "migrate", "")
        return log.line

    assert "row 4000" == run(listen())
    assert 2 == len(reads(cluster))


def test_log_that_cannot_be_read_says_nothing():
    """
    The container may be gone by now.
    """
    cluster = FakeCluster()

    def refuse(_request):
        raise OutsideError("api", "container is gone")

    cluster.fail = refuse

    log, lines = listening(cluster, follow(WORKING))

    assert [""] == lines
    assert frozenset() == log.facts()


def test_text_that_changes_in_numbers_only_is_no_progress():
    """
    A counter of tries goes up for ever.
    """
    cluster = FakeCluster()

    async def listen():
        log, counts = LogLine(cluster, VirtualClock()), []
        for line in ("try 1", "try 2", "waiting for mariadb"):
            cluster.set_logs("boot-1", "migrate", line)
            log.follow(WORKING, "openstack")
            await asyncio.sleep(LOG_PERIOD_S)
            counts.append(len(log.facts()))
        return counts

    assert [1, 1, 2] == run(listen())
