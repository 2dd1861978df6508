"""What a member of a Galera cluster should do next, from what it knows: no file, no clock, no request.

A *report* says where a stopped member's data end: ``{"life", "uuid", "seqno", "empty", "whole", "readable"}``. A member
has one only while its server is proven not to run, so all reports together prove that no cluster runs anywhere. Data
that are not whole were cut short by a state transfer, and are no loss, or cannot be read, and may be the newest.
A *peer* is what another member's agent says of it, or None:
``{"phase", "do", "primary", "synced", "leaving", "address", "sees"}``.
"""

from typing import NamedTuple

NIL = "00000000-0000-0000-0000-000000000000"
TURN_S = 60
"""How long a member waits for its turn behind one of which it knows nothing."""
LOST_S = 15
"""How long a server without a primary component is left alone when all others have stopped."""
STUCK_S = 60
"""How long it is left alone when others run without one as well, or when they have one that it does not find."""
SILENT_S = 2 * STUCK_S
"""How long it is left alone when nothing is known of another that may have one."""
FRESH_S = 5
"""How long what a peer said counts."""
LEASE_S = 6
HANDBACK_S = 30
"""How long a member of a lower number has been fit before it gets the clients: an update then takes them last."""
PREFERENCE_S = 2
"""How long a member leaves the Lease to one of a lower number."""
LEAVE_S = 30
"""How long a leaving member waits for others that leave."""


class View(NamedTuple):
    """What a member knows: its number, how many there are, reports and peers by number, and for how long."""

    me: int
    count: int
    name: str
    reports: dict
    peers: dict
    life: str = ""
    report: dict = {}  # noqa: RUF012 - never changed
    force: str = ""
    address: str = ""
    told_s: float = 0.0
    joinable_s: float = 0.0
    lost_s: float = 0.0

    def of(self, number):
        """Name of a member's pod."""
        return f"{self.name}-{number}"

    def others(self):
        """Numbers of all other members, and of each what its agent says."""
        return {number: self.peers.get(number) for number in range(self.count) if number != self.me}


class Step(NamedTuple):
    """What to do (``join``, ``bootstrap``, ``report``, ``wait``), why, and for ``join`` whom to call."""

    do: str
    why: str
    addresses: tuple = ()


def next_step(view):
    """Say what a member does whose server waits for a decision."""
    primary = {number: peer for number, peer in view.others().items() if peer and peer["primary"]}
    if primary:
        return _join(view, primary)
    if view.reports.get(view.me) != view.report:
        return Step("report", "no member has a running cluster")
    starting = [view.of(number) for number, peer in view.others().items() if peer and peer["phase"] == "starting"]
    if starting:
        return Step("wait", f"waiting for {', '.join(starting)}, which starts")
    named = forced(view)
    if named is not None:
        return _obey(view, named)
    missing = [view.of(number) for number in range(view.count) if number not in view.reports]
    if missing:
        return Step("wait", f"waiting for reports of {', '.join(missing)}: nobody starts a cluster before all have one")
    return elect(view)


def forced(view):
    """Number of the member that a person named, in the life that was meant; None when there is no such report."""
    for number, report in view.reports.items():
        if number < view.count and view.force in {view.of(number), f"{view.of(number)}/{report['life']}"}:
            return number
    return None


def _obey(view, named):
    if named != view.me:
        return Step("wait", f"waiting for {view.of(named)}, which was told to start the cluster")
    if view.told_s <= FRESH_S:
        return Step("wait", "told to start the cluster: listening whether another member has one")
    return Step("bootstrap", "told to start the cluster from its own data")


def _join(view, primary):
    if not any(peer["synced"] and not peer["leaving"] for peer in primary.values()):
        return Step("wait", "waiting for a member that is synced and stays, to join it")
    if view.joinable_s < TURN_S and any(view.address in peer["sees"] for peer in primary.values()):
        return Step("wait", "waiting for the cluster to notice that this server stopped: it may not outlive that")
    ahead = [view.of(number) for number, peer in view.others().items() if is_ahead(view, number, peer)]
    if ahead and view.joinable_s < TURN_S:
        return Step("wait", f"waiting for its turn to join, after {', '.join(ahead)}")
    return Step("join", "joins the running cluster", tuple(peer["address"] for peer in primary.values()))


def is_ahead(view, number, peer):
    """Tell whether another member must be synced before this one joins: one at a time, by their numbers."""
    if peer is None:
        return not (number in view.reports and number > view.me)
    return not (peer["synced"] or (peer["phase"] == "waiting" and number > view.me))


def elect(view):
    """Say whether this member starts the cluster, now that every member has a report.

    Reports of members beyond the count (the set was made smaller) speak, too: nobody starts from older data.
    """
    reports = view.reports
    lines = {report["uuid"] for report in reports.values() if report["whole"] and not report["empty"]}
    if len(lines) > 1:
        told = ", ".join(f"{view.of(n)} {r['uuid']}" for n, r in sorted(reports.items()) if not r["empty"])
        return Step("wait", f"members hold data of different clusters ({told}): {how_to_force(view)}")
    unread = ", ".join(view.of(number) for number in sorted(reports) if not reports[number].get("readable", True))
    if unread:
        return Step(
            "wait", f"{unread} cannot read its data, which may be the newest: see its log, or {how_to_force(view)}"
        )
    whole = {number: report for number, report in reports.items() if report["whole"]}
    best = max(whole, key=lambda n: (not whole[n]["empty"], whole[n]["seqno"], -n), default=None)
    broken = ", ".join(view.of(number) for number in sorted(set(reports) - set(whole)))
    if best is None or (broken and whole[best]["empty"]):
        return Step("wait", f"no member holds whole data (cut short: {broken}): restore a backup")
    if best >= view.count:
        return Step("wait", f"{view.of(best)} holds newer data but is not wanted any more: {how_to_force(view)}")
    where = f"{whole[best]['uuid']}:{whole[best]['seqno']}"
    if best != view.me:
        return Step("wait", f"waiting for {view.of(best)}, which holds the newest data ({where}), to start the cluster")
    return Step("bootstrap", f"starts the cluster: every member has reported, none is beyond {where}")


def how_to_force(view):
    """Say the way out that only a person can take."""
    command = f"kolla-k8s recover {view.name} --force-from POD"
    return f"name whose data count, and give up what only others hold: {command}"


def must_stop(view):
    """Tell whether a server without a primary component stops, so that it can report or join anew; gives why or ''."""
    others = view.others()
    if any(peer and peer["primary"] for peer in others.values()):
        return "others have a cluster that it does not find" if view.lost_s >= STUCK_S else ""
    running = [number for number in others if number not in view.reports]
    if not running:
        return "every other member has stopped" if view.lost_s >= LOST_S else ""
    phases = {number: others[number]["phase"] if others[number] else "silent" for number in running}
    if "starting" in phases.values():
        return ""
    is_known = all(phase == "running" for phase in phases.values())
    return "no member finds a cluster" if view.lost_s >= (STUCK_S if is_known else SILENT_S) else ""


def astray(view):
    """Say why a server that was told to join may never be let in, and how long that has to hold; ("", 0) if it may.

    Those that it was to join have stopped since. It takes no statement, so only killing it helps, and a state transfer
    takes as long as it takes.
    """
    others = list(view.others().values())
    primary = [peer for peer in others if peer and peer["primary"]]
    if primary:
        is_found = any(view.address in peer["sees"] for peer in primary)
        return ("", 0) if is_found else ("others have a cluster that it does not find", STUCK_S)
    phases = {peer["do"] if peer["phase"] == "starting" else peer["phase"] for peer in others if peer}
    if None in others or phases - {"waiting", "join", "running"}:
        return ("", 0)
    return ("no member has a cluster that it could join", STUCK_S if "running" in phases else LOST_S)


def is_first(me, peers):
    """Tell whether no member of a lower number is fit to take clients.

    An update replaces the highest number first: with clients at the lowest one, their server is the last to go.
    """
    return not any(number < me and peer["synced"] and not peer["leaving"] for number, peer in peers.items())


def lease_step(holder, me, age_s, status, outranked_s=None):
    """Say what to do about the writer's Lease: ``renew``, ``take``, ``release`` or nothing.

    Args:
        holder: Who holds it; empty when nobody does.
        me: This member.
        age_s: Since when it has not changed, by the own clock.
        status: Own status. A donor of a state transfer keeps the Lease: its server goes on working.
        outranked_s: For how long another member should have it first; None when none should. Who is outranked
            takes it when nobody else does within a moment, and hands it over after a while.
    """
    is_fit = status["primary"] and not status["leaving"]
    if holder == me:
        return "renew" if is_fit and (outranked_s or 0) < HANDBACK_S else "release"
    vacant_s = age_s - (LEASE_S if holder else 0)
    is_free = vacant_s > PREFERENCE_S or (outranked_s is None and (not holder or vacant_s > 0))
    return "take" if is_fit and status["synced"] and is_free else ""


def may_leave(view, waited_s, *, is_writer):
    """Tell whether a leaving member's server may end: its clients are with another, and no other leaves before it."""
    others = [(number, peer) for number, peer in view.others().items() if peer]
    if waited_s >= LEAVE_S or not others:
        return True
    if waited_s < 2 or any(peer["leaving"] and number > view.me for number, peer in others):
        return False
    has_heir = any(peer["synced"] and not peer["leaving"] for _, peer in others)
    return not (is_writer and has_heir)


def lacking(name, answers):
    """Say which of the members that stay may lack rows, so that no other may go for good; empty when none does."""
    for number, peer in answers.items():
        if peer is None:
            return f"{name}-{number} does not answer"
        if peer["leaving"] or not peer["synced"]:
            return f"{name}-{number} is not synced ({'leaving' if peer['leaving'] else peer['phase']})"
    return ""
