"""Local volumes: a directory of the node for each claim of the class ``standard``, gone when the claim is."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from sandbox.api import Api

CLASS = "standard"
SELECTED = "volume.kubernetes.io/selected-node"


def provision(api: Api, folder: Path) -> None:
    """Make volumes for claims whose pod has a node, remove those whose claim is gone."""
    for claim in api.items("/api/v1/persistentvolumeclaims"):
        about, spec = claim["metadata"], claim["spec"]
        is_ours = spec.get("storageClassName") == CLASS and SELECTED in about.get("annotations", {})
        if is_ours and not spec.get("volumeName") and claim["status"]["phase"] == "Pending":
            _create(api, claim, folder / about["uid"])
    for volume in api.items("/api/v1/persistentvolumes"):
        if volume["spec"].get("storageClassName") == CLASS and volume["status"].get("phase") == "Released":
            api.ask("DELETE", f"/api/v1/persistentvolumes/{volume['metadata']['name']}")
            shutil.rmtree(volume["spec"]["local"]["path"], ignore_errors=True)


def _create(api: Api, claim: dict[str, Any], path: Path) -> None:
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o777)
    about = claim["metadata"]
    expression = {"key": "kubernetes.io/hostname", "operator": "In", "values": [about["annotations"][SELECTED]]}
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"pvc-{about['uid']}"},
        "spec": {
            "capacity": claim["spec"]["resources"]["requests"],
            "accessModes": claim["spec"]["accessModes"],
            "storageClassName": CLASS,
            "persistentVolumeReclaimPolicy": "Retain",
            "local": {"path": str(path)},
            "claimRef": {"namespace": about["namespace"], "name": about["name"], "uid": about["uid"]},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}},
        },
    }
    api.create("/api/v1/persistentvolumes", volume)
