"""Look at every process and every temporary file again and again, for words that must not be there."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

SMALL = 4 * 1024 * 1024


class Sampler:
    """A thread that reads ``/proc/*/{cmdline,environ}`` and the files of some folders until it is left.

    Attributes:
        found: Where a word was seen: ``cmdline of mariadbd (1234)``, or a file.
        rounds: How often everything was read.
        processes: Names of all processes that were seen.
    """

    def __init__(self, words: Sequence[str], folders: Iterable[Path]) -> None:
        """Look for words, in folders too."""
        self.found: set[str] = set()
        self.processes: set[str] = set()
        self.rounds = 0
        self._words = [word.encode() for word in words]
        self._folders = list(folders)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(0.2):
            self.rounds += 1
            for place, text in [*self._of_processes(), *self._of_files()]:
                if any(word in text for word in self._words):
                    self.found.add(place)

    def _of_processes(self) -> Iterator[tuple[str, bytes]]:
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                name = (folder / "comm").read_text().strip()
                self.processes.add(name)
                for file in ("cmdline", "environ"):
                    yield f"{file} of {name} ({folder.name})", (folder / file).read_bytes()

    def _of_files(self) -> Iterator[tuple[str, bytes]]:
        for path in (path for folder in self._folders for path in folder.rglob("*")):
            with suppress(OSError):
                if path.is_file() and path.stat().st_size < SMALL:
                    yield str(path), path.read_bytes()
