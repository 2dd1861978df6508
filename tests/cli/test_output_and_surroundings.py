"""Readers that go, disks that are full, users without a home: what the tool says of its surroundings."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kolla_k8s.adapters.helm import default_home
from kolla_k8s.errors import OutsideError
from tests.cli.test_command_line import ROOT, SITE, TOOL, run

COMMANDS = [["--help"], ["plan", "--help"], ["values", "render", "keystone", "--values", SITE], ["graph"]]


def ended(command, out, **environment):
    """Exit code and stderr of a command whose output goes there."""
    done = subprocess.run(
        [TOOL, *command], stdout=out, stderr=subprocess.PIPE, text=True, check=False, env={**os.environ, **environment}
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_reader_that_has_gone_ends_the_command_without_a_word(command):
    """
    As in ``kolla-k8s graph | true``.
    """
    reader, writer = os.pipe()
    os.close(reader)
    try:
        assert (141, "") == ended(command, writer)
    finally:
        os.close(writer)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_disk_that_is_full_is_told(command):
    """
    Whoever redirected the output would otherwise believe that it is all there.
    """
    with Path("/dev/full").open("w") as full:
        said = ended(command, full)

    assert (3, "output: cannot be written: No space left on device; send it elsewhere\n") == said


def test_output_that_has_no_such_letters_is_told():
    """
    A terminal of another time.
    """
    code, said = ended(
        ["values", "render", "keystone", "--values", SITE, "--set", "region=東"],
        subprocess.DEVNULL,
        PYTHONIOENCODING="latin-1",
    )

    assert 3 == code
    assert said.startswith("output: cannot be written: 'latin-1' codec can't encode")


def test_words_that_are_no_utf_8_are_refused():
    """
    No file that we write could hold them.
    """
    code, said = ended(
        ["values", "render", "keystone", "--values", SITE, "--set", os.fsdecode(b"region=\xff")], subprocess.DEVNULL
    )

    assert (2, "--set region=\ufffd: is no UTF-8; say it in a file\n") == (code, said)


@pytest.mark.parametrize("target", ["http://charts.example.org", "oci:/host/x", "oci:///x", "s3://bucket"])
def test_url_that_is_no_registry_is_no_folder_either(target):
    """
    The charts would lie in a folder called ``http:``.
    """
    done = run("publish", "memcached", "--to", target)

    said = f'--to: "{target}" is no directory; name one, or oci://HOST/PATH\n'
    assert (2, "", said) == (done.returncode, done.stdout, done.stderr)
    assert not (ROOT / target.partition("/")[0]).exists()


def test_service_without_members_has_nothing_to_recover():
    """
    A word of the command line, as others that are wrong.
    """
    done = run("recover", "keystone", "--values", SITE)

    assert (2, "") == (done.returncode, done.stdout)
    assert done.stderr.startswith("keystone: has no members that wait for each other; see")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", ":1:1: is no map"),
        ("name: memcached\n", 'version: the key "version" is missing'),
        ("name: ../x\nversion: '1'\n", "'../x' does not match"),
        ("name: x\nversion: '1'\nannotations: 5\n", "annotations: is no map: 5"),
    ],
)
def test_chart_that_is_none_is_told(tmp_path, content, said):
    """
    Before it is packed, and before anything is planned with it.
    """
    shutil.copytree(ROOT / "charts", tmp_path / "charts")
    (tmp_path / "charts/memcached/Chart.yaml").write_text(content)
    charts = ("--charts", str(tmp_path / "charts"))

    published = run("publish", "memcached", "--to", str(tmp_path / "to"), *charts)

    assert 2 == published.returncode
    assert said in published.stderr
    assert not (tmp_path / "to").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{bad", "no list of options"),
        (b"", "no list of options"),
        (b"\xff\xfe{", "no list of options"),
        (b"[1, 2]", "no map"),
        (b'{"DEFAULT": 5}', '"DEFAULT" holds no list of names'),
        (b'{"DEFAULT": [5]}', '"DEFAULT" holds no list of names'),
    ],
)
def test_list_of_options_that_is_none_is_told(tmp_path, content, said):
    """
    Each, with what else is wrong.
    """
    shutil.copytree(ROOT / "service_defs", tmp_path / "definitions")
    for name in ("nova", "heat"):
        (tmp_path / f"definitions/options/2026.1/{name}.json").write_bytes(content)
    (tmp_path / "definitions/memcached.yaml").write_text("a: 1\na: 2\n")

    done = run("gen-charts", "--definitions", str(tmp_path / "definitions"), "--output", str(tmp_path / "charts"))

    lines = done.stderr.splitlines()
    assert (2, 3) == (done.returncode, len(lines)), done.stderr
    assert all(said in line for line in lines if "/options/" in line)


def test_helm_without_a_home_is_told(monkeypatch):
    """
    It has nowhere to keep its caches.
    """
    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)

    with pytest.raises(OutsideError, match=r"HOME: is not set: .*; set HOME or XDG_CACHE_HOME"):
        default_home()


@pytest.mark.parametrize(
    "words",
    [
        ("install", "--timeout", "nan"),
        ("install", "--timeout", "-1"),
        ("roll", "nova-compute", "--timeout", "inf"),
        ("smoke", "--timeout", "0"),
        ("smoke", "--memory", "-5"),
        ("smoke", "--cidr", "192.168.231.1/24"),
        ("smoke", "--cidr", "everywhere"),
    ],
    ids=" ".join,
)
def test_number_that_means_nothing_is_refused_before_anything_is_asked(words):
    """
    A run would end at once, or never, or half way.
    """
    done = run(*words, "--values", SITE)

    assert 2 == done.returncode
    assert f"Invalid value for '{words[-2]}'" in done.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="only root may become somebody else")
def test_user_without_a_name_has_a_number():
    """
    Some clusters run containers as users that no file of theirs knows.
    """
    work = "from kolla_k8s.adapters.process import identity; import os; os.setuid(54321); print(identity())"
    nobody = {name: value for name, value in os.environ.items() if name not in {"LOGNAME", "USER", "LNAME", "USERNAME"}}

    done = subprocess.run([sys.executable, "-c", work], capture_output=True, text=True, check=False, env=nobody)

    assert ("54321", "") == (done.stdout.partition("@")[0], done.stderr)
