"""Start a Galera member: say where its data end, wait for what its agent decides, become the server.

``start`` runs in the server's container, which has no token; the agent (``galera_agent.py``) beside it has one. They
talk through files in memory. Each start is a *life* of its own: a decision counts only for the life it names.
``leave`` is the server's preStop: it returns when the agent has found another writer. ``part`` is asked before this
member goes for good: it fails unless all that stay hold every row.
"""

import json
import math
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from galera_rules import LEAVE_S, NIL, lacking

ROOT = Path(os.environ.get("KOLLA_K8S_ROOT", "/"))
SHARED = ROOT / "run/galera"
STATE, DECISION, WHY = SHARED / "state.json", SHARED / "decision.json", SHARED / "why"
LEAVING, LEFT, STOP = SHARED / "leaving", SHARED / "left", SHARED / "stop.json"
SOCKET = ROOT / "run/mysqld/mysqld.sock"
DATA = ROOT / "var/lib/mysql"
USERS = ROOT / "etc/mysql/users.sql"
INSTALLING = ".kolla-k8s-installing"
ROLLED_BACK = ".kolla-k8s-rolled-back"
"""Transactions were given up here that others may have: only a full state transfer, which removes this, or being the
one from which the cluster starts makes the data those of the cluster again."""
PART_S = 60
"""How long members that stay may take to be synced before one may go."""
READ_AGAIN_S = 60
"""How long a member waits for a decision before it tries again to read its data: a full disk is emptied some day."""
STALE = ("gvwstate.dat", "wsrep_sst.pid", "mysqld.sock")
RECOVERED = re.compile(r"Recovered position:? ([-0-9a-f]{36}):(-?\d+)")


def put(path, item):
    """Write JSON; a reader never sees half of it."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(json.dumps(item))
    partial.replace(path)


def get(path):
    """Read JSON; empty when there is none."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return {}


def say(line):
    """Print one line at once."""
    print(f"galera: {line}", flush=True)


def position(data, recover):
    """Say where the data of a directory end, as a report without its life.

    Args:
        data: The server's data directory.
        recover: Gives the output of ``mariadbd --wsrep-recover``; called only when the last stop was no clean one.
    """
    none = {"uuid": NIL, "seqno": -1, "empty": False, "whole": False, "readable": True}
    if (data / "sst_in_progress").exists():
        return none
    if (data / INSTALLING).exists() or not (data / "mysql").is_dir():
        return {**none, "empty": True, "whole": True}
    saved = grastate(data)
    if saved["seqno"] >= 0:
        return {**none, **saved, "whole": True}
    found = RECOVERED.findall(recover())
    if not found:
        return {**none, "readable": False}
    return {**none, "uuid": found[-1][0], "seqno": int(found[-1][1]), "whole": True}


def grastate(data):
    """Read what a clean stop leaves: uuid and seqno, which is -1 after any other end."""
    path = data / "grastate.dat"
    text = path.read_text() if path.exists() else ""
    uuid, seqno = re.search(r"^uuid:\s*(\S+)", text, re.MULTILINE), re.search(r"^seqno:\s*(-?\d+)", text, re.MULTILINE)
    return {"uuid": uuid[1] if uuid else NIL, "seqno": int(seqno[1]) if seqno else -1}


def recover():
    """Let the server say where its data end; transactions that nobody can finish any more are rolled back."""
    said = _mariadbd("--wsrep-recover")
    if not RECOVERED.search(said) and "tc-heuristic-recover" in said:
        say("transactions were prepared but never decided: rolling them back")
        (DATA / ROLLED_BACK).touch()
        _mariadbd("--tc-heuristic-recover=rollback")
        said = _mariadbd("--wsrep-recover")
    if not RECOVERED.search(said):
        say("the server cannot read its data; its last words:\n" + "\n".join(said.splitlines()[-20:]))
    return said


def _mariadbd(option):
    command = ["mariadbd", option, "--wsrep-cluster-address=gcomm://"]  # it calls nobody, but must have been told whom
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    return done.stdout + done.stderr


def wait_for_decision(life, patience_s):
    """Return what the agent decides for this life, {} when it decides nothing in that time; say what it waits for."""
    said, until = "", time.monotonic() + patience_s
    while (decision := get(DECISION)).get("life") != life:
        why = WHY.read_text() if WHY.exists() else "waiting for the agent"
        if why != said:
            said = why
            say(said)
        if time.monotonic() > until:
            return {}
        time.sleep(0.1)
    return decision


def arguments(decision, where):
    """Command line of the server: a new cluster, or a member of the one at these addresses."""
    is_known = where["whole"] and not where["empty"] and where["uuid"] != NIL
    start = [f"--wsrep-start-position={where['uuid']}:{where['seqno']}"] if is_known else []
    if decision["do"] == "bootstrap":
        return ["mariadbd", "--wsrep-new-cluster", "--wsrep-cluster-address=gcomm://", *start]
    start = [] if (DATA / ROLLED_BACK).exists() else start
    return ["mariadbd", f"--wsrep-cluster-address=gcomm://{','.join(decision['addresses'])}", *start]


def make_ready(decision, where):
    """Prepare the data directory for what was decided."""
    for name in STALE:
        (DATA / name).unlink(missing_ok=True)
    SOCKET.unlink(missing_ok=True)
    if where["empty"]:
        _clear(DATA)
    saved = DATA / "grastate.dat"
    if decision["do"] != "bootstrap":
        if (DATA / ROLLED_BACK).exists():
            saved.unlink(missing_ok=True)
        return
    (DATA / ROLLED_BACK).unlink(missing_ok=True)
    if where["empty"]:
        _install()
    if saved.exists():
        saved.write_text(
            re.sub(r"^safe_to_bootstrap:.*", "safe_to_bootstrap: 1", saved.read_text(), flags=re.MULTILINE)
        )


def _clear(data):
    """Remove what an installation or a state transfer left that never ended."""
    for path in data.iterdir():
        if path.name == "lost+found":
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _install():
    say("empty volume: creating the system tables and users")
    (DATA / INSTALLING).touch()
    command = ["mariadb-install-db", "--no-defaults", f"--datadir={DATA}", "--skip-test-db"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    with USERS.open() as users:
        subprocess.run(["mariadbd", "--bootstrap", "--wsrep-on=OFF"], check=True, stdin=users)
    (DATA / INSTALLING).unlink()


def told(where):
    """Say a position in words."""
    if where["empty"]:
        return "empty volume"
    if where["whole"]:
        return f"data end at {where['uuid']}:{where['seqno']}"
    return "a state transfer was cut short here" if where["readable"] else "data that cannot be read"


def start():
    """Say where the data end, wait for the decision, become the server."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    life = secrets.token_hex(4)
    put(STATE, {"life": life})
    for path in (WHY, LEAVING, LEFT):
        path.unlink(missing_ok=True)
    decision = {}
    while not decision:
        where = position(DATA, recover)
        put(STATE, {"life": life, "report": {"life": life, **where}})
        say(told(where))
        decision = wait_for_decision(life, math.inf if where["readable"] else READ_AGAIN_S)
    make_ready(decision, where)
    command = arguments(decision, where)
    say(" ".join(command))
    sys.exit(serve(command, life))


def serve(command, life):
    """Run the server until it ends, and give its exit code; kill it when the agent says so of this life.

    A server that waits for a state transfer does not end when asked, and as the container's first process it could not
    be killed from inside.
    """
    asked = []
    signal.signal(signal.SIGTERM, lambda *_: asked.append(signal.SIGTERM))  # it may come before there is a server
    server = os.spawnvp(os.P_NOWAIT, command[0], command)
    ended = 0
    while ended != server:
        ended, status = os.waitpid(-1, os.WNOHANG)  # whatever a script of the server left behind, too
        if not ended:
            if get(STOP).get("life") == life:
                asked.append(signal.SIGKILL)
            while asked:
                os.kill(server, asked.pop(0))
            time.sleep(0.2)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def leave():
    """Return when the agent lets this member go, or when it has had its time."""
    until = time.monotonic() + LEAVE_S + 5
    LEAVING.touch()
    while not LEFT.exists() and time.monotonic() < until:
        time.sleep(0.2)


def part(count):
    """Return when the first ``count`` members are synced; end with what one lacks when that takes too long."""
    import galera_api  # noqa: PLC0415 - a server that starts needs none of it

    name, until = os.environ["POD_NAME"].rpartition("-")[0], time.monotonic() + PART_S
    while why := lacking(name, {n: galera_api.ask_peer(galera_api.host_of(n)) for n in range(count)}):
        if time.monotonic() >= until:
            sys.exit(f"{why}, and would stay without rows that only this member may hold: bring it up first")
        time.sleep(1)


def main(words):
    """``galera.py start|leave|agent|part COUNT``."""
    if words == ["agent"]:
        import galera_agent  # noqa: PLC0415 - the server's container needs none of it

        galera_agent.main()
    elif words[0] == "part":
        part(int(words[1]))
    else:
        {"start": start, "leave": leave}[words[0]]()


if __name__ == "__main__":
    main(sys.argv[1:])
