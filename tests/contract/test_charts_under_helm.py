"""The committed charts under the real helm and against Kubernetes' own schemas."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from functools import cache
from pathlib import Path

import kubernetes_validate
import pytest

from kolla_k8s.compile.render import render_chart
from kolla_k8s.yamlio import manifest
from tests.conftest import catalog_of
from tests.contract.rendered import contents, pod_files, pod_of
from tests.unit.compile.defined import DEPLOYMENT, LISTENING, a_definition, write

pytestmark = pytest.mark.helm
CHARTS = Path(__file__).parents[2] / "charts"
NAMES = sorted(path.name for path in CHARTS.iterdir())
RBAC = frozenset({"ServiceAccount", "Role", "RoleBinding"})
VERSIONS = ("1.32", "1.33", "1.34", "1.35", "1.36", "1.37")


@cache
def rendered(name, *options):
    command = ["helm", "template", name, str(CHARTS / name), "--namespace", "openstack", *options]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def objects(name, *options):
    return manifest(rendered(name, *options))


@pytest.mark.parametrize("name", NAMES)
def test_lint_is_clean(name):
    """
    Helm's own lint, with warnings as errors.
    """
    done = subprocess.run(["helm", "lint", "--strict", str(CHARTS / name)], capture_output=True, text=True, check=False)

    assert 0 == done.returncode, done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_two_renders_give_the_same_bytes(name):
    """
    A no-op upgrade changes nothing.
    """
    command = ["helm", "template", name, str(CHARTS / name), "--namespace", "openstack"]
    again = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert rendered(name) == again


@pytest.mark.parametrize("name", NAMES)
def test_programs_are_named_by_their_content(name):
    """
    A ConfigMap cannot be changed: one of the old name with another program in it would be refused.
    """
    files = sorted((CHARTS / name / "files").glob("*"))
    programs = {path.name: path.read_text() for path in files if path.suffix != ".json"}
    digest = hashlib.sha256("".join(programs.values()).encode()).hexdigest()
    found = {item["metadata"]["name"]: item["data"] for item in objects(name) if item.get("immutable")}

    assert programs == found.get(f"{name}-programs-{digest[:10]}", {})


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_valid(version):
    """
    Strictly, against the schemas of each Kubernetes from 1.32 to 1.37.
    """
    for name in NAMES:
        for item in objects(name):
            kubernetes_validate.validate(item, version, strict=True)


NUMBERED = """
global:
  namespaces: {control: "2026", node: "1e3"}
  storage: {class: "42"}
  expose: {mode: gateway, domain: sky.example, gateway: {name: "7", namespace: "8", listener: "9"}}
"""


def numbers_in(item, path=""):
    """Where an object has a number, or something else that is no text, for a name."""
    names = ("name", "namespace", "storageClassName", "sectionName", "app.kubernetes.io/instance")
    for key, value in item.items() if isinstance(item, dict) else enumerate(item) if isinstance(item, list) else ():
        here = f"{path}/{key}"
        if (key in names or str(key).endswith(".name")) and not isinstance(value, dict | list | str):
            yield here
        yield from numbers_in(value, here)


@pytest.mark.parametrize("name", NAMES)
def test_names_of_digits_stay_texts(name, tmp_path):
    """
    Kubernetes takes them for namespaces, classes and releases, and no number where a text belongs.
    """
    (tmp_path / "values.yaml").write_text(NUMBERED)
    options = ["--namespace", "2026", "--values", str(tmp_path / "values.yaml")]
    command = ["helm", "template", "12", str(CHARTS / name), *options]
    items = manifest(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    assert [] == [f"{item['kind']}{where}" for item in items for where in numbers_in(item)]


def are_rights_few(items):
    """Under a fifth of the objects, and each names what it is for: only to create, there is no name yet."""
    kinds = [item["kind"] for item in items if "helm.sh/hook" not in str(item["metadata"])]
    rules = [rule for item in items if item["kind"] == "Role" for rule in item["rules"]]
    unnamed = {verb for rule in rules if not rule.get("resourceNames") for verb in rule["verbs"]}
    return sum(kind in RBAC for kind in kinds) / len(kinds) < 0.2 and unnamed <= {"create"}


def test_rights_are_few():
    """
    Of all charts together.
    """
    assert are_rights_few([item for name in NAMES for item in objects(name)])


def pods(name):
    return pods_of(objects(name))


def pods_of(items):
    for item in items:
        if pod := pod_of(item):
            yield item["kind"], pod["spec"]


def mounted(pod):
    """Secret and key (none: all of it) of all that a pod mounts."""
    for volume in pod.get("volumes", ()):
        if "secret" in volume:
            yield volume["secret"]["secretName"], None
        for source in volume.get("projected", {}).get("sources", ()):
            for entry in source.get("secret", {}).get("items", ()):
                yield source["secret"]["name"], entry["key"]


@pytest.mark.parametrize("name", NAMES)
def test_readme_names_every_secret_that_pods_mount(name):
    """
    With its keys, those of other services included: whoever has no orchestrator must know.
    """
    rows = re.findall(r"^\| `([^`]+)` \| (.*) \|$", (CHARTS / name / "README.md").read_text(), re.MULTILINE)

    assert [] == [
        (secret, key)
        for _, pod in pods(name)
        for secret, key in mounted(pod)
        if not any(secret == row and (key is None or f"`{key}`" in keys or "`0, 1, ...`" in keys) for row, keys in rows)
    ]


def excused(service):
    """Containers that may do more than others, each for a reason that its definition gives."""
    for name, workload in service.spec.workloads.items():
        for part, process in {name: workload, **workload.containers, **workload.prepare}.items():
            if process.privilege:
                yield part


def loose_ends(pod, free):
    """What of a pod is not restricted or not limited, but for containers that are free."""
    context = pod["securityContext"]
    if not context["runAsUser"] or pod["automountServiceAccountToken"]:
        yield "the pod runs as root or has a token"
    if context["seccompProfile"]["type"] != "RuntimeDefault":
        yield "the pod has no seccomp profile"
    for container in [*pod.get("initContainers", ()), *pod["containers"]]:
        if set(container["resources"]) != {"requests", "limits"}:
            yield f"{container['name']} is not limited"
        own = container["securityContext"]
        is_tight = container["name"] in free or (
            own["capabilities"]["drop"] == ["ALL"]
            and own["readOnlyRootFilesystem"]
            and not own["allowPrivilegeEscalation"]
        )
        if not is_tight:
            yield f"{container['name']} may do more than it needs"


@pytest.mark.parametrize("name", NAMES)
def test_every_container_is_restricted_and_limited(name, shipped):
    """
    As the namespace enforces, and with requests and limits besides; on the node plane, all but those with a reason.
    """
    free = set(excused(shipped[name]))

    assert [] == [end for _, pod in pods(name) for end in loose_ends(pod, free)]


def test_pods_of_the_control_plane_never_run_as_root(shipped):
    """
    Kubelet refuses them, whatever the image says.
    """
    planes = {name: shipped[name].spec.plane for name in NAMES}

    assert all(
        pod["securityContext"]["runAsNonRoot"] for name in NAMES if "control" == planes[name] for _, pod in pods(name)
    )
    assert {"control", "node"} == set(planes.values())


@pytest.mark.parametrize("name", NAMES)
def test_long_running_containers_have_startup_and_readiness_probes(name):
    """
    Kubelet knows when to send traffic, and is patient at the start.
    """
    for kind, pod in pods(name):
        if kind in {"Deployment", "StatefulSet"}:
            assert all("readinessProbe" in container for container in pod["containers"])
            assert all("startupProbe" in container for container in pod["containers"])


def test_disruption_budget_comes_with_the_second_replica():
    """
    One replica has none, which would block every drain.
    """
    alone = {item["kind"] for item in objects("keystone")}
    two = {item["kind"] for item in objects("keystone", "--set", "workloads.api.replicas=2")}

    assert {"PodDisruptionBudget"} == two - alone


def test_members_of_a_database_keep_apart_unless_told_otherwise():
    """
    A node that is lost costs one member, not the majority.
    """
    stateful = {"kind": "StatefulSet"}
    apart, together = (
        next(item for item in objects("mariadb", *options) if stateful.items() <= item.items())["spec"]["template"]
        for options in ((), ("--set", "workloads.server.spread=ScheduleAnyway"))
    )

    (term,) = apart["spec"]["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert term["labelSelector"]["matchLabels"].items() <= apart["metadata"]["labels"].items()
    assert {} == together["spec"]["affinity"]


def test_only_the_agent_of_a_member_has_a_token():
    """
    The server, which others reach, could not use it for good.
    """
    pod = next(spec for kind, spec in pods("mariadb") if kind == "StatefulSet")
    holders = [c["name"] for c in [*pod["initContainers"], *pod["containers"]] if "token" in str(c["volumeMounts"])]

    assert ["agent"] == holders


def test_change_of_config_makes_a_new_config_map_and_no_new_bootstrap():
    """
    An option that no bootstrap step reads rolls the pods and runs nothing again.
    """
    option = ["--set", r"config.keystone\.conf.oslo_middleware.enable_proxy_headers_parsing=false"]
    before, after = objects("keystone"), objects("keystone", *option)

    def names(items, kind):
        return {item["metadata"]["name"] for item in items if item["kind"] == kind}

    assert names(before, "Job") == names(after, "Job")
    assert 1 == len(names(after, "ConfigMap") - names(before, "ConfigMap"))


def test_misspelt_value_is_refused_by_the_chart_itself():
    """
    Plain helm users get an error, too.
    """
    command = ["helm", "template", "x", str(CHARTS / "keystone"), "--set", "workloads.api.replicaz=2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert 0 != done.returncode
    assert "replicaz" in done.stderr


@pytest.mark.parametrize("said", ["options.backup=rbd", "options.backend=rbd,workloads.volume.replicas=2"])
def test_choice_that_would_break_volumes_is_refused_by_the_chart_itself(said):
    """
    Backups of nothing, and a second server of volumes that would have some of its own.
    """
    command = ["helm", "template", "cinder", str(CHARTS / "cinder"), "--set", said]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert 0 != done.returncode
    assert said.rpartition(",")[2].split(".")[0] in done.stderr


def compiled(catalog, name, folder, *options):
    """Objects of a chart that is not among the committed ones."""
    for path, text in render_chart(catalog, name).files.items():
        target = folder / name / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    command = ["helm", "template", name, str(folder / name), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stderr
    return manifest(done.stdout)


def test_charts_of_later_issues_render(wide, tmp_path):
    """
    Nova, its compute node, OVN and Octavia give templates that helm accepts.
    """
    for name in ("nova", "nova-compute", "ovn", "octavia"):
        for item in compiled(wide, name, tmp_path):
            kubernetes_validate.validate(item, "1.34", strict=True)


def test_switched_off_workload_is_gone_and_each_cell_has_its_own(tmp_path):
    """
    ``when`` and ``for-each`` follow the site's options.
    """
    options = {
        "console": {"default": "vnc", "one-of": ["vnc", "none"], "help": "how people see screens"},
        "cells": {"default": {"cell1": {}}, "help": "what hosts are sorted into"},
    }
    workloads = {"proxy": {**LISTENING, "when": {"console": "vnc"}}, "conductor": {**DEPLOYMENT, "for-each": "cells"}}
    catalog = catalog_of(write(tmp_path, a_definition("cells", options=options, workloads=workloads)))
    said = ["--set", "options.console=none", "--set-json", 'options.cells={"cell1": {}, "cell2": {}}']
    items = compiled(catalog, "cells", tmp_path, *said)
    names = {item["metadata"]["name"] for item in items if item["kind"] == "Deployment"}

    assert {"cells-conductor-cell1", "cells-conductor-cell2"} == names


def test_periodic_command_runs_with_the_files_of_its_service(tmp_path):
    """
    Written by an init step, which waits for the bootstrap as those of workloads do and alone holds token and secrets.
    """
    listed = a_definition(
        "one",
        bootstrap={"image": "memcached", "steps": {"fill": {"run": ["fill"]}}},
        config={"a.conf": {"path": "/etc/a.conf", "format": "raw", "content": "${secret:own}"}},
        secrets={"own": {"kind": "password"}},
        periodic={"clean": {"schedule": "0 * * * *", "image": "memcached", "run": ["clean"]}},
    )
    items = compiled(catalog_of(write(tmp_path, listed)), "one", tmp_path)
    pods = dict(pods_of(items))
    (prepare,), (task,) = pods["CronJob"]["initContainers"], pods["CronJob"]["containers"]
    told, other = (
        {e["name"]: e.get("value") for e in p["env"]} for p in (prepare, *pods["Deployment"]["initContainers"])
    )

    assert ["/etc/a.conf"] == [mount["mountPath"] for mount in task["volumeMounts"] if "subPath" in mount]
    assert told["BOOTSTRAP_DIGEST"] == other["BOOTSTRAP_DIGEST"]
    assert "one" == pods["CronJob"]["serviceAccountName"]
    assert {"token", "secrets-prepare"} <= {mount["name"] for mount in prepare["volumeMounts"]}
    assert {"tmp", "rendered"} == {mount["name"] for mount in task["volumeMounts"]}


@pytest.mark.parametrize(("agent", "waits"), [("ovn", True), ("openvswitch", False)])
def test_need_of_an_option_is_waited_for_only_with_it(agent, waits):
    """
    Neutron without OVN does not wait for it; the choice stands in files, and what belongs to the other is gone.
    """
    items = objects("neutron", "--set", f"options.agent={agent},options.mtu=9000")
    files = pod_files(items)
    about = files["api"]

    assert waits is ("ovn" in about["wait"])
    assert {"agent", "mtu"} >= set(about["options"])
    assert 9000 == about["options"]["mtu"]
    assert waits is ("ovn" in about["files"]["ml2_conf.ini"]["content"])
    assert waits is ("ovn-maintenance-worker" in files)


def test_choice_reaches_every_file_that_has_a_variant_for_it():
    """
    Neutron's two files have variants of the same names.
    """
    switched, usual = (rendered("neutron", "--set", f"options.agent={agent}") for agent in ("openvswitch", "ovn"))

    assert "qos,router,trunk" in switched
    assert "openvswitch,l2population" in switched
    assert "enable_traditional_dhcp" not in switched
    assert "enable_traditional_dhcp" in usual
    assert "ovn_nb_connection" in usual


def test_figures_of_rabbitmq_reach_whom_the_site_names():
    """
    Nobody otherwise; a PodMonitor only where the cluster knows such things.
    """
    asked = ["--set", "global.metrics.monitors=true,global.metrics.from.team=watch"]
    quiet, told = objects("rabbitmq"), objects("rabbitmq", *asked)
    [monitor] = [item for item in told if item["kind"] == "PodMonitor"]
    [policy] = [item for item in told if item["metadata"]["name"] == "rabbitmq-metrics" and item != monitor]
    [pods] = [item["spec"]["template"] for item in told if item["kind"] == "StatefulSet"]

    assert len(quiet) + 2 == len(told)
    assert [{"port": "prometheus", "path": "/metrics"}] == monitor["spec"]["podMetricsEndpoints"]
    assert {"team": "watch"} == policy["spec"]["ingress"][0]["from"][0]["namespaceSelector"]["matchLabels"]
    assert [15692] == [port["port"] for port in policy["spec"]["ingress"][0]["ports"]]
    assert "15692" == pods["metadata"]["annotations"]["prometheus.io/port"]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= pods["metadata"]["labels"].items()


@pytest.mark.parametrize(
    ("name", "file", "path", "value"),
    [
        ("nova", "nova.conf", ["DEFAULT", "use_json"], True),
        ("nova", "nova-cell.conf", ["DEFAULT", "use_json"], True),
        ("nova", "api-uwsgi.ini", ["uwsgi", "logger"], ["oslo stdio:", "own stdio:"]),
        ("rabbitmq", "rabbitmq.conf", ["log.console.formatter"], "json"),
        ("horizon", "settings.json", ["LOGGING", "formatters", "line", "()"], "oslo_log.formatters.JSONFormatter"),
    ],
)
def test_logs_are_json_where_the_site_wants_it(name, file, path, value):
    """
    By one value for all charts; without it nothing of it is in the pods' files.
    """

    def told(*options):
        for pod in pod_files(objects(name, *options)).values():
            about = pod.get("files", {}).get(file)
            if about and about.get("sections", path)[0] == path[0]:
                assert "json_logs" not in about
                yield about["content"]

    def found(content):
        for key in path:
            content = content.get(key) or {}
        return content

    assert {True} == {value == found(content) for content in told("--set", "global.logs.format=json")}
    assert {True} == {{} == found(content) for content in told()}


@pytest.mark.parametrize("count", [1, 3])
def test_each_northbound_database_has_an_address_that_stays(count):
    """
    Its Service selects its own pod and no other.
    """
    services = (item for item in objects("ovn", "--set", f"workloads.nb.replicas={count}") if item["kind"] == "Service")
    key = "statefulset.kubernetes.io/pod-name"

    chosen = {
        item["metadata"]["name"]: item["spec"]["selector"][key] for item in services if key in item["spec"]["selector"]
    }

    assert {f"ovn-{number}": f"ovn-nb-{number}" for number in range(count)} == chosen


def test_addresses_that_others_keep_outlive_an_uninstall():
    """
    Who wrote one down at its start is not cut off when the databases come again; no other Service stays behind.
    """
    services = [item["metadata"] for name in NAMES for item in objects(name) if item["kind"] == "Service"]
    kept = {about["name"] for about in services if "helm.sh/resource-policy" in about.get("annotations", {})}

    assert {"ovn-0", "ovn-sb"} == kept


@pytest.mark.parametrize(("said", "wanted"), [("192.0.2.0/24", {"192.0.2.0/24"}), ("", {"0.0.0.0/0", "::/0"})])
def test_consoles_of_guests_are_reached_on_their_nodes(said, wanted):
    """
    The proxy goes to the ports that libvirt gives them, and to nodes alone where the site says what these are.
    """
    options = ("--set-json", f"global.nodeCidrs={json.dumps([said] if said else [])}")
    policies = {item["metadata"]["name"]: item for item in objects("nova", *options) if item["kind"] == "NetworkPolicy"}
    port = {"port": 5900, "endPort": 6599, "protocol": "TCP"}

    (rule,) = (r for r in policies["nova-default"]["spec"]["egress"] if r["ports"] == [port])

    assert wanted == {peer["ipBlock"]["cidr"] for peer in rule["to"]}


@pytest.mark.parametrize("backend", ["file", "rbd", "s3"])
def test_images_of_the_web_are_a_store_beside_the_usual_one(backend):
    """
    Certificates are looked at, and policies let the pods out to it; without the option there is none.
    """
    seen = {}
    for name in ("true", "false"):
        items = objects("glance", "--set", f"options.backend={backend},options.http={name}")
        policies = {item["metadata"]["name"] for item in items if item["kind"] == "NetworkPolicy"}
        api = contents(pod_files(items)["api"])["glance-api.conf"]
        stores = api["DEFAULT"]["enabled_backends"], api["glance_store"]["default_backend"]
        seen[name] = (*stores, api.get("http"), "glance-to-web" in policies)

    assert (f"{backend}:{backend},http:http", backend, {"https_insecure": False}, True) == seen["true"]
    assert (f"{backend}:{backend}", backend, None, False) == seen["false"]


@pytest.mark.parametrize(
    ("grown", "name", "restarts"),
    [
        ("mariadb", "keystone", False),
        ("glance", "nova", False),
        ("rabbitmq", "nova", True),
        ("rabbitmq", "rabbitmq", True),
    ],
)
def test_service_that_grows_restarts_only_who_lists_its_members(grown, name, restarts):
    """
    Others reach it by one address, which stays.
    """
    one, three = (pod_files(objects(name, "--set", f"global.members.{grown}={count}")) for count in (1, 3))

    assert restarts is (one != three)


def test_service_that_a_site_lists_is_counted():
    """
    Words of the site are filled in as those of definitions are.
    """
    said = "config.keystone\\.conf.mine.databases=${hosts:mariadb}"

    assert {"memcached": 1, "mariadb": 3} == (
        pod_files(objects("keystone", "--set", said, "--set", "global.members.mariadb=3"))["api"]["members"]
    )
