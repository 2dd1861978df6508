"""``python -m sandbox up|down|status|edge|ceph|build|helm``."""

from __future__ import annotations

import argparse
import json
import os

from sandbox import node
from sandbox.build import PROGRAMS, debian_packages, program
from sandbox.ceph import ceph
from sandbox.cluster import down, edge, status, up
from sandbox.images.build import build
from sandbox.layout import EDGE_PORT, layout


def main() -> None:
    """Carry out one command and print JSON (``helm``: the path of the program)."""
    os.umask(0o022)  # images and a node's files are for every user, whatever the operator's own
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("command", choices=["up", "down", "status", "edge", "ceph", "build", "helm"])
    parser.add_argument("--name", default="default", help="which sandbox")
    parser.add_argument("--port", type=int, default=EDGE_PORT, help="where the edge listens on loopback")
    options = parser.parse_args()
    at = layout(options.name)
    match options.command:
        case "up":
            print(json.dumps(up(at), indent=1))
        case "down":
            down(at)
        case "status":
            print(json.dumps(status(at), indent=1))
        case "edge":
            print(json.dumps(edge(at, options.port), indent=1))
        case "ceph":
            print(json.dumps(ceph(at), indent=1))
        case "build":
            debian_packages(node.PACKAGES)
            print(
                json.dumps({"programs": [program(name).name for name in PROGRAMS], "images": sorted(build())}, indent=1)
            )
        case _:
            print(program("helm"))


if __name__ == "__main__":
    main()
