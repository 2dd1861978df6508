"""What a cluster's add-ons do, in one small process: volumes for claims, and NetworkPolicies as nftables rules.

For tests only: it asks the API twice a second and keeps nothing in memory that it could not ask again.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from sandbox.api import Api
from sandbox.layout import NODE
from sandbox.policy import ruleset
from sandbox.volumes import provision

PERIOD_S = 0.4


def main(state: Path) -> None:
    """Work for ever."""
    api = Api(state / "pki", "agent", NODE, 6443, is_kept=True)
    rules = ""
    while True:
        # A power cut may end nft, and a server in trouble refuse: what is not done now is done the next time.
        with contextlib.suppress(OSError, RuntimeError, subprocess.SubprocessError):
            provision(api, state / "volumes")
            rules = _enforce(api, rules)
        time.sleep(PERIOD_S)


def _enforce(api: Api, before: str) -> str:
    cluster: dict[str, list[Any]] = {
        "policies": api.items("/apis/networking.k8s.io/v1/networkpolicies"),
        "pods": api.items("/api/v1/pods"),
        "namespaces": api.items("/api/v1/namespaces"),
    }
    rules = ruleset(**cluster)
    if rules != before:
        subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)
    return rules


if __name__ == "__main__":
    main(Path(sys.argv[1]))
