"""Who we are among the processes of all machines, and whether another one of this machine has ended.

A run that was killed leaves its name in a Lease. From the machine it ran on, its end can be known for certain: same
boot, same PID namespace, and no process of that number and start. From elsewhere only time can tell.
"""

from __future__ import annotations

import hashlib
import os
import socket
from getpass import getuser
from pathlib import Path

BOOT = Path("/proc/sys/kernel/random/boot_id")


def identity() -> str:
    """``user@host:pid:start:place``: start in clock ticks since boot, place names boot and PID namespace."""
    pid = os.getpid()
    return f"{getuser()}@{socket.gethostname()}:{pid}:{_start(pid)}:{_place()}"


def is_gone(other: str) -> bool:
    """Whether the process of an identity ran here and has ended; False when that cannot be known."""
    words = other.rsplit(":", 3)
    if len(words) != len(("who", "pid", "start", "place")) or not words[1].isdigit() or words[3] != _place():
        return False
    return bool(words[3]) and _start(int(words[1])) != words[2]


def _start(pid: int) -> str:
    """When a process began; empty when there is none of that number, or only its corpse."""
    try:
        state, *rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if state in "ZX" else rest[18]


def _place() -> str:
    try:
        where = BOOT.read_text().strip() + str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""
    return hashlib.sha256(where.encode()).hexdigest()[:12]
