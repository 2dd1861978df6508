"""Where definitions, charts and presets lie: the checkout's own, else those that came with the package."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent


def data(name: str) -> Path:
    """Folder ``service_defs``, ``charts`` or ``values``."""
    checkout = _PACKAGE.parent / name
    is_checkout = (_PACKAGE.parent / "pyproject.toml").exists() and checkout.is_dir()
    return checkout if is_checkout else _PACKAGE / "data" / name
