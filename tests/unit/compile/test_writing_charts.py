import fcntl
import os
from pathlib import Path

import pytest

from kolla_k8s.compile.write import differences, write_charts
from kolla_k8s.errors import HeldError, OutsideError

CHART = {"Chart.yaml": "kolla-k8s.io/digest: 1\n", "templates/a.yaml": "a: 1\n"}


def test_second_write_touches_nothing(tmp_path):
    """
    Only what differs is written: times and inodes of equal files stay.
    """
    folder = tmp_path / "charts"
    first = write_charts(folder, [CHART], ["x"])
    before = (folder / "x" / "Chart.yaml").stat()

    again = write_charts(folder, [CHART], ["x"])

    assert ["x/Chart.yaml", "x/templates/a.yaml"] == first
    assert [] == again
    assert before == (folder / "x" / "Chart.yaml").stat()


def test_one_changed_file_leaves_the_others_alone(tmp_path):
    """
    A changed template is new, its neighbours keep their inode.
    """
    folder = tmp_path / "charts"
    write_charts(folder, [CHART], ["x"])
    inode = (folder / "x" / "Chart.yaml").stat().st_ino

    changed = write_charts(folder, [{**CHART, "templates/a.yaml": "a: 2\n"}], ["x"])

    assert ["x/templates/a.yaml"] == changed
    assert inode == (folder / "x" / "Chart.yaml").stat().st_ino
    assert "a: 2\n" == (folder / "x" / "templates/a.yaml").read_text()


def test_foreign_files_survive_and_stale_charts_go(tmp_path):
    """
    What others put there stays; a chart of ours whose definition is gone goes.
    """
    folder = tmp_path / "charts"
    write_charts(folder, [CHART, CHART], ["x", "y"])
    (folder / "notes.txt").write_text("mine")

    write_charts(folder, [CHART], ["x"], is_all=True)

    assert ["notes.txt", "x"] == sorted(path.name for path in folder.iterdir())


def test_superfluous_file_is_a_difference(tmp_path):
    """
    --check sees what should not be there.
    """
    folder = tmp_path / "charts"
    write_charts(folder, [CHART], ["x"])
    (folder / "x" / "old.yaml").write_text("")

    assert ["x/old.yaml"] == differences(folder, [CHART], ["x"])


def test_link_in_the_place_of_the_folder_is_refused(tmp_path):
    """
    Nothing is written through a link.
    """
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "charts").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(OutsideError, match="is a link"):
        write_charts(tmp_path / "charts", [CHART], ["x"])
    assert [] == list((tmp_path / "elsewhere").iterdir())


def test_planted_link_is_replaced_not_followed(tmp_path):
    """
    A link inside a chart never leads a write out of the folder.
    """
    folder = tmp_path / "charts"
    write_charts(folder, [CHART], ["x"])
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (folder / "x" / "templates/a.yaml").unlink()
    (folder / "x" / "templates/a.yaml").symlink_to(victim)

    write_charts(folder, [{**CHART, "templates/a.yaml": "new\n"}], ["x"])

    assert "precious" == victim.read_text()
    assert "new\n" == (folder / "x" / "templates/a.yaml").read_text()


def test_folders_of_others_survive(tmp_path):
    """
    With what is in them, links included.
    """
    folder = tmp_path / "charts"
    write_charts(folder, [CHART], ["x"])
    (folder / "theirs/templates").mkdir(parents=True)
    (folder / "theirs/templates/a.yaml").write_text("theirs")
    (folder / "theirs/link").symlink_to("nowhere")

    write_charts(folder, [{**CHART, "templates/a.yaml": "a: 2\n"}], ["x"])

    assert "theirs" == (folder / "theirs/templates/a.yaml").read_text()
    assert (folder / "theirs/link").is_symlink()


def test_file_in_the_place_of_the_folder_stays(tmp_path):
    """
    It is named, and nothing of it is lost.
    """
    (tmp_path / "charts").write_text("precious")

    with pytest.raises(OutsideError, match="is no folder"):
        write_charts(tmp_path / "charts", [CHART], ["x"])

    assert "precious" == (tmp_path / "charts").read_text()
    assert ["charts"] == [path.name for path in tmp_path.iterdir()]


def test_what_others_put_in_the_place_of_charts_stays(tmp_path):
    """
    A folder, a link and a file with names of services, all named at once; an empty folder is in nobody's way.
    """
    folder = tmp_path / "charts"
    (folder / "nova").mkdir(parents=True)
    (folder / "nova/main.py").write_text("precious")
    (folder / "heat").symlink_to(folder / "nova")
    (folder / "glance").write_text("precious")
    (folder / "empty").mkdir()

    with pytest.raises(OutsideError, match="holds nova, heat, glance, which gen-charts did not write"):
        write_charts(folder, [CHART] * 4, ["nova", "heat", "glance", "empty"])
    write_charts(folder, [CHART], ["empty"])

    assert "precious" == (folder / "nova/main.py").read_text()
    assert (folder / "heat").is_symlink()
    assert "precious" == (folder / "glance").read_text()


@pytest.mark.parametrize("folder", [".", "..", "../charts", "/"])
def test_folder_in_which_the_operator_is_stays(tmp_path, monkeypatch, folder):
    """
    The shell would go on in a folder that is no more.
    """
    (tmp_path / "charts").mkdir()
    monkeypatch.chdir(tmp_path / "charts")

    with pytest.raises(OutsideError, match="is where you are"):
        write_charts(Path(folder), [CHART], ["x"])


def test_folder_keeps_its_mode(tmp_path):
    """
    Though it is made anew.
    """
    (tmp_path / "charts").mkdir()
    (tmp_path / "charts").chmod(0o700)

    write_charts(tmp_path / "charts", [CHART], ["x"])

    assert 0o700 == (tmp_path / "charts").stat().st_mode & 0o777


def test_chart_of_others_in_another_encoding_is_none_of_ours(tmp_path):
    """
    It is not ours to remove.
    """
    folder = tmp_path / "charts"
    (folder / "theirs").mkdir(parents=True)
    (folder / "theirs/Chart.yaml").write_bytes("description: Überblick\n".encode("latin-1"))

    write_charts(folder, [CHART], ["x"], is_all=True)

    assert ["theirs", "x"] == sorted(path.name for path in folder.iterdir())


def test_what_a_killed_run_left_is_cleared_away(tmp_path):
    """
    Half a tree beside the folder is nobody's.
    """
    (tmp_path / ".charts.new-1/x").mkdir(parents=True)

    write_charts(tmp_path / "charts", [CHART], ["x"])

    assert ["charts"] == [path.name for path in tmp_path.iterdir()]


def test_tree_put_aside_by_a_killed_run_is_put_back(tmp_path):
    """
    Where two directories cannot be exchanged, a run may die while neither is in its place.
    """
    write_charts(tmp_path / "charts", [CHART], ["x"])
    (tmp_path / "charts/notes.txt").write_text("mine")
    (tmp_path / "charts").rename(tmp_path / ".charts.new-aside")

    write_charts(tmp_path / "charts", [CHART], ["x"])

    assert "mine" == (tmp_path / "charts/notes.txt").read_text()
    assert ["charts"] == [path.name for path in tmp_path.iterdir()]


def test_tree_put_aside_goes_when_the_new_one_is_in_place(tmp_path):
    """
    The run died after the second rename.
    """
    write_charts(tmp_path / "charts", [CHART], ["x"])
    (tmp_path / ".charts.new-aside").mkdir()

    write_charts(tmp_path / "charts", [CHART], ["x"])

    assert ["charts"] == [path.name for path in tmp_path.iterdir()]


def test_second_writer_is_told_to_wait(tmp_path):
    """
    One run writes at a time.
    """
    handle = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        with pytest.raises(HeldError, match="another run is writing charts there; wait for it and repeat"):
            write_charts(tmp_path / "charts", [CHART], ["x"])
    finally:
        os.close(handle)


def test_place_that_cannot_be_written_is_named(tmp_path):
    """
    With what the system says of it.
    """
    (tmp_path / "file").touch()

    with pytest.raises(OutsideError, match=r"file/charts: cannot be written: .*; see disk and rights"):
        write_charts(tmp_path / "file/charts", [CHART], ["x"])
