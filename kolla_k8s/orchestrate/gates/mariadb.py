"""Write a row as the gate's own user through the Service, and read it back."""

import subprocess


def check(arguments):
    """Evidence, or SystemExit with what is wrong."""
    nonce = arguments["nonce"]
    sql = (
        "CREATE TABLE IF NOT EXISTS probe (id INT PRIMARY KEY, said VARCHAR(64)); "
        f"REPLACE INTO probe VALUES (1, '{nonce}'); SELECT said FROM probe WHERE id = 1; "
        "SELECT @@hostname"
    )
    command = ["mariadb", "--defaults-file=/etc/mysql/gate.cnf", "-N", "-B", "--connect-timeout=5", "gate", "-e", sql]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    if done.returncode:
        raise SystemExit(done.stderr.strip() or f"mariadb ended with {done.returncode}")
    said, host = done.stdout.split()
    if said != nonce:
        raise SystemExit(f"wrote {nonce}, read {said}")
    return f"a row written through the Service was read back from {host}"
