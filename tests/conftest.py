"""What every test may ask for."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from kolla_k8s.cli.definitions import load_catalog
from kolla_k8s.model.catalog import Catalog

settings.register_profile("patient", deadline=None)  # a busy machine is no failure
settings.load_profile("patient")

LEFT_OUT = pytest.StashKey[int]()
GROUPS = {  # tests that share a cluster run in one worker, the longest first
    "e2e/test_ha.py": "ha",
    "e2e/test_compute.py": "compute",
    "e2e/test_ceph.py": "compute",
    "e2e/test_ovs.py": "compute",
    "e2e/": "e2e",
    "cluster/": "cluster",
    "contract/": "contract",
}
ROOT = Path(__file__).parent.parent
INPUTS = Path(__file__).parent / "unit" / "compile" / "definitions"


def pytest_itemcollected(item: pytest.Item) -> None:
    """Name the group of a test."""
    if group := _group_of(item):
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs the images of a whole cloud, unless it is asked for; workers begin with what takes long."""
    left_out = [item for item in items if item.get_closest_marker("compute") and not os.environ.get("COMPUTE")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
        config.stash[LEFT_OUT] = len(left_out)
    if hasattr(config, "workerinput"):
        order = list(GROUPS.values())
        items.sort(key=lambda item: order.index(group) if (group := _group_of(item)) else len(order))


def _group_of(item: pytest.Item) -> str | None:
    place = item.path.relative_to(Path(__file__).parent).as_posix()
    return next((group for start, group in GROUPS.items() if place.startswith(start)), None)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell the controller what a worker left out."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = session.config.stash.get(LEFT_OUT, 0)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Hear it: each worker leaves out the same."""
    node.config.stash[LEFT_OUT] = getattr(node, "workeroutput", {}).get("left_out", 0)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what was left out."""
    if count := config.stash.get(LEFT_OUT, 0):
        terminalreporter.write_line(f"left out: {count} tests of a cloud that boots a server; run `make test-compute`")


@pytest.fixture(autouse=True)
def leaves_the_umask_alone() -> Iterator[None]:
    """Clusters that later tests start would make their files with it."""
    before = _umask()
    yield
    assert before == _umask()


def _umask() -> str:
    return re.findall("^Umask:.*", Path("/proc/self/status").read_text(), re.MULTILINE)[0]


def catalog_of(folder: Path) -> Catalog:
    """Load and check the definitions of a folder."""
    return load_catalog(folder, "2026.1")


@pytest.fixture(scope="session")
def shipped() -> Catalog:
    """The shipped definitions."""
    return catalog_of(ROOT / "service_defs")


@pytest.fixture(scope="session")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """The shipped definitions, and nova, nova-compute and octavia as test inputs."""
    folder = tmp_path_factory.mktemp("definitions")
    for path in [*(ROOT / "service_defs").glob("*.yaml"), *INPUTS.glob("*.yaml")]:
        shutil.copy(path, folder)
    shutil.copytree(ROOT / "service_defs/options", folder / "options")
    return catalog_of(folder)
