"""The Helm port over the helm program, through pyhelm3 with its process handling replaced.

pyhelm3 runs helm below a shell, so cancelling it leaves helm at work, and its ``ensure_release`` uninstalls pending
releases. Here helm is a child of ours in a process group of its own that ends when we do; one values dict goes in by
stdin; nothing is waited for. See docs/adr/0002 and 0008.
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

from pyhelm3 import command, errors

from kolla_k8s.errors import OutsideError, RefusedError
from kolla_k8s.model.plan import HelmRequest
from kolla_k8s.ports import KubeObject
from kolla_k8s.yamlio import manifest

GRACE_S = 10.0
OLDEST = {3: (3, 20, 2), 4: (4, 1, 4)}
HISTORY = 10
_DEATH_SIGNAL = 1
_LIBC = ctypes.CDLL(None)
_REFUSALS = re.compile(
    r"admission webhook|violates PodSecurity|exceeded quota|is forbidden|is invalid|Unsupported value|Invalid value"
)


class HelmError(OutsideError):
    """Helm said no; the fact holds its own last words."""


class Runner(command.Command):  # type: ignore[misc] # the package has no types
    """pyhelm3's command line with a process handling that can be cancelled."""

    def __init__(self, executable: str, kubeconfig: str | None, context: str | None, home: Path) -> None:
        """Use this helm with this cluster; ``home`` holds helm's caches, apart from the user's."""
        super().__init__(executable=executable, kubeconfig=kubeconfig, kubecontext=context)
        self._environment = _environment(home)

    async def run(self, command: Sequence[Any], input: bytes | None = None) -> bytes:  # noqa: A002 - pyhelm3's name
        """Run helm with these arguments; a cancelled run has ended helm before it returns."""
        argv = [self._executable, *map(str, command)]
        argv += ["--kubeconfig", str(self._kubeconfig)] if self._kubeconfig else []
        argv += ["--kube-context", str(self._kubecontext)] if self._kubecontext else []
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.PIPE if input is not None else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self._environment,
            process_group=0,
            preexec_fn=_end_with_parent,
        )
        try:
            stdout, stderr = await process.communicate(input)
        except asyncio.CancelledError:
            await _end(process)
            raise
        if process.returncode:
            raise errors.Error(process.returncode, stdout, stderr)
        return stdout


def _end_with_parent() -> None:
    _LIBC.prctl(_DEATH_SIGNAL, signal.SIGTERM)


async def _end(process: asyncio.subprocess.Process) -> None:
    """TERM the whole group, and KILL what is left of it after a while."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(TimeoutError):
            await asyncio.shield(asyncio.wait_for(process.communicate(), GRACE_S))
            return


def _environment(home: Path) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HELM_") and key != "KUBECONFIG"}
    own = {f"HELM_{kind}_HOME": str(home / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")}
    return kept | own


class HelmProgram:
    """The helm program, asked through ``Runner``."""

    def __init__(self, runner: Runner, redact: Callable[[str], str] = str) -> None:
        """Use this runner; what helm says in errors goes through ``redact``."""
        self._runner = runner
        self._redact = redact

    async def version(self) -> str:
        """Version like ``4.3.1``; OutsideError when helm is missing or too old to be safe."""
        try:
            said = (await self._runner.run(["version", "--template", "{{.Version}}"])).decode()
        except FileNotFoundError:
            way_out = "install Helm 3.20.2 or 4.1.4, or later, or say where with --helm"
            raise OutsideError("helm", "not on PATH", way_out) from None
        found = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?", said)
        numbers = tuple(int(part or 0) for part in found.groups()) if found else (0, 0, 0)
        is_whole = bool(found and found[3])
        oldest = OLDEST.get(numbers[0], OLDEST[4])
        if numbers[0] not in OLDEST or (numbers if is_whole else numbers[:2]) < (oldest if is_whole else oldest[:2]):
            raise OutsideError("helm", f"version {said} is too old", "install Helm 3.20.2 or 4.1.4, or later")
        return said.removeprefix("v")

    async def upgrade_install(self, request: HelmRequest) -> list[KubeObject]:
        """Install or upgrade without waiting; gives the objects of the new manifest."""
        labels = {**request.labels, "kolla-k8s.io/digest": request.digest} if request.digest else request.labels
        spelled = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
        arguments = ["upgrade", request.release, request.chart, "--install", "--history-max", HISTORY]
        arguments += ["--labels", spelled] if spelled else []
        text = await self._run([*arguments, *_common(request), "--output", "json"], request.values)
        return manifest(json.loads(text[text.index("{") :])["manifest"])

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
            return bytes(await self._runner.run(arguments, given)).decode()
        except FileNotFoundError:
            raise OutsideError("helm", "not on PATH", "install Helm, or say where with --helm") from None
        except errors.Error as error:
            raise _explained(str(arguments[1]), self._redact(error.stderr.decode(errors="replace"))) from None


def _common(request: HelmRequest) -> list[Any]:
    return ["--namespace", request.namespace, "--values", "-"]


def _explained(release: str, said: str) -> OutsideError:
    lines = [line for line in said.strip().splitlines() if line and not line.startswith("WARNING")]
    words = " ".join(lines)[-1500:].removeprefix("Error: ") or "ended without a word"
    if _REFUSALS.search(words):
        return RefusedError(release, words, "mend the cause and run the same command again")
    return HelmError(release, words, "mend the cause and run the same command again")


def default_home() -> Path:
    """Where helm keeps its caches when we call it."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "kolla-k8s" / f"helm-{sys.version_info.major}"
