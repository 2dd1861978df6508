"""``python -m sandbox.images [GROUP|IMAGE...]``: make images and push them into the registry's storage."""

from __future__ import annotations

import json
import sys

from sandbox.images.build import build

if __name__ == "__main__":
    try:
        print(json.dumps(build(sys.argv[1:]), indent=1))
    except RuntimeError as error:
        sys.exit(str(error))
