"""Make a pod ready to start: wait for what it needs, then write its configuration into memory.

Shipped by every chart and run by the image's own python3 (>= 3.9), so: the standard library alone. It says on one line
what it waits for and why, and never exits non-zero while it waits. Secrets are read from mounted files and written to
mounted memory: they stand in no argument, no environment variable and no log line.
"""

import http.client
import json
import os
import re
import runpy
import shutil
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

import formats

ROOT = Path(os.environ.get("KOLLA_K8S_ROOT", "/"))
POD_FILE = ROOT / "kolla-k8s/pod.json"
SECRETS = ROOT / "run/kolla-k8s/secrets"
RENDERED = ROOT / "run/kolla-k8s/rendered"
NODES = ROOT / "run/kolla-k8s/nodes/nodes.json"
SAID_LAST = ROOT / "dev/termination-log"
TOKEN = ROOT / "run/kolla-k8s/token"
WAIT = os.waitpid  # before a program that is loaded puts another in its place, as eventlet does
PLACEHOLDER = re.compile(r"\$\{([a-z]+):([^}|]+)((?:\|[a-z]+(?:=[^}|]*)?)*)\}")


class Facts:
    """What placeholders can ask: the pod's own file, mounted secrets, the node and the pod."""

    def __init__(self, pod):
        self.pod = pod

    def secret(self, name):
        """Text of a secret's key: ``key`` of this service or ``service/key`` of another."""
        owner, _, key = name.rpartition("/")
        return (SECRETS / (owner or self.pod["service"]) / key).read_text()

    def host(self, name):
        """DNS name of a service of the cloud, whole but for the cluster's domain."""
        return self._dns(self.pod["hosts"][name]["service"], name)

    def port(self, name):
        """First port of a service of the cloud."""
        return str(self.pod["hosts"][name]["port"])

    def members(self, name):
        """``host:port`` of each member of a clustered service, separated by commas."""
        return ",".join(f"{host}:{self.port(name)}" for host in self._member_hosts(name))

    def hosts(self, name):
        """DNS name of each member of a clustered service, separated by commas."""
        return ",".join(self._member_hosts(name))

    def addresses(self, name):
        """Address that stays of each member of a clustered service, separated by commas."""
        service = self.pod["hosts"][name]["service"]
        names = [self._dns(f"{service}-{number}", name) for number in range(self._members(name))]
        return ",".join(map(_resolved, names))

    def transport(self, name):
        """URL of a messaging user at every member of RabbitMQ; ``|template`` is the same in words of Nova's cells."""
        login = self.pod["transports"][name]
        password = self.secret(login["password"])
        if "/" in password:  # oslo.messaging leaves it as it is in the address it gives to kombu
            raise SystemExit(f"the secret {login['password']} holds a /, which oslo.messaging cannot say")
        user = f"{login['user']}:{quote(password, safe='')}"
        places = ",".join(f"{user}@{place}" for place in self.members("rabbitmq").split(","))
        return f"rabbit://{places}/{login['vhost']}"

    def transport_template(self, name):
        """A transport URL as Nova's database keeps it: without passwords, filled in from each reader's own."""
        count = self._members("rabbitmq")
        marks = range(1, count + 1) if count > 1 else [""]
        places = (f"{{username{n}}}:{{password{n}}}@{{hostname{n}}}:{{port{n}}}" for n in marks)
        return "{scheme}://" + ",".join(places) + "/" + self.pod["transports"][name]["vhost"]

    def count(self, name):
        """How many members a clustered service has."""
        return str(self._members(name))

    def url(self, name):
        """Internal address of a catalogue entry; ``|public`` is the public one."""
        return self._url(name, "internal")

    def pod_fact(self, name):
        """Name, namespace or address of this pod."""
        return os.environ["POD_" + name.upper()]

    def node(self, name):
        """Name or address of this node."""
        return os.environ["NODE_" + name.upper()]

    def site(self, name):
        """A value of the site that every service shares, such as the region."""
        return str(self.pod["site"][name])

    def option(self, name):
        """What the site chose for an option of this service, for this node; it may name facts of the node."""
        return fill(formats.plain(self.pod["options"][name]), self)

    def fact(self, name):
        """What a step of this service's bootstrap found; empty where options left the step out."""
        return self.pod["facts"].get(f"fact.{name}", "")

    def each(self, _name):
        """The key of the option for which this workload exists."""
        return self.pod["each"]

    def limit(self, name):
        """Limit of the main container: ``memory`` in MiB, ``cpu`` in whole cores (at least one)."""
        return os.environ["LIMIT_" + name.upper()]

    def iface(self, name):
        """Address of a network interface of the pod's network namespace; waits until it is there and has one."""
        said = ""
        while True:
            told = subprocess.run(["ip", "-j", "address", "show", "dev", name], capture_output=True, check=False)
            addresses = json.loads(told.stdout)[0]["addr_info"] if told.returncode == 0 else []
            for address in addresses:
                if address["scope"] == "global":
                    return address["local"]
            why = told.stderr.decode(errors="replace").strip() or "it has none"
            said = _say(said, f"waiting for an address of the interface {name} ({why})")
            time.sleep(0.5)

    def _dns(self, service, of):
        space = self.pod["site"]["namespaces"][self.pod["hosts"][of]["plane"]]
        return f"{service}.{space}.svc"

    def _members(self, name):
        return int(self.pod["members"].get(name, 1))

    def _member_hosts(self, name):
        host = self.pod["hosts"][name]
        peers = self._dns(host["peers"], name)
        return [f"{host['pods']}-{number}.{peers}" for number in range(self._members(name))]

    def _url(self, name, side):
        url = self.pod["urls"][name]
        return url.get(side) or f"http://{self._dns(url['service'], url['of'])}:{url['port']}{url['path']}"


def fill(text, facts, escape=str):
    """Replace every placeholder of a text; ``escape`` fits what comes in to the format around it.

    Anything that does not look like ``${word:argument|filter}`` passes through, so oslo's own ``$name`` survives.
    """

    def one(match):
        kind, argument, filters = match.groups()
        names = filters.strip("|").split("|") if filters else []
        method = {"pod": "pod_fact"}.get(kind, kind)
        if "public" in names:
            value = facts._url(argument, "public")
        elif "template" in names:
            value = facts.transport_template(argument)
        else:
            value = getattr(facts, method)(argument)
        return escape(_filtered(value, [name for name in names if name not in ("public", "template")]))

    return PLACEHOLDER.sub(one, text)


def _filtered(value, names):
    for name in names:
        word, _, argument = name.partition("=")
        if word == "url":
            value = quote(value, safe="")
        elif word == "sql":
            value = value.replace("\\", "\\\\").replace("'", "''")
        elif word == "percent":
            value = str(int(float(value) * float(argument) / 100))
        elif word == "default":
            value = value or argument
        elif word == "first":
            value = value[: int(argument)]
        elif word == "ip":
            value = _resolved(value)
        elif word == "whole":
            value = ",".join(_whole(host) for host in value.split(","))
        elif word == "wrap":
            value = ",".join(argument.replace("*", item) for item in value.split(","))
        else:
            raise SystemExit(f"placeholder filter {word!r} is not known")
    return value


def _whole(host):
    """Name of a Service with the cluster's domain, for programs that ask DNS themselves and know no search list."""
    search = re.search(r"^search\b.*\bsvc\.(\S+)", (ROOT / "etc/resolv.conf").read_text(), re.MULTILINE)
    return f"{host}.{search[1]}" if search and host.endswith(".svc") else host


def _resolved(host):
    """Address of a host, for programs that do not ask DNS as Kubernetes wants it; waits until there is one."""
    said = ""
    while True:
        try:
            return socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][4][0]
        except OSError as error:
            said = _say(said, f"waiting for the address of {host} ({error.strerror or error})")
            time.sleep(1)


def write(name, file, facts, folder):
    """Write a rendered file with its mode; a reader never sees half of it."""
    path = folder / name
    partial = folder / f".{name}.partial"
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        out.write(formats.render(file, lambda text, escape=str: fill(text, facts, escape)))
    partial.chmod(int(file["mode"], 8))
    partial.replace(path)


def wait_for_port(name, host, port):
    """Return when something accepts connections there."""
    said = ""
    while True:
        try:
            socket.create_connection((host, port), timeout=3).close()
        except OSError as error:
            said = _say(said, f"waiting for {name} at {host}:{port} ({error.strerror or error})")
            time.sleep(0.5)
        else:
            return


def wait_for_bootstrap(record, digest):
    """Give the record when this very bootstrap is written in it; an older one is not enough."""
    said = ""
    while digest not in (data := bootstrap_record(record)):
        others = sum(not key.startswith("fact.") for key in data)
        said = _say(said, f"waiting for bootstrap {digest} in ConfigMap {record}, which has {others} others")
        time.sleep(1)
    return data


def bootstrap_record(record):
    """Data of the record; waits until the API gives it."""
    said = ""
    while True:
        try:
            status, body = api("GET", f"configmaps/{record}")
            if status == 200:
                return body.get("data") or {}
            why = body.get("message", f"status {status}")
        except (OSError, http.client.HTTPException) as error:
            why = str(error)
        said = _say(said, f"waiting for ConfigMap {record}: {why}")
        time.sleep(1)


def api(method, path, body=None, content_type="application/json"):
    """Ask the Kubernetes API in this namespace with the pod's short-lived token; gives status and JSON."""
    host = os.environ["KUBERNETES_SERVICE_HOST"]
    port = int(os.environ["KUBERNETES_SERVICE_PORT"])
    context = ssl.create_default_context(cafile=str(TOKEN / "ca.crt"))
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # many clusters' own authorities lack a key usage extension
    connection = http.client.HTTPSConnection(host, port, timeout=10, context=context)
    space = (TOKEN / "namespace").read_text()
    headers = {"Authorization": "Bearer " + (TOKEN / "token").read_text(), "Content-Type": content_type}
    connection.request(method, f"/api/v1/namespaces/{space}/{path}", json.dumps(body) if body else None, headers)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read() or b"{}")


def node_part():
    """What this node has of its own: options and contents of files, in order, and its digest; most have nothing."""
    told = json.loads(NODES.read_text()) if NODES.exists() else {"nodes": {}}
    own = told["nodes"].get(os.environ.get("NODE_NAME"), {"parts": [], "digest": ""})
    return [told["parts"][number] for number in own["parts"]], own["digest"]


def overlaid(content, over):
    """Lay content over content as Helm does: maps merge, all else is replaced, null deletes."""
    if not isinstance(over, dict):
        return over
    result = dict(content) if isinstance(content, dict) else {}
    for key, value in over.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = overlaid(result.get(key), value)
    return result


def _say(said, now):
    if now != said:
        print(now, flush=True)
    return now


def prepare(facts):
    """Wait for needs and bootstrap, then write the files."""
    for name in facts.pod.get("wait", []):
        wait_for_port(name, facts.host(name), int(facts.port(name)))
    if bootstrap := os.environ.get("BOOTSTRAP_DIGEST"):
        facts.pod["facts"] = wait_for_bootstrap(os.environ["BOOTSTRAP_RECORD"], bootstrap)
    parts, digest = node_part()
    for part in parts:
        facts.pod["options"] = {**facts.pod.get("options", {}), **part.get("options", {})}
    for name, file in sorted(facts.pod.get("files", {}).items()):
        for part in parts:
            if (over := part.get("config", {}).get(name)) is not None:
                file["content"] = overlaid(file["content"], over)
        write(name, file, facts, RENDERED)
    if facts.pod.get("is_bootstrap") and not bootstrap_record(os.environ["BOOTSTRAP_RECORD"]):
        (RENDERED / ".fresh").touch()
    print(f"{len(facts.pod.get('files', {}))} files written", flush=True)
    if digest:
        print(f"with what this node has of its own ({digest})", flush=True)
        SAID_LAST.write_text(digest)  # stands in the pod's status: how else could a pod say what it runs


def is_chosen(facts, command):
    """Whether the site's options are those under which a step runs: as the site wrote them, as templates ask too."""
    when = command.get("when", {})
    return all(formats.plain(facts.pod["options"][name]) == formats.plain(wanted) for name, wanted in when.items())


def begin(name):
    """Say which step begins; Kubernetes shows it of a container that does not come to its end."""
    print(f"{name}: begins", flush=True)
    SAID_LAST.write_text(name)


def steps(facts, names):
    """Run named commands in order, each in a process of its own; the first that fails ends the container.

    A script of this Python is loaded once, here, and runs in forks of this process: loading it takes longer than most
    steps, and nobody reads which arguments a fork is given.
    """
    for name in names:
        command = facts.pod["steps"][name]
        if command.get("only_when_fresh") and not (RENDERED / ".fresh").exists():
            print(f"{name}: not a fresh database, left to the upgrade", flush=True)
        elif not is_chosen(facts, command):
            print(f"{name}: not chosen by the site's options", flush=True)
        else:
            begin(name)
            ended = _run([fill(word, facts) for word in command["run"]], must_hide=command.get("in_process"))
            if ended:
                raise SystemExit(ended if ended > 0 else 128 - ended)


def _run(argv, *, must_hide):
    """Exit code of a command, negative for a signal; only a script of this Python hides what it is told."""
    program = shutil.which(argv[0]) or argv[0]
    text = Path(program).read_bytes()
    interpreter = Path(text.partition(b"\n")[0].decode(errors="replace").lstrip("#! "))
    is_ours = text.startswith(b"#!") and interpreter.parent == Path(sys.executable).parent
    if must_hide and not is_ours:
        raise SystemExit(f"{program} is no script of {sys.executable}, and would show its arguments")
    if is_ours and re.search(rb"^if __name__ == ['\"]__main__['\"]:", text, re.MULTILINE):
        sys.argv = argv
        runpy.run_path(program, run_name="loaded")  # what it imports: its work waits for the name __main__
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if not child and is_ours:
        sys.argv = argv
        runpy.run_path(program, run_name="__main__")
        raise SystemExit(0)
    if not child:
        os.execv(program, argv)
    return os.waitstatus_to_exitcode(WAIT(child, 0)[1])


def load():
    """Read the pod's file."""
    return Facts(json.loads(POD_FILE.read_text()))


def main(arguments):
    """``init.py prepare`` or ``init.py steps NAME...``."""
    if arguments[0] == "prepare":
        prepare(load())
    else:
        steps(load(), arguments[1:])


if __name__ == "__main__":
    os.umask(0o077)
    main(sys.argv[1:])
