"""``python -m sandbox up|down|status|edge|helm``."""

from __future__ import annotations

import argparse
import json

from sandbox.build import program
from sandbox.cluster import down, edge, status, up
from sandbox.layout import EDGE_PORT, layout


def main() -> None:
    """Carry out one command and print JSON (``helm``: the path of the program)."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("command", choices=["up", "down", "status", "edge", "helm"])
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
        case _:
            print(program("helm"))


if __name__ == "__main__":
    main()
