"""The agent beside a Galera server: decides how it starts, and which member's server the clients reach.

INVARIANT: a member's report stands in the ConfigMap only while its server is proven not to run. The agent takes it
out, by a write that fails when anybody wrote in between, before it lets the server start. So whoever holds all
reports knows that no cluster runs, and of two that want to start one, the second finds the first one's report gone.
"""

import json
import os
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from galera import DECISION, LEAVING, LEFT, SHARED, STATE, STOP, USERS, WHY, get, put, say
from galera_api import (
    DOWN,
    PORT,
    Client,
    Kube,
    RefusedError,
    ask_peer,
    clock,
    family,
    host_of,
    now,
    send_clients_off,
    server_state,
    sql,
    stop_server,
)
from galera_rules import (
    FRESH_S,
    LEASE_S,
    LEAVE_S,
    View,
    astray,
    forced,
    how_to_force,
    is_first,
    lease_step,
    may_leave,
    must_stop,
    next_step,
)

TICK_S = {"waiting": 0.3, "starting": 0.3, "running": 1, "none": 0.3}
RENEW_S = 2
HINT_S = 180
"""How long reports are waited for before the way out is named: a server that finds no cluster stops before that."""
MISSES = 2
"""How many answers in a row its server owes until the clients go to another."""
SETTLED_S = 1
"""How long after another has the Lease new connections go there."""
SEND_OFF_S = 10
"""How long after that clients are sent there which are still here."""
FORCE = "force-from"
STARTED = "kolla-k8s.io/started"
NOTHING = {**DOWN, "phase": "none", "do": "", "leaving": False, "address": ""}
"""What is assumed of a word that an agent of another version does not say."""
APPLIED = SHARED / "users-of"


class Peers:
    """What the other members' agents said last, each asked by a thread of its own."""

    def __init__(self, host_of):
        self.host_of = host_of
        self.said = {}
        self.threads = {}

    def watch(self, numbers):
        """Ask these members from now on."""
        for number in numbers:
            if number not in self.threads:
                self.threads[number] = threading.Thread(target=self._ask, args=(number,), daemon=True)
                self.threads[number].start()

    def _ask(self, number):
        pause = threading.Event()
        while True:
            answer = ask_peer(self.host_of(number))
            if answer is not None:
                self.said[number] = (clock(), {**NOTHING, **answer})
            pause.wait(1)

    def fresh(self):
        """What each said, if it was lately."""
        return {number: said for number, (when, said) in list(self.said.items()) if clock() - when < FRESH_S}


class Timer:
    """For how long something has held without a break."""

    def __init__(self):
        self.since = None

    def held_s(self, *, holds):
        """Seconds for which it has held; 0 when it does not."""
        self.since = (self.since if self.since is not None else clock()) if holds else None
        return clock() - self.since if holds else 0.0


class Agent:
    """One member's agent: looks at everything, then takes one step."""

    def __init__(self, kube, peers, name):
        self.kube, self.peers, self.name, self.client = kube, peers, name, Client()
        self.pod = os.environ["POD_NAME"]
        self.me = int(self.pod.rpartition("-")[2])
        self.count, self.counted = 1, None
        self.status = dict(NOTHING)
        self.ticked = clock()
        self.said = ""
        self.joinable, self.lost, self.waited, self.left = Timer(), Timer(), Timer(), Timer()
        self.outranked, self.astray, self.told = Timer(), Timer(), Timer()
        self.lease_seen, self.renewed, self.is_writer = ("", clock()), 0.0, False
        self.misses, self.has_clients, self.followed = 0, False, Timer()

    def tick(self):
        """Look, and take one step; a refused request is said and tried again."""
        self.look()
        try:
            self.step()
        except RefusedError as error:
            if error.status != 409:
                self.tell(str(error))
        self.ticked = clock()

    def count_members(self):
        """Learn how many members there are: as many as are wanted, or as still are there."""
        found = self.kube.get("apps/v1", f"statefulsets/{self.name}")
        self.count = max(int(found["spec"]["replicas"]), int(found["status"].get("replicas", 0)))
        self.counted = clock()
        self.peers.watch(number for number in range(self.count) if number != self.me)

    def look(self):
        """Bring the own status up to date."""
        state, decision = get(STATE), get(DECISION)
        is_decided = bool(state) and decision.get("life") == state["life"]
        server = server_state(self.client) if is_decided else DOWN
        self.misses = 0 if server else self.misses + 1
        server = server or self.presumed(state["life"])
        phase = "running" if server["is_up"] else "starting"
        if not is_decided and "report" in state:
            phase = "waiting"
        about = {
            "phase": phase,
            "do": decision.get("do", "") if is_decided else "",
            **{key: server[key] for key in ("primary", "synced", "sees")},
        }
        self.status = {**self.status, **about, "address": os.environ["POD_IP"], "writer": self.is_writer}

    def presumed(self, life):
        """What is assumed of a server that gives no answer: what it said last in this life, but nobody joins it."""
        was_up = self.status["phase"] == "running" or get(APPLIED).get("life") == life
        about = {key: self.status[key] for key in ("primary", "sees")}
        return {**about, "is_up": was_up, "synced": self.status["synced"] and self.misses < MISSES}

    def step(self):
        """Take the step that the server's state asks for."""
        if self.status["leaving"]:
            self.leave()
            return
        self.left.held_s(holds=False)
        if self.status["phase"] == "waiting" or self.counted is None or clock() - self.counted > FRESH_S:
            self.count_members()
        if self.status["phase"] == "waiting":
            self.decide()
            return
        for timer in (self.waited, self.joinable, self.told):
            timer.held_s(holds=False)
        if self.status["phase"] == "running":
            self.watch_over()
        self.watch_join()
        if self.status["phase"] == "running" or self.is_writer or not self.lease_seen[0]:
            self.contend()

    def view(self, members):
        """Everything the rules ask for."""
        data = members.get("data") or {}
        prefix = f"{self.name}-"
        numbers = {key: key[len(prefix) :] for key in data if key.startswith(prefix)}
        state = get(STATE)
        return View(
            me=self.me,
            count=self.count,
            name=self.name,
            reports={int(number): json.loads(data[key]) for key, number in numbers.items() if number.isdigit()},
            peers=self.peers.fresh(),
            life=state.get("life", ""),
            report=state.get("report", {}),
            force=data.get(FORCE, ""),
            address=os.environ["POD_IP"],
        )

    def decide(self):
        """Decide for a server that waits, or report it and say what is missing."""
        members = self.kube.get("v1", f"configmaps/{self.name}-members")
        view = self.view(members)
        is_joinable = any(peer["synced"] for peer in view.peers.values())
        told_s = self.told.held_s(holds=forced(view) == self.me)
        step = next_step(view._replace(told_s=told_s, joinable_s=self.joinable.held_s(holds=is_joinable)))
        if step.do in {"join", "bootstrap"}:
            self.take_back(members, view.life)
            put(DECISION, {"life": view.life, "do": step.do, "addresses": step.addresses})
        elif step.do == "report":
            members.setdefault("data", {})[self.pod] = json.dumps(view.report)
            self.kube.put("v1", f"configmaps/{self.name}-members", members)
        waited_s = self.waited.held_s(holds=step.do in {"wait", "report"})
        hint = (
            f"; if they are lost for good, {how_to_force(view)}"
            if waited_s > HINT_S and "reports of" in step.why
            else ""
        )
        self.tell(step.why + hint)

    def take_back(self, members, life):
        """Take the own report out before the server runs, and what a person said while there was no cluster.

        Something is written in any case: a report that is still on its way finds a newer version then.
        """
        kept = {key: value for key, value in (members.get("data") or {}).items() if key not in {self.pod, FORCE}}
        about = members["metadata"]
        about["annotations"] = {**(about.get("annotations") or {}), STARTED: f"{self.pod}/{life}"}
        self.kube.put("v1", f"configmaps/{self.name}-members", {**members, "data": kept})

    def watch_over(self):
        """Set users once a start; stop a server that can find no cluster any more."""
        life = get(STATE)["life"]
        if self.status["synced"] and get(APPLIED).get("life") != life:
            _, complaint = sql(USERS.read_text(), timeout_s=60)
            self.tell(f"users and passwords are not set: {complaint}" if complaint else "users and passwords are set")
            if not complaint:
                put(APPLIED, {"life": life})
        lost_s = self.lost.held_s(holds=not self.status["primary"] and not self.misses)
        if lost_s > 5:
            view = self.view(self.kube.get("v1", f"configmaps/{self.name}-members"))
            why = must_stop(view._replace(lost_s=lost_s))
            self.tell(f"no primary component: {why or 'waiting for the others'}")
            if why:
                stop_server()

    def watch_join(self):
        """Let a server be killed that will never be let in, so that it can report or join anew."""
        is_joining = self.status["phase"] == "starting" and self.status["do"] == "join"
        why, patience_s = astray(self.view({})) if is_joining else ("", 0)
        if self.astray.held_s(holds=bool(why)) > patience_s:
            self.tell(f"the server is killed: {why}")
            put(STOP, {"life": get(STATE)["life"]})

    def contend(self):
        """Renew, take or give up the writer's Lease; point the Service at this pod while it is held."""
        status = {**self.status, "primary": self.status["primary"] and self.misses < MISSES}
        is_fit = status["primary"] and not status["leaving"]
        if self.is_writer and is_fit and clock() - self.renewed < RENEW_S:
            return
        lease = self.kube.get("coordination.k8s.io/v1", f"leases/{self.name}-writer")
        spec = lease.setdefault("spec", {})
        holder = spec.get("holderIdentity") or ""
        if lease["metadata"]["resourceVersion"] != self.lease_seen[0]:
            self.lease_seen = (lease["metadata"]["resourceVersion"], clock())
        is_outranked = not is_first(self.me, self.peers.fresh())
        held_s = self.outranked.held_s(holds=is_outranked)
        age_s = clock() - self.lease_seen[1]
        step = lease_step(holder, self.pod, age_s, status, held_s if is_outranked else None)
        if step:
            turns = spec.get("leaseTransitions", 0) + (holder != self.pod)
            spec.update(holderIdentity="" if step == "release" else self.pod, renewTime=now())
            spec.update(leaseDurationSeconds=LEASE_S, leaseTransitions=turns)
            self.kube.put("coordination.k8s.io/v1", f"leases/{self.name}-writer", lease)
            self.renewed = clock()
        if self.is_writer != (step in {"renew", "take"}):
            self.is_writer, self.has_clients = not self.is_writer, self.is_writer
            self.tell("clients come here" if self.is_writer else "clients go to another member")
        if self.is_writer:
            self.point_here()
        elif self.has_clients:
            self.send_off(holder)

    def send_off(self, holder):
        """Send clients to the new writer whose connections stayed here, once new ones go there."""
        followed_s = self.followed.held_s(holds=holder not in {"", self.pod})
        self.has_clients = followed_s <= SEND_OFF_S
        if self.has_clients and followed_s >= SETTLED_S:
            send_clients_off()

    def point_here(self):
        """Let the Service's one EndpointSlice name this pod."""
        path = f"endpointslices/{self.name}-writer"
        service = self.kube.get("v1", f"services/{self.name}")
        wanted = slice_of(service, self.pod, os.environ["POD_IP"], os.environ["NODE_NAME"])
        try:
            found = self.kube.get("discovery.k8s.io/v1", path)
        except RefusedError as error:
            if error.status != 404:
                raise
            self.kube.post("discovery.k8s.io/v1", "endpointslices", wanted)
            return
        if any(found.get(key) != wanted[key] for key in ("endpoints", "ports")):
            about = {**wanted["metadata"], "resourceVersion": found["metadata"]["resourceVersion"]}
            self.kube.put("discovery.k8s.io/v1", path, {**wanted, "metadata": about})

    def leave(self):
        """Give up the Lease, and let the server go when it is its turn; at last without the API."""
        waited_s = self.left.held_s(holds=True)
        if self.status["phase"] != "running" or waited_s >= LEAVE_S:
            LEFT.touch()
        self.contend()
        lease = self.kube.get("coordination.k8s.io/v1", f"leases/{self.name}-writer")
        is_heirless = (lease.get("spec") or {}).get("holderIdentity", "") in {"", self.pod}
        if may_leave(self.view({}), waited_s, is_writer=is_heirless):
            LEFT.touch()

    def tell(self, line):
        """Say a line once, here and in the server's log."""
        if line != self.said:
            say(line)
            self.said = line
        if self.status["phase"] == "waiting":
            WHY.write_text(line)


def slice_of(service, pod, address, node):
    """EndpointSlice that sends the clients of a Service to one pod; it goes when the Service goes."""
    about = service["metadata"]
    owner = {"apiVersion": "v1", "kind": "Service", "name": about["name"], "uid": about["uid"]}
    labels = {
        "kubernetes.io/service-name": about["name"],
        "endpointslice.kubernetes.io/managed-by": "kolla-k8s.io",
        "app.kubernetes.io/name": about["name"],
    }
    target = {"kind": "Pod", "namespace": about["namespace"], "name": pod}
    ready = {"ready": True, "serving": True, "terminating": False}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"{about['name']}-writer", "labels": labels, "ownerReferences": [owner]},
        "addressType": "IPv6" if ":" in address else "IPv4",
        "endpoints": [{"addresses": [address], "conditions": ready, "targetRef": target, "nodeName": node}],
        "ports": [{"name": p["name"], "port": p["port"], "protocol": p["protocol"]} for p in service["spec"]["ports"]],
    }


def serve(agent):
    """Tell the peers and kubelet how this member is, in a thread."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            is_alive = clock() - agent.ticked < 60
            self.send_response(200 if is_alive else 503)
            self.end_headers()
            self.wfile.write(json.dumps(agent.status).encode())

        def log_message(self, *_):
            """Nothing for each question."""

    class Server(ThreadingHTTPServer):
        address_family = family(os.environ["POD_IP"])
        daemon_threads = True

    threading.Thread(target=Server((os.environ["POD_IP"], PORT), Handler).serve_forever, daemon=True).start()


def main():
    """Work until the pod ends; a TERM lets the own server leave first."""
    name = os.environ["POD_NAME"].rpartition("-")[0]
    agent = Agent(Kube(), Peers(host_of), name)
    is_ended, ended, pause = threading.Event(), Timer(), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: is_ended.set())
    serve(agent)
    while True:
        agent.status["leaving"] = LEAVING.exists()
        agent.tick()
        ended_s = ended.held_s(holds=is_ended.is_set())
        is_over = LEFT.exists() and agent.status["phase"] != "running"
        if is_ended.is_set() and (is_over or (ended_s > 3 and not LEAVING.exists()) or ended_s > 110):
            return
        pause.wait(TICK_S[agent.status["phase"]])
