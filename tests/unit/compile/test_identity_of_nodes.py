"""What Nova calls a compute node by: written by a step before the process starts, run here in another folder."""

from __future__ import annotations

import os
import subprocess
import uuid

import pytest


@pytest.fixture
def identity(shipped, tmp_path):
    """Run the step on a node of this name; gives what the file says."""
    command = shipped["nova-compute"].spec.workloads["compute"].prepare["identity"].run

    def run(node):
        here = [word.replace("/var/lib/nova", str(tmp_path)) for word in command]
        subprocess.run(here, env={**os.environ, "NODE_NAME": node}, check=True)
        return (tmp_path / "compute_id").read_text()

    return run


def test_node_that_was_installed_anew_is_the_same_one(identity, tmp_path):
    """
    Its name says what it is called, and no other node's does.
    """
    first = identity("a.example.org")
    (tmp_path / "compute_id").unlink()
    again = identity("a.example.org")
    (tmp_path / "compute_id").unlink()

    assert first == again != identity("b.example.org")
    assert uuid.UUID(first.strip()).version == 5
    assert ["compute_id"] == [path.name for path in tmp_path.iterdir()]


def test_node_that_has_an_identity_keeps_it(identity, tmp_path):
    """
    Nova made it, before there was this step.
    """
    (tmp_path / "compute_id").write_text("mine")

    assert "mine" == identity("a.example.org")


def test_half_written_identity_is_none(identity, tmp_path):
    """
    A full disk left an empty file.
    """
    (tmp_path / "compute_id").touch()

    assert uuid.UUID(identity("a.example.org").strip())
