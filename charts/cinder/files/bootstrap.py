"""Do what every service's bootstrap does: databases, messaging users, registration in Keystone, the record.

Run in the bootstrap Job by the service's own image. Each step can be repeated: it looks first and changes only what
differs. Passwords come from mounted files.
"""

import base64
import http.client
import json
import os
import sys
import time
from urllib.parse import quote, urlsplit

import init

PATIENCE_S = 300
FOUND = init.ROOT / "run/kolla-k8s/facts"


def patiently(work, *kinds):
    """Repeat while the other side cannot be reached: after a port opens, a service may still be starting."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return work()
        except kinds as error:
            if time.monotonic() > deadline:
                raise
            print(f"trying again: {error}", flush=True)
            time.sleep(1)


def databases(facts):
    """Create databases and their users, and give each user its password."""
    import pymysql  # noqa: PLC0415 - only images of services with a database have it

    def connect():
        return pymysql.connect(
            host=facts.host("mariadb"), user="root", password=facts.secret("mariadb/root-password"), autocommit=True
        )

    with patiently(connect, pymysql.err.OperationalError) as connection, connection.cursor() as cursor:
        for name, database in sorted(facts.pod["databases"].items()):
            user, password = database["user"], facts.secret(database["password"])
            cursor.execute("CREATE USER IF NOT EXISTS %s@'%%' IDENTIFIED BY %s", (user, password))
            cursor.execute("ALTER USER %s@'%%' IDENTIFIED BY %s", (user, password))
            for schema in [name, *database["also"]]:
                cursor.execute(f"CREATE DATABASE IF NOT EXISTS `{schema}` CHARACTER SET utf8mb4")
                cursor.execute(f"GRANT ALL PRIVILEGES ON `{schema}`.* TO %s@'%%'", (user,))
            print(f"database {name} and user {user} are there", flush=True)


def messaging(facts):
    """Create a virtual host and a user of its own for each entry, through RabbitMQ's management API."""
    login = base64.b64encode(f"admin:{facts.secret('rabbitmq/admin-password')}".encode()).decode()
    headers = {"Authorization": f"Basic {login}", "Content-Type": "application/json"}

    def put(path, body):
        connection = http.client.HTTPConnection(facts.host("rabbitmq"), 15672, timeout=30)
        connection.request("PUT", "/api/" + path, json.dumps(body), headers)
        answer = connection.getresponse()
        if answer.status >= 500:
            raise ConnectionError(f"RabbitMQ answered {answer.status}")
        if answer.status >= 300:
            raise SystemExit(f"RabbitMQ refused {path}: {answer.status} {answer.reason}")

    for user, entry in sorted(facts.pod["messaging"].items()):
        vhosts = [quote(vhost, safe="") for vhost in entry["vhosts"]]
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        wanted = [(f"vhosts/{vhost}", {"default_queue_type": "quorum"}) for vhost in vhosts]
        wanted.append((f"users/{user}", {"password": facts.secret(entry["password"]), "tags": ""}))
        wanted += [(f"permissions/{vhost}/{user}", everything) for vhost in vhosts]
        for path, body in wanted:
            patiently(lambda path=path, body=body: put(path, body), OSError, http.client.HTTPException)
        print(f"messaging user {user} of virtual hosts {', '.join(entry['vhosts'])} is there", flush=True)


def project_scope(name):
    """What a token of a project in the default domain is asked for with."""
    return {"project": {"name": name, "domain": {"id": "default"}}}


class Keystone:
    """The few calls of the Identity API that registration needs, as the administrator."""

    def __init__(self, url, password):
        self.url = urlsplit(url)
        admin = project_scope("admin")
        self.token = patiently(lambda: self.authenticate("admin", password, admin), OSError, LookupError)

    def authenticate(self, user, password, scope, domain="default"):
        """Token of a user of a domain; PermissionError when Keystone does not accept the password."""
        who = {"name": user, "domain": {"id": domain}, "password": password}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": who}}, "scope": scope}}
        status, headers, answer = self.send("POST", "/v3/auth/tokens", body, None)
        if status == 401:
            raise PermissionError(f"Keystone does not accept the password of {user}")
        if status != 201:
            raise LookupError(f"Keystone answered {status}: {answer}")
        return headers["X-Subject-Token"]

    def send(self, method, path, body, token):
        """One request; gives status, headers and JSON."""
        connection = http.client.HTTPConnection(self.url.hostname, self.url.port, timeout=30)
        headers = {"Content-Type": "application/json"}
        if token:
            headers["X-Auth-Token"] = token
        connection.request(method, self.url.path.rstrip("/") + path, json.dumps(body) if body else None, headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, json.loads(answer.read() or b"{}")

    def ask(self, method, path, body=None):
        """One request as the administrator; a refusal ends the step with Keystone's words."""
        status, _, answer = self.send(method, "/v3/" + path, body, self.token)
        if status >= 300:
            raise SystemExit(f"Keystone refused {method} {path}: {status} {answer}")
        return answer

    def ensure(self, kind, match, extra=None):
        """Find a thing by its properties or create it; gives it."""
        plural = kind + "s"
        query = "&".join(f"{key}={quote(str(value))}" for key, value in match.items())
        found = self.ask("GET", f"{plural}?{query}")[plural]
        if found:
            return found[0]
        return self.ask("POST", plural, {kind: {**match, **(extra or {})}})[kind]


def identity(facts):
    """Register projects, roles, users, catalogue entries and endpoints in Keystone."""
    wanted = facts.pod["identity"]
    keystone = Keystone(facts.url("keystone"), facts.secret("keystone/admin-password"))
    for project in sorted({"service", *wanted["projects"]}):
        keystone.ensure("project", {"name": project, "domain_id": "default"})
    for role in wanted["roles"]:
        keystone.ensure("role", {"name": role})
    for role in wanted.get("admin_roles", []):
        admin = keystone.ensure("user", {"name": "admin", "domain_id": "default"})
        _grant(keystone, role, admin, "projects", keystone.ensure("project", {"name": "admin", "domain_id": "default"}))
    for name, user in sorted(wanted["users"].items()):
        _user(keystone, name, user, facts.secret(user["password"]))
    for name, domain in sorted(wanted.get("domains", {}).items()):
        _domain(keystone, name, domain, facts)
    for name, service in sorted(wanted["services"].items()):
        extra = {"description": service["description"]}
        found = keystone.ensure("service", {"type": service["type"], "name": name}, extra)
        _endpoints(keystone, found["id"], facts, name)
        print(f"catalogue entry {name} is there", flush=True)


def _user(keystone, name, user, password):
    found = keystone.ensure("user", {"name": name, "domain_id": "default"}, {"password": password})
    project = keystone.ensure("project", {"name": user["project"], "domain_id": "default"})
    for role in user["roles"]:
        _grant(keystone, role, found, "projects", project)
    _password(keystone, found, password, project_scope(user["project"]))
    print(f"user {name} is there", flush=True)


def _domain(keystone, name, domain, facts):
    here = keystone.ensure("domain", {"name": name})
    for user, about in sorted(domain["users"].items()):
        password = facts.secret(about["password"])
        found = keystone.ensure("user", {"name": user, "domain_id": here["id"]}, {"password": password})
        for role in about["roles"]:
            _grant(keystone, role, found, "domains", here)
        _password(keystone, found, password, {"domain": {"id": here["id"]}})
    print(f"domain {name} is there", flush=True)


def _grant(keystone, role, user, kind, where):
    role_id = keystone.ensure("role", {"name": role})["id"]
    keystone.ask("PUT", f"{kind}/{where['id']}/users/{user['id']}/roles/{role_id}")


def _password(keystone, user, password, scope):
    try:
        keystone.authenticate(user["name"], password, scope, user["domain_id"])
    except PermissionError:
        keystone.ask("PATCH", f"users/{user['id']}", {"user": {"password": password}})


def _endpoints(keystone, service_id, facts, name):
    for interface, side in (("internal", ""), ("public", "|public")):
        url = init.fill(f"${{url:{name}{side}}}", facts)
        match = {"service_id": service_id, "interface": interface, "region_id": facts.site("region")}
        _region(keystone, facts.site("region"))
        endpoint = keystone.ensure("endpoint", match, {"url": url})
        if endpoint["url"] != url:
            keystone.ask("PATCH", f"endpoints/{endpoint['id']}", {"endpoint": {"url": url}})


def _region(keystone, name):
    if all(region["id"] != name for region in keystone.ask("GET", "regions")["regions"]):
        keystone.ask("POST", "regions", {"region": {"id": name}})


def found(facts):
    """What the steps that ran found, by key of the record."""
    steps = [step for step in facts.pod["steps"].values() if init.is_chosen(facts, step)]
    names = [name for step in steps for name in step.get("outputs", [])]
    missing = [name for name in names if not (FOUND / name).exists()]
    if missing:
        raise SystemExit(f"no step wrote {', '.join(missing)} into {FOUND}")
    return {f"fact.{name}": (FOUND / name).read_text().strip() for name in names}


def record(facts):
    """Write this bootstrap's digest and what its steps found into the record.

    Keys accumulate, so that no rollback waits for ever.
    """
    name, digest = os.environ["BOOTSTRAP_RECORD"], os.environ["JOB_NAME"].rpartition("-")[2]
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    body = {"data": {digest: now, **found(facts)}}

    def patch():
        status, answer = init.api("PATCH", f"configmaps/{name}", body, "application/merge-patch+json")
        if status >= 300:
            raise ConnectionError(f"Kubernetes answered {status}: {answer.get('message')}")

    patiently(patch, OSError, http.client.HTTPException)
    print(f"bootstrap {digest} is done", flush=True)


def main(arguments):
    """``bootstrap.py databases|messaging|identity|record...``: these steps, in order."""
    facts = init.load()
    for name in arguments:
        init.begin(name)
        {"databases": databases, "messaging": messaging, "identity": identity, "record": record}[name](facts)


if __name__ == "__main__":
    main(sys.argv[1:])
