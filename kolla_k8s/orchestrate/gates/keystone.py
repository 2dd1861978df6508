"""A token issued at one pod is accepted at every other (same keys, same database), and the catalogue is complete."""

import http.client
import json
from pathlib import Path


def check(arguments):
    """Evidence, or SystemExit with what is wrong."""
    login = json.loads(Path(arguments["login"]).read_text(encoding="utf-8"))
    addresses = arguments["addresses"]
    token, answer = _issue(addresses[0], arguments["port"], login)
    for address in addresses:
        status, body = _ask(address, arguments["port"], "GET", None, {"X-Auth-Token": token, "X-Subject-Token": token})
        if status != 200:
            raise SystemExit(f"a token of {addresses[0]} is not accepted at {address}: {status} {body}")
    missing = sorted(set(arguments["catalogue"]) - set(_complete(answer["token"]["catalog"])))
    if missing:
        raise SystemExit(f"the catalogue lacks {', '.join(missing)}")
    kinds = ", ".join(sorted(entry["type"] for entry in answer["token"]["catalog"]))
    return f"a token issued at {addresses[0]} was validated at {len(addresses)} pods; catalogue: {kinds}"


def _complete(catalogue):
    for entry in catalogue:
        if {"internal", "public"} <= {endpoint["interface"] for endpoint in entry["endpoints"]}:
            yield entry["type"]


def _issue(address, port, login):
    user = {"name": login["username"], "domain": {"id": "default"}, "password": login["password"]}
    scope = {"project": {"name": login["project"], "domain": {"id": "default"}}}
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
    connection = http.client.HTTPConnection(address, port, timeout=20)
    connection.request("POST", "/v3/auth/tokens", json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    text = answer.read().decode()
    if answer.status != 201:
        raise SystemExit(f"no token from {address}: {answer.status} {text[:200]}")
    return answer.headers["X-Subject-Token"], json.loads(text)


def _ask(address, port, method, body, headers):
    connection = http.client.HTTPConnection(address, port, timeout=20)
    connection.request(method, "/v3/auth/tokens", body, headers)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()[:200]
