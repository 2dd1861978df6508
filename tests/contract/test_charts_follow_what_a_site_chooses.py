"""What a site chooses reaches the objects that it is about, and changes no others, under the real helm."""

from __future__ import annotations

import json

import pytest

from tests.contract.charts import objects, rendered
from tests.contract.rendered import contents, pod_files

pytestmark = pytest.mark.helm


def test_disruption_budget_comes_with_the_second_replica():
    """
    One replica has none, which would block every drain.
    """
    alone = {item["kind"] for item in objects("keystone")}
    two = {item["kind"] for item in objects("keystone", "--set", "workloads.api.replicas=2")}

    assert {"PodDisruptionBudget"} == two - alone


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
