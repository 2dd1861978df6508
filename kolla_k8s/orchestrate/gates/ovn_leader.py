"""Each database is one cluster with one leader that all members know, and a write to the north arrives in the south."""

import json
import subprocess

PORTS = {"OVN_Northbound": 6641, "OVN_Southbound": 6642}
ASK = '["_Server",{"op":"select","table":"Database","where":[["name","==","%s"]]}]'
PREFIX = "kolla-k8s-gate-"


def check(arguments):
    """Evidence, or SystemExit with what is wrong; switches that a killed gate left go too."""
    members = arguments["members"]
    for database, addresses in members.items():
        told = {place: _ask(database, place) for place in _places(database, addresses)}
        wrong = judge(database, told)
        if wrong:
            raise SystemExit(wrong)
    north, south = (",".join(_places(name, members[name])) for name in PORTS)
    switch = PREFIX + arguments["nonce"][:8]
    old = [line.split("(")[1].rstrip(")") for line in _run("ovn-nbctl", north, "ls-list").splitlines()]
    for name in (name for name in old if name.startswith(PREFIX)):
        _run("ovn-nbctl", north, "--if-exists", "ls-del", name)
    try:
        _run("ovn-nbctl", north, "--wait=sb", "ls-add", switch)
        found = _run(
            "ovn-sbctl", south, "--bare", "--columns=_uuid", "find", "Datapath_Binding", f"external_ids:name={switch}"
        )
        if not found:
            raise SystemExit(f"northd took note of {switch}, but the southbound database has it not")
    finally:
        _run("ovn-nbctl", north, "--if-exists", "--wait=sb", "ls-del", switch)
    sizes = " and ".join(str(len(members[name])) for name in PORTS)
    return f"databases of {sizes} members have one leader each; a switch went from north to south"


def judge(database, told):
    """Say what is wrong with what members answered; empty when they are one cluster with one leader.

    Args:
        database: Its name, for the sentence.
        told: Where a member answers -> its row about the database: ``cid``, ``connected``, ``leader``.
    """
    if not told:
        return f"no member of {database} is ready"
    lost = [place for place, row in told.items() if not row["connected"]]
    if lost:
        return f"{database}: {', '.join(lost)} has no leader"
    if len({json.dumps(row["cid"]) for row in told.values()}) != 1:
        return f"{database}: members are not in one cluster: {', '.join(told)}"
    leaders = [place for place, row in told.items() if row["leader"]]
    return "" if len(leaders) == 1 else f"{database}: {len(leaders)} of {len(told)} members lead"


def _places(database, addresses):
    return [f"tcp:[{a}]:{PORTS[database]}" if ":" in a else f"tcp:{a}:{PORTS[database]}" for a in addresses]


def _ask(database, place):
    answer = json.loads(_said(["ovsdb-client", "--timeout=10", "query", place, ASK % database]))
    rows = answer[0]["rows"]
    if not rows:
        raise SystemExit(f"{place} has no database {database}")
    return rows[0]


def _run(program, place, *words):
    return _said([program, f"--db={place}", "--timeout=30", *words])


def _said(command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=40, check=False)
    if done.returncode:
        raise SystemExit(done.stderr.strip() or f"{command[0]} ended with {done.returncode}")
    return done.stdout.strip()
