"""What one definition names, another has; the messages when not."""

from __future__ import annotations

import pytest

from kolla_k8s.errors import OutsideError, UserFilesError
from tests.conftest import catalog_of
from tests.unit.compile.defined import DEPLOYMENT, LISTENING, a_definition, write

HOST = {"reason": "looks at every process", "pid": True}
OPTION = {"options": {"datapath": {"default": "system", "help": "where"}}}
ROOT = {"reason": "looks at every process", "root": True}
SYSLOG = {"privilege": ROOT, "volumes": {"state": {"path": "/a", "scratch": "disk"}}}
BESIDE = {"image": "memcached", "run": ["run"]}
GATE = {"kind": "openstack-request", "workload": "api"}
ROTATE = {"secret": "keys", "max-active-keys": 3}
HOST_PATH = {"path": "/dev", "reason": "devices are the node's"}


def config(content, written="raw", **more):
    return {"config": {"a.conf": {"path": "/etc/a.conf", "format": written, "content": content, **more}}}


def gate(kind, **settings):
    return {"gates": {"g": {"kind": kind, "workload": "api", "settings": settings}}}


def volumes(volume):
    return {"bootstrap": {"image": "a", "volumes": {"v": volume}}}


def oslo(**said):
    return {"a.conf": {"path": "/a", "format": "ini", "oslo": said}}


def workload(**more):
    return {"workloads": {"api": {**LISTENING, **more}}}


def periodic(**more):
    return {"periodic": {"p": {"schedule": "* * * * *", "image": "a", "run": ["run"], **more}}}


def bootstrap(argument, **more):
    return {
        "bootstrap": {"image": "a", "steps": {"a": {"run": ["do", argument], **more}}},
        "messaging": {"own": {}},
        "needs": {"start": ["rabbitmq"]},
        "secrets": {"own-password": {"kind": "password"}},
    }


SHARED = {"path": "/v", "reason": "mounts are for others, too", "propagation": "Bidirectional"}
CLAIM = {"path": "/v", "persistent": {"size": "1Gi"}, "when": {"o": 1}}


def choosing(needs):
    about = {"default": "no", "one-of": ["yes", "no"], "needs": needs, "help": "?"}
    return {"options": {"o": about, "p": {"default": 0, "one-of": [0, 1], "help": "?"}}}


def syslog_on(volume):
    return workload(syslog="state", privilege=ROOT, volumes={"state": {"path": "/a", **volume}})


def problems(folder, *definitions):
    with pytest.raises(UserFilesError) as refused:
        catalog_of(write(folder, *definitions))
    return str(refused.value).replace(f"{folder}/", "")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            {"workloads": {"programs": LISTENING}},
            "spec.workloads.programs: other objects have this name; call it someth",
        ),
        (
            {"workloads": {"p": LISTENING}, **periodic()},
            "spec.periodic.p: other objects have this name; call it someth",
        ),
        (config("${secret:othr/key}"), 'no service is called "othr"; did you mean "other"?'),
        (config("${host:othr}"), 'no service is called "othr"; did you mean "other"?'),
        (config("${host:silent}"), "${host:silent}: nothing of it listens; give a workload of it a port"),
        (
            config("${host:other|ip}"),
            "${host:other|ip}: the address changes when other is uninstalled and comes again; s",
        ),
        (workload(host=HOST), "the control plane shares nothing with the node; use plane: node"),
        (workload(host={**HOST, "outlive": {"programs": ["a"]}}), "spec.workloads.api.host.outlive.reason"),
        (
            workload(host={**HOST, "ports": {"consoles": 5900}}),
            "ports of the node are of pods on its network: ports n",
        ),
        (
            workload(host={**HOST, "pid": False, "outlive": {"programs": ["a"], "reason": "serves guests"}}),
            "what outlives the pod is a process of the node: outl",
        ),
        (workload(volumes={"dev": {"path": "/dev", "host": HOST_PATH}}), "the control plane has no host paths; use"),
        ({"databases": {"a": {}}}, "spec.databases: needs a bootstrap to be made in; add spec.bootstrap"),
        ({"messaging": {"a": {}}}, "spec.messaging: needs a bootstrap to be made in; add spec.bootstrap"),
        ({"expose": {"a": {"workload": "apu", "port": "api"}}}, 'no workload is called "apu"; did you mean "api"?'),
        (
            {"options": {"o": {"default": "yes", "one-of": ["yes", "no"], "help": "?"}}, **workload(when={"o": "nay"})},
            '"nay" is no choice of option "o"',
        ),
        (choosing({"nay": {"p": 1}}), 'no choice is called "nay"'),
        (choosing({"yes": {"q": 1}}), 'spec.options.o.needs.yes.q: no option is called "q"'),
        (choosing({"yes": {"p": 2}}), '"2" is no choice of option "p"'),
        ({**config("${option:datapth}"), **OPTION}, 'no option is called "datapth"; did you mean "datapath"?'),
        ({"needs": {"when": {"other": {}}}}, 'no need of start is called "other"'),
        ({"needs": {"start": ["other"], "when": {"other": {"o": "x"}}}}, 'no option is called "o"'),
        ({"periodic": {"p": {"schedule": "* * * * *", "image": "a"}}}, "a periodic task has exactly one of run and"),
        (workload(**{"same-node": "other", "spread": "OneANode"}), "same-node says where replicas are; remove one"),
        (workload(volumes={"token": {"path": "/a", "scratch": "disk"}}), "volume of ours with this name; call it some"),
        (workload(volumes={"secrets-a": {"path": "/a", "scratch": "disk"}}), "volume of ours with this name; call it"),
        (workload(kind="StatefulSet", ports={}, peers={"addresses": True}), "nothing of it listens; give the work"),
        (workload(peers={"writer": True}), "nobody agrees on a writer; name an agent in peers.agent"),
        (workload(peers={"agent": "b"}, containers={"b": BESIDE}), "only a StatefulSet has members; use kind"),
        (workload(peers={"force": ["a"]}), "peers.force: only a StatefulSet has members; use kind"),
        (
            workload(kind="StatefulSet", peers={"agent": "b", "force": ["a"]}, containers={"b": BESIDE}),
            "peers.force: the agent starts members; name one of the two",
        ),
        (syslog_on({"scratch": "disk", "when": {"a": 1}}), "a socket of syslog needs a volume that is always there"),
        (syslog_on({"host": {**HOST_PATH, "read-only": True}}), "a socket of syslog needs a volume that is always"),
        (syslog_on({"scratch": "disk", "path": "/dev"}), "/dev is not the container's own: syslog would change it"),
        (workload(syslog="a"), "/dev of a container belongs to root: syslog needs privilege with root"),
        (
            workload(syslog="state", containers={"syslog": BESIDE}, **SYSLOG),
            "the container that listens to syslog has",
        ),
        (workload(syslog="stat", **SYSLOG), 'api.syslog: no volume is called "stat"; did you mean "state"?'),
        (workload(env={"A": "${secret:a}"}), "${secret:a} cannot be filled in on a process's environment; put it"),
        (workload(stop=["a", "${secret:a}"]), "api.stop: ${secret:a} cannot be filled in on a process's command line"),
        (workload(live={"exec": ["${host:other}"]}), "live.exec: ${host:other} cannot be filled in on a process's"),
        (workload(prepare={"p": {"run": ["${secret:a}"]}}), "prepare.p.run: ${secret:a} cannot be filled in on a"),
        (workload(peers={"leave": ["${secret:a}"]}), "peers.leave: ${secret:a} cannot be filled in on a process's"),
        (bootstrap("${secret:own-password}"), "steps.a.run: ${secret:own-password} would show a password to who lists"),
        (
            bootstrap("sh ${transport:own}"),
            "${transport:own} would show a password to who lists processes; put it into",
        ),
        ({"schema": {"expand": ["${secret:a}"]}}, "spec.schema.expand: ${secret:a} would show a password to who lists"),
        (
            {"schema": {"expand": ["a"]}},
            "spec.schema: needs a bootstrap to be made in; add spec.bootstrap with an image",
        ),
        (
            {"user": {"name": "root", "uid": 0}},
            "spec.user.uid: nobody is root on the control plane; name the image's own",
        ),
        (
            workload(prepare={"p": {"run": ["a"], "privilege": ROOT}}),
            "prepare.p.privilege: the control plane is restri",
        ),
        (volumes({"path": "/v", "secret": "a"}), 'spec.bootstrap.volumes.v.secret: no secret is called "a"'),
        (volumes({"path": "/v", "persistent": {"size": "1Gi"}}), "volumes.v.persistent: only a StatefulSet has claims"),
        (volumes({"path": "/v", "host": HOST_PATH}), "bootstrap.volumes.v.host: the control plane has no host paths"),
        (gate("exec"), "spec.gates.g: a gate of kind exec has a command; write settings: {run: [WORD, ...]}"),
        (gate("exec", run=["a", 1]), "spec.gates.g: a gate of kind exec has a command; write settings"),
        (gate("exec", run=["${secret:a}"]), "gates.g.settings.run: ${secret:a} cannot be filled in on a process's com"),
        (gate("http", path="/"), "spec.gates.g: a gate of kind http asks a path of a port; write settings: {path: /PA"),
        (gate("http", path="/", port="api", status="ok"), "the status of a gate of kind http is a number; write one"),
        (gate("http", path="/", port="apo"), 'gates.g.settings.port: no port is called "apo"; did you mean "api"?'),
        ({"identity": {"roles": ["a"]}}, "spec.identity: needs a bootstrap to be made in; add spec.bootstrap with an"),
        (
            bootstrap("a", late=True),
            "steps.a.late: this service registers when all is done; add keystone to needs.start",
        ),
        (bootstrap("a", when={"o": 1}), 'steps.a.when.o: no option is called "o"'),
        (bootstrap("${fact:net}", outputs=["net"]), "steps.a.run: ${fact:net} is known only when the bootstrap is"),
        (bootstrap("a", outputs=["net", "net"]), '"net" is found by more than one step; call one of them something'),
        (config("${fact:net}"), 'no output of a bootstrap step is called "net"'),
        ({"config": oslo(databases={"database": "a"})}, 'a.conf.oslo.databases.database: no database is called "a"'),
        ({"config": oslo(identity="a")}, 'a.conf.oslo.identity: no Keystone user is called "a"'),
        (
            {"config": oslo(identity="othr/a")},
            'a.conf.oslo.identity: no service is called "othr"; did you mean "other"?',
        ),
        ({"gates": {"g": {**GATE, "login": "a"}}}, 'gates.g.login: no Keystone user is called "a"'),
        (
            {"gates": {"g": {**GATE, "login": "a"}, "h": {**GATE, "login": "b"}}},
            'gates.h.login: another gate logs in as "a"; let all gates of a service be one user',
        ),
        (periodic(config=["b.conf"]), 'no config file is called "b.conf"'),
        (periodic(run=["${secret:a}"]), "cannot be filled in on a process's command line; put it into a config file"),
        (periodic(volumes={"v": {"path": "/v", "secret": "a"}}), 'no secret is called "a"'),
        (periodic(volumes={"v": {"path": "/v", "persistent": {"size": "1Gi"}}}), "only a StatefulSet has claims"),
        (periodic(volumes={"v": {"path": "/v", "host": HOST_PATH}}), "the control plane has no host paths"),
        (periodic(run=None, rotate=ROTATE, config=[]), "a rotation reads neither config nor volumes; remove them"),
        (workload(ready={"tcp": True}), "an http or tcp probe names its port"),
        (workload(roll={"strategy": "OnDelete"}), "changes only when it is deleted says what that costs; add costs"),
        (workload(volumes={"v": {"path": "/v", "scratch": "disk", "when": {"o": 1}}}), 'no option is called "o"'),
        (workload(volumes={"v": CLAIM}), "the claims of a StatefulSet never change: a persistent volume has no when"),
        (
            {"plane": "node", **workload(volumes={"v": {"path": "/v", "host": SHARED}})},
            "v.host.propagation: mounts of a container without privileges stay with it; use HostToContainer",
        ),
        (workload(volumes={"v": {"path": "/v"}}), "a volume has exactly one of scratch, persistent, secret and host"),
    ],
)
def test_definition_that_fits_nothing_is_refused(tmp_path, spec, message):
    """
    Each with its place, what is so, and a way out.
    """
    silent = a_definition("silent", workloads={"worker": DEPLOYMENT})

    said = problems(tmp_path, a_definition("one", **spec), a_definition("other"), a_definition("rabbitmq"), silent)

    assert message in said
    assert said.startswith("one.yaml:")


@pytest.mark.parametrize(
    ("spec", "place"),
    [
        (
            config({"a": {"b": [1, "${secret:x}"]}}, written="ini"),
            "one.yaml:27:13: spec.config.a.conf.content.a.b[1]: no",
        ),
        (config({}, written="ini", oslo={"cache": True}), "spec.config.a.conf.oslo: "),
        (config({}, written="ini", **{"json-logs": {"a": {"b": "${secret:x}"}}}), "spec.config.a.conf.json-logs.a.b: "),
        (
            workload(run=[], wsgi={"module": "a:b", "options": {"x": "${host:x}"}}),
            "spec.workloads.api.wsgi: no service",
        ),
        (bootstrap("${host:x}"), "spec.bootstrap.steps.a.run[1]: no service is"),
    ],
)
def test_problem_of_a_placeholder_stands_where_it_was_said(tmp_path, spec, place):
    """
    At its key; of what follows from a word, at the word.
    """
    said = problems(tmp_path, a_definition("one", **spec), a_definition("memcached"), a_definition("rabbitmq"))

    assert place in said


def test_problem_of_a_patch_stands_in_the_patch(tmp_path):
    """
    For the release that it is of.
    """
    changed = {**a_definition("one"), "releases": {"2026.1": {"needs": {"run": ["othr"]}}}}

    assert 'one.yaml:23:9: spec.needs.run[0]: no service is called "othr"' in problems(tmp_path, changed)


def test_patch_of_another_release_is_looked_at_too(tmp_path):
    """
    Or it would break only when somebody asks for that release.
    """
    changed = {**a_definition("one"), "releases": {"2026.9": {"needs": {"rnu": ["one"]}}}}

    assert 'one.yaml:22:7: spec.needs.rnu: unknown key "rnu"; did you mean "run"?' == problems(tmp_path, changed)


@pytest.mark.parametrize(
    ("argument", "more"),
    [("${transport:own|template}", {}), ("${secret:own-password}", {"in-process": True}), ("${host:rabbitmq}", {})],
)
def test_argument_that_shows_no_password_is_taken(tmp_path, argument, more):
    """
    A template of an address has none, and of what runs in process nobody sees the arguments.
    """
    step = a_definition("one", **bootstrap(argument, **more))

    found = catalog_of(write(tmp_path, step, a_definition("rabbitmq")))

    assert ["do", argument] == found["one"].spec.bootstrap.steps["a"].run


def test_two_definitions_of_one_name_are_refused(tmp_path):
    """
    The later file is told of the earlier one.
    """
    write(tmp_path, a_definition("one"))
    (tmp_path / "two.yaml").write_text((tmp_path / "one.yaml").read_text())

    said = problems(tmp_path)

    assert 'two.yaml:4:3: metadata.name: "one" is also defined in one.yaml; give one of them another name' in said


@pytest.mark.parametrize("name", [".", "missing"])
def test_folder_without_definitions_is_named(tmp_path, name):
    """
    Empty or not there at all.
    """
    with pytest.raises(OutsideError, match="holds no service definition; name the folder with --definitions"):
        catalog_of(tmp_path / name)


def test_patch_of_a_release_is_laid_over_the_definition(tmp_path):
    """
    Only for that release: maps merge, null deletes, all else replaces.
    """
    patch = {"workloads": {"api": {"ports": {"api": None, "http": 80}, "run": ["other"]}}}
    changed = {**a_definition("one"), "releases": {"2026.1": patch, "2026.2": {"plane": "node"}}}

    spec = catalog_of(write(tmp_path, changed))["one"].spec

    assert {"http": 80} == spec.workloads["api"].ports
    assert ["other"] == spec.workloads["api"].run
    assert "control" == spec.plane


def test_patch_may_bring_what_was_not_there(tmp_path):
    """
    A block that the definition lacks is taken from the patch.
    """
    changed = {**a_definition("one"), "releases": {"2026.1": {"roll": None, "needs": {"run": ["other"]}}}}

    assert ["other"] == catalog_of(write(tmp_path, changed, a_definition("other")))["one"].spec.needs.run
