"""The link by which a program of a pod leaves the pod's cgroups, run in folders that look like a node's."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.unit.compile.defined import DEPLOYMENT, a_definition, files_of

SCRIPT = Path(__file__).parents[3] / "kolla_k8s/compile/files/outlive.sh"


@pytest.fixture
def root(tmp_path):
    """A root with a link for the program ``serve``, which says its process id, its arguments and who it is in PATH."""
    links, programs = tmp_path / "run/kolla-k8s/outlive", tmp_path / "bin"
    for folder in (links, programs):
        folder.mkdir(parents=True)
    (links / "serve").symlink_to(SCRIPT)
    (programs / "serve").write_text('#!/bin/bash\necho "$$ $# $2"; type -P serve\n')
    (programs / "serve").chmod(0o755)
    return tmp_path


def serve(root):
    path = f"{root}/run/kolla-k8s/outlive:{root}/bin:{os.environ['PATH']}"
    called = ["serve", "--for", "two words"]
    environment = {"PATH": path, "KOLLA_K8S_ROOT": str(root)}
    done = subprocess.run(called, env=environment, capture_output=True, text=True, check=True)
    said, found = done.stdout.splitlines()
    pid, rest = said.split(" ", 1)
    return pid, rest, found


def cgroups(root, *hierarchies):
    for hierarchy in hierarchies:
        folder = root / "run/kolla-k8s/cgroup" / hierarchy
        folder.mkdir(parents=True)
        (folder / "cgroup.procs").touch()
        yield folder / "kolla-k8s.serve"


def test_program_is_started_in_a_group_of_its_own(root):
    """
    One hierarchy: the program itself, under its own name, with its arguments, and no link before it in PATH.
    """
    (own,) = cgroups(root, ".")
    (own.parent / "cgroup.controllers").touch()

    pid, rest, found = serve(root)

    assert (pid, "2 two words", f"{root}/bin/serve") == ((own / "cgroup.procs").read_text().strip(), rest, found)


def test_program_leaves_every_hierarchy(root):
    """
    An older kernel has many; a new group of cpuset takes nobody before it has processors and memory.
    """
    cpuset, memory = cgroups(root, "cpuset", "memory")
    cpuset.mkdir()
    for file, value in {"cpuset.cpus": "0-1", "cpuset.mems": "0"}.items():
        (cpuset.parent / file).write_text(value)
        (cpuset / file).touch()

    pid, _, _ = serve(root)

    assert [pid, pid] == [(own / "cgroup.procs").read_text().strip() for own in (cpuset, memory)]
    assert ["0-1", "0"] == [(cpuset / file).read_text() for file in ("cpuset.cpus", "cpuset.mems")]


def test_each_program_that_outlives_has_a_link(tmp_path):
    """
    Also where there is nothing else of ours in the pod: no file, nothing to wait for.
    """
    host = {
        "reason": "looks at every process",
        "pid": True,
        "outlive": {"programs": ["serve", "route"], "reason": "serves guests"},
    }
    agent = {**DEPLOYMENT, "kind": "DaemonSet", "host": host}

    files = files_of(tmp_path, "one", a_definition("one", plane="node", workloads={"agent": agent}))

    pods = files["templates/agent-daemonset.yaml"]
    assert {"serve", "route", "/sys/fs/cgroup"} <= set(re.findall(r"\bpath: ([^,}\n]+)", pods))
    assert files["files/outlive.sh"] == SCRIPT.read_text()
    assert "outlive.sh:" in files["templates/programs-configmap.yaml"]
