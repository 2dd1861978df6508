"""Members of a clustered service, and a client that works while they die."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from kolla_k8s.orchestrate.gate import is_ready
from sandbox.api import Api
from tests.e2e.conftest import SPACE, Sandbox
from tests.e2e.sampler import Repeated


class Members:
    """The pods of a service's StatefulSet."""

    def __init__(self, sandbox: Sandbox, service: str, count: int = 3) -> None:
        self.sandbox, self.api, self.service, self.count = sandbox, sandbox.api, service, count
        self.names = tuple(f"{service}-{number}" for number in range(count))

    def until(self, what: str, is_so: Callable[[], object], timeout_s: float = 300) -> None:
        """Wait for something to be so."""
        deadline = time.monotonic() + timeout_s
        while True:
            with contextlib.suppress(OSError):
                if is_so():
                    return
            assert time.monotonic() < deadline, f"{what}: not within {timeout_s} s\n{self.said()}"
            time.sleep(0.5)

    def found(self, what: str, look: Callable[[], Any]) -> Any:
        """Wait for something to be seen, and give it."""
        seen: list[Any] = []
        self.until(what, lambda: seen.append(look()) or seen[-1])
        return seen[-1]

    def said(self) -> str:
        """The last lines of every container."""
        return "\n".join(
            f"{name} {container['name']}:\n{self._log(name, container['name'], 9)[1]}"
            for name, pod in ((pod["metadata"]["name"], pod) for pod in self.pods())
            for container in pod["spec"]["containers"]
        )

    def log(self, pod: str, container: str, lines: int = 9) -> str:
        """The end of a container's log; raises OSError while there is none, or nobody gives it."""
        status, said = self._log(pod, container, lines)
        if status != 200:
            raise OSError(said)
        return str(said)

    def whole_log(self, pod: str) -> str:
        """The log of a client's container, waited for."""
        return self.found(f"the log of {pod}", lambda: [self.log(pod, pod, 100_000)])[0]

    def _log(self, pod: str, container: str, lines: int) -> tuple[int, Any]:
        return self.api.ask("GET", f"{SPACE}/pods/{pod}/log?container={container}&tailLines={lines}")

    def pods(self) -> list[dict[str, Any]]:
        """The members' pods."""
        label = "labelSelector=app.kubernetes.io%2Fcomponent%3Dserver%2Capp.kubernetes.io%2Fname%3D"
        return self.api.items(f"{SPACE}/pods?{label}{self.service}")

    def in_order_of_their_start(self) -> list[str]:
        """The members' pods, the oldest first."""
        return [pod["metadata"]["name"] for pod in sorted(self.pods(), key=lambda pod: pod["status"]["startTime"])]

    def containers(self, names: Iterable[str] = ()) -> set[str]:
        """Identities of all containers that run in these pods, or in all."""
        pods = [pod for pod in self.pods() if not names or pod["metadata"]["name"] in names]
        return {str(s.get("containerID")) for pod in pods for s in pod["status"].get("containerStatuses", ())}

    def ready(self) -> set[str]:
        """Members that are ready and not going."""
        return {pod["metadata"]["name"] for pod in self.pods() if is_ready(pod)}

    def are_ready(self) -> bool:
        """Whether every member is, and none is going."""
        return set(self.names) == self.ready() and len(self.pods()) == self.count

    def kill(self, *names: str) -> set[str]:
        """SIGKILL every container of these members at once; gives the identities that are gone."""
        gone = self.containers(names)
        for process in first_processes({container.rpartition("/")[2] for container in gone}):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        return gone

    def delete(self, *names: str) -> set[str]:
        """Delete these pods at once; gives the containers that are gone."""
        gone = self.containers(names)
        for name in names:
            self.api.ask("DELETE", f"{SPACE}/pods/{name}")
        return gone

    @contextlib.contextmanager
    def cut_off(self, name: str, *ports: int) -> Iterator[None]:
        """Drop every packet from and to these ports of one member, of connections that stand, too.

        NetworkPolicies would let those go on.
        """
        address = next(pod["status"]["podIP"] for pod in self.pods() if pod["metadata"]["name"] == name)
        told = ", ".join(map(str, ports))
        rules = [
            f"ip {side} {address} tcp {end} {{ {told} }} drop"
            for side in ("saddr", "daddr")
            for end in ("sport", "dport")
        ]
        chain = "\n".join(["type filter hook forward priority 0;", *rules])
        self._filter(f"table inet cut {{\nchain forward {{\n{chain}\n}}\n}}\n")
        try:
            yield
        finally:
            self._filter("delete table inet cut")

    def _filter(self, rules: str) -> None:
        command = ["nsenter", f"--net=/run/netns/{self.sandbox.at.netns}", "nft", "-f", "-"]
        subprocess.run(command, input=rules, text=True, check=True)

    def come_back(self, gone: set[str]) -> None:
        """Wait until every member is ready without these containers."""
        self.until("members", lambda: self.are_ready() and not gone & self.containers())


def first_processes(containers: set[str]) -> list[int]:
    """The process of each container with which it ends."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            is_ours = any(container in (folder / "cgroup").read_text() for container in containers)
            if is_ours and (folder / "status").read_text().partition("NSpid:")[2].splitlines()[0].endswith("\t1"):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def client(name: str, image: tuple[str, int], program: str, *, needs: str, env: Mapping[str, Any]) -> dict[str, Any]:
    """A pod that works without end: its program by the image's python3 (and uid), as a client of ``needs``."""
    security = {"runAsNonRoot": True, "runAsUser": image[1], "seccompProfile": {"type": "RuntimeDefault"}}
    container = {
        "name": name,
        "image": f"registry.sandbox:5000/openstack.kolla/{image[0]}:2026.1-debian-trixie",
        "command": ["python3", "-c", program],
        "env": [{"name": key, "valueFrom": value} for key, value in env.items()],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {f"needs.kolla-k8s.io/{needs}": "true"}},
        "spec": {
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
            "securityContext": security,
            "containers": [container],
        },
    }


def key_of(secret: str, key: str) -> dict[str, Any]:
    """A Secret's key as the value of an environment variable."""
    return {"secretKeyRef": {"name": secret, "key": key}}


ASK = """
import http.client, json, sys, urllib.request
for addresses in sys.stdin:
    said = []
    for address in addresses.split():
        try:
            with urllib.request.urlopen(f"http://{address}:4569/", timeout=1) as answer:
                said.append(json.load(answer))
        except (OSError, http.client.HTTPException, ValueError):
            pass  # nobody is there, or the agent ended in the middle of its answer
    print(json.dumps(said), flush=True)
"""


class Asker:
    """A process in a network that asks agents how they are; it stays: a new one each time would take much longer.

    A power cut ends it, for it cuts the whole network of the node: then the next question begins another.
    """

    def __init__(self, *prefix: str) -> None:
        """``prefix`` is the command that enters the network."""
        self._command = [*prefix, sys.executable, "-c", ASK]
        self.process = self._begun()

    def said(self, addresses: Iterable[str]) -> list[dict[str, Any]]:
        """What the agents say that answer; nothing when the process ended meanwhile."""
        if self.process.poll() is not None:
            self.end()
            self.process = self._begun()
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            print(*addresses, file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline() or "[]")

    def end(self) -> None:
        """Let it end."""
        self.process.communicate()

    def _begun(self) -> subprocess.Popen[str]:
        return subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


class Components(Repeated):
    """Asks Galera's agents which primary components there are.

    Attributes:
        split: Looks at which two members were primary in components that had nobody in common.
        heard: How many looks found a primary component.
    """

    def __init__(self, members: Members) -> None:
        super().__init__(0.3)
        self.split: list[list[dict[str, Any]]] = []
        self.heard = 0
        api = members.api  # a connection is nothing that threads can share
        own = replace(members.sandbox, api=Api(members.sandbox.at.pki, "system", *api.address))
        self._members = Members(own, members.service)
        self._asker = Asker("nsenter", f"--net=/run/netns/{own.at.netns}")

    def look(self) -> None:
        """Ask all of them once."""
        with contextlib.suppress(OSError):
            said = self._asker.said(pod["status"].get("podIP", "") for pod in self._members.pods())
            seen = [set(filter(None, one["sees"])) for one in said if one["primary"]]
            self.heard += any(seen)
            if any(not one & other for one in seen for other in seen if one and other):
                self.split.append(said)

    def __exit__(self, *about: object) -> None:
        """End."""
        super().__exit__(*about)
        self._asker.end()
