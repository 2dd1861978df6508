"""Helm is gone when the run is: after a cancel, after a second cancel, and after a kill -9 of the run itself.

Both with the real helm, held up by an API that accepts and never answers, and with a program that ignores TERM and has
a child of its own.
"""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kolla_k8s.adapters.helm import Runner

pytestmark = pytest.mark.helm

STUBBORN = """#!/bin/sh
trap '' TERM
sleep 1000 &
echo $$ $! > {pids}.new && mv {pids}.new {pids}
while :; do wait; done
"""
PARENT = """
import asyncio, sys
from pathlib import Path
from kolla_k8s.adapters.helm import Runner
asyncio.run(Runner(sys.argv[1], sys.argv[2], None, Path(sys.argv[3])).run(["list", "--namespace", "default"]))
"""


def has_ended(pid: int, within_s: float = 5.0) -> bool:
    """Whether a process ends in time."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(within_s * 1000))
    finally:
        os.close(descriptor)


class Silent:
    """An API server that takes connections and never answers."""

    def __init__(self) -> None:
        self.url = ""
        self.asked = asyncio.Event()
        self._writers: list[asyncio.StreamWriter] = []

    async def listen(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        self.asked.set()

    def hang_up(self) -> None:
        for writer in self._writers:
            writer.close()


@pytest.fixture
async def silent() -> AsyncIterator[Silent]:
    """The silent API."""
    api = Silent()
    server = await asyncio.start_server(api.listen, "127.0.0.1", 0)
    api.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield api
    api.hang_up()
    server.close()
    await server.wait_closed()


@pytest.fixture
def kubeconfig(silent: Silent, tmp_path: Path) -> Path:
    """How to reach the silent API."""
    path = tmp_path / "kubeconfig"
    context = {"name": "x", "context": {"cluster": "x", "user": "x"}}
    clusters = [{"name": "x", "cluster": {"server": silent.url}}]
    users = [{"name": "x", "user": {}}]
    path.write_text(json.dumps({"clusters": clusters, "users": users, "contexts": [context], "current-context": "x"}))
    return path


def children_of(pid: int) -> list[int]:
    """Ids of the children of a process."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _runs(pid: int, program: Path) -> bool:
    """Whether a process runs a program; a husk that nobody has reaped runs none."""
    try:
        return Path(f"/proc/{pid}/exe").readlink() == program.resolve()
    except OSError:
        return False


def helm_pid(parent: int, program: Path) -> int:
    """Id of the child of a process that runs this program."""
    (found,) = [pid for pid in children_of(parent) if _runs(pid, program)]
    return found


async def test_cancelled_helm_has_ended(silent: Silent, kubeconfig: Path, helm_program: Path, tmp_path: Path) -> None:
    """
    When the cancel returns, helm is gone.
    """
    running = asyncio.create_task(
        Runner(str(helm_program), str(kubeconfig), None, tmp_path).run(["list", "--namespace", "default"])
    )
    await silent.asked.wait()
    pid = helm_pid(os.getpid(), helm_program)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert has_ended(pid, within_s=0)


async def test_helm_ends_when_its_run_is_killed(
    silent: Silent, kubeconfig: Path, helm_program: Path, tmp_path: Path
) -> None:
    """
    A kill -9 leaves the run no time to say anything; helm is told by the kernel.
    """
    command = ["-c", PARENT, str(helm_program), str(kubeconfig), str(tmp_path)]
    parent = await asyncio.create_subprocess_exec(sys.executable, *command)
    await silent.asked.wait()
    pid = helm_pid(parent.pid, helm_program)
    parent.send_signal(signal.SIGKILL)
    await parent.wait()

    assert await asyncio.to_thread(has_ended, pid)


@pytest.fixture
async def stubborn(tmp_path: Path) -> tuple[Path, Path]:
    """A program that ignores TERM and has a child; and the file that tells their ids."""
    pids, program = tmp_path / "pids", tmp_path / "stubborn"
    program.write_text(STUBBORN.format(pids=pids))
    program.chmod(0o755)
    return program, pids


def told_while_we_stand_still(pids: Path) -> tuple[int, int]:
    """The ids, once the program has told them; our event loop does nothing meanwhile."""
    for _ in range(1000):
        if pids.exists():
            break
        select.select([], [], [], 0.01)
    first, second = pids.read_text().split()
    return int(first), int(second)


async def told(pids: Path) -> tuple[int, int]:
    """The ids, once the program has told them."""
    async with asyncio.timeout(10):
        while not pids.exists():
            await asyncio.to_thread(select.select, [], [], [], 0.01)
    first, second = pids.read_text().split()
    return int(first), int(second)


async def test_helm_that_ignores_us_is_killed_with_its_children(stubborn: tuple[Path, Path], tmp_path: Path) -> None:
    """
    After the grace, the whole process group goes.
    """
    program, pids = stubborn
    running = asyncio.create_task(Runner(str(program), None, None, tmp_path, grace_s=0.1).run(["anything"]))
    found = await told(pids)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert [True, True] == [has_ended(pid) for pid in found]


async def test_helm_is_asked_before_it_is_killed(tmp_path: Path) -> None:
    """
    A helm that is asked records its release as failed, and the next run need not unlock it.
    """
    program, pids = tmp_path / "polite", tmp_path / "pids"
    asked = tmp_path / "asked"
    script = f"trap 'touch {asked}; exit 1' TERM\necho $$ 0 > {pids}.new && mv {pids}.new {pids}\nsleep 1000 & wait\n"
    program.write_text(f"#!/bin/sh\n{script}")
    program.chmod(0o755)
    running = asyncio.create_task(Runner(str(program), None, None, tmp_path, grace_s=3).run(["anything"]))
    await told(pids)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert asked.exists()


@pytest.mark.parametrize("is_twice", [False, True], ids=["once", "twice"])
async def test_helm_that_is_just_being_started_has_ended(
    stubborn: tuple[Path, Path], tmp_path: Path, *, is_twice: bool
) -> None:
    """
    A cancel can come when the program runs and we have not yet been told so: its children are ended all the same.
    """
    program, pids = stubborn
    before = set(children_of(os.getpid()))
    running = asyncio.create_task(Runner(str(program), None, None, tmp_path, grace_s=0.1).run(["anything"]))
    for _ in range(100):
        await asyncio.sleep(0)
        if set(children_of(os.getpid())) - before:
            break
    found = told_while_we_stand_still(pids)
    running.cancel()
    if is_twice:
        await asyncio.sleep(0)
        running.cancel()
    await asyncio.wait([running], timeout=10)

    assert running.cancelled()
    assert [True, True] == [await asyncio.to_thread(has_ended, pid) for pid in found]


async def test_second_cancel_does_not_wait(stubborn: tuple[Path, Path], tmp_path: Path) -> None:
    """
    Who interrupts twice wants it to end now.
    """
    program, pids = stubborn
    running = asyncio.create_task(Runner(str(program), None, None, tmp_path, grace_s=1000).run(["anything"]))
    found = await told(pids)
    running.cancel()
    await asyncio.wait([running], timeout=0.1)
    running.cancel()
    async with asyncio.timeout(2):
        await asyncio.wait([running])

    assert running.cancelled()
    assert [True, True] == [has_ended(pid) for pid in found]
