"""aiohttp, loaded without the machine's certificate authorities.

It reads all of them as it is loaded, for those who name no context: 0.04 s of each command. A line to the API has the
context of its kubeconfig, one to a registry one of its own; whoever names none trusts nobody.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["aiohttp"]

AUTHORITIES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


@contextmanager
def _trusting_nobody() -> Iterator[None]:
    said = {name: os.environ.get(name) for name in AUTHORITIES}
    os.environ.update(dict.fromkeys(AUTHORITIES, os.devnull))
    try:
        yield
    finally:
        for name, value in said.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


with _trusting_nobody():
    import aiohttp
