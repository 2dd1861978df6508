"""Publish into an OCI registry through helm, which knows registries and their credentials."""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from kolla_k8s.errors import OutsideError, UserFilesError
from kolla_k8s.publish.folder import refusal
from kolla_k8s.publish.package import Package

Helm = Callable[[Sequence[str]], Awaitable[str]]
"""Runs helm with arguments and gives its output; raises ``OutsideError`` with its words."""


async def publish_to_registry(packages: Sequence[Package], target: str, helm: Helm) -> list[str]:
    """Push archives to ``oci://HOST/PATH``; give the names of those that are new.

    Raises:
        UserFilesError: A version is published already with other content; nothing is pushed then.
    """
    with tempfile.TemporaryDirectory(prefix="kolla-k8s-") as scratch:
        found = [(p, await _published(p, target, helm, Path(scratch))) for p in packages]
        problems = [
            refusal(p, f"{target}/{p.about['name']}")
            for p, archive in found
            if archive is not None and not p.is_in(archive)
        ]
        if problems:
            raise UserFilesError(problems)
        new = [p for p, archive in found if archive is None]
        for one in new:
            archive = Path(scratch) / one.file_name
            archive.write_bytes(one.content)
            await helm(["push", str(archive), target])
    return [one.file_name for one in new]


async def _published(package: Package, target: str, helm: Helm, scratch: Path) -> bytes | None:
    folder = scratch / f"there-{package.about['name']}"
    folder.mkdir()
    version = str(package.about["version"])
    try:
        await helm(["pull", f"{target}/{package.about['name']}", "--version", version, "--destination", str(folder)])
    except OutsideError as error:
        if "not found" in str(error):
            return None
        raise
    archive = folder / package.file_name
    if not archive.exists():
        raise OutsideError("helm", f"pulled no {package.file_name} from {target}", "see what `helm pull` does there")
    return archive.read_bytes()
