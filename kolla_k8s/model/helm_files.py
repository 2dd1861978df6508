"""Helm's own files as we read them back: what must be in them before anything is done with them; the rest is free.

Charts and repositories can come from anybody. Names and versions become names of files, so their shape is checked.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

from kolla_k8s.model.base import FileName

Version = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z][-+.0-9A-Za-z]{0,99}$")]


class Open(BaseModel):
    """A map that may hold more than we know."""

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)


class ChartFile(Open):
    """``Chart.yaml``."""

    name: FileName
    version: Version
    appVersion: str = ""  # noqa: N815 - Helm's spelling
    annotations: dict[str, str] = {}


class IndexEntry(Open):
    """A version in the index of a chart repository."""

    name: FileName
    version: Version
    digest: str


class IndexFile(Open):
    """``index.yaml``."""

    entries: dict[str, list[IndexEntry]]
