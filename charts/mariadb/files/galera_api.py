"""The few requests a member's agent makes: its cluster's objects in Kubernetes, its peers' agents, its own server."""

import contextlib
import http.client
import json
import os
import re
import select
import socket
import ssl
import subprocess
import time
from datetime import datetime, timezone
from pathlib import Path

ROOT = Path(os.environ.get("KOLLA_K8S_ROOT", "/"))
PORT = 4569
TOKEN = ROOT / "run/kolla-k8s/token"
ACCOUNT = ["--no-defaults", "--protocol=socket", "--socket=/run/mysqld/mysqld.sock", "--user=mysql"]
STATUS = (
    "SHOW GLOBAL STATUS WHERE Variable_name IN "
    "('wsrep_ready', 'wsrep_cluster_status', 'wsrep_local_state_comment', 'wsrep_incoming_addresses')"
)

STATUS_S = 3
"""Half of a Lease: an answer that takes longer is none."""
END = "answered"
"""The line after an answer's last one."""
DOWN = {"is_up": False, "primary": False, "synced": False, "sees": []}
CLIENTS = (
    "SELECT CONCAT('KILL SOFT CONNECTION ', ID, ';') FROM information_schema.PROCESSLIST "
    "WHERE HOST LIKE '%:%' AND COMMAND = 'Sleep' AND USER NOT IN ('monitor', 'gate')"
)


class RefusedError(Exception):
    """The API did not do it: ``status`` is its answer (409: somebody else was faster), 0 when it gave none."""

    def __init__(self, why, status=0):
        super().__init__(why)
        self.status = status


class Kube:
    """Objects of the pod's namespace, over a connection that is kept."""

    def __init__(self):
        self.space = (TOKEN / "namespace").read_text()
        self.context = ssl.create_default_context(cafile=str(TOKEN / "ca.crt"))
        # Many clusters' own authorities lack a key usage extension.
        self.context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        self.connection = None

    def get(self, group, path):
        """Read an object; ``group`` is like ``v1`` or ``apps/v1``."""
        return self._ask("GET", group, path, None)

    def put(self, group, path, item):
        """Write an object as it was read: refused when somebody wrote it in between."""
        return self._ask("PUT", group, path, item)

    def post(self, group, path, item):
        """Create an object."""
        return self._ask("POST", group, path, item)

    def _ask(self, method, group, path, item):
        root = "apis" if "/" in group else "api"
        headers = {"Authorization": "Bearer " + (TOKEN / "token").read_text(), "Content-Type": "application/json"}
        url = f"/{root}/{group}/namespaces/{self.space}/{path}"
        try:
            if self.connection is None:
                address = os.environ["KUBERNETES_SERVICE_HOST"], int(os.environ["KUBERNETES_SERVICE_PORT"])
                self.connection = http.client.HTTPSConnection(*address, timeout=5, context=self.context)
            self.connection.request(method, url, json.dumps(item) if item else None, headers)
            answer = self.connection.getresponse()
            status, said = answer.status, json.loads(answer.read() or b"{}")
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            raise RefusedError(f"the Kubernetes API does not answer: {error}") from error
        if status not in (200, 201):
            raise RefusedError(f"{method} {path}: {said.get('message', status)}", status)
        return said

    def close(self):
        """Forget the connection; the next request makes a new one."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None


def host_of(number):
    """Host name of a member's pod."""
    pod = json.loads((ROOT / "kolla-k8s/pod.json").read_text())
    about = pod["hosts"][pod["service"]]
    return f"{about['pods']}-{number}.{about['peers']}.{os.environ['POD_NAMESPACE']}.svc"


def ask_peer(host):
    """What another member's agent says; None when it does not answer within two seconds."""
    connection = http.client.HTTPConnection(host, PORT, timeout=2)
    try:
        connection.request("GET", "/")
        return json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()


def sql(text, timeout_s=10):
    """Run statements in the own server as its own account; gives output and complaint, None for output on failure."""
    return _run(["mariadb", *ACCOUNT, "-N", "-B"], text, timeout_s)


def stop_server():
    """Stop the own server as a person would; the statement SHUTDOWN is refused where there is no cluster."""
    return _run(["mariadb-admin", *ACCOUNT, "shutdown"], "", 60)


class Client:
    """A client of the own server that is kept: what is asked each second costs no program's start each second."""

    def __init__(self):
        self.process = None

    def ask(self, query, timeout_s):
        """Ask one query as the own account; gives output and complaint as ``sql`` does.

        A client that was kept may have lost its server without knowing: then a new one says how the server is.
        """
        until = clock() + timeout_s
        was_kept = self.process is not None
        said = self._ask(query, until)
        return said if said[0] is not None or not was_kept or clock() >= until else self._ask(query, until)

    def _ask(self, query, until):
        if self.process is None:
            command = ["mariadb", *ACCOUNT, "-N", "-B", "--unbuffered", "--skip-reconnect"]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
            self.process = subprocess.Popen(command, bufsize=0, **pipes)
        with contextlib.suppress(BrokenPipeError):  # it has ended, and says why
            self.process.stdin.write(f"{query};\nSELECT '{END}';\n".encode())
        said = b""
        while not (b"\n" + said).endswith(f"\n{END}\n".encode()):
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, until - clock()))
            more = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            said += more
            if not more:
                self.close()
                return None, _one_line(said.decode(errors="replace")) if ready else "no answer in time"
        return said.decode(errors="replace").removesuffix(f"{END}\n"), ""

    def close(self):
        """End the client; the next query starts a new one."""
        if self.process is not None:
            self.process.kill()
            with self.process:
                self.process = None


def _one_line(said):
    return re.sub(r"\s+", " ", said.strip())


def _run(command, text, timeout_s):
    try:
        done = subprocess.run(
            command, input=text, capture_output=True, text=True, errors="replace", timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired:
        return None, f"no answer within {timeout_s} s"
    return (done.stdout, "") if done.returncode == 0 else (None, _one_line(done.stderr))


def server_state(client):
    """``{"is_up", "primary", "synced", "sees"}`` of the own server; the last are addresses of its cluster's members.

    None when there is a server that gives no answer, or none in time.
    """
    said, complaint = client.ask(STATUS, STATUS_S)
    if said is None:
        return DOWN if "ERROR 2002" in complaint else None  # nobody listens on the socket
    found = dict(line.split("\t") for line in said.splitlines())
    primary = found.get("wsrep_cluster_status") == "Primary" and found.get("wsrep_ready") == "ON"
    return {
        "is_up": True,
        "sees": [member.rpartition(":")[0] for member in found.get("wsrep_incoming_addresses", "").split(",")],
        "primary": primary,
        "synced": primary and found.get("wsrep_local_state_comment") == "Synced",
    }


def send_clients_off():
    """End connections of clients that have no statement under way: their next one goes where the Service points.

    Those of the server's own accounts and of who only looks stay, and so does a long migration.
    """
    found, _ = sql(CLIENTS)
    if found:
        _run(["mariadb", *ACCOUNT, "--force"], found, 10)


def now():
    """Time as a Lease writes it."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def family(address):
    """Socket family of an address."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def clock():
    """Seconds that only ever grow."""
    return time.monotonic()
