"""Who we are among the processes of all machines, and what has become of another run of this machine.

A run that was killed leaves its name in a Lease. From the machine it ran on, its end can be known for certain: same
boot, same PID namespace, same user, and no process of that number and start. From elsewhere only time can tell; and of
another user neither the process (where /proc hides it) nor the environment of its helm can be seen. A helm whose run
has died is only asked to end: it is found by its run's name in its environment.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
from getpass import getuser
from pathlib import Path

from kolla_k8s.orchestrate.lease import Fate

RUN = "KOLLA_K8S_RUN"
"""Variable of the environment that tells a process which run has started it."""
BOOT = Path("/proc/sys/kernel/random/boot_id")


def identity() -> str:
    """``user@host:pid:start:place``: start in clock ticks since boot, place stands for boot, PID namespace and user."""
    pid = os.getpid()
    return f"{_user()}@{socket.gethostname()}:{pid}:{_start(pid)}:{_place()}"


def _user() -> str:
    """Name of the user; the number of one that no name is known of, as in containers."""
    try:
        return getuser()
    except (KeyError, OSError):  # the latter since Python 3.13
        return str(os.getuid())


def fate(other: str) -> Fate:
    """What has become of the run of an identity; unknown of one that lives, ran elsewhere or was another user's."""
    words = other.rsplit(":", 3)
    if len(words) != len(("who", "pid", "start", "place")) or not words[1].isdigit() or words[3] != _place():
        return Fate.UNKNOWN
    if not words[3] or _start(int(words[1])) == words[2]:
        return Fate.UNKNOWN
    return Fate.ENDING if _works_on(other) else Fate.GONE


def _works_on(run: str) -> bool:
    """Whether a process that this run started is still there."""
    mark = f"{RUN}={run}".encode()
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError):  # of another user, or it has just ended
            if process.name.isdigit() and mark in (process / "environ").read_bytes().split(b"\0"):
                return True
    return False


def _start(pid: int) -> str:
    """When a process began; empty when there is none of that number, or only its corpse."""
    try:
        state, *rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if state in "ZX" else rest[18]


def _place() -> str:
    try:
        where = f"{BOOT.read_text().strip()} {Path('/proc/self/ns/pid').readlink()} {os.getuid()}"
    except OSError:
        return ""
    return hashlib.sha256(where.encode()).hexdigest()[:12]
