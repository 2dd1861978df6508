"""What ``smoke`` does, once a cluster is open."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kolla_k8s.cli.cloud import Cloud, Source, load_cloud
from kolla_k8s.cli.session import Session, Target, opened
from kolla_k8s.errors import DidNotComeUpError, OutsideError, Problem, UserFilesError
from kolla_k8s.model.catalog import endpoint, secret_ref
from kolla_k8s.orchestrate.secrets import SECRETS
from kolla_k8s.orchestrate.smoke import Passed, Smoke

NAME = "kolla-k8s-smoke-"
"""How the name of every run begins."""
UPLOAD_MIB = 64
"""What one file may have that goes through a pod of nova's API, whose memory holds it more than once."""


@dataclass(frozen=True, slots=True)
class Guest:
    """What is started, as options say."""

    kernel: Path | None
    ramdisk: Path | None
    image: Path | None
    disk_format: str
    image_name: str | None
    memory: int
    cidr: str

    def read(self) -> dict[str, Any]:
        """Contents of the files; ``UserFilesError`` when none or two guests are named."""
        pair = self.kernel is not None and self.ramdisk is not None
        if (self.kernel is None) != (self.ramdisk is None) or sum((pair, bool(self.image), bool(self.image_name))) != 1:
            way_out = "name one: --kernel with --ramdisk, --image, or --image-name"
            raise UserFilesError([Problem("options", "", "no one guest is named", way_out)])
        about = {"memory": self.memory, "cidr": self.cidr, "format": self.disk_format, "image-name": self.image_name}
        files = {"kernel": self.kernel, "ramdisk": self.ramdisk, "image": self.image}
        return {**about, **{name: _content(path) for name, path in files.items() if path is not None}}


def _content(path: Path) -> str:
    try:
        is_too_large = path.stat().st_size > UPLOAD_MIB << 20
        content = b"" if is_too_large else path.read_bytes()
    except OSError as error:
        raise UserFilesError([Problem(str(path), "", f"cannot be read: {error.strerror}", "name a file")]) from None
    if is_too_large:
        way_out = "upload it with `openstack image create`, and name it by --image-name"
        raise UserFilesError([Problem(str(path), "", f"has more than {UPLOAD_MIB} MiB", way_out)])
    return base64.b64encode(content).decode()


async def walk(source: Source, target: Target, guest: Guest, output: str, patience_s: float, *, keep: bool) -> None:
    """Go the path and print each step; raises ``DidNotComeUpError`` when one is red."""
    name, content = f"{NAME}{secrets.token_hex(3)}", guest.read()
    cloud = load_cloud(source)
    async with opened(target) as session:
        smoke = await _prepared(session, cloud, name, content, patience_s)
        sys.stderr.write(f"{name} begins\n")
        try:
            with session.signals.finishing():
                passed = await smoke.run(lambda one: _tell(session, one, output), keep=keep)
        except asyncio.CancelledError:
            session.signals.raise_if_received(f"{name} was ended{_left(smoke, ())}")
            raise
    _end(session, smoke, passed, output)


async def clean_up(source: Source, target: Target, name: str, output: str, patience_s: float) -> None:
    """Delete what a kept run made."""
    if not name.startswith(NAME):
        way_out = "give the name that the kept run printed"
        raise UserFilesError([Problem("--clean", "", f'"{name}" does not begin with {NAME}', way_out)])
    cloud = load_cloud(source)
    async with opened(target) as session:
        smoke = await _prepared(session, cloud, name, {}, patience_s)
        passed = [await smoke.clean(lambda one: _tell(session, one, output))]
    _end(session, smoke, passed, output)


async def _prepared(session: Session, cloud: Cloud, name: str, content: dict[str, Any], patience_s: float) -> Smoke:
    return Smoke(
        cluster=session.cluster,
        clock=session.clock,
        name=name,
        login=await _administrator(session, cloud),
        guest=content,
        namespaces=cloud.wanted.namespaces,
        patience_s=patience_s,
        stop=session.signals.stop,
    )


def _end(session: Session, smoke: Smoke, passed: Sequence[Passed], output: str) -> None:
    """Print the result; raises when a signal stopped it or a step is red."""
    is_green = all(one.is_green for one in passed)
    outcome = "stopped" if smoke.stop.is_set() else "green" if is_green else "red"
    if output == "json":
        steps = [{**asdict(one), "said": session.redact(one.said)} for one in passed]
        about = {"name": smoke.name, "outcome": outcome, "steps": steps, "made": smoke.made}
        sys.stdout.write(json.dumps(about, indent=1) + "\n")
    session.signals.raise_if_received(f"{smoke.name} was stopped{_left(smoke, passed)}")
    if not is_green:
        red = next(one for one in passed if not one.is_green)
        raise DidNotComeUpError(f"smoke: {red.step}: {session.redact(red.said)}{_left(smoke, passed)}")
    if output != "json":
        sys.stdout.write(f"{smoke.name} is green after {sum(one.took_s for one in passed):.1f} s\n")


def _left(smoke: Smoke, passed: Sequence[Passed]) -> str:
    """How to delete what a run left; nothing when it left nothing."""
    is_clean = any(one.step == "clean" and one.is_green for one in passed)
    return "" if is_clean else f"; `kolla-k8s smoke --clean {smoke.name}` deletes what was made"


def _tell(session: Session, passed: Passed, output: str) -> None:
    if output != "json":
        mark = "" if passed.is_green else "RED: "
        sys.stdout.write(f"{passed.took_s:7.1f} s  {passed.step}: {mark}{session.redact(passed.said)}\n")
        sys.stdout.flush()


async def _administrator(session: Session, cloud: Cloud) -> dict[str, str]:
    """Login of the cloud's administrator, from the Secret that install made."""
    keystone = cloud.catalog["keystone"]
    space = cloud.wanted.namespaces["control"]
    ref = secret_ref(keystone, "admin-password")
    found = await session.cluster.get(SECRETS, ref.secret, space)
    data = (found or {}).get("data") or {}
    if ref.key not in data:
        raise OutsideError(f"Secret {space}/{ref.secret}", f"has no {ref.key}", "install the cloud first")
    password = base64.b64decode(data[ref.key]).decode()
    session.redact.add([password])
    at = endpoint(keystone, keystone.spec.identity.services["keystone"])
    url = f"http://{at['service']}.{space}.svc:{at['port']}"
    return {"auth_url": url, "username": "admin", "password": password, "project": "admin"}
