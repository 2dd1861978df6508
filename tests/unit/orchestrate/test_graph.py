"""What needs what, drawn."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from kolla_k8s.orchestrate.graph import as_dot, as_svg, as_text, graph_of

NEEDS = {
    "mariadb": [],
    "keystone": ["mariadb"],
    "nova": ["keystone", "mariadb"],
    "nova-compute": ["nova", "libvirt"],
    "libvirt": [],
}
PLANES = {name: "node" if name in {"libvirt", "nova-compute"} else "control" for name in NEEDS}
GRAPH = graph_of(PLANES, NEEDS)


def test_needs_that_others_imply_are_left_out():
    """
    Nova needs Keystone, which needs MariaDB.
    """
    assert ("keystone",) == GRAPH.needs["nova"]
    assert ("libvirt", "nova") == GRAPH.needs["nova-compute"]


def test_text_lists_services_in_an_order_of_installation():
    """
    What is needed stands above what needs it.
    """
    assert (
        "libvirt\n"
        "mariadb\n"
        "keystone      mariadb\n"
        "nova          keystone\n"
        "nova-compute  libvirt, nova\n"
    ) == as_text(GRAPH)  # fmt: skip


def test_dot_has_every_service_and_every_need():
    """
    A node a service, an edge from the need to what needs it.
    """
    lines = as_dot(GRAPH).splitlines()

    assert 5 == sum("fillcolor" in line for line in lines)
    assert 4 == sum("->" in line for line in lines)
    assert '  "mariadb" -> "keystone";' in lines


def test_svg_is_well_formed_and_draws_needs_to_the_left():
    """
    Each service is a box; what it needs stands left of it.
    """
    root = ET.fromstring(as_svg(GRAPH))  # noqa: S314 - ours
    names = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    boxes = [float(box.get("x")) for box in root.iter("{http://www.w3.org/2000/svg}rect")]
    left = dict(zip(names, boxes, strict=True))

    assert sorted(NEEDS) == sorted(names)
    assert all(left[need] < left[name] for name, needs in NEEDS.items() for need in needs)
    assert 4 == len(list(root.iter("{http://www.w3.org/2000/svg}path")))


def test_nothing_is_drawn_as_nothing():
    """
    A site that disables everything has an empty graph.
    """
    empty = graph_of({}, {})

    assert "" == as_text(empty)
    assert 0 == as_svg(empty).count("<rect")
