"""What MariaDB's gate makes of its members' answers."""

import importlib.util
from pathlib import Path

import pytest

GATE = Path(__file__).parents[3] / "kolla_k8s" / "orchestrate" / "gates" / "mariadb.py"
spec = importlib.util.spec_from_file_location("mariadb_gate", GATE)
gate = importlib.util.module_from_spec(spec)
spec.loader.exec_module(gate)


def members(*answers):
    return {f"mariadb-{number}": list(answer) for number, answer in enumerate(answers)}


GOOD = ("n", "7", "3", "uuid-a")


def test_one_cluster_is_green():
    """
    The row is everywhere, and all see the same view.
    """
    assert "" == gate.judge(members(GOOD, GOOD, GOOD), "n")


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ((GOOD, GOOD, ("old", "7", "3", "uuid-a")), "is not at mariadb-2"),
        ((GOOD, GOOD, ("n", "7", "1", "uuid-b")), "not in one cluster: mariadb-0: view 7, size 3, uuid-a"),
        ((GOOD, GOOD, ("n", "8", "3", "uuid-a")), "not in one cluster"),
        ((GOOD, GOOD), "2 members are ready, their cluster has 3"),
    ],
)
def test_split_or_stale_members_are_red(answers, words):
    """
    Ready pods alone prove nothing: three of them may be two clusters.
    """
    assert words in gate.judge(members(*answers), "n")
