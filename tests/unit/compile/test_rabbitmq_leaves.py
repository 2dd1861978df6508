"""What a RabbitMQ member does that leaves its cluster, with stand-ins for RabbitMQ's programs."""

from __future__ import annotations

import subprocess

import pytest

BROKER = """#!/bin/sh
echo "$(basename "$0") $*" >> asked
case "$*" in
*shrink*)
  # As RabbitMQ does it: who is not marked gets its queue back at once, and an error is no exit code.
  grep -q mark_as_being asked || exit 0
  times=$(grep -c shrink asked)
  [ "$times" -gt "$ERRORS" ] && echo "[]" || echo '[{"name":"q","result":"error: timeout"}]';;
*:mark_as_being_drained*) [ -z "$STOPPED" ];;
reset) [ -z "$LONELY" ];;
esac
"""


@pytest.fixture
def leave(shipped, tmp_path):
    """Run the definition's program; gives how it ended and what it asked for."""
    for name in ("rabbitmqctl", "rabbitmq-queues", "sleep"):
        (tmp_path / name).write_text("#!/bin/sh\n" if name == "sleep" else BROKER)
        (tmp_path / name).chmod(0o755)

    program = shipped["rabbitmq"].spec.config["leave.sh"].content
    first = "PATH=/usr/lib/rabbitmq/bin:"
    assert first in program

    def run(errors=0, stopped="", lonely=""):
        facts = {"ERRORS": str(errors), "STOPPED": stopped, "LONELY": lonely}
        node = {"RABBITMQ_NODENAME": "rabbit@rabbitmq-2.rabbitmq-peers.openstack.svc"}
        done = subprocess.run(
            ["bash", "-c", program.replace(first, f"PATH={tmp_path}:")],
            env={"PATH": "/usr/bin:/bin", **facts, **node},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        said = (tmp_path / "asked").read_text().splitlines()
        return done, [word for line in said for word in WORDS if word in line]

    return run


WORDS = (":mark_as_being_drained", "shrink", "stop_app", "reset", "start_app", "unmark_as_being_drained")


@pytest.mark.parametrize("stopped", ["", "yes"], ids=["running", "stopped-by-the-run-before"])
def test_member_is_marked_before_its_queues_move(leave, stopped):
    """
    Else they would be given back to it; the member that stays moves them, so a stopped one can leave too.
    """
    done, asked = leave(stopped=stopped)

    assert 0 == done.returncode, done.stderr
    assert [":mark_as_being_drained", "shrink", "stop_app", "reset"] == asked


def test_queue_that_does_not_move_at_once_is_asked_again(leave):
    """
    A queue with a new leader refuses for a moment.
    """
    done, asked = leave(errors=2)

    assert 0 == done.returncode, done.stderr
    assert [":mark_as_being_drained", "shrink", "shrink", "shrink", "stop_app", "reset"] == asked


@pytest.mark.parametrize(
    ("trouble", "last"),
    [({"errors": 99}, "shrink"), ({"lonely": "yes"}, "reset")],
    ids=["queue-that-stays", "nobody-to-leave"],
)
def test_member_that_cannot_leave_serves_on(leave, trouble, last):
    """
    Its exit code says so, and nothing was taken away.
    """
    done, asked = leave(**trouble)

    assert 1 == done.returncode
    assert [last, "start_app", "unmark_as_being_drained"] == asked[-3:]
