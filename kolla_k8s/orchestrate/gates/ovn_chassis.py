"""The node has its integration bridge, is a chassis of the southbound database, and has its newest configuration."""

import os
import subprocess
import time

BRIDGE = "br-int"


def check(_arguments):
    """Evidence, or SystemExit with what is wrong."""
    chassis = os.environ["NODE_NAME"]
    switch = ["ovs-vsctl", "--db=unix:/run/openvswitch/db.sock"]
    if BRIDGE not in _run(*switch, "list-br").split():
        raise SystemExit(f"the switch of {chassis} has no bridge {BRIDGE}")
    remote = _run(*switch, "get", "Open_vSwitch", ".", "external_ids:ovn-remote")
    south = ["ovn-sbctl", f"--db={remote.strip(chr(34))}", "--no-leader-only", "--bare"]
    address = _run(*south, "--columns=ip", "find", "Encap", f"chassis_name={chassis}")
    if not address:
        raise SystemExit(f"{chassis} is no chassis of the southbound database")
    wanted = int(_run(*south, "--columns=nb_cfg", "find", "SB_Global"))
    deadline = time.monotonic() + 30
    while int(_run(*south, "--columns=nb_cfg", "find", "Chassis_Private", f"name={chassis}") or 0) < wanted:
        if time.monotonic() > deadline:
            raise SystemExit(f"{chassis} has not taken note of configuration {wanted}")
        time.sleep(0.5)
    return f"{chassis} is a chassis at {address.splitlines()[0]} and follows configuration {wanted}"


def _run(*command):
    done = subprocess.run(
        [command[0], "--timeout=20", *command[1:]], capture_output=True, text=True, timeout=30, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr.strip() or f"{command[0]} ended with {done.returncode}")
    return done.stdout.strip()
