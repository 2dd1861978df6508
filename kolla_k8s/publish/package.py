"""Make a chart's archive: the same chart gives the same bytes, on any machine and at any time."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kolla_k8s.errors import OutsideError
from kolla_k8s.yamlio import load

COMPILED = "__pycache__"


@dataclass(frozen=True, slots=True)
class Package:
    """An archive in memory, and what its ``Chart.yaml`` says."""

    about: dict[str, Any]
    content: bytes

    @property
    def file_name(self) -> str:
        """``keystone-2026.1.1.tgz``."""
        return f"{self.about['name']}-{self.about['version']}.tgz"

    @property
    def digest(self) -> str:
        """SHA-256 of the archive, as an index names it."""
        return hashlib.sha256(self.content).hexdigest()


def package(chart: Path) -> Package:
    """Pack a chart directory; links are refused, modes, owners and times are fixed."""
    about = load(chart / "Chart.yaml").data
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(path for path in chart.rglob("*") if COMPILED not in path.parts):
            if path.is_symlink():
                raise OutsideError(str(path), "is a link, which a chart must not hold", "replace it by a file")
            if path.is_file():
                _add(archive, f"{about['name']}/{path.relative_to(chart)}", path.read_bytes())
    return Package(about, gzip.compress(raw.getvalue(), mtime=0))


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    about = tarfile.TarInfo(name)
    about.size, about.mode, about.mtime = len(content), 0o644, 0
    archive.addfile(about, io.BytesIO(content))
