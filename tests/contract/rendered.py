"""What pods are told, read from the objects that helm rendered."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any


def pod_files(items: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Give the file of each pod that has one, by the pod's name in the definition."""
    return {
        item["metadata"]["labels"]["app.kubernetes.io/component"]: json.loads(item["data"]["pod.json"])
        for item in items
        if item["kind"] == "ConfigMap" and "pod.json" in item.get("data", ())
    }


def contents(pod: dict[str, Any]) -> dict[str, Any]:
    """Give what stands in each configuration file of a pod."""
    return {name: file["content"] for name, file in pod["files"].items()}
