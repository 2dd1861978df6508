"""Which member of a Galera cluster starts it, joins it, stops, leaves, or takes the clients: every rule by itself."""

import galera_rules as rules
import pytest

UUID = "ef3d2fd2-e73e-11f1-a849-27dfa281742d"
OTHER = "00aa2fd2-e73e-11f1-a849-27dfa281742d"


def report(seqno=5, uuid=UUID, **more):
    return {"life": "a", "uuid": uuid, "seqno": seqno, "empty": False, "whole": True, **more}


def empty():
    return report(-1, rules.NIL, empty=True)


def peer(phase="running", **more):
    found = {
        "phase": phase,
        "do": "",
        "primary": False,
        "synced": False,
        "leaving": False,
        "address": "10.0.0.9",
        "sees": [],
        **more,
    }
    return {**found, "primary": found["primary"] or found["synced"]}


SYNCED = peer(synced=True)


def view(me=0, count=3, reports=None, peers=None, **more):
    reports = reports or {}
    mine = reports.get(me, report())
    about = {"me": me, "count": count, "name": "mariadb", "life": "a", "report": mine, "address": "10.0.0.1"}
    return rules.View(**{**about, "reports": reports, "peers": peers or {}, **more})


def test_only_member_starts_at_once():
    """
    One report of one: nobody else can hold newer data.
    """
    assert "report" == rules.next_step(view(count=1)).do
    assert "bootstrap" == rules.next_step(view(count=1, reports={0: report()})).do


@pytest.mark.parametrize(
    ("reports", "winner"),
    [
        ({0: empty(), 1: empty(), 2: empty()}, 0),
        ({0: empty(), 1: report(0), 2: empty()}, 1),
        ({0: report(7), 1: report(9), 2: report(8)}, 1),
        ({0: report(7), 1: report(9), 2: report(9)}, 1),
        ({0: report(-1), 1: empty(), 2: empty()}, 0),
        ({0: report(-1, rules.NIL, whole=False), 1: report(3), 2: report(4)}, 2),
    ],
)
def test_exactly_one_member_starts_the_cluster(reports, winner):
    """
    The one with the newest whole data; of equal ones the first.
    """
    steps = {me: rules.next_step(view(me, reports=reports)).do for me in range(3)}

    assert {me: "bootstrap" if me == winner else "wait" for me in range(3)} == steps


UNREADABLE = report(-1, rules.NIL, whole=False, readable=False)


@pytest.mark.parametrize(
    ("reports", "words"),
    [
        ({0: report(), 1: report()}, "reports of mariadb-2"),
        ({0: report(), 1: report(9, OTHER), 2: report()}, "different clusters"),
        ({0: report(), 1: report(-1, rules.NIL), 2: report()}, "different clusters"),
        ({0: empty(), 1: report(-1, rules.NIL, whole=False), 2: empty()}, "cut short"),
        ({0: report(), 1: UNREADABLE, 2: report()}, "mariadb-1 cannot read its data"),
        ({0: report(1), 1: report(1), 2: report(1), 3: report(2)}, "mariadb-3 holds newer data"),
    ],
)
def test_doubt_is_left_to_a_person(reports, words):
    """
    Missing, differing, broken, unreadable or newer data elsewhere: nobody starts, and the reason is said.
    """
    steps = [rules.next_step(view(me, reports=reports)) for me in reports if me < 3]

    assert {"wait"} == {step.do for step in steps}
    assert words in steps[0].why


TOLD = {"force": "mariadb-1/a", "reports": {1: report()}, "told_s": 6}


@pytest.mark.parametrize("force", ["mariadb-1", "mariadb-1/a"])
def test_forced_member_starts_alone(force):
    """
    The named one, in the named life, and no other.
    """
    assert "bootstrap" == rules.next_step(view(1, **{**TOLD, "force": force})).do
    assert "report" == rules.next_step(view(0, **{**TOLD, "force": force})).do
    assert "wait" == rules.next_step(view(1, **{**TOLD, "force": "mariadb-1/b"})).do


@pytest.mark.parametrize("about", [{"told_s": 4}, {"peers": {0: peer("starting")}}])
def test_forced_member_listens_first(about):
    """
    A member that makes the cluster already, or that may be heard of in a moment, comes before it.
    """
    assert "wait" == rules.next_step(view(1, **{**TOLD, **about})).do


def test_forced_member_without_a_report_reports():
    """
    What it holds is known before it counts.
    """
    assert "report" == rules.next_step(view(1, **{**TOLD, "reports": {}})).do


def test_forced_member_starts_although_another_cannot_read_its_data():
    """
    A person may give up what nobody can read.
    """
    about = {**TOLD, "reports": {0: UNREADABLE, 1: report(), 2: report()}}

    assert "bootstrap" == rules.next_step(view(1, **about)).do


def test_nobody_else_starts_when_one_is_forced():
    """
    Not even when all have reported; a word to a life that has ended holds nobody back.
    """
    reports = {0: report(9), 1: report(), 2: report()}

    assert ("wait", "waiting for mariadb-1, which was told to start the cluster") == rules.next_step(
        view(0, reports=reports, force="mariadb-1/a")
    )[:2]
    assert "bootstrap" == rules.next_step(view(0, reports=reports, force="mariadb-1/b")).do


def test_running_cluster_is_joined_even_when_forced():
    """
    A second cluster is never made beside one that works.
    """
    about = {"force": "mariadb-2", "reports": {2: report()}, "told_s": 6}
    step = rules.next_step(view(2, peers={0: SYNCED, 1: SYNCED}, **about))

    assert ("join", ("10.0.0.9", "10.0.0.9")) == (step.do, step.addresses)


@pytest.mark.parametrize(
    ("me", "peers", "do"),
    [
        (1, {0: SYNCED, 2: peer("waiting")}, "join"),
        (2, {0: SYNCED, 1: peer("waiting")}, "wait"),
        (2, {0: SYNCED, 1: peer("starting")}, "wait"),
        (1, {0: SYNCED, 2: peer("starting")}, "wait"),
        (1, {0: SYNCED}, "wait"),
        (2, {0: peer(primary=True), 1: SYNCED}, "wait"),
        (2, {0: peer(primary=True)}, "wait"),
    ],
)
def test_members_join_one_at_a_time(me, peers, do):
    """
    In their order, each when the others are synced; a donor is not disturbed.
    """
    assert do == rules.next_step(view(me, peers=peers)).do


def test_cluster_that_has_not_noticed_the_crash_is_not_joined():
    """
    It may lose its majority when it does.
    """
    unaware = {**SYNCED, "sees": ["10.0.0.1", "10.0.0.9"]}

    assert "wait" == rules.next_step(view(1, peers={0: unaware, 2: SYNCED})).do
    assert "join" == rules.next_step(view(1, peers={0: unaware, 2: SYNCED}, joinable_s=61)).do


def test_turn_comes_after_a_minute_or_behind_a_report():
    """
    A member that nobody hears of holds nobody back for ever.
    """
    assert "join" == rules.next_step(view(1, peers={0: SYNCED}, joinable_s=61)).do
    assert "join" == rules.next_step(view(1, peers={0: SYNCED}, reports={2: report()})).do


@pytest.mark.parametrize(
    ("about", "stops"),
    [
        ({"reports": {1: report(), 2: report()}, "lost_s": 14}, False),
        ({"reports": {1: report(), 2: report()}, "lost_s": 15}, True),
        ({"reports": {1: report()}, "lost_s": 119}, False),
        ({"reports": {1: report()}, "lost_s": 120}, True),
        ({"lost_s": 119}, False),
        ({"lost_s": 120}, True),
        ({"peers": {1: peer("waiting"), 2: peer("none")}, "lost_s": 120}, True),
        ({"reports": {1: report()}, "peers": {2: peer()}, "lost_s": 59}, False),
        ({"reports": {1: report()}, "peers": {2: peer()}, "lost_s": 60}, True),
        ({"reports": {1: report()}, "peers": {2: peer("starting")}, "lost_s": 900}, False),
        ({"peers": {1: SYNCED}, "lost_s": 59}, False),
        ({"peers": {1: SYNCED}, "lost_s": 60}, True),
    ],
)
def test_server_without_a_cluster_stops_only_when_that_helps(about, stops):
    """
    A member that nobody hears of may have the cluster: then it is left alone for longer. But it serves nobody, and what
    it holds is known only when it stops.
    """
    assert stops == bool(rules.must_stop(view(**about)))


JOINING = peer("starting", do="join")
WAITING = peer("waiting")


@pytest.mark.parametrize(
    ("peers", "words"),
    [
        ({1: WAITING, 2: WAITING}, "no member has a cluster"),
        ({1: WAITING, 2: JOINING}, "no member has a cluster"),
        ({1: WAITING, 2: peer("starting", do="bootstrap")}, ""),
        ({1: WAITING, 2: peer("starting")}, ""),
        ({1: WAITING, 2: peer("none")}, ""),
        ({1: WAITING, 2: peer("running")}, "no member has a cluster"),
        ({1: WAITING}, ""),
        ({1: WAITING, 2: peer(synced=True, sees=["10.0.0.1"])}, ""),
        ({1: WAITING, 2: peer(primary=True, sees=["10.0.0.2"])}, "others have a cluster"),
    ],
)
def test_server_that_joins_nothing_is_killed(peers, words):
    """
    A donor that sees it, one that may become a donor, and one of which nothing is known are reasons to go on.
    """
    why, patience_s = rules.astray(view(0, peers=peers))

    assert why.startswith(words)
    assert bool(words) == bool(why) == bool(patience_s)


def test_cluster_that_leaves_is_not_joined():
    """
    All members were told to end: the last of them lets nobody in any more.
    """
    step = rules.next_step(view(0, peers={1: peer(synced=True, leaving=True), 2: WAITING}))

    assert ("wait", "waiting for a member that is synced and stays, to join it") == step[:2]


@pytest.mark.parametrize(
    ("holder", "age_s", "status", "step"),
    [
        ("", 0, SYNCED, "take"),
        ("mariadb-1", 5, SYNCED, ""),
        ("mariadb-1", 7, SYNCED, "take"),
        ("mariadb-1", 7, peer(primary=True), ""),
        ("mariadb-0", 0, SYNCED, "renew"),
        ("mariadb-0", 0, peer(primary=True), "renew"),
        ("mariadb-0", 0, peer(), "release"),
        ("mariadb-0", 0, {**SYNCED, "leaving": True}, "release"),
        ("", 0, {**SYNCED, "leaving": True}, ""),
    ],
)
def test_clients_go_to_one_fit_member(holder, age_s, status, step):
    """
    Who is not in the cluster, or leaves, gives them up; a donor keeps them but takes none.
    """
    assert step == rules.lease_step(holder, "mariadb-0", age_s, status)


@pytest.mark.parametrize(
    ("holder", "age_s", "step"),
    [("", 0, ""), ("", 2.5, "take"), ("mariadb-2", 6.5, ""), ("mariadb-2", 8.5, "take"), ("mariadb-1", 9, "renew")],
)
def test_clients_go_to_the_lowest_number_first(holder, age_s, step):
    """
    A member of a higher number takes them only when no lower one does within a moment.
    """
    assert step == rules.lease_step(holder, "mariadb-1", age_s, SYNCED, outranked_s=0.0)


@pytest.mark.parametrize(("outranked_s", "step"), [(29, "renew"), (31, "release")])
def test_clients_go_back_to_a_lower_number_that_stays_fit(outranked_s, step):
    """
    So that the next update, which begins with the highest number, ends with the member that has them.
    """
    assert step == rules.lease_step("mariadb-1", "mariadb-1", 1, SYNCED, outranked_s)


def test_member_that_leaves_or_is_not_synced_is_no_first():
    """
    So nobody waits for it.
    """
    assert rules.is_first(1, {0: {**SYNCED, "leaving": True}, 2: SYNCED})
    assert rules.is_first(1, {0: {**SYNCED, "synced": False}})
    assert not rules.is_first(1, {0: SYNCED})


@pytest.mark.parametrize(
    ("me", "peers", "waited_s", "is_writer", "may"),
    [
        (0, {}, 0, True, True),
        (0, {1: SYNCED}, 1, False, False),
        (0, {1: SYNCED}, 3, False, True),
        (0, {1: SYNCED}, 3, True, False),
        (0, {1: {**SYNCED, "leaving": True}}, 3, True, False),
        (1, {0: {**SYNCED, "leaving": True}}, 3, True, True),
        (0, {1: {**SYNCED, "leaving": True}}, 31, True, True),
    ],
)
def test_members_leave_one_by_one_and_clients_first(me, peers, waited_s, is_writer, may):
    """
    The highest goes first, the last one holds the newest data; nobody waits for ever.
    """
    assert may == rules.may_leave(view(me, peers=peers), waited_s, is_writer=is_writer)


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ({0: SYNCED}, ""),
        ({0: SYNCED, 1: SYNCED}, ""),
        ({0: SYNCED, 1: None}, "mariadb-1 does not answer"),
        ({0: peer("waiting"), 1: SYNCED}, "mariadb-0 is not synced (waiting)"),
        ({0: {**SYNCED, "leaving": True}}, "mariadb-0 is not synced (leaving)"),
    ],
)
def test_members_go_for_good_only_when_those_that_stay_hold_everything(answers, why):
    """
    Or the rows that only those that go hold would go with them.
    """
    assert why == rules.lacking("mariadb", answers)


def test_member_waits_for_one_that_starts():
    """
    It may be about to make the cluster.
    """
    step = rules.next_step(view(reports={0: report(), 2: report()}, peers={1: peer("starting")}))

    assert ("wait", "waiting for mariadb-1, which starts") == (step.do, step.why)
