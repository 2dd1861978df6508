"""What the last compilation gave, by the digest of what it was made from."""

from __future__ import annotations

import pytest

from kolla_k8s.compile.memory import Compilation, digest_inputs, recall, remember, sources
from kolla_k8s.compile.write import charts_digest, is_written, write_charts

LAST = Compilation("1", ("keystone",), "2")
CHARTS = [{"Chart.yaml": "kolla-k8s.io/digest: 1\n", "templates/a.yaml": "a: 1\n"}]


@pytest.fixture
def definitions(tmp_path):
    folder = tmp_path / "defs"
    folder.mkdir()
    (folder / "one.yaml").write_text("a: 1\n")
    return folder


def test_same_inputs_have_the_same_digest(definitions):
    """
    The order in which services are asked for does not count.
    """
    assert digest_inputs(definitions, "2026.1", ("a", "b")) == digest_inputs(definitions, "2026.1", ("b", "a"))


def test_each_input_changes_the_digest(definitions):
    """
    Release, services, a file more, a byte moved from one file to the next.
    """
    found = [digest_inputs(definitions, release, names) for release in ("1", "2") for names in ((), ("a",))]
    (definitions / "two.yaml").write_text("b: 1\n")
    found.append(digest_inputs(definitions, "1", ()))
    (definitions / "one.yaml").write_text("a: 1\nb")
    (definitions / "two.yaml").write_text(": 1\n")
    found.append(digest_inputs(definitions, "1", ()))

    assert len(found) == len(set(found))


def test_all_that_charts_are_made_of_is_an_input():
    """
    Modules, templates and programs, whatever language they are written in.
    """
    parts = {"render.py", "README.md.j2", "_helpers.tpl.j2", "init.py", "outlive.sh"}

    assert parts <= {path.name for path in sources()}


def test_inputs_that_cannot_be_read_have_no_digest(definitions):
    """
    The loader will say what is wrong with them.
    """
    (definitions / "two.yaml").symlink_to("missing")

    assert "" == digest_inputs(definitions, "2026.1", ())


def test_what_is_remembered_is_recalled(tmp_path):
    """
    The last one only, and nothing else is left behind.
    """
    remember(tmp_path / "cache", Compilation("0", (), "0"))
    remember(tmp_path / "cache", LAST)

    assert LAST == recall(tmp_path / "cache")
    assert ["compiled.json"] == [path.name for path in (tmp_path / "cache").iterdir()]


def test_nothing_is_recalled_without_a_cache(tmp_path):
    """
    No folder, a folder that holds nothing, a place where no folder can be.
    """
    (tmp_path / "file").touch()

    for cache in (None, tmp_path / "cache", tmp_path / "file"):
        assert recall(cache) is None
    for cache in (None, tmp_path / "file"):
        remember(cache, LAST)
        assert recall(cache) is None


def test_charts_of_the_digest_are_written(tmp_path):
    """
    And charts of another digest are not.
    """
    folder, digest = tmp_path / "charts", charts_digest(CHARTS, ["x"])
    write_charts(folder, CHARTS, ["x"])

    assert is_written(folder, ["x"], digest, is_all=True)
    assert not is_written(folder, ["x"], charts_digest([{"Chart.yaml": "2"}], ["x"]))


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("x/templates/a.yaml", b"other"),
        ("x/templates/a.yaml", b"\xff"),
        ("x/more.yaml", b""),
        ("y/Chart.yaml", CHARTS[0]["Chart.yaml"].encode()),
    ],
)
def test_other_charts_are_not_written(tmp_path, path, content):
    """
    Another text, no text, a file more, a chart of ours more: what lies in the folder is read each time.
    """
    folder = tmp_path / "charts"
    write_charts(folder, CHARTS, ["x"])
    (folder / path).parent.mkdir(exist_ok=True)
    (folder / path).write_bytes(content)

    assert not is_written(folder, ["x"], charts_digest(CHARTS, ["x"]), is_all=True)


def test_missing_file_is_not_written(tmp_path):
    """
    A chart is all of its files.
    """
    write_charts(tmp_path / "charts", CHARTS, ["x"])
    (tmp_path / "charts/x/templates/a.yaml").unlink()

    assert not is_written(tmp_path / "charts", ["x"], charts_digest(CHARTS, ["x"]))
