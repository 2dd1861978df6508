"""What the members of OVN's databases say of their cluster, and what the gate makes of it."""

from __future__ import annotations

import importlib

import pytest

judge = importlib.import_module("kolla_k8s.orchestrate.gates.ovn_leader").judge
PLACES = ("tcp:10.0.0.1:6641", "tcp:10.0.0.2:6641", "tcp:10.0.0.3:6641")


def told(*leads, cids=("a", "a", "a"), connected=(True, True, True)):
    rows = zip(PLACES, leads, cids, connected, strict=False)
    return {place: {"leader": lead, "cid": ["uuid", cid], "connected": ok} for place, lead, cid, ok in rows}


def test_one_leader_of_one_cluster_is_fine():
    """
    Whoever it is.
    """
    assert "" == judge("OVN_Northbound", told(False, True, False))
    assert "" == judge("OVN_Northbound", told(True))


@pytest.mark.parametrize(
    ("answers", "fact"),
    [
        ({}, "no member of NB is ready"),
        (told(False, False, False), "NB: 0 of 3 members lead"),
        (told(True, True, False), "NB: 2 of 3 members lead"),
        (told(True, False, False, connected=(True, False, True)), "NB: tcp:10.0.0.2:6641 has no leader"),
        (told(True, False, False, cids="abb"), f"NB: members are not in one cluster: {', '.join(PLACES)}"),
    ],
)
def test_anything_else_is_said(answers, fact):
    """
    Also two clusters, each with a leader of its own.
    """
    assert fact == judge("NB", answers)
