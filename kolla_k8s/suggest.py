"""Guess what the user meant: the nearest known name, said as a way out."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches


def did_you_mean(name: str, known: Collection[str]) -> str:
    """Give the way out for an unknown name: the nearest known one, else all of them when they are few.

    >>> did_you_mean("keystome", ["keystone", "nova"])
    'did you mean "keystone"?'
    >>> did_you_mean("x", ["keystone", "nova"])
    'known: keystone, nova'
    """
    close = get_close_matches(name, known, n=1, cutoff=0.6)
    if close:
        return f'did you mean "{close[0]}"?'
    return "known: " + ", ".join(sorted(known)) if 0 < len(known) <= 12 else ""
