"""A run that is told to end, or that nobody reads any more, ends in good order; the same command goes on."""

from __future__ import annotations

import signal

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


@pytest.mark.parametrize(
    ("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 130)], ids=str
)
def test_first_signal_finishes_what_runs(sandbox, beside, number, exit_code):
    """
    Helm ends its work, nothing new begins, the exit code says which signal it was.
    """
    options = beside(f"signal-{number}")
    with sandbox.begun("install", "mariadb", "memcached", *options) as running:
        wait_for(running, "helm applies")
        running.send_signal(number)
        stderr = running.stderr.read()

    again = sandbox.tool("install", "memcached", *options)

    assert exit_code == running.returncode, stderr
    assert "the same command continues" in stderr
    assert {"deployed"} == statuses(sandbox.api, f"signal-{number}")
    assert 0 == again.returncode, again.stderr


def test_second_signal_ends_at_once(sandbox, beside):
    """
    Whatever helm was doing; what it left half done is taken up by the next run.
    """
    options = beside("twice")
    with sandbox.begun("install", "memcached", *options) as running:
        wait_for(running, "helm applies")
        running.send_signal(signal.SIGINT)
        running.stderr.readline()
        running.send_signal(signal.SIGINT)
        running.stderr.read()

    again = sandbox.tool("install", "memcached", *options)

    assert 130 == running.returncode
    assert 0 == again.returncode, again.stderr


def test_reader_that_goes_away_stops_the_run_in_good_order(sandbox, beside):
    """
    As in ``kolla-k8s install | head -1``.
    """
    options = beside("piped")
    with sandbox.begun("install", "mariadb", "memcached", *options) as running:
        running.stdout.readline()
        running.stdout.close()
        stderr = running.stderr.read()

    again = sandbox.tool("install", "memcached", *options)

    assert 141 == running.returncode, stderr
    assert "Traceback" not in stderr
    assert 0 == again.returncode, again.stderr


def wait_for(running, word):
    for line in running.stdout:
        if word in line:
            return
    pytest.fail(f"ended without {word!r}: {running.stderr.read()}")


def statuses(api, space):
    records = api.items(f"/api/v1/namespaces/{space}/secrets?labelSelector=owner%3Dhelm")
    return {record["metadata"]["labels"]["status"] for record in records} - {"superseded"}
