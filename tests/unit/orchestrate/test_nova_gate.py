"""What the gate of Nova makes of the services that Nova lists: those of mapped cells."""

from __future__ import annotations

from pathlib import Path

import pytest

GATE = Path(__file__).parents[3] / "kolla_k8s" / "orchestrate" / "gates" / "nova_cells.py"
PODS = {
    "scheduler": ["nova-scheduler-0"],
    "super-conductor": ["nova-super-conductor-0"],
    "conductor": ["nova-conductor-0", "nova-conductor-1"],
}
HOSTS = [name for names in PODS.values() for name in names]


def check(services, pods=PODS):
    """Run the gate against a list of hosts and their states."""

    class Nova:
        """Lists them."""

        def want(self, *_):
            return {"services": [{"host": host, "state": state} for host, state in services.items()]}

    space = {"cloud": Nova}
    exec(compile(GATE.read_text(), str(GATE), "exec"), space)  # noqa: S102 - as its pod does
    return space["check"]({"pods": pods})


def test_every_pod_is_at_work():
    """
    Rows of pods that are no more do not matter.
    """
    said = check({**dict.fromkeys(HOSTS, "up"), "nova-conductor-2": "down"})

    assert f"at work: {', '.join(sorted(HOSTS))}" == said


@pytest.mark.parametrize(
    ("services", "missing"),
    [
        (["nova-scheduler-0", "nova-super-conductor-0"], "nova-conductor-0, nova-conductor-1"),
        (["nova-scheduler-0", "nova-super-conductor-0", "nova-conductor-1"], "nova-conductor-0"),
        (["nova-scheduler-0", "nova-conductor-0", "nova-conductor-1"], "nova-super-conductor-0"),
        (["nova-super-conductor-0", "nova-conductor-0", "nova-conductor-1"], "nova-scheduler-0"),
    ],
    ids=["unmapped cell", "one of a cell", "cell0", "scheduler"],
)
def test_conductors_of_one_cell_do_not_stand_for_another(services, missing):
    """
    Those of a cell that is not mapped are not listed; those that died are down.
    """
    dead = dict.fromkeys(HOSTS, "down") | dict.fromkeys(services, "up")

    for listed in (dict.fromkeys(services, "up"), dead):
        with pytest.raises(SystemExit, match=f"^not at work yet, or in no mapped cell: {missing}$"):
            check(listed)


def test_workload_without_a_ready_pod_is_missing():
    """
    By its own name, for there is no other.
    """
    with pytest.raises(SystemExit, match=r"in no mapped cell: conductor$"):
        check(dict.fromkeys(HOSTS, "up"), {**PODS, "conductor": []})
