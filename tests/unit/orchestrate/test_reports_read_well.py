"""What a run says: to a person, to a machine, to a table."""

from __future__ import annotations

import pytest

from kolla_k8s.model.plan import Action
from kolla_k8s.orchestrate.report import Cause, Phase, Report, Row, table, took
from tests.unit.orchestrate.test_running_a_plan import a_plan, a_step


def rows(*steps):
    return {step.name: Row(step) for step in steps}


def report(found):
    return Report(a_plan(*(row.step for row in found.values())), found, 0.0, 12.34)


def test_first_failure_is_told_first_with_its_last_lines():
    """
    Then what it kept from being tried, and what was stopped.
    """
    found = rows(a_step("a"), a_step("b"), a_step("c"), a_step("d"), a_step("e"))
    found["a"].phase, found["a"].failed_s = Phase.FAILED, 9.0
    found["a"].cause = Cause("Pod a-1", "Error", "died", "kubectl logs a-1", "api", ("one", "two"))
    found["b"].phase, found["b"].failed_s = Phase.FAILED, 3.0
    found["b"].cause = Cause("b", "refused", "denied")
    for name in ("c", "d"):
        found[name].phase, found[name].lost = Phase.NOT_TRIED, ("a", "b")
    found["e"].phase = Phase.STOPPED

    expected = """\
b: b: refused: denied
a: Pod a-1: api: Error: died; see `kubectl logs a-1`
    | one
    | two
c, d: not tried, because a and b did not become ready
e: stopped before it was green"""
    assert expected == report(found).text()


def test_machines_are_told_when_the_first_evidence_was_seen():
    """
    In seconds of the run, beside the verdict; null where nothing was seen.
    """
    found = rows(a_step("a"), a_step("b"))
    found["a"].first_evidence_s, found["a"].failed_s = 4.0004, 6.5

    said = [(step["evidence"], step["failed"]) for step in report(found).json()["steps"]]

    assert [(4.0, 6.5), (None, None)] == said


def test_failure_without_a_cause_is_told_all_the_same():
    """
    It should not happen.
    """
    found = rows(a_step("a"))
    found["a"].phase = Phase.FAILED

    assert "a: failed" == report(found).text()


def test_green_run_says_how_many_and_how_long():
    """
    And JSON says so for machines.
    """
    found = rows(a_step("a"))
    found["a"].phase, found["a"].started_s, found["a"].gate_green_s = Phase.GREEN, 0.5, 3.25

    assert "1 services green after 12.3 s" == report(found).text()
    assert "green" == report(found).json()["outcome"]
    assert (0.5, 3.25) == tuple(report(found).json()["steps"][0][key] for key in ("started", "gate_green"))


def test_removal_that_failed_is_no_readiness():
    """
    What waited for it was not removed.
    """
    row = Row(a_step("a", action=Action.REMOVE), lost=("b",))

    assert "b could not be removed" == row.not_tried_because


@pytest.mark.parametrize(
    ("started", "green", "failed", "expected"),
    [(None, None, None, ""), (1.0, None, None, "..."), (1.0, 3.5, None, "2.5 s"), (1.0, None, 2.0, "1.0 s")],
)
def test_time_of_a_step_is_told(started, green, failed, expected):
    """
    Nothing before it began, dots while it works.
    """
    assert expected == took(Row(a_step("a"), started_s=started, gate_green_s=green, failed_s=failed))


def test_table_explains_a_waiting_step_down_to_what_is_really_waited_for():
    """
    The first need that has begun, and what that says.
    """
    found = rows(a_step("a"), a_step("b", "a", "x"), a_step("c", "b"), a_step("x"), a_step("y"), a_step("z"))
    found["a"].phase, found["a"].waits_for = Phase.COMING_UP, "Pod a-0: pulling"
    found["b"].waits_for, found["c"].waits_for = "a, x", "b"
    found["y"].phase, found["y"].cause = Phase.FAILED, Cause("Pod y-0", "Error", "died")
    found["z"].phase, found["z"].evidence = Phase.GREEN, {"g": "fine"}

    cells = {row[0]: row[4] for row in table(list(found.values()))}

    assert "b < a, x < Pod a-0: pulling" == cells["c"]
    assert "Pod y-0: Error" == cells["y"]
    assert "fine" == cells["z"]


def test_nodes_with_old_pods_are_named_with_the_command():
    """
    Not all of them when they are many; machines get them all.
    """
    found = rows(a_step("a"))
    found["a"].phase, found["a"].old_nodes = Phase.GREEN, [f"n{number}" for number in range(7)]

    line = "a: pods of before run on n0, n1, n2, n3, n4 and 2 more; `kolla-k8s roll a` makes them anew"
    assert line in report(found).text().splitlines()
    assert found["a"].old_nodes == report(found).json()["steps"][0]["old_nodes"]
