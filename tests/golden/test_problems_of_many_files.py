"""Several broken files: all that is wrong with each of them is on one screen."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TOOL = str(Path(sys.executable).parent / "kolla-k8s")
SITE = {
    "a.yaml": "apiVersion: kolla-k8s.io/v1\nkind: Site\nname: sky\npresets: [nix]\nregioon: north\n",
    "b.yaml": "services:\n  memcashed: {}\n  keystone: {optionz: {}}\n",
    "c.yaml": "a: 1\na: 2\n",
}


def said(folder: Path, *command: str) -> list[str]:
    """Problems of a command that must be refused: the place without its folder, and the field or the fact."""
    done = subprocess.run([TOOL, *command], capture_output=True, text=True, check=False)
    assert 2 == done.returncode, done.stderr
    lines = done.stderr.replace(f"{folder}/", "").splitlines()
    return [": ".join(line.split(": ")[: 3 if "cannot be read" in line else 2]).partition(";")[0] for line in lines]


def broken_definitions(folder: Path) -> Path:
    """Two definitions that are none, and one that needs one of them and something unknown."""
    target = folder / "definitions"
    shutil.copytree(ROOT / "service_defs", target)
    for name, right, wrong in (
        ("memcached", "image: memcached", "imaeg: memcached"),
        ("rabbitmq", "uid: ", "uidd: "),
        ("placement", "start: [mariadb,", "start: [mariadbb,"),
    ):
        text = (target / f"{name}.yaml").read_text()
        assert right in text
        (target / f"{name}.yaml").write_text(text.replace(right, wrong, 1))
    (target / "keystone.yaml").unlink()
    (target / "keystone.yaml").mkdir()
    (target / ".#heat.yaml").symlink_to("somebody@somewhere.1234")  # Emacs locks what it edits
    return target


DEFINITIONS = [
    "keystone.yaml: cannot be read: Is a directory",
    "memcached.yaml:12:5: spec.workloads.server.image",
    "memcached.yaml:14:7: spec.workloads.server.imaeg",
    "placement.yaml:12:13: spec.needs.start[0]",
    "rabbitmq.yaml:10:3: spec.user.uid",
    "rabbitmq.yaml:10:26: spec.user.uidd",
]


def test_problems_of_all_definitions_are_said_at_once(tmp_path):
    """
    What one names in another, too; nothing of those that only stand on a file that nobody can read.
    """
    folder = broken_definitions(tmp_path)

    found = said(folder, "gen-charts", "--definitions", str(folder), "--output", str(tmp_path / "charts"))

    assert DEFINITIONS == found


def test_problems_of_all_files_of_a_site_are_said_at_once(tmp_path):
    """
    Whichever of them cannot be read at all, and what is said on the command line.
    """
    for name, text in SITE.items():
        (tmp_path / name).write_text(text)
    files = [part for name in (*SITE, "d.yaml") for part in ("--values", str(tmp_path / name))]

    found = said(tmp_path, "values", "render", "keystone", *files, "--set", "a.b.c")

    assert [
        "--set a.b.c: is no assignment",
        "a.yaml:4:11: presets[0]",
        "a.yaml:5:1: regioon",
        "b.yaml:2:3: services.memcashed",
        "b.yaml:3:14: services.keystone.optionz",
        'c.yaml:2:1: the key "a" is there already, in line 1',
        "d.yaml: cannot be read: No such file or directory",
    ] == found


def test_key_that_a_broken_file_may_hold_is_not_missed(tmp_path):
    """
    Nobody knows what stands in it.
    """
    (tmp_path / "a.yaml").write_text("apiVersion: kolla-k8s.io/v1\nkind: Site\n")
    (tmp_path / "b.yaml").write_text("name: sky\nname: sea\n")
    files = ["--values", str(tmp_path / "a.yaml"), "--values", str(tmp_path / "b.yaml")]

    assert ['b.yaml:2:1: the key "name" is there already, in line 1'] == said(tmp_path, "plan", *files)


def test_problems_of_definitions_do_not_hide_that_a_site_cannot_be_read(tmp_path):
    """
    One round for both.
    """
    folder = broken_definitions(tmp_path)
    site = tmp_path / "site.yaml"
    site.write_text("a: 1\na: 2\n")
    other = tmp_path / "other.yaml"
    other.write_text("name: sky\n")

    options = ["--values", str(other), "--values", str(site), "--definitions", str(folder)]
    found = said(folder, "plan", *options)

    assert sorted([*DEFINITIONS, f'{site}:2:1: the key "a" is there already, in line 1']) == sorted(found)
