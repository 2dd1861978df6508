"""Definitions said in a test, in files of their own, and the charts they give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kolla_k8s.compile.render import render_chart
from kolla_k8s.yamlio import dump
from tests.conftest import catalog_of

DEPLOYMENT = {"kind": "Deployment", "image": "memcached", "run": ["run"]}
LISTENING = {**DEPLOYMENT, "ports": {"api": 8000}}


def a_definition(name: str, **spec: Any) -> dict[str, Any]:
    """A whole definition, with one listening Deployment unless the spec says otherwise."""
    return {
        "apiVersion": "kolla-k8s.io/v1",
        "kind": "Service",
        "metadata": {"name": name, "title": "A service", "revision": 1},
        "spec": {"user": {"name": "nobody", "uid": 42400}, "workloads": {"api": LISTENING}, **spec},
    }


def write(folder: Path, *definitions: dict[str, Any]) -> Path:
    """Write each into the file of its name."""
    for definition in definitions:
        (folder / f"{definition['metadata']['name']}.yaml").write_text(dump(definition))
    return folder


def files_of(folder: Path, name: str, *definitions: dict[str, Any]) -> dict[str, str]:
    """Files of one service's chart, compiled among the others."""
    return dict(render_chart(catalog_of(write(folder, *definitions)), name).files)
