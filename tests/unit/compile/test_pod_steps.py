"""Steps of a bootstrap as its pod runs them, and what is recorded of them."""

from __future__ import annotations

import sys

import pytest

from tests.unit.compile.pod import (
    run,
    told,
)

pytestmark = pytest.mark.usefixtures("root")


def steps_of(*names, steps):
    return run("init.py", "steps", *names, pod={"steps": steps})


@pytest.fixture
def script(root):
    """Write a script of this Python, which says what it is told and ends as it is told."""

    def write(*lines, guard="if __name__ == '__main__':"):
        path = root / "script"
        work = ["print(sys.argv[1], open('/proc/self/cmdline').read().count('pa'))", "sys.exit(int(sys.argv[2]))"]
        body = [*(f"    {line}" for line in work)] if guard else work
        path.write_text("\n".join([f"#!{sys.executable}", "import os, signal, sys", *lines, guard, *body, ""]))
        return str(path)

    return write


def test_step_becomes_its_command():
    """
    With placeholders filled in.
    """
    steps = {"show": {"run": ["echo", "${count:mariadb} on ${host:mariadb}"]}}

    assert "show: begins\n2 on mariadb.openstack.svc\n" == steps_of("show", steps=steps).stdout


def test_script_runs_in_forks_of_one_process_that_has_loaded_it(script, root):
    """
    What it imports is loaded once for all steps, and a secret stands in no process's arguments.
    """
    (root / "heavy.py").write_text("print('once')\n")
    made = script(f"sys.path.append({str(root)!r})", "import heavy")
    step = {"run": [made, "${secret:password}", "0"]}
    done = steps_of("one", "two", steps={"one": {**step, "in_process": True}, "two": step})

    assert ["one: begins", "once", "pa'ss 0", "two: begins", "pa'ss 0"] == done.stdout.splitlines()


def test_script_that_would_work_while_it_is_loaded_is_not_loaded_before(script):
    """
    It has no guard; it still runs in a fork.
    """
    step = {"run": [script(guard=""), "${secret:password}", "0"], "in_process": True}

    assert ["one: begins", "pa'ss 0"] == steps_of("one", steps={"one": step}).stdout.splitlines()


def test_step_that_fails_ends_the_others_and_is_named(script, root):
    """
    By what Kubernetes shows of the container.
    """
    steps = {"one": {"run": ["true"]}, "two": {"run": [script(), "a", "3"]}, "three": {"run": ["echo", "three"]}}
    done = steps_of("one", "two", "three", steps=steps)

    assert (3, "a 0") == (done.returncode, done.stdout.splitlines()[-1])
    assert "two" == (root / "dev/termination-log").read_text()


@pytest.mark.parametrize("kind", ["script", "other"])
def test_step_that_is_killed_ends_as_a_shell_would_say_it(script, kind):
    """
    Whatever kind of program it is.
    """
    own = script("if __name__ == '__main__': os.kill(os.getpid(), signal.SIGKILL)")
    command = {"script": [own, "a", "0"], "other": ["sh", "-c", "kill -9 $$"]}[kind]

    assert 137 == steps_of("one", steps={"one": {"run": command}}).returncode


def test_program_that_would_show_its_arguments_is_refused():
    """
    Only a script of this Python can be given a secret.
    """
    done = steps_of("one", steps={"one": {"run": ["echo", "${secret:password}"], "in_process": True}})

    assert (1, "one: begins\n") == (done.returncode, done.stdout)
    assert f"is no script of {sys.executable}, and would show its arguments" in done.stderr


def test_contraction_is_left_to_the_upgrade_of_an_old_database(root):
    """
    And runs on a fresh one.
    """
    steps = {"schema-contract": {"run": ["echo", "contracted"], "only_when_fresh": True}}
    old = steps_of("schema-contract", steps=steps)
    (root / "run/kolla-k8s/rendered/.fresh").touch()

    assert "schema-contract: not a fresh database, left to the upgrade\n" == old.stdout
    assert "schema-contract: begins\ncontracted\n" == steps_of("schema-contract", steps=steps).stdout


RECORD = {"BOOTSTRAP_RECORD": "r", "JOB_NAME": "keystone-bootstrap-abc"}
FINDING = {
    "options": {"size": 2},
    "steps": {
        "net": {"run": ["find"], "outputs": ["net"], "when": {"size": "2"}},
        "left-out": {"run": ["find"], "outputs": ["other"], "when": {"size": 3}},
    },
}


def test_what_steps_found_is_recorded_with_the_bootstrap(root, api):
    """
    At once with its digest, so that no pod finds the one without the other; steps that options leave out found nothing.
    """
    (root / "run/kolla-k8s/facts").mkdir()
    (root / "run/kolla-k8s/facts/net").write_text("a1b2\n")
    with api((200, {})) as server:
        run("bootstrap.py", "record", pod=FINDING, **RECORD, **told(server))

    assert {"fact.net": "a1b2"} == {k: v for k, v in server.asked[0].body["data"].items() if k != "abc"}
    assert "abc" in server.asked[0].body["data"]


def test_step_that_did_not_find_what_it_should_ends_the_bootstrap(root):
    """
    Pods would otherwise start without it.
    """
    done = run("bootstrap.py", "record", pod=FINDING, **RECORD)

    assert (1, f"no step wrote net into {root}/run/kolla-k8s/facts\n") == (done.returncode, done.stderr)


@pytest.mark.parametrize("size", [2, "${node:name}"])
def test_step_that_options_leave_out_is_not_run(size):
    """
    And says so. A fact of a node is no choice: the step runs once for all of them, and knows none.
    """
    pod = {"options": {"size": size}, "steps": {"one": {"run": ["echo", "ran"], "when": {"size": 3}}}}

    assert "one: not chosen by the site's options\n" == run("init.py", "steps", "one", pod=pod).stdout


def test_facts_of_the_bootstrap_stand_in_files(root, api):
    """
    Read from the record that the pod waits for; what was left out is empty.
    """
    files = {"a.conf": {"format": "raw", "mode": "0440", "content": "${fact:net} ${fact:other|default=none}"}}
    with api((200, {"data": {"abc": "1", "fact.net": "a1b2"}})) as server:
        asked = {"BOOTSTRAP_DIGEST": "abc", "BOOTSTRAP_RECORD": "r"}
        run("init.py", "prepare", pod={"files": files}, **asked, **told(server))

    assert "a1b2 none" == (root / "run/kolla-k8s/rendered/a.conf").read_text()


def test_built_in_steps_follow_each_other_in_one_process(root, api):
    """
    Each says its name, which Kubernetes shows of the one that fails.
    """
    with api((200, {})) as server:
        done = run("bootstrap.py", "record", "identity", pod={"steps": {}}, **RECORD, **told(server))

    assert ["record: begins", "bootstrap abc is done", "identity: begins"] == done.stdout.splitlines()
    assert (1, "identity") == (done.returncode, (root / "dev/termination-log").read_text())


def test_bootstrap_is_recorded_by_its_digest(api):
    """
    A refusal is waited out: without the record pods would wait for ever.
    """
    with api((503, {"message": "busy"}), (200, {})) as server:
        done = run("bootstrap.py", "record", pod={"steps": {}}, **RECORD, **told(server))
    request = server.asked[1]

    assert "record: begins\ntrying again: Kubernetes answered 503: busy\nbootstrap abc is done\n" == done.stdout
    assert ("PATCH", ["abc"]) == (request.method, list(request.body["data"]))
    assert "application/merge-patch+json" == request.headers["Content-Type"]
