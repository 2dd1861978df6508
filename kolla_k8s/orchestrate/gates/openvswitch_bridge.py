"""Make a bridge with the node's datapath, see its own port come up in the switch, and take it away again.

With ``bridge``, that one is looked at instead: it is there, and whoever gives it orders is connected.
"""

import subprocess

PREFIX = "gate-"


def check(arguments):
    """Evidence, or SystemExit with what is wrong."""
    return _look(arguments["bridge"]) if arguments.get("bridge") else _make(arguments)


def _look(bridge):
    if bridge not in _ovs("list-br").split():
        raise SystemExit(f"the switch has no bridge {bridge}")
    datapath = _ovs("get", "bridge", bridge, "datapath_type").strip('"')
    orders = _ovs("get-controller", bridge).split()
    connected = [_ovs("--bare", "--columns=is_connected", "find", "controller", f'target="{one}"') for one in orders]
    if "true" not in " ".join(connected):
        raise SystemExit(f"{bridge} waits for orders from {', '.join(orders) or 'nobody'}")
    return f"{bridge} of the datapath {datapath} takes orders from {', '.join(orders)}"


def _make(arguments):
    """Bridges that a killed gate left go too."""
    bridge = PREFIX + arguments["nonce"][:8]
    datapath = _ovs("get", "Open_vSwitch", ".", "external_ids:ovn-bridge-datapath-type").strip('"')
    for old in _ovs("list-br").split():
        if old.startswith(PREFIX):
            _ovs("del-br", old)
    try:
        _ovs("add-br", bridge, "--", "set", "bridge", bridge, f"datapath_type={datapath}")
        error = _ovs("get", "interface", bridge, "error").strip('"[]')
        number = _ovs("get", "interface", bridge, "ofport")
        if error or number in ("[]", "-1"):
            raise SystemExit(f"a bridge of the datapath {datapath} has no port: {error or number}")
    finally:
        _ovs("--if-exists", "del-br", bridge)
    return f"a bridge of the datapath {datapath} was made and taken away"


def _ovs(*words):
    command = ["ovs-vsctl", "--db=unix:/run/openvswitch/db.sock", "--timeout=20", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        raise SystemExit(done.stderr.strip() or f"ovs-vsctl ended with {done.returncode}")
    return done.stdout.strip()
