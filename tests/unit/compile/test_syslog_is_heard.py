"""The listener beside a process, spoken to as programs speak to syslog, and the word that gives a pod one."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.control_plane import wait_until
from tests.unit.compile.defined import DEPLOYMENT, a_definition, files_of

PROGRAM = Path(__file__).parents[3] / "kolla_k8s/compile/files/syslog_listener.py"


@pytest.fixture
def said(tmp_path):
    """Send records to a listener, at a place where one listened that was killed; gives what it wrote until its end."""
    place = tmp_path / "one.syslog"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as killed:
        killed.bind(str(place))
    place.chmod(0o700)

    def send(*records: bytes) -> list[str]:
        with subprocess.Popen([sys.executable, PROGRAM, place], stdout=subprocess.PIPE, text=True) as listener:
            wait_until("it listens, to anybody", lambda: place.stat().st_mode & 0o777 == 0o666)
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as program:
                for record in records:
                    program.sendto(record, str(place))
            lines = [listener.stdout.readline() for _ in records]
            listener.send_signal(signal.SIGTERM)
            assert 0 == listener.wait(timeout=30)
            return [*lines, *listener.stdout]

    return send


def test_records_are_written_as_they_come(said):
    """
    One line each, the severity first, whatever the facility; a program that says none has told something.
    """
    assert [
        "INFO Nov 28 17:00:00 dnsmasq-dhcp[7]: DHCPACK(tap1) 10.0.0.2\n",
        "ERR Nov 28 17:00:01 haproxy[8]: no server\n",
        "NOTICE started\n",
    ] == said(
        b"<30>Nov 28 17:00:00 dnsmasq-dhcp[7]: DHCPACK(tap1) 10.0.0.2\n",
        b"<131>Nov 28 17:00:01 haproxy[8]: no server\0",
        b"started",
    )


def test_name_of_a_guest_makes_no_line_of_its_own(said):
    """
    Nor does it reach the operator's terminal as a control sequence.
    """
    assert ["INFO DHCPREQUEST a\\nERR b \\x1b[2J \\xff\n"] == said(b"<30>DHCPREQUEST a\nERR b \x1b[2J \xff")


@pytest.mark.parametrize(
    ("volume", "user"),
    [({"scratch": "memory"}, ""), ({"host": {"path": "/var/lib/a", "reason": "its state stays"}}, "runAsUser: 0")],
)
def test_process_finds_the_listener_as_syslog(tmp_path, volume, user):
    """
    On a path of the node the listener is root, as the path is; elsewhere it is nobody.
    """
    agent = {
        **DEPLOYMENT,
        "kind": "DaemonSet",
        "privilege": {"reason": "starts servers of the node", "root": True},
        "syslog": "state",
        "volumes": {"state": {"path": "/var/lib/a", **volume}},
    }

    files = files_of(tmp_path, "one", a_definition("one", plane="node", workloads={"agent": agent}))

    pods = "\n".join(line.strip() for line in files["templates/agent-daemonset.yaml"].splitlines())
    main, listener = pods.split("- name: syslog\nimage")
    assert "- ln\n- -sf\n- /var/lib/a/one-agent.syslog\n- /dev/log\n" in main
    assert "- python3\n- /kolla-k8s/syslog_listener.py\n- /var/lib/a/one-agent.syslog\n" in listener
    assert user == next((line for line in listener.splitlines() if line.startswith("runAsUser")), "")
    assert files["files/syslog_listener.py"] == PROGRAM.read_text()
    assert "syslog_listener.py:" in files["templates/programs-configmap.yaml"]
