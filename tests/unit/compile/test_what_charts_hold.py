"""What the words of a definition become in Kubernetes."""

from __future__ import annotations

import json
import re
from dataclasses import replace

from kolla_k8s.compile.render import render_chart
from kolla_k8s.model.service import Schema
from tests.conftest import catalog_of
from tests.unit.compile.defined import DEPLOYMENT, LISTENING, a_definition, files_of, write

NODE = {"plane": "node"}
PRIVILEGE = {"reason": "loads kernel modules", "capabilities": ["SYS_MODULE"]}
HOST = {"reason": "looks at every process", "pid": True}
AGENT = {**DEPLOYMENT, "kind": "DaemonSet", "privilege": PRIVILEGE, "host": HOST, "roll": {"max-unavailable": 2}}


def containers_of_bootstrap(files):
    """Name -> its lines, of the containers of the bootstrap's pod, in order."""
    _, _, rest = files["templates/_helpers.tpl"].partition("initContainers:\n")
    parts = re.split(r"^- name: (\S+)\n", rest.partition("\nvolumes:")[0], flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_bootstrap_of_steps_alone_has_no_built_in_ones(tmp_path):
    """
    Neither databases nor messaging nor identity: the named step, then the record.
    """
    bootstrap = {"image": "memcached", "steps": {"fill": {"run": ["fill"]}}}

    files = files_of(tmp_path, "one", a_definition("one", bootstrap=bootstrap))

    assert ["prepare", "steps", "record"] == list(containers_of_bootstrap(files))


def test_what_makes_accounts_shares_no_container_with_what_registers(shipped):
    """
    Each sees secrets of its own, and the token is where the record is written.
    """
    found = containers_of_bootstrap(render_chart(shipped, "nova").files)
    seen = {name: set(re.findall(r"name: (secrets-[^,]+|token)", lines)) for name, lines in found.items()}
    spec = shipped["nova"].spec
    no_steps = {"db_schema": Schema(), "bootstrap": spec.bootstrap.model_copy(update={"steps": {}})}
    nova = shipped["nova"].model_copy(update={"spec": spec.model_copy(update=no_steps)})
    catalog = replace(shipped, services={**shipped.services, "nova": nova})
    without = containers_of_bootstrap(render_chart(catalog, "nova").files)

    assert ["prepare", "databases-messaging", "steps", "identity-record"] == list(found)
    assert {"secrets-databases-messaging"} == seen["databases-messaging"]
    assert {"secrets-steps"} == seen["steps"]
    assert {"secrets-identity-record", "token"} == seen["identity-record"]
    assert ["prepare", "databases-messaging", "identity-record"] == list(without)


def test_late_steps_come_after_registration(wide):
    """
    When the service's users can log in; what they find is recorded last, and named in a file of the pods alone.
    """
    files = render_chart(wide, "octavia").files
    in_order = ["prepare", "databases-messaging", "steps", "identity", "late-steps", "record"]
    assert in_order == list(containers_of_bootstrap(files))
    assert ["mgmt-net", "sec-group"] == json.loads(files["files/bootstrap.json"])["steps"]["management-network"][
        "outputs"
    ]


def test_option_that_chooses_a_step_is_told_to_the_bootstrap(tmp_path):
    """
    And so is part of its digest: another choice, another bootstrap.
    """
    step = {"run": ["fill"], "when": {"size": "big"}}
    spec = {
        "options": {"size": {"default": "small", "help": "?"}},
        "bootstrap": {"image": "a", "steps": {"fill": step}},
    }

    files = files_of(tmp_path, "one", a_definition("one", **spec))

    assert ["size"] == json.loads(files["files/bootstrap.json"])["options"]
    assert "options" not in json.loads(files["files/api.json"])
    assert 'set $pod "options"' in files["templates/_helpers.tpl"]


def test_capability_is_added_to_none(tmp_path):
    """
    Everything is dropped but what the definition gives a reason for.
    """
    files = files_of(tmp_path, "agent", a_definition("agent", **NODE, workloads={"agent": AGENT}))
    daemon_set = files["templates/agent-daemonset.yaml"]

    assert "drop:\n            - ALL\n            add:\n            - SYS_MODULE" in daemon_set
    assert "privileged: true" not in daemon_set


def test_only_the_namespace_asked_for_is_shared_with_the_node(tmp_path):
    """
    Processes of the node are seen, its network is not.
    """
    files = files_of(tmp_path, "agent", a_definition("agent", **NODE, workloads={"agent": AGENT}))
    daemon_set = files["templates/agent-daemonset.yaml"]

    assert "hostPID: true" in daemon_set
    assert "hostNetwork" not in daemon_set
    assert "dnsPolicy" not in daemon_set
    assert "templates/networkpolicy.yaml" in files


def sharing(folder):
    """Text of a DaemonSet whose pods mount things for others on the node, and its step of preparation."""
    host = {"path": "/mnt", "reason": "mounts are for others, too", "propagation": "Bidirectional"}
    agent = {
        **AGENT,
        "privilege": {"reason": "mounts what is far away", "privileged": True},
        "prepare": {"look": {"run": ["look"]}},
        "volumes": {"mnt": {"path": "/mnt", "host": host, "when": {"far": "yes"}}},
    }
    options = {"far": {"default": "no", "one-of": ["yes", "no"], "help": "?"}}
    definition = a_definition("agent", **NODE, options=options, workloads={"agent": agent})
    return files_of(folder, "agent", definition)["templates/agent-daemonset.yaml"]


def test_volume_of_an_option_is_there_only_with_it(tmp_path):
    """
    In the pod and in each of its containers.
    """
    parts = sharing(tmp_path).split('{{- if and (eq (toString (index .Values.options "far")) "yes") }}\n')

    assert 3 == len(parts) - 1
    assert all(part.strip().startswith("- {name: mnt, ") for part in parts[1:])
    assert all("{{- end }}" == part.splitlines()[1] for part in parts[1:])
    assert "name: mnt" not in parts[0]


def test_step_without_privileges_sees_mounts_and_makes_none(tmp_path):
    """
    Kubernetes refuses the whole pod otherwise.
    """
    assert ["HostToContainer", "Bidirectional"] == re.findall(r"mountPropagation: (\w+)", sharing(tmp_path))


def test_daemon_set_rolls_as_many_nodes_as_it_may(tmp_path):
    """
    As the definition says, and one at least.
    """
    slow = {**AGENT, "roll": {}}
    workloads = {"agent": AGENT, "slow": slow}

    files = files_of(tmp_path, "agent", a_definition("agent", **NODE, workloads=workloads))

    assert "maxUnavailable: 2" in files["templates/agent-daemonset.yaml"]
    assert "maxUnavailable: 1" in files["templates/slow-daemonset.yaml"]


def test_service_may_have_a_name_of_its_own(tmp_path):
    """
    When clients know the workload under another name.
    """
    named = {**LISTENING, "service": "one-public"}

    files = files_of(tmp_path, "one", a_definition("one", workloads={"api": named}))

    assert "\n  name: one-public\n" in files["templates/api-service.yaml"]


HOURLY = {"schedule": "0 * * * *", "image": "memcached", "run": ["clean"]}
CONFIG = {"a.conf": {"path": "/etc/a.conf", "format": "raw", "content": "a"}}


def periodic(folder, spec, **task):
    files = files_of(folder, "one", a_definition("one", periodic={"clean": {**HOURLY, **task}}, **spec))
    return files, files["templates/clean-cronjob.yaml"]


def test_periodic_command_has_all_files_unless_it_names_some(tmp_path):
    """
    As a workload does; its init step needs no token where there is no bootstrap to wait for.
    """
    _, every = periodic(tmp_path, {"config": CONFIG})
    _, none = periodic(tmp_path, {"config": CONFIG}, config=[])

    assert "mountPath: /etc/a.conf" in every
    assert "token" not in every
    assert "serviceAccountName" not in every
    assert "/etc/a.conf" not in none


def test_periodic_command_with_nothing_to_wait_for_or_write_is_alone(tmp_path):
    """
    No init step, no file, no program.
    """
    files, cron_job = periodic(tmp_path, {})

    assert "initContainers" not in cron_job
    assert "templates/clean-configmap.yaml" not in files
    assert "files/rotate.py" not in files


def test_periodic_command_has_volumes_of_its_own(tmp_path):
    """
    Scratch here; claims belong to members.
    """
    _, cron_job = periodic(tmp_path, {}, volumes={"work": {"path": "/var/work", "scratch": "disk"}})

    assert "- {name: work, mountPath: /var/work}" in cron_job
    assert "- {name: work, emptyDir: {}}" in cron_job


def test_periodic_command_has_no_file_of_a_single_workload(tmp_path):
    """
    What uwsgi reads belongs to its API.
    """
    api = {"kind": "Deployment", "image": "a", "wsgi": {"module": "a.b:application"}, "ports": {"api": 80}}

    _, cron_job = periodic(tmp_path, {"config": CONFIG, "workloads": {"api": api}})

    assert "mountPath: /etc/a.conf" in cron_job
    assert "uwsgi" not in cron_job


def test_step_before_the_processes_has_files_and_volumes_and_its_privilege(tmp_path):
    """
    And the workload's image unless it names one.
    """
    prepare = {"modules": {"run": ["load"], "privilege": PRIVILEGE}, "look": {"run": ["look"], "image": "fluentd"}}
    volumes = {"work": {"path": "/var/work", "scratch": "disk"}}
    agent = {**AGENT, "privilege": None, "prepare": prepare, "volumes": volumes}

    files = files_of(tmp_path, "agent", a_definition("agent", **NODE, workloads={"agent": agent}))
    before, after = files["templates/agent-daemonset.yaml"].split("      containers:\n")

    assert ["modules", "look"] == re.findall(r"^      - name: (\w+)$", before, re.MULTILINE)
    assert ['"memcached"', '"fluentd"'] == re.findall(r'"name" ("\w+")', before)
    assert ("SYS_MODULE" in before, "SYS_MODULE" in after) == (True, False)
    assert 2 == before.count("mountPath: /var/work")


def test_members_without_a_writer_may_touch_no_lease_and_no_slice(tmp_path):
    """
    Their agents only report to each other.
    """
    beside = {"watcher": {"image": "memcached", "run": ["watch"]}}
    member = {**DEPLOYMENT, "kind": "StatefulSet", "peers": {"agent": "watcher"}, "containers": beside}

    files = files_of(tmp_path, "one", a_definition("one", workloads={"member": member}))

    assert "- statefulsets" in files["templates/role.yaml"]
    assert "leases" not in files["templates/role.yaml"]
    assert "templates/member-writer-lease.yaml" not in files
    assert "templates/member-members-configmap.yaml" in files


def test_each_of_several_has_one_name(tmp_path):
    """
    A ConfigMap is named by its content, which tells them apart.
    """
    options = {"cells": {"default": {"a": {}}, "help": "what there is"}}
    cell = {**DEPLOYMENT, "for-each": "cells"}

    files = files_of(tmp_path, "one", a_definition("one", config=CONFIG, options=options, workloads={"cell": cell}))

    assert "name: one-cell-{{ $each }}\n" in files["templates/cell-deployment.yaml"]
    assert "$each)" in files["templates/cell-configmap.yaml"]
    assert "-{{ $each }}" not in files["templates/cell-configmap.yaml"].partition("data:")[0]


def test_user_of_nobody_has_no_login(tmp_path):
    """
    Validation has said so by then; the catalogue makes none up.
    """
    catalog = catalog_of(write(tmp_path, a_definition("one", bootstrap={"image": "a"}, messaging={"own": {}})))

    assert None is catalog.messaging("other", catalog["one"])
    assert None is catalog.messaging("two/own", catalog["one"])


def test_programs_stand_once_in_a_chart(tmp_path):
    """
    However many pods run them: what a release holds has a limit.
    """
    workloads = {"api": DEPLOYMENT, "worker": DEPLOYMENT}

    files = files_of(tmp_path, "one", a_definition("one", config=CONFIG, workloads=workloads))

    holders = [path for path, text in files.items() if "files/init.py" in text and path.endswith("-configmap.yaml")]
    assert ["templates/programs-configmap.yaml"] == holders
    assert 2 == sum("one.programsName" in files[f"templates/{name}-deployment.yaml"] for name in workloads)


def test_pods_that_are_told_the_same_share_a_file(tmp_path):
    """
    Others have their own, as have those that not every site has, and those of which there are several.
    """
    workloads = {
        "api": {**DEPLOYMENT, "config": ["a.conf"]},
        "cell": {**DEPLOYMENT, "for-each": "cells"},
        "worker": DEPLOYMENT,
        "scheduler": DEPLOYMENT,
        "collector": {**DEPLOYMENT, "when": {"meter": True}},
    }
    options = {"cells": {"default": {"1": {}}, "help": "?"}, "meter": {"default": True, "help": "?"}}
    config = {**CONFIG, "b.conf": {**CONFIG["a.conf"], "path": "/b"}}

    files = files_of(tmp_path, "one", a_definition("one", config=config, options=options, workloads=workloads))
    asked = {name: re.search(r'"pod" "(\w+)"', files[f"templates/{name}-deployment.yaml"])[1] for name in workloads}

    assert {"api": "api", "cell": "cell", "worker": "worker", "scheduler": "worker", "collector": "collector"} == asked
    assert [f"files/{name}.json" for name in ("api", "cell", "collector", "worker")] == [
        path for path in files if path.endswith(".json") and path.startswith("files/")
    ]
    assert "templates/worker-configmap.yaml" in files
    assert "templates/scheduler-configmap.yaml" not in files


def test_pods_that_need_nothing_of_ours_own_no_file(tmp_path):
    """
    So others, which run a program of ours, do not look for theirs there.
    """
    root = {"reason": "starts servers of the node", "root": True}
    hears = {**AGENT, "privilege": root, "syslog": "state", "volumes": {"state": {"path": "/a", "scratch": "memory"}}}
    workloads = {"plain": AGENT, "agent": hears}

    files = files_of(tmp_path, "one", a_definition("one", **NODE, workloads=workloads))

    assert "configName" not in files["templates/plain-daemonset.yaml"]
    assert '"pod" "agent"' in files["templates/agent-daemonset.yaml"]
    assert "templates/agent-configmap.yaml" in files
