"""``gen-charts`` when little or nothing has changed: quick, and never deceived."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kolla_k8s.compile.write import charts_digest

ROOT = Path(__file__).parents[2]
COUNT = len(list((ROOT / "service_defs").glob("*.yaml")))
IMPORTS = "import kolla_k8s.cli, sys\ntry: kolla_k8s.cli.main()\nfinally: print('rendered', 'jinja2' in sys.modules)"


@pytest.fixture
def place(tmp_path):
    """Definitions, charts made from them, and a cache, all of one's own."""
    shutil.copytree(ROOT / "service_defs", tmp_path / "defs")
    assert "rendered True" in generate(tmp_path).stdout
    return tmp_path


def generate(place, *more, fails=False, **environment):
    places = {"PYTHONPATH": f"{place / 'code'}{os.pathsep}{ROOT}", "XDG_CACHE_HOME": str(place / "cache")}
    asked = ("gen-charts", "--definitions", str(place / "defs"), "--output", str(place / "charts"))
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS, *asked, *more],
        capture_output=True, text=True, check=False, env={**os.environ, **places, **environment}, cwd=place,
    )  # fmt: skip
    assert fails == (done.returncode != 0), done.stderr
    return done


def change(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_nothing_is_rendered_when_nothing_changed(place):
    """
    The second run reads and compares, no more.
    """
    done = generate(place)

    assert f"{COUNT} charts in {place}/charts, 0 files changed\nrendered False\n" == done.stdout


def test_chart_changed_by_hand_is_made_anew(place):
    """
    What lies in the folder is read each time.
    """
    change(place / "charts/keystone/README.md", "OpenStack", "MyStack")

    done = generate(place)

    assert "1 files changed\nrendered True" in done.stdout
    assert "MyStack" not in (place / "charts/keystone/README.md").read_text()


def test_file_too_many_goes(place):
    """
    A chart holds what its definition says, and nothing else.
    """
    (place / "charts/keystone/templates/more.yaml").write_text("")

    assert "1 files changed" in generate(place).stdout
    assert not (place / "charts/keystone/templates/more.yaml").exists()


def test_chart_of_no_definition_goes(place):
    """
    A chart of ours that came back is taken away again.
    """
    shutil.copytree(place / "charts/keystone", place / "charts/gone")

    assert "rendered True" in generate(place).stdout
    assert not (place / "charts/gone").exists()


def test_changed_definition_is_noticed(place):
    """
    However little changed.
    """
    change(place / "defs/memcached.yaml", "revision: ", "revision: 9")

    assert "rendered True" in generate(place).stdout
    assert "version: 2026.1.9" in (place / "charts/memcached/Chart.yaml").read_text()


def test_new_definition_is_noticed(place):
    """
    A file more is a chart more.
    """
    text = (place / "defs/memcached.yaml").read_text()
    (place / "defs/other.yaml").write_text(text.replace("name: memcached", "name: other"))

    assert f"{COUNT + 1} charts in" in generate(place).stdout


@pytest.mark.parametrize("file", ["render.py", "templates/README.md.j2", "files/init.py"])
def test_changed_compiler_is_noticed(place, file):
    """
    Its code, its templates and the programs it puts into charts.
    """
    code = shutil.copytree(ROOT / "kolla_k8s", place / "code/kolla_k8s", ignore=shutil.ignore_patterns("__pycache__"))
    assert "rendered True" in generate(place).stdout
    assert "rendered False" in generate(place).stdout
    path = code / "compile" / file
    path.write_text(path.read_text() + "\n# changed\n")

    assert "rendered True" in generate(place).stdout


@pytest.mark.parametrize("more", [("keystone",), ("--release", "2026.2")])
def test_other_question_is_no_repetition(place, more):
    """
    Other services or another release are compiled.
    """
    assert "rendered True" in generate(place, *more).stdout


def test_check_of_equal_charts_is_content(place):
    """
    And says how many there are.
    """
    assert f"{COUNT} charts equal their definitions\n" in generate(place, "--check").stdout


def test_check_trusts_nothing_it_remembers(place):
    """
    A record that calls wrong charts right deceives no check.
    """
    shutil.rmtree(place / "charts")
    chart = {"Chart.yaml": "wrong\n"}
    (place / "charts/keystone").mkdir(parents=True)
    (place / "charts/keystone/Chart.yaml").write_text(chart["Chart.yaml"])
    record = place / "cache/kolla-k8s/compiled.json"
    forged = {"names": ["keystone"], "charts": charts_digest([chart], ["keystone"])}
    record.write_text(json.dumps({**json.loads(record.read_text()), **forged}))

    done = generate(place, "--check", fails=True)

    assert "keystone/Chart.yaml: differs from its definition" in done.stderr


@pytest.mark.parametrize("record", ["", "[]", "{}", '{"inputs": 1, "names": 2, "charts": 3}'])
def test_broken_record_costs_a_rendering(place, record):
    """
    And is replaced by a good one.
    """
    (place / "cache/kolla-k8s/compiled.json").write_text(record)

    assert "0 files changed\nrendered True" in generate(place).stdout
    assert "rendered False" in generate(place).stdout


@pytest.mark.parametrize("somewhere", [{"XDG_CACHE_HOME": "/dev/null"}, {"XDG_CACHE_HOME": "", "HOME": ""}])
def test_no_place_for_a_record_is_no_failure(place, somewhere):
    """
    Every run renders then, and leaves nothing where it was called.
    """
    before = sorted(path.name for path in place.iterdir())

    for _ in range(2):
        assert "0 files changed\nrendered True" in generate(place, **somewhere).stdout
    assert before == sorted(path.name for path in place.iterdir())


def test_definition_that_cannot_be_read_is_named(place):
    """
    By the loader, as ever.
    """
    (place / "defs/folder.yaml").mkdir()

    done = generate(place, fails=True)

    assert "folder.yaml: cannot be read: Is a directory" in done.stderr
