"""Write into a folder while nobody else does, and say so when that is not possible.

Apart, because charts and publications are both written so. The lock ends with the process, however it ends; it holds
on one machine, and over NFS only where the server locks.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kolla_k8s.errors import HeldError, OutsideError


@contextmanager
def writing(folder: Path, *, locked: Path, work: str) -> Iterator[None]:
    """Hold a lock while files are written below ``folder``.

    Args:
        folder: Where is written, for messages.
        locked: The directory that is locked; made when missing.
        work: What the other run does, as in "is writing charts there".

    Raises:
        HeldError: Another run holds it; nobody waits.
        OutsideError: The disk refuses, to lock or whatever the block does.
    """
    try:
        locked.mkdir(parents=True, exist_ok=True)
        handle = os.open(locked, os.O_RDONLY | os.O_DIRECTORY)
        try:
            _lock(handle, f"{folder}: another run {work}; wait for it and repeat")
            yield
        finally:
            os.close(handle)
    except OSError as error:
        raise OutsideError(
            str(folder), f"cannot be written: {error.strerror or error}", "see disk and rights"
        ) from error


def _lock(handle: int, busy: str) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise HeldError(busy) from None
