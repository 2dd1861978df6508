"""Passwords that no format takes as they are, and where they must not show."""

from __future__ import annotations

import base64
import gzip
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kolla_k8s.cli.cloud import Source, load_cloud
from kolla_k8s.model.catalog import is_messaging_secret
from kolla_k8s.model.service import SecretKind
from kolla_k8s.orchestrate.secrets import secret_specs
from kolla_k8s.yamlio import dump
from sandbox.api import Api

if TYPE_CHECKING:
    from tests.e2e.conftest import Sandbox

MARKER = f"Mk7q{os.getpid()}q"
"""Another run's cloud has another one: processes of all clouds of a machine are seen."""
NASTY = "@:/%$'\"\\;# x"
SPACES = ("/api/v1/namespaces/openstack", "/api/v1/namespaces/openstack-node")
RECORD = "helm.sh/release.v1"


def nasty_passwords(site: list[Path], file: Path) -> Path:
    """Write an export in which every password holds a marker and all characters that some format takes for its own."""
    cloud = load_cloud(Source(site, []))
    given: dict[str, dict[str, str]] = {}
    for spec in secret_specs(cloud.catalog, cloud.wanted.values, cloud.wanted.namespaces):
        for key, kind in spec.keys.items():
            if kind is SecretKind.PASSWORD:
                nasty = NASTY.replace("/", "") if is_messaging_secret(key) else NASTY  # see `secrets init`
                given.setdefault(spec.name, {})[key] = f"{MARKER}{len(given)}{key}{nasty}"
    file.write_text(dump(given))
    return file


def secret_values(api: Api) -> set[str]:
    """Everything that lies in the cloud's Secrets, but for what is too short to be one."""
    found = set()
    for secret in _all(api, "secrets"):
        if secret["type"] == "Opaque":
            found |= {base64.b64decode(value).decode(errors="replace") for value in secret["data"].values()}
    return {value for value in found if len(value) > 8}


def leaks(cloud: Sandbox, *said: str) -> list[str]:
    """Where a secret stands outside its Secret: objects, release records, logs, the audit log, what the tool said."""
    texts = {"the tool": "\n".join(said), "audit": cloud.at.audit_log.read_text()}
    for kind in ("configmaps", "events", "pods"):
        texts[kind] = json.dumps(_all(cloud.api, kind))
    texts |= {name: _record(secret) for name, secret in _records(cloud.api).items()} | _logs(cloud.api)
    values = secret_values(cloud.api)
    words = {MARKER} | {value for value in values if MARKER not in value}
    assert len(words) >= 3
    return [name for name, text in texts.items() for word in words if word in text]


def large_records(api: Api, limit: int = 100 * 1024) -> list[str]:
    """Release records of at least that many bytes."""
    sizes = {name: len(secret["data"]["release"]) * 3 // 4 for name, secret in _records(api).items()}
    assert sizes
    return [name for name, size in sizes.items() if size >= limit]


def _all(api: Api, kind: str) -> list[Any]:
    return [item for space in SPACES for item in api.items(f"{space}/{kind}")]


def _records(api: Api) -> dict[str, Any]:
    return {item["metadata"]["name"]: item for item in _all(api, "secrets") if item["type"] == RECORD}


def _record(secret: Any) -> str:
    return gzip.decompress(base64.b64decode(base64.b64decode(secret["data"]["release"]))).decode()


def _logs(api: Api) -> dict[str, str]:
    found = {}
    for pod in _all(api, "pods"):
        about = pod["metadata"]
        for container in [*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]]:
            path = f"/api/v1/namespaces/{about['namespace']}/pods/{about['name']}/log?container={container['name']}"
            found[f"log {about['name']} {container['name']}"] = str(api.ask("GET", path)[1])
    return found
