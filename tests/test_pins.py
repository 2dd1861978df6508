"""The hash-locked development set has what the project asks for."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]


def normal(requirement: str) -> str:
    """Name of a package as indexes compare it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[^A-Za-z0-9._-]", requirement.strip())[0]).lower()


def test_every_package_that_is_asked_for_is_pinned_with_a_hash():
    """
    `make lock` was run after the last change.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    asked = {*project["project"]["dependencies"], *project["dependency-groups"]["dev"]}
    text = (ROOT / "requirements-dev.txt").read_text()
    pins = re.findall(r"^([A-Za-z0-9._-]+)==[^\n]*\\\n +--hash=sha256:", text, re.MULTILINE)

    assert set() == {normal(one) for one in asked} - set(map(normal, pins))


def test_every_pin_is_of_a_version_that_is_asked_for():
    """
    A bound that was raised or lowered takes its pin along.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    asked = map(Requirement, [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]])
    pins = re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", (ROOT / "requirements-dev.txt").read_text(), re.MULTILINE)
    versions = {normal(name): version for name, version in pins}

    assert [] == [str(one) for one in asked if not one.specifier.contains(versions[normal(one.name)])]
