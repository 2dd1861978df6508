"""What single nodes have of their own: said in the site, checked, packed for the pods."""

from __future__ import annotations

import json

import pytest

from kolla_k8s.cli.cloud import filled_in
from kolla_k8s.compile.values import values_schema
from kolla_k8s.errors import UserFilesError
from kolla_k8s.model.catalog import is_control
from kolla_k8s.model.choices import options_of_nodes
from kolla_k8s.model.node_parts import MOST_BYTES, NodeParts, node_parts, read_parts
from kolla_k8s.site.load import check_site, read_site
from kolla_k8s.site.nodes import parts_of
from kolla_k8s.site.problems import Charts
from tests.conftest import ROOT
from tests.unit.site.test_a_way_in import HEAD

RACKS = {"a": {"rack": "1"}, "b": {"rack": "1", "disk": "fast"}, "c": {"rack": "2"}}


def loaded(catalog, folder, *texts):
    files = []
    for number, text in enumerate(texts):
        file = folder / f"site-{number}.yaml"
        file.write_text(HEAD + text)
        files.append(file)
    charts = Charts(
        schemas={name: values_schema(catalog, service) for name, service in catalog.services.items()},
        options={name: catalog.known_options(name) for name in catalog.services},
        filled={name: filled_in(service) for name, service in catalog.services.items()},
        on_nodes={name for name, service in catalog.services.items() if not is_control(service)},
        by_node={name: options_of_nodes(service) for name, service in catalog.services.items()},
    )
    return check_site(read_site(files, [], ROOT / "values/presets"), charts).site


def refused(catalog, folder, text):
    with pytest.raises(UserFilesError) as caught:
        loaded(catalog, folder, text)
    return str(caught.value).replace(f"{folder}/", "").splitlines()


def entry(match, memory, service="nova-compute"):
    option = f"{{DEFAULT: {{reserved_host_memory_mb: {memory}}}}}"
    return f"{{match: {match}, services: {{{service}: {{config: {{nova.conf: {option}}}}}}}}}"


def nodes(**entries):
    """The words of a site about nodes: name -> match and memory."""
    return "nodes:\n" + "".join(f"  {name}: {entry(*told)}\n" for name, told in entries.items())


def memory_of(site, labels, node):
    """What each entry says to a node, in the order in which it is laid over."""
    packed = json.loads(parts_of(site, ["nova-compute"], labels)["nova-compute"].content)
    return [
        packed["parts"][number]["config"]["nova.conf"]["DEFAULT"]["reserved_host_memory_mb"]
        for number in packed["nodes"][node]["parts"]
    ]


def test_labels_choose_nodes_that_have_all_of_them(shipped, tmp_path):
    """
    Nodes without them have nothing of their own.
    """
    site = loaded(shipped, tmp_path, nodes(x=('{labels: {rack: "1", disk: fast}}', 1)))

    assert {"b"} == set(parts_of(site, ["nova-compute"], RACKS)["nova-compute"].digests)


def test_label_that_no_node_has_chooses_none(shipped, tmp_path):
    """
    And then there is no ConfigMap.
    """
    site = loaded(shipped, tmp_path, nodes(x=('{labels: {rack: "9"}}', 1)))

    assert {"nova-compute": NodeParts("nova-compute")} == parts_of(site, ["nova-compute"], RACKS)


def test_named_node_needs_not_be_there_yet(shipped, tmp_path):
    """
    Its first pod finds what is its own.
    """
    site = loaded(shipped, tmp_path, nodes(x=("{names: [late.example.org]}", 1)))

    assert [1] == memory_of(site, {}, "late.example.org")


def test_later_entries_have_the_last_word(shipped, tmp_path):
    """
    In the order of the site; an entry that a later file speaks of again keeps its place.
    """
    text = nodes(rack=('{labels: {rack: "1"}}', 1), one=("{names: [a]}", 2))
    again = nodes(rack=('{labels: {rack: "1"}}', 3))

    assert [3, 2] == memory_of(loaded(shipped, tmp_path, text, again), RACKS, "a")


def test_each_service_gets_what_is_said_of_it(shipped, tmp_path):
    """
    Services that nobody speaks of have no parts.
    """
    site = loaded(shipped, tmp_path, nodes(x=("{names: [a]}", 1)))

    found = parts_of(site, ["libvirt", "nova-compute"], RACKS)

    assert "" == found["libvirt"].content
    assert {"a"} == set(found["nova-compute"].digests)


def test_entry_that_says_nothing_is_nothing(shipped, tmp_path):
    """
    A name without words makes no node different.
    """
    site = loaded(shipped, tmp_path, "nodes: {x: {match: {names: [a]}, services: {nova-compute: {}}}}\n")

    assert "" == parts_of(site, ["nova-compute"], RACKS)["nova-compute"].content


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            nodes(x=("{names: [a]}", 1, "nova-compte")),
            'nodes.x.services.nova-compte: no service is called "nova-compte"; did you mean "nova-compute"?',
        ),
        (
            nodes(x=("{names: [a]}", 1, "nova")),
            '"nova" is on the control plane, whose pods belong to no node; say it for all pods in services.nova.config',
        ),
        (
            "nodes: {x: {match: {names: [a]}, services: {nova-compute: {config: {nova.cnf: {}}}}}}\n",
            'nodes.x.services.nova-compute.config.nova.cnf: unknown key "nova.cnf"; did you mean "nova.conf"?',
        ),
        (
            "nodes: {x: {match: {names: [a]}, services: {nova-compute: {config: {nova.conf: {DEFAULT: 1}}}}}}\n",
            "nodes.x.services.nova-compute.config.nova.conf.DEFAULT: 1 is no object or null; correct the value",
        ),
        (
            nodes(x=("{names: [a]}", 1)).replace("_memory_mb", "_memory"),
            '[DEFAULT] has no option "reserved_host_memory"; did you mean "reserved_host_memory_mb"?',
        ),
        (
            "nodes: {x: {match: {}, services: {}}}\n",
            "match has exactly one of labels and names",
        ),
        (
            'nodes: {x: {match: {names: [a], labels: {rack: "1"}}}}\n',
            "match has exactly one of labels and names",
        ),
        (
            "nodes: {x: {match: {names: []}}}\n",
            "names",
        ),
        (
            "nodes: {x: {match: {names: [a]}, services: {nova-compute: {workloads: {}}}}}\n",
            "workloads",
        ),
        ("nodes: {x: {match: {names: [a]}, services: {nova-compute: {config: 1}}}}\n", "config"),
        ("nodes: {x: {match: {names: [a]}, services: {nova-compute: 1}}}\n", "nova-compute"),
        ("nodes: {x: 1}\n", "nodes.x"),
        ("nodes: 1\n", "nodes"),
    ],
)
def test_what_no_pod_would_hear_of_is_refused(shipped, tmp_path, text, said):
    """
    With place, fact and way out, before anything is applied.
    """
    assert any(said in line for line in refused(shipped, tmp_path, text)), refused(shipped, tmp_path, text)


@pytest.mark.parametrize("placeholder", ["secret:database-password", "host:mariadb", "fact:octavia.net", "nod:ip"])
def test_placeholder_that_pods_cannot_fill_in_is_refused(shipped, tmp_path, placeholder):
    """
    A pod of that node would crash for ever.
    """
    text = nodes(x=("{names: [a]}", f'"${{{placeholder}}}"'))

    assert any(f"pods cannot fill in ${{{placeholder}}}" in line for line in refused(shipped, tmp_path, text))


@pytest.mark.parametrize("placeholder", ["iface:eth1", "node:ip|ip", "limit:cpu", "site:region", "url:keystone"])
def test_placeholder_of_a_node_or_of_the_file_is_taken(shipped, tmp_path, placeholder):
    """
    What differs between nodes is what placeholders are for.
    """
    text = nodes(x=("{names: [a]}", f'"${{{placeholder}}}"'))

    assert [f"${{{placeholder}}}"] == memory_of(loaded(shipped, tmp_path, text), {}, "a")


def test_service_without_files_takes_none(tmp_path):
    """
    There would be nothing to lay it over.
    """
    file = tmp_path / "site.yaml"
    file.write_text(HEAD + "nodes: {x: {match: {names: [a]}, services: {bare: {config: {}}}}}\n")

    with pytest.raises(UserFilesError) as caught:
        check_site(read_site([file], [], tmp_path), Charts({"bare": {}}, on_nodes={"bare"}))

    assert "nodes.x.services.bare: has no configuration; leave it out" in str(caught.value)


def test_null_deletes_an_option(shipped, tmp_path):
    """
    As it does for all pods.
    """
    text = "nodes: {x: {match: {names: [a]}, services: {nova-compute: {config: {nova.conf: {vnc: null}}}}}}\n"

    packed = parts_of(loaded(shipped, tmp_path, text), ["nova-compute"], {})["nova-compute"].content

    assert [{"config": {"nova.conf": {"vnc": None}}}] == json.loads(packed)["parts"]


def different(count):
    """As many nodes, each with something of its own."""
    return {
        f"compute-{number:03}.example.org": [
            {
                "nova.conf": {
                    "DEFAULT": {"reserved_host_memory_mb": 4096 + number, "my_ip": f"198.51.{number // 250}.{number}"},
                    "compute": {"cpu_dedicated_set": "2-47,50-95", "cpu_shared_set": "0-1,48-49"},
                }
            }
        ]
        for number in range(count)
    }


def test_500_different_nodes_fit_and_grow_in_a_straight_line():
    """
    Kubernetes takes 1 MiB; we want no more than half of it.
    """
    sizes = {count: len(node_parts("nova-compute", different(count)).content) for count in (100, 500)}
    parts = node_parts("nova-compute", different(500))

    assert 500 == len(json.loads(parts.content)["parts"]) == len(set(parts.digests.values()))
    assert sizes[500] < 512 * 1024
    assert sizes[500] < 5.1 * sizes[100]


def test_what_nodes_share_is_said_once():
    """
    Only their names are added.
    """
    alike = {node: [{"nova.conf": {"DEFAULT": {"debug": True}}}] for node in different(500)}

    parts = node_parts("nova-compute", alike)

    assert 1 == len(json.loads(parts.content)["parts"]) == len(set(parts.digests.values()))


def test_packing_looks_at_each_word_once(shipped, tmp_path):
    """
    500 nodes by name, 500 labels of 500 nodes: no entry looks at every node.
    """

    class Counted(dict):
        reads = 0

        def items(self):
            Counted.reads += 1
            return super().items()

    text = nodes(**{f"n{n}": (f'{{labels: {{rack: "{n}"}}}}', n) for n in range(500)})
    labels = {f"node-{n}": Counted(rack=str(n)) for n in range(500)}

    parts = parts_of(loaded(shipped, tmp_path, text), ["nova-compute"], labels)

    assert 500 == len(parts["nova-compute"].digests)
    assert 500 == Counted.reads


def test_more_than_a_config_map_holds_is_refused(shipped, tmp_path):
    """
    Before anything is applied.
    """
    long = "x" * (MOST_BYTES // 2)
    text = "".join(
        f"  n{n}: {{match: {{names: [n{n}]}}, services: {{libvirt: {{config: {{qemu.conf: '{n}{long}'}}}}}}}}\n"
        for n in range(2)
    )
    site = loaded(shipped, tmp_path, f"nodes:\n{text}")

    with pytest.raises(UserFilesError) as caught:
        parts_of(site, ["libvirt"], {})

    assert "bytes, of 1000000 possible; say once, by a label, what many nodes share" in str(caught.value)


def test_config_map_is_read_back():
    """
    What lies in the cluster tells which node has what; none says nothing.
    """
    parts = node_parts("libvirt", {"a": [{"qemu.conf": "x"}]})

    assert parts == read_parts("libvirt", parts.content)
    assert NodeParts("libvirt") == read_parts("libvirt", "")
    assert "libvirt-nodes" == parts.name


def test_order_of_entries_makes_another_part():
    """
    The last word wins, so the order counts.
    """
    one, other = {"f": {"a": {"x": 1}}}, {"f": {"a": {"x": 2}}}

    parts = node_parts("libvirt", {"a": [one, other], "b": [other, one], "c": [one, other]})

    assert parts.digests["a"] == parts.digests["c"] != parts.digests["b"]


def test_node_gets_options_of_its_own(shipped, tmp_path):
    """
    Beside configuration or alone, with facts that its pod finds.
    """
    own = '{options: {gateway: false, bridge-mappings: "physnet1:br-ex", tunnel-address: "${iface:eth1}"}}'
    text = f"nodes: {{x: {{match: {{names: [a]}}, services: {{ovn-controller: {own}}}}}}}\n"

    packed = parts_of(loaded(shipped, tmp_path, text), ["ovn-controller"], {})["ovn-controller"].content

    said = {"gateway": False, "bridge-mappings": "physnet1:br-ex", "tunnel-address": "${iface:eth1}"}
    assert [{"options": said}] == json.loads(packed)["parts"]


@pytest.mark.parametrize(
    ("service", "options", "said"),
    [
        (
            "nova-compute",
            "{backend: rbd}",
            'backend: "backend" decides what the chart holds, for all nodes alike; say it in services.nova-compute.opt',
        ),
        ("nova-compute", "{virt-tipe: kvm}", 'virt-tipe: unknown key "virt-tipe"; did you mean "virt-type"?'),
        ("nova-compute", "{virt-type: xen}", "virt-type: 'xen' is no choice; known: auto, kvm, qemu"),
        ("ovn-controller", "{gateway: null}", "gateway: null is no choice; leave it out"),
        ("neutron-dhcp", "{any: 1}", 'any: unknown key "any"'),
        (
            "ovn-controller",
            '{tunnel-address: "${host:ovn}"}',
            "tunnel-address: pods cannot fill in ${host:ovn}; say it in words, or use what its files name",
        ),
    ],
)
def test_option_that_no_node_can_have_is_refused(shipped, tmp_path, service, options, said):
    """
    Where it stands, with the way out.
    """
    text = f"nodes: {{x: {{match: {{names: [a]}}, services: {{{service}: {{options: {options}}}}}}}}}\n"

    (line,) = refused(shipped, tmp_path, text)

    assert f"nodes.x.services.{service}.options.{said}" in line
