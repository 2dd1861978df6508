"""``python -m sandbox up|down|status|helm``."""

from __future__ import annotations

import argparse
import json

from sandbox.build import program
from sandbox.cluster import down, status, up
from sandbox.layout import layout


def main() -> None:
    """Carry out one command and print JSON (``helm``: the path of the program)."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("command", choices=["up", "down", "status", "helm"])
    parser.add_argument("--name", default="default", help="which sandbox")
    options = parser.parse_args()
    at = layout(options.name)
    match options.command:
        case "up":
            print(json.dumps(up(at), indent=1))
        case "down":
            down(at)
        case "status":
            print(json.dumps(status(at), indent=1))
        case _:
            print(program("helm"))


if __name__ == "__main__":
    main()
