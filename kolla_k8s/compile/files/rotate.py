"""Rotate a fernet key repository that lives in a Secret: promote the staged key, stage a new one, drop the oldest.

Pods mount the repository as a directory and see a change within two minutes, so a key is staged long before it
becomes the primary one: a repository that changed less than ``min_age_s`` ago is left alone.
"""

import base64
import json
import os
import sys
import time
from datetime import datetime, timezone

import init

ROTATED = "kolla-k8s.io/rotated"


def rotated(keys, max_active_keys, new_key):
    """Next state of a repository: key number (as text) -> key; ``"0"`` is the staged one.

    >>> rotated({"0": "s", "1": "p"}, 3, "n")
    {'0': 'n', '1': 'p', '2': 's'}
    >>> rotated({"0": "s", "1": "o", "2": "p"}, 3, "n")
    {'0': 'n', '2': 'p', '3': 's'}
    """
    numbers = sorted(int(name) for name in keys if name != "0")
    after = {str(number): keys[str(number)] for number in numbers}
    after[str(max(numbers, default=0) + 1)] = keys["0"]
    kept = sorted(after, key=int)[-(max_active_keys - 1) :]
    return {"0": new_key, **{name: after[name] for name in kept}}


def age_s(secret, now):
    """Seconds since the repository last changed."""
    metadata = secret["metadata"]
    when = metadata.get("annotations", {}).get(ROTATED) or metadata["creationTimestamp"]
    return now - datetime.strptime(when, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc).timestamp()


def main(arguments):
    """``rotate.py SECRET MAX_ACTIVE_KEYS MIN_AGE_S``."""
    name, max_active_keys, min_age_s = arguments[0], int(arguments[1]), int(arguments[2])
    status, secret = init.api("GET", f"secrets/{name}")
    if status != 200:
        raise SystemExit(f"Secret {name} cannot be read: {secret.get('message')}")
    age = age_s(secret, time.time())
    if age < min_age_s:
        print(f"Secret {name} changed {age:.0f} s ago, less than {min_age_s} s: left alone")
        return
    new_key = base64.b64encode(base64.urlsafe_b64encode(os.urandom(32))).decode()
    before = len(secret["data"])
    secret["data"] = rotated(secret["data"], max_active_keys, new_key)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    secret["metadata"].setdefault("annotations", {})[ROTATED] = stamp
    status, answer = init.api("PUT", f"secrets/{name}", secret)
    if status != 200:
        raise SystemExit(f"Secret {name} was not changed: {answer.get('message')}")
    print(json.dumps({"secret": name, "keys_before": before, "keys_after": len(secret["data"])}))


if __name__ == "__main__":
    main(sys.argv[1:])
