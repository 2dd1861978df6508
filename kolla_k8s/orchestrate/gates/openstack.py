"""One authenticated request to a service of the catalogue is answered as expected; what other gates build upon."""

import http.client
import json
import time
from pathlib import Path
from urllib.parse import urlsplit

LOGIN = "/etc/kolla-k8s/gate.json"


class Cloud:
    """The cloud as one user sees it, by internal endpoints; ``ask`` gives status and JSON (or bytes)."""

    def __init__(self, login):
        self.region = login.get("region")
        user = {"name": login["username"], "domain": {"id": "default"}, "password": login["password"]}
        scope = {"project": {"name": login["project"], "domain": {"id": "default"}}}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
        status, headers, answer = send("POST", login["auth_url"] + "/v3/auth/tokens", body, {})
        if status != 201:
            raise SystemExit(f"no token from {login['auth_url']}: {status} {str(answer)[:200]}")
        self.token = headers["X-Subject-Token"]
        self.project = answer["token"]["project"]["id"]
        self.urls = {entry["type"]: self._internal(entry) for entry in answer["token"]["catalog"]}

    def _internal(self, entry):
        urls = [one["url"] for one in entry["endpoints"] if one["interface"] == "internal"]
        return urls[0].rstrip("/") if urls else ""

    def ask(self, service, method, path, body=None, headers=None):
        """One request; the path follows the catalogue's address."""
        if service not in self.urls:
            raise SystemExit(f"the catalogue has no {service}")
        status, _, answer = send(
            method, self.urls[service] + path, body, {"X-Auth-Token": self.token, **(headers or {})}
        )
        return status, answer

    def want(self, service, method, path, body=None, headers=None):
        """One request that must succeed; gives its JSON."""
        status, answer = self.ask(service, method, path, body, headers)
        if not 200 <= status < 300:
            raise SystemExit(f"{service} refused {method} {path}: {status} {str(answer)[:300]}")
        return answer

    def until(self, look, what, patience_s=60):
        """Look each half second until there is something; SystemExit says what was waited for."""
        deadline = time.monotonic() + patience_s
        while not (found := look()):
            if time.monotonic() > deadline:
                raise SystemExit(f"{what}: not within {patience_s} s")
            time.sleep(0.5)
        return found


def send(method, url, body, headers):
    """One HTTP request; gives status, headers and JSON where the answer is JSON, else bytes."""
    where = urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=60)
    is_raw = isinstance(body, bytes)
    kind = {"Content-Type": "application/octet-stream" if is_raw else "application/json"} if body is not None else {}
    content = body if is_raw or body is None else json.dumps(body).encode()
    path = where.path + (f"?{where.query}" if where.query else "")
    connection.request(method, path or "/", content, {"Accept": "application/json", **kind, **headers})
    answer = connection.getresponse()
    text = answer.read()
    try:
        return answer.status, answer.headers, json.loads(text) if text else {}
    except ValueError:
        return answer.status, answer.headers, text


def cloud():
    """The cloud as the gate's own user sees it."""
    return Cloud(json.loads(Path(LOGIN).read_text(encoding="utf-8")))


def check(arguments):
    """Evidence, or SystemExit with what is wrong."""
    service, path = arguments["service"], arguments["path"]
    cloud().want(service, "GET", path, None, arguments.get("headers"))
    return f"{service} answered GET {path}"
