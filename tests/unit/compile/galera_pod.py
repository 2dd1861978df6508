"""A Galera member's pod as its programs see it: a root of its own, and servers that are shell scripts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager

from tests.unit.compile.pod import PROGRAMS

PATIENCE_S = 60


def member_root(folder, authority):
    """Root directory of a member's pod: its volume, its memory, its token."""
    for part in ("run/galera", "run/mysqld", "run/kolla-k8s/token", "kolla-k8s", "etc/mysql", "var/lib/mysql", "bin"):
        (folder / part).mkdir(parents=True)
    (folder / "etc/mysql/users.sql").write_text("CREATE USER gate;")
    hosts = {"mariadb": {"pods": "mariadb", "peers": "mariadb-peers"}}
    (folder / "kolla-k8s/pod.json").write_text(json.dumps({"service": "mariadb", "hosts": hosts}))
    token = folder / "run/kolla-k8s/token"
    (token / "ca.crt").write_bytes((authority / "ca.crt").read_bytes())
    (token / "token").write_text("the-token")
    (token / "namespace").write_text("openstack")
    return folder


def program(root, name, script):
    """Put a shell script on the path that writes down how it was called."""
    path = root / "bin" / name
    path.write_text(f'#!/bin/sh\necho "{name} $*" >> "{root}/called"\n{script}\n')
    path.chmod(0o700)


def called(root):
    path = root / "called"
    return path.read_text().splitlines() if path.exists() else []


def data(root):
    return root / "var/lib/mysql"


@contextmanager
def running(root, word, setting="", **environment):
    """A program of the member, ended with the block if it has not ended by itself; ``setting`` is run before."""
    about = {
        "PYTHONPATH": str(PROGRAMS),
        "KOLLA_K8S_ROOT": str(root),
        "PATH": f"{root}/bin:{os.environ['PATH']}",
        **environment,
    }
    process = subprocess.Popen(
        [sys.executable, "-c", f"import galera\n{setting}\ngalera.main({word.split()!r})"],
        env={**os.environ, **about},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE_S)


def until(condition):
    """Wait for a condition; gives its value."""
    deadline = time.monotonic() + PATIENCE_S
    while not (value := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return value


def report(root):
    path = root / "run/galera/state.json"
    return json.loads(path.read_text()).get("report") if path.exists() else None


def started(root, **decision):
    """Start a member, decide for it, and give its report and what it printed."""
    with running(root, "start") as process:
        found = until(lambda: report(root))
        (root / "run/galera/decision.json").write_text(json.dumps({"life": found["life"], **decision}))
        said, _ = process.communicate(timeout=PATIENCE_S)
    assert 0 == process.returncode, said
    return found, said
