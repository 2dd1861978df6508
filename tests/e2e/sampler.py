"""Look at every process and every temporary file again and again, for words that must not be there."""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

SMALL = 4 * 1024 * 1024


class Repeated(ABC):
    """A thread that looks again and again until it is left; ``looks`` counts how often."""

    def __init__(self, period_s: float) -> None:
        """Look that often."""
        self.looks = 0
        self._period_s, self._end = period_s, threading.Event()
        self._thread = threading.Thread(target=self._run)

    @abstractmethod
    def look(self) -> None:
        """Look once."""

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
        while not self._end.wait(self._period_s):
            self.looks += 1
            self.look()


class Sampler(Repeated):
    """Reads ``/proc/*/{cmdline,environ}`` and the files of some folders.

    Attributes:
        found: Where a word was seen: ``cmdline of mariadbd (1234)``, or a file.
        processes: Names of all processes that were seen.
    """

    def __init__(self, words: Sequence[str], folders: Iterable[Path]) -> None:
        """Look for words, in folders too."""
        super().__init__(0.2)
        self.found: set[str] = set()
        self.processes: set[str] = set()
        self._words = [word.encode() for word in words]
        self._folders = list(folders)

    def look(self) -> None:
        """Read everything once."""
        for place, text in [*self._of_processes(), *texts_of(self._folders)]:
            if any(word in text for word in self._words):
                self.found.add(place)

    def _of_processes(self) -> Iterator[tuple[str, bytes]]:
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                name = (folder / "comm").read_text(errors="replace").strip()
                self.processes.add(name)
                for file in ("cmdline", "environ"):
                    yield f"{file} of {name} ({folder.name})", (folder / file).read_bytes()


def texts_of(folders: Iterable[Path]) -> Iterator[tuple[str, bytes]]:
    """Path and content of each small file; files and folders that go meanwhile are passed over."""
    for folder in folders:
        for place, _, names in os.walk(folder):
            for path in (Path(place, name) for name in names):
                with suppress(OSError):
                    if path.is_file() and path.stat().st_size < SMALL:
                        yield str(path), path.read_bytes()
