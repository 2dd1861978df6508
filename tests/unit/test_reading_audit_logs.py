"""The API server's audit log is read while it is written."""

from __future__ import annotations

from sandbox.control_plane import events


def test_line_that_is_not_whole_yet_is_left_for_the_next_time(tmp_path):
    """
    A reader sometimes comes between two pages of a write.
    """
    log = tmp_path / "audit.log"
    log.write_text('{"verb": "get"}\n{"verb": "cre')

    assert [{"verb": "get"}] == events(log)


def test_log_without_a_whole_line_is_empty(tmp_path):
    """
    Nothing has been asked yet.
    """
    log = tmp_path / "audit.log"
    log.write_text('{"ver')

    assert [] == events(log)
