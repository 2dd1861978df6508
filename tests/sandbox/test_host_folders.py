"""Folders of the machine that pods make, where several sandboxes share it."""

from __future__ import annotations

import json

from sandbox.layout import Layout
from sandbox.node import HOST_FOLDERS, note_host_folders, remove_host_folders


def a_sandbox(folder, name, noted=()):
    at = Layout(name, folder / name)
    at.state.mkdir()
    (at.state / HOST_FOLDERS).write_text(json.dumps([str(path) for path in noted]))
    return at


def test_folder_stays_while_another_sandbox_uses_it(tmp_path):
    """
    The last one takes it away.
    """
    shared = tmp_path / "shared"
    shared.mkdir()
    one, two = a_sandbox(tmp_path, "one", [shared]), a_sandbox(tmp_path, "two", [shared])

    remove_host_folders(one)
    assert shared.exists()
    (one.state / HOST_FOLDERS).unlink()
    remove_host_folders(two)

    assert not shared.exists()


def test_folder_that_another_sandbox_made_is_ours_too(tmp_path):
    """
    It is there already, and no part of the machine; what is one is never noted.
    """
    a_sandbox(tmp_path, "one", ["/var/lib/nova", "/never-named"])
    two = a_sandbox(tmp_path, "two")

    note_host_folders(two)
    noted = json.loads((two.state / HOST_FOLDERS).read_text())

    assert "/var/lib/nova" in noted
    assert "/never-named" not in noted
