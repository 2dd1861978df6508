"""What tests of pods' programs share."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox import pki


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate authority, and a certificate of an API server that it signed."""
    folder = tmp_path_factory.mktemp("pki")
    pki.make(folder, {"api": ("/CN=api", "IP:127.0.0.1")})
    return folder
