"""Make a chart's archive: the same chart gives the same archive, at any time and on any supported Python.

Compressed bytes depend on the zlib that made them, so what counts as the same content is decided on what is inside.
"""

from __future__ import annotations

import hashlib
import io
import struct
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kolla_k8s.checked import load_checked
from kolla_k8s.errors import OutsideError
from kolla_k8s.model.helm_files import ChartFile

COMPILED = "__pycache__"
HEADER = bytes.fromhex("1f8b 08 00 00000000 02 ff")  # gzip: no name, no time, best compression, no operating system


@dataclass(frozen=True, slots=True)
class Package:
    """A chart packed in memory, and what its ``Chart.yaml`` says.

    Attributes:
        about: ``Chart.yaml`` as data.
        tar: Its files as a tar archive.
        content: The same compressed: what is published.
    """

    about: dict[str, Any]
    tar: bytes
    content: bytes

    @property
    def file_name(self) -> str:
        """``keystone-2026.1.1.tgz``."""
        return f"{self.about['name']}-{self.about['version']}.tgz"

    def is_in(self, archive: bytes) -> bool:
        """Whether a published archive holds the same files, however it was compressed; False for a damaged one."""
        unzip = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        try:
            held = unzip.decompress(archive, len(self.tar) + 1)  # not a byte more than it takes to see a difference
        except zlib.error:
            return False
        return unzip.eof and held == self.tar


def package(chart: Path) -> Package:
    """Pack a chart directory; links are refused, modes, owners and times are fixed."""
    about = load_checked(chart / "Chart.yaml", ChartFile)
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(path for path in chart.rglob("*") if COMPILED not in path.parts):
            if path.is_symlink():
                raise OutsideError(str(path), "is a link, which a chart must not hold", "replace it by a file")
            if path.is_file():
                _add(archive, f"{about['name']}/{path.relative_to(chart)}", path.read_bytes())
    return Package(about, raw.getvalue(), zipped(raw.getvalue()))


def zipped(content: bytes) -> bytes:
    """Compress to gzip's format; the header is always the same (``gzip.compress`` has another since Python 3.13)."""
    deflate = zlib.compressobj(level=9, wbits=-zlib.MAX_WBITS)
    trailer = struct.pack("<II", zlib.crc32(content), len(content) % 2**32)
    return HEADER + deflate.compress(content) + deflate.flush() + trailer


def digest(archive: bytes) -> str:
    """SHA-256 of an archive, as an index names it."""
    return hashlib.sha256(archive).hexdigest()


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    about = tarfile.TarInfo(name)
    about.size, about.mode, about.mtime = len(content), 0o644, 0
    archive.addfile(about, io.BytesIO(content))
