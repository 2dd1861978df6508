"""Write a row as the gate's own user through the Service, and read it at every member of one and the same cluster."""

import subprocess

WRITE = (
    "CREATE TABLE IF NOT EXISTS probe (id INT PRIMARY KEY, said VARCHAR(64)); "
    "REPLACE INTO probe VALUES (1, '{}'); SELECT said FROM probe WHERE id = 1; SELECT @@hostname"
)
READ = (
    "SET SESSION wsrep_sync_wait = 1; SELECT said FROM probe WHERE id = 1; "
    "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME IN "
    "('WSREP_CLUSTER_CONF_ID', 'WSREP_CLUSTER_SIZE', 'WSREP_CLUSTER_STATE_UUID') ORDER BY VARIABLE_NAME"
)


def check(arguments):
    """Evidence, or SystemExit with what is wrong."""
    nonce, members = arguments["nonce"], arguments["members"]
    said, host = _sql(WRITE.format(nonce))
    if said != nonce:
        raise SystemExit(f"wrote {nonce}, read {said}")
    evidence = f"a row written through the Service was read back from {host}"
    if len(members) == 1:
        return evidence
    read = {name: _sql(READ, address) for name, address in members.items()}
    wrong = judge(read, nonce)
    if wrong:
        raise SystemExit(wrong)
    return f"{evidence} and from each of {len(members)} members of one cluster"


def judge(read, nonce):
    """Say what is wrong with what the members answered; empty when they are one cluster.

    Args:
        read: Member -> the row it holds, its view's number, its cluster's size and identity.
        nonce: The row it should hold.
    """
    stale = [name for name, (said, *_) in sorted(read.items()) if said != nonce]
    if stale:
        return f"a row written through the Service is not at {', '.join(stale)}"
    views = {tuple(rest) for _, *rest in read.values()}
    told = "; ".join(f"{name}: view {rest[0]}, size {rest[1]}, {rest[2]}" for name, (_, *rest) in sorted(read.items()))
    if len(views) != 1:
        return f"members are not in one cluster: {told}"
    size = next(iter(views))[1]
    return "" if int(size) == len(read) else f"{len(read)} members are ready, their cluster has {size}: {told}"


def _sql(text, host=None):
    where = [f"--host={host}"] if host else []
    command = ["mariadb", "--defaults-file=/etc/mysql/gate.cnf", *where, "-N", "-B", "--connect-timeout=5", "gate"]
    done = subprocess.run([*command, "-e", text], capture_output=True, text=True, timeout=20, check=False)
    if done.returncode:
        raise SystemExit(done.stderr.strip() or f"mariadb ended with {done.returncode}")
    return done.stdout.split()
