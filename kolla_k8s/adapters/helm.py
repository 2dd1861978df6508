"""The Helm port over the helm program, through pyhelm3 with its process handling replaced.

pyhelm3 runs helm below a shell, so cancelling it leaves helm at work, and its ``ensure_release`` uninstalls pending
releases. Here helm is a child of ours in a process group of its own that ends when we do; one values dict goes in by
stdin; nothing is waited for. Helm itself has no deadline: a line that is taken and never answered would keep it for
ever. See docs/adr/0002 and 0008.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import re
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kolla_k8s import places
from kolla_k8s.adapters.hollow import hollow
from kolla_k8s.adapters.process import RUN, identity
from kolla_k8s.adapters.words import AGAIN, HelmError, UnreachableError, explained
from kolla_k8s.errors import OutsideError
from kolla_k8s.model.plan import HelmRequest
from kolla_k8s.ports import KubeObject
from kolla_k8s.yamlio import manifest

hollow("pyhelm3")  # its models of what it asks helm for are none of ours, and took 0.04 s
from pyhelm3 import command, errors  # noqa: E402

__all__ = ["HelmError", "HelmProgram", "Runner", "default_home"]

GRACE_S = 5.0
"""Time to end in, well within what a hold in doubt has left before another may have the cloud."""
LIMIT_S = 180.0
OLDEST = {3: (3, 20, 2), 4: (4, 1, 4)}
HISTORY = 10
INSTALL = "install Helm 3.20.2 or 4.1.4, or later, or say where with --helm"
_DEATH_SIGNAL = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None

LAST_S = 5.0


class Runner(command.Command):  # type: ignore[misc] # the package has no types
    """pyhelm3's command line with a process handling that can be cancelled."""

    def __init__(
        self, executable: str, kubeconfig: str | None, context: str | None, home: Path, *, grace_s: float = GRACE_S
    ) -> None:
        """Use this helm with this cluster; ``home`` holds helm's caches, apart from the user's."""
        super().__init__(executable=executable, kubecontext=context)
        self._grace_s = grace_s
        self._environment = {**environment(os.environ, kubeconfig, home), RUN: identity()}

    async def run(self, command: Sequence[Any], input: bytes | None = None) -> bytes:  # noqa: A002 - pyhelm3's name
        """Run helm with these arguments; a cancelled run has ended helm before it returns."""
        argv = [self._executable, *map(str, command)]
        argv += ["--kube-context", str(self._kubecontext)] if self._kubecontext else []
        process = await self._spawned(argv, is_fed=input is not None)
        try:
            stdout, stderr = await process.communicate(input)
        except asyncio.CancelledError:
            await _end(process, self._grace_s)
            raise
        if process.returncode:
            raise errors.Error(process.returncode, stdout, stderr)
        return stdout

    async def _spawned(self, argv: Sequence[str], *, is_fed: bool) -> asyncio.subprocess.Process:
        """Start helm; a cancel meanwhile ends it too, for asyncio by itself would kill helm and forget its children."""
        spawning = asyncio.ensure_future(
            asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.PIPE if is_fed else asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=self._environment,
                process_group=0,
                preexec_fn=_ends_with(os.getpid()) if _LIBC else None,
            )
        )
        try:
            return await asyncio.shield(spawning)
        except asyncio.CancelledError:
            await self._end_unborn(spawning)
            raise

    async def _end_unborn(self, spawning: asyncio.Future[asyncio.subprocess.Process]) -> None:
        """End what is being started, as soon as it is; at once if cancelled again."""
        try:
            with contextlib.suppress(OSError):
                await _end(await asyncio.shield(spawning), self._grace_s)
        finally:
            spawning.add_done_callback(_kill_born)


def _kill_born(spawning: asyncio.Future[asyncio.subprocess.Process]) -> None:
    if not spawning.cancelled() and spawning.exception() is None:
        _signal(spawning.result(), signal.SIGKILL)
        _transport(spawning.result()).close()


def _ends_with(parent: int) -> Callable[[], None]:
    """Make the child ask for TERM when its parent dies, however it dies (Linux only)."""

    def ask() -> None:
        assert _LIBC is not None  # noqa: S101 - for mypy; runs between fork and exec, so it must not do more
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # ours would swallow one that comes before helm begins
        _LIBC.prctl(_DEATH_SIGNAL, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

    return ask


async def _end(process: asyncio.subprocess.Process, grace_s: float) -> None:
    """TERM the group, so that helm records a failed release; KILL what is left of it, at once if cancelled again.

    Then the dead are buried, if not cancelled once more: asyncio complains of those whose loop has closed.
    """
    with contextlib.closing(_transport(process)):
        try:
            _signal(process, signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.communicate(), grace_s)
        finally:
            _signal(process, signal.SIGKILL)
            # asyncio waits for the pipes as well, which whoever left the group may hold: that must not keep us.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), LAST_S)


def _transport(process: asyncio.subprocess.Process) -> asyncio.SubprocessTransport:
    transport: asyncio.SubprocessTransport = process._transport  # type: ignore[attr-defined] # noqa: SLF001 - no other way
    return transport


def _signal(process: asyncio.subprocess.Process, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def environment(ours: Mapping[str, str], kubeconfig: str | None, home: Path) -> dict[str, str]:
    """What helm sees of our environment: nothing that changes which cluster, driver, plugin or namespace it uses.

    It collects garbage less often than Go's programs do by themselves: a fifth less of processor for 5 MiB.

    Args:
        ours: Our own environment.
        kubeconfig: Path of the kubeconfig (several, as in ``KUBECONFIG``); None for that of the environment.
        home: Folder for helm's caches, configuration and data.
    """
    kept = {key: value for key, value in ours.items() if not key.startswith("HELM_")}
    own = {f"HELM_{kind}_HOME": str(home / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")}
    return {"GOGC": "400"} | kept | own | ({"KUBECONFIG": kubeconfig} if kubeconfig else {})


class HelmProgram:
    """The helm program, asked through ``Runner``."""

    def __init__(self, runner: Runner, redact: Callable[[str], str] = str, *, limit_s: float = LIMIT_S) -> None:
        """Use this runner, for at most ``limit_s`` each time; what helm says in errors goes through ``redact``."""
        self._runner = runner
        self._redact = redact
        self._limit_s = limit_s

    async def version(self) -> str:
        """Version like ``4.3.1``; OutsideError when helm is missing or too old to be safe.

        A helm built as a Go dependency says ``v4.3``, without its patch number; it is taken for a recent one.
        """
        said = (await self._run(["version", "--template", "{{.Version}}"])).strip()
        found = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?", said)
        if found is None:
            raise OutsideError("helm", f'says "{said[:80]}" when asked for its version', INSTALL)
        numbers = tuple(int(part) for part in found.groups() if part is not None)
        newest_major = max(OLDEST)
        oldest = OLDEST.get(numbers[0], OLDEST[newest_major] if numbers[0] < newest_major else (0,))
        if numbers < oldest[: len(numbers)]:
            raise OutsideError("helm", f"version {said} is too old", INSTALL)
        return said.removeprefix("v")

    async def upgrade_install(self, request: HelmRequest) -> list[KubeObject]:
        """Install or upgrade without waiting; gives the objects of the new manifest."""
        labels = {**request.labels, "kolla-k8s.io/digest": request.digest} if request.digest else request.labels
        spelled = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
        arguments = ["upgrade", request.release, request.chart, "--install", "--history-max", HISTORY]
        arguments += ["--labels", spelled] if spelled else []
        text = await self._run([*arguments, *_common(request), "--output", "json"], request.values)
        try:  # helm may say something about a registry first
            return manifest(json.loads(text[text.index("{") :])["manifest"])
        except (ValueError, KeyError, TypeError):
            raise HelmError(request.release, "helm did not answer with a release", INSTALL) from None

    async def manifest(self, release: str, namespace: str) -> list[KubeObject]:
        """Objects of the newest revision's manifest."""
        return manifest(await self._run(["get", "manifest", release, "--namespace", namespace]))

    async def template(self, request: HelmRequest) -> list[KubeObject]:
        """Render without a cluster."""
        return manifest(
            await self._run(["template", request.release, request.chart, *_common(request)], request.values)
        )

    async def uninstall(self, release: str, namespace: str) -> None:
        """Remove a release; absent is fine."""
        await self._run(["uninstall", release, "--namespace", namespace, "--ignore-not-found"])

    async def run(self, arguments: Sequence[str]) -> str:
        """Run any other command of helm that needs no cluster; gives its output."""
        return await self._run(arguments)

    async def _run(self, arguments: Sequence[Any], values: Mapping[str, Any] | None = None) -> str:
        given = None if values is None else json.dumps(values).encode()
        try:
            async with asyncio.timeout(self._limit_s):
                return bytes(await self._runner.run(arguments, given)).decode(errors="replace")
        except TimeoutError:
            fact = f"helm did not end within {self._limit_s:g} s"
            raise UnreachableError(str(arguments[1]), fact, AGAIN) from None
        except FileNotFoundError:
            raise OutsideError("helm", "not on PATH", INSTALL) from None
        except OSError as error:
            raise OutsideError("helm", f"cannot be run: {error.strerror}", INSTALL) from None
        except errors.Error as error:
            raise explained(str(arguments[1]), self._redact(error.stderr.decode(errors="replace"))) from None


def _common(request: HelmRequest) -> list[Any]:
    return ["--namespace", request.namespace, "--values", "-"]


def default_home() -> Path:
    """Where helm keeps its caches when we call it."""
    cache = places.cache()
    if cache is None:
        raise OutsideError("HOME", "is not set: helm has no place for its caches", "set HOME or XDG_CACHE_HOME")
    return cache / f"helm-{sys.version_info.major}"
