"""What pods are told, read from the objects that helm rendered."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any


def pod_files(items: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Give the file of each pod that has one, by the pod's name in the definition."""
    items = list(items)
    told = {
        item["metadata"]["name"]: json.loads(item["data"]["pod.json"])
        for item in items
        if item["kind"] == "ConfigMap" and "pod.json" in item.get("data", ())
    }
    return {
        item["metadata"]["labels"]["app.kubernetes.io/component"]: told[name]
        for item in items
        for name in _config_maps(item)
        if name in told
    }


def _config_maps(item: dict[str, Any]) -> Iterable[str]:
    """Names of those that the pods of an object see."""
    for volume in ((pod_of(item) or {}).get("spec") or {}).get("volumes", ()):
        yield from (
            part["configMap"]["name"] for part in volume.get("projected", {}).get("sources", ()) if "configMap" in part
        )


def pod_of(item: dict[str, Any]) -> dict[str, Any] | None:
    """Give what an object says of the pods that it makes; nothing when it makes none."""
    spec = item.get("spec", {})
    found: dict[str, Any] | None = spec.get("jobTemplate", {}).get("spec", spec).get("template")
    return found


def contents(pod: dict[str, Any]) -> dict[str, Any]:
    """Give what stands in each configuration file of a pod."""
    return {name: file["content"] for name, file in pod["files"].items()}
