"""What a RabbitMQ member does before its server starts, with stand-ins for RabbitMQ's programs."""

from __future__ import annotations

import socket
import subprocess

import pytest

PROGRAM = """#!/bin/sh
echo "$(basename "$0") $*" >> asked
case "$*" in *"$FORGETS"*) exit 0;; esac
exit 69
"""
FIRST = "PATH=/usr/lib/rabbitmq/bin:"


@pytest.fixture
def port():
    """A port on which two of the members listen: those at 127.0.0.1 and 127.0.0.3."""
    one, two = socket.socket(), socket.socket()
    with one, two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.3", one.getsockname()[1]))
        one.listen()
        two.listen()
        yield one.getsockname()[1]


@pytest.fixture
def start(shipped, tmp_path, port):
    """Run the definition's program as the last of these hosts; gives what it ran."""
    for name in ("rabbitmqctl", "rabbitmq-server"):
        (tmp_path / name).write_text(PROGRAM)
        (tmp_path / name).chmod(0o755)
    text = shipped["rabbitmq"].spec.config["start.sh"].content.replace("${port:rabbitmq}", str(port))
    assert FIRST in text

    def run(hosts, forgets="", *, has_data=False):
        node = f"rabbit@{hosts[-1]}"
        (tmp_path / node).mkdir()
        if has_data:
            (tmp_path / node / "schema.DAT").touch()
        program = text.replace("${hosts:rabbitmq}", ",".join(hosts)).replace(FIRST, f"PATH={tmp_path}:")
        facts = {"RABBITMQ_NODENAME": node, "RABBITMQ_MNESIA_BASE": str(tmp_path), "FORGETS": forgets or "server"}
        subprocess.run(
            ["bash", "-c", program], env={"PATH": "/usr/bin:/bin", **facts}, cwd=tmp_path, timeout=60, check=False
        )
        return [line.split(" forget")[0].strip() for line in (tmp_path / "asked").read_text().splitlines()]

    return run


MEMBERS = ("127.0.0.2", "127.0.0.1", "127.0.0.3", "127.0.0.4")


def test_member_without_data_is_forgotten_by_one_that_answers(start):
    """
    The first does not listen, so it is not asked: all may be starting for the first time.
    """
    expected = ["rabbitmqctl --node rabbit@127.0.0.1", "rabbitmq-server"]

    assert expected == start(MEMBERS, forgets="rabbit@127.0.0.1")


def test_next_is_asked_where_one_has_nobody_to_forget(start):
    """
    And the server starts whatever they say: a new member is known to none.
    """
    expected = ["rabbitmqctl --node rabbit@127.0.0.1", "rabbitmqctl --node rabbit@127.0.0.3", "rabbitmq-server"]

    assert expected == start(MEMBERS, forgets="nobody")


@pytest.mark.parametrize(("hosts", "has_data"), [(MEMBERS, True), (("127.0.0.1",), False)], ids=["its-data", "alone"])
def test_nobody_is_asked_by_a_member_with_data_or_alone(start, hosts, has_data):
    """
    What has its data is what the others remember.
    """
    assert ["rabbitmq-server"] == start(hosts, has_data=has_data)
