"""Start processes that outlive this one, remember them exactly, and end them.

A process is known by its id and the moment it started, so a reused id is never killed.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Sequence
from pathlib import Path


class Processes:
    """The processes of one state directory; ``processes.json`` in it is the memory."""

    def __init__(self, state: Path) -> None:
        """Remember in this directory."""
        self.state = state
        self.file = state / "processes.json"

    def known(self) -> dict[str, dict[str, int]]:
        """Name -> pid and start time of every process that was started."""
        return dict(json.loads(self.file.read_text())) if self.file.exists() else {}

    def start(self, name: str, command: Sequence[str], *, netns: str = "", fds: Sequence[int] = ()) -> None:
        """Start a process in the background, in a network namespace if one is named; its output goes to log/NAME.

        Go's programs collect garbage a third as often as by themselves: it was a fifth of an API server's work.
        An operator's strict umask is not theirs: containerd would unpack images that only root could enter.
        """
        if netns:
            command = ["nsenter", f"--net=/run/netns/{netns}", *command]
        (self.state / "log").mkdir(exist_ok=True)
        with (self.state / "log" / f"{name}.log").open("ab") as log:
            child = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                umask=0o022,
                pass_fds=fds,
                env={"GOGC": "300", **os.environ},
                cwd=Path(__file__).parent.parent,
            )
        child.returncode = 0  # it outlives this program, which shall not wait for it
        entry = {"pid": child.pid, "started": started_at(child.pid) or 0}
        self.file.write_text(json.dumps({**self.known(), name: entry}, indent=1))

    def alive(self) -> dict[str, int]:
        """Name -> pid of those that still run."""
        return {n: e["pid"] for n, e in self.known().items() if started_at(e["pid"]) == e["started"]}

    def kill(self) -> None:
        """End all of them at once; a graceful end of an API server takes over a minute."""
        pids = list(self.alive().values())
        kill_and_wait(pids)
        self.file.unlink(missing_ok=True)


def listens(pid: int, port: int) -> bool:
    """Whether anybody listens on a TCP port of a process's network."""
    try:
        text = "".join(Path(f"/proc/{pid}/net/{table}").read_text() for table in ("tcp", "tcp6"))
    except OSError:
        return False  # it has ended
    fields = (line.split() for line in text.splitlines())
    return any(local.endswith(f":{port:04X}") and state == "0A" for _, local, _, state, *_ in fields)


def started_at(pid: int) -> int | None:
    """Start time of a process in clock ticks after boot; None when there is none (or only its husk)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[19])


def kill_and_wait(pids: Iterable[int], timeout_s: float = 10) -> None:
    """SIGKILL, then wait until they are gone."""
    waiting = list(pids)
    for pid in waiting:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    deadline = time.monotonic() + timeout_s
    while any(started_at(pid) is not None for pid in waiting) and time.monotonic() < deadline:
        _reap(waiting)
        time.sleep(0.02)


def _reap(pids: Iterable[int]) -> None:
    for pid in pids:
        try:
            os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            continue
