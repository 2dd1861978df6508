"""What the gate of OVN's chassis makes of a node's switch and of the southbound database."""

from __future__ import annotations

import os
import runpy
from pathlib import Path

import pytest

GATE = Path(__file__).parents[3] / "kolla_k8s" / "orchestrate" / "gates" / "ovn_chassis.py"


@pytest.fixture
def check(tmp_path, monkeypatch):
    """Runs the gate on a node whose programs say: bridges, address of the chassis, configuration wanted and noted."""

    def run(bridges="br-int br-ex", address="192.0.2.1", wanted="7", noted="7"):
        programs = {
            "ovs-vsctl": f"case $* in *list-br*) printf '%s\\n' {bridges};; *) echo '\"tcp:192.0.2.9:6642\"';; esac",
            "ovn-sbctl": f"case $* in *Encap*) echo {address};; *SB_Global*) echo {wanted};; *) echo {noted};; esac",
        }
        for name, script in programs.items():
            path = tmp_path / name
            path.write_text(f"#!/bin/sh\n{script}\n")
            path.chmod(0o700)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        monkeypatch.setenv("NODE_NAME", "node-1")
        return runpy.run_path(str(GATE))["check"]({})

    return run


def test_chassis_that_follows_is_fine(check):
    """
    Its address and the configuration are told.
    """
    assert "node-1 is a chassis at 192.0.2.1 and follows configuration 7" == check()


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({"bridges": "br-int2 br-ex"}, "the switch of node-1 has no bridge br-int"),
        ({"bridges": ""}, "the switch of node-1 has no bridge br-int"),
        ({"address": ""}, "node-1 is no chassis of the southbound database"),
    ],
)
def test_what_a_node_lacks_is_said(check, answers, said):
    """
    First what is on the node, then what OVN knows of it.
    """
    with pytest.raises(SystemExit, match=f"^{said}$"):
        check(**answers)
