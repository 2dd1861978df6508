"""A registry of published charts, which helm speaks to."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import pytest

from kolla_k8s.errors import OutsideError, UserFilesError
from kolla_k8s.publish.oci import publish_to_registry
from tests.unit.publish.test_folder_keeps_what_it_holds import a_package

TARGET = "oci://registry.example.org/charts"


class Registry:
    """Helm's ``pull`` and ``push`` on archives in memory."""

    def __init__(self):
        self.archives = {}

    async def helm(self, arguments):
        if arguments[0] == "push":
            self.archives[Path(arguments[1]).name] = Path(arguments[1]).read_bytes()
            return ""
        name = f"{arguments[1].rsplit('/', 1)[1]}-{arguments[3]}.tgz"
        if name not in self.archives:
            raise OutsideError("helm", f"{arguments[1]}:{arguments[3]}: not found")
        Path(arguments[5], name).write_bytes(self.archives[name])
        return ""


async def test_helm_that_pulls_nothing_and_calls_it_good_is_told():
    """
    Some other program of that name, perhaps.
    """

    async def helm(_arguments):
        return "hello"

    with pytest.raises(OutsideError, match=r"helm: pulled no keystone-2026\.1\.1\.tgz from oci://registry"):
        await publish_to_registry([a_package()], TARGET, helm)


async def test_published_again_nothing_is_pushed():
    """
    Not even when another zlib made what is there.
    """
    registry, older = Registry(), replace(a_package(), content=gzip.compress(b"files", 1))

    assert ["keystone-2026.1.1.tgz"] == await publish_to_registry([older], TARGET, registry.helm)
    assert [] == await publish_to_registry([a_package()], TARGET, registry.helm)
    assert {"keystone-2026.1.1.tgz": older.content} == registry.archives


async def test_other_content_is_refused_and_nothing_is_pushed():
    """
    Also what would be new stays out.
    """
    registry = Registry()
    await publish_to_registry([a_package()], TARGET, registry.helm)

    with pytest.raises(UserFilesError, match=r"charts/keystone: keystone 2026.1.1 is published with other content"):
        await publish_to_registry([a_package(name="nova"), a_package(b"other")], TARGET, registry.helm)
    assert {"keystone-2026.1.1.tgz": a_package().content} == registry.archives


async def test_registry_that_cannot_be_asked_gets_nothing():
    """
    Only "not found" means that a version is new.
    """

    async def away(_arguments):
        raise OutsideError("helm", "connection refused")

    with pytest.raises(OutsideError, match="connection refused"):
        await publish_to_registry([a_package()], TARGET, away)
