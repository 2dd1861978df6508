"""Enter a package without what it loads by itself: commands begin sooner, and only what is used is loaded."""

from __future__ import annotations

import importlib.util
import sys


def hollow(*packages: str) -> None:
    """Let modules of these packages be found; whoever wants names of the packages themselves does not find them."""
    for name in packages:
        if name not in sys.modules and (found := importlib.util.find_spec(name)):
            package = sys.modules[name] = importlib.util.module_from_spec(found)
            parent, _, child = name.rpartition(".")
            if parent:
                setattr(sys.modules[parent], child, package)
