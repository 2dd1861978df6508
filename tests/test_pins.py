"""The hash-locked development set has what the project asks for."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]


def asked() -> dict[str, Requirement]:
    """Packages that the project and its development ask for, by name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    said = map(Requirement, [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]])
    return {canonicalize_name(one.name): one for one in said}


def pinned() -> dict[str, str]:
    """Version of each package that is pinned with a hash."""
    text = (ROOT / "requirements-dev.txt").read_text()
    pins = re.findall(r"^([A-Za-z0-9._-]+)==(\S+)[^\n]*\\\n +--hash=sha256:", text, re.MULTILINE)
    return {canonicalize_name(name): version for name, version in pins}


def test_every_package_that_is_asked_for_is_pinned_with_a_hash():
    """
    `make lock` was run after the last change.
    """
    assert set() == asked().keys() - pinned().keys()


def test_every_pin_is_of_a_version_that_is_asked_for():
    """
    A bound that was raised or lowered takes its pin along.
    """
    pins = pinned()

    assert [] == [str(one) for name, one in asked().items() if not one.specifier.contains(pins[name])]
