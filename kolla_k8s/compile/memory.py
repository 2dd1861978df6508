"""Remember what the last compilation gave, so that nothing is rendered when nothing has changed.

Rendering is a pure function: the same definitions, compiler and libraries give the same charts. So the digest of the
charts is kept beside the digest of all they were made from. What lies in a folder is not remembered but read each
time, by ``write.is_written``. A lost or broken record costs a rendering, nothing else.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

DEFINITIONS = "[!.]*.yaml"
"""Files of a folder that are definitions: not those that are hidden, as the locks of editors are."""

_PACKAGE = Path(__file__).parent.parent
_RECORD = "compiled.json"
_LIBRARIES = ("jinja2", "pydantic", "pyyaml")
_MAX_BYTES = 8 * 1024 * 1024  # the loader refuses what is larger, and less


@dataclass(frozen=True, slots=True)
class Compilation:
    """What was compiled from what.

    Attributes:
        inputs: Digest of the definitions, what was asked for, the compiler and its libraries.
        names: The charts' names, in the order they were rendered.
        charts: Digest of all their files.
    """

    inputs: str
    names: tuple[str, ...]
    charts: str


def digest_inputs(definitions: Path, release: str, services: Sequence[str]) -> str:
    """Digest of all that the charts of these services depend on; empty when something cannot be read."""
    asked = [release, sorted(services), sys.version, [version(name) for name in _LIBRARIES]]
    digest = hashlib.sha256(json.dumps(asked).encode())
    try:
        lists = sorted((definitions / "options" / release).glob("*.json"))
        for path in (*sorted(definitions.glob(DEFINITIONS)), *lists, *sorted(sources())):
            with path.open("rb") as file:
                content = file.read(_MAX_BYTES)
            digest.update(f"{path}\0{len(content)}\0".encode())
            digest.update(content)
    except OSError:
        return ""
    return digest.hexdigest()


def recall(cache: Path | None) -> Compilation | None:
    """What the last compilation gave; None when it is not known."""
    if cache is None:
        return None
    try:
        kept = json.loads((cache / _RECORD).read_bytes())
        return Compilation(kept["inputs"], tuple(kept["names"]), kept["charts"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remember(cache: Path | None, compilation: Compilation) -> None:
    """Keep a compilation in place of the one before; where nothing can be kept, nothing is."""
    if cache is None:
        return
    with contextlib.suppress(OSError):
        cache.mkdir(parents=True, exist_ok=True)
        fresh = cache / f"{_RECORD}.{os.getpid()}"
        fresh.write_text(json.dumps(asdict(compilation)), encoding="utf-8")
        fresh.replace(cache / _RECORD)


def sources() -> Iterator[Path]:
    """Every file of the compiler: modules, templates and the programs that charts carry."""
    for root, folders, files in os.walk(_PACKAGE):
        folders[:] = [name for name in folders if name not in {"data", "__pycache__"}]
        yield from (Path(root, name) for name in files)
