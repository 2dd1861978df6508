"""A guest's device that the userspace switch has taken down by accident comes up again."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess

import pytest

SEEN = """\
a1,initial,br-int,down,{}
a4,delete,tap3,down,{iface-id=ghi}
a5,initial,tap4,up,{iface-id=jkl}
a6,initial,qr-6,down,{iface-id=mno}
a7,old,tap7,down,{iface-id=pqr}

a2,insert,tap1,[],"{attached-mac=""fa:16:3e:00:00:01"", iface-id=abc}"

a2,old,,[],
,new,tap1,down,"{attached-mac=""fa:16:3e:00:00:01"", iface-id=abc}"
a3,initial,tap2,down,{iface-id=def}
"""


@pytest.fixture
def switch(shipped, tmp_path):
    """Run the start script until these devices were brought up; gives all that were, and whether anybody looked."""

    def run(datapath, *until):
        script = shipped["openvswitch"].spec.config["vswitchd.sh"].content
        script = script.replace("${option:datapath}", datapath).replace("${node:name}", "n1")
        (tmp_path / "vswitchd.sh").write_text(script)
        (tmp_path / "seen").write_text(SEEN)
        (tmp_path / "raised").touch()
        wait = "".join(f'until grep -q {name} "{tmp_path}/raised"; do :; done\n' for name in until)
        programs = {
            "ip": f'echo "$3" >> "{tmp_path}/raised"',
            "ovs-vsctl": "",
            "ovs-vswitchd": f'pgrep -P $$ > "{tmp_path}/children" || true\n{wait}',
            "ovsdb-client": f'exec tail -n +1 -f "{tmp_path}/seen"',
        }
        for name, text in programs.items():
            (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
            (tmp_path / name).chmod(0o755)
        path = f"{tmp_path}:{os.environ['PATH']}"
        command = ["bash", tmp_path / "vswitchd.sh"]
        with subprocess.Popen(command, env={"PATH": path}, stdout=subprocess.DEVNULL, start_new_session=True) as pod:
            assert 0 == pod.wait(timeout=20)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pod.pid, signal.SIGKILL)
        return (tmp_path / "raised").read_text().split(), bool((tmp_path / "children").read_text())

    return run


def test_device_of_a_guest_that_is_down_is_brought_up(switch):
    """
    The switch sets a flag of a device as it has read the others; who brought it up in between is undone.
    """
    assert (["tap1", "tap2"], True) == switch("netdev", "tap1", "tap2")


def test_switch_in_the_kernel_sets_no_flags_and_needs_no_watch(switch):
    """
    Nobody looks.
    """
    assert ([], False) == switch("system")
