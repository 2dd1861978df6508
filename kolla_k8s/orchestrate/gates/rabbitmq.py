"""All nodes run without alarm; a message is published with confirmation and consumed as the gate's own user."""

import base64
import http.client
import json
import os
import time

QUEUE = "gate"


def check(arguments):
    """Evidence, or SystemExit with what is wrong; a member that only looks publishes nothing."""
    with open(arguments["login"], encoding="utf-8") as file:
        login = json.load(file)
    nodes = _asker(login, os.environ["POD_IP"])("GET", "nodes")
    down = [node["name"] for node in nodes if not node["running"]]
    alarms = [
        f"{node['name']}: {kind}" for node in nodes for kind in ("mem_alarm", "disk_free_alarm") if node.get(kind)
    ]
    partitions = sorted({name for node in nodes for name in node.get("partitions", ())})
    if down or alarms or partitions or len(nodes) != arguments["members"]:
        count = f"{len(nodes)} of {arguments['members']} nodes"
        raise SystemExit(f"{count}; down: {down}; alarms: {alarms}; partitioned: {partitions}")
    if arguments["publishes"]:
        _publish(_asker(login, login["host"]), login["vhost"], arguments["nonce"])
    return f"{len(nodes)} nodes without alarm; a confirmed message was consumed from a quorum queue"


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
