"""Put charts on disk so that a reader sees the old tree or the new one, never a mixture.

A new tree is built beside the old one: unchanged files are hard links (their times stay), changed ones are written.
Then the two directories change places in one system call; where a file system cannot, in two, and the next run mends
what lies between. Names cannot lead out of the folder; links are refused.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from kolla_k8s.alone import writing
from kolla_k8s.errors import OutsideError

_EXCHANGE = 2
_AT_FDCWD = -100
MARK = "kolla-k8s.io/digest"
"""The annotation in ``Chart.yaml`` that only charts of ours have."""


def differences(folder: Path, charts: Sequence[Mapping[str, str]], names: Sequence[str]) -> list[str]:
    """Paths below ``folder`` whose content differs from the charts', missing and superfluous files included."""
    wanted = _wanted(charts, names)
    present = set(_present(folder, names))
    changed = [path for path, text in wanted.items() if _read(folder / path) != text]
    return sorted({*changed, *(present - set(wanted))})


def charts_digest(charts: Sequence[Mapping[str, str]], names: Sequence[str]) -> str:
    """Digest of the paths and texts of charts, to ask ``is_written`` for without rendering them again."""
    return _digest(_wanted(charts, names))


def is_written(folder: Path, names: Sequence[str], digest: str, *, is_all: bool = False) -> bool:
    """Whether ``write_charts`` would find nothing to do for charts of this digest; raises as it does."""
    with _writing(folder, names):
        texts = {path: _read(folder / path) for path in _present(folder, names)}
        return digest == _digest(texts) and not (is_all and _stale(folder, names))


def write_charts(
    folder: Path, charts: Sequence[Mapping[str, str]], names: Sequence[str], *, is_all: bool = False
) -> list[str]:
    """Make the folder hold exactly these charts beside whatever else is in it; give the paths that changed.

    Args:
        folder: Where charts go; made when missing.
        charts: Relative path -> text, one mapping a chart.
        names: The charts' names, in the same order.
        is_all: Whether charts that we once made and that are not among these are removed.

    Raises:
        OutsideError: The disk refuses; or where the folder or a chart should be stands what we did not write.
        HeldError: Another run is writing there.
    """
    with _writing(folder, names):
        stale = _stale(folder, names) if is_all else []
        changed = differences(folder, charts, names)
        if changed or stale:
            _exchange_tree(folder, _wanted(charts, names), {*names, *stale})
        return [*changed, *stale]


def _wanted(charts: Sequence[Mapping[str, str]], names: Sequence[str]) -> dict[str, str]:
    return {f"{name}/{path}": text for name, files in zip(names, charts, strict=True) for path, text in files.items()}


def _present(folder: Path, names: Sequence[str]) -> Iterator[str]:
    return (path for name in names for path in _files(folder / name, folder))


def _digest(texts: Mapping[str, str | None]) -> str:
    digest = hashlib.sha256()
    for path, text in sorted(texts.items()):
        content = b"" if text is None else hashlib.sha256(text.encode()).digest()
        digest.update(f"{path}\0".encode() + content)
    return digest.hexdigest()


def _files(below: Path, folder: Path) -> Iterator[str]:
    for root, folders, files in os.walk(below):
        folders[:] = [name for name in folders if name != "__pycache__"]
        yield from (str((Path(root) / file).relative_to(folder)) for file in files)


def _read(path: Path) -> str | None:
    try:
        return path.read_bytes().decode()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, UnicodeDecodeError):
        return None


def _stale(folder: Path, names: Sequence[str]) -> list[str]:
    charts = (path.parent for path in folder.glob("*/Chart.yaml"))
    return sorted(chart.name for chart in charts if chart.name not in names and _is_ours(chart))


def _is_ours(chart: Path) -> bool:
    return not chart.is_symlink() and f"{MARK}:" in (_read(chart / "Chart.yaml") or "")


def _is_free(place: Path) -> bool:
    return not os.path.lexists(place) or (place.is_dir() and not place.is_symlink() and not any(place.iterdir()))


@contextmanager
def _writing(folder: Path, names: Sequence[str]) -> Iterator[None]:
    with writing(folder, locked=folder.parent, work="is writing charts there"):
        _require_ours(folder)
        _clear_up(folder)
        if foreign := [name for name in names if not _is_free(folder / name) and not _is_ours(folder / name)]:
            fact = f"holds {', '.join(foreign)}, which gen-charts did not write"
            raise OutsideError(str(folder), fact, "move that away, or name another folder with --output")
        yield


def _require_ours(folder: Path) -> None:
    """Raise where no folder of charts can be, for it would be exchanged for another one."""
    if folder.is_symlink():
        raise OutsideError(str(folder), "is a link", "name the folder itself with --output")
    if folder.exists() and not folder.is_dir():
        raise OutsideError(str(folder), "is no folder", "name one with --output, or one that is not there yet")
    if Path.cwd().is_relative_to(folder.absolute().resolve()):
        raise OutsideError(str(folder), "is where you are, and would be another one", "name a folder below it")


def _exchange_tree(folder: Path, wanted: Mapping[str, str], ours: set[str]) -> None:
    staging = folder.parent / f".{folder.name}.new-{os.getpid()}"
    staging.mkdir()
    if folder.exists():
        shutil.copymode(folder, staging)
    try:
        _keep_others(folder, staging, ours)
        for path, text in wanted.items():
            _place(folder / path, staging / path, text)
        _swap(staging, folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _keep_others(folder: Path, staging: Path, ours: set[str]) -> None:
    for entry in sorted(folder.iterdir()) if folder.is_dir() else ():
        if entry.name in ours:
            continue
        if entry.is_symlink() or not entry.is_dir():
            os.link(entry, staging / entry.name, follow_symlinks=False)
        else:
            shutil.copytree(entry, staging / entry.name, symlinks=True, copy_function=os.link)


def _place(old: Path, new: Path, text: str) -> None:
    new.parent.mkdir(parents=True, exist_ok=True)
    if not old.is_symlink() and _read(old) == text:
        os.link(old, new)
        return
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as out:
        out.write(text)


def _swap(staging: Path, folder: Path) -> None:
    if not folder.exists():
        staging.rename(folder)
        return
    library = ctypes.CDLL(None, use_errno=True)
    arguments = (_AT_FDCWD, os.fsencode(staging), _AT_FDCWD, os.fsencode(folder), _EXCHANGE)
    if library.renameat2(*arguments) == 0:
        return
    code = ctypes.get_errno()
    if code not in (errno.EINVAL, errno.ENOSYS):
        raise OSError(code, os.strerror(code))
    folder.rename(_aside(folder))
    staging.rename(folder)
    shutil.rmtree(_aside(folder))


def _aside(folder: Path) -> Path:
    """Where the old tree waits on file systems that cannot exchange two directories."""
    return folder.parent / f".{folder.name}.new-aside"


def _clear_up(folder: Path) -> None:
    """Take away what a killed run left beside the folder; put the old tree back when it died between two renames."""
    if _aside(folder).exists() and not folder.exists():
        _aside(folder).rename(folder)
    for leftover in folder.parent.glob(f".{folder.name}.new-*/"):
        shutil.rmtree(leftover)
