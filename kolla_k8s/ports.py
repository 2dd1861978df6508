"""What the middle of the program needs from outside, said as protocols.

The orchestrator and the publisher speak to these; ``adapters`` fills them with helm, the Kubernetes API and the clock,
tests fill them with little programs in memory. Kubernetes objects are plain dicts as the API gives them: typed models
measured 15-25 times slower and say nothing that the readiness table needs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from kolla_k8s.model.plan import HelmRequest

KubeObject = dict[str, Any]
"""A Kubernetes object as JSON: ``apiVersion``, ``kind``, ``metadata`` and the rest."""


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind the API serves, as its address needs it: ``Resource("apps", "v1", "deployments", "Deployment")``."""

    group: str
    version: str
    plural: str
    kind: str
    is_namespaced: bool = True


@dataclass(frozen=True, slots=True)
class Release:
    """One installed Helm release, read from the labels of its newest record.

    Attributes:
        status: Helm's word: ``deployed``, ``failed``, ``pending-install``, ``pending-upgrade``, ``uninstalling``...
        revision: Helm's revision number, from 1.
        digest: Our input digest (label ``kolla-k8s.io/digest``); empty when the release is not ours.
    """

    name: str
    namespace: str
    status: str
    revision: int
    digest: str = ""


@dataclass(frozen=True, slots=True)
class ExecResult:
    """What a command in a container said: exit code, stdout and stderr (text, bounded to 1 MiB each)."""

    exit_code: int
    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One change of an object: ``type`` is ADDED, MODIFIED or DELETED; SYNCED (object None) ends the first list."""

    type: str
    object: KubeObject | None


class Clock(Protocol):
    """Time, so that tests can jump it."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary point; never goes back."""

    def wall(self) -> float:
        """Seconds since the epoch, for reports only."""

    async def sleep(self, seconds: float) -> None:
        """Return after that many seconds; cancellation ends it early."""


class Helm(Protocol):
    """The helm program. Every method raises ``HelmError`` (an ``OutsideError``) with helm's own words, redacted."""

    async def version(self) -> str:
        """Version like ``4.3.1``."""

    async def upgrade_install(self, request: HelmRequest) -> list[KubeObject]:
        """Install or upgrade without waiting; gives the objects of the new manifest (hooks left out)."""

    async def manifest(self, release: str, namespace: str) -> list[KubeObject]:
        """Objects of the newest revision's manifest."""

    async def template(self, request: HelmRequest) -> list[KubeObject]:
        """Render without a cluster."""

    async def uninstall(self, release: str, namespace: str) -> None:
        """Remove a release and its objects (objects marked ``keep`` stay); absent is fine."""


@dataclass(frozen=True, slots=True)
class Command:
    """What runs in a container: its words, its whole input, and how long it is waited for."""

    words: Sequence[str]
    stdin: str = ""
    timeout_s: float = 60.0


class Cluster(Protocol):
    """The Kubernetes API: raw JSON, a deadline on every request, retries of what is safe to repeat.

    What is not found is None; conflicts raise ``errors.ConflictError``; a forbidden or unreachable API raises
    ``OutsideError`` saying URL, user and the verb that was refused.
    """

    async def get(self, resource: Resource, name: str, namespace: str = "") -> KubeObject | None:
        """One object, or None when there is none."""

    async def list(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        labels: str = "",
        metadata_only: bool = False,
    ) -> list[KubeObject]:
        """All objects of a kind (in a namespace), read with quorum; ``labels`` is a selector."""

    def watch(self, resource: Resource, namespace: str = "", *, labels: str = "") -> AsyncIterator[WatchEvent]:
        """List, then follow for ever; survives 410, silence and reconnects.

        After a gap it lists again and gives DELETED for what vanished meanwhile. SYNCED follows the first whole list.
        Objects come without ``managedFields``, a pod's containers with no more than name and image.
        """

    async def create(self, resource: Resource, body: KubeObject, namespace: str = "") -> KubeObject:
        """Create; ``AlreadyExistsError`` (a ``ConflictError``) when the name is taken."""

    async def replace(self, resource: Resource, body: KubeObject, namespace: str = "") -> KubeObject:
        """Update with the resourceVersion in ``body`` as precondition; ``ConflictError`` when it moved on."""

    async def patch(self, resource: Resource, name: str, body: KubeObject, namespace: str = "") -> KubeObject:
        """JSON merge patch."""

    async def delete(
        self, resource: Resource, name: str, namespace: str = "", *, uid: str = "", version: str = ""
    ) -> None:
        """Delete in the background; absent is fine, of another uid or resourceVersion is a ``ConflictError``."""

    async def exec(self, namespace: str, pod: str, container: str, command: Command) -> ExecResult:
        """Run a command in a container and wait for its end; exit code -1 when it could not be run or took too long."""

    async def logs(self, namespace: str, pod: str, container: str, *, previous: bool = False, lines: int = 40) -> str:
        """Last lines of a container's log; empty when there are none (yet)."""

    async def server(self) -> Mapping[str, str]:
        """``url``, ``version`` (``1.34.4``) and ``user`` as far as known."""

    async def discover(self) -> set[str]:
        """Every served kind as ``apiVersion/Kind``, e.g. ``apps/v1/Deployment``."""
