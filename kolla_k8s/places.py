"""Where definitions, charts and presets lie: the checkout's own, else those that came with the package.

And where to keep what can be made again.
"""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).parent


def data(name: str) -> Path:
    """Folder ``service_defs``, ``charts`` or ``values``."""
    checkout = _PACKAGE.parent / name
    is_checkout = (_PACKAGE.parent / "pyproject.toml").exists() and checkout.is_dir()
    return checkout if is_checkout else _PACKAGE / "data" / name


def cache() -> Path | None:
    """Folder for what can be made again, by the XDG rules; None for a user without a home."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path(os.environ.get("HOME", ""), ".cache"))
    return base / "kolla-k8s" if base.is_absolute() else None
