"""All nodes run without alarm and with all they can do; a message is published with confirmation and consumed.

Feature flags of a new version stay disabled until somebody enables them, when no member of the old one is left; the
version after it does not start without them. So the gate does, once in the life of a pod: asking costs seconds.
"""

import base64
import http.client
import json
import os
import subprocess
import time
from pathlib import Path

QUEUE = "gate"
DONE = ".kolla-k8s-flags-enabled"


def check(arguments):
    """Evidence, or SystemExit with what is wrong; a member that only looks publishes nothing."""
    login = json.loads(Path(arguments["login"]).read_text(encoding="utf-8"))
    nodes = _asker(login, os.environ["POD_IP"])("GET", "nodes")
    down = [node["name"] for node in nodes if not node["running"]]
    alarms = [
        f"{node['name']}: {kind}" for node in nodes for kind in ("mem_alarm", "disk_free_alarm") if node.get(kind)
    ]
    partitions = sorted({name for node in nodes for name in node.get("partitions", ())})
    if down or alarms or partitions or len(nodes) != arguments["members"]:
        count = f"{len(nodes)} of {arguments['members']} nodes"
        raise SystemExit(f"{count}; down: {down}; alarms: {alarms}; partitioned: {partitions}")
    evidence = f"{len(nodes)} nodes without alarm"
    if not arguments["publishes"]:
        return evidence
    new = _enable_flags()
    flags = f"all feature flags enabled{', now also: ' if new else ''}{', '.join(new)}"
    _publish(_asker(login, login["host"]), login["vhost"], arguments["nonce"])
    return f"{evidence}; {flags}; a confirmed message was consumed from a quorum queue"


def _enable_flags():
    """Names of the stable feature flags that were not enabled until now."""
    done = Path(os.environ["HOME"], DONE)
    if done.exists():
        return []
    flags = json.loads(_ctl("--silent", "--formatter", "json", "list_feature_flags", "name", "state", "stability"))
    new = [flag["name"] for flag in flags if flag["state"] == "disabled" and flag["stability"] == "stable"]
    if new:
        _ctl("enable_feature_flag", "all")
    done.touch()
    return new


def _ctl(*words):
    # Debian's program of the same name looks for the cookie elsewhere.
    path = {"PATH": f"/usr/lib/rabbitmq/bin:{os.environ['PATH']}"}
    done = subprocess.run(
        ["rabbitmqctl", *words], env={**os.environ, **path}, capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode:
        raise SystemExit(f"feature flags: {' '.join((done.stderr or done.stdout).split())[:300]}")
    return done.stdout


def _publish(ask, vhost, nonce):
    ask("PUT", f"queues/{vhost}/{QUEUE}", {"durable": True, "arguments": {"x-queue-type": "quorum"}})
    body = {"properties": {"delivery_mode": 2}, "routing_key": QUEUE, "payload": nonce, "payload_encoding": "string"}
    if not ask("POST", f"exchanges/{vhost}/amq.default/publish", body)["routed"]:
        raise SystemExit("a published message was not confirmed")
    if not _consumed(ask, vhost, nonce):
        raise SystemExit("a confirmed message did not come back")


def _consumed(ask, vhost, nonce):
    get = {"count": 50, "ackmode": "ack_requeue_false", "encoding": "auto"}
    for _ in range(20):
        if any(message["payload"] == nonce for message in ask("POST", f"queues/{vhost}/{QUEUE}/get", get)):
            return True
        time.sleep(0.1)
    return False


def _asker(login, host):
    secret = base64.b64encode(f"{login['username']}:{login['password']}".encode()).decode()
    headers = {"Authorization": f"Basic {secret}", "Content-Type": "application/json"}

    def ask(method, path, body=None):
        connection = http.client.HTTPConnection(host, 15672, timeout=10)
        connection.request(method, "/api/" + path, json.dumps(body) if body else None, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        if answer.status >= 300:
            raise SystemExit(f"{method} {path}: {answer.status} {answer.reason}: {text[:200]}")
        return json.loads(text or "null")

    return ask
