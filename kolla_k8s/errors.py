"""What can go wrong that a user can mend, and the exit code of each.

Innermost room: it imports nothing of ours. Expected failures of a *run* (a pod that does not come up) are data in the
report, not exceptions; the classes here end a command. Nothing in here prints: only ``cli`` does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One fault in a user's file or option: where it is, what is so, what to do.

    Attributes:
        place: ``file:line:column``, ``file`` or the option's name.
        field: Path of the value inside the file (``spec.needs.start[0]``); empty when the place says it all.
        fact: What is so, lower case, values quoted.
        way_out: What the user can do; empty only when the fact implies it.

    >>> str(Problem("nova.yaml:14:7", "needs[0]", 'no service is called "keystome"', 'did you mean "keystone"?'))
    'nova.yaml:14:7: needs[0]: no service is called "keystome"; did you mean "keystone"?'
    """

    place: str
    field: str
    fact: str
    way_out: str = ""

    def __str__(self) -> str:
        """Give the one line a user reads."""
        where = ": ".join(part for part in (self.place, self.field) if part)
        what = "; ".join(part for part in (self.fact, self.way_out) if part)
        return f"{where}: {what}" if where else what


class KollaK8sError(Exception):
    """A failure that ends the command; its text is one or more lines of place, fact, way out."""

    exit_code: ClassVar[int] = 1


class DidNotComeUpError(KollaK8sError):
    """The command ran, and something did not come up or a check found a difference (exit 1)."""


class UserFilesError(KollaK8sError):
    """The user's files or options are wrong (exit 2); holds all problems found, sorted by place."""

    exit_code = 2

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Keep the problems, each once, in the order of their places."""
        self.problems = tuple(sorted(set(problems), key=_by_place))
        super().__init__("\n".join(map(str, self.problems)))


class OutsideError(KollaK8sError):
    """Something outside (helm, cluster, registry, credentials, disk) cannot be used (exit 3)."""

    exit_code = 3

    def __init__(self, place: str, fact: str, way_out: str = "") -> None:
        """Say which outside thing, what is so with it and what to do."""
        self.problem = Problem(place, "", fact, way_out)
        super().__init__(str(self.problem))


class HeldError(KollaK8sError):
    """Another run holds the cloud (exit 4)."""

    exit_code = 4


class ConflictError(OutsideError):
    """The object moved on since it was read, or another field manager owns the field."""


class AlreadyExistsError(ConflictError):
    """An object of that name is there already."""


class RefusedError(OutsideError):
    """Admission or validation in the cluster refused the object; repeating it changes nothing."""


class InterruptedRunError(KollaK8sError):
    """SIGINT ended the run; what was done is in the cluster and the same command continues."""

    exit_code = 130


class TerminatedRunError(InterruptedRunError):
    """SIGTERM ended the run; what was done is in the cluster and the same command continues."""

    exit_code = 143


def _by_place(problem: Problem) -> tuple[str, int, int, str, str]:
    file, *numbers = problem.place.split(":")
    line, column = ([int(n) for n in numbers if n.isdecimal()] + [0, 0])[:2]
    return file, line, column, problem.field, problem.fact
